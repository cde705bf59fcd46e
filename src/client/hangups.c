/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread, and one epoll set with the sockets of the connections that are watched. The set only
 * says that something has happened: the thread then looks at all connections, so that nothing here
 * knows when one of them is freed. A closed socket leaves the set by itself.
 *
 * Edge-triggered: a socket that stays open after its hang-up, until the app closes the connection,
 * is told of once. A host that has hung up may still write what callers sleep on, so that one that
 * was just about to sleep does: for a second they are woken again.
 *
 * The thread never ends but with the process (the library is linked so that it is not unloaded),
 * takes no signals and holds `lock` at no time.
 */
#include "hangups.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "connection_private.h"
#include "packet.h"
#include "uncancelled.h"

#define STACK	   (256u * 1024) /* a sanitizer has its own there */
#define AGAIN_MSEC 50
#define AGAIN	   20u

static struct {
	pthread_mutex_t lock;
	int set; /* [lock] -1: no thread */
} hangups = {.lock = PTHREAD_MUTEX_INITIALIZER, .set = -1};

static void *
watch(void *argument)
{
	int set = (int)(intptr_t)argument, count = 0;
	struct epoll_event event;
	unsigned again = 0;

	/* Another error than EINTR: the app has closed what is not its own. */
	while ((count = epoll_wait(set, &event, 1, again > 0 ? AGAIN_MSEC : -1)) >= 0 ||
	       errno == EINTR) {
		again = count > 0 ? AGAIN : again - (again > 0);
		connections_check();
	}
	return NULL;
}

static bool
start_thread(int set)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	bool started = false;

	if (pthread_attr_init(&attributes) != 0)
		return false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_attr_setstacksize(&attributes, STACK) == 0 &&
	    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0)
		started = pthread_create(&thread, &attributes, watch, (void *)(intptr_t)set) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return started;
}

static bool
start_locked(void)
{
	if (hangups.set >= 0)
		return true;
	hangups.set = epoll_create1(EPOLL_CLOEXEC);
	if (hangups.set >= 0 && !start_thread(hangups.set))
		fd_close(&hangups.set);
	return hangups.set >= 0;
}

void
hangups_watch(struct connection *connection)
{
	UNCANCELLED;
	struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET};
	bool added;

	pthread_mutex_lock(&hangups.lock);
	added = start_locked() &&
		(epoll_ctl(hangups.set, EPOLL_CTL_ADD, connection->socket, &event) == 0 ||
		 errno == EEXIST);
	pthread_mutex_unlock(&hangups.lock);
	if (!added)
		return;
	/* Pairs with connections_check: what the thread has seen before it is found here. */
	atomic_store_explicit(&connection->watched, true, memory_order_seq_cst);
	connection_check(connection);
}

void
hangups_fork_prepare(void)
{
	pthread_mutex_lock(&hangups.lock);
}

void
hangups_fork_parent(void)
{
	pthread_mutex_unlock(&hangups.lock);
}

void
hangups_fork_child(void)
{
	fd_close(&hangups.set);
	pthread_mutex_unlock(&hangups.lock);
}
