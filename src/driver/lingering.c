/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections that linger: their user client has stopped, but their app has not taken all
 * completions yet. The process's end waits for them (connections_await), and gives them up when its
 * patience is over.
 *
 * The list holds a reference on each. Any thread; nothing is called with the lock held.
 */
#include "connection.h"

#include "log.h"

static pthread_mutex_t lingering_lock = PTHREAD_MUTEX_INITIALIZER;
static struct connection *lingering; /* [lingering_lock] +1 each */
static void (*on_none)(void);	     /* [lingering_lock] */

void
connection_linger(struct connection *c)
{
	connection_retain(c);
	pthread_mutex_lock(&lingering_lock);
	c->lingering = true;
	c->next_lingering = lingering;
	lingering = c;
	pthread_mutex_unlock(&lingering_lock);
}

void
connection_linger_no_more(struct connection *c)
{
	struct connection **place = &lingering;
	void (*done)(void) = NULL;
	bool found;

	pthread_mutex_lock(&lingering_lock);
	found = c->lingering;
	c->lingering = false;
	if (found) {
		while (*place != c)
			place = &(*place)->next_lingering;
		*place = c->next_lingering;
		if (lingering == NULL) {
			done = on_none;
			on_none = NULL;
		}
	}
	pthread_mutex_unlock(&lingering_lock);
	if (done != NULL)
		done();
	if (found)
		connection_release(c);
}

bool
connections_await(void (*done)(void))
{
	bool any;

	pthread_mutex_lock(&lingering_lock);
	any = lingering != NULL;
	if (any)
		on_none = done;
	pthread_mutex_unlock(&lingering_lock);
	return any;
}

void
connections_abandon(void)
{
	for (;;) {
		struct connection *c;
		size_t waiting;

		pthread_mutex_lock(&lingering_lock);
		c = lingering;
		if (c != NULL)
			connection_retain(c);
		pthread_mutex_unlock(&lingering_lock);
		if (c == NULL)
			return;
		waiting = completions_waiting(c);
		if (waiting > 0)
			log_error("process %d does not take its completions: the last %zu are lost",
				  c->who.pid, waiting);
		connection_end(c, NULL);
		/* Not before, so that nobody is told that it is over while it hangs up. */
		connection_linger_no_more(c);
		connection_release(c);
	}
}
