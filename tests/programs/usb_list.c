/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists USB devices, all of them or those of a vendor, a product, a serial number.
 *
 *	usb_list [-v vendor] [-p product] [-s serial]
 */
#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOKitLib.h>
#include <IOKit/usb/USBSpec.h>
#include <IOKit/usb/USB.h>
#include <mach/mach.h>

#include <unistd.h>

static const char *speedNames[] = { "low", "full", "high", "super", "super+" };

static bool getNumber(io_service_t service, CFStringRef key, SInt32 *value)
{
    CFTypeRef ref = IORegistryEntryCreateCFProperty(service, key, kCFAllocatorDefault, 0);
    bool ok = false;

    if (ref) {
        if (CFGetTypeID(ref) == CFNumberGetTypeID())
            ok = CFNumberGetValue((CFNumberRef)ref, kCFNumberSInt32Type, value);
        CFRelease(ref);
    }
    return ok;
}

static char *copyString(io_service_t service, CFStringRef key)
{
    CFTypeRef ref = IORegistryEntrySearchCFProperty(service, kIOServicePlane, key, kCFAllocatorDefault,
                                                    kIORegistryIterateRecursively | kIORegistryIterateParents);
    char *text = NULL;

    if (ref && CFGetTypeID(ref) == CFStringGetTypeID()) {
        CFStringRef string = (CFStringRef)ref;
        CFIndex size = CFStringGetMaximumSizeForEncoding(CFStringGetLength(string), kCFStringEncodingUTF8) + 1;

        text = (char *)malloc(size);
        if (text && !CFStringGetCString(string, text, size, kCFStringEncodingUTF8)) {
            free(text);
            text = NULL;
        }
    }
    if (ref)
        CFRelease(ref);
    return text;
}

static void addNumber(CFMutableDictionaryRef dict, const char *key, SInt32 value)
{
    CFStringRef name = CFStringCreateWithCString(kCFAllocatorDefault, key, kCFStringEncodingASCII);
    CFNumberRef number = CFNumberCreate(kCFAllocatorDefault, kCFNumberSInt32Type, &value);

    CFDictionarySetValue(dict, name, number);
    CFRelease(number);
    CFRelease(name);
}

static int printDevice(io_service_t device, const char *wantedSerial)
{
    SInt32 vid = 0, pid = 0, location = 0, speed = 0;
    char *product, *serial;
    io_name_t name;
    uint64_t entryID = 0;
    int printed = 0;

    if (IORegistryEntryGetName(device, name) != KERN_SUCCESS)
        strcpy(name, "?");
    getNumber(device, CFSTR(kUSBVendorID), &vid);
    getNumber(device, CFSTR(kUSBProductID), &pid);
    getNumber(device, CFSTR(kUSBDevicePropertyLocationID), &location);
    getNumber(device, CFSTR(kUSBDevicePropertySpeed), &speed);
    product = copyString(device, CFSTR(kUSBProductString));
    serial = copyString(device, CFSTR(kUSBSerialNumberString));
    if (wantedSerial == NULL || (serial && strcmp(serial, wantedSerial) == 0)) {
        IORegistryEntryGetRegistryEntryID(device, &entryID);
        printf("%04x:%04x @0x%08x %s \"%s\" serial %s (%s speed)%s\n", vid & 0xffff, pid & 0xffff, (unsigned)location,
               name, product ? product : "", serial ? serial : "-",
               speed >= 0 && speed < 5 ? speedNames[speed] : "?", entryID ? "" : " gone");
        printed = 1;
    }
    free(product);
    free(serial);
    return printed;
}

int main(int argc, char *argv[])
{
    long vendor = 0, product = 0;
    const char *serial = NULL;
    CFMutableDictionaryRef matchingDict;
    io_iterator_t iter = IO_OBJECT_NULL;
    io_service_t device;
    kern_return_t kr;
    int option, found = 0;

    while ((option = getopt(argc, argv, "v:p:s:")) != -1) {
        switch (option) {
        case 'v':
            vendor = strtol(optarg, NULL, 16);
            break;
        case 'p':
            product = strtol(optarg, NULL, 16);
            break;
        case 's':
            serial = optarg;
            break;
        default:
            return 2;
        }
    }

    matchingDict = IOServiceMatching(kIOUSBDeviceClassName);
    if (!matchingDict) {
        fprintf(stderr, "IOServiceMatching returned NULL\n");
        return 1;
    }
    if (vendor) {
        addNumber(matchingDict, kUSBVendorID, (SInt32)vendor);
        if (product)
            addNumber(matchingDict, kUSBProductID, (SInt32)product);
    }

    /* consumes a reference of the dictionary */
    kr = IOServiceGetMatchingServices(kIOMasterPortDefault, matchingDict, &iter);
    if (kr != KERN_SUCCESS) {
        fprintf(stderr, "IOServiceGetMatchingServices: %s (0x%08x)\n", mach_error_string(kr), kr);
        return 1;
    }
    while ((device = IOIteratorNext(iter)) != IO_OBJECT_NULL) {
        found += printDevice(device, serial);
        kr = IOObjectRelease(device);
        if (kr != KERN_SUCCESS)
            mach_error("IOObjectRelease", kr);
    }
    IOObjectRelease(iter);
    printf("%d device%s\n", found, found == 1 ? "" : "s");
    return found ? EXIT_SUCCESS : EXIT_FAILURE;
}
