/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dispatch queues: the inside of IODispatchQueue.
 *
 * A queue is a list of work and at most one owner, the thread that is running its work. queue_run
 * executes in the caller's thread if the queue is idle (no owner, nothing waiting) or already the
 * caller's; otherwise it appends, and the owner runs the item after what it is doing. queue_post
 * always appends, and a loop thread picks the queue up.
 *
 * A thread keeps a stack of the queues it owns. While it waits for something that other work of a
 * queue it owns will bring (a synchronous abort waiting for its callbacks), it runs that work
 * nested: queue_wait.
 *
 * No lock is held while work runs.
 */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include "loop.h"

#include <DriverKit/IODispatchQueue.h>

/* One piece of work, embedded in what it is about; the owner may free it from `run`. */
struct work {
	void (*run)(struct work *work);
	/* Called instead of run when the queue was cancelled before its turn; NULL: then run is
	 * dropped. */
	void (*dropped)(struct work *work);
	const void *tag; /* what queue_wait selects by: the pipe or object it belongs to */
	struct work *next;
};

/* The loop whose threads run posted work of every queue of this process. Set once, before the first
 * queue. */
void queue_set_loop(struct loop *loop);

IOReturn queue_create(const char *name, IODispatchQueue **ret_queue);

void queue_post(IODispatchQueue *queue, struct work *work);
void queue_run(IODispatchQueue *queue, struct work *work);

/*
 * Runs function(context) as work of the queue and returns when it has run: inline if the queue is
 * idle or the caller's own, else on the owner after what waits there. False if the queue was
 * cancelled.
 */
bool queue_call(IODispatchQueue *queue, void *context, IODispatchFunction function);

/* True if the calling thread owns the queue. */
bool queue_is_mine(const IODispatchQueue *queue);

/*
 * Waits until done(context) is true. It is asked after each queue_wake(queue) and after each item.
 * If the caller owns the queue, items with `tag` are meanwhile taken out, in order, and run nested.
 */
void queue_wait(IODispatchQueue *queue, const void *tag, bool (*done)(void *context),
		void *context);
/* Makes waiters ask again. Any thread. */
void queue_wake(IODispatchQueue *queue);

#endif
