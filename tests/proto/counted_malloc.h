/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The allocations of a program are counted, but for those of threads that ask not to: each
 * assertion of check makes one. For one file of a program.
 */
#ifndef TESTS_PROTO_COUNTED_MALLOC_H
#define TESTS_PROTO_COUNTED_MALLOC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static _Atomic unsigned long allocations;
static __thread bool uncounted;

static void
count_allocation(void)
{
	if (!uncounted)
		atomic_fetch_add(&allocations, 1);
}

void *
malloc(size_t size)
{
	count_allocation();
	return __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	count_allocation();
	return __libc_calloc(count, size);
}

void *
realloc(void *memory, size_t size)
{
	count_allocation();
	return __libc_realloc(memory, size);
}

void *
aligned_alloc(size_t alignment, size_t size)
{
	count_allocation();
	return __libc_memalign(alignment, size);
}

#endif
