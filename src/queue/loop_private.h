/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the loop share: loop.c (its threads and how they wait), loop_sources.c,
 * loop_tasks.c (tasks and timers) and timer_heap.c.
 */
#ifndef QUEUE_LOOP_PRIVATE_H
#define QUEUE_LOOP_PRIVATE_H

#include "loop.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* The timers of a loop; guarded by the loop's lock. */
struct timer_heap {
	struct loop_timer *root;
};

#define LOOP_NO_ENTRY UINT32_MAX

/* A place for a source. */
struct loop_entry {
	struct loop_source *source; /* NULL: free */
	uint32_t generation;
	uint32_t next_free;
};

struct loop_thread {
	struct loop *loop;
	struct loop_thread *next; /* [lock] while in loop->ended */
	pthread_t id;
	unsigned minimum;  /* [const] loop->minimum at its birth */
	unsigned blocking; /* [thread] nesting of loop_will_block */
	bool more_tasks;   /* [thread] left tasks behind when it took the one it runs */
	bool stays;	   /* [const] the caller of loop_run: leaves only when the loop stops */
	struct loop_task *deferred; /* [thread] newest first */
	struct loop_task *looks;    /* [thread] the same; empty if `deferred` is */
	struct loop_task *later;    /* [thread] for after the next sleep, newest first */
	struct loop_task *owed;	    /* [thread] empty outside of a round without `deferred` */
	uint64_t owed_since;	    /* [thread] the first of them */
	bool in_round;		    /* [thread] runs what was deferred, or looks */
};

struct loop {
	int epoll;	/* [const] */
	int stop_bell;	/* [const] readable once stopped: wakes every thread */
	int task_bell;	/* [const] */
	int timer_bell; /* [const] */

	void (*spin)(struct loop *loop); /* [const] NULL: nobody spins */
	void (*blocks)(void);		 /* [const] NULL: the same */
	bool (*wanted)(void);		 /* [const] NULL: never */

	bool signal_stacks; /* [const] its threads have one */

	/* Threads in epoll_wait or on the way there. Changed by read-modify-writes only, so that
	 * the last one to leave sees 0, whoever it is. */
	_Atomic unsigned waiting;
	_Atomic(const struct loop_thread *) woken; /* last, or NULL. Only compared */

	pthread_mutex_t lock;
	pthread_cond_t left;	    /* [lock] a thread ended */
	unsigned total;		    /* [lock] threads that have not ended */
	unsigned minimum;	    /* [lock] threads that stay when idle */
	bool stopping;		    /* [lock] */
	bool abandoned;		    /* set in a forked child, which has one thread */
	bool full;		    /* [lock] that LOOP_THREADS_MAX was reached has been logged */
	struct loop_thread *ended;  /* [lock] to be joined */
	struct loop_entry *entries; /* [lock] */
	uint32_t entry_count;	    /* [lock] */
	uint32_t free_entry;	    /* [lock] */
	struct loop_task *tasks;
	struct loop_task **tasks_end;
	struct timer_heap timers;  /* [lock] */
	uint64_t timer_programmed; /* [lock] deadline in the timerfd; UINT64_MAX: none */
};

/* loop.c */
/* Adds 1 to an eventfd. errno stays as it is. */
void loop_ring(int fd);
IOReturn loop_watch(struct loop *loop, int fd, uint32_t events, uint64_t id);

/* loop_sources.c */
/* Runs the handler of the source with this id, unless it was removed. */
void loop_source_run(struct loop *loop, uint64_t id, uint32_t events);

/* loop_tasks.c */
/* Runs tasks until none is left; `self` is the calling thread. */
void loop_tasks_run(struct loop *loop, struct loop_thread *self);
/* Runs the timers that are due. */
void loop_timers_run(struct loop *loop);

/* timer_heap.c */
void timer_heap_insert(struct timer_heap *heap, struct loop_timer *timer);
void timer_heap_remove(struct timer_heap *heap, struct loop_timer *timer);

#endif
