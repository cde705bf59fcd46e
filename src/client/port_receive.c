/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receiving: what is in a port's queue, else what its connections' rings have.
 *
 * Before it asks the set, a thread takes from the rings themselves, which costs no system call, and
 * one that is about to sleep looks at them for a while if their hosts are awake on other CPUs. What
 * else the set has to tell is looked for after TAKES_MAX of these at the latest.
 */
#include <errno.h>
#include <sys/epoll.h>

#include "clock.h"
#include "connection.h"
#include "port_private.h"

#define GATHER_MAX 16u
#define TAKES_MAX  64u
#define NEAR_MAX   8u /* feeds of a port whose rings are looked at */

static bool
is_rung(uint64_t id, const struct epoll_event *events, int count)
{
	for (int i = 0; i < count; i++)
		if (events[i].data.u64 == id)
			return true;
	return false;
}

/* The hub's drain, if it has to be drained. */
static void (*pick_hub(struct port *port, const struct epoll_event *events, int count))(void)
{
	void (*drain)(void) = NULL;

	pthread_mutex_lock(&port->lock);
	if (port->hub.attached > 0 && (port->hub.fresh || is_rung(HUB_ID, events, count)))
		drain = port->hub.drain;
	port->hub.fresh = false;
	pthread_mutex_unlock(&port->lock);
	return drain;
}

/* The connections to drain, each with a reference. What does not fit is there the next time. */
static unsigned
pick(struct port *port, const struct epoll_event *events, int count,
     struct connection *ret_connections[static GATHER_MAX])
{
	unsigned picked = 0;

	pthread_mutex_lock(&port->lock);
	port->takes = 0;
	for (uint32_t i = 0; i < port->feed_count && picked < GATHER_MAX; i++) {
		struct feed *feed = &port->feeds[i];

		if (!feed->fresh && !is_rung(feed->id, events, count))
			continue;
		feed->fresh = false;
		connection_retain(feed->connection);
		ret_connections[picked++] = feed->connection;
	}
	pthread_mutex_unlock(&port->lock);
	return picked;
}

static void
forget(struct port *port, struct connection *connection)
{
	struct connection *removed = NULL;
	struct feed *feed;

	pthread_mutex_lock(&port->lock);
	feed = port_find_locked(port, connection);
	if (feed != NULL)
		removed = port_remove_locked(port, feed);
	pthread_mutex_unlock(&port->lock);
	if (removed != NULL)
		connection_release(removed);
}

/* Waits for a bell or the flag, and drains whose bell rang. The caller pops next. */
static void
gather(struct port *port, int timeout_msec)
{
	struct epoll_event events[GATHER_MAX];
	struct connection *connections[GATHER_MAX];
	const struct port *outer = port_gathering;
	void (*drain_hub)(void);
	unsigned picked;
	int count;

	count = epoll_wait(port->epoll, events, GATHER_MAX, timeout_msec);
	picked = pick(port, events, count, connections);
	drain_hub = pick_hub(port, events, count);
	port_gathering = port;
	if (drain_hub != NULL)
		drain_hub();
	for (unsigned i = 0; i < picked; i++) {
		if (!connection_drain(connections[i]))
			forget(port, connections[i]);
		connection_release(connections[i]);
	}
	port_gathering = outer;
}

/* All of them, each with a reference; 0 as well if there are many. */
static unsigned
copy_near(struct port *port, struct connection *ret_connections[static NEAR_MAX])
{
	unsigned count = 0;

	pthread_mutex_lock(&port->lock);
	if (port->feed_count <= NEAR_MAX && port->takes < TAKES_MAX)
		count = port->feed_count;
	port->takes += count > 0;
	for (unsigned i = 0; i < count; i++) {
		ret_connections[i] = port->feeds[i].connection;
		connection_retain(ret_connections[i]);
	}
	pthread_mutex_unlock(&port->lock);
	return count;
}

static bool
any_is_due(struct connection *const *connections, unsigned count)
{
	bool any = false;

	for (unsigned i = 0; i < count && !any; i++)
		any = connection_is_due(connections[i]);
	return any;
}

/* The longest of any. */
static uint64_t
budget_of(struct connection *const *connections, unsigned count)
{
	uint64_t longest = 0;

	for (unsigned i = 0; i < count; i++) {
		uint64_t budget = connection_spin_budget(connections[i]);

		longest = budget > longest ? budget : longest;
	}
	return longest;
}

/* Until one of the rings has something, the budget, or the deadline. */
static void
spin(struct port *port, struct connection *const *connections, unsigned count, uint64_t deadline)
{
	uint64_t begun, now;
	bool due = false;

	if (budget_of(connections, count) == 0 || !spin_allowed(&port->spin))
		return;
	begun = clock_now();
	for (unsigned turn = 1; !(due = any_is_due(connections, count)); turn++) {
		spin_relax();
		if (turn % SPIN_TURNS != 0)
			continue;
		now = clock_now();
		if (now - begun >= budget_of(connections, count) || now >= deadline)
			break;
	}
	spin_ended(&port->spin, due);
}

/*
 * Takes from the rings, without the set; waits a little for something to take if `deadline` is not
 * 0. True: there was something. The caller pops next.
 */
static bool
take(struct port *port, uint64_t deadline)
{
	struct connection *connections[NEAR_MAX];
	const struct port *outer = port_gathering;
	unsigned count = copy_near(port, connections);
	bool some = false;

	if (deadline != 0 && !any_is_due(connections, count))
		spin(port, connections, count, deadline);
	port_gathering = port;
	for (unsigned i = 0; i < count; i++) {
		some |= connection_is_due(connections[i]) && connection_take(connections[i]);
		connection_release(connections[i]);
	}
	port_gathering = outer;
	return some;
}

static int
msec_until(uint64_t deadline, uint64_t now)
{
	uint64_t left;

	if (deadline == UINT64_MAX)
		return -1;
	if (deadline <= now)
		return 0;
	left = (deadline - now - 1) / NSEC_PER_MSEC + 1;
	return left > INT32_MAX ? INT32_MAX : (int)left;
}

static IOReturn
receive(struct port *port, uint64_t deadline, int most, struct port_message *ret_message)
{
	IOReturn res = port_pop(port, most, ret_message);
	uint64_t now;

	while (res == kIOReturnNotReady) {
		if (take(port, deadline)) {
			res = port_pop(port, most, ret_message);
			continue;
		}
		now = deadline == 0 || deadline == UINT64_MAX ? 0 : clock_now();
		gather(port, msec_until(deadline, now));
		res = port_pop(port, most, ret_message);
		if (res == kIOReturnNotReady && now >= deadline)
			return kIOReturnTimeout;
	}
	return res;
}

IOReturn
port_take(struct port *port, struct port_message *ret_message)
{
	int saved = errno;
	IOReturn res;

	if (port_is_inherited(port))
		return kIOReturnAborted;
	res = receive(port, 0, DEXT_SCALARS_MAX, ret_message);
	errno = saved;
	return res == kIOReturnTimeout ? kIOReturnNotReady : res;
}

IOReturn
port_wait(struct port *port, uint64_t deadline, int most, struct port_message *ret_message)
{
	int saved = errno;
	IOReturn res;

	if (port_is_inherited(port))
		return kIOReturnAborted;
	res = receive(port, deadline, most, ret_message);
	errno = saved;
	return res;
}
