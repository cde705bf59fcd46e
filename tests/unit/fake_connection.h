/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection as ports know it, without a host: fake_push is the host putting a completion into
 * the ring, and the drain keeps the real one's protocol (read the pipe, disarm, empty, arm, look
 * again).
 */
#ifndef TESTS_UNIT_FAKE_CONNECTION_H
#define TESTS_UNIT_FAKE_CONNECTION_H

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

#include "clock.h"
#include "connection.h"
#include "port.h"
#include "spin.h"

#define FAKE_SOON (clock_now() + 20 * NSEC_PER_SEC)

struct fake_entry {
	struct port *port;
	struct port_message message;
};

struct connection {
	_Atomic int references;
	_Atomic int drains;
	int bell[2];
	pthread_mutex_t ring_lock; /* one drain at a time */
	pthread_mutex_t lock;	   /* the memory that host and app share */
	struct fake_entry *ring;   /* [lock] */
	size_t head, tail, size;   /* [lock] */
	bool armed;		   /* [lock] */
	bool ended;		   /* [lock] */
	bool spins;		   /* [const] its host is awake on another CPU */
};

static inline struct connection *
fake_create(void)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	ck_assert_ptr_nonnull(connection);
	atomic_init(&connection->references, 1);
	ck_assert_int_eq(pipe2(connection->bell, O_CLOEXEC | O_NONBLOCK), 0);
	pthread_mutex_init(&connection->ring_lock, NULL);
	pthread_mutex_init(&connection->lock, NULL);
	return connection;
}

static inline void
fake_attach(struct connection *connection, struct port *port)
{
	pthread_mutex_lock(&connection->ring_lock);
	ck_assert_int_eq(port_attach(port, connection), kIOReturnSuccess);
	pthread_mutex_unlock(&connection->ring_lock);
}

static inline void
fake_detach(struct connection *connection, struct port *port)
{
	pthread_mutex_lock(&connection->ring_lock);
	port_detach(port, connection);
	pthread_mutex_unlock(&connection->ring_lock);
}

static inline void
fake_push_message(struct connection *connection, struct port *port,
		  const struct port_message *message)
{
	pthread_mutex_lock(&connection->lock);
	if (connection->tail == connection->size) {
		connection->size = connection->size == 0 ? 16 : connection->size * 2;
		connection->ring =
			realloc(connection->ring, connection->size * sizeof(connection->ring[0]));
		ck_assert_ptr_nonnull(connection->ring);
	}
	connection->ring[connection->tail++] = (struct fake_entry){port, *message};
	if (connection->armed) {
		connection->armed = false;
		ck_assert_int_eq(write(connection->bell[1], "", 1), 1);
	}
	pthread_mutex_unlock(&connection->lock);
}

/* A completion with one argument: `number`. */
static inline void
fake_push(struct connection *connection, struct port *port, uint64_t number)
{
	struct port_message message = {.count = 1, .arguments = {number}};

	fake_push_message(connection, port, &message);
}

/* The host ends: its side of the bell is closed. */
static inline void
fake_end(struct connection *connection)
{
	pthread_mutex_lock(&connection->lock);
	connection->ended = true;
	close(connection->bell[1]);
	connection->bell[1] = -1;
	pthread_mutex_unlock(&connection->lock);
}

static inline int
fake_references(const struct connection *connection)
{
	return atomic_load(&connection->references);
}

void
connection_retain(struct connection *connection)
{
	atomic_fetch_add(&connection->references, 1);
}

void
connection_release(struct connection *connection)
{
	if (atomic_fetch_sub(&connection->references, 1) != 1)
		return;
	close(connection->bell[0]);
	if (connection->bell[1] >= 0)
		close(connection->bell[1]);
	pthread_mutex_destroy(&connection->ring_lock);
	pthread_mutex_destroy(&connection->lock);
	free(connection->ring);
	free(connection);
}

int
connection_bell(const struct connection *connection)
{
	return connection->bell[0];
}

/* False: the port has no room, the entry stays. */
static inline bool
fake_empty(struct connection *connection)
{
	struct fake_entry entry;
	bool some = true;

	for (;;) {
		pthread_mutex_lock(&connection->lock);
		connection->armed = false;
		some = connection->head < connection->tail;
		if (some)
			entry = connection->ring[connection->head];
		else
			connection->armed = true;
		pthread_mutex_unlock(&connection->lock);
		if (!some)
			return true;
		if (port_deliver(entry.port, &entry.message) != kIOReturnSuccess)
			return false;
		pthread_mutex_lock(&connection->lock);
		connection->head++;
		pthread_mutex_unlock(&connection->lock);
	}
}

bool
connection_drain(struct connection *connection)
{
	char rest[64];
	bool ended;

	pthread_mutex_lock(&connection->ring_lock);
	atomic_fetch_add(&connection->drains, 1);
	while (read(connection->bell[0], rest, sizeof(rest)) > 0)
		;
	pthread_mutex_lock(&connection->lock);
	ended = connection->ended;
	pthread_mutex_unlock(&connection->lock);
	if (!fake_empty(connection))
		ended = false;
	pthread_mutex_unlock(&connection->ring_lock);
	return !ended;
}

bool
connection_is_due(const struct connection *connection)
{
	struct connection *unlocked = (struct connection *)(uintptr_t)connection;
	bool due;

	pthread_mutex_lock(&unlocked->lock);
	due = unlocked->head < unlocked->tail;
	pthread_mutex_unlock(&unlocked->lock);
	return due;
}

uint64_t
connection_spin_budget(const struct connection *connection)
{
	return connection->spins ? SPIN_BUDGET : 0;
}

bool
connection_take(struct connection *connection)
{
	struct fake_entry entry;
	bool some = true, any = false;

	pthread_mutex_lock(&connection->ring_lock);
	for (;;) {
		pthread_mutex_lock(&connection->lock);
		some = connection->head < connection->tail;
		if (some)
			entry = connection->ring[connection->head];
		pthread_mutex_unlock(&connection->lock);
		if (!some || port_deliver(entry.port, &entry.message) != kIOReturnSuccess)
			break;
		any = true;
		pthread_mutex_lock(&connection->lock);
		connection->head++;
		pthread_mutex_unlock(&connection->lock);
	}
	pthread_mutex_unlock(&connection->ring_lock);
	return any;
}

/* --- what tests ask of a port --- */

static inline struct port *
fake_port(void)
{
	struct port *port = NULL;

	ck_assert_int_eq(port_create(&port), kIOReturnSuccess);
	return port;
}

static inline void
fake_port_end(struct port *port)
{
	port_close(port);
	port_release(port);
}

static inline bool
is_readable(int descriptor)
{
	struct pollfd one = {.fd = descriptor, .events = POLLIN};

	return poll(&one, 1, 0) == 1;
}

static inline void
await_readable(int descriptor)
{
	struct pollfd one = {.fd = descriptor, .events = POLLIN};

	ck_assert_int_eq(poll(&one, 1, 20000), 1);
}

/* The next message's number, which must be there. */
static inline uint64_t
take_number(struct port *port)
{
	struct port_message message;

	ck_assert_int_eq(port_take(port, &message), kIOReturnSuccess);
	return message.arguments[0];
}

static inline void
assert_empty(struct port *port)
{
	struct port_message message;

	ck_assert_int_eq(port_take(port, &message), kIOReturnNotReady);
	ck_assert(!is_readable(port_descriptor(port)));
}

#endif
