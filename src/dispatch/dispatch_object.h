/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is behind the pointers of <dispatch/object.h>: an OSObject. A queue is an IODispatchQueue
 * that has more to it; groups and semaphores derive from dispatch_object_class.
 */
#ifndef DISPATCH_DISPATCH_OBJECT_H
#define DISPATCH_DISPATCH_OBJECT_H

#include <dispatch/dispatch.h>
#include <pthread.h>

#include "engine.h"
#include "object.h"

extern const OSMetaClass dispatch_object_class, dispatch_queue_class;

/* What all of them have. */
struct object_part {
	_Atomic(void *) context;
	_Atomic(dispatch_function_t) finalizer;
};

struct specific;

struct queue_part {
	struct object_part object;
	unsigned generation; /* [const] engine_generation() at birth */
	pthread_mutex_t lock;
	struct specific *specifics; /* [lock] */
};

/*
 * The queue behind the app's pointer; `function` is for the message with which it aborts if that is
 * NULL, or of the parent process.
 */
IODispatchQueue *queue_of(dispatch_queue_t queue, const char *function);
struct queue_part *queue_part_of(IODispatchQueue *queue);

/* Calls the finalizer, as the last thing that happens to an object. */
void object_finalize(struct object_part *part, IODispatchQueue *target);

/* specific.c: when the queue ends. */
void specifics_end(struct queue_part *part);

/* async.c */
void async_on(IODispatchQueue *queue, bool shared, void *context, dispatch_function_t function);
/* times.c: on clock_now's clock; UINT64_MAX: never. */
uint64_t time_deadline(dispatch_time_t when);
/* Waits for `changed` under the lock until that time; false: it is over. */
bool time_wait(pthread_cond_t *changed, pthread_mutex_t *lock, uint64_t deadline);
/* A condition for time_wait. */
void time_init_cond(pthread_cond_t *cond);

#endif
