/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports: a queue of messages, and an epoll set that says when to look for more.
 *
 * The set holds the bell of each attached connection and an eventfd of the port's own, the flag.
 * The flag is up while messages wait that no thread is about to take: put there by the drain of
 * another port, or left over by a thread that took one of several. A thread that drains for this
 * very port takes at once, so its deliveries leave the flag alone: a stream costs no system call
 * for it. The flag is up as well for a connection that was attached and not drained yet, because
 * its ring is not armed, and for a closed port, so that its waiters come back.
 *
 * Locks: a port's lock is a leaf but for the allocator's. No connection is drained or released with
 * it held, except that port_detach gives up a reference that is never the last.
 *
 * Threads: any. Two threads that take from one port each get messages in order, but run them side
 * by side.
 *
 * After fork the epoll set and the flag are still the parent's: in the child nothing but close is
 * done to them, and the lock may be one that no thread will unlock.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "connection.h"
#include "log.h"
#include "packet.h"
#include "port_private.h"
#include "port_table.h"
#include "status.h"

__thread const struct port *port_gathering;

bool
port_is_inherited(const struct port *port)
{
	return port->generation != port_table_generation();
}

static IOReturn
open_set(struct port *port)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = FLAG_ID};

	port->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (port->epoll < 0)
		return status_from_errno(errno, "port: epoll_create1");
	port->flag = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (port->flag < 0)
		return status_from_errno(errno, "port: eventfd");
	if (epoll_ctl(port->epoll, EPOLL_CTL_ADD, port->flag, &event) < 0)
		return status_from_errno(errno, "port: epoll_ctl");
	return kIOReturnSuccess;
}

IOReturn
port_create(struct port **ret_port)
{
	struct port *port = calloc(1, sizeof(*port));
	IOReturn res;

	if (port == NULL)
		return kIOReturnNoMemory;
	atomic_init(&port->references, 1);
	pthread_mutex_init(&port->lock, NULL);
	port->generation = port_table_generation();
	port->epoll = port->flag = -1;
	res = open_set(port);
	if (res == kIOReturnSuccess)
		res = port_table_add(port, &port->name);
	if (res != kIOReturnSuccess) {
		port_release(port);
		return res;
	}
	*ret_port = port;
	return kIOReturnSuccess;
}

struct port *
port_retain(struct port *port)
{
	atomic_fetch_add_explicit(&port->references, 1, memory_order_relaxed);
	return port;
}

void
port_release(struct port *port)
{
	if (port == NULL ||
	    atomic_fetch_sub_explicit(&port->references, 1, memory_order_acq_rel) != 1)
		return;
	/* Connections retain the ports they deliver to, and a closed port has no feeds. */
	assert(port->feed_count == 0 || port_is_inherited(port));
	fd_close(&port->epoll);
	fd_close(&port->flag);
	pthread_mutex_destroy(&port->lock);
	free(port->messages);
	free(port->feeds);
	free(port);
}

mach_port_t
port_name(const struct port *port)
{
	return port->name;
}

struct port *
port_copy(mach_port_t name)
{
	return port_table_copy(name);
}

int
port_descriptor(const struct port *port)
{
	return port->epoll;
}

/* --- the flag --- */

static bool
any_fresh_locked(const struct port *port)
{
	if (port->hub.fresh)
		return true;
	for (uint32_t i = 0; i < port->feed_count; i++)
		if (port->feeds[i].fresh)
			return true;
	return false;
}

/* Raises or lowers the flag to what the port's state asks for. Keeps errno. */
static void
settle_locked(struct port *port)
{
	bool up = port->closed || port->used > 0 || any_fresh_locked(port);
	int saved = errno;
	uint64_t count = 1;
	ssize_t done;

	if (up == port->raised)
		return;
	do {
		done = up ? write(port->flag, &count, sizeof(count))
			  : read(port->flag, &count, sizeof(count));
	} while (done < 0 && errno == EINTR);
	/* It is this process's own eventfd, and it is up just when `raised` says so. */
	assert(done == (ssize_t)sizeof(count));
	port->raised = up;
	errno = saved;
}

/* --- connections --- */

struct feed *
port_find_locked(struct port *port, const struct connection *connection)
{
	for (uint32_t i = 0; i < port->feed_count; i++)
		if (port->feeds[i].connection == connection)
			return &port->feeds[i];
	return NULL;
}

struct connection *
port_remove_locked(struct port *port, struct feed *feed)
{
	struct connection *connection = feed->connection;

	if (epoll_ctl(port->epoll, EPOLL_CTL_DEL, connection_bell(connection), NULL) < 0)
		log_debug("port: epoll_ctl: %s", strerror(errno));
	*feed = port->feeds[--port->feed_count];
	return connection;
}

