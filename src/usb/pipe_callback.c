/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The callbacks of a pipe: posting them in order, one at a time, and what happens around each.
 *
 * Posting keeps the order although several threads reap: one at a time posts (`posting`), and takes
 * along what others add meanwhile. A callback that may run inline could keep that thread for long,
 * so the callback, once it has its queue, goes on with the posting itself before it calls the
 * driver (`entering`): what it appends comes behind it.
 *
 * Threads: any. The lock is not held while an action is posted.
 */
#include "pipe_private.h"

/* Posts what is ready; the caller has set `posting`. Unlocks. */
static void
post_unlock(struct IOUSBHostPipe_IVars *pipe, bool inline_ok)
{
	IOUSBHostPipe *self = pipe->self;
	struct pipe_request *request;

	while ((request = TAILQ_FIRST(&pipe->ready)) != NULL) {
		OSAction *action = request->action;
		uint64_t number = request->number;

		TAILQ_REMOVE(&pipe->ready, request, link);
		TAILQ_INSERT_TAIL(&pipe->posted, request, link);
		if (inline_ok)
			pipe->entering = number;
		pthread_mutex_unlock(&pipe->lock);
		/* The request may be gone after this; the action is retained for the call. */
		action_post(action, &request->call, self, inline_ok);
		OSRelease(action);
		pthread_mutex_lock(&pipe->lock);
		if (inline_ok && pipe->entering != number) {
			pthread_mutex_unlock(&pipe->lock);
			return; /* the callback took the posting over */
		}
		pipe->entering = 0;
		inline_ok = false;
	}
	pipe->posting = false;
	pthread_mutex_unlock(&pipe->lock);
}

void
pipe_pump(IOUSBHostPipe *object, bool inline_ok)
{
	struct IOUSBHostPipe_IVars *pipe = pipe_ivars(object);

	/* Callbacks release what the requests hold, perhaps the last reference. */
	OSRetain(object);
	pthread_mutex_lock(&pipe->lock);
	if (pipe->posting || TAILQ_EMPTY(&pipe->ready)) {
		pthread_mutex_unlock(&pipe->lock);
	} else {
		pipe->posting = true;
		post_unlock(pipe, inline_ok);
	}
	OSRelease(object);
}

static struct pipe_request *
request_of(struct action_call *call)
{
	return (struct pipe_request *)((char *)call - offsetof(struct pipe_request, call));
}

void
pipe_deliver(struct action_call *call, OSObject *target, action_function function)
{
	struct pipe_request *request = request_of(call);
	struct IOUSBHostPipe_IVars *pipe = pipe_ivars(request->pipe);

	pthread_mutex_lock(&pipe->lock);
	request->thread = pthread_self();
	request->is_running = true;
	if (pipe->entering == request->number) {
		pipe->entering = 0;
		post_unlock(pipe, false);
	} else {
		pthread_mutex_unlock(&pipe->lock);
	}
	((IOUSBHostPipe_CompleteAsyncIO_f)function)(target, call->action, request->transfer.status,
						    request->transfer.actual,
						    request->transfer.timestamp);
}

/* The callback has run, or never will. */
void
pipe_called(struct action_call *call)
{
	struct pipe_request *request = request_of(call);
	IOUSBHostPipe *object = request->pipe;
	struct IOUSBHostPipe_IVars *pipe = pipe_ivars(object);
	IOMemoryDescriptor *memory = request->memory;

	if (memory != NULL)
		memory_io_end(memory);
	pthread_mutex_lock(&pipe->lock);
	request->is_running = false;
	TAILQ_REMOVE(&pipe->posted, request, link);
	TAILQ_INSERT_HEAD(&pipe->unused, request, link);
	if (pipe->waiters > 0)
		queue_wake(object);
	pthread_mutex_unlock(&pipe->lock);
	OSRelease(object);
}
