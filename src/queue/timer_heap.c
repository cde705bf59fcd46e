/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of the timers: a pairing heap whose links are inside the timers, so that arming and
 * cancelling never allocate. Arming is O(1), which is what a transfer with a timeout pays twice;
 * taking one out is O(log n) amortised.
 *
 * A node's children are a list: `child` is the first, `sibling` the next one, `previous` leads back
 * to the sibling before or, for the first, to the parent. The caller holds the loop's lock.
 */
#include "loop_private.h"

#include <stddef.h>

/* Joins two heaps; either may be NULL. The result's own sibling and previous are NULL. */
static struct loop_timer *
join(struct loop_timer *a, struct loop_timer *b)
{
	struct loop_timer *later;

	if (a == NULL)
		return b;
	if (b == NULL)
		return a;
	if (b->deadline < a->deadline) {
		later = a;
		a = b;
	} else {
		later = b;
	}
	later->sibling = a->child;
	if (a->child != NULL)
		a->child->previous = later;
	later->previous = a;
	a->child = later;
	return a;
}

/* Joins a list of siblings into one heap: in pairs from the left, then all from the right. */
static struct loop_timer *
join_siblings(struct loop_timer *first)
{
	struct loop_timer *pairs = NULL;
	struct loop_timer *result = NULL;

	while (first != NULL) {
		struct loop_timer *a = first;
		struct loop_timer *b = a->sibling;
		struct loop_timer *pair;

		first = b != NULL ? b->sibling : NULL;
		a->sibling = a->previous = NULL;
		if (b != NULL)
			b->sibling = b->previous = NULL;
		pair = join(a, b);
		pair->sibling = pairs;
		pairs = pair;
	}
	while (pairs != NULL) {
		struct loop_timer *next = pairs->sibling;

		pairs->sibling = NULL;
		result = join(result, pairs);
		pairs = next;
	}
	return result;
}

void
timer_heap_insert(struct timer_heap *heap, struct loop_timer *timer)
{
	timer->child = timer->sibling = timer->previous = NULL;
	heap->root = join(heap->root, timer);
}

void
timer_heap_remove(struct timer_heap *heap, struct loop_timer *timer)
{
	struct loop_timer *children = join_siblings(timer->child);

	if (timer == heap->root) {
		heap->root = children;
	} else {
		if (timer->previous->child == timer)
			timer->previous->child = timer->sibling;
		else
			timer->previous->sibling = timer->sibling;
		if (timer->sibling != NULL)
			timer->sibling->previous = timer->previous;
		heap->root = join(heap->root, children);
	}
	timer->child = timer->sibling = timer->previous = NULL;
}
