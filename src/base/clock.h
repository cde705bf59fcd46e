/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#include <mach/clock_types.h> /* NSEC_PER_SEC */

/* CLOCK_MONOTONIC in nanoseconds: what mach_absolute_time counts here. */
uint64_t clock_now(void);
/* The same as of the last tick, some milliseconds ago at most, at less than half the price. */
uint64_t clock_recent(void);

#endif
