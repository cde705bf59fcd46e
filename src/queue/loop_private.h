/* SPDX-License-Identifier: Apache-2.0 */
/* What loop.c and timer.c share. */
#ifndef QUEUE_LOOP_PRIVATE_H
#define QUEUE_LOOP_PRIVATE_H

#include "loop.h"

/* The timers of a loop; guarded by the loop's lock. */
struct timer_heap {
	struct loop_timer *root;
};

void timer_heap_insert(struct timer_heap *heap, struct loop_timer *timer);
void timer_heap_remove(struct timer_heap *heap, struct loop_timer *timer);

#endif
