/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dispatch queues: the inside of IODispatchQueue.
 *
 * A queue is a list of work and at most one owner, the thread that is running its work. Three ways
 * in:
 *
 * - queue_post always appends; a loop thread picks the queue up.
 * - queue_run is for callbacks: inline if the queue is idle and this thread owns no queue, else it
 *   appends, so that a callback never overtakes another and never runs inside a driver's method.
 * - queue_dispatch is for methods: inline if the queue is idle or already this thread's, else it
 *   appends.
 *
 * A thread keeps a stack of the queues it owns. While it waits for something that work of a queue
 * it owns will bring (a synchronous abort waiting for its callbacks), queue_wait runs that work
 * nested.
 *
 * No lock is held while work runs. After Cancel nothing is accepted: `dropped` is called instead.
 */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include "loop.h"

#include <DriverKit/IODispatchQueue.h>

/*
 * One piece of work, embedded in what it is about, zeroed before its first use; the owner may free
 * it from `run` or `dropped`.
 */
struct work {
	void (*run)(struct work *work);
	/* Called instead of run, without any lock, when the queue is or gets cancelled before its
	 * turn. May be NULL. */
	void (*dropped)(struct work *work);
	const void *tag; /* what queue_wait selects by: the pipe or object it belongs to */
	struct work *next;
	bool queued; /* private: posting it twice is an assertion */
};

/* The loop whose threads run posted work of every queue of this process. Set once, before the first
 * queue. */
void queue_set_loop(struct loop *loop);

IOReturn queue_create(const char *name, IODispatchQueue **ret_queue);

void queue_post(IODispatchQueue *queue, struct work *work);
void queue_run(IODispatchQueue *queue, struct work *work);
void queue_dispatch(IODispatchQueue *queue, struct work *work);

/*
 * Runs function(context) as a dispatched method, in the caller's thread, and returns when it has
 * run: at once if the queue is idle or the caller's own, else when its turn has come. False if the
 * queue was cancelled first. Tells the loop that it may block.
 */
bool queue_call(IODispatchQueue *queue, void *context, IODispatchFunction function);

/* True if the calling thread owns the queue, wherever in its stack of queues. */
bool queue_is_mine(const IODispatchQueue *queue);

/*
 * Waits until done(context) is true. It is asked after each queue_wake(tag) and after each item
 * with that tag, on whatever queue and thread, and without a lock, so it may take the lock under
 * which the caller of queue_wake changed what it looks at. Items with `tag` on any queue that the
 * calling thread owns are meanwhile taken out, in order, and run nested. Tells the loop that it may
 * block.
 */
void queue_wait(const void *tag, bool (*done)(void *context), void *context);
/* Makes waiters for this tag ask again. Any thread. */
void queue_wake(const void *tag);

#endif
