/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dispatch queues.
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
 * The lock of a queue is never held while work, `dropped`, `done` or a handler runs. Lock order: a
 * queue's lock, then the loop's or `wait_lock`.
 *
 * Left out: priorities, and detection of two threads that wait for each other's queue.
 */
#include "queue.h"

#include <assert.h>
#include <execinfo.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "object.h"

#define BATCH	     64
#define STACK_FRAMES 64

/* A queue that this thread owns, on the stack of the function that runs its work. */
struct ownership {
	IODispatchQueue *queue;
	struct ownership *outer;
	void *entered_from; /* return address, for the report of a sync call to an owned queue */
};

struct cancel_handler {
	void *context;
	IODispatchFunction function;
	struct cancel_handler *next;
};

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

struct IODispatchQueue_IVars {
	char *name; /* [const] */
	pthread_mutex_t lock;
	struct work *head;		 /* [lock] */
	struct work **end;		 /* [lock] */
	bool owned;			 /* [lock] some thread runs work */
	bool posted;			 /* [lock] drain is with the loop */
	bool cancelled;			 /* [lock] */
	unsigned dropping;		 /* [lock] threads that tell what Cancel dropped */
	struct cancel_handler *handlers; /* [lock] not called yet, oldest first */
	struct loop_task drain;
	IODispatchQueue *self; /* [const] for drain */
};

/* A thread in queue_wait, on its stack. */
struct waiter {
	const void *tag;
	uint64_t wakes; /* [wait_lock] reasons to ask `done` again, counted */
	pthread_cond_t woken;
	struct waiter *next; /* [wait_lock] */
};

/* A call of DispatchAsync. */
struct async_work {
	struct work work;
	void *context;
	IODispatchFunction function;
};

static struct loop *queue_loop;
static _Thread_local struct ownership *owned_queues;

static pthread_mutex_t wait_lock = PTHREAD_MUTEX_INITIALIZER;
static struct waiter *waiters; /* [wait_lock] */
/*
 * How many waiters there are, so that work passes without wait_lock while there is none. A waiter
 * counts itself, then looks (asks `done`, searches its queues); the others change something, then
 * read the count: "write mine, then read yours", so both are seq_cst, else a wake-up is lost.
 */
static _Atomic unsigned waiter_count;

static bool init(OSObject *object);
static void finish(OSObject *object);

static const OSObjectMethods queue_methods = {
	.size = sizeof(OSObjectMethods),
	.init = init,
	.free = finish,
};

const OSMetaClass gIODispatchQueueMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "IODispatchQueue",
	.superclass = OSTypeID(OSObject),
	.ivars_size = sizeof(struct IODispatchQueue_IVars),
	.object = &queue_methods,
};

static struct IODispatchQueue_IVars *
ivars(const IODispatchQueue *queue)
{
	return OSObjectIVars(IODispatchQueue, queue);
}

void
queue_set_loop(struct loop *loop)
{
	void *frame[1];

	queue_loop = loop;
	/* The first backtrace loads a library, which a sandbox will not allow later. */
	backtrace(frame, 1);
}

static bool
init(OSObject *object)
{
	struct IODispatchQueue_IVars *queue = ivars((IODispatchQueue *)object);

	if (!OSObject_init_Impl(object))
		return false;
	pthread_mutex_init(&queue->lock, NULL);
	queue->end = &queue->head;
	queue->self = (IODispatchQueue *)object;
	return true;
}

static void
finish(OSObject *object)
{
	struct IODispatchQueue_IVars *queue = ivars((IODispatchQueue *)object);

	pthread_mutex_destroy(&queue->lock);
	free(queue->name);
	OSObject_free_Impl(object);
}

static void drain(struct loop_task *task);

IOReturn
queue_create(const char *name, IODispatchQueue **ret_queue)
{
	IODispatchQueue *queue;
	char *copy;

	if (queue_loop == NULL)
		log_abort("dispatch queue \"%s\" was created before the event loop: "
			  "queue_set_loop comes first",
			  name);
	copy = strdup(name);
	if (copy == NULL)
		return kIOReturnNoMemory;
	queue = object_create(IODispatchQueue);
	if (queue == NULL) {
		free(copy);
		return kIOReturnNoMemory;
	}
	ivars(queue)->name = copy;
	ivars(queue)->drain.run = drain;
	*ret_queue = queue;
	return kIOReturnSuccess;
}

