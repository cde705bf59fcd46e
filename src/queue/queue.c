/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The work of a dispatch queue and who owns the queue.
 *
 * A queue is owned while its work runs. Ownership begins with work that found the queue idle, with
 * a drain task on a loop thread, or by being handed to a caller of queue_call whose turn has come;
 * it goes on over what was appended meanwhile and ends when nothing is left, after BATCH items (a
 * loop thread goes on from there, so that whoever brought the first item gets away), or at once
 * after the caller's own item if the caller is inside the work of another queue, which must not
 * wait for this one's backlog.
 *
 * Invariants.
 * - Work waiting means that there is an owner or that a drain task is on its way.
 * - The owner holds a reference, and so does the drain task: work may release the queue it runs on.
 * - Cancel handlers run when nobody owns the queue and what Cancel dropped has been told so.
 *
 * Any thread may bring work. The lock of a queue is never held while work, `dropped`, `done` or a
 * handler runs. Lock order: a queue's lock, then the loop's or `wait_lock` (queue_wait.c).
 *
 * Left out: priorities, and detection of two threads that wait for each other's queue. Waiting
 * inside work is queue_wait.c; the object and Cancel are dispatch_queue.c.
 */
#include "queue_private.h"

#include <assert.h>
#include <pthread.h>
#include <stddef.h>

#include "log.h"

#define BATCH 64

enum turn {
	TURN_WAITING,
	TURN_MINE,
	TURN_DROPPED,
};

/* A caller of queue_call in the list of a busy queue. */
struct turn_work {
	struct work work; /* .run = take_turn */
	enum turn turn;	  /* [lock] */
	pthread_cond_t changed;
};

static _Thread_local struct ownership *owned_queues;

const struct ownership *
ownership_innermost(void)
{
	return owned_queues;
}

bool
queue_is_mine(const IODispatchQueue *queue)
{
	for (const struct ownership *own = owned_queues; own != NULL; own = own->outer)
		if (own->queue == queue)
			return true;
	return false;
}

/* --- the list --- */

static void
append_locked(struct IODispatchQueue_IVars *queue, struct work *work)
{
	assert(!work->queued);
	work->queued = true;
	work->next = NULL;
	*queue->end = work;
	queue->end = &work->next;
	queue_wake(work->tag);
}

struct work *
queue_take_locked(struct IODispatchQueue_IVars *queue, const void *tag)
{
	struct work **link = &queue->head;
	struct work *work;

	while (*link != NULL && tag != NULL && (*link)->tag != tag)
		link = &(*link)->next;
	work = *link;
	if (work == NULL)
		return NULL;
	*link = work->next;
	if (*link == NULL)
		queue->end = link;
	work->next = NULL;
	work->queued = false;
	return work;
}

/* If nobody is at work or on the way: asks the loop for a thread. */
static void
post_drain_locked(struct IODispatchQueue_IVars *queue)
{
	if (queue->owned || queue->posted || queue->head == NULL)
		return;
	queue->posted = true;
	OSRetain(queue->self);
	loop_post(queue_loop, &queue->drain);
}

static void
take_turn(struct work *work)
{
	/* Never run: give_turn_locked recognises the item by this function. */
	log_abort("a turn of a dispatch queue was run as work");
}

static void
give_turn_locked(struct work *work, enum turn turn)
{
	struct turn_work *waiter = (struct turn_work *)work;

	waiter->turn = turn;
	pthread_cond_signal(&waiter->changed);
}

struct work *
queue_take_all_locked(struct IODispatchQueue_IVars *queue)
{
	struct work *dropped = NULL;
	struct work **end = &dropped;
	struct work *work;

	while ((work = queue_take_locked(queue, NULL)) != NULL) {
		if (work->run == take_turn) {
			give_turn_locked(work, TURN_DROPPED);
			continue;
		}
		*end = work;
		end = &work->next;
	}
	return dropped;
}

void
work_finish(struct work *work, bool run)
{
	const void *tag = work->tag;

	if (run)
		work->run(work);
	else if (work->dropped != NULL)
		work->dropped(work);
	queue_wake(tag);
}

/* --- ownership --- */

static void
enter(struct ownership *own, IODispatchQueue *queue, void *entered_from)
{
	own->queue = queue;
	own->outer = owned_queues;
	own->entered_from = entered_from;
	owned_queues = own;
}

/*
 * Runs up to `count` items of what waits, then gives the queue up: to a caller of queue_call whose
 * turn it is, to a drain task if work is left, or to nobody. Releases the owner's reference, unless
 * that went along.
 */
static void
go_on_and_leave(struct ownership *own, unsigned count)
{
	IODispatchQueue *object = own->queue;
	struct IODispatchQueue_IVars *queue = queue_ivars(object);
	struct work *work;

	for (;;) {
		pthread_mutex_lock(&queue->lock);
		if (queue->head != NULL && queue->head->run == take_turn) {
			owned_queues = own->outer;
			give_turn_locked(queue_take_locked(queue, NULL), TURN_MINE);
			pthread_mutex_unlock(&queue->lock);
			return;
		}
		if (count-- == 0)
			break;
		work = queue_take_locked(queue, NULL);
		if (work == NULL)
			break;
		pthread_mutex_unlock(&queue->lock);
		work_finish(work, true);
	}
	owned_queues = own->outer;
	queue->owned = false;
	post_drain_locked(queue);
	queue_settle_unlock(queue);
	OSRelease(object);
}

