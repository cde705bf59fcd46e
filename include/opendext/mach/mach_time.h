/* SPDX-License-Identifier: Apache-2.0 */
/* Time for apps and drivers, as drivers stamp it: CLOCK_MONOTONIC, one unit is one nanosecond. */
#ifndef OPENDEXT_MACH_MACH_TIME_H
#define OPENDEXT_MACH_MACH_TIME_H

#include <stdint.h>

#include <dext_cdefs.h>
#include <mach/kern_return.h>

DEXT_BEGIN_DECLS

struct mach_timebase_info {
	uint32_t numer;
	uint32_t denom;
};

typedef struct mach_timebase_info *mach_timebase_info_t;
typedef struct mach_timebase_info mach_timebase_info_data_t;

/* CLOCK_MONOTONIC, ns. Any thread. */
uint64_t mach_absolute_time(void);
uint64_t mach_approximate_time(void); /* the same */
/* Goes on while the machine sleeps: CLOCK_BOOTTIME. */
uint64_t mach_continuous_time(void);
uint64_t mach_continuous_approximate_time(void);
/* Until mach_absolute_time() is at least deadline. KERN_ABORTED: a signal came. */
kern_return_t mach_wait_until(uint64_t deadline);
kern_return_t mach_timebase_info(mach_timebase_info_t info); /* 1/1 */

DEXT_END_DECLS

#endif
