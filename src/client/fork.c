/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork: the parent's connections are untouched, the child has none. Only the thread that forked
 * exists in the child, so a lock that another thread held there stays locked for ever: the tables
 * that the child goes on to use are locked around the fork, and of each connection the child
 * touches nothing but its descriptors, which it closes. Its memory is left alone. A descriptor that
 * another thread was just about to put into a connection stays open in the child; the host does not
 * mind, because it watches the app's process and not only the socket.
 */
#include "fork.h"

#include <pthread.h>
#include <stdatomic.h>

#include "connection_private.h"
#include "events.h"
#include "hangups.h"
#include "iterator.h"
#include "object_table.h"
#include "queues.h"
#include "registry.h"
#include "sharing.h"

static _Atomic uint32_t epoch;

static void
prepare(void)
{
	object_table_fork_prepare();
	iterator_fork_prepare();
	hangups_fork_prepare();
	connections_fork_prepare();
	sharing_fork_prepare();
	queues_fork_prepare();
}

static void
parent(void)
{
	queues_fork_done();
	sharing_fork_parent();
	connections_fork_parent();
	hangups_fork_parent();
	iterator_fork_done();
	object_table_fork_done();
}

static void
child(void)
{
	/* The child is alone: nothing reads this concurrently. */
	atomic_fetch_add_explicit(&epoch, 1, memory_order_relaxed);
	queues_fork_done();
	sharing_fork_child();
	connections_fork_child();
	hangups_fork_child();
	registry_fork_child();
	events_fork_child();
	iterator_fork_done();
	object_table_fork_done();
}

static void
watch(void)
{
	pthread_atfork(prepare, parent, child);
}

void
fork_watch(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, watch);
}

uint32_t
fork_epoch(void)
{
	return atomic_load_explicit(&epoch, memory_order_relaxed);
}
