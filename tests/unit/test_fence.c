/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "Write mine, then read yours" on two threads, of which one has no fence: never do both read what
 * was there before.
 */
#include "unit.h"

#include "fence.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define ROUNDS 20000u

/* In lines of their own. */
static struct word {
	_Alignas(128) _Atomic uint32_t value;
} mine, yours, start, done;
static uint32_t seen;

static void
await(struct word *word, uint32_t value)
{
	for (unsigned spins = 1; atomic_load_explicit(&word->value, memory_order_acquire) != value;
	     spins++)
		if (spins % 4096 == 0)
			sched_yield();
}

static void *
without_fence(void *context)
{
	for (uint32_t round = 1; round <= ROUNDS; round++) {
		await(&start, round);
		atomic_store_explicit(&mine.value, round, memory_order_relaxed);
		atomic_signal_fence(memory_order_seq_cst);
		seen = atomic_load_explicit(&yours.value, memory_order_relaxed);
		atomic_store_explicit(&done.value, round, memory_order_release);
	}
	return context;
}

START_TEST(one_side_has_the_fences_of_both)
{
	pthread_t thread;

	if (!fence_join())
		return; /* a kernel without membarrier */
	ck_assert_int_eq(pthread_create(&thread, NULL, without_fence, NULL), 0);
	for (uint32_t round = 1; round <= ROUNDS; round++) {
		uint32_t other;

		atomic_store_explicit(&start.value, round, memory_order_release);
		/* From before the other one's store to after its load. */
		for (unsigned i = round % 200; i > 0; i--)
			atomic_signal_fence(memory_order_seq_cst);
		atomic_store_explicit(&yours.value, round, memory_order_relaxed);
		fence_everywhere();
		other = atomic_load_explicit(&mine.value, memory_order_relaxed);
		await(&done, round);
		ck_assert_msg(other == round || seen == round, "round %u", round);
	}
	pthread_join(thread, NULL);
}
END_TEST

START_TEST(joining_twice_says_the_same)
{
	bool joined = fence_join();

	ck_assert_int_eq(fence_join(), joined);
	/* Returns, whether or not. */
	fence_everywhere();
}
END_TEST

UNIT_MAIN("fence", one_side_has_the_fences_of_both, joining_twice_says_the_same)
