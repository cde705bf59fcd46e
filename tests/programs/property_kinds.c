/* SPDX-License-Identifier: Apache-2.0 */
/* What a driver sets as OSNumber, OSString, ... is CFNumber, CFString, ... to an app, and is equal. */
#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOKitLib.h>
#include <mach/mach.h>

#include <stdio.h>

#define kSetKinds 15

static int failures;

static void check(CFDictionaryRef properties, CFStringRef key, CFTypeID type, CFTypeRef wanted)
{
    CFTypeRef value = CFDictionaryGetValue(properties, key);
    char name[32];

    CFStringGetCString(key, name, sizeof(name), kCFStringEncodingUTF8);
    if (value == NULL || CFGetTypeID(value) != type || !CFEqual(value, wanted) || CFHash(value) != CFHash(wanted)) {
        printf("%s is wrong\n", name);
        failures++;
    } else {
        printf("%s\n", name);
    }
}

static void checkNumber(CFDictionaryRef properties, CFStringRef key, SInt64 wanted)
{
    CFNumberRef number = CFNumberCreate(kCFAllocatorDefault, kCFNumberSInt64Type, &wanted);
    CFTypeRef value = CFDictionaryGetValue(properties, key);
    SInt64 whole = 0;

    check(properties, key, CFNumberGetTypeID(), number);
    if (value == NULL || !CFNumberGetValue((CFNumberRef)value, kCFNumberSInt64Type, &whole) || whole != wanted)
        failures++;
    CFRelease(number);
}

int main(void)
{
    static const UInt8 bytes[] = { 0, 1, 0xff };
    const void *elements[2];
    const void *key = CFSTR("Array");
    const void *arrays[1];
    io_service_t service = IOServiceGetMatchingService(kIOMasterPortDefault, IOServiceNameMatching("Echo"));
    io_connect_t connect = IO_OBJECT_NULL;
    CFMutableDictionaryRef properties = NULL;
    CFDataRef data, noData;
    CFDictionaryRef dictionary;
    CFStringRef string;
    CFNumberRef number;
    CFArrayRef array;
    CFTypeRef location;
    UInt32 locationID = 0;
    SInt32 small = 200;

    if (IOServiceOpen(service, mach_task_self(), 0, &connect) != KERN_SUCCESS ||
        IOConnectCallScalarMethod(connect, kSetKinds, NULL, 0, NULL, NULL) != KERN_SUCCESS ||
        IORegistryEntryCreateCFProperties(service, &properties, kCFAllocatorDefault, kNilOptions) != KERN_SUCCESS)
        return 1;

    checkNumber(properties, CFSTR("Number8"), 200);
    checkNumber(properties, CFSTR("Number16"), 0xfffe);
    checkNumber(properties, CFSTR("Number32"), 0xfd120000);
    checkNumber(properties, CFSTR("Number64"), -4);
    /* As every program reads a location id. */
    location = IORegistryEntryCreateCFProperty(service, CFSTR("Number32"), kCFAllocatorDefault, 0);
    if (!CFNumberGetValue((CFNumberRef)location, kCFNumberSInt32Type, &locationID))
        failures++;
    printf("location 0x%08x\n", (unsigned)locationID);
    CFRelease(location);

    string = CFStringCreateWithCString(kCFAllocatorDefault, "Gr\xc3\xbc\xc3\x9f" "e", kCFStringEncodingUTF8);
    check(properties, CFSTR("String"), CFStringGetTypeID(), string);
    CFRelease(string);
    data = CFDataCreate(kCFAllocatorDefault, bytes, sizeof(bytes));
    noData = CFDataCreate(kCFAllocatorDefault, bytes, 0);
    check(properties, CFSTR("Data"), CFDataGetTypeID(), data);
    check(properties, CFSTR("NoData"), CFDataGetTypeID(), noData);
    CFRelease(data);
    CFRelease(noData);
    check(properties, CFSTR("True"), CFBooleanGetTypeID(), kCFBooleanTrue);
    check(properties, CFSTR("False"), CFBooleanGetTypeID(), kCFBooleanFalse);
    if (CFDictionaryGetValue(properties, CFSTR("True")) != kCFBooleanTrue)
        failures++;

    number = CFNumberCreate(kCFAllocatorDefault, kCFNumberSInt32Type, &small);
    elements[0] = number;
    elements[1] = kCFBooleanTrue;
    array = CFArrayCreate(kCFAllocatorDefault, elements, 2, &kCFTypeArrayCallBacks);
    check(properties, CFSTR("Array"), CFArrayGetTypeID(), array);
    arrays[0] = array;
    dictionary = CFDictionaryCreate(kCFAllocatorDefault, &key, arrays, 1, &kCFTypeDictionaryKeyCallBacks,
                                    &kCFTypeDictionaryValueCallBacks);
    check(properties, CFSTR("Dictionary"), CFDictionaryGetTypeID(), dictionary);
    CFRelease(dictionary);
    CFRelease(array);
    CFRelease(number);

    CFRelease(properties);
    IOServiceClose(connect);
    IOObjectRelease(service);
    printf("%d failures\n", failures);
    return failures != 0;
}
