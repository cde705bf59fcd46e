/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hears of completions on a dispatch queue: no run loop, and no thread of the app's own. The driver
 * is that of examples/buffer_ring; this app keeps its four buffers busy with zeros.
 *
 *	dext run examples/buffer_ring/buffer_ring.dext --virtual sink -- \
 *		examples/dispatch_delivery/dispatch_delivery
 *
 * Only names that exist on macOS are used. With blocks it would be shorter; these are the forms
 * that every compiler has.
 */
#include <IOKit/IOKitLib.h>
#include <dispatch/dispatch.h>
#include <mach/mach.h>

#include <stdio.h>
#include <stdlib.h>

#include "ring.h"

#define ROUNDS 100 /* of each buffer */

struct stream {
	io_connect_t connection;
	dispatch_queue_t queue;
	dispatch_group_t group; /* one member for each buffer that is under way */
	/* What follows is used on the queue only, and so needs no lock. */
	unsigned rounds[RING_BUFFERS];
	unsigned long long bytes;
	kern_return_t failure;
};

static void
check(const char *what, kern_return_t result)
{
	if (result == KERN_SUCCESS)
		return;
	mach_error(what, result);
	exit(1);
}

/* On the queue. Returns at once; until the callback names buffer i it belongs to the driver. */
static void
send(struct stream *stream, uint64_t i)
{
	uint64_t input[2] = {i, RING_BUFFER_SIZE};

	check("kRingSend",
	      IOConnectCallScalarMethod(stream->connection, kRingSend, input, 2, NULL, NULL));
}

/* On the queue, one after the other: the driver called AsyncCompletion. */
static void
completion(void *refcon, IOReturn result, void *arg0, void *arg1)
{
	struct stream *stream = refcon;
	uint64_t i = (uint64_t)arg0;

	dispatch_assert_queue(stream->queue);
	stream->bytes += (unsigned long long)arg1;
	if (result != kIOReturnSuccess)
		stream->failure = result;
	if (result == kIOReturnSuccess && ++stream->rounds[i] < ROUNDS)
		send(stream, i);
	else
		dispatch_group_leave(stream->group);
}

/* On the queue. */
static void
send_all(void *context)
{
	struct stream *stream = context;

	for (uint64_t i = 0; i < RING_BUFFERS; i++) {
		dispatch_group_enter(stream->group);
		send(stream, i);
	}
}

int
main(void)
{
	uint64_t reference[kIOAsyncCalloutCount] = {0};
	struct stream stream = {0};
	IONotificationPortRef port;
	io_service_t service;

	service = IOServiceGetMatchingService(kIOMainPortDefault,
					      IOServiceNameMatching(RING_SERVICE));
	if (service == IO_OBJECT_NULL) {
		fprintf(stderr, "The driver " RING_SERVICE " is not running.\n");
		return 1;
	}
	check("IOServiceOpen", IOServiceOpen(service, mach_task_self(), 0, &stream.connection));
	IOObjectRelease(service);

	/* Whom to call when a buffer is free, and where: on a serial queue. */
	stream.queue = dispatch_queue_create("com.example.completions", DISPATCH_QUEUE_SERIAL);
	stream.group = dispatch_group_create();
	port = IONotificationPortCreate(kIOMainPortDefault);
	IONotificationPortSetDispatchQueue(port, stream.queue);
	reference[kIOAsyncCalloutFuncIndex] = (uint64_t)completion;
	reference[kIOAsyncCalloutRefconIndex] = (uint64_t)&stream;
	check("kRingRegister",
	      IOConnectCallAsyncScalarMethod(stream.connection, kRingRegister,
					     IONotificationPortGetMachPort(port), reference,
					     kIOAsyncCalloutCount, NULL, 0, NULL, NULL));

	/* This thread only waits; it could do anything else meanwhile. */
	dispatch_sync_f(stream.queue, &stream, send_all);
	dispatch_group_wait(stream.group, DISPATCH_TIME_FOREVER);
	check("a transfer", stream.failure);
	printf("sent %llu bytes in %d buffers\n", stream.bytes, ROUNDS * RING_BUFFERS);

	check("IOServiceClose", IOServiceClose(stream.connection));
	IONotificationPortDestroy(port);
	dispatch_release(stream.group);
	dispatch_release(stream.queue);
	return 0;
}
