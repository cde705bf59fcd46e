/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each user has cost, which is forgiven with time. There is room for more users than have
 * anything to be forgiven at a time; past it the one with the least is forgotten.
 */
#include "patience.h"

#include <pthread.h>
#include <stddef.h>

#include "bounds.h"
#include "clock.h"

#define MOST	(DEXT_LIMIT_VAIN_WAIT_MSEC * NSEC_PER_MSEC)
#define FORGIVE 10u /* of so much time one part */
#define USERS	64u

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	uint32_t uid;
	uint64_t cost; /* when it was `since` */
	uint64_t since;
} users[USERS]; /* [lock] */

static uint64_t
cost_locked(size_t i, uint64_t now)
{
	uint64_t forgiven = (now - users[i].since) / FORGIVE;

	return users[i].cost > forgiven ? users[i].cost - forgiven : 0;
}

/* The user's, else the one with the least cost. */
static size_t
find_locked(uint32_t uid, uint64_t now)
{
	size_t least = 0;

	for (size_t i = 0; i < USERS; i++) {
		if (users[i].cost > 0 && users[i].uid == uid)
			return i;
		if (cost_locked(i, now) < cost_locked(least, now))
			least = i;
	}
	return least;
}

uint64_t
patience_left(uint32_t uid, uint64_t now)
{
	uint64_t cost = 0;
	size_t i;

	pthread_mutex_lock(&lock);
	i = find_locked(uid, now);
	if (users[i].uid == uid)
		cost = cost_locked(i, now);
	pthread_mutex_unlock(&lock);
	return cost < MOST ? MOST - cost : 0;
}

void
patience_spend(uint32_t uid, uint64_t waited, uint64_t now)
{
	uint64_t cost = waited;
	size_t i;

	pthread_mutex_lock(&lock);
	i = find_locked(uid, now);
	if (users[i].uid == uid)
		cost += cost_locked(i, now);
	/* Waits on several queues at a time may be more than there was patience for. */
	users[i].cost = cost < MOST ? cost : MOST;
	users[i].since = now;
	users[i].uid = uid;
	pthread_mutex_unlock(&lock);
}
