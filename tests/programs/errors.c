/* SPDX-License-Identifier: Apache-2.0 */
/* Every way to be refused that a careful program handles, with the code that it expects. */
#include <IOKit/IOKitLib.h>
#include <IOKit/IOReturn.h>
#include <IOKit/usb/USB.h>
#include <mach/mach.h>
#include <mach/mach_error.h>

#include <stdio.h>
#include <string.h>

static int failures;

static void expect(const char *what, kern_return_t kr, kern_return_t wanted)
{
    if (kr != wanted) {
        printf("%s: 0x%08x, expected 0x%08x\n", what, kr, wanted);
        failures++;
        return;
    }
    printf("%s: %s (system 0x%x, sub 0x%x, code 0x%x)\n", what, mach_error_string(kr), err_get_system(kr),
           err_get_sub(kr), err_get_code(kr));
}

int main(void)
{
    uint64_t scalars[17] = { 0 };
    uint32_t count;
    size_t length;
    char bytes[64];
    io_connect_t connect = MACH_PORT_NULL, again = MACH_PORT_NULL;
    io_struct_inband_t text;
    uint32_t length32;
    mach_vm_address_t address = 0;
    mach_vm_size_t size = 0;
    io_service_t service, resources;
    io_name_t name;
    io_iterator_t iterator;

    service = IOServiceGetMatchingService(kIOMainPortDefault, IOServiceNameMatching("Echo"));
    if (!service)
        return 2;
    expect("open", IOServiceOpen(service, mach_task_self(), 0, &connect), kIOReturnSuccess);
    expect("unknown selector", IOConnectCallScalarMethod(connect, 1000, NULL, 0, NULL, NULL), kIOReturnUnsupported);
    expect("too few scalars", IOConnectCallScalarMethod(connect, 4, NULL, 0, NULL, NULL), kIOReturnBadArgument);
    count = 1;
    expect("a structure nobody wants", IOConnectCallMethod(connect, 3, NULL, 0, "text", 4, scalars, &count, NULL, NULL),
           kIOReturnBadArgument);
    expect("17 scalars", IOConnectCallScalarMethod(connect, 0, scalars, 17, NULL, NULL), MIG_ARRAY_TOO_LARGE);
    expect("9 words of reference",
           IOConnectCallAsyncScalarMethod(connect, 0, MACH_PORT_NULL, scalars, 9, NULL, 0, NULL, NULL),
           MIG_ARRAY_TOO_LARGE);
    count = 17;
    expect("room for more than can come", IOConnectCallScalarMethod(connect, 0, scalars, 2, scalars, &count),
           kIOReturnSuccess);
    length = sizeof(bytes);
    expect("no input", IOConnectCallStructMethod(connect, 3, NULL, 0, bytes, &length), kIOReturnBadArgument);
    expect("no such connection", IOConnectCallScalarMethod(0, 0, NULL, 0, NULL, NULL), MACH_SEND_INVALID_DEST);
    expect("a port that is none", IOConnectSetNotificationPort(connect, 0, 0x7773, 0), MACH_SEND_INVALID_RIGHT);
    expect("a service is no connection", IOServiceClose(service), kIOReturnBadArgument);
    expect("nor to be called", IOConnectCallScalarMethod(service, 0, NULL, 0, NULL, NULL), kIOReturnBadArgument);
    expect("nor to be mapped", IOConnectMapMemory64(service, 0, mach_task_self(), &address, &size, kIOMapAnywhere),
           kIOReturnBadArgument);
    expect("a connection is no service", IOServiceOpen(connect, mach_task_self(), 0, &again), kIOReturnBadArgument);
    expect("nor an entry", IORegistryEntryGetName(connect, name), kIOReturnBadArgument);
    /* A program that did not look whether its service was found. */
    expect("open nothing", IOServiceOpen(IO_OBJECT_NULL, mach_task_self(), 0, &again), MACH_SEND_INVALID_DEST);
    expect("close nothing", IOServiceClose(IO_OBJECT_NULL), MACH_SEND_INVALID_DEST);
    expect("the service of nothing", IOConnectGetService(IO_OBJECT_NULL, &resources), MACH_SEND_INVALID_DEST);
    expect("how busy nothing is", IOServiceGetBusyState(IO_OBJECT_NULL, &count), MACH_SEND_INVALID_DEST);
    expect("the class of nothing", IOObjectGetClass(IO_OBJECT_NULL, name), MACH_SEND_INVALID_DEST);
    expect("go into nothing", IORegistryIteratorEnterEntry(IO_OBJECT_NULL), MACH_SEND_INVALID_DEST);
    if (!IOObjectIsEqualTo(IO_OBJECT_NULL, IO_OBJECT_NULL) || IOObjectIsEqualTo(service, IO_OBJECT_NULL))
        failures++;
    /* A property as bytes. */
    length32 = sizeof(text);
    expect("as bytes", IORegistryEntryGetProperty(service, "IOUserClass", text, &length32), KERN_SUCCESS);
    if (length32 != 5 || strcmp(text, "Echo") != 0)
        failures++;
    length32 = 4;
    expect("too small", IORegistryEntryGetProperty(service, "IOUserClass", text, &length32), kIOReturnIPCError);
    length32 = sizeof(text);
    expect("no such property", IORegistryEntryGetProperty(service, "NoSuch", text, &length32), kIOReturnNoResources);
    expect("not bytes", IORegistryEntryGetProperty(service, "UserClientProperties", text, &length32),
           kIOReturnBadArgument);
    expect("close", IOServiceClose(connect), kIOReturnSuccess);
    expect("closed", IOConnectCallScalarMethod(connect, 3, NULL, 0, NULL, NULL), MACH_SEND_INVALID_DEST);
    expect("close twice", IOServiceClose(connect), MACH_SEND_INVALID_DEST);
    expect("release", IOObjectRelease(service), KERN_SUCCESS);
    expect("release twice", IOObjectRelease(service), KERN_INVALID_NAME);
    expect("retain what was released", IOObjectRetain(service), KERN_INVALID_NAME);
    expect("name of nothing", IORegistryEntryGetName(IO_OBJECT_NULL, name), MACH_SEND_INVALID_DEST);

    resources = IOServiceGetMatchingService(kIOMainPortDefault, IOServiceMatching("IOUserResources"));
    expect("not a driver", IOServiceOpen(resources, mach_task_self(), 0, &connect), kIOReturnUnsupported);
    IOObjectRelease(resources);

    if (IOServiceGetMatchingService(kIOMainPortDefault, IOServiceMatching("NoSuchClass")) != IO_OBJECT_NULL)
        failures++;
    if (IOServiceGetMatchingServices(kIOMainPortDefault, IOServiceMatching("NoSuchClass"), &iterator) !=
            KERN_SUCCESS ||
        IOIteratorNext(iterator) != IO_OBJECT_NULL)
        failures++;
    IOObjectRelease(iterator);

    /* codes in words */
    if (strlen(mach_error_string(kIOReturnExclusiveAccess)) < 10)
        failures++;
    printf("%s %s\n", mach_error_type(kIOReturnExclusiveAccess), mach_error_type(MACH_RCV_TIMED_OUT));
    printf("%s; %s; %s; %s\n", mach_error_string(kIOReturnNotPrivileged), mach_error_string(kIOUSBPipeStalled),
           mach_error_string(KERN_INVALID_ARGUMENT), mach_error_string(MACH_RCV_TIMED_OUT));
    switch (iokit_common_err(0x2c2)) {
    case kIOReturnBadArgument:
        break;
    default:
        failures++;
    }
    printf("%d failure%s\n", failures, failures == 1 ? "" : "s");
    return failures ? 1 : 0;
}
