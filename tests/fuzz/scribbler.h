/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A second thread that scribbles over shared memory while a target reads it: the target says how,
 * by a function that writes one word as a random number says. What an input does is then not the
 * same each time, so a target has inputs without it too.
 */
#ifndef TESTS_FUZZ_SCRIBBLER_H
#define TESTS_FUZZ_SCRIBBLER_H

#include "fuzz.h"

#include <pthread.h>
#include <sched.h>

#define SCRIBBLES_PER_TURN 64

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	void (*write)(uint64_t random); /* [lock] NULL: nothing */
	uint64_t seed;			/* [lock] */
	bool started;
} scribbler = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static inline void *
scribble(void *unused)
{
	for (;;) {
		pthread_mutex_lock(&scribbler.lock);
		while (scribbler.write == NULL)
			pthread_cond_wait(&scribbler.changed, &scribbler.lock);
		for (unsigned i = 0; i < SCRIBBLES_PER_TURN; i++) {
			scribbler.seed = scribbler.seed * UINT64_C(6364136223846793005) +
					 UINT64_C(1442695040888963407);
			/* The upper bits are the random ones. */
			scribbler.write(scribbler.seed >> 16);
		}
		pthread_mutex_unlock(&scribbler.lock);
		sched_yield();
	}
	return NULL;
}

/* From now on, or (NULL) no more: when it returns the thread does not touch the memory. */
static inline void
scribble_with(void (*write)(uint64_t random), uint64_t seed)
{
	pthread_t thread;

	pthread_mutex_lock(&scribbler.lock);
	scribbler.write = write;
	scribbler.seed = seed;
	pthread_cond_signal(&scribbler.changed);
	pthread_mutex_unlock(&scribbler.lock);
	if (write == NULL || scribbler.started)
		return;
	scribbler.started = true;
	FUZZ_CHECK(pthread_create(&thread, NULL, scribble, NULL) == 0);
	pthread_detach(thread);
}

#endif
