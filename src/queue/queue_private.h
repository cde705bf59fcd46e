/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of a dispatch queue share: queue.c (its work and who owns it), queue_wait.c
 * (waiting while owning) and dispatch_queue.c (the object, its public face and Cancel).
 */
#ifndef QUEUE_QUEUE_PRIVATE_H
#define QUEUE_QUEUE_PRIVATE_H

#include "object.h"
#include "queue.h"

#include <pthread.h>
#include <stdbool.h>

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
/* Runs it, or tells it that it was dropped; it may be gone after that. */
void work_finish(struct work *work, bool run);
/* queue_call, with the return address that the report of a deadlock shows. */
bool queue_call_from(IODispatchQueue *queue, void *context, IODispatchFunction function,
		     void *entered_from);
/* The task that takes the queue over on a loop thread. It consumes a reference to the queue. */
void queue_drain(struct loop_task *task);

/* dispatch_queue.c */
extern struct loop *queue_loop; /* [const] since queue_set_loop */
/* Runs the cancel handlers if it is time to. Unlocks. */
void queue_settle_unlock(struct IODispatchQueue_IVars *queue);

#endif