static IOReturn
add_locked(struct port *port, struct connection *connection)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct feed *feed;

	if (port->feed_count == port->feed_size) {
		uint32_t size = port->feed_size == 0 ? 4 : port->feed_size * 2;
		struct feed *grown = realloc(port->feeds, size * sizeof(*grown));

		if (grown == NULL)
			return kIOReturnNoMemory;
		port->feeds = grown;
		port->feed_size = size;
	}
	event.data.u64 = port->last_id + 1;
	if (epoll_ctl(port->epoll, EPOLL_CTL_ADD, connection_bell(connection), &event) < 0)
		return status_from_errno(errno, "port: epoll_ctl");
	feed = &port->feeds[port->feed_count++];
	*feed = (struct feed){
		.connection = connection, .id = ++port->last_id, .attached = 1, .fresh = true};
	connection_retain(connection);
	return kIOReturnSuccess;
}

IOReturn
port_attach(struct port *port, struct connection *connection)
{
	IOReturn res = kIOReturnSuccess;
	struct feed *feed;
	int saved = errno;

	if (port_is_inherited(port))
		return kIOReturnNotReady;
	pthread_mutex_lock(&port->lock);
	feed = port_find_locked(port, connection);
	if (port->closed)
		res = kIOReturnNotReady;
	else if (feed != NULL)
		feed->attached++;
	else
		res = add_locked(port, connection);
	settle_locked(port);
	pthread_mutex_unlock(&port->lock);
	errno = saved;
	return res;
}

void
port_detach(struct port *port, struct connection *connection)
{
	struct connection *removed = NULL;
	struct feed *feed;
	int saved = errno;

	if (port_is_inherited(port))
		return;
	pthread_mutex_lock(&port->lock);
	feed = port_find_locked(port, connection);
	/* None: the connection has ended, or the port was closed. */
	if (feed != NULL && --feed->attached == 0) {
		removed = port_remove_locked(port, feed);
		settle_locked(port);
	}
	pthread_mutex_unlock(&port->lock);
	if (removed != NULL)
		connection_release(removed);
	errno = saved;
}

void
port_come_again(struct port *port, const struct connection *connection)
{
	struct feed *feed;

	if (port_is_inherited(port))
		return;
	pthread_mutex_lock(&port->lock);
	feed = port_find_locked(port, connection);
	if (feed != NULL)
		feed->fresh = true;
	if (port_gathering != port)
		settle_locked(port);
	pthread_mutex_unlock(&port->lock);
}

/* --- the hub --- */

static void
remove_hub_locked(struct port *port)
{
	if (port->hub.attached > 0 &&
	    epoll_ctl(port->epoll, EPOLL_CTL_DEL, port->hub.descriptor, NULL) < 0)
		log_debug("port: epoll_ctl: %s", strerror(errno));
	port->hub.attached = 0;
	port->hub.fresh = false;
}

static IOReturn
add_hub_locked(struct port *port, int hub, void (*drain)(void))
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = HUB_ID};

	if (port->hub.attached == 0 && epoll_ctl(port->epoll, EPOLL_CTL_ADD, hub, &event) < 0) {
		if (errno != EINVAL)
			return status_from_errno(errno, "port: epoll_ctl");
		log_error("too many ports have notifications: the kernel lets about 500 epoll "
			  "sets hear of one descriptor, 100 of those that are in another set");
		return kIOReturnNoResources;
	}
	port->hub.descriptor = hub;
	port->hub.drain = drain;
	port->hub.attached++;
	return kIOReturnSuccess;
}

IOReturn
port_attach_hub(struct port *port, int hub, void (*drain)(void))
{
	IOReturn res = kIOReturnNotReady;

	if (port_is_inherited(port))
		return kIOReturnNotReady;
	pthread_mutex_lock(&port->lock);
	if (!port->closed)
		res = add_hub_locked(port, hub, drain);
	pthread_mutex_unlock(&port->lock);
	return res;
}

void
port_detach_hub(struct port *port)
{
	if (port_is_inherited(port))
		return;
	pthread_mutex_lock(&port->lock);
	/* None: the port was closed. */
	if (port->hub.attached == 1)
		remove_hub_locked(port);
	else if (port->hub.attached > 1)
		port->hub.attached--;
	settle_locked(port);
	pthread_mutex_unlock(&port->lock);
}

void
port_close(struct port *port)
{
	struct connection *connection;
	bool more = true, starved;
	int saved = errno;

	/* The name first: who still finds the port finds it open. */
	if (!port_table_remove(port->name) || port_is_inherited(port))
		return;
	while (more) {
		connection = NULL;
		pthread_mutex_lock(&port->lock);
		port->closed = true;
		port->used = port->used_by_queues = 0;
		remove_hub_locked(port);
		if (port->feed_count > 0)
			connection = port_remove_locked(port, &port->feeds[port->feed_count - 1]);
		more = port->feed_count > 0;
		starved = port->starved;
		settle_locked(port);
		pthread_mutex_unlock(&port->lock);
		if (connection == NULL)
			continue;
		/* It may be holding a completion back for this port, and with it those of others.
		 */
		if (starved)
			connection_drain(connection);
		connection_release(connection);
	}
	errno = saved;
}

