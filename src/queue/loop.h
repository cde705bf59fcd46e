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

#include <stdint.h>
#include <sys/epoll.h>

#include <DriverKit/IOReturn.h>

#define LOOP_THREADS_MAX 256

struct loop;

/*
 * A descriptor in the loop. The owner embeds it, fills fd, events and handler, and keeps it until
 * loop_source_remove has called `removed`. Several threads may run the handler of one source at the
 * same time unless its events have EPOLLONESHOT. epoll carries an id, not the pointer: a thread
 * that comes back from epoll_wait after the removal finds nothing.
 */
struct loop_source {
	int fd;
	uint32_t events; /* EPOLLIN | EPOLLET | EPOLLONESHOT ... */
	void (*handler)(struct loop_source *source, uint32_t events);
	/* Called once, when no thread runs or will run the handler any more. */
	void (*removed)(struct loop_source *source);
	/* Private to the loop. */
	uint64_t id;	  /* [loop] */
	uint32_t running; /* [loop] */
	uint32_t dying;	  /* [loop] */
	struct loop_source *next;
};

IOReturn loop_create(struct loop **ret_loop);
/* Ends the threads (loop_run returns), waits for them, frees the loop. Not from a handler. */
void loop_destroy(struct loop *loop);

IOReturn loop_source_add(struct loop *loop, struct loop_source *source);
/* Re-arms an EPOLLONESHOT source, or changes its events. */
IOReturn loop_source_rearm(struct loop *loop, struct loop_source *source, uint32_t events);
/* Any thread, the handler included; the descriptor may be closed when it returns. */
void loop_source_remove(struct loop *loop, struct loop_source *source);

/* Runs the loop with `threads` threads, the caller among them, until loop_stop. */
IOReturn loop_run(struct loop *loop, unsigned threads);
/* Starts `threads` threads and returns: for a library inside somebody else's program, and for
 * tests. */
IOReturn loop_start(struct loop *loop, unsigned threads);
void loop_stop(struct loop *loop);

/* Around code that may block, on a loop thread; elsewhere they do nothing. Nesting is allowed. */
void loop_will_block(struct loop *loop);
void loop_did_block(struct loop *loop);

/* Hands a function to some loop thread. */
struct loop_task {
	void (*run)(struct loop_task *task);
	struct loop_task *next;
};
void loop_post(struct loop *loop, struct loop_task *task);

/* One-shot timers. `deadline` on CLOCK_MONOTONIC, ns. A timer that fires has left the list already.
 */
struct loop_timer {
	void (*fired)(struct loop_timer *timer);
	uint64_t deadline;
	struct loop_timer *next;
	uint32_t armed;
};
void loop_timer_arm(struct loop *loop, struct loop_timer *timer, uint64_t deadline);
/* True if it will not fire any more; false if it has fired or is firing, and then `fired` ends its
 * use. */
int loop_timer_cancel(struct loop *loop, struct loop_timer *timer);

#endif
