/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the turns of a queue take place, and whether it takes any: its target, and suspension;
 * and its width. And the number by which a copy of an object's queue is known to be good.
 *
 * Both are looked at when work is about to begin; what has begun goes on. Any thread. A queue's
 * lock comes before its target's.
 */
#include "queue_state.h"

#include <pthread.h>
#include <stdatomic.h>

static _Atomic uint64_t epoch = 1;

uint64_t
queues_epoch(void)
{
	/* Pairs with queues_changed: who sees the number sees the change. */
	return atomic_load_explicit(&epoch, memory_order_acquire);
}

void
queues_changed(void)
{
	atomic_fetch_add_explicit(&epoch, 1, memory_order_release);
}

unsigned
queue_width(const IODispatchQueue *queue)
{
	return queue_ivars(queue)->width;
}

void
queue_set_target(IODispatchQueue *object, IODispatchQueue *target)
{
	struct IODispatchQueue_IVars *queue = queue_ivars(object);
	IODispatchQueue *before;

	OSRetain(target);
	queue_lock(queue);
	before = queue->target;
	queue->target = target;
	queue_unlock(queue);
	OSRelease(before);
}

IODispatchQueue *
queue_target(IODispatchQueue *object)
{
	struct IODispatchQueue_IVars *queue = queue_ivars(object);
	IODispatchQueue *target;

	queue_lock(queue);
	target = queue->target;
	queue_unlock(queue);
	return target;
}

void
queue_suspend(IODispatchQueue *object)
{
	struct IODispatchQueue_IVars *queue = queue_ivars(object);

	queue_lock(queue);
	queue->suspended++;
	queue_unlock(queue);
}

bool
queue_resume(IODispatchQueue *object)
{
	struct IODispatchQueue_IVars *queue = queue_ivars(object);
	bool suspended;

	queue_lock(queue);
	suspended = queue->suspended > 0;
	if (suspended)
		queue->suspended--;
	queue_post_drain_locked(queue);
	queue_unlock(queue);
	return suspended;
}
