/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for what work of the waiter's own queues will bring.
 *
 * A waiter is on the stack of its thread and in one list of the process, by tag. It asks `done`,
 * runs one item with its tag that waits on a queue of its thread, and sleeps only if there was none
 * and nothing woke it since it last slept.
 *
 * `wait_lock` guards the list; it comes after the lock of a queue, and neither is held while `done`
 * or work runs. Any thread may wait or wake.
 *
 * Left out: a deadline. Whoever needs one arms a timer that makes `done` true and wakes.
 */
#include "queue_state.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

/* A thread in queue_wait, on its stack. */
struct waiter {
	const void *tag;
	uint64_t wakes; /* [wait_lock] reasons to ask `done` again, counted */
	pthread_cond_t woken;
	struct waiter *next; /* [wait_lock] */
};

static pthread_mutex_t wait_lock = PTHREAD_MUTEX_INITIALIZER;
static struct waiter *waiters; /* [wait_lock] */
/*
 * How many waiters there are, so that work passes without wait_lock while there is none. A waiter
 * counts itself, then looks (asks `done`, searches its queues); the others change something, then
 * read the count: "write mine, then read yours", so both are seq_cst, else a wake-up is lost.
 */
static _Atomic unsigned waiter_count;

void
queue_wake(const void *tag)
{
	/* Pairs with the increment in queue_wait. */
	if (tag == NULL || atomic_load_explicit(&waiter_count, memory_order_seq_cst) == 0)
		return;
	pthread_mutex_lock(&wait_lock);
	for (struct waiter *waiter = waiters; waiter != NULL; waiter = waiter->next) {
		if (waiter->tag != tag)
			continue;
		waiter->wakes++;
		pthread_cond_signal(&waiter->woken);
	}
	pthread_mutex_unlock(&wait_lock);
}

/* Runs one item with the tag from a queue of this thread, if there is one. */
static bool
run_nested(const void *tag)
{
	for (const struct ownership *own = ownership_innermost(); own != NULL; own = own->outer) {
		struct IODispatchQueue_IVars *queue = queue_ivars(own->queue);
		struct work *work;

		if (own->shared) /* others run beside it */
			continue;
		queue_lock(queue);
		work = queue_take_locked(queue, tag);
		queue_unlock(queue);
		if (work != NULL) {
			work_finish(work, true);
			return true;
		}
	}
	return false;
}

static void
add_waiter(struct waiter *waiter, const void *tag)
{
	*waiter = (struct waiter){.tag = tag};
	pthread_cond_init(&waiter->woken, NULL);
	pthread_mutex_lock(&wait_lock);
	waiter->next = waiters;
	waiters = waiter;
	/* Pairs with the load in queue_wake. */
	atomic_fetch_add_explicit(&waiter_count, 1, memory_order_seq_cst);
	pthread_mutex_unlock(&wait_lock);
}

static void
remove_waiter(struct waiter *waiter)
{
	struct waiter **link = &waiters;

	pthread_mutex_lock(&wait_lock);
	while (*link != waiter)
		link = &(*link)->next;
	*link = waiter->next;
	atomic_fetch_sub_explicit(&waiter_count, 1, memory_order_relaxed);
	pthread_mutex_unlock(&wait_lock);
	pthread_cond_destroy(&waiter->woken);
}

static void
count_waiting(int change)
{
	for (const struct ownership *own = ownership_innermost(); own != NULL; own = own->outer) {
		struct IODispatchQueue_IVars *queue = queue_ivars(own->queue);

		if (!own->shared || own->loop != queue_loop) /* or the parent's, after a fork */
			continue;
		queue_lock(queue);
		queue->waiting += (unsigned)change;
		queue_post_drain_locked(queue);
		queue_unlock(queue);
	}
}

void
queue_will_wait(void)
{
	count_waiting(1);
}

void
queue_did_wait(void)
{
	count_waiting(-1);
}

void
queue_wait(const void *tag, bool (*done)(void *context), void *context)
{
	struct waiter waiter;
	uint64_t seen = 0;

	assert(tag != NULL);
	loop_will_wait(queue_loop);
	add_waiter(&waiter, tag);
	while (!done(context)) {
		if (run_nested(tag))
			continue;
		pthread_mutex_lock(&wait_lock);
		/* What came after the last time that this was seen may not have been looked at. */
		while (waiter.wakes == seen)
			pthread_cond_wait(&waiter.woken, &wait_lock);
		seen = waiter.wakes;
		pthread_mutex_unlock(&wait_lock);
	}
	remove_waiter(&waiter);
	loop_did_block(queue_loop);
}
