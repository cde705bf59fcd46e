/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver that takes entries and waits for more while its app puts the next one in: the app tells
 * only if it was asked to, and no entry may be left lying.
 */
#include <DriverKit/DextRingDispatchSource.h>

#include "source_scene.h"

#include "descriptor.h"
#include "mapped_source.h"
#include "rounds.h"
#include "shared_ring.h"

#define ROUNDS_MAX 300000u

struct entry {
	uint64_t number, check;
};

static const struct shared_ring_shape shape = {sizeof(struct entry), {8, 8}};
static DextRingDispatchSource *source;
static _Atomic uint32_t taken;

static void
on_ready(OSObject *target, OSAction *action)
{
	struct entry entry;
	uint32_t count;

	while (DextRingDispatchSource_Pop(source, &entry, 1, &count) == kIOReturnSuccess)
		atomic_fetch_add(&taken, 1);
}

static void
put(struct shared_ring_producer *app, uint32_t number)
{
	struct entry entry = {number, 0};
	uint32_t pushed;
	bool tell;

	ck_assert_int_eq(shared_ring_push(app, &entry, 1, &pushed, &tell), kIOReturnSuccess);
	if (tell)
		mapped_source_look((IODispatchSource *)source, false);
}

START_TEST(the_driver_misses_no_entry)
{
	uint64_t end = clock_now() + ROUNDS_NSEC;
	struct shared_ring_producer app;
	struct source_scene scene;
	IOMemoryDescriptor *memory;
	uint32_t rounds, sent = 0, state = 1;
	OSAction *action;

	source_scene_set(&scene);
	ck_assert_int_eq(DextRingDispatchSource_Create(shape.entry_size, shape.capacity[0],
						       shape.capacity[1], scene.queue, &source),
			 kIOReturnSuccess);
	DextRingDispatchSource_CopyMemory(source, &memory);
	shared_ring_produce(&app, memory_address(memory), &shape, SHARED_RING_SUBMISSION);
	ck_assert_int_eq(DextRingDispatchSource_CreateActionReady((OSObject *)scene.target,
								  on_ready, 0, &action),
			 kIOReturnSuccess);
	ck_assert_int_eq(DextRingDispatchSource_SetReadyHandler(source, action), kIOReturnSuccess);
	for (rounds = 0; rounds < ROUNDS_MAX && clock_now() < end; rounds++) {
		uint64_t deadline = clock_now() + 10 * NSEC_PER_SEC;

		/* One at a time, and several behind one another, of which the last must come, too.
		 */
		for (uint32_t i = scatter(&state) % 4; i < 4; i++) {
			jitter(&state);
			put(&app, sent++);
		}
		while (atomic_load(&taken) != sent)
			ck_assert_msg(clock_now() < deadline, "entry %u is not taken", sent);
	}
	IODispatchSource_Cancel_f((IODispatchSource *)source, NULL, NULL);
	OSRelease(source);
	OSRelease(action);
	OSRelease(memory);
	source_scene_clear(&scene);
	ck_assert_uint_gt(rounds, 0);
}
END_TEST

UNIT_MAIN("ring source races", the_driver_misses_no_entry)
