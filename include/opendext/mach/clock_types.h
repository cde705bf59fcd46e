/* SPDX-License-Identifier: Apache-2.0 */
/* A length of time, as IOServiceWaitQuiet takes it. */
#ifndef OPENDEXT_MACH_CLOCK_TYPES_H
#define OPENDEXT_MACH_CLOCK_TYPES_H

typedef int clock_res_t;

/* <dispatch/time.h> has them, too. */
#ifndef NSEC_PER_SEC
#define NSEC_PER_SEC 1000000000ull
#endif
#ifndef NSEC_PER_MSEC
#define NSEC_PER_MSEC 1000000ull
#endif
#ifndef NSEC_PER_USEC
#define NSEC_PER_USEC 1000ull
#endif
#ifndef USEC_PER_SEC
#define USEC_PER_SEC 1000000ull
#endif

struct mach_timespec {
	unsigned int tv_sec;
	clock_res_t tv_nsec;
};

typedef struct mach_timespec mach_timespec_t;

#endif
