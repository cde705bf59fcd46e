/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's side of the completion ring, and which registrations are alive.
 *
 * Entries go into the ring in the order in which they are made; while it is full they wait here, in
 * the same order, and the app rings when it has made room. A RELEASED entry always finds a place:
 * their number is bounded by the registrations, each of which is alive until its own is in the
 * ring. Of completions at most DEXT_LIMIT_COMPLETIONS wait; one more and the connection is overrun
 * for good: every later call says so.
 *
 * Any thread, with ring_lock; the bell is rung under it so that it is not closed meanwhile (its
 * write never blocks).
 */
#include "connection.h"

#include <stdlib.h>
#include <string.h>

#include "action.h"
#include "bound_settings.h"
#include "budget.h"
#include "closing.h"
#include "doorbell.h"
#include "log.h"
#include "object.h"
#include "record_client.h"

/* The place after the last entry that waits; NULL without memory. [ring_lock] */
static struct completion *
place_locked(struct connection *c)
{
	if (c->overflow_count == c->overflow_capacity) {
		size_t capacity = c->overflow_capacity == 0 ? 256 : 2 * c->overflow_capacity;
		uint64_t more = (capacity - c->overflow_capacity) * sizeof(*c->overflow);
		struct completion *grown = NULL;

		if (budget_take(more) && (grown = malloc(capacity * sizeof(*grown))) == NULL)
			budget_give(more);
		if (grown == NULL)
			return NULL;
		for (size_t i = 0; i < c->overflow_count; i++)
			grown[i] = c->overflow[(c->overflow_first + i) % c->overflow_capacity];
		free(c->overflow);
		c->overflow = grown;
		c->overflow_capacity = capacity;
		c->overflow_first = 0;
	}
	return &c->overflow[(c->overflow_first + c->overflow_count++) % c->overflow_capacity];
}

/* [ring_lock] */
static void
set_alive_locked(struct connection *c, uint32_t index, bool alive)
{
	c->registrations[index].alive = alive;
	c->alive += alive ? 1 : -1;
	if (recorder_is_on())
		record_registrations_locked(c);
}

/* One entry into the ring. False: there is no room. [ring_lock] */
static bool
push_locked(struct connection *c, const struct completion *entry, const char **ret_rule)
{
	bool wake;
	IOReturn res = completion_ring_push(&c->page, entry, &wake);

	if (res == kIOReturnIPCError)
		*ret_rule = "head of the completion ring lies behind its tail, by at most the ring";
	if (res != kIOReturnSuccess)
		return false;
	/* Dead only now: an app that uses indices again without reading must not make them pile up
	 * here. Under ring_lock, so the app, which may read it already, finds it dead. */
	if (entry->kind == COMPLETION_RELEASED)
		set_alive_locked(c, entry->index, false);
	if (wake)
		bell_pipe_ring(c->bell);
	return true;
}

/* As many of those that wait as there is room for. [ring_lock] */
static bool
drain_locked(struct connection *c, const char **ret_rule)
{
	bool moved = false;

	while (c->overflow_count > 0) {
		const struct completion *entry = &c->overflow[c->overflow_first];

		if (!push_locked(c, entry, ret_rule)) {
			if (*ret_rule != NULL || completion_ring_await_room(&c->page))
				return moved;
			/* Room was made while we asked for it; push again. */
			continue;
		}
		moved = true;
		if (entry->kind == COMPLETION_CALL)
			c->waiting_calls--;
		c->overflow_first = (c->overflow_first + 1) % c->overflow_capacity;
		c->overflow_count--;
	}
	atomic_store_explicit(&c->overflowing, false, memory_order_relaxed);
	if (moved)
		completion_ring_room_found(&c->page);
	if (moved && recorder_is_on())
		record_drained_locked(c);
	return moved;
}

/* [ring_lock] */
static void
overrun_locked(struct connection *c, const char *why)
{
	if (!completions_overrun(c))
		log_error("connection of process %d: too many completions wait for it: %s: its "
			  "calls return kIOReturnOverrun from now on",
			  c->who.pid, why);
	atomic_store_explicit(&c->overrun, true, memory_order_relaxed);
}

/* [ring_lock] */
static void
send_locked(struct connection *c, const struct completion *entry, const char **ret_rule)
{
	struct completion *place;

	if (c->bell < 0)
		return;
	c->entries++;
	if (recorder_is_on() && entry->kind == COMPLETION_CALL)
		record_completion_locked(c, entry);
	if (c->overflow_count == 0 && push_locked(c, entry, ret_rule))
		return;
	if (*ret_rule != NULL)
		return;
	if (entry->kind == COMPLETION_CALL && c->waiting_calls >= limit_of(LIMIT_COMPLETIONS)) {
		overrun_locked(c, limit_named(LIMIT_COMPLETIONS));
		return;
	}
	place = place_locked(c);
	if (place == NULL) {
		overrun_locked(c, "there is no memory");
		return;
	}
	*place = *entry;
	/* Before the app is asked to ring when it has room, which makes it seen by who is rung. */
	atomic_store_explicit(&c->overflowing, true, memory_order_relaxed);
	if (entry->kind == COMPLETION_CALL)
		c->waiting_calls++;
	if (c->overflow_count == 1)
		drain_locked(c, ret_rule);
}

