/* SPDX-License-Identifier: Apache-2.0 */
/* As programs of 2005 are written: a master port, ints as scalars, versions asked for. */
#include <AvailabilityMacros.h>
#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOKitLib.h>
#include <IOKit/usb/USBSpec.h>
#include <libkern/OSAtomic.h>
#include <mach/mach.h>

#include <stdio.h>

#if !defined(MAC_OS_X_VERSION_10_5) || MAC_OS_X_VERSION_MAX_ALLOWED < MAC_OS_X_VERSION_10_5
#error "too old for its own good"
#endif

static int32_t finished;

int main(int argc, char *argv[])
{
    kern_return_t err;
    mach_port_t masterPort = 0;
    CFMutableDictionaryRef matchingDictionary = 0;
    io_iterator_t iterator = 0;
    io_service_t usbDeviceRef;
    io_object_t anEntry;
    io_connect_t dataPort = 0;
    int first = 0, second = 0, clients = 0;
    IOByteCount structSize = 8;
    char structure[8] = "";
    UInt32 found = 0;

    (void)argc;
    err = IOMasterPort(bootstrap_port, &masterPort);
    if (err || !masterPort) {
        printf("%s: could not create master port, err = %08x\n", argv[0], err);
        return -1;
    }
    matchingDictionary = IOServiceMatching("IOUserService");
    if (!matchingDictionary) {
        printf("%s: could not create matching dictionary\n", argv[0]);
        return -1;
    }
    err = IOServiceGetMatchingServices(masterPort, matchingDictionary, &iterator);
    matchingDictionary = 0; /* this was consumed by the above call */
    while ((usbDeviceRef = IOIteratorNext(iterator))) {
        io_name_t className;

        IOObjectGetClass(usbDeviceRef, className);
        printf("found device %d, a %s\n", (int)++found, className);
        anEntry = usbDeviceRef;
        err = IOServiceOpen(anEntry, mach_task_self(), 0, &dataPort);
        IOObjectRelease(usbDeviceRef);
        if (err != kIOReturnSuccess) {
            printf("unable to open, ret = %08x\n", err);
            continue;
        }
        err = IOConnectMethodScalarIScalarO(dataPort, 0, 2, 2, 7, 9, &first, &second);
        printf("scalars: %08x, %d %d\n", err, first, second);
        err = IOConnectMethodScalarIScalarO(dataPort, 3, 0, 1, &clients);
        printf("clients: %08x, %d\n", err, clients);
        err = IOConnectMethodStructureIStructureO(dataPort, 0, 8, &structSize, (void *)"abcdefg", structure);
        printf("structure: %08x, %d %s\n", err, (int)structSize, structure);
        OSAtomicIncrement32(&finished);
        IOServiceClose(dataPort);
    }
    IOObjectRelease(iterator);
    iterator = 0;
    err = mach_port_deallocate(mach_task_self(), masterPort);
    printf("deallocate: %d\n", err);
    return finished == (int32_t)found && found > 0 ? 0 : 1;
}
