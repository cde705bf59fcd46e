/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The completion ring of a connection: from the host's entries to the ports.
 *
 * One thread at a time empties a ring, under ring_lock, in order. An entry whose port is full is
 * kept (`stalled`) and tried first the next time: order holds, nothing is lost, the ring fills and
 * the host waits. The port that is full drains again when its app takes something.
 *
 * A visit to the ring takes out what was there when it began, and no more than that can be: a host
 * that goes on adding does not keep the thread.
 */
#include <assert.h>
#include <string.h>

#include "connection_private.h"
#include "doorbell.h"
#include "log.h"
#include "port.h"

/* Entries of one visit: a full ring, and the one that was stalled. */
#define VISIT_MAX (COMPLETION_RING_MAX + 1)

static IOReturn
add(struct connection *connection, const struct async_registration *registration,
    uint32_t *ret_index, uint32_t *ret_generation)
{
	struct port *port = registration->port;
	IOReturn status;

	pthread_mutex_lock(&connection->ring_lock);
	/* Under the lock: a close that comes later finds the registration and forgets it. */
	status = connection_status(connection);
	if (status == kIOReturnSuccess && port != NULL)
		status = port_attach(port, connection);
	if (status == kIOReturnSuccess) {
		status = async_table_add(&connection->async, registration, ret_index,
					 ret_generation);
		if (status != kIOReturnSuccess && port != NULL)
			port_detach(port, connection);
		else if (port != NULL)
			port_retain(port);
	}
	pthread_mutex_unlock(&connection->ring_lock);
	return status;
}

IOReturn
ring_register(struct connection *connection, struct port *port, const uint64_t *reference,
	      uint32_t reference_count, uint32_t *ret_index, uint32_t *ret_generation)
{
	struct async_registration registration = {.port = port};

	memcpy(registration.reference, reference, reference_count * sizeof(*reference));
	return add(connection, &registration, ret_index, ret_generation);
}

IOReturn
ring_register_queue(struct connection *connection, struct port *port, uint32_t *ret_index,
		    uint32_t *ret_generation)
{
	static _Atomic uint64_t last;
	struct async_registration registration = {.port = port};

	registration.queue = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
	return add(connection, &registration, ret_index, ret_generation);
}

static void
drop(struct connection *connection, const struct async_registration *registration)
{
	if (registration->port == NULL)
		return;
	port_detach(registration->port, connection);
	port_release(registration->port);
}

void
ring_unregister(struct connection *connection, uint32_t index, uint32_t generation)
{
	struct async_registration registration;

	pthread_mutex_lock(&connection->ring_lock);
	if (async_table_remove(&connection->async, index, generation, &registration))
		drop(connection, &registration);
	pthread_mutex_unlock(&connection->ring_lock);
}

void
ring_forget_all(struct connection *connection)
{
	struct async_registration registration;

	pthread_mutex_lock(&connection->ring_lock);
	connection->has_stalled = false;
	while (async_table_remove_any(&connection->async, &registration))
		drop(connection, &registration);
	pthread_mutex_unlock(&connection->ring_lock);
}

/* PROTOCOL.md 2.3: what an entry may look like. NULL, or the rule that it breaks. */
static const char *
broken_rule(const struct completion *entry)
{
	if (entry->kind != COMPLETION_CALL && entry->kind != COMPLETION_RELEASED)
		return "a completion is of a known kind";
	if (entry->count > DEXT_SCALARS_MAX)
		return "a completion has at most 16 arguments";
	if (entry->kind == COMPLETION_RELEASED && (entry->status != 0 || entry->count != 0))
		return "a release has neither status nor arguments";
	if (entry->zero0 != 0)
		return "the padding of a completion is zero";
	for (unsigned i = 0; i < sizeof(entry->zero) / sizeof(entry->zero[0]); i++)
		if (entry->zero[i] != 0)
			return "the padding of a completion is zero";
	return NULL;
}

