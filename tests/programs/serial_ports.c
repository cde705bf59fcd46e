/* SPDX-License-Identifier: Apache-2.0 */
/* Looks for serial ports as programs that talk to modems and boards do. */
#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOBSD.h>
#include <IOKit/IOKitLib.h>
#include <IOKit/serial/IOSerialKeys.h>

#include <stdio.h>
#include <sys/param.h>

#if defined(MAC_OS_X_VERSION_10_3) && (MAC_OS_X_VERSION_MIN_REQUIRED >= MAC_OS_X_VERSION_10_3)
static const char *since = "10.3";
#else
static const char *since = "before";
#endif

static kern_return_t findModems(io_iterator_t *matchingServices)
{
    kern_return_t kernResult;
    CFMutableDictionaryRef classesToMatch;

    classesToMatch = IOServiceMatching(kIOSerialBSDServiceValue);
    if (classesToMatch == NULL)
        printf("IOServiceMatching returned a NULL dictionary.\n");
    else
        CFDictionarySetValue(classesToMatch, CFSTR(kIOSerialBSDTypeKey), CFSTR(kIOSerialBSDAllTypes));
    kernResult = IOServiceGetMatchingServices(kIOMasterPortDefault, classesToMatch, matchingServices);
    if (KERN_SUCCESS != kernResult)
        printf("IOServiceGetMatchingServices returned %d\n", kernResult);
    return kernResult;
}

static kern_return_t getModemPath(io_iterator_t serialPortIterator, char *bsdPath, CFIndex maxPathSize)
{
    io_object_t modemService;
    kern_return_t kernResult = KERN_FAILURE;
    Boolean modemFound = false;

    *bsdPath = '\0';
    while ((modemService = IOIteratorNext(serialPortIterator)) && !modemFound) {
        CFTypeRef bsdPathAsCFString;

        bsdPathAsCFString =
            IORegistryEntryCreateCFProperty(modemService, CFSTR(kIOCalloutDeviceKey), kCFAllocatorDefault, 0);
        if (bsdPathAsCFString) {
            Boolean result;

            result = CFStringGetCString((CFStringRef)bsdPathAsCFString, bsdPath, maxPathSize, kCFStringEncodingUTF8);
            CFRelease(bsdPathAsCFString);
            if (result) {
                printf("Port found with path: %s", bsdPath);
                modemFound = true;
                kernResult = KERN_SUCCESS;
            }
        }
        printf("\n");
        (void)IOObjectRelease(modemService);
    }
    return kernResult;
}

int main(void)
{
    io_iterator_t serialPortIterator;
    char bsdPath[MAXPATHLEN];
    kern_return_t kernResult;

    kernResult = findModems(&serialPortIterator);
    if (KERN_SUCCESS != kernResult)
        return 1;
    getModemPath(serialPortIterator, bsdPath, sizeof(bsdPath));
    IOObjectRelease(serialPortIterator);
    if (!bsdPath[0])
        printf("No port was found (%s).\n", since);
    return 0;
}
