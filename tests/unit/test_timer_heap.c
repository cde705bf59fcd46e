/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "loop_private.h"

#define COUNT 500

/* Small and repeatable. */
static uint32_t
scatter(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static uint64_t
take_first(struct timer_heap *heap)
{
	struct loop_timer *first = heap->root;

	ck_assert_ptr_nonnull(first);
	timer_heap_remove(heap, first);
	return first->deadline;
}

START_TEST(gives_timers_in_order)
{
	static struct loop_timer timers[COUNT];
	struct timer_heap heap = {NULL};
	uint32_t state = 1;
	uint64_t last = 0;

	for (unsigned i = 0; i < COUNT; i++) {
		timers[i].deadline = scatter(&state) % 100;
		timer_heap_insert(&heap, &timers[i]);
	}
	for (unsigned i = 0; i < COUNT; i++) {
		uint64_t deadline = take_first(&heap);

		ck_assert_uint_ge(deadline, last);
		last = deadline;
	}
	ck_assert_ptr_null(heap.root);
}
END_TEST

/* Against an array as the model: inserts, removals of the first and of any. */
START_TEST(removal_of_any_keeps_the_order)
{
	static struct loop_timer timers[COUNT];
	static bool in[COUNT];
	struct timer_heap heap = {NULL};
	uint32_t state = 7;

	for (unsigned step = 0; step < 20000; step++) {
		unsigned i = scatter(&state) % COUNT;
		uint64_t least = UINT64_MAX;

		if (in[i]) {
			timer_heap_remove(&heap, &timers[i]);
		} else {
			timers[i].deadline = scatter(&state) % 1000;
			timer_heap_insert(&heap, &timers[i]);
		}
		in[i] = !in[i];
		if (step % 16 == 0 && heap.root != NULL) {
			for (unsigned k = 0; k < COUNT; k++)
				if (in[k] && timers[k].deadline < least)
					least = timers[k].deadline;
			ck_assert_uint_eq(heap.root->deadline, least);
			in[heap.root - timers] = false;
			timer_heap_remove(&heap, heap.root);
		}
	}
	for (unsigned i = 0; i < COUNT; i++)
		if (in[i])
			timer_heap_remove(&heap, &timers[i]);
	ck_assert_ptr_null(heap.root);
}
END_TEST

UNIT_MAIN("timer_heap", gives_timers_in_order, removal_of_any_keeps_the_order)