bool
queue_is_mine(const IODispatchQueue *queue)
{
	for (const struct ownership *own = owned_queues; own != NULL; own = own->outer)
		if (own->queue == queue)
			return true;
	return false;
}

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

/* The first item, or the first with this tag; NULL if there is none. */
static struct work *
take_locked(struct IODispatchQueue_IVars *queue, const void *tag)
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

/* Runs it, or tells it that it was dropped; it may be gone after that. */
static void
finish_work(struct work *work, bool run)
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

/* Runs the cancel handlers if it is time to. Unlocks. */
static void
settle_unlock(struct IODispatchQueue_IVars *queue)
{
	struct cancel_handler *handlers = NULL;

	if (queue->cancelled && !queue->owned && queue->dropping == 0) {
		handlers = queue->handlers;
		queue->handlers = NULL;
	}
	pthread_mutex_unlock(&queue->lock);
	while (handlers != NULL) {
		struct cancel_handler *next = handlers->next;

		handlers->function(handlers->context);
		free(handlers);
		handlers = next;
	}
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
	struct IODispatchQueue_IVars *queue = ivars(object);
	struct work *work;

	for (;;) {
		pthread_mutex_lock(&queue->lock);
		if (queue->head != NULL && queue->head->run == take_turn) {
			owned_queues = own->outer;
			give_turn_locked(take_locked(queue, NULL), TURN_MINE);
			pthread_mutex_unlock(&queue->lock);
			return;
		}
		if (count-- == 0)
			break;
		work = take_locked(queue, NULL);
		if (work == NULL)
			break;
		pthread_mutex_unlock(&queue->lock);
		finish_work(work, true);
	}
	owned_queues = own->outer;
	queue->owned = false;
	post_drain_locked(queue);
	settle_unlock(queue);
	OSRelease(object);
}

static void
drain(struct loop_task *task)
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
	struct IODispatchQueue_IVars *queue = ivars(object);
	bool cancelled;

	pthread_mutex_lock(&queue->lock);
	cancelled = queue->cancelled;
	if (!cancelled) {
		append_locked(queue, work);
		post_drain_locked(queue);
	}
	pthread_mutex_unlock(&queue->lock);
	if (cancelled)
		finish_work(work, false);
}

/* Inline if the queue is idle and `nested` or this thread owns no other; else appends. */
static void
submit(IODispatchQueue *object, struct work *work, bool nested, void *entered_from)
{
	struct IODispatchQueue_IVars *queue = ivars(object);
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
			finish_work(work, false);
		return;
	}
	pthread_mutex_unlock(&queue->lock);
	loop_will_block(queue_loop);
	enter(&own, object, entered_from);
	finish_work(work, true);
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
		finish_work(work, !is_cancelled(ivars(queue)));
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

static bool
call(IODispatchQueue *object, void *context, IODispatchFunction function, void *entered_from)
{
	struct IODispatchQueue_IVars *queue = ivars(object);
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
	return call(object, context, function, __builtin_return_address(0));
}

/* --- waiting --- */

