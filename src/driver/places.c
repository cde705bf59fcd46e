/* SPDX-License-Identifier: Apache-2.0 */
/* A list of users, each with at least one place: so there are no more of them than places. */
#include "places.h"

#include <assert.h>
#include <pthread.h>
#include <stddef.h>

#include "bound_settings.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned taken;	/* [lock] */
static unsigned users;	/* [lock] */
static bool are_shared; /* [lock] */
static struct {
	uint32_t uid;
	unsigned taken;
} user[LIMIT_CONNECTIONS_MOST]; /* [lock] */

/* `users` if it has none. */
static unsigned
find_locked(uint32_t uid)
{
	unsigned i = 0;

	while (i < users && user[i].uid != uid)
		i++;
	return i;
}

void
places_share(void)
{
	pthread_mutex_lock(&lock);
	are_shared = true;
	pthread_mutex_unlock(&lock);
}

bool
places_are_shared(void)
{
	bool now;

	pthread_mutex_lock(&lock);
	now = are_shared;
	pthread_mutex_unlock(&lock);
	return now;
}

unsigned
places_taken(void)
{
	unsigned now;

	pthread_mutex_lock(&lock);
	now = taken;
	pthread_mutex_unlock(&lock);
	return now;
}

static const char *
take_locked(uint32_t uid)
{
	unsigned i = find_locked(uid);

	if (taken >= limit_of(LIMIT_CONNECTIONS))
		return limit_named(LIMIT_CONNECTIONS);
	if (are_shared && i < users && user[i].taken >= limit_of(LIMIT_CONNECTIONS_USER))
		return limit_named(LIMIT_CONNECTIONS_USER);
	if (i == users) {
		users++;
		user[i].uid = uid;
		user[i].taken = 0;
	}
	user[i].taken++;
	taken++;
	return NULL;
}

const char *
places_take(uint32_t uid)
{
	const char *limit;

	pthread_mutex_lock(&lock);
	limit = take_locked(uid);
	pthread_mutex_unlock(&lock);
	return limit;
}

void
places_give_back(uint32_t uid)
{
	unsigned i;

	pthread_mutex_lock(&lock);
	i = find_locked(uid);
	assert(i < users);
	taken--;
	if (--user[i].taken == 0)
		user[i] = user[--users];
	pthread_mutex_unlock(&lock);
}
