/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Something that is done once in the life of a process, by whoever comes first: once_try, and where
 * that says that another thread is at it, once_wait.
 */
#ifndef BASE_ONCE_H
#define BASE_ONCE_H

#include <stdbool.h>
#include <stdint.h>

/* state: 0 at first. Runs the function if nobody has begun. Whether it has been run to its end. */
bool once_try(intptr_t *state, void *context, void (*function)(void *context));
/* Blocks until it has. Only after once_try. */
void once_wait(const intptr_t *state);

#endif
