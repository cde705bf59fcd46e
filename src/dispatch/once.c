/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Once: the predicate is 0, then 1 while one thread runs the function, then all ones, as
 * libdispatch leaves it. Who comes in between waits, on one condition for the whole process, since
 * that is rare and short.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "dispatch_object.h"

#define RUNNING 1
#define DONE	(~(dispatch_once_t)0)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t done = PTHREAD_COND_INITIALIZER;

void
dispatch_once_f(dispatch_once_t *predicate, void *context, dispatch_function_t function)
{
	_Atomic dispatch_once_t *state = (_Atomic dispatch_once_t *)predicate;
	dispatch_once_t before = 0;

	/* Pairs with the store below: what the function wrote is seen. */
	if (atomic_load_explicit(state, memory_order_acquire) == DONE)
		return;
	if (atomic_compare_exchange_strong(state, &before, RUNNING)) {
		function(context);
		pthread_mutex_lock(&lock);
		atomic_store_explicit(state, DONE, memory_order_release);
		pthread_cond_broadcast(&done);
		pthread_mutex_unlock(&lock);
		return;
	}
	engine_will_block();
	pthread_mutex_lock(&lock);
	while (atomic_load_explicit(state, memory_order_acquire) != DONE)
		pthread_cond_wait(&done, &lock);
	pthread_mutex_unlock(&lock);
	engine_did_block();
}
