/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cache lines that another CPU wrote or read last, asked for ahead, so that they are on their way
 * while something else is done. Hints: they read and change nothing, and never fault.
 */
#ifndef WIRE_LINES_H
#define WIRE_LINES_H

#include <stddef.h>

#define LINES_STEP 64u /* the smallest line of the processors that we know */

static inline void
lines_will_read(const void *start, size_t size)
{
	for (size_t at = 0; at < size; at += LINES_STEP)
		__builtin_prefetch((const char *)start + at);
}

/* Takes them from the other CPU, which has to fetch them anew. */
static inline void
lines_will_write(void *start, size_t size)
{
	for (size_t at = 0; at < size; at += LINES_STEP)
#if defined(__x86_64__)
		/* What __builtin_prefetch leaves out by default, although all take it. */
		__asm__ volatile("prefetchw %0" : : "m"(((char *)start)[at]));
#else
		__builtin_prefetch((char *)start + at, 1);
#endif
}

#endif
