/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that sleep on a futex of shared memory, and how many do still. */
#ifndef TESTS_UNIT_SLEEPERS_H
#define TESTS_UNIT_SLEEPERS_H

#include "unit.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "futex.h"

#define SLEEPERS 40

struct sleepers {
	_Atomic uint32_t *word;
	uint32_t value; /* for which they sleep */
	uint32_t elsewhere;
	pthread_t threads[SLEEPERS];
};

static inline void *
sleepers_sleep(void *context)
{
	struct sleepers *sleepers = context;

	/* Once: whoever is woken is counted by its absence. */
	syscall(SYS_FUTEX, sleepers->word, FUTEX_WAIT, sleepers->value, NULL, NULL, 0);
	return NULL;
}

/* Moves all that sleep to another futex and back; how many those were. */
static inline long
sleepers_count(struct sleepers *sleepers)
{
	long there = syscall(SYS_FUTEX, sleepers->word, FUTEX_REQUEUE, 0, (void *)INT_MAX,
			     &sleepers->elsewhere, 0);

	ck_assert_int_ge(there, 0);
	ck_assert_int_eq(syscall(SYS_FUTEX, &sleepers->elsewhere, FUTEX_REQUEUE, 0, (void *)INT_MAX,
				 sleepers->word, 0),
			 there);
	return there;
}

/* Returns when all of them sleep. */
static inline void
sleepers_start(struct sleepers *sleepers, _Atomic uint32_t *word)
{
	sleepers->word = word;
	sleepers->value = atomic_load(word);
	for (unsigned i = 0; i < SLEEPERS; i++)
		ck_assert_int_eq(
			pthread_create(&sleepers->threads[i], NULL, sleepers_sleep, sleepers), 0);
	while (sleepers_count(sleepers) < SLEEPERS)
		sched_yield();
}

static inline void
sleepers_end(struct sleepers *sleepers)
{
	syscall(SYS_FUTEX, sleepers->word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	for (unsigned i = 0; i < SLEEPERS; i++)
		pthread_join(sleepers->threads[i], NULL);
}

#endif
