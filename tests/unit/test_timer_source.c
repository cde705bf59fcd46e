/* SPDX-License-Identifier: Apache-2.0 */
#include "source_scene.h"

#include <time.h>

#include "clock.h"
#include "source.h"

#include <DriverKit/IOTimerDispatchSource.h>

static struct source_scene scene;
static IOTimerDispatchSource *timer;
static OSAction *action;
static struct meter calls = METER_INITIALIZER;
static uint64_t last_time;

static void
occurred(OSObject *target, OSAction *given, uint64_t time)
{
	ck_assert_ptr_eq(target, (OSObject *)scene.target);
	ck_assert_ptr_eq(given, action);
	ck_assert(queue_is_mine(scene.queue));
	last_time = time;
	meter_raise(&calls);
}

static void
set(void)
{
	source_scene_set(&scene);
	ck_assert_int_eq(IOTimerDispatchSource_Create(scene.queue, &timer), kIOReturnSuccess);
	ck_assert_int_eq(IOTimerDispatchSource_CreateActionTimerOccurred((OSObject *)scene.target,
									 occurred, 0, &action),
			 kIOReturnSuccess);
	ck_assert_int_eq(IOTimerDispatchSource_SetHandler(timer, action), kIOReturnSuccess);
}

static void
clear(void)
{
	IODispatchSource_Cancel_f((IODispatchSource *)timer, NULL, NULL);
	OSSafeReleaseNULL(timer);
	OSSafeReleaseNULL(action);
	source_scene_clear(&scene);
}

static uint64_t
read_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

START_TEST(wakes_on_each_clock)
{
	static const struct {
		uint64_t option;
		clockid_t clock;
	} clocks[] = {
		{kIOTimerClockMachAbsoluteTime, CLOCK_MONOTONIC},
		{kIOTimerClockMachContinuousTime, CLOCK_BOOTTIME},
		{kIOTimerClockWallTime, CLOCK_REALTIME},
	};

	set();
	for (unsigned i = 0; i < 3; i++) {
		uint64_t before = clock_now();

		ck_assert_int_eq(IOTimerDispatchSource_WakeAtTime(
					 timer, clocks[i].option,
					 read_clock(clocks[i].clock) + 20 * NSEC_PER_MSEC, 0),
				 kIOReturnSuccess);
		meter_wait(&calls, i + 1);
		/* The clock may be adjusted meanwhile, by little. */
		ck_assert_uint_ge(last_time - before, 19 * NSEC_PER_MSEC);
		ck_assert_uint_le(last_time, clock_now());
	}
	ck_assert_int_eq(IOTimerDispatchSource_WakeAtTime(timer, 0, 0, 0), kIOReturnBadArgument);
	clear();
}
END_TEST

START_TEST(the_past_is_at_once_and_once)
{
	set();
	ck_assert_int_eq(IOTimerDispatchSource_WakeAtTime(timer, kIOTimerClockUptimeRaw, 0, 0),
			 kIOReturnSuccess);
	meter_wait(&calls, 1);
	ck_assert_int_eq(IOTimerDispatchSource_WakeAtTime(timer, kIOTimerClockRealTime, 1, 0),
			 kIOReturnSuccess);
	meter_wait(&calls, 2);
	source_scene_settle(&scene);
	ck_assert_uint_eq(meter_read(&calls), 2);
	clear();
}
END_TEST

START_TEST(a_new_deadline_replaces_the_old_one)
{
	set();
	IOTimerDispatchSource_WakeAtTime(timer, kIOTimerClockUptimeRaw, UINT64_MAX, 0);
	IOTimerDispatchSource_WakeAtTime(timer, kIOTimerClockUptimeRaw,
					 clock_now() + 3600 * NSEC_PER_SEC, 0);
	IOTimerDispatchSource_WakeAtTime(timer, kIOTimerClockUptimeRaw, clock_now(), 0);
	meter_wait(&calls, 1);
	/* And one that is armed goes with Cancel: the leak checker sees the rest. */
	IOTimerDispatchSource_WakeAtTime(timer, kIOTimerClockUptimeRaw, UINT64_MAX, 0);
	clear();
}
END_TEST

START_TEST(what_expires_while_disabled_comes_later)
{
	IODispatchSource *source;

	set();
	source = (IODispatchSource *)timer;
	ck_assert_int_eq(IODispatchSource_SetEnable(source, false), kIOReturnSuccess);
	IOTimerDispatchSource_WakeAtTime(timer, kIOTimerClockUptimeRaw, 0, 0);
	/* A second timer, on the same loop and queue: when that has come the first one has expired.
	 */
	{
		IOTimerDispatchSource *other;

		ck_assert_int_eq(IOTimerDispatchSource_Create(scene.queue, &other),
				 kIOReturnSuccess);
		IOTimerDispatchSource_SetHandler(other, action);
		IOTimerDispatchSource_WakeAtTime(other, kIOTimerClockUptimeRaw, clock_now(), 0);
		meter_wait(&calls, 1);
		IODispatchSource_Cancel_f((IODispatchSource *)other, NULL, NULL);
		OSRelease(other);
	}
	source_scene_settle(&scene);
	ck_assert_uint_eq(meter_read(&calls), 1);
	ck_assert_int_eq(IODispatchSource_SetEnable(source, true), kIOReturnSuccess);
	meter_wait(&calls, 2);
	ck_assert_int_eq(IODispatchSource_SetEnable(source, true), kIOReturnSuccess);
	source_scene_settle(&scene);
	ck_assert_uint_eq(meter_read(&calls), 2);
	clear();
}
END_TEST

START_TEST(after_cancel_nothing_is_possible)
{
	set();
	IODispatchSource_Cancel_f((IODispatchSource *)timer, NULL, NULL);
	ck_assert_int_eq(IOTimerDispatchSource_WakeAtTime(timer, kIOTimerClockUptimeRaw, 0, 0),
			 kIOReturnUnsupported);
	ck_assert_int_eq(IOTimerDispatchSource_SetHandler(timer, action), kIOReturnUnsupported);
	ck_assert_int_eq(IODispatchSource_SetEnable((IODispatchSource *)timer, true),
			 kIOReturnUnsupported);
	ck_assert_int_eq(IODispatchSource_CheckForWork((IODispatchSource *)timer, false),
			 kIOReturnUnsupported);
	clear();
	ck_assert_uint_eq(meter_read(&calls), 0);
}
END_TEST

UNIT_MAIN("timer source", wakes_on_each_clock, the_past_is_at_once_and_once,
	  a_new_deadline_replaces_the_old_one, what_expires_while_disabled_comes_later,
	  after_cancel_nothing_is_possible)
