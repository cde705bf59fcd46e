/* SPDX-License-Identifier: Apache-2.0 */
/* What all streams of the bench have in common. Their argument is a struct stream_shape. */
#ifndef BENCH_STREAM_SHAPE_H
#define BENCH_STREAM_SHAPE_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_POOL	   ((size_t)8 << 20) /* bytes in all buffers, if the shape does not say */
#define STREAM_BUFFERS_MAX 4096u
#define STREAM_DEPTH_MAX   256u

struct stream_shape {
	size_t size;	/* of a buffer */
	unsigned depth; /* buffers underway; 0: 8 */
	unsigned count; /* buffers; 0: a pool of STREAM_POOL, at least 2 */
};

static inline unsigned
stream_count(const struct stream_shape *shape)
{
	size_t count = shape->count != 0 ? shape->count : STREAM_POOL / shape->size;

	if (count < 2 && shape->count == 0)
		count = 2;
	return count < STREAM_BUFFERS_MAX ? (unsigned)count : STREAM_BUFFERS_MAX;
}

/* Never more than there are buffers. */
static inline unsigned
stream_depth(const struct stream_shape *shape)
{
	unsigned depth = shape->depth != 0 ? shape->depth : 8;

	return depth < stream_count(shape) ? depth : stream_count(shape);
}

/*
 * The raw ring's waiting: on the other side's CPU that one has it at once, since looking again is
 * in vain until it has run; else spin, and give the CPU away now and then to who may need it.
 */
static inline void
stream_wait(bool shares_cpu, unsigned *turns)
{
	if (shares_cpu || ++*turns % 256 == 0)
		sched_yield();
#if defined(__x86_64__)
	else
		__builtin_ia32_pause();
#endif
}

#endif
