/* SPDX-License-Identifier: Apache-2.0 */
/* Our side of the rings: an app that pushes entries to the bench driver, which checks them. */
#include "ours.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <dext_ring.h>

#include "driver/bench.h"
#include "peers/ring_entry.h"

struct pushing {
	dext_ring_t *ring;
	uint64_t next;
	uint32_t batch;
	/* Not on the stack, where saved registers would lie 4 KiB from it: a CPU that knows a store
	 * by these 12 bits takes each for the other. */
	struct ring_entry entries[RING_BATCH_MAX];
};

static bool
open_ring(uint64_t argument, void **ret_state, pid_t *ret_server)
{
	static struct pushing pushing;
	io_connect_t connect;

	if (!bench_open_service("Bench", &connect, ret_server))
		return false;
	pushing.batch = (uint32_t)argument;
	*ret_state = &pushing;
	return dext_ring_create(connect, BENCH_RING, DEXT_RING_ONE_THREAD, &pushing.ring) ==
	       kIOReturnSuccess;
}

static void
push(struct pushing *pushing)
{
	struct ring_entry *entries = pushing->entries;
	uint32_t done = 0, pushed;

	for (uint32_t i = 0; i < pushing->batch; i++)
		ring_entry_write(&entries[i], pushing->next++);
	while (done < pushing->batch) {
		kern_return_t status = dext_ring_push(pushing->ring, &entries[done],
						      pushing->batch - done, &pushed);

		done += pushed;
		if (status == kIOReturnOverrun)
			status = dext_ring_wait(pushing->ring, DEXT_RING_ROOM, UINT64_MAX);
		if (status != kIOReturnSuccess) {
			fprintf(stderr, "bench: a ring failed\n");
			_exit(1);
		}
	}
}

static uint64_t
ring_once(void *state)
{
	struct pushing *pushing = state;

	for (unsigned i = 0; i < RING_TURN; i += pushing->batch)
		push(pushing);
	return 0;
}

/* The driver rings for an app that sleeps: no more often than that. */
static uint64_t
sleeps_of(void *state)
{
	const struct pushing *pushing = state;
	struct dext_ring_statistics statistics;

	dext_ring_get_statistics(pushing->ring, &statistics);
	return statistics.sleeps;
}

const struct contestant our_ring = {
	.name = "dext_ring", .open = open_ring, .once = ring_once, .wakes = sleeps_of, .batch = 16};
