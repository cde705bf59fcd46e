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
 * Shared work is run by up to `width` threads at a time, besides those that wait, which count
 * themselves in `sharing` and go on to the next shared item as an owner does to the next item.
 * Whoever begins one asks for a thread for the next. An owner waits for the last of them, and they
 * for him, each in his turn.
 *
 * Invariants.
 * - If the first item that waits may be begun (may_begin_locked), a drain task is on its way.
 * - The owner holds a reference, and so do threads that share and the drain task: work may release
 *   the queue it runs on.
 * - Cancel handlers run when nobody owns the queue and what Cancel dropped has been told so.
 * - A queue for which nothing waits, and that is neither shared nor suspended nor cancelled, is
 *   owned and given up by its state alone (queue_state.h).
 *
 * Any thread may bring work. The lock of a queue is never held while work, `dropped`, `done` or a
 * handler runs. Lock order: a queue's lock, then the loop's or `wait_lock` (queue_wait.c).
 *
 * Left out: priorities, and detection of two threads that wait for each other's queue. Waiting
 * inside work is queue_wait.c; the object and Cancel are dispatch_queue.c.
 */
#include "queue_state.h"

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
		if (own->queue == queue && !own->shared)
			return true;
	return false;
}

bool
queue_is_here(const IODispatchQueue *queue)
{
	for (const struct ownership *own = owned_queues; own != NULL; own = own->outer)
		if (own->queue == queue)
			return true;
	return false;
}

IODispatchQueue *
queue_innermost(void)
{
	return owned_queues != NULL ? owned_queues->queue : NULL;
}

/* --- the list --- */

