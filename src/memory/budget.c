/* SPDX-License-Identifier: Apache-2.0 */
#include "budget.h"

#include "log.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t most, taken; /* [lock] */

void
budget_set(uint64_t bytes)
{
	pthread_mutex_lock(&lock);
	most = bytes;
	pthread_mutex_unlock(&lock);
}

bool
budget_take(uint64_t bytes)
{
	uint64_t limit, before;
	bool room;

	pthread_mutex_lock(&lock);
	limit = most;
	before = taken;
	room = limit == 0 || (before <= limit && bytes <= limit - before);
	if (room)
		taken += bytes;
	pthread_mutex_unlock(&lock);
	if (!room)
		log_error("%llu bytes more, beside %llu, are over the %llu that this driver may "
			  "share with its apps (dextd --memory-max)",
			  (unsigned long long)bytes, (unsigned long long)before,
			  (unsigned long long)limit);
	return room;
}

void
budget_give(uint64_t bytes)
{
	pthread_mutex_lock(&lock);
	taken -= bytes;
	pthread_mutex_unlock(&lock);
}
