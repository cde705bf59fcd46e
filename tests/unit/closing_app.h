/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An app that closes as soon as the driver has moved an entry, on a thread of its own: for a
 * wrapper of what moves it, which calls close_meanwhile when that is done and nothing else is.
 */
#ifndef TESTS_UNIT_CLOSING_APP_H
#define TESTS_UNIT_CLOSING_APP_H

#include "mapped_source.h"
#include "threads.h"
#include "unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

struct closing_app {
	IODispatchSource *source;
	const void *owner;
	_Atomic bool is_due; /* at the next move */
	pthread_t thread;
	_Atomic pid_t id;
	_Atomic bool closed;
	uint32_t given, taken; /* entries that were counted for it */
};

static struct closing_app closing_app;

static inline void
count_for_closing_app(const void *owner, const struct mapped_move *move)
{
	ck_assert_ptr_eq(owner, closing_app.owner);
	*(move->taken ? &closing_app.taken : &closing_app.given) += move->count;
}

/* It closes at the next move, and all that is moved until then is counted for it. */
static inline void
closing_app_start(IODispatchSource *source, const void *owner)
{
	closing_app = (struct closing_app){.source = source, .owner = owner, .is_due = true};
	ck_assert_int_eq(mapped_source_claim(source, owner), kIOReturnSuccess);
	atomic_store(&mapped_source_watched, count_for_closing_app);
}

static inline void
closing_app_join(void)
{
	pthread_join(closing_app.thread, NULL);
	ck_assert(atomic_load(&closing_app.closed));
	atomic_store(&mapped_source_watched, NULL);
}

static inline void *
close_app(void *context)
{
	atomic_store(&closing_app.id, gettid());
	mapped_source_disown(closing_app.source, closing_app.owner);
	atomic_store(&closing_app.closed, true);
	return context;
}

/* Returns when it has closed, or waits to be let. */
static inline void
close_meanwhile(void)
{
	char id[16];

	if (!atomic_exchange(&closing_app.is_due, false))
		return;
	ck_assert_int_eq(pthread_create(&closing_app.thread, NULL, close_app, NULL), 0);
	do {
		sched_yield();
		snprintf(id, sizeof(id), "%d", (int)atomic_load(&closing_app.id));
	} while (!atomic_load(&closing_app.closed) &&
		 !(atomic_load(&closing_app.id) != 0 && thread_rests(id)));
}

#endif