/* Runs one item with the tag from a queue of this thread, if there is one. */
static bool
run_nested(const void *tag)
{
	for (struct ownership *own = owned_queues; own != NULL; own = own->outer) {
		struct IODispatchQueue_IVars *queue = ivars(own->queue);
		struct work *work;

		pthread_mutex_lock(&queue->lock);
		work = take_locked(queue, tag);
		pthread_mutex_unlock(&queue->lock);
		if (work != NULL) {
			finish_work(work, true);
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

void
queue_wait(const void *tag, bool (*done)(void *context), void *context)
{
	struct waiter waiter;
	uint64_t seen = 0;

	assert(tag != NULL);
	loop_will_block(queue_loop);
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

/* --- IODispatchQueue --- */

kern_return_t
IODispatchQueue_Create(const char *name, uint64_t options, uint64_t priority,
		       IODispatchQueue **queue)
{
	if (name == NULL || queue == NULL) {
		log_error("IODispatchQueue_Create: %s is NULL", name == NULL ? "name" : "queue");
		return kIOReturnBadArgument;
	}
	if (priority != 0) {
		log_error("IODispatchQueue_Create(\"%s\"): priority must be 0", name);
		return kIOReturnBadArgument;
	}
	if (options != 0)
		return kIOReturnUnsupported;
	return queue_create(name, queue);
}

static void
run_async(struct work *work)
{
	struct async_work async = *(struct async_work *)work;

	free(work);
	async.function(async.context);
}

static void
drop_async(struct work *work)
{
	free(work);
}

void
IODispatchQueue_DispatchAsync_f(IODispatchQueue *queue, void *context, IODispatchFunction function)
{
	struct async_work *async = malloc(sizeof(*async));

	if (async == NULL)
		log_abort("DispatchAsync on queue \"%s\": out of memory", ivars(queue)->name);
	*async = (struct async_work){
		.work = {.run = run_async, .dropped = drop_async},
		.context = context,
		.function = function,
	};
	queue_post(queue, &async->work);
}

/*
 * Of the two stacks that meet in this deadlock one is a part of the other: where the queue was
 * entered and where the call was made are both on this thread.
 */
static _Noreturn void
report_self_deadlock(IODispatchQueue *queue)
{
	void *frames[STACK_FRAMES];
	int count = backtrace(frames, STACK_FRAMES);

	dprintf(STDERR_FILENO, "DispatchSync was called here:\n");
	backtrace_symbols_fd(frames, count, STDERR_FILENO);
	for (const struct ownership *own = owned_queues; own != NULL; own = own->outer) {
		dprintf(STDERR_FILENO, "queue \"%s\"%s was entered here:\n",
			ivars(own->queue)->name, own->queue == queue ? " (this one)" : "");
		backtrace_symbols_fd((void *const *)&own->entered_from, 1, STDERR_FILENO);
	}
	log_abort("DispatchSync to queue \"%s\", which this thread is running already: it would "
		  "never return. The stacks are above",
		  ivars(queue)->name);
}

void
IODispatchQueue_DispatchSync_f(IODispatchQueue *queue, void *context, IODispatchFunction function)
{
	if (queue_is_mine(queue))
		report_self_deadlock(queue);
	if (!call(queue, context, function, __builtin_return_address(0)))
		log_info("DispatchSync to queue \"%s\" after its Cancel: not run",
			 ivars(queue)->name);
}

bool
IODispatchQueue_OnQueue(IODispatchQueue *queue)
{
	return queue_is_mine(queue);
}

const char *
IODispatchQueue_GetName(IODispatchQueue *queue)
{
	return ivars(queue)->name;
}

static void
append_handler_locked(struct IODispatchQueue_IVars *queue, struct cancel_handler *handler)
{
	struct cancel_handler **link = &queue->handlers;

	while (*link != NULL)
		link = &(*link)->next;
	*link = handler;
}

/* Takes all that waits; callers of queue_call are told here, since their item is on their stack. */
static struct work *
take_all_locked(struct IODispatchQueue_IVars *queue)
{
	struct work *dropped = NULL;
	struct work **end = &dropped;
	struct work *work;

	while ((work = take_locked(queue, NULL)) != NULL) {
		if (work->run == take_turn) {
			give_turn_locked(work, TURN_DROPPED);
			continue;
		}
		*end = work;
		end = &work->next;
	}
	return dropped;
}

kern_return_t
IODispatchQueue_Cancel_f(IODispatchQueue *object, void *context, IODispatchFunction function)
{
	struct IODispatchQueue_IVars *queue = ivars(object);
	struct cancel_handler *handler = NULL;
	struct work *dropped;

	if (function != NULL) {
		handler = malloc(sizeof(*handler));
		if (handler == NULL)
			return kIOReturnNoMemory;
		*handler = (struct cancel_handler){.context = context, .function = function};
	}
	/* A handler may release the queue. */
	OSRetain(object);
	pthread_mutex_lock(&queue->lock);
	queue->cancelled = true;
	if (handler != NULL)
		append_handler_locked(queue, handler);
	queue->dropping++;
	dropped = take_all_locked(queue);
	pthread_mutex_unlock(&queue->lock);
	while (dropped != NULL) {
		struct work *next = dropped->next;

		finish_work(dropped, false);
		dropped = next;
	}
	pthread_mutex_lock(&queue->lock);
	queue->dropping--;
	settle_unlock(queue);
	OSRelease(object);
	return kIOReturnSuccess;
}