static void
append_locked(struct IODispatchQueue_IVars *queue, struct work *work)
{
	assert(!work->queued);
	work->queued = true;
	work->shared = work->shared && queue->width > 1;
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

static void
take_turn(struct work *work)
{
	/* Never run: whoever takes work out recognises the item by this function. */
	log_abort("a turn of a dispatch queue was run as work");
}

static void
give_turn_locked(struct work *work, enum turn turn)
{
	struct turn_work *waiter = (struct turn_work *)work;

	waiter->turn = turn;
	pthread_cond_signal(&waiter->changed);
}

/* --- whose turn it is --- */

/* Whether one more thread may begin work of this kind. */
static bool
has_room_locked(const struct IODispatchQueue_IVars *queue, bool shared)
{
	if (queue_is_owned_locked(queue) || queue->suspended > 0)
		return false;
	return shared ? queue->sharing - queue->waiting < queue->width : queue->sharing == 0;
}

static bool
may_begin_locked(const struct IODispatchQueue_IVars *queue)
{
	return queue->head != NULL && has_room_locked(queue, queue->head->shared);
}

static void
begin_locked(struct IODispatchQueue_IVars *queue, bool shared)
{
	if (shared)
		queue->sharing++;
	else
		queue_set_owned_locked(queue, true);
}

void
queue_post_drain_locked(struct IODispatchQueue_IVars *queue)
{
	while (may_begin_locked(queue) && queue->head->run == take_turn) {
		struct work *turn = queue_take_locked(queue, NULL);

		begin_locked(queue, turn->shared);
		OSRetain(queue->self);
		give_turn_locked(turn, TURN_MINE);
	}
	if (queue->posted || !may_begin_locked(queue))
		return;
	queue->posted = true;
	OSRetain(queue->self);
	if (queue->waker != NULL) {
		queue->waker();
	} else if (queue->target != NULL) {
		queue->turn.shared = true;
		queue_post(queue->target, &queue->turn);
	} else {
		loop_post(queue_loop, &queue->drain);
	}
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

	if (shuffle_seed != 0 && run && owned_queues != NULL)
		shuffle_pause(owned_queues->ivars);
	if (run)
		work->run(work);
	else if (work->dropped != NULL)
		work->dropped(work);
	queue_wake(tag);
}

/* --- ownership --- */

static void
enter(struct ownership *own, struct IODispatchQueue_IVars *queue, bool shared, void *entered_from)
{
	own->queue = queue->self;
	own->ivars = queue;
	own->outer = owned_queues;
	own->loop = queue_loop;
	own->entered_from = entered_from;
	own->shared = shared;
	owned_queues = own;
}

/* The next item that this thread runs without giving the queue up; NULL if it has to. */
static struct work *
next_locked(struct IODispatchQueue_IVars *queue, bool shared)
{
	const struct work *head = queue->head;

	if (head == NULL || head->run == take_turn || head->shared != shared ||
	    queue->suspended > 0)
		return NULL;
	return queue_take_locked(queue, NULL);
}

/*
 * Runs up to `count` items of what waits, then gives the queue up: to callers of queue_call whose
 * turn it is, to a drain task if work is left, or to nobody. Releases the owner's reference.
 *
 * In a child of a fork that the work itself made, nothing of the queue is touched: its other work
 * is the parent's.
 */
static void
go_on_and_leave(struct ownership *own, unsigned count)
{
	struct IODispatchQueue_IVars *queue = own->ivars;
	struct work *work = NULL;

	for (;;) {
		if (own->loop != queue_loop) {
			owned_queues = own->outer;
			return;
		}
		if (!own->shared && queue_give_up_at_once(queue)) {
			owned_queues = own->outer;
			OSRelease(own->queue);
			return;
		}
		queue_lock(queue);
		if (count-- > 0)
			work = next_locked(queue, own->shared);
		if (work == NULL)
			break;
		queue_unlock(queue);
		work_finish(work, true);
		work = NULL;
	}
	owned_queues = own->outer;
	if (own->shared)
		queue->sharing--;
	else
		queue_set_owned_locked(queue, false);
	queue_post_drain_locked(queue);
	queue_settle_unlock(queue);
	OSRelease(own->queue);
}

/* Takes the queue over for its first item, unless somebody else has. Consumes a reference. */
static void
drain(struct IODispatchQueue_IVars *queue)
{
	struct work *first = NULL;
	struct ownership own;
	bool shared;

	queue_lock(queue);
	queue->posted = false;
	if (may_begin_locked(queue) && queue->head->run != take_turn)
		first = queue_take_locked(queue, NULL);
	if (first != NULL) {
		shared = first->shared;
		begin_locked(queue, shared);
	}
	queue_post_drain_locked(queue);
	queue_unlock(queue);
	if (first == NULL) {
		OSRelease(queue->self);
		return;
	}
	loop_will_block(queue_loop);
	enter(&own, queue, shared, __builtin_return_address(0));
	work_finish(first, true);
	go_on_and_leave(&own, BATCH - 1);
	loop_did_block(queue_loop);
}

void
queue_drain(struct loop_task *task)
{
	drain((struct IODispatchQueue_IVars *)((char *)task -
					       offsetof(struct IODispatchQueue_IVars, drain)));
}

void
queue_drain_turn(struct work *work)
{
	drain((struct IODispatchQueue_IVars *)((char *)work -
					       offsetof(struct IODispatchQueue_IVars, turn)));
}

void
queue_drain_here(IODispatchQueue *queue)
{
	drain(queue_ivars(queue));
}

/* How much of others' work a thread does after its own: none inside the work of another queue. */
static unsigned
backlog_allowed(const struct ownership *own)
{
	return own->outer == NULL ? BATCH : 0;
}

/*
 * Makes the caller, who has a reference, the owner, or one of those who share, if nobody is before
 * him.
 */
static bool
enter_idle_locked(struct IODispatchQueue_IVars *queue, bool shared)
{
	if (queue->head != NULL || !has_room_locked(queue, shared))
		return false;
	begin_locked(queue, shared);
	return true;
}

void
queue_post(IODispatchQueue *queue, struct work *work)
{
	work->next = NULL;
	queue_post_all(queue, work);
}

void
queue_post_all(IODispatchQueue *object, struct work *work)
{
	struct IODispatchQueue_IVars *queue = queue_ivars(object);
	struct work *next;

	queue_lock(queue);
	if (!queue->cancelled) {
		for (; work != NULL; work = next) {
			next = work->next;
			append_locked(queue, work);
		}
		queue_post_drain_locked(queue);
	}
	queue_unlock(queue);
	for (; work != NULL; work = next) {
		next = work->next;
		work_finish(work, false);
	}
}

static bool
may_run_here(struct IODispatchQueue_IVars *queue, bool nested)
{
	return nested || (owned_queues == NULL && !(shuffle_seed != 0 && shuffle_appends(queue)));
}

/* True: the caller, who has a reference, is the owner; else the work is appended, or dropped. */
static bool
own_or_append(struct IODispatchQueue_IVars *queue, struct work *work, bool here)
{
	bool cancelled, owned;

	queue_lock(queue);
	cancelled = queue->cancelled;
	owned = !cancelled && here && enter_idle_locked(queue, false);
	if (!cancelled && !owned) {
		append_locked(queue, work);
		queue_post_drain_locked(queue);
	}
	queue_unlock(queue);
	if (cancelled)
		work_finish(work, false);
	return owned;
}

/*
 * Inline if the queue is idle and `nested` or this thread owns no other; else appends. Takes a
 * reference.
 */
static void
submit_take(IODispatchQueue *object, struct work *work, bool nested, void *entered_from)
{
	struct IODispatchQueue_IVars *queue = queue_ivars(object);
	struct ownership own;
	bool here = may_run_here(queue, nested);

	if (!(here && queue_own_at_once(queue)) && !own_or_append(queue, work, here)) {
		OSRelease(object);
		return;
	}
	loop_will_block(queue_loop);
	enter(&own, queue, false, entered_from);
	work_finish(work, true);
	go_on_and_leave(&own, backlog_allowed(&own));
	loop_did_block(queue_loop);
}

void
queue_run(IODispatchQueue *queue, struct work *work)
{
	OSRetain(queue);
	submit_take(queue, work, false, __builtin_return_address(0));
}

void
queue_run_take(IODispatchQueue *queue, struct work *work)
{
	submit_take(queue, work, false, __builtin_return_address(0));
}

static bool
is_cancelled(struct IODispatchQueue_IVars *queue)
{
	bool cancelled;

	queue_lock(queue);
	cancelled = queue->cancelled;
	queue_unlock(queue);
	return cancelled;
}

void
queue_dispatch(IODispatchQueue *queue, struct work *work)
{
	if (queue_is_mine(queue)) {
		work_finish(work, !is_cancelled(queue_ivars(queue)));
		return;
	}
	OSRetain(queue);
	submit_take(queue, work, true, __builtin_return_address(0));
}

/* Waits in the list until the queue is handed over. False: dropped. Holding the lock. */
static bool
await_turn_locked(struct IODispatchQueue_IVars *queue, bool shared)
{
	struct turn_work waiter = {.work.run = take_turn, .work.shared = shared};

	waiter.turn = TURN_WAITING;
	pthread_cond_init(&waiter.changed, NULL);
	append_locked(queue, &waiter.work);
	queue_post_drain_locked(queue);
	while (waiter.turn == TURN_WAITING) {
		pthread_cond_wait(&waiter.changed, &queue->lock);
		queue_claim_locked(queue);
	}
	pthread_cond_destroy(&waiter.changed);
	return waiter.turn == TURN_MINE;
}

/* Makes the caller the owner or a sharer, now or later. False: cancelled. */
static bool
acquire(struct IODispatchQueue_IVars *queue, bool shared, IODispatchQueue **ret_target)
{
	bool acquired;

	queue_lock(queue);
	if (queue->cancelled)
		acquired = false;
	else if ((acquired = enter_idle_locked(queue, shared)))
		OSRetain(queue->self);
	else
		acquired = await_turn_locked(queue, shared);
	*ret_target = queue->target;
	queue_unlock(queue);
	return acquired;
}

/* A call of queue_call_from whose turn has come. */
struct sync_call {
	IODispatchQueue *queue;
	bool shared;
	void *context;
	IODispatchFunction function;
	void *entered_from;
};

static void
call_and_leave(void *context)
{
	struct sync_call *call = context;
	struct ownership own;

	enter(&own, queue_ivars(call->queue), call->shared, call->entered_from);
	call->function(call->context);
	go_on_and_leave(&own, backlog_allowed(&own));
}

bool
queue_call_from(IODispatchQueue *object, bool shared, void *context, IODispatchFunction function,
		void *entered_from)
{
	struct IODispatchQueue_IVars *queue = queue_ivars(object);
	struct sync_call call = {object, shared && queue->width > 1, context, function,
				 entered_from};
	IODispatchQueue *target = NULL;
	bool called;

	if (call.shared ? queue_is_here(object) : queue_is_mine(object)) {
		if (is_cancelled(queue))
			return false;
		function(context);
		return true;
	}
	loop_will_block(queue_loop);
	called = acquire(queue, call.shared, &target);
	/* Inside a turn of the target, as its other work is; a target is never cancelled. */
	if (called && target != NULL)
		called = queue_call_from(target, true, &call, call_and_leave, entered_from);
	else if (called)
		call_and_leave(&call);
	loop_did_block(queue_loop);
	return called;
}

bool
queue_call(IODispatchQueue *object, void *context, IODispatchFunction function)
{
	return queue_call_from(object, false, context, function, __builtin_return_address(0));
}