/* --- the queue --- */

static IOReturn
make_room_locked(struct port *port)
{
	uint32_t size = port->size == 0 ? 16 : port->size * 2;
	struct port_message *grown;

	if (port->used < port->size)
		return kIOReturnSuccess;
	if (port->size >= DEXT_LIMIT_COMPLETIONS) {
		if (!port->starved)
			log_info("port %#x: %u completions wait and nobody takes them "
				 "(DEXT_LIMIT_COMPLETIONS)",
				 port->name, port->used);
		return kIOReturnOverrun;
	}
	grown = malloc(size * sizeof(*grown));
	if (grown == NULL)
		return kIOReturnNoMemory;
	for (uint32_t i = 0; i < port->used; i++)
		grown[i] = port->messages[(port->first + i) % port->size];
	free(port->messages);
	port->messages = grown;
	port->size = size;
	port->first = 0;
	return kIOReturnSuccess;
}

/* Whether a message of that data queue waits. */
static bool
waits_locked(const struct port *port, uint64_t queue)
{
	for (uint32_t i = 0; port->used_by_queues > 0 && i < port->used; i++)
		if (port->messages[(port->first + i) % port->size].queue == queue)
			return true;
	return false;
}

IOReturn
port_deliver(struct port *port, const struct port_message *message)
{
	IOReturn res = kIOReturnSuccess;

	assert(message->count <= DEXT_SCALARS_MAX);
	if (port_is_inherited(port))
		return kIOReturnSuccess;
	pthread_mutex_lock(&port->lock);
	if (!port->closed && (message->queue == 0 || !waits_locked(port, message->queue))) {
		res = make_room_locked(port);
		if (res == kIOReturnSuccess) {
			port->messages[(port->first + port->used) % port->size] = *message;
			port->used++;
			port->used_by_queues += message->queue != 0;
		} else {
			port->starved = true;
		}
		if (port_gathering != port)
			settle_locked(port);
	}
	pthread_mutex_unlock(&port->lock);
	return res;
}

void
port_withdraw(struct port *port, mach_port_t sender)
{
	uint32_t kept = 0;

	if (port_is_inherited(port) || sender == MACH_PORT_NULL)
		return;
	pthread_mutex_lock(&port->lock);
	for (uint32_t i = 0; i < port->used; i++) {
		struct port_message *message = &port->messages[(port->first + i) % port->size];

		if (message->sender != sender)
			port->messages[(port->first + kept++) % port->size] = *message;
	}
	port->used = kept;
	settle_locked(port);
	pthread_mutex_unlock(&port->lock);
}

/* There is room again: the connections that it was refused to are drained the next time. */
static void
feed_again_locked(struct port *port)
{
	port->hub.fresh = port->hub.attached > 0;
	for (uint32_t i = 0; i < port->feed_count; i++)
		port->feeds[i].fresh = true;
	port->starved = false;
}

/* See port_wait. */
static int
room_needed(const struct port_message *message)
{
	/* The header of a data queue's always fits. */
	if (message->queue != 0)
		return INT_MIN;
	return message->type != 0 && message->count == 0 ? -1 : (int)message->count;
}

IOReturn
port_pop(struct port *port, int most, struct port_message *ret_message)
{
	IOReturn res = kIOReturnNotReady;

	pthread_mutex_lock(&port->lock);
	if (port->closed) {
		res = kIOReturnAborted;
	} else if (port->used > 0) {
		*ret_message = port->messages[port->first];
		res = kIOReturnMessageTooLarge;
		if (room_needed(ret_message) <= most) {
			port->used_by_queues -= ret_message->queue != 0;
			port->first = (port->first + 1) % port->size;
			port->used--;
			res = kIOReturnSuccess;
		}
	}
	if (port->starved && port->used <= port->size / 2)
		feed_again_locked(port);
	settle_locked(port);
	pthread_mutex_unlock(&port->lock);
	return res;
}

/* --- send rights --- */

void
port_add_send_right(struct port *port)
{
	pthread_mutex_lock(&port->lock);
	port->send_rights++;
	pthread_mutex_unlock(&port->lock);
}

bool
port_remove_send_right(struct port *port)
{
	bool removed;

	pthread_mutex_lock(&port->lock);
	removed = port->send_rights > 0;
	if (removed)
		port->send_rights--;
	pthread_mutex_unlock(&port->lock);
	return removed;
}
