/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting work on queues. Any thread.
 *
 * A call to the main queue, or to one whose turns it takes, has to run on the main thread: so the
 * caller posts it and waits, where for all other queues he takes the queue over himself.
 */
#include <pthread.h>
#include <stdlib.h>

#include "dispatch_object.h"
#include "log.h"
#include "main_queue.h"

struct async_work {
	struct work work;
	void *context;
	dispatch_function_t function;
};

static void
run_async(struct work *work)
{
	struct async_work async = *(struct async_work *)work;

	free(work);
	async.function(async.context);
}

void
async_on(IODispatchQueue *queue, bool shared, void *context, dispatch_function_t function)
{
	struct async_work *async = malloc(sizeof(*async));

	if (async == NULL)
		log_abort("dispatch_async to queue \"%s\": out of memory",
			  IODispatchQueue_GetName(queue));
	*async = (struct async_work){
		.work = {.run = run_async, .shared = shared},
		.context = context,
		.function = function,
	};
	queue_post(queue, &async->work);
}

void
dispatch_async_f(dispatch_queue_t queue, void *context, dispatch_function_t function)
{
	async_on(queue_of(queue, "dispatch_async"), true, context, function);
}

/* The global queues know no barriers. */
static bool
is_shared_always(IODispatchQueue *queue)
{
	return ((OSObject *)queue)->references == OBJECT_IMMORTAL;
}

void
dispatch_barrier_async_f(dispatch_queue_t queue, void *context, dispatch_function_t function)
{
	IODispatchQueue *found = queue_of(queue, "dispatch_barrier_async");

	async_on(found, is_shared_always(found), context, function);
}

/* --- and waiting for it --- */

/* A call that is run on the main thread, on the stack of its caller. */
struct main_call {
	struct work work;
	void *context;
	dispatch_function_t function;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool done; /* [lock] */
};

static void
run_main_call(struct work *work)
{
	struct main_call *call = (struct main_call *)work;

	call->function(call->context);
	pthread_mutex_lock(&call->lock);
	call->done = true;
	pthread_cond_signal(&call->changed);
	pthread_mutex_unlock(&call->lock);
}

static void
call_on_main_thread(IODispatchQueue *queue, bool shared, void *context,
		    dispatch_function_t function)
{
	struct main_call call = {
		.work = {.run = run_main_call, .shared = shared},
		.context = context,
		.function = function,
	};

	pthread_mutex_init(&call.lock, NULL);
	pthread_cond_init(&call.changed, NULL);
	engine_will_block();
	queue_post(queue, &call.work);
	pthread_mutex_lock(&call.lock);
	while (!call.done)
		pthread_cond_wait(&call.changed, &call.lock);
	pthread_mutex_unlock(&call.lock);
	engine_did_block();
	pthread_cond_destroy(&call.changed);
	pthread_mutex_destroy(&call.lock);
}

static bool
ends_on_main_thread(IODispatchQueue *queue)
{
	for (; queue != NULL; queue = queue_target(queue))
		if (queue == engine_main_queue())
			return true;
	return false;
}

static void
call(dispatch_queue_t queue, bool shared, void *context, dispatch_function_t function,
     const char *name, void *entered_from)
{
	IODispatchQueue *found = queue_of(queue, name);
	bool on_main;

	shared = shared || is_shared_always(found);
	/* Inside a block of a concurrent queue it runs beside that block. */
	if (queue_is_mine(found) || (!shared && queue_is_here(found)))
		queue_report_deadlock(found, name);
	on_main = ends_on_main_thread(found);
	/* On the main thread nobody else will ever take the main queue's turns. */
	if (on_main && main_queue_is_this_thread() && !queue_is_here(found))
		queue_report_deadlock(found, name);
	if (on_main && !queue_is_here(found))
		call_on_main_thread(found, shared, context, function);
	else
		queue_call_from(found, shared, context, function, entered_from);
}

void
dispatch_sync_f(dispatch_queue_t queue, void *context, dispatch_function_t function)
{
	call(queue, true, context, function, "dispatch_sync", __builtin_return_address(0));
}

void
dispatch_async_and_wait_f(dispatch_queue_t queue, void *context, dispatch_function_t function)
{
	call(queue, true, context, function, "dispatch_async_and_wait",
	     __builtin_return_address(0));
}

void
dispatch_barrier_sync_f(dispatch_queue_t queue, void *context, dispatch_function_t function)
{
	call(queue, false, context, function, "dispatch_barrier_sync", __builtin_return_address(0));
}
