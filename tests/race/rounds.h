/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rounds: so many, or as many as fit into some seconds, whatever comes first, so that a busy
 * machine makes a race test weaker and not slower.
 */
#ifndef TESTS_RACE_ROUNDS_H
#define TESTS_RACE_ROUNDS_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

#define ROUNDS_NSEC (2 * NSEC_PER_SEC)

/* Small and repeatable. */
static inline uint32_t
scatter(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* Some hundred nanoseconds at most: shifts the two sides of a round against each other. */
static inline void
jitter(uint32_t *state)
{
	for (uint32_t i = scatter(state) % 64; i > 0; i--)
		atomic_signal_fence(memory_order_seq_cst);
}

/* Where two sides meet. Spins, since both have to leave within nanoseconds of each other. */
struct meeting {
	_Alignas(128) _Atomic uint32_t arrived;
};

static inline void
meet(struct meeting *meeting, uint32_t *mine)
{
	unsigned spins = 0;

	*mine += 2;
	atomic_fetch_add(&meeting->arrived, 1);
	while ((int32_t)(atomic_load(&meeting->arrived) - *mine) < 0)
		if (++spins % 4096 == 0)
			sched_yield();
}

#endif
