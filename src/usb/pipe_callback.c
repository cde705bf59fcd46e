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

/* The calls of all that are ready, linked; NULL: there are none. */
static struct action_call *
take_all_locked(struct IOUSBHostPipe_IVars *pipe)
{
	struct action_call *first = NULL, **end = &first;
	struct pipe_request *request;

	while ((request = take_locked(pipe)) != NULL) {
		request->call.action = request->action;
		*end = &request->call;
		end = &request->call.next;
	}
	return first;
}

static void
set_entering_locked(struct IOUSBHostPipe_IVars *pipe, uint64_t number)
{
	atomic_store_explicit(&pipe->entering, number, memory_order_relaxed);
}

/* Without the lock false is true: of a callback that runs inline its own thread has set it. */
static bool
is_entering(const struct IOUSBHostPipe_IVars *pipe, uint64_t number)
{
	return atomic_load_explicit(&pipe->entering, memory_order_relaxed) == number;
}

/* Posts what is ready; the caller has set `posting`. Unlocks. */
static void
post_all_unlock(struct IOUSBHostPipe_IVars *pipe)
{
	IOUSBHostPipe *self = pipe->self;
	struct action_call *calls;

	while ((calls = take_all_locked(pipe)) != NULL) {
		pthread_mutex_unlock(&pipe->lock);
		/* The requests may be gone before this returns; their holds on the actions are the
		 * calls'. */
		action_post_all_take(calls, self);
		pthread_mutex_lock(&pipe->lock);
	}
	pipe->posting = false;
	pthread_mutex_unlock(&pipe->lock);
}

/* Goes on with the posting, unless the callback of that number has done so before. */
static void
take_posting_over(struct IOUSBHostPipe_IVars *pipe, uint64_t number)
{
	if (!is_entering(pipe, number))
		return;
	pthread_mutex_lock(&pipe->lock);
	if (is_entering(pipe, number)) {
		set_entering_locked(pipe, 0);
		post_all_unlock(pipe);
	} else {
		pthread_mutex_unlock(&pipe->lock);
	}
}

/* The same, but the first callback may run here, and then does the rest before it begins. */
static void
post_inline_unlock(struct IOUSBHostPipe_IVars *pipe)
{
	struct pipe_request *request = take_locked(pipe);
	uint64_t number = request->number;

	set_entering_locked(pipe, number);
	pthread_mutex_unlock(&pipe->lock);
	action_post_take(request->action, &request->call, pipe->self, true);
	take_posting_over(pipe, number);
}

void
pipe_pump(IOUSBHostPipe *object, bool inline_ok)
{
	struct IOUSBHostPipe_IVars *pipe = pipe_ivars(object);

	pthread_mutex_lock(&pipe->lock);
	if (pipe->posting || TAILQ_EMPTY(&pipe->ready)) {
		pthread_mutex_unlock(&pipe->lock);
	} else {
		pipe->posting = true;
		if (inline_ok)
			post_inline_unlock(pipe);
		else
			post_all_unlock(pipe);
	}
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

	for (struct pipe_request *each = request; each != NULL; each = each->bundle) {
		each->thread = pthread_self();
		/* Pairs with the load in has_up_to. */
		atomic_store_explicit(&each->is_running, true, memory_order_release);
	}
	take_posting_over(pipe, request->number);
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

/* The records of those that were told of together are free again. */
static void
put_all(struct pipe_request *request)
{
	IOUSBHostPipe *object = request->pipe;
	struct IOUSBHostPipe_IVars *pipe = pipe_ivars(object);
	struct pipe_request *next;
	bool last = false;

	pthread_mutex_lock(&pipe->lock);
	for (; request != NULL; request = next) {
		next = request->bundle;
		TAILQ_REMOVE(&pipe->posted, request, link);
		last = pipe_put_locked(pipe, request);
	}
	if (pipe->waiters > 0)
		queue_wake(object);
	pthread_mutex_unlock(&pipe->lock);
	if (last)
		OSRelease(object);
}

/* The callback has run, or never will. */
void
pipe_called(struct action_call *call)
{
	struct pipe_request *first = request_of(call);

	for (struct pipe_request *each = first; each != NULL; each = each->bundle) {
		pipe_free_parts(each);
		/* The first one's is the call's. */
		if (each != first)
			OSRelease(each->action);
	}
	put_all(first);
}
