/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* <dispatch/time.h> has them, too. */
#ifndef NSEC_PER_SEC
#define NSEC_PER_USEC UINT64_C(1000)
#define NSEC_PER_MSEC UINT64_C(1000000)
#define NSEC_PER_SEC  UINT64_C(1000000000)
#endif

/* CLOCK_MONOTONIC in nanoseconds: what mach_absolute_time counts here. */
uint64_t clock_now(void);

#endif
