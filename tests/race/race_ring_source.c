/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver that takes entries and waits for more while its app puts the next one in: the app tells
 * only if it was asked to, and no entry may be left lying. Also if the handler leaves its thread
 * work, after which that looks, while others are told although nobody asked, and take its look
 * over; and if that thread is held up until all that lies in the ring is taken, and the app tells
 * of it but once.
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
static struct source_scene scene;
static bool works;    /* the handler leaves work */
static bool holds_up; /* that waits for what lies in the ring, and the app tells but once */
static struct loop_task work;
static _Atomic bool has_work;  /* some thread */
static _Atomic uint32_t begun; /* entries of the app */

/* Pieces, for as long as it takes to wake another thread. */
static void
do_work(struct loop_task *task)
{
	static _Atomic uint32_t seed = 1;
	uint32_t state = atomic_fetch_add(&seed, 1);

	sched_yield();
	while (holds_up && atomic_load(&taken) != atomic_load(&begun))
		sched_yield();
	if (scatter(&state) % 16 != 0)
		loop_defer(scene.loop, task);
	else
		atomic_store(&has_work, false);
}

static void
on_ready(OSObject *target, OSAction *action)
{
	struct entry entry;
	uint32_t count;

	if (works && loop_is_here(scene.loop) && !atomic_exchange(&has_work, true)) {
		work.run = do_work;
		loop_defer(scene.loop, &work);
	}
	while (DextRingDispatchSource_Pop(source, &entry, 1, &count) == kIOReturnSuccess)
		atomic_fetch_add(&taken, 1);
	/* What comes now is told while nobody waits. */
	if (holds_up)
		sched_yield();
}

static void
put(struct shared_ring_producer *app, uint32_t number, bool tells)
{
	struct entry entry = {number, 0};
	uint32_t pushed;
	bool tell;

	atomic_store(&begun, number + 1);
	ck_assert_int_eq(shared_ring_push(app, &entry, 1, &pushed, &tell), kIOReturnSuccess);
	if (tell || tells)
		mapped_source_look((IODispatchSource *)source, false);
}

static void
miss_none(void)
{
	uint64_t end = clock_now() + ROUNDS_NSEC;
	struct shared_ring_producer app;
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
			put(&app, sent++, works && scatter(&state) % 2 != 0);
		}
		/* As before a sleep: once. */
		if (holds_up && shared_ring_is_left(&app))
			mapped_source_look((IODispatchSource *)source, false);
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

START_TEST(the_driver_misses_no_entry)
{
	miss_none();
}
END_TEST

START_TEST(nor_while_its_threads_have_work)
{
	works = true;
	miss_none();
}
END_TEST

START_TEST(nor_while_a_thread_is_held_up)
{
	works = holds_up = true;
	miss_none();
}
END_TEST

UNIT_MAIN("ring source races", the_driver_misses_no_entry, nor_while_its_threads_have_work,
	  nor_while_a_thread_is_held_up)
