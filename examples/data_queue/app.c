/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An app that gets samples from a driver through a data queue: no call, and one message for each
 * time that it had taken all there was. Prints as many as it was asked for, 5 at first.
 *
 *	dext run examples/data_queue/data_queue.dext -- examples/data_queue/data_queue 10
 */
#include <IOKit/IODataQueueClient.h>
#include <IOKit/IOKitLib.h>
#include <mach/mach.h>

#include <stdio.h>
#include <stdlib.h>

#include "sample.h"

static int
print_samples(IODataQueueMemory *queue, mach_port_t port, unsigned count)
{
	unsigned seen = 0;

	while (seen < count) {
		IOReturn result = IODataQueueWaitForAvailableData(queue, port);
		struct sample sample;
		uint32_t size = sizeof(sample);

		if (result != kIOReturnSuccess) {
			mach_error("IODataQueueWaitForAvailableData", result);
			return 1;
		}
		/* To the end: the next message comes when the queue was empty. */
		while (seen < count &&
		       IODataQueueDequeue(queue, &sample, &size) == kIOReturnSuccess) {
			printf("sample %u is %u\n", (unsigned)sample.number,
			       (unsigned)sample.value);
			size = sizeof(sample);
			seen++;
		}
	}
	return 0;
}

int
main(int argc, char **argv)
{
	io_service_t service =
		IOServiceGetMatchingService(kIOMainPortDefault, IOServiceNameMatching("DataQueue"));
	unsigned count = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 5;
	mach_port_t port = IODataQueueAllocateNotificationPort();
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;
	io_connect_t connection;
	kern_return_t result;
	int status;

	if (service == IO_OBJECT_NULL || port == MACH_PORT_NULL) {
		fprintf(stderr, "The driver DataQueue is not running.\n");
		return 1;
	}
	result = IOServiceOpen(service, mach_task_self(), 0, &connection);
	IOObjectRelease(service);
	if (result != KERN_SUCCESS) {
		mach_error("IOServiceOpen", result);
		return 1;
	}
	result = IOConnectMapMemory64(connection, SAMPLE_QUEUE, mach_task_self(), &address, &size,
				      kIOMapAnywhere);
	if (result == KERN_SUCCESS)
		result = IOConnectSetNotificationPort(connection, SAMPLE_QUEUE, port, 0);
	if (result != KERN_SUCCESS) {
		mach_error("mapping the queue", result);
		return 1;
	}
	status = print_samples((IODataQueueMemory *)(uintptr_t)address, port, count);
	IOServiceClose(connection);
	mach_port_destroy(mach_task_self(), port);
	return status;
}
