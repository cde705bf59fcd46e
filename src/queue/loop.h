/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop of a host or of the registry: one epoll set, and threads that all wait on it.
 *
 * A handler runs on whichever thread was woken. Before it calls code that may block (a driver's
 * method), a thread says so with loop_will_block; the loop then makes sure that another thread
 * waits, starting one if need be, so that events of others are always served. There are at least
 * `threads` threads, at most LOOP_THREADS_MAX.
 */
#ifndef QUEUE_LOOP_H
#define QUEUE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include <DriverKit/IOReturn.h>

#define LOOP_THREADS_MAX 256
#define LOOP_LATER_MSEC	 10
#define LOOP_OWED_NSEC	 UINT64_C(100000)

struct loop;

/*
 * A descriptor in the loop. The owner embeds it, fills fd, events and handler, and keeps it until
 * `removed` was called. How `events` is triggered also says whether the handler may run on several
 * threads at once:
 *
 *	level-triggered: on one at a time; watched again when the handler returns.
 *	EPOLLONESHOT: on one at a time; watched again when the owner calls loop_source_rearm.
 *	EPOLLET: each new event may bring another thread, also while the handler runs.
 *
 * epoll carries an id, not the pointer: a thread that comes back from epoll_wait after the removal
 * finds nothing.
 */
struct loop_source {
	int fd;
	uint32_t events; /* EPOLLIN | EPOLLET | EPOLLONESHOT ... */
	void (*handler)(struct loop_source *source, uint32_t events);
	/* Called once, when no thread runs or will run the handler any more. May be NULL. */
	void (*removed)(struct loop_source *source);
	/* Private to the loop. */
	uint64_t id;	  /* [loop] never used again */
	uint32_t running; /* [loop] threads in the handler */
	uint32_t dying;	  /* [loop] 1 from loop_source_remove on */
};

IOReturn loop_create(struct loop **ret_loop);
/* Ends the threads (loop_run returns), waits for them, frees the loop. Not from a handler. */
void loop_destroy(struct loop *loop);

/*
 * In a forked child: closes the descriptors, which are the parent's too, and leaves all else as it
 * is. A thread of the loop that forked ends when it comes back to the loop.
 */
void loop_abandon(struct loop *loop);

IOReturn loop_source_add(struct loop *loop, struct loop_source *source);
/* Re-arms an EPOLLONESHOT source, or changes its events. */
IOReturn loop_source_rearm(struct loop *loop, struct loop_source *source, uint32_t events);
/*
 * Any thread, the handler included. When it returns no new call of the handler begins and the loop
 * does not use the descriptor any more; where another thread may still be in the handler, close it
 * in `removed`. A second call, before `removed`, does nothing.
 */
void loop_source_remove(struct loop *loop, struct loop_source *source);

/*
 * Runs the loop with `threads` threads, the caller among them, until loop_stop. With one, and no
 * loop_will_block, everything runs on the caller's thread (the registry); a host asks for two or
 * more.
 */
IOReturn loop_run(struct loop *loop, unsigned threads);
/* Starts `threads` threads and returns: for a library inside somebody else's program, and for
 * tests. */
IOReturn loop_start(struct loop *loop, unsigned threads);
/* Any thread, a handler included; loop_run returns when its thread is through with its handler. */
void loop_stop(struct loop *loop);
/* How many threads there are now: for statistics and tests. */
unsigned loop_thread_count(struct loop *loop);

/*
 * Spinning. `spin` is called by a thread that has run a handler and is about to wait; it may look
 * for work elsewhere for as long as it likes, but has to call loop_look every now and then, which
 * serves what the descriptors brought, without waiting. False: the loop stops, return.
 * `blocks` is called by any thread that is about to run code that may block; `wanted`, which may be
 * NULL, by one that does what it was left: whether something else waits for it. Set before the
 * threads are started.
 */
void loop_set_spin(struct loop *loop, void (*spin)(struct loop *loop), void (*blocks)(void),
		   bool (*wanted)(void));
bool loop_look(struct loop *loop);

/*
 * Each thread, that of loop_run included, runs handlers with SA_ONSTACK on a stack of their own
 * from now on: for a program that explains faults. Set before the threads are started.
 */
void loop_set_signal_stacks(struct loop *loop);

/* Around code that may block, on a loop thread; elsewhere they do nothing. Nesting is allowed. */
void loop_will_block(struct loop *loop);
/* The same before waiting for what this thread itself may have been left to do: others do it. */
void loop_will_wait(struct loop *loop);
void loop_did_block(struct loop *loop);

/* Hands a function to some loop thread. */
struct loop_task {
	void (*run)(struct loop_task *task);
	struct loop_task *next;
};
void loop_post(struct loop *loop, struct loop_task *task);

/*
 * Leaves a task to the calling thread for when it is back from the handler that it runs, outside of
 * all driver code: no other thread is woken for it. So it waits for as long as a driver's method
 * blocks by means of its own. False: this is no thread of the loop.
 */
bool loop_is_here(const struct loop *loop);
void loop_defer(struct loop *loop, struct loop_task *task);
/*
 * A look at whether more has come while this thread does what it was left: it runs after each round
 * of that, and leaves itself once more if there is still something. Only if there is something.
 */
void loop_defer_look(struct loop *loop, struct loop_task *task);
/*
 * A task that can wait for a while: this thread runs it when it has slept for LOOP_LATER_MSEC, or
 * after the event that wakes it before that. Nothing else is woken for it, and no timer is set.
 */
void loop_defer_long(struct loop *loop, struct loop_task *task);
/*
 * A wake-up of somebody who can wait for it, and could not run before this thread is through with
 * what it was left: `task` runs then, before the last look, or when LOOP_OWED_NSEC have gone by and
 * this thread comes to where it can; or before it waits. Driver code that blocks by means of its
 * own holds it up. False: there is nothing that it would wait for, or this is no thread of the
 * loop.
 */
bool loop_owe(struct loop *loop, struct loop_task *task);
/* Runs what this thread was left, but what that leaves anew. True: there was something. */
bool loop_run_deferred(struct loop *loop);
/* Whether there is something. For one who spins. */
bool loop_has_deferred(void);
/* Whether what runs on this thread, and could go on for long, should let it look around first. */
bool loop_is_wanted(void);

/* One-shot timers. `deadline` on CLOCK_MONOTONIC, ns. A timer that fires has left the list already.
 */
struct loop_timer {
	void (*fired)(struct loop_timer *timer);
	uint64_t deadline;
	/* Private to the loop: its place in a heap. */
	struct loop_timer *child;    /* [loop] first child */
	struct loop_timer *sibling;  /* [loop] next child of the same parent */
	struct loop_timer *previous; /* [loop] sibling before it, or the parent; NULL: the root */
	uint32_t armed;		     /* [loop] */
};
/* Any thread. A timer that is armed already gets the new deadline. */
void loop_timer_arm(struct loop *loop, struct loop_timer *timer, uint64_t deadline);
/* True if it will not fire any more; false if it has fired or is firing, and then `fired` ends its
 * use. */
int loop_timer_cancel(struct loop *loop, struct loop_timer *timer);

#endif
