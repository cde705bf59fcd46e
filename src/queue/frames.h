/* SPDX-License-Identifier: Apache-2.0 */
/* The stack for a message. Where the C library cannot tell it (musl), there is none of it. */
#ifndef QUEUE_FRAMES_H
#define QUEUE_FRAMES_H

#if __has_include(<execinfo.h>)
#include <execinfo.h>
#else
#include <stdio.h>

static inline int
backtrace(void **frames, int room)
{
	(void)frames, (void)room;
	return 0;
}

static inline void
backtrace_symbols_fd(void *const *frames, int count, int fd)
{
	for (int i = 0; i < count; i++)
		dprintf(fd, "%p\n", frames[i]);
}
#endif

#endif
