/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches: from what the registry says to messages on a port.
 *
 * Everything that the registry says is idempotent here: a service appears once and goes once,
 * however often it is said. So a watch that is renewed with another registry, or after the app was
 * too slow for its events, compares what is there with what it knows, and delivers the difference.
 *
 * A message that its port has no room for is owed, at most one of each kind; the port asks again
 * when it has room.
 *
 * Locks: the session's, then a watch's, then its port's.
 */
#include "watch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "departures.h"
#include "events.h"
#include "fork.h"
#include "log.h"
#include "plist.h"
#include "port.h"

#include <IOKit/IOMessage.h>
#include <IOKit/OSMessageNotification.h>

/* --- life --- */

static IOReturn
make_body(struct watch *watch)
{
	const struct watch_body head = {.entry = watch->options.entry};
	void *plist = NULL;
	size_t length = 0;
	IOReturn res = kIOReturnSuccess;

	if (watch->options.matching != NULL)
		res = plist_encode(watch->options.matching, &plist, &length);
	if (res != kIOReturnSuccess)
		return res;
	watch->length = sizeof(head) + length;
	watch->body = malloc(watch->length);
	if (watch->body != NULL) {
		memcpy(watch->body, &head, sizeof(head));
		if (length > 0)
			memcpy((uint8_t *)watch->body + sizeof(head), plist, length);
	}
	free(plist);
	return watch->body != NULL ? kIOReturnSuccess : kIOReturnNoMemory;
}

IOReturn
watch_create(const struct watch_options *options, struct watch **ret_watch)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	IOReturn res;

	if (watch == NULL)
		return kIOReturnNoMemory;
	watch->options = *options;
	res = make_body(watch);
	watch->options.matching = NULL;
	if (res != kIOReturnSuccess) {
		free(watch);
		return res;
	}
	watch->epoch = fork_epoch();
	port_retain(watch->options.port);
	pthread_mutex_init(&watch->lock, NULL);
	*ret_watch = watch;
	return kIOReturnSuccess;
}

void
watch_destroy(struct watch *watch)
{
	if (watch->epoch != fork_epoch())
		return;
	events_remove(watch);
	port_withdraw(watch->options.port, watch->name);
	port_release(watch->options.port);
	pthread_mutex_destroy(&watch->lock);
	id_set_clear(&watch->known);
	free(watch->waiting);
	free(watch->body);
	free(watch);
}

void
watch_set_name(struct watch *watch, mach_port_t name)
{
	pthread_mutex_lock(&watch->lock);
	watch->name = name;
	pthread_mutex_unlock(&watch->lock);
}

/* --- messages --- */

static void
fill_message(const struct watch *watch, enum watch_news news, struct port_message *ret_message)
{
	struct port_message message = {.type = watch->options.type, .sender = watch->name};

	memcpy(message.reference, watch->options.reference, sizeof(message.reference));
	if (watch->options.kind == WATCH_ENTRY)
		message.count = 1; /* the argument of its message, which is the result */
	switch (news) {
	case NEWS_CHANGED:
		message.result = (IOReturn)kIOMessageServicePropertyChange;
		break;
	case NEWS_BUSY:
		message.result = (IOReturn)kIOMessageServiceBusyStateChange;
		message.arguments[0] = watch->busy_news;
		break;
	case NEWS_GONE:
		message.result = (IOReturn)kIOMessageServiceIsTerminated;
		break;
	case NEWS_ITERATOR:
		break;
	}
	*ret_message = message;
}

/* Puts on the port what is owed, the end last. False: it has no room. */
static bool
pay_locked(struct watch *watch)
{
	static const enum watch_news order[] = {NEWS_ITERATOR, NEWS_CHANGED, NEWS_BUSY, NEWS_GONE};
	struct port_message message;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (!(watch->owed & order[i]))
			continue;
		fill_message(watch, order[i], &message);
		if (port_deliver(watch->options.port, &message) != kIOReturnSuccess)
			return false;
		watch->owed &= ~(uint32_t)order[i];
	}
	return true;
}

bool
watch_pay_locked(struct watch *watch)
{
	bool paid;

	pthread_mutex_lock(&watch->lock);
	paid = pay_locked(watch);
	pthread_mutex_unlock(&watch->lock);
	return paid;
}

static void
tell(struct watch *watch, enum watch_news news, bool busy)
{
	if (!(watch->options.news & news))
		return;
	pthread_mutex_lock(&watch->lock);
	watch->owed |= news;
	if (news == NEWS_BUSY)
		watch->busy_news = busy;
	if (!pay_locked(watch))
		events_starved_locked();
	pthread_mutex_unlock(&watch->lock);
}

/* --- services for the app to take --- */

/* An app that never looks into its iterator: what came first has most likely gone again. */
static void
forget_oldest_locked(struct watch *watch)
{
	if (!watch->forgets)
		log_error("a notification's iterator was not looked into while %u services came "
			  "(DEXT_LIMIT_WAITING_SERVICES): it forgets the oldest",
			  DEXT_LIMIT_WAITING_SERVICES);
	watch->forgets = true;
	watch->first = (watch->first + 1) % watch->size;
	watch->count--;
}

