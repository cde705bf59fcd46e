/* SPDX-License-Identifier: Apache-2.0 */
/* Times, and what happens at them. */
#include "unit.h"

#include <dispatch/dispatch.h>

#include "clock.h"
#include "meter.h"

static struct meter done = METER_INITIALIZER;
static uint64_t moments[4];

static void
note(void *context)
{
	*(uint64_t *)context = clock_now();
	meter_raise(&done);
}

START_TEST(times_add_up)
{
	struct timespec first = {.tv_sec = 1, .tv_nsec = 5};
	struct timespec huge = {.tv_sec = INT64_MAX / 10};
	uint64_t before = clock_now();
	dispatch_time_t now = dispatch_time(DISPATCH_TIME_NOW, 0);

	ck_assert_uint_ge(now, before);
	ck_assert_uint_le(now, clock_now());
	ck_assert_uint_eq(dispatch_time(now, 5), now + 5);
	ck_assert_uint_eq(dispatch_time(now, -5), now - 5);
	ck_assert_uint_eq(dispatch_time(now, INT64_MAX), DISPATCH_TIME_FOREVER);
	ck_assert_uint_eq(dispatch_time(5, -10), 1); /* 0 would be now */
	ck_assert_uint_eq(dispatch_time(DISPATCH_TIME_FOREVER, -5), DISPATCH_TIME_FOREVER);
	/* As libdispatch writes them. */
	ck_assert_int_eq((int64_t)dispatch_walltime(&first, 10), -1000000015);
	ck_assert_int_eq((int64_t)dispatch_time(dispatch_walltime(&first, 10), -5), -1000000010);
	ck_assert_uint_eq(dispatch_walltime(&huge, 0), DISPATCH_TIME_FOREVER);
	ck_assert_int_eq((int64_t)dispatch_walltime(&first, INT64_MIN), -2);
	ck_assert_int_lt((int64_t)dispatch_time(DISPATCH_WALLTIME_NOW, 0), -1000000000);
}
END_TEST

static void
note_wall_time(void *context)
{
	*(dispatch_time_t *)context = dispatch_walltime(NULL, 0);
	meter_raise(&done);
}

/* Each not before its time: two that are late may come in either order, by two threads. */
START_TEST(nothing_comes_before_its_time)
{
	const int64_t soon = 20 * (int64_t)NSEC_PER_MSEC, later = 2 * soon;
	dispatch_queue_t queue = dispatch_queue_create("later", NULL);
	dispatch_time_t when[3];

	dispatch_after_f(DISPATCH_TIME_FOREVER, queue, &moments[3], note);
	when[2] = dispatch_time(DISPATCH_TIME_NOW, later);
	dispatch_after_f(when[2], queue, &moments[2], note);
	when[1] = dispatch_time(DISPATCH_TIME_NOW, soon);
	dispatch_after_f(when[1], queue, &moments[1], note);
	when[0] = dispatch_time(DISPATCH_TIME_NOW, 0);
	dispatch_after_f(DISPATCH_TIME_NOW, queue, &moments[0], note);
	meter_wait(&done, 3);
	dispatch_release(queue);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_uint_ge(moments[i], when[i]);
	ck_assert_uint_eq(moments[3], 0);
}
END_TEST

/* Of two clocks nothing is said but that it is not before its time. */
START_TEST(what_is_to_be_at_a_time_of_day_is_not_before_it)
{
	dispatch_queue_t queue = dispatch_queue_create("of day", NULL);
	dispatch_time_t when = dispatch_walltime(NULL, 20 * (int64_t)NSEC_PER_MSEC), then;

	dispatch_after_f(when, queue, &then, note_wall_time);
	meter_wait(&done, 1);
	dispatch_release(queue);
	ck_assert_int_le((int64_t)then, (int64_t)when); /* they are negative */
}
END_TEST

UNIT_MAIN("dispatch_times", times_add_up, nothing_comes_before_its_time,
	  what_is_to_be_at_a_time_of_day_is_not_before_it)
