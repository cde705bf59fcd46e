/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints the services of a name as they come and go, and what happens to them. Ctrl-C ends it.
 *
 *	dext run drivers/bulkstream/bulkstream.dext --virtual sink -- \
 *		examples/watch_services/watch_services BulkStream
 *
 * Nothing in here is OpenDext's own: it is the same program on macOS.
 */
#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOKitLib.h>
#include <mach/mach.h>

#include <stdio.h>
#include <stdlib.h>

static IONotificationPortRef port;

/* A service that is watched, until it ends. */
struct watched {
	uint64_t id;
	io_object_t notification;
};

static void
happened(void *refcon, io_service_t service, uint32_t type, void *argument)
{
	struct watched *watched = refcon;

	(void)service;
	(void)argument;
	if (type == kIOMessageServicePropertyChange)
		printf("changed 0x%llx\n", (unsigned long long)watched->id);
	if (type == kIOMessageServiceIsTerminated) {
		printf("ended   0x%llx\n", (unsigned long long)watched->id);
		IOObjectRelease(watched->notification);
		free(watched);
	}
	fflush(stdout);
}

static void
watch(io_service_t service, uint64_t id)
{
	struct watched *watched = calloc(1, sizeof(*watched));

	if (watched == NULL)
		return;
	watched->id = id;
	if (IOServiceAddInterestNotification(port, service, kIOGeneralInterest, happened, watched,
					     &watched->notification) != KERN_SUCCESS)
		free(watched); /* it has gone already */
}

/* Called for what is there at the start, and then whenever something has come. */
static void
came(void *refcon, io_iterator_t iterator)
{
	io_service_t service;

	(void)refcon;
	/* To the end: only a drained iterator brings the next call. */
	while ((service = IOIteratorNext(iterator)) != IO_OBJECT_NULL) {
		io_name_t name = "?";
		uint64_t id = 0;

		IORegistryEntryGetName(service, name);
		IORegistryEntryGetRegistryEntryID(service, &id);
		printf("came    0x%llx %s\n", (unsigned long long)id, name);
		watch(service, id);
		IOObjectRelease(service);
	}
	fflush(stdout);
}

static void
went(void *refcon, io_iterator_t iterator)
{
	io_service_t service;

	(void)refcon;
	while ((service = IOIteratorNext(iterator)) != IO_OBJECT_NULL) {
		io_name_t name = "?";
		uint64_t id = 0;

		IORegistryEntryGetName(service, name);
		IORegistryEntryGetRegistryEntryID(service, &id);
		printf("went    0x%llx %s\n", (unsigned long long)id, name);
		IOObjectRelease(service);
	}
	fflush(stdout);
}

static void
add(const char *type, const char *name, IOServiceMatchingCallback callback)
{
	io_iterator_t iterator = IO_OBJECT_NULL;
	/* The dictionary is given up by the call. */
	kern_return_t result = IOServiceAddMatchingNotification(
		port, type, IOServiceNameMatching(name), callback, NULL, &iterator);

	if (result != KERN_SUCCESS) {
		mach_error("IOServiceAddMatchingNotification", result);
		exit(1);
	}
	callback(NULL, iterator);
}

int
main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s NAME\n", argv[0]);
		return 2;
	}
	port = IONotificationPortCreate(kIOMainPortDefault);
	if (port == NULL)
		return 1;
	CFRunLoopAddSource(CFRunLoopGetCurrent(), IONotificationPortGetRunLoopSource(port),
			   kCFRunLoopDefaultMode);
	add(kIOTerminatedNotification, argv[1], went);
	add(kIOMatchedNotification, argv[1], came);
	CFRunLoopRun();
	return 0;
}
