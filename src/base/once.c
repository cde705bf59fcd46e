/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state is 0, then 1 while one thread runs the function, then all ones, as libdispatch leaves
 * its predicates. Who comes in between waits, on one condition for the whole process, since that is
 * rare and short.
 */
#include "once.h"

#include <pthread.h>
#include <stdatomic.h>

#define RUNNING 1
#define DONE	(~(intptr_t)0)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t done = PTHREAD_COND_INITIALIZER;

/* Pairs with the store in once_try: what the function wrote is seen. */
static bool
is_done(const intptr_t *state)
{
	return atomic_load_explicit((const _Atomic intptr_t *)state, memory_order_acquire) == DONE;
}

bool
once_try(intptr_t *state, void *context, void (*function)(void *context))
{
	_Atomic intptr_t *shared = (_Atomic intptr_t *)state;
	intptr_t before = 0;

	if (is_done(state))
		return true;
	/* Of those who come at the same time one finds 0. */
	if (!atomic_compare_exchange_strong(shared, &before, RUNNING))
		return is_done(state);
	function(context);
	pthread_mutex_lock(&lock);
	atomic_store_explicit(shared, DONE, memory_order_release);
	pthread_cond_broadcast(&done);
	pthread_mutex_unlock(&lock);
	return true;
}

void
once_wait(const intptr_t *state)
{
	pthread_mutex_lock(&lock);
	while (!is_done(state))
		pthread_cond_wait(&done, &lock);
	pthread_mutex_unlock(&lock);
}
