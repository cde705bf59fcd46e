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
 * Work marked `shared` is run beside other shared work of its queue, on several threads, if the
 * queue is wide; all other work is run alone, after what came before it and before what came after.
 *
 * A queue may have a target: then its work is run in turns on that queue, and is in this way alone
 * with the work of all that have the same target. Or it has a waker, which is called when somebody
 * has to call queue_drain_here, on whatever thread the queue is meant for.
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
	bool shared; /* may run beside other work that is; without effect if the queue's width is 1
		      */
};

/*
 * The loop whose threads run posted work of every queue of this process. Set once, before the first
 * queue; and, to NULL, in a forked child, where it gives up all queues and what runs on them: they
 * must not be used there.
 */
void queue_set_loop(struct loop *loop);

IOReturn queue_create(const char *name, IODispatchQueue **ret_queue);
/*
 * Sets a new queue up, before its first work. `metaclass` is IODispatchQueue or derived of it;
 * `waker` may be NULL, `width` is at least 1.
 */
IOReturn queue_create_of(const OSMetaClass *metaclass, const char *name, unsigned width,
			 void (*waker)(void), IODispatchQueue **ret_queue);
unsigned queue_width(const IODispatchQueue *queue);
/* NULL: none. Work that is being run is not moved. The caller sees to it that there is no cycle. */
void queue_set_target(IODispatchQueue *queue, IODispatchQueue *target);
/* Borrowed: good as long as nobody sets another one. */
IODispatchQueue *queue_target(IODispatchQueue *queue);
/* Runs some of what waits, on this thread. Of a queue with a waker, once after it was called. */
void queue_drain_here(IODispatchQueue *queue);

/*
 * Changes whenever the queue of an object that has OBJECT_KEEPS_QUEUES may have: what was copied
 * before is to be asked anew.
 */
uint64_t queues_epoch(void);
void queues_changed(void);

/* Nothing more is begun until as many resumes. False: it was not suspended. */
void queue_suspend(IODispatchQueue *queue);
bool queue_resume(IODispatchQueue *queue);

void queue_post(IODispatchQueue *queue, struct work *work);
/* The same for several at once, linked by `next`, in this order. */
void queue_post_all(IODispatchQueue *queue, struct work *work);
void queue_run(IODispatchQueue *queue, struct work *work);
/* The same; takes a reference to the queue. */
void queue_run_take(IODispatchQueue *queue, struct work *work);
void queue_dispatch(IODispatchQueue *queue, struct work *work);

/*
 * Runs function(context) as a dispatched method, in the caller's thread, and returns when it has
 * run: at once if the queue is idle or the caller's own, else when its turn has come. False if the
 * queue was cancelled first. Tells the loop that it may block.
 */
bool queue_call(IODispatchQueue *queue, void *context, IODispatchFunction function);

/* The same for shared work, and with the return address that the report of a deadlock shows. */
bool queue_call_from(IODispatchQueue *queue, bool shared, void *context,
		     IODispatchFunction function, void *entered_from);

/* True if the calling thread owns the queue, wherever in its stack of queues. */
bool queue_is_mine(const IODispatchQueue *queue);
/* True if it owns it or runs shared work of it. */
bool queue_is_here(const IODispatchQueue *queue);
/* The queue whose work this thread began last; NULL: none. */
IODispatchQueue *queue_innermost(void);
/* Says who called what where, and aborts. `call` is the function that would never return. */
void queue_report_deadlock(IODispatchQueue *queue, const char *call) __attribute__((noreturn));

/*
 * Around waiting for what others do, in shared work: as long as it takes, another thread may begin
 * shared work of the queue in this one's place. Elsewhere they do nothing.
 */
void queue_will_wait(void);
void queue_did_wait(void);

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
