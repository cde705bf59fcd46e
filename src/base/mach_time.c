/* SPDX-License-Identifier: Apache-2.0 */
/* The clocks of mach/mach_time.h, for apps and drivers. */
#include <time.h>

#include "clock.h"

#include <mach/mach_time.h>

uint64_t
mach_absolute_time(void)
{
	return clock_now();
}

uint64_t
mach_approximate_time(void)
{
	return clock_now();
}

uint64_t
mach_continuous_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

uint64_t
mach_continuous_approximate_time(void)
{
	return mach_continuous_time();
}

kern_return_t
mach_wait_until(uint64_t deadline)
{
	struct timespec until = {.tv_sec = (time_t)(deadline / NSEC_PER_SEC),
				 .tv_nsec = (long)(deadline % NSEC_PER_SEC)};

	return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == 0 ? KERN_SUCCESS
										  : KERN_ABORTED;
}

kern_return_t
mach_timebase_info(mach_timebase_info_t info)
{
	if (info == NULL)
		return KERN_INVALID_ARGUMENT;
	*info = (struct mach_timebase_info){1, 1};
	return KERN_SUCCESS;
}