static IOReturn
deliver_locked(struct connection *connection, const struct completion *entry)
{
	struct async_registration released;
	const struct async_registration *registration;
	struct port_message message;
	const char *rule = broken_rule(entry);

	if (rule != NULL)
		return connection_break(connection, rule);
	registration = async_table_get(&connection->async, entry->index, entry->generation);
	if (registration == NULL)
		return connection_break(connection,
					"a completion is of a registration that is alive");
	if (entry->kind == COMPLETION_RELEASED) {
		async_table_remove(&connection->async, entry->index, entry->generation, &released);
		drop(connection, &released);
		return kIOReturnSuccess;
	}
	if (registration->queue != 0 && entry->count != 0)
		return connection_break(connection, "a data queue's completion has no arguments");
	if (registration->port == NULL)
		return kIOReturnSuccess; /* the app gave no port: as on macOS, nobody hears it */
	memset(&message, 0, sizeof(message));
	memcpy(message.reference, registration->reference, sizeof(message.reference));
	message.queue = registration->queue;
	message.result = entry->status;
	message.count = entry->count;
	memcpy(message.arguments, entry->arguments, entry->count * sizeof(entry->arguments[0]));
	return port_deliver(registration->port, &message);
}

/*
 * Empties the ring, and takes from *left what it took out. False: it cannot go on now, or never.
 * *ret_some: something was delivered.
 */
static bool
empty_locked(struct connection *connection, unsigned *left, bool *ret_some)
{
	IOReturn status;
	bool ring;

	for (; *left > 0; (*left)--) {
		if (!connection->has_stalled) {
			status = completion_ring_pop(&connection->client, &connection->stalled,
						     &ring);
			if (status == kIOReturnUnderrun)
				return true;
			if (status != kIOReturnSuccess) {
				connection_break(connection, "the ring's count is possible");
				return false;
			}
			connection->has_stalled = true;
			if (ring)
				doorbell_ring(connection->doorbell);
		}
		status = deliver_locked(connection, &connection->stalled);
		if (status == kIOReturnOverrun || status == kIOReturnNoMemory)
			return false;
		connection->has_stalled = false;
		if (status != kIOReturnSuccess)
			return false;
		*ret_some = true;
	}
	return false;
}

/* All ports that listen to it drain it once more, since its bell may not ring for what is left. */
static void
come_again_locked(struct connection *connection)
{
	const struct async_registration *registration;
	struct port *last = NULL;
	uint32_t index = 0;

	while ((registration = async_table_next(&connection->async, &index)) != NULL) {
		if (registration->port != NULL && registration->port != last)
			port_come_again(registration->port, connection);
		last = registration->port;
	}
}

/* Whoever waits for a queue of a driver that has gone is woken, to find that out. */
static void
wake_queues_locked(struct connection *connection)
{
	const struct async_registration *registration;
	uint32_t index = 0;

	while ((registration = async_table_next(&connection->async, &index)) != NULL) {
		struct port_message message = {.queue = registration->queue};

		if (registration->queue != 0 && registration->port != NULL)
			port_deliver(registration->port, &message);
	}
}

bool
connection_drain(struct connection *connection)
{
	unsigned left = VISIT_MAX;
	bool open, some = false;

	if (connection_is_inherited(connection))
		return false;
	/* A release may take away the last reference that the caller counts on. */
	connection_retain(connection);
	pthread_mutex_lock(&connection->ring_lock);
	bell_pipe_drain(connection->bell);
	/* Before the look at the ring: what a host put there before it ended is delivered. */
	open = connection_check(connection);
	completion_ring_disarm(&connection->client);
	while (empty_locked(connection, &left, &some) && !completion_ring_arm(&connection->client))
		left--;
	if (left == 0)
		come_again_locked(connection);
	/* What a full port makes wait is not lost with the host: that port comes back for it. */
	open = connection->has_stalled ||
	       (open && connection_pending_status(connection) == kIOReturnSuccess);
	if (!open)
		wake_queues_locked(connection);
	pthread_mutex_unlock(&connection->ring_lock);
	connection_release(connection);
	return open;
}

bool
connection_is_due(const struct connection *connection)
{
	return completion_ring_is_due(&connection->client);
}

uint64_t
connection_spin_budget(const struct connection *connection)
{
	return completion_ring_budget(&connection->client);
}

/*
 * An entry that is taken here may have rung the bell, or be about to: that byte stays, and makes
 * the next drain arm again. So at any time an arming that was not rung for is in force, or the bell
 * is readable, or a drain is under way; as without this.
 */
bool
connection_take(struct connection *connection)
{
	unsigned left = VISIT_MAX;
	bool some = false;

	connection_retain(connection);
	pthread_mutex_lock(&connection->ring_lock);
	if (connection_pending_status(connection) == kIOReturnSuccess) {
		empty_locked(connection, &left, &some);
		if (connection_pending_status(connection) != kIOReturnSuccess)
			wake_queues_locked(connection);
	}
	pthread_mutex_unlock(&connection->ring_lock);
	connection_release(connection);
	return some;
}
