/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dispatch_apply: whoever has time takes the next number. The caller is one of them, in a turn of
 * the queue; on a concurrent queue there are helpers, which may come when all is done, so what they
 * share is counted.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "dispatch_object.h"
#include "log.h"

struct apply {
	void *context;
	void (*function)(void *context, size_t iteration);
	size_t iterations;
	_Atomic size_t next;
	_Atomic unsigned references;
	pthread_mutex_t lock;
	pthread_cond_t finished;
	size_t done; /* [lock] */
};

static void
release(struct apply *apply)
{
	/* Acquire on the last: the end sees every use. */
	if (atomic_fetch_sub_explicit(&apply->references, 1, memory_order_acq_rel) != 1)
		return;
	pthread_cond_destroy(&apply->finished);
	pthread_mutex_destroy(&apply->lock);
	free(apply);
}

static void
take_numbers(void *context)
{
	struct apply *apply = context;
	size_t done = 0;
	size_t i;

	while ((i = atomic_fetch_add_explicit(&apply->next, 1, memory_order_relaxed)) <
	       apply->iterations) {
		apply->function(apply->context, i);
		done++;
	}
	pthread_mutex_lock(&apply->lock);
	apply->done += done;
	if (apply->done == apply->iterations)
		pthread_cond_signal(&apply->finished);
	pthread_mutex_unlock(&apply->lock);
	release(apply);
}

static size_t
helpers(size_t iterations)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	size_t most = processors > 1 ? (size_t)processors - 1 : 0;

	return iterations - 1 < most ? iterations - 1 : most;
}

void
dispatch_apply_f(size_t iterations, dispatch_queue_t queue, void *context,
		 void (*function)(void *context, size_t iteration))
{
	struct apply *apply;
	size_t count;

	if (iterations == 0)
		return;
	if (queue == DISPATCH_APPLY_AUTO)
		queue = dispatch_get_global_queue(QOS_CLASS_DEFAULT, 0);
	count = queue_width(queue_of(queue, "dispatch_apply")) > 1 ? helpers(iterations) : 0;
	apply = calloc(1, sizeof(*apply));
	if (apply == NULL)
		log_abort("dispatch_apply: out of memory");
	apply->context = context;
	apply->function = function;
	apply->iterations = iterations;
	atomic_init(&apply->references, (unsigned)count + 2);
	pthread_mutex_init(&apply->lock, NULL);
	pthread_cond_init(&apply->finished, NULL);
	for (size_t i = 0; i < count; i++)
		dispatch_async_f(queue, apply, take_numbers);
	dispatch_sync_f(queue, apply, take_numbers);
	engine_will_block();
	pthread_mutex_lock(&apply->lock);
	while (apply->done < iterations)
		pthread_cond_wait(&apply->finished, &apply->lock);
	pthread_mutex_unlock(&apply->lock);
	engine_did_block();
	release(apply);
}
