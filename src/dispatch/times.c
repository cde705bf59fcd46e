/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times, as libdispatch writes them: a positive number is nanoseconds of mach_absolute_time; a
 * negative one is the negative of nanoseconds of the calendar's clock; 0 is now, all ones never,
 * and all but the last of them "now" on the calendar's clock.
 */
#include <errno.h>
#include <time.h>

#include "clock.h"
#include "dispatch_object.h"

#define WALL_LAST ((dispatch_time_t)-2) /* the earliest time of the calendar's clock */

static int64_t
wall_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * (int64_t)NSEC_PER_SEC + now.tv_nsec;
}

/* A time of the calendar's clock, so many nanoseconds after another one. */
static dispatch_time_t
wall_after(int64_t nsec, int64_t delta)
{
	if (__builtin_add_overflow(nsec, delta, &nsec))
		return delta > 0 ? DISPATCH_TIME_FOREVER : WALL_LAST;
	return nsec < 2 ? WALL_LAST : (dispatch_time_t)-nsec;
}

dispatch_time_t
dispatch_time(dispatch_time_t when, int64_t delta)
{
	int64_t nsec = (int64_t)when;

	if (when == DISPATCH_TIME_FOREVER)
		return when;
	if (when == DISPATCH_WALLTIME_NOW)
		return wall_after(wall_now(), delta);
	if (nsec < 0)
		return wall_after(-nsec, delta);
	if (when == DISPATCH_TIME_NOW)
		nsec = (int64_t)clock_now();
	if (__builtin_add_overflow(nsec, delta, &nsec))
		return DISPATCH_TIME_FOREVER;
	return nsec < 1 ? 1 : (dispatch_time_t)nsec;
}

dispatch_time_t
dispatch_walltime(const struct timespec *when, int64_t delta)
{
	int64_t nsec = wall_now();

	if (when != NULL &&
	    (__builtin_mul_overflow((int64_t)when->tv_sec, (int64_t)NSEC_PER_SEC, &nsec) ||
	     __builtin_add_overflow(nsec, (int64_t)when->tv_nsec, &nsec)))
		return when->tv_sec > 0 ? DISPATCH_TIME_FOREVER : WALL_LAST;
	return wall_after(nsec, delta);
}

uint64_t
time_deadline(dispatch_time_t when)
{
	int64_t ahead;

	if (when == DISPATCH_TIME_FOREVER)
		return UINT64_MAX;
	if (when == DISPATCH_TIME_NOW || when == DISPATCH_WALLTIME_NOW)
		return clock_now();
	if ((int64_t)when > 0)
		return when;
	ahead = -(int64_t)when - wall_now();
	return ahead > 0 ? clock_now() + (uint64_t)ahead : clock_now();
}

void
time_init_cond(pthread_cond_t *cond)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attributes);
	pthread_condattr_destroy(&attributes);
}

bool
time_wait(pthread_cond_t *changed, pthread_mutex_t *lock, uint64_t deadline)
{
	struct timespec when = {
		.tv_sec = (time_t)(deadline / NSEC_PER_SEC),
		.tv_nsec = (long)(deadline % NSEC_PER_SEC),
	};

	if (deadline == UINT64_MAX)
		return pthread_cond_wait(changed, lock) == 0;
	return pthread_cond_timedwait(changed, lock, &when) != ETIMEDOUT;
}
