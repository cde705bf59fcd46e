/* SPDX-License-Identifier: Apache-2.0 */
/* Matching dictionaries, from the plainest to one with a parent, and which board each finds. */
#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOKitLib.h>
#include <IOKit/IOKitKeys.h>
#include <IOKit/usb/USB.h>

static int countServices(CFDictionaryRef matching, const char *what)
{
    io_iterator_t services;
    io_service_t service;
    int count = 0;

    if (matching == NULL || IOServiceGetMatchingServices(kIOMainPortDefault, matching, &services) != KERN_SUCCESS) {
        printf("%s: failed\n", what);
        return -1;
    }
    for (; (service = IOIteratorNext(services)); IOObjectRelease(service))
        count++;
    IOObjectRelease(services);
    printf("%s: %d\n", what, count);
    return count;
}

static CFMutableDictionaryRef withProperty(const char *className, CFStringRef key, CFTypeRef value)
{
    CFMutableDictionaryRef matching = IOServiceMatching(className);
    CFMutableDictionaryRef properties =
        CFDictionaryCreateMutable(kCFAllocatorDefault, 0, &kCFTypeDictionaryKeyCallBacks,
                                  &kCFTypeDictionaryValueCallBacks);

    CFDictionarySetValue(properties, key, value);
    CFDictionarySetValue(matching, CFSTR(kIOPropertyMatchKey), properties);
    CFRelease(properties);
    return matching;
}

int main(void)
{
    const void *keys[2], *values[2];
    CFMutableDictionaryRef matching, parent;
    CFDictionaryRef fixed, sloppy;
    CFNumberRef number;
    io_service_t service;
    uint64_t entryID = 0;
    int vid = 0x1209, wrong = 0x1234;
    int bad = 0;

    bad |= countServices(IOServiceMatching("IOUSBHostDevice"), "boards") != 2;
    bad |= countServices(IOServiceNameMatching("BulkStream"), "drivers") != 2;
    bad |= countServices(withProperty("IOUSBHostDevice", CFSTR(kUSBSerialNumberString), CFSTR("LEFT")), "left") != 1;
    bad |= countServices(withProperty("IOUSBHostDevice", CFSTR(kUSBSerialNumberString), CFSTR("NONE")), "none") != 0;

    number = CFNumberCreate(kCFAllocatorDefault, kCFNumberIntType, &vid);
    bad |= countServices(withProperty("IOUSBHostDevice", CFSTR(kUSBVendorID), number), "by vendor property") != 2;

    /* a constant dictionary, of constant callbacks */
    keys[0] = CFSTR(kIOProviderClassKey);
    values[0] = CFSTR(kIOUSBHostDeviceClassName);
    keys[1] = CFSTR(kUSBVendorID);
    values[1] = number;
    fixed = CFDictionaryCreate(kCFAllocatorDefault, keys, values, 1, &kCFTypeDictionaryKeyCallBacks,
                               &kCFTypeDictionaryValueCallBacks);
    CFRetain(fixed);
    bad |= countServices(fixed, "fixed") != 2;
    matching = CFDictionaryCreateMutableCopy(kCFAllocatorDefault, 0, fixed);
    CFDictionaryAddValue(matching, CFSTR(kUSBVendorID), number);
    CFRelease(fixed);
    bad |= countServices(matching, "by class and vendor") != 2;
    CFRelease(number);
    number = CFNumberCreate(kCFAllocatorDefault, kCFNumberIntType, &wrong);
    matching = IOServiceMatching(kIOUSBHostDeviceClassName);
    CFDictionarySetValue(matching, CFSTR(kUSBVendorID), number);
    bad |= countServices(matching, "another vendor") != 0;

    /* without callbacks, as careless programs have it: nothing is retained, all of it is constant */
    keys[1] = CFSTR(kIOPropertyExistsMatchKey);
    values[1] = CFSTR(kUSBSerialNumberString);
    sloppy = CFDictionaryCreate(NULL, keys, values, 2, NULL, NULL);
    bad |= countServices(sloppy, "without callbacks") != 2;

    /* drivers below a board */
    parent = withProperty("IOUSBHostInterface", CFSTR("bInterfaceNumber"), CFSTR("0"));
    CFDictionaryRemoveValue(parent, CFSTR(kIOPropertyMatchKey));
    matching = IOServiceNameMatching("BulkStream");
    CFDictionarySetValue(matching, CFSTR(kIOParentMatchKey), parent);
    CFRelease(parent);
    bad |= countServices(matching, "below an interface") != 2;

    /* one that was seen, found again by its number */
    service = IOServiceGetMatchingService(kIOMainPortDefault, IOServiceNameMatching("BulkStream"));
    IORegistryEntryGetRegistryEntryID(service, &entryID);
    bad |= countServices(IORegistryEntryIDMatching(entryID), "by entry id") != 1;
    IOObjectRelease(service);
    CFRelease(number);
    return bad;
}
