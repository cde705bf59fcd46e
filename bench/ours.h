/* SPDX-License-Identifier: Apache-2.0 */
/* Our side of the contests: apps on libiokit, against the drivers bench and bulkstream. */
#ifndef BENCH_OURS_H
#define BENCH_OURS_H

#include "contest.h"

extern const struct contestant our_call;
extern const struct contestant our_sleeping_call; /* neither side ever spins */
extern const struct contestant our_paced_call;	  /* one each millisecond */
extern const struct contestant our_paced_sleeping_call;
/* Buffers of `argument` bytes to the virtual sink. */
extern const struct contestant our_stream, our_stream_by_mach_msg;
/* A buffer of 64 MiB mapped and unmapped. */
extern const struct contestant our_handover;
/* Calls over `argument` connections in turn. */
extern const struct contestant our_many;
extern const struct contestant our_one;

/* How often threads of the bench driver's process went to sleep so far. */
unsigned long bench_host_sleeps(void);
/* Opens `count` connections to the bench driver in this process, and calls once on each. */
bool bench_open_many(unsigned count);

#endif
