/* SPDX-License-Identifier: Apache-2.0 */
/* A host allocates nothing for a transfer, once it has had as many at once. */
#include "usb_scene.h"

#include "counted_malloc.h"

#define ROUNDS	1000u
#define AT_ONCE 8u

static struct meter heard = METER_INITIALIZER;

static void
hear(OSObject *target, OSAction *action, IOReturn status, uint32_t actual, uint64_t timestamp)
{
	if (status != kIOReturnSuccess)
		abort();
	meter_raise(&heard);
}

/* As many as are underway in a stream. */
static void
go_round(struct scene *scene, IOUSBHostPipe *pipe, OSAction *action)
{
	unsigned before = meter_read(&heard);

	for (unsigned i = 0; i < AT_ONCE; i++)
		if (IOUSBHostPipe_AsyncIO(pipe, scene_memory(scene), 16384, action, 0) !=
		    kIOReturnSuccess)
			abort();
	uncounted = true; /* for the assertion */
	meter_wait(&heard, before + AT_ONCE);
	uncounted = false;
}

static void
check_rounds(const char *spec)
{
	static struct scene scene;
	unsigned long before;
	IOUSBHostPipe *pipe;
	OSAction *action;

	scene_open(&scene, spec);
	pipe = scene.out != NULL ? scene.out : scene.in;
	ck_assert_int_eq(IOUSBHostPipe_CreateActionCompleteAsyncIO((OSObject *)scene.person, hear,
								   0, &action),
			 kIOReturnSuccess);
	for (unsigned i = 0; i < 10; i++)
		go_round(&scene, pipe, action);
	before = atomic_load(&allocations);
	ck_assert_uint_gt(before, 0); /* counting works */
	for (unsigned i = 0; i < ROUNDS; i++)
		go_round(&scene, pipe, action);
	/* A thread that the loop starts now and then is none of a transfer's. */
	ck_assert_uint_lt(atomic_load(&allocations) - before, ROUNDS / 10);
	OSRelease(action);
	scene_close(&scene);
}

START_TEST(nothing_is_allocated_for_what_is_sent)
{
	check_rounds("sink");
}
END_TEST

START_TEST(nothing_is_allocated_for_what_is_received)
{
	check_rounds("source");
}
END_TEST

UNIT_MAIN("usb_allocation", nothing_is_allocated_for_what_is_sent,
	  nothing_is_allocated_for_what_is_received)
