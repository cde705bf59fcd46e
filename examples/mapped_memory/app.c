/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The app of the smallest example: maps 128 bytes that a driver in another process allocated, reads
 * what the driver wrote there, and writes an answer.
 *
 *	dext run examples/mapped_memory/mapped_memory.dext -- examples/mapped_memory/mapped_memory
 */
#include <IOKit/IOKitLib.h>
#include <mach/mach.h>

#include <stdio.h>
#include <string.h>

int
main(void)
{
	io_service_t service;
	io_connect_t connection;
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;
	kern_return_t result;

	/* The driver's service is named after its class. */
	service = IOServiceGetMatchingService(kIOMainPortDefault,
					      IOServiceNameMatching("MappedMemory"));
	if (service == IO_OBJECT_NULL) {
		fprintf(stderr, "The driver MappedMemory is not running.\n");
		return 1;
	}
	/* In the driver's process: NewUserClient, then the user client's Start. */
	result = IOServiceOpen(service, mach_task_self(), 0, &connection);
	IOObjectRelease(service);
	if (result != KERN_SUCCESS) {
		mach_error("IOServiceOpen", result);
		return 1;
	}
	/* In the driver's process: CopyClientMemoryForType, with type 0. */
	result = IOConnectMapMemory64(connection, 0, mach_task_self(), &address, &size,
				      kIOMapAnywhere);
	if (result != KERN_SUCCESS) {
		mach_error("IOConnectMapMemory64", result);
		return 1;
	}
	/* The very bytes that the driver wrote, and that it will see changed. */
	printf("%llu bytes are mapped; the driver says: %s\n", (unsigned long long)size,
	       (char *)address);
	snprintf((char *)address, (size_t)size, "Hello, driver. These are your own pages.");

	IOConnectUnmapMemory64(connection, 0, mach_task_self(), address);
	/* In the driver's process: Stop. It prints what it finds in its memory. */
	IOServiceClose(connection);
	return 0;
}