void
queue_drain(struct loop_task *task)
{
	struct IODispatchQueue_IVars *queue =
		(struct IODispatchQueue_IVars *)((char *)task -
						 offsetof(struct IODispatchQueue_IVars, drain));
	struct ownership own;

	pthread_mutex_lock(&queue->lock);
	queue->posted = false;
	if (queue->owned || queue->head == NULL) {
		pthread_mutex_unlock(&queue->lock);
		OSRelease(queue->self);
		return;
	}
	queue->owned = true;
	pthread_mutex_unlock(&queue->lock);
	loop_will_block(queue_loop);
	enter(&own, queue->self, __builtin_return_address(0));
	go_on_and_leave(&own, BATCH);
	loop_did_block(queue_loop);
}

/* How much of others' work a thread does after its own: none inside the work of another queue. */
static unsigned
backlog_allowed(const struct ownership *own)
{
	return own->outer == NULL ? BATCH : 0;
}

/* Makes the caller the owner if the queue is idle. */
static bool
own_idle_locked(struct IODispatchQueue_IVars *queue)
{
	if (queue->owned || queue->head != NULL)
		return false;
	queue->owned = true;
	OSRetain(queue->self);
	return true;
}

void
queue_post(IODispatchQueue *object, struct work *work)
{
	struct IODispatchQueue_IVars *queue = queue_ivars(object);
	bool cancelled;

	pthread_mutex_lock(&queue->lock);
	cancelled = queue->cancelled;
	if (!cancelled) {
		append_locked(queue, work);
		post_drain_locked(queue);
	}
	pthread_mutex_unlock(&queue->lock);
	if (cancelled)
		work_finish(work, false);
}

/* Inline if the queue is idle and `nested` or this thread owns no other; else appends. */
static void
submit(IODispatchQueue *object, struct work *work, bool nested, void *entered_from)
{
	struct IODispatchQueue_IVars *queue = queue_ivars(object);
	struct ownership own;
	bool cancelled;

	pthread_mutex_lock(&queue->lock);
	cancelled = queue->cancelled;
	if (cancelled || (!nested && owned_queues != NULL) || !own_idle_locked(queue)) {
		if (!cancelled) {
			append_locked(queue, work);
			post_drain_locked(queue);
		}
		pthread_mutex_unlock(&queue->lock);
		if (cancelled)
			work_finish(work, false);
		return;
	}
	pthread_mutex_unlock(&queue->lock);
	loop_will_block(queue_loop);
	enter(&own, object, entered_from);
	work_finish(work, true);
	go_on_and_leave(&own, backlog_allowed(&own));
	loop_did_block(queue_loop);
}

void
queue_run(IODispatchQueue *queue, struct work *work)
{
	submit(queue, work, false, __builtin_return_address(0));
}

static bool
is_cancelled(struct IODispatchQueue_IVars *queue)
{
	bool cancelled;

	pthread_mutex_lock(&queue->lock);
	cancelled = queue->cancelled;
	pthread_mutex_unlock(&queue->lock);
	return cancelled;
}

void
queue_dispatch(IODispatchQueue *queue, struct work *work)
{
	if (queue_is_mine(queue))
		work_finish(work, !is_cancelled(queue_ivars(queue)));
	else
		submit(queue, work, true, __builtin_return_address(0));
}

/* Waits in the list until the queue is handed over. False: dropped. Holding the lock. */
static bool
await_turn_locked(struct IODispatchQueue_IVars *queue)
{
	struct turn_work waiter = {.work.run = take_turn, .turn = TURN_WAITING};

	pthread_cond_init(&waiter.changed, NULL);
	append_locked(queue, &waiter.work);
	post_drain_locked(queue);
	while (waiter.turn == TURN_WAITING)
		pthread_cond_wait(&waiter.changed, &queue->lock);
	pthread_cond_destroy(&waiter.changed);
	return waiter.turn == TURN_MINE;
}

/* Makes the caller the owner, now or later. False: cancelled. */
static bool
acquire(struct IODispatchQueue_IVars *queue)
{
	bool acquired;

	pthread_mutex_lock(&queue->lock);
	if (queue->cancelled)
		acquired = false;
	else
		acquired = own_idle_locked(queue) || await_turn_locked(queue);
	pthread_mutex_unlock(&queue->lock);
	return acquired;
}

bool
queue_call_from(IODispatchQueue *object, void *context, IODispatchFunction function,
		void *entered_from)
{
	struct IODispatchQueue_IVars *queue = queue_ivars(object);
	struct ownership own;
	bool called;

	if (queue_is_mine(object)) {
		if (is_cancelled(queue))
			return false;
		function(context);
		return true;
	}
	loop_will_block(queue_loop);
	called = acquire(queue);
	if (called) {
		enter(&own, object, entered_from);
		function(context);
		go_on_and_leave(&own, backlog_allowed(&own));
	}
	loop_did_block(queue_loop);
	return called;
}

bool
queue_call(IODispatchQueue *object, void *context, IODispatchFunction function)
{
	return queue_call_from(object, context, function, __builtin_return_address(0));
}