IOReturn
connection_complete(struct connection *c, uint32_t index, uint32_t generation, IOReturn status,
		    const uint64_t *arguments, uint32_t count)
{
	struct completion entry = {
		.kind = COMPLETION_CALL,
		.index = index,
		.generation = generation,
		.status = status,
		.count = count,
	};
	const char *rule = NULL;
	bool overrun;

	if (count > 0)
		memcpy(entry.arguments, arguments, count * sizeof(*arguments));
	pthread_mutex_lock(&c->ring_lock);
	if (!completions_overrun(c))
		send_locked(c, &entry, &rule);
	overrun = completions_overrun(c);
	pthread_mutex_unlock(&c->ring_lock);
	if (rule != NULL)
		connection_end(c, rule);
	return overrun ? kIOReturnOverrun : kIOReturnSuccess;
}

/* Whether the app has yet to take the entry of that number out of the ring. [ring_lock] */
static bool
is_pending_locked(struct connection *c, uint64_t number)
{
	uint64_t left = c->overflow_count + (uint64_t)completion_ring_used(&c->page);

	/* A count that cannot be true is for the next push to find. */
	return number != 0 && left <= c->overflow_count + COMPLETION_RING_MAX &&
	       number > c->entries - left;
}

void
connection_notify(struct connection *c, uint32_t index, uint32_t generation)
{
	struct completion entry = {
		.kind = COMPLETION_CALL,
		.index = index,
		.generation = generation,
	};
	struct registration *registration = &c->registrations[index];
	const char *rule = NULL;

	pthread_mutex_lock(&c->ring_lock);
	/*
	 * completion_ring_used pairs with completion_ring_pop: an app that has not taken the last
	 * one will see, when it has, what its caller wrote before this.
	 */
	if (!c->overrun && !is_pending_locked(c, registration->notified)) {
		send_locked(c, &entry, &rule);
		registration->notified = c->entries;
	}
	pthread_mutex_unlock(&c->ring_lock);
	if (rule != NULL)
		connection_end(c, rule);
}

bool
completions_move(struct connection *c)
{
	const char *rule = NULL;
	bool moved = false;

	pthread_mutex_lock(&c->ring_lock);
	if (c->bell >= 0 && c->overflow_count > 0)
		moved = drain_locked(c, &rule);
	pthread_mutex_unlock(&c->ring_lock);
	if (rule != NULL)
		connection_end(c, rule);
	return moved;
}

bool
completions_wait(struct connection *c)
{
	bool any;

	pthread_mutex_lock(&c->ring_lock);
	any = c->overflow_count > 0;
	pthread_mutex_unlock(&c->ring_lock);
	return any;
}

size_t
completions_waiting(struct connection *c)
{
	size_t waiting;

	pthread_mutex_lock(&c->ring_lock);
	waiting = c->waiting_calls;
	pthread_mutex_unlock(&c->ring_lock);
	return waiting;
}

bool
connection_register(struct connection *c, uint32_t index, uint32_t generation)
{
	struct registration *registration = &c->registrations[index];
	bool fresh;

	pthread_mutex_lock(&c->ring_lock);
	fresh = !registration->alive;
	if (fresh) {
		*registration = (struct registration){.generation = generation};
		set_alive_locked(c, index, true);
	}
	pthread_mutex_unlock(&c->ring_lock);
	return fresh;
}

bool
connection_is_full(struct connection *c)
{
	bool full;

	pthread_mutex_lock(&c->ring_lock);
	full = c->alive > limit_of(LIMIT_ASYNC);
	pthread_mutex_unlock(&c->ring_lock);
	if (full)
		log_error("process %d has registered for as many completions as it may: %s",
			  c->who.pid, limit_named(LIMIT_ASYNC));
	return full;
}

void
connection_registered(struct connection *c, uint32_t index, OSAction *action)
{
	action_hold(action);
	pthread_mutex_lock(&c->ring_lock);
	c->registrations[index].action = action;
	pthread_mutex_unlock(&c->ring_lock);
}

void
connection_registration_ended(struct connection *c, uint32_t index, uint32_t generation)
{
	struct completion entry = {
		.kind = COMPLETION_RELEASED,
		.index = index,
		.generation = generation,
	};
	const char *rule = NULL;

	pthread_mutex_lock(&c->ring_lock);
	c->registrations[index].action = NULL;
	send_locked(c, &entry, &rule);
	pthread_mutex_unlock(&c->ring_lock);
	if (rule != NULL)
		connection_end(c, rule);
}

void
completions_each(struct connection *c, void (*function)(OSAction *action))
{
	for (uint32_t i = 0; i < DEXT_LIMIT_ASYNC; i++) {
		OSAction *action;

		pthread_mutex_lock(&c->ring_lock);
		action = c->registrations[i].action;
		if (action != NULL && !object_try_retain(action))
			action = NULL;
		pthread_mutex_unlock(&c->ring_lock);
		if (action == NULL)
			continue;
		function(action);
		OSRelease(action);
	}
}

void
completions_close(struct connection *c)
{
	pthread_mutex_lock(&c->ring_lock);
	socket_close_foreign(&c->bell, c->who.uid);
	free(c->overflow);
	budget_give(c->overflow_capacity * sizeof(*c->overflow));
	c->overflow = NULL;
	c->overflow_first = c->overflow_count = c->overflow_capacity = 0;
	c->waiting_calls = 0;
	pthread_mutex_unlock(&c->ring_lock);
}
