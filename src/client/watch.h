/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A watch: what an app's notification is inside. It knows which services it was told of, keeps
 * those that the app has not taken yet, and puts messages on its port.
 *
 *	watch_create, watch_set_name -> events_add; watch_next by the app; watch_destroy
 *
 * events.c brings what the registry says; the functions that end in _locked are its. A watch has
 * one owner, who destroys it; nothing else keeps a pointer to it for longer than its lock.
 */
#ifndef CLIENT_WATCH_H
#define CLIENT_WATCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "async_table.h"
#include "id_set.h"
#include "packets.h"

#include <DriverKit/OSCollections.h>
#include <mach/port.h>

struct port;

enum watch_kind {
	WATCH_ARRIVALS,
	WATCH_DEPARTURES,
	WATCH_WARNINGS, /* departures, before the connections to the service have ended */
	WATCH_ENTRY,	/* what happens to one */
};

/* What an app wants to hear of an entry; bits. */
enum watch_news {
	NEWS_CHANGED = 1 << 0,
	NEWS_BUSY = 1 << 1,
	NEWS_GONE = 1 << 2,
	NEWS_ITERATOR = 1 << 3, /* of the other kinds: there is something to take */
};

struct watch_options {
	enum watch_kind kind;
	uint32_t news;		      /* of WATCH_ENTRY */
	uint32_t type;		      /* of its messages: k...NotificationType */
	const OSDictionary *matching; /* NULL with WATCH_ENTRY */
	uint64_t entry;		      /* of WATCH_ENTRY; else 0 */
	struct port *port;
	uint64_t reference[ASYNC_REFERENCES_MAX];
};

enum watch_state {
	WATCH_UNSENT, /* this registry does not know of it */
	WATCH_SENT,
	WATCH_LIVE,
	WATCH_REFUSED, /* by this registry */
};

struct watch {
	struct watch_options options; /* [const] but matching, which is not kept; the port: +1 */
	uint32_t epoch;		      /* [const] fork_epoch() at birth */
	void *body;		      /* [const] of its WATCH packet; the id is the session's */
	size_t length;		      /* [const] */

	/* The session's, under its lock. */
	uint64_t id;
	enum watch_state state;
	bool was_live;
	uint32_t sequence; /* of its last WATCH */
	IOReturn refusal;
	struct id_set known; /* services that are there */
	bool busy_known, busy;

	pthread_mutex_t lock;
	mach_port_t name; /* [lock] */
	/* [lock] Services for the app to take: a ring of `size`, `count` of them from `first` on.
	 */
	uint64_t *waiting;
	size_t first, count, size;
	bool forgets;	/* the log has said that it does */
	bool armed;	/* [lock] the next one is worth a message */
	uint32_t owed;	/* [lock] news that the port had no room for */
	bool busy_news; /* [lock] what NEWS_BUSY says */
};

/* kIOReturnNoMemory; kIOReturnBadArgument: a dictionary that has no binary form. */
IOReturn watch_create(const struct watch_options *options, struct watch **ret_watch);
/* Ends it: nothing of it is in its port any more. In a forked child it is left alone. */
void watch_destroy(struct watch *watch);
/* The notification's name, in its messages; before events_add. */
void watch_set_name(struct watch *watch, mach_port_t name);

/* The next service for the app; false: none, and from now on the next one brings a message. */
bool watch_next(struct watch *watch, uint64_t *ret_id);

/* --- for events.c --- */

/* The registry's answer: what is there now. False: it cannot be one to this watch. */
bool watch_learn_locked(struct watch *watch, const uint64_t *ids, size_t count);
/* False: not an event of such a watch. */
bool watch_event_locked(struct watch *watch, const struct event_body *event);
/* The service has gone; the app hears of it now, or when its connections to it have ended. */
void watch_lost_locked(struct watch *watch, uint64_t service);
/* They have. */
void watch_departed_locked(struct watch *watch, uint64_t service);
/* Tries again what the port had no room for; false: it still has none. */
bool watch_pay_locked(struct watch *watch);

#endif
