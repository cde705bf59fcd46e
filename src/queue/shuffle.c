/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See shuffle.h. A pause comes before work and not after it, while its thread owns the queue: so
 * nobody overtakes on that queue. The loop was told before that this thread may block.
 */
#include "shuffle.h"

#include "clock.h"
#include "queue_private.h"

#include <time.h>

#define PAUSE_MAX NSEC_PER_MSEC
#define FEW	  4u /* one in so many */

uint64_t shuffle_seed;

void
shuffle_begin(uint64_t value)
{
	shuffle_seed = value;
}

/* The finaliser of splitmix64. */
uint64_t
shuffle_mix(uint64_t value)
{
	value += UINT64_C(0x9e3779b97f4a7c15);
	value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

static uint64_t
choose(struct IODispatchQueue_IVars *queue)
{
	uint64_t value = shuffle_seed;

	for (const char *at = queue->name; at != NULL && *at != '\0'; at++)
		value = shuffle_mix(value ^ (uint8_t)*at);
	/* Relaxed: a count. */
	return shuffle_mix(value ^
			   atomic_fetch_add_explicit(&queue->shuffled, 1, memory_order_relaxed));
}

void
shuffle_pause(struct IODispatchQueue_IVars *queue)
{
	uint64_t choice = choose(queue);
	struct timespec pause = {.tv_nsec = (long)(choice / FEW % PAUSE_MAX)};

	if (choice % FEW == 0)
		nanosleep(&pause, NULL);
}

bool
shuffle_appends(struct IODispatchQueue_IVars *queue)
{
	return choose(queue) % 2 == 0;
}
