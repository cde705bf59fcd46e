/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A full fence in every other thread that needs one, so that in a pair of "write mine, then read
 * yours" the side that does it all the time has none of its own: membarrier(2).
 *
 *	fence_join();		in the process that is spared its fences
 *	fence_everywhere();	in the other one, between its write and its read
 */
#ifndef BASE_FENCE_H
#define BASE_FENCE_H

#include <stdbool.h>

/*
 * Whether fence_everywhere reaches this process from now on, whoever calls it. False: kernel or
 * container have no such call. The first time takes 10 ms if there are other threads.
 */
bool fence_join(void);

/* Each thread of a process that has joined has a fence during this call, which takes 15 us if one
 * runs at the time. */
void fence_everywhere(void);

#endif
