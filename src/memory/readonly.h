/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which addresses are memory that an app lent for reading, so that a write there can be explained
 * when it has faulted.
 */
#ifndef MEMORY_READONLY_H
#define MEMORY_READONLY_H

#include <stdbool.h>
#include <stdint.h>

/* Any thread. When the table is full the range is not remembered: its fault stays unexplained. */
void readonly_add(const void *address, uint64_t length);
void readonly_remove(const void *address);
/* Also from a signal handler. */
bool readonly_contains(const void *address);

#endif
