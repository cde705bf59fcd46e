/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An app that has a driver square numbers, a million at first, without one call: both sides work in
 * batches on rings that they share. Prints the sum, and how often a side had to be woken.
 *
 *	dext run examples/ring_submit/ring_submit.dext -- examples/ring_submit/ring_submit 1000000
 */
#include <IOKit/IOKitLib.h>
#include <dext_ring.h>
#include <mach/mach.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "squares.h"

#define BATCH	     64
#define TIMEOUT_NSEC UINT64_C(10000000000)

/* The next numbers, as many as there is room for. Those that have found none are made anew. */
static kern_return_t
submit(dext_ring_t *ring, uint64_t *next, uint64_t end)
{
	struct square batch[BATCH] = {{0}};
	uint32_t count = 0, pushed;
	kern_return_t result;

	while (count < BATCH && *next + count < end) {
		batch[count].number = *next + count;
		count++;
	}
	if (count == 0)
		return kIOReturnSuccess;
	result = dext_ring_push(ring, batch, count, &pushed);
	*next += pushed;
	return result == kIOReturnOverrun ? kIOReturnSuccess : result;
}

static kern_return_t
collect(dext_ring_t *ring, uint64_t *done, uint64_t *sum)
{
	struct square batch[BATCH];
	uint32_t popped;
	kern_return_t result = dext_ring_pop(ring, batch, BATCH, &popped);

	for (uint32_t i = 0; i < popped; i++)
		*sum += batch[i].square;
	*done += popped;
	return result == kIOReturnUnderrun ? kIOReturnSuccess : result;
}

static kern_return_t
square_all(dext_ring_t *ring, uint64_t count, uint64_t *sum)
{
	uint64_t next = 0, done = 0;
	kern_return_t result = kIOReturnSuccess;

	while (done < count && result == kIOReturnSuccess) {
		uint64_t before = next + done;

		result = submit(ring, &next, count);
		if (result == kIOReturnSuccess)
			result = collect(ring, &done, sum);
		/* Nothing to do: until there is. */
		if (result == kIOReturnSuccess && next + done == before)
			result = dext_ring_wait(ring,
						next < count ? DEXT_RING_ENTRIES | DEXT_RING_ROOM
							     : DEXT_RING_ENTRIES,
						TIMEOUT_NSEC);
	}
	return result;
}

int
main(int argc, char **argv)
{
	io_service_t service = IOServiceGetMatchingService(kIOMainPortDefault,
							   IOServiceNameMatching("RingSubmit"));
	uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000, sum = 0;
	struct dext_ring_statistics statistics;
	io_connect_t connection;
	dext_ring_t *ring;
	kern_return_t result;

	if (service == IO_OBJECT_NULL) {
		fprintf(stderr, "The driver RingSubmit is not running.\n");
		return 1;
	}
	result = IOServiceOpen(service, mach_task_self(), 0, &connection);
	IOObjectRelease(service);
	if (result == KERN_SUCCESS)
		result = dext_ring_create(connection, SQUARES_RINGS, DEXT_RING_ONE_THREAD, &ring);
	if (result == KERN_SUCCESS)
		result = square_all(ring, count, &sum);
	if (result != KERN_SUCCESS) {
		mach_error("ring_submit", result);
		return 1;
	}
	dext_ring_get_statistics(ring, &statistics);
	printf("sum %" PRIu64 "\n", sum);
	printf("doorbells %" PRIu64 " sleeps %" PRIu64 "\n", statistics.doorbells,
	       statistics.sleeps);
	dext_ring_release(ring);
	IOServiceClose(connection);
	return 0;
}
