/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows the first bytes of a PCI device's memory, and writes a line into it if one is given. It
 * needs no rights of its own: the driver hands the memory out, and dextd's access file says to
 * whom.
 *
 *	pci_memory [TEXT]
 */
#include <IOKit/IOKitLib.h>
#include <mach/mach.h>

#include <stdio.h>
#include <string.h>

static kern_return_t
show_and_write(io_connect_t connection, const char *text)
{
	/* 0: to be written. 1: to be read only. */
	uint32_t type = text != NULL ? 0 : 1;
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;
	kern_return_t result;

	/* A device's memory is not cached; kIOMapInhibitCache says that this is expected. */
	result = IOConnectMapMemory64(connection, type, mach_task_self(), &address, &size,
				      kIOMapAnywhere | kIOMapInhibitCache);
	if (result != KERN_SUCCESS)
		return result;
	printf("%llu bytes of the device are mapped; they begin with: %.40s\n",
	       (unsigned long long)size, (const char *)address);
	if (text != NULL)
		snprintf((char *)address, 40, "%s", text);
	return IOConnectUnmapMemory64(connection, type, mach_task_self(), address);
}

int
main(int argc, char **argv)
{
	io_service_t service;
	io_connect_t connection;
	kern_return_t result;

	service =
		IOServiceGetMatchingService(kIOMainPortDefault, IOServiceNameMatching("PCIMemory"));
	if (service == IO_OBJECT_NULL) {
		fprintf(stderr, "The driver PCIMemory is not running.\n");
		return 1;
	}
	result = IOServiceOpen(service, mach_task_self(), 0, &connection);
	IOObjectRelease(service);
	if (result != KERN_SUCCESS) {
		mach_error("IOServiceOpen", result);
		return 1;
	}
	result = show_and_write(connection, argc > 1 ? argv[1] : NULL);
	if (result != KERN_SUCCESS)
		mach_error("IOConnectMapMemory64", result);
	IOServiceClose(connection);
	return result == KERN_SUCCESS ? 0 : 1;
}
