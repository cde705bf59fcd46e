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

/* Takes the first ready one, with those that its callback can tell of, too. */
static struct pipe_request *
take_locked(struct IOUSBHostPipe_IVars *pipe)
{
	struct pipe_request *first = TAILQ_FIRST(&pipe->ready), *last = NULL, *next = first;

	for (unsigned count = 0; next != NULL; count++) {
		if (last != NULL && !pipe_bundles_locked(pipe, last, count, next))
			break;
		TAILQ_REMOVE(&pipe->ready, next, link);
		TAILQ_INSERT_TAIL(&pipe->posted, next, link);
		next->bundle = NULL;
		if (last != NULL)
			last->bundle = next;
		last = next;
		next = TAILQ_FIRST(&pipe->ready);
	}
	return first;
}

/* Posts what is ready; the caller has set `posting`. Unlocks. */
static void
post_unlock(struct IOUSBHostPipe_IVars *pipe, bool inline_ok)
{
	IOUSBHostPipe *self = pipe->self;
	struct pipe_request *request;

	while ((request = take_locked(pipe)) != NULL) {
		OSAction *action = request->action;
		uint64_t number = request->number;

		if (inline_ok)
			pipe->entering = number;
		pthread_mutex_unlock(&pipe->lock);
		/* The request, and its hold on the action, may be gone before this returns. */
		OSRetain(action);
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
	for (struct pipe_request *each = request; each != NULL; each = each->bundle) {
		each->thread = pthread_self();
		each->is_running = true;
	}
	if (pipe->entering == request->number) {
		pipe->entering = 0;
		post_unlock(pipe, false);
	} else {
		pthread_mutex_unlock(&pipe->lock);
	}
	if (request->is_bundled) {
		pipe_deliver_bundle(request, target, function);
		return;
	}
	if (request->frame_list != NULL) {
		pipe_report_frames(request);
		((IOUSBHostPipe_CompleteAsyncIsochIO_f)function)(target, call->action,
								 request->transfer.status);
		return;
	}
	((IOUSBHostPipe_CompleteAsyncIO_f)function)(target, call->action, request->transfer.status,
						    request->transfer.actual,
						    request->transfer.timestamp);
}

/* One of those that were told of together. */
static void
end_one(struct pipe_request *request)
{
	IOUSBHostPipe *object = request->pipe;
	struct IOUSBHostPipe_IVars *pipe = pipe_ivars(object);
	OSAction *action = request->action;

	pipe_free_parts(request);
	pthread_mutex_lock(&pipe->lock);
	request->is_running = false;
	TAILQ_REMOVE(&pipe->posted, request, link);
	TAILQ_INSERT_HEAD(&pipe->unused, request, link);
	if (pipe->waiters > 0)
		queue_wake(object);
	pthread_mutex_unlock(&pipe->lock);
	OSRelease(action);
	OSRelease(object);
}

/* The callback has run, or never will. */
void
pipe_called(struct action_call *call)
{
	struct pipe_request *request = request_of(call), *next;

	for (; request != NULL; request = next) {
		next = request->bundle; /* each holds the pipe, so the next one is there */
		end_one(request);
	}
}
