/* SPDX-License-Identifier: Apache-2.0 */
/* What all streams of the bench have in common. */
#ifndef BENCH_STREAM_SHAPE_H
#define BENCH_STREAM_SHAPE_H

#include <sched.h>
#include <stddef.h>

#define STREAM_POOL  ((size_t)8 << 20) /* bytes in all buffers */
#define STREAM_DEPTH 8u		       /* buffers underway */

/* The raw ring's waiting: spin, and give the CPU away where the other side may need it. */
static inline void
stream_wait(unsigned *turns)
{
	if (++*turns % 256 == 0)
		sched_yield();
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

#endif
