/* SPDX-License-Identifier: Apache-2.0 */
/* How many system calls processes make: the kernel's trace point, counted by perf. */
#ifndef BENCH_CALLS_H
#define BENCH_CALLS_H

#include <stdint.h>
#include <sys/types.h>

/*
 * Counts those of this process and of the other one (0: none), all threads that are there and that
 * come. Without the right to do so (root, or perf_event_paranoid -1) the count stays 0.
 */
void calls_open(pid_t other);
uint64_t calls_read(void);

#endif
