/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host's loop that is run by this thread, which is its peer as well (still.h): the peer takes its
 * next step where the loop would wait, or looks before it does, and time goes on where there is
 * nothing else to wait for. The loop's other threads stand still, but while this one waits for a
 * condition in the driver's code: then one of them does what there is to do. So an input needs no
 * other thread unless the driver asks the app, and each does the same whenever it runs.
 */
#ifndef TESTS_FUZZ_STILL_LOOP_H
#define TESTS_FUZZ_STILL_LOOP_H

/* The peer does nothing while the loop's thread spins, but at the end. */
#define STILL_TICK 50000u

#include "still.h"

#include "loop_private.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

static struct {
	struct loop *loop; /* NULL: none is run */
	bool over;	   /* the peer has nothing to do any more */
	/* The loop's timer, which the kernel knows nothing of. */
	_Atomic uint64_t due; /* 0: never */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool lent;  /* [lock] another thread is to do what there is to do */
	bool taken; /* [lock] one does */
} still_loop = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

int __real_epoll_wait(int epoll, struct epoll_event *events, int most, int timeout);
int __wrap_epoll_wait(int epoll, struct epoll_event *events, int most, int timeout);
int __real_timerfd_settime(int fd, int flags, const struct itimerspec *when,
			   struct itimerspec *before);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *when,
			   struct itimerspec *before);
int __real_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *lock,
				  const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *lock,
				  const struct timespec *until);

static inline void
still_peer_unless_over(void)
{
	if (!still_loop.over)
		still_peer();
}

/* --- the loop's timer --- */

int
__wrap_timerfd_settime(int fd, int flags, const struct itimerspec *when, struct itimerspec *before)
{
	still_loop.due =
		(uint64_t)when->it_value.tv_sec * NSEC_PER_SEC + (uint64_t)when->it_value.tv_nsec;
	return 0;
}

/* False: it never rings. */
static inline bool
still_ring_timer(void)
{
	static const struct itimerspec long_ago = {.it_value = {.tv_nsec = 1}};
	uint64_t due = atomic_exchange(&still_loop.due, 0);

	if (due == 0)
		return false;
	still_pass(due);
	return __real_timerfd_settime(still_loop.loop->timer_bell, TFD_TIMER_ABSTIME, &long_ago,
				      NULL) == 0;
}

/* --- others of its threads --- */

static _Thread_local bool still_has_turn;

static inline void
still_lend(void)
{
	pthread_mutex_lock(&still_loop.lock);
	still_loop.lent = true;
	pthread_cond_broadcast(&still_loop.changed);
	while (still_loop.lent)
		pthread_cond_wait(&still_loop.changed, &still_loop.lock);
	pthread_mutex_unlock(&still_loop.lock);
}

static inline void
still_give_back(void)
{
	pthread_mutex_lock(&still_loop.lock);
	still_has_turn = still_loop.lent = still_loop.taken = false;
	pthread_cond_broadcast(&still_loop.changed);
	pthread_mutex_unlock(&still_loop.lock);
}

static inline void
still_await_turn(void)
{
	pthread_mutex_lock(&still_loop.lock);
	while (!still_loop.lent || still_loop.taken)
		pthread_cond_wait(&still_loop.changed, &still_loop.lock);
	still_has_turn = still_loop.taken = true;
	pthread_mutex_unlock(&still_loop.lock);
}

static inline int
still_wait_in_turn(int epoll, struct epoll_event *events, int most, int timeout)
{
	for (;;) {
		int ready = still_has_turn ? __real_epoll_wait(epoll, events, most, 0) : 0;

		if (ready != 0 || timeout == 0)
			return ready;
		if (still_has_turn)
			still_give_back();
		still_await_turn();
	}
}

/* --- where it waits --- */

int
__wrap_epoll_wait(int epoll, struct epoll_event *events, int most, int timeout)
{
	int ready;

	if (!still)
		return still_wait_in_turn(epoll, events, most, timeout);
	if (timeout == 0)
		still_peer_unless_over();
	for (unsigned turns = 0;
	     (ready = __real_epoll_wait(epoll, events, most, 0)) == 0 && timeout != 0; turns++) {
		FUZZ_CHECK(turns < STILL_TURNS_MAX);
		if (!still_loop.over)
			still_peer();
		else if (!still_ring_timer())
			loop_stop(still_loop.loop);
	}
	return ready;
}

/* It may as well be woken for nothing. */
int
__wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *lock,
			      const struct timespec *until)
{
	if (!still)
		return __real_pthread_cond_timedwait(condition, lock, until);
	pthread_mutex_unlock(lock);
	still_peer_unless_over();
	still_lend();
	still_pass((uint64_t)until->tv_sec * NSEC_PER_SEC + (uint64_t)until->tv_nsec);
	pthread_mutex_lock(lock);
	return 0;
}

/* Until the peer has said that it is over, and nothing is left to do. */
static inline void
still_loop_run(struct loop *loop)
{
	uint64_t rings;

	still_begin();
	still_loop.loop = loop;
	still_loop.over = false;
	FUZZ_CHECK(loop_run(loop, 1) == kIOReturnSuccess);
	/* As it was before, for the next input. */
	FUZZ_CHECK(read(loop->stop_bell, &rings, sizeof(rings)) == sizeof(rings));
	loop->stopping = false;
}

#endif
