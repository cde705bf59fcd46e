/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to connections and shared memory in a forked child. fork_watch is called before the
 * first of them is made.
 */
#ifndef CLIENT_FORK_H
#define CLIENT_FORK_H

#include <stdint.h>

void fork_watch(void);
/* Counts the forks between the process that loaded the library and this one. */
uint32_t fork_epoch(void);

#endif
