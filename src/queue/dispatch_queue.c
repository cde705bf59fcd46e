/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IODispatchQueue: the object, its functions for drivers, and Cancel.
 *
 * Cancel refuses new work from then on, drops what waits and tells each item so. Its handlers run
 * when that is done and nobody owns the queue, which may be here or, later, where the owner leaves.
 * They are called once each, oldest first, on whatever thread it is, without the lock; a handler
 * may release the queue.
 *
 * Any thread may call these functions. How work runs and who owns a queue is queue.c.
 *
 * Left out: options and priorities, which Create refuses.
 */
#include "queue_state.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frames.h"
#include "log.h"

#define STACK_FRAMES 64
/* Calls of DispatchConcurrent at a time. */
#define CONCURRENT_WIDTH 64

/* A call of DispatchAsync or DispatchConcurrent. */
struct async_work {
	struct work work;
	void *context;
	IODispatchFunction function;
	IODispatchFunction dropped; /* instead of it, after Cancel; NULL: nothing */
};

struct loop *queue_loop;

static bool init(OSObject *object);
static void finish(OSObject *object);

static const OSObjectMethods queue_methods = {
	.size = sizeof(OSObjectMethods),
	.init = init,
	.free = finish,
};

const OSMetaClass gIODispatchQueueMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "IODispatchQueue",
	.superclass = OSTypeID(OSObject),
	.ivars_size = sizeof(struct IODispatchQueue_IVars),
	.object = &queue_methods,
};

void
queue_set_loop(struct loop *loop)
{
	void *frame[1];

	queue_loop = loop;
	if (loop == NULL)
		return;
	/* The first backtrace loads a library, which a sandbox will not allow later. */
	backtrace(frame, 1);
}

static bool
init(OSObject *object)
{
	struct IODispatchQueue_IVars *queue = queue_ivars((IODispatchQueue *)object);

	if (!OSObject_init_Impl(object))
		return false;
	pthread_mutex_init(&queue->lock, NULL);
	queue->end = &queue->head;
	queue->width = 1;
	queue->drain.run = queue_drain;
	queue->turn.run = queue_drain_turn;
	queue->self = (IODispatchQueue *)object;
	return true;
}

static void
finish(OSObject *object)
{
	struct IODispatchQueue_IVars *queue = queue_ivars((IODispatchQueue *)object);

	OSRelease(queue->target);
	pthread_mutex_destroy(&queue->lock);
	free(queue->name);
	OSObject_free_Impl(object);
}

IOReturn
queue_create(const char *name, IODispatchQueue **ret_queue)
{
	return queue_create_of(OSTypeID(IODispatchQueue), name, CONCURRENT_WIDTH, NULL, ret_queue);
}

IOReturn
queue_create_of(const OSMetaClass *metaclass, const char *name, unsigned width, void (*waker)(void),
		IODispatchQueue **ret_queue)
{
	IODispatchQueue *queue;
	char *copy;

	if (queue_loop == NULL)
		log_abort("dispatch queue \"%s\" was created before the event loop: "
			  "queue_set_loop comes first",
			  name);
	copy = strdup(name);
	if (copy == NULL)
		return kIOReturnNoMemory;
	queue = (IODispatchQueue *)object_create_of(metaclass);
	if (queue == NULL) {
		free(copy);
		return kIOReturnNoMemory;
	}
	queue_ivars(queue)->name = copy;
	queue_ivars(queue)->width = width;
	queue_ivars(queue)->waker = waker;
	*ret_queue = queue;
	return kIOReturnSuccess;
}

/* --- functions for drivers --- */

kern_return_t
IODispatchQueue_Create(const char *name, uint64_t options, uint64_t priority,
		       IODispatchQueue **queue)
{
	if (name == NULL || queue == NULL) {
		log_error("IODispatchQueue_Create: %s is NULL", name == NULL ? "name" : "queue");
		return kIOReturnBadArgument;
	}
	if (priority != 0) {
		log_error("IODispatchQueue_Create(\"%s\"): priority must be 0", name);
		return kIOReturnBadArgument;
	}
	if (options != 0)
		return kIOReturnUnsupported;
	return queue_create(name, queue);
}

static void
run_async(struct work *work)
{
	struct async_work async = *(struct async_work *)work;

	free(work);
	async.function(async.context);
}

static void
drop_async(struct work *work)
{
	struct async_work async = *(struct async_work *)work;

	free(work);
	if (async.dropped != NULL)
		async.dropped(async.context);
}

