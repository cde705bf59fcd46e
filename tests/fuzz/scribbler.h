/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other process that writes to shared memory while a target reads it: the target says how, by a
 * function that writes one word as a random number says.
 *
 * Where the code under test is built for libFuzzer that is done at its branches, between a check
 * and what it was for, on its own thread: an input does the same each time. Elsewhere, and so when
 * the corpus is replayed, a second thread does it; a target has inputs without it too.
 */
#ifndef TESTS_FUZZ_SCRIBBLER_H
#define TESTS_FUZZ_SCRIBBLER_H

#include "fuzz.h"

/* For an input. One that goes on for ever gives a loop with a single thread no rest. */
#define SCRIBBLES_MAX 10000u

#define SCRIBBLER_NEXT(seed) ((seed)*UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407))

#ifdef FUZZ_STEPS

#include "steps.h"

#include <limits.h>
#include <stdatomic.h>

static struct {
	void (*write)(uint64_t random);
	_Atomic uint64_t seed; /* of whichever threads come to branches */
	_Atomic unsigned count;
	uint64_t seldom; /* branches between two words, at most */
} scribbler;

static inline unsigned
scribble(void)
{
	uint64_t seed = SCRIBBLER_NEXT(atomic_load(&scribbler.seed));

	if (atomic_fetch_add(&scribbler.count, 1) >= SCRIBBLES_MAX)
		return UINT_MAX;
	atomic_store(&scribbler.seed, seed);
	/* The upper bits are the random ones. */
	scribbler.write(seed >> 16);
	return (seed >> 48) & scribbler.seldom;
}

/* From now on, or (NULL) no more: when it returns no thread touches the memory. */
static inline void
scribble_with(void (*write)(uint64_t random), uint64_t seed)
{
	steps_run(NULL);
	if (write == NULL)
		return;
	scribbler.write = write;
	scribbler.seldom = seed & 1 ? 7 : 63;
	atomic_store(&scribbler.count, 0);
	atomic_store(&scribbler.seed, seed);
	steps_run(scribble);
}

#else

#include <pthread.h>
#include <sched.h>

#define SCRIBBLES_PER_TURN 64

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	void (*write)(uint64_t random); /* [lock] NULL: nothing */
	uint64_t seed;			/* [lock] */
	unsigned count;			/* [lock] */
	bool started;
} scribbler = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static inline void *
scribble(void *unused)
{
	for (;;) {
		pthread_mutex_lock(&scribbler.lock);
		while (scribbler.write == NULL || scribbler.count >= SCRIBBLES_MAX)
			pthread_cond_wait(&scribbler.changed, &scribbler.lock);
		for (unsigned i = 0; i < SCRIBBLES_PER_TURN; i++) {
			scribbler.seed = SCRIBBLER_NEXT(scribbler.seed);
			/* The upper bits are the random ones. */
			scribbler.write(scribbler.seed >> 16);
		}
		scribbler.count += SCRIBBLES_PER_TURN;
		pthread_mutex_unlock(&scribbler.lock);
		sched_yield();
	}
	return NULL;
}

static inline void
scribble_with(void (*write)(uint64_t random), uint64_t seed)
{
	pthread_t thread;

	pthread_mutex_lock(&scribbler.lock);
	scribbler.write = write;
	scribbler.seed = seed;
	scribbler.count = 0;
	pthread_cond_signal(&scribbler.changed);
	pthread_mutex_unlock(&scribbler.lock);
	if (write == NULL || scribbler.started)
		return;
	scribbler.started = true;
	FUZZ_CHECK(pthread_create(&thread, NULL, scribble, NULL) == 0);
	pthread_detach(thread);
}

#endif
#endif