static bool
push_locked(struct watch *watch, uint64_t service)
{
	if (watch->count == DEXT_LIMIT_WAITING_SERVICES)
		forget_oldest_locked(watch);
	if (watch->count == watch->size) {
		size_t size = watch->size == 0 ? 8 : watch->size * 2;
		uint64_t *grown = malloc(size * sizeof(*grown));

		if (grown == NULL)
			return false;
		for (size_t i = 0; i < watch->count; i++)
			grown[i] = watch->waiting[(watch->first + i) % watch->size];
		free(watch->waiting);
		watch->waiting = grown;
		watch->first = 0;
		watch->size = size;
	}
	watch->waiting[(watch->first + watch->count++) % watch->size] = service;
	return true;
}

static void
offer(struct watch *watch, uint64_t service)
{
	pthread_mutex_lock(&watch->lock);
	if (!push_locked(watch, service))
		log_error("a notification lost service 0x%llx: no memory",
			  (unsigned long long)service);
	if (watch->armed) {
		watch->armed = false;
		watch->owed |= NEWS_ITERATOR;
	}
	if (!pay_locked(watch))
		events_starved_locked();
	pthread_mutex_unlock(&watch->lock);
}

static bool
take(struct watch *watch, bool arm, uint64_t *ret_id)
{
	bool taken;

	pthread_mutex_lock(&watch->lock);
	taken = watch->count > 0;
	if (taken) {
		*ret_id = watch->waiting[watch->first];
		watch->first = (watch->first + 1) % watch->size;
		watch->count--;
	} else if (arm) {
		watch->armed = true;
	}
	pthread_mutex_unlock(&watch->lock);
	return taken;
}

bool
watch_next(struct watch *watch, uint64_t *ret_id)
{
	if (watch->epoch != fork_epoch() || watch->options.kind == WATCH_ENTRY)
		return false;
	if (take(watch, false, ret_id))
		return true;
	/* For programs that come back to their iterator without ever looking at the port. */
	events_drain();
	return take(watch, true, ret_id);
}

/* --- what the registry says --- */

static void
appeared(struct watch *watch, uint64_t service)
{
	IOReturn res = id_set_add(&watch->known, service);

	if (res == kIOReturnNoMemory)
		log_error("a notification has no memory for another service");
	if (res == kIOReturnSuccess && watch->options.kind == WATCH_ARRIVALS)
		offer(watch, service);
}

void
watch_departed_locked(struct watch *watch, uint64_t service)
{
	if (watch->options.kind == WATCH_ENTRY)
		tell(watch, NEWS_GONE, false);
	else
		offer(watch, service);
}

void
watch_lost_locked(struct watch *watch, uint64_t service)
{
	if (!id_set_remove(&watch->known, service) || watch->options.kind == WATCH_ARRIVALS)
		return;
	if (watch->options.kind == WATCH_WARNINGS)
		watch_departed_locked(watch, service);
	else
		departures_add_locked(watch, service);
}

bool
watch_learn_locked(struct watch *watch, const uint64_t *ids, size_t count)
{
	struct id_set there = {0};

	/* None: it has gone while nobody listened. */
	if (watch->options.kind == WATCH_ENTRY &&
	    (count > 1 || (count == 1 ? ids[0] != watch->options.entry : !watch->was_live)))
		return false;
	/* Its end was told: it is over, whatever is said of it now. */
	if (watch->options.kind == WATCH_ENTRY && watch->was_live && watch->known.count == 0)
		return true;
	for (size_t i = 0; i < count; i++)
		id_set_add(&there, ids[i]); /* without memory some go, and come back later */
	for (size_t i = watch->known.count; i > 0; i--)
		if (!id_set_has(&there, watch->known.ids[i - 1]))
			watch_lost_locked(watch, watch->known.ids[i - 1]);
	for (size_t i = 0; i < count; i++)
		appeared(watch, ids[i]);
	id_set_clear(&there);
	/* It may have changed while nobody listened. */
	if (watch->was_live && count > 0)
		tell(watch, NEWS_CHANGED, false);
	watch->was_live = true;
	return true;
}

bool
watch_event_locked(struct watch *watch, const struct event_body *event)
{
	bool is_entry = watch->options.kind == WATCH_ENTRY;

	if (is_entry != (event->kind == EVENT_CHANGED || event->kind == EVENT_BUSY) &&
	    event->kind != EVENT_GONE)
		return false;
	if (is_entry && event->service != watch->options.entry)
		return false;
	if (is_entry && !id_set_has(&watch->known, event->service))
		return true; /* its end was told */
	switch (event->kind) {
	case EVENT_APPEARED:
		appeared(watch, event->service);
		break;
	case EVENT_GONE:
		watch_lost_locked(watch, event->service);
		break;
	case EVENT_CHANGED:
		tell(watch, NEWS_CHANGED, false);
		break;
	default:
		/* The first one says how it was when the app asked. */
		if (watch->busy_known && watch->busy != (event->busy != 0))
			tell(watch, NEWS_BUSY, event->busy != 0);
		watch->busy_known = true;
		watch->busy = event->busy != 0;
	}
	return true;
}
