/* SPDX-License-Identifier: Apache-2.0 */
/* Maps a driver's memory, has the driver fill it, and looks: the old names beside the new. */
#include <IOKit/IOKitLib.h>
#include <IOKit/IOMapTypes.h>
#include <mach/mach.h>
#include <mach/vm_page_size.h>
#include <mach/vm_prot.h>

#include <stdio.h>
#include <string.h>

static const char *check(const volatile uint8_t *bytes, mach_vm_size_t size, uint8_t wanted)
{
    mach_vm_size_t i;

    for (i = 0; i < size; i++)
        if (bytes[i] != wanted)
            return "wrong";
    return "right";
}

int main(void)
{
    mach_vm_address_t address = 0, readOnly = 0, old = 0;
    mach_vm_size_t size = 0, oldSize = 0;
    io_connect_t connect = MACH_PORT_NULL;
    io_service_t service;
    uint64_t fill = 0xa5;
    vm_address_t own = 0;
    kern_return_t kr;

    service = IOServiceGetMatchingService(kIOMainPortDefault, IOServiceNameMatching("Echo"));
    if (service == MACH_PORT_NULL)
        return 1;
    kr = IOServiceOpen(service, mach_task_self(), 0, &connect);
    IOObjectRelease(service);
    if (kr != KERN_SUCCESS)
        return 1;

    kr = IOConnectMapMemory64(connect, kIODefaultMemoryType, mach_task_self(), &address, &size,
                              kIOMapAnywhere | kIOMapDefaultCache);
    if (kr != KERN_SUCCESS) {
        mach_error("IOConnectMapMemory64", kr);
        return 1;
    }
    printf("mapped %llu bytes, page aligned: %s\n", (unsigned long long)size,
           (address & vm_page_mask) == 0 ? "yes" : "no");
    kr = IOConnectCallScalarMethod(connect, 4, &fill, 1, NULL, NULL);
    printf("filled: 0x%x, %s\n", kr, check((const volatile uint8_t *)(uintptr_t)address, size, 0xa5));

    ((uint8_t *)(uintptr_t)address)[size - 1] = 0x11;
    kr = IOConnectMapMemory(connect, 0, mach_task_self(), &old, &oldSize, kIOMapAnywhere);
    printf("again: 0x%x, same place: %s, last byte %02x\n", kr, old == address ? "yes" : "no",
           ((uint8_t *)(uintptr_t)old)[oldSize - 1]);

    kr = IOConnectMapMemory64(connect, 7, mach_task_self(), &readOnly, &size, kIOMapAnywhere);
    printf("no such type: 0x%x\n", kr);
    kr = IOConnectUnmapMemory64(connect, 0, mach_task_self(), address + vm_page_size);
    printf("elsewhere: 0x%x\n", kr);
    kr = IOConnectUnmapMemory(connect, 0, mach_task_self(), address);
    printf("unmapped: 0x%x\n", kr);

    kr = vm_allocate(mach_task_self(), &own, 3 * vm_page_size, VM_FLAGS_ANYWHERE);
    printf("vm_allocate: %d, zeroed: %s\n", kr, check((const volatile uint8_t *)own, 3 * vm_page_size, 0));
    kr = vm_deallocate(mach_task_self(), own, 3 * vm_page_size);
    printf("vm_deallocate: %d\n", kr);
    kr = IOServiceClose(connect);
    return kr;
}
