/* SPDX-License-Identifier: Apache-2.0 */
#include "formers.h"

#include "connection.h"

#define FORMERS_MAX DEXT_LIMIT_CONNECTIONS /* as many as a thread spins over */

static struct {
	pthread_mutex_t lock;
	struct former list[FORMERS_MAX]; /* [lock] */
	unsigned count;			 /* [lock] */
} formers = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The count if it is not there. */
static unsigned
find_locked(const struct connection *c)
{
	unsigned i = 0;

	while (i < formers.count && formers.list[i].connection != c)
		i++;
	return i;
}

void
formers_add_take(struct connection *c, uint64_t since)
{
	bool added = false;
	unsigned i;

	pthread_mutex_lock(&formers.lock);
	i = find_locked(c);
	if (i < formers.count) {
		formers.list[i].since = since;
	} else if (i < FORMERS_MAX && !connection_has_ended(c)) {
		/* Ended later, it is found by formers_forget. */
		formers.list[formers.count++] = (struct former){c, since};
		added = true;
	}
	pthread_mutex_unlock(&formers.lock);
	if (!added)
		connection_release(c);
}

void
formers_forget(struct connection *c)
{
	unsigned i;
	bool found;

	pthread_mutex_lock(&formers.lock);
	i = find_locked(c);
	found = i < formers.count;
	if (found)
		formers.list[i] = formers.list[--formers.count];
	pthread_mutex_unlock(&formers.lock);
	if (found)
		connection_release(c);
}

bool
formers_any(void)
{
	bool any;

	pthread_mutex_lock(&formers.lock);
	any = formers.count > 0;
	pthread_mutex_unlock(&formers.lock);
	return any;
}

bool
formers_take(struct former *ret_former)
{
	bool any;

	pthread_mutex_lock(&formers.lock);
	any = formers.count > 0;
	if (any)
		*ret_former = formers.list[--formers.count];
	pthread_mutex_unlock(&formers.lock);
	return any;
}