void
queue_append_call(IODispatchQueue *queue, bool shared, void *context, IODispatchFunction function,
		  IODispatchFunction dropped, const char *call)
{
	struct async_work *async = malloc(sizeof(*async));

	if (async == NULL)
		log_abort("%s on queue \"%s\": out of memory", call, queue_ivars(queue)->name);
	*async = (struct async_work){
		.work = {.run = run_async, .dropped = drop_async, .shared = shared},
		.context = context,
		.function = function,
		.dropped = dropped,
	};
	queue_post(queue, &async->work);
}

void
IODispatchQueue_DispatchAsync_f(IODispatchQueue *queue, void *context, IODispatchFunction function)
{
	queue_append_call(queue, false, context, function, NULL, "DispatchAsync");
}

void
IODispatchQueue_DispatchConcurrent_f(IODispatchQueue *queue, void *context,
				     IODispatchFunction function)
{
	queue_append_call(queue, true, context, function, NULL, "DispatchConcurrent");
}

/*
 * Of the two stacks that meet in this deadlock one is a part of the other: where the queue was
 * entered and where the call was made are both on this thread.
 */
void
queue_report_deadlock(IODispatchQueue *queue, const char *call)
{
	void *frames[STACK_FRAMES];
	int count = backtrace(frames, STACK_FRAMES);

	dprintf(STDERR_FILENO, "%s was called here:\n", call);
	backtrace_symbols_fd(frames, count, STDERR_FILENO);
	for (const struct ownership *own = ownership_innermost(); own != NULL; own = own->outer) {
		dprintf(STDERR_FILENO, "queue \"%s\"%s was entered here:\n",
			queue_ivars(own->queue)->name, own->queue == queue ? " (this one)" : "");
		backtrace_symbols_fd((void *const *)&own->entered_from, 1, STDERR_FILENO);
	}
	log_abort("%s to queue \"%s\", which this thread is running already: it would never "
		  "return. The stacks are above",
		  call, queue_ivars(queue)->name);
}

void
IODispatchQueue_DispatchSync_f(IODispatchQueue *queue, void *context, IODispatchFunction function)
{
	if (queue_is_here(queue))
		queue_report_deadlock(queue, "DispatchSync");
	if (!queue_call_from(queue, false, context, function, __builtin_return_address(0)))
		log_info("DispatchSync to queue \"%s\" after its Cancel: not run",
			 queue_ivars(queue)->name);
}

bool
IODispatchQueue_OnQueue(IODispatchQueue *queue)
{
	return queue_is_here(queue);
}

const char *
IODispatchQueue_GetName(IODispatchQueue *queue)
{
	return queue_ivars(queue)->name;
}

/* --- Cancel --- */

void
queue_settle_unlock(struct IODispatchQueue_IVars *queue)
{
	struct cancel_handler *handlers = NULL;

	if (queue->cancelled && !queue_is_owned_locked(queue) && queue->sharing == 0 &&
	    queue->dropping == 0) {
		handlers = queue->handlers;
		queue->handlers = NULL;
	}
	queue_unlock(queue);
	while (handlers != NULL) {
		struct cancel_handler *next = handlers->next;

		handlers->function(handlers->context);
		free(handlers);
		handlers = next;
	}
}

static void
append_handler_locked(struct IODispatchQueue_IVars *queue, struct cancel_handler *handler)
{
	struct cancel_handler **link = &queue->handlers;

	while (*link != NULL)
		link = &(*link)->next;
	*link = handler;
}

kern_return_t
IODispatchQueue_Cancel_f(IODispatchQueue *object, void *context, IODispatchFunction function)
{
	struct IODispatchQueue_IVars *queue = queue_ivars(object);
	struct cancel_handler *handler = NULL;
	struct work *dropped;

	if (function != NULL) {
		handler = malloc(sizeof(*handler));
		if (handler == NULL)
			return kIOReturnNoMemory;
		*handler = (struct cancel_handler){.context = context, .function = function};
	}
	/* A handler may release the queue. */
	OSRetain(object);
	queue_lock(queue);
	queue->cancelled = true;
	if (handler != NULL)
		append_handler_locked(queue, handler);
	queue->dropping++;
	dropped = queue_take_all_locked(queue);
	queue_unlock(queue);
	while (dropped != NULL) {
		struct work *next = dropped->next;

		work_finish(dropped, false);
		dropped = next;
	}
	queue_lock(queue);
	queue->dropping--;
	queue_settle_unlock(queue);
	OSRelease(object);
	return kIOReturnSuccess;
}
