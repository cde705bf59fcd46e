/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches USB devices on a run loop, as tools for boards do: one notification for those that come,
 * one for those that go, and for each device that came the interest in what happens to it. Ends
 * when the given number of devices has come and gone.
 */
#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOKitLib.h>
#include <IOKit/IOMessage.h>
#include <IOKit/usb/USB.h>
#include <mach/mach.h>

#include <stdio.h>
#include <stdlib.h>

struct device {
    io_object_t notification;
    CFStringRef name;
    UInt32 locationID;
};

static IONotificationPortRef notifyPort;
static io_iterator_t addedIter, removedIter;
static int wanted, added, removed, ended;

static void StopWhenDone(void)
{
    if (removed >= wanted && ended >= wanted)
        CFRunLoopStop(CFRunLoopGetCurrent());
}

static void DeviceNotification(void *refCon, io_service_t service, natural_t messageType, void *messageArgument)
{
    struct device *device = (struct device *)refCon;

    (void)service;
    (void)messageArgument;
    if (messageType != kIOMessageServiceIsTerminated)
        return;
    ended++;
    printf("gone: 0x%08x\n", (unsigned)device->locationID);
    CFRelease(device->name);
    if (IOObjectRelease(device->notification) != KERN_SUCCESS)
        printf("not released\n");
    free(device);
    StopWhenDone();
}

static void DeviceAdded(void *refCon, io_iterator_t iterator)
{
    io_service_t usbDevice;

    (void)refCon;
    while ((usbDevice = IOIteratorNext(iterator))) {
        struct device *device = (struct device *)calloc(1, sizeof(*device));
        io_name_t name;
        CFTypeRef location;
        kern_return_t kr;

        if (IORegistryEntryGetName(usbDevice, name) != KERN_SUCCESS)
            name[0] = '\0';
        device->name = CFStringCreateWithCString(kCFAllocatorDefault, name, kCFStringEncodingASCII);
        location = IORegistryEntryCreateCFProperty(usbDevice, CFSTR("locationID"), kCFAllocatorDefault, 0);
        if (!location || !CFNumberGetValue((CFNumberRef)location, kCFNumberSInt32Type, &device->locationID))
            device->locationID = 0;
        if (location)
            CFRelease(location);
        added++;
        kr = IOServiceAddInterestNotification(notifyPort, usbDevice, kIOGeneralInterest, DeviceNotification, device,
                                              &device->notification);
        if (kr == KERN_SUCCESS) {
            printf("came: %s at 0x%08x\n", name, (unsigned)device->locationID);
        } else { /* it went in this moment */
            CFRelease(device->name);
            free(device);
        }
        IOObjectRelease(usbDevice);
    }
}

static void DeviceRemoved(void *refCon, io_iterator_t iterator)
{
    io_service_t usbDevice;

    (void)refCon;
    while ((usbDevice = IOIteratorNext(iterator))) {
        removed++;
        IOObjectRelease(usbDevice);
    }
    StopWhenDone();
}

int main(int argc, const char *argv[])
{
    long usbVendor = argc > 1 ? strtol(argv[1], NULL, 0) : 0;
    CFMutableDictionaryRef matching = IOServiceMatching(kIOUSBDeviceClassName);
    CFNumberRef vendor = CFNumberCreate(kCFAllocatorDefault, kCFNumberLongType, &usbVendor);
    CFRunLoopSourceRef source;

    setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* whoever reads this waits for it */
    wanted = argc > 2 ? atoi(argv[2]) : 1;
    CFDictionarySetValue(matching, CFSTR(kUSBVendorID), vendor);
    CFRelease(vendor);
    notifyPort = IONotificationPortCreate(kIOMasterPortDefault);
    source = IONotificationPortGetRunLoopSource(notifyPort);
    CFRunLoopAddSource(CFRunLoopGetCurrent(), source, kCFRunLoopDefaultMode);

    CFRetain(matching); /* each of the two calls takes a reference */
    if (IOServiceAddMatchingNotification(notifyPort, kIOFirstMatchNotification, matching, DeviceAdded, NULL,
                                         &addedIter) != KERN_SUCCESS ||
        IOServiceAddMatchingNotification(notifyPort, kIOTerminatedNotification, matching, DeviceRemoved, NULL,
                                         &removedIter) != KERN_SUCCESS)
        return 1;
    DeviceAdded(NULL, addedIter);
    DeviceRemoved(NULL, removedIter);
    CFRunLoopRun();
    printf("enough: %s\n", added >= wanted && removed >= wanted ? "yes" : "no");

    IOObjectRelease(addedIter);
    IOObjectRelease(removedIter);
    IONotificationPortDestroy(notifyPort);
    return 0;
}
