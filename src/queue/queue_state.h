/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a dispatch queue: a word in which is all that there is to know of most queues at
 * most times. Work that finds its queue at 0 is run, and its thread leaves again, without the lock.
 * Who takes the lock takes the state, too, and the state stays with the lock as long as there is
 * anything else to know of the queue: work that waits, sharing, suspension or an end.
 *
 * queue_state.pml is a model of it.
 */
#ifndef QUEUE_QUEUE_STATE_H
#define QUEUE_QUEUE_STATE_H

#include "queue_private.h"

enum {
	QUEUE_OWNED = 1,  /* some thread runs work, alone */
	QUEUE_LOCKED = 2, /* it changes with the lock only */
};

static inline uint32_t
queue_state_of(const struct IODispatchQueue_IVars *queue)
{
	return atomic_load_explicit(&queue->state, memory_order_relaxed);
}

/* From now on the state is this thread's, which has the lock. */
static inline void
queue_claim_locked(struct IODispatchQueue_IVars *queue)
{
	/* Pairs with queue_give_up_at_once: what its thread did is seen. */
	if (!(queue_state_of(queue) & QUEUE_LOCKED))
		atomic_fetch_or_explicit(&queue->state, QUEUE_LOCKED, memory_order_acquire);
}

static inline void
queue_lock(struct IODispatchQueue_IVars *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue_claim_locked(queue);
}

static inline void
queue_unlock(struct IODispatchQueue_IVars *queue)
{
	/* Pairs with queue_own_at_once. Others may own the queue from here on: the caller has a
	 * reference, or something waits. */
	if (queue->head == NULL && queue->sharing == 0 && queue->suspended == 0 &&
	    !queue->cancelled)
		atomic_store_explicit(&queue->state, queue_state_of(queue) & QUEUE_OWNED,
				      memory_order_release);
	pthread_mutex_unlock(&queue->lock);
}

static inline bool
queue_is_owned_locked(const struct IODispatchQueue_IVars *queue)
{
	return (queue_state_of(queue) & QUEUE_OWNED) != 0;
}

static inline void
queue_set_owned_locked(struct IODispatchQueue_IVars *queue, bool owned)
{
	/* Relaxed: nobody else looks before the lock is given up. */
	atomic_store_explicit(&queue->state, QUEUE_LOCKED | (owned ? QUEUE_OWNED : 0),
			      memory_order_relaxed);
}

/* Makes the caller, who has a reference, the owner, if there is nobody and nothing else. */
static inline bool
queue_own_at_once(struct IODispatchQueue_IVars *queue)
{
	uint32_t nobody = 0;

	/* Pairs with queue_give_up_at_once and queue_unlock, whose thread's work is seen. */
	return queue_state_of(queue) == nobody &&
	       atomic_compare_exchange_strong_explicit(&queue->state, &nobody, QUEUE_OWNED,
						       memory_order_acquire, memory_order_relaxed);
}

/* The owner's way out. False: there is something to see to. */
static inline bool
queue_give_up_at_once(struct IODispatchQueue_IVars *queue)
{
	uint32_t mine = QUEUE_OWNED;

	/* Pairs with queue_own_at_once and queue_claim_locked. */
	return queue_state_of(queue) == mine &&
	       atomic_compare_exchange_strong_explicit(&queue->state, &mine, 0,
						       memory_order_release, memory_order_relaxed);
}

#endif
