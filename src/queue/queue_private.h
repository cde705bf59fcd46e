/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of a dispatch queue share: queue.c (its work and who owns it), queue_wait.c
 * (waiting while owning), queue_target.c and dispatch_queue.c (the object, its public face and
 * Cancel).
 */
#ifndef QUEUE_QUEUE_PRIVATE_H
#define QUEUE_QUEUE_PRIVATE_H

#include "object.h"
#include "queue.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* A queue that this thread owns, on the stack of the function that runs its work. */
struct ownership {
	IODispatchQueue *queue;
	struct IODispatchQueue_IVars *ivars; /* of the queue */
	struct ownership *outer;
	struct loop *loop;  /* queue_loop on entry: another one since means that this is a fork */
	void *entered_from; /* return address, for the report of a sync call to an owned queue */
	bool shared;	    /* runs shared work, maybe beside others */
};

struct cancel_handler {
	void *context;
	IODispatchFunction function;
	struct cancel_handler *next;
};

struct IODispatchQueue_IVars {
	char *name; /* [const] */
	pthread_mutex_t lock;
	struct work *head;	/* [lock] */
	struct work **end;	/* [lock] */
	_Atomic uint32_t state; /* queue_state.h */
	unsigned sharing;	/* [lock] threads that run shared work */
	unsigned waiting;	/* [lock] of these, in queue_will_wait */
	unsigned width;		/* [const] so many may run and not wait; 1: all work is run alone */
	unsigned suspended;	/* [lock] times: nothing is begun */
	bool posted;		/* [lock] drain is with the loop, the target or the waker */
	bool cancelled;		/* [lock] */
	unsigned dropping;	/* [lock] threads that tell what Cancel dropped */
	struct cancel_handler *handlers; /* [lock] not called yet, oldest first */
	struct loop_task drain;
	struct work turn;	   /* the same, as work of the target */
	IODispatchQueue *target;   /* [lock] +1; NULL: the loop's threads run its work */
	void (*waker)(void);	   /* [const] instead of the loop; NULL: none */
	IODispatchQueue *self;	   /* [const] for drain and turn */
	_Atomic uint64_t shuffled; /* choices that were made for this queue, shuffle.c */
};

static inline struct IODispatchQueue_IVars *
queue_ivars(const IODispatchQueue *queue)
{
	return OSObjectIVars(IODispatchQueue, queue);
}

/* queue.c */
/* The queue that this thread entered last; NULL if it owns none. */
const struct ownership *ownership_innermost(void);
/* The first item, or the first with this tag; NULL if there is none. */
struct work *queue_take_locked(struct IODispatchQueue_IVars *queue, const void *tag);
/* Takes all that waits; callers of queue_call are told here, since their item is on their stack. */
struct work *queue_take_all_locked(struct IODispatchQueue_IVars *queue);
/* The queue goes to whoever is first, if it can: to callers of queue_call, or to a drain task. */
void queue_post_drain_locked(struct IODispatchQueue_IVars *queue);
/* Runs it, or tells it that it was dropped; it may be gone after that. */
void work_finish(struct work *work, bool run);
/* The task that takes the queue over on a loop thread. It consumes a reference to the queue. */
void queue_drain(struct loop_task *task);
/* The same in a turn on the target. */
void queue_drain_turn(struct work *work);

/* shuffle.c: its functions are called if this is not 0, which shuffle_begin sets. */
extern uint64_t shuffle_seed; /* [const] while work is run */
/* Before work of the queue is run. */
void shuffle_pause(struct IODispatchQueue_IVars *queue);
/* Whether a callback that could run at once is appended all the same. */
bool shuffle_appends(struct IODispatchQueue_IVars *queue);

/* dispatch_queue.c */
extern struct loop *queue_loop; /* [const] since queue_set_loop */
/* DispatchAsync and DispatchConcurrent; `call` is the one, for the message that it is out of
 * memory.
 */
void queue_append_call(IODispatchQueue *queue, bool shared, void *context,
		       IODispatchFunction function, IODispatchFunction dropped, const char *call);
/* Runs the cancel handlers if it is time to. Unlocks. */
void queue_settle_unlock(struct IODispatchQueue_IVars *queue);

#endif
