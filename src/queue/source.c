/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IODispatchSource: enabling, cancelling, and the calls of handlers.
 *
 * A handler's call is posted to the queue of its action's target and retains the source until its
 * `done`. On the queue it is "in flight" while the driver's function runs. Whether it may run is
 * asked there, under the lock: so after Cancel or SetEnable(false) have returned none begins.
 * Cancel's handlers run when none is in flight, at once or on the thread of the last one.
 *
 * The lock guards the few fields that change; nothing is called and nothing released under it.
 */
#include "source.h"

#include <stdlib.h>

#include "log.h"
#include "object.h"

static bool init(OSObject *object);

static const OSObjectMethods source_methods = {
	.size = sizeof(OSObjectMethods),
	.init = init,
	.free = source_free,
};

const OSMetaClass gIODispatchSourceMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "IODispatchSource",
	.superclass = OSTypeID(OSObject),
	.ivars_size = sizeof(struct IODispatchSource_IVars),
	.object = &source_methods,
};

static struct IODispatchSource_IVars *
ivars(IODispatchSource *source)
{
	return OSObjectIVars(IODispatchSource, source);
}

static bool
init(OSObject *object)
{
	if (!OSObject_init_Impl(object))
		return false;
	pthread_mutex_init(&ivars((IODispatchSource *)object)->lock, NULL);
	return true;
}

void
source_free(OSObject *object)
{
	struct IODispatchSource_IVars *source = ivars((IODispatchSource *)object);

	for (struct source_handler *handler = source->handlers; handler != NULL;
	     handler = handler->next)
		OSRelease(handler->action);
	OSRelease(source->queue);
	pthread_mutex_destroy(&source->lock);
	OSObject_free_Impl(object);
}

IOReturn
source_create(const OSMetaClass *metaclass, IODispatchQueue *queue, IODispatchSource **ret_source)
{
	IODispatchSource *source = (IODispatchSource *)object_create_of(metaclass);

	if (source == NULL)
		return kIOReturnNoMemory;
	OSRetain(queue);
	ivars(source)->queue = queue;
	*ret_source = source;
	return kIOReturnSuccess;
}

bool
source_is_cancelled(IODispatchSource *source)
{
	bool cancelled;

	pthread_mutex_lock(&ivars(source)->lock);
	cancelled = ivars(source)->cancelled;
	pthread_mutex_unlock(&ivars(source)->lock);
	return cancelled;
}

/* --- calls --- */

static struct source_handler *
handler_of(struct action_call *call)
{
	return (struct source_handler *)((char *)call - offsetof(struct source_handler, call));
}

/* After cancellation, when nothing is in flight: the handlers. Unlocks. */
static void
settle_unlock(struct IODispatchSource_IVars *source)
{
	struct source_cancel *cancels = NULL;

	if (source->cancelled && source->in_flight == 0) {
		cancels = source->cancels;
		source->cancels = NULL;
	}
	pthread_mutex_unlock(&source->lock);
	while (cancels != NULL) {
		struct source_cancel *next = cancels->next;

		cancels->function(cancels->context);
		free(cancels);
		cancels = next;
	}
}

/* On the target's queue. */
static void
deliver(struct action_call *call, OSObject *target, action_function function)
{
	struct source_handler *handler = handler_of(call);
	struct IODispatchSource_IVars *source = ivars(handler->source);
	bool runs;

	handler->reached = true;
	pthread_mutex_lock(&source->lock);
	runs = handler->wanted && !source->disabled && !source->cancelled &&
	       handler->action == call->action;
	if (runs) {
		handler->wanted = false;
		source->in_flight++;
	}
	pthread_mutex_unlock(&source->lock);
	if (!runs)
		return;
	handler->deliver(handler, target, call->action, function);
	pthread_mutex_lock(&source->lock);
	source->in_flight--;
	settle_unlock(source);
}

/* The action to post now, +1 with the source, or NULL. [lock] */
static OSAction *
next_call_locked(struct source_handler *handler)
{
	struct IODispatchSource_IVars *source = ivars(handler->source);

	if (!handler->wanted || handler->posted || handler->action == NULL || source->disabled ||
	    source->cancelled)
		return NULL;
	handler->posted = true;
	OSRetain(handler->action);
	OSRetain(handler->source);
	return handler->action;
}

static void post(struct source_handler *handler, OSAction *action, bool inline_ok);

/* What fired meanwhile is the next call; but an action whose target has stopped is not tried again.
 */
static void
done(struct action_call *call)
{
	struct source_handler *handler = handler_of(call);
	IODispatchSource *object = handler->source;
	struct IODispatchSource_IVars *source = ivars(object);
	OSAction *action = NULL;

	pthread_mutex_lock(&source->lock);
	handler->posted = false;
	if (handler->reached || handler->action != call->action)
		action = next_call_locked(handler);
	pthread_mutex_unlock(&source->lock);
	if (action != NULL)
		post(handler, action, false);
	OSRelease(object);
}

static void
post(struct source_handler *handler, OSAction *action, bool inline_ok)
{
	handler->reached = false;
	handler->call.deliver = deliver;
	handler->call.done = done;
	action_post_take(action, &handler->call, handler->source, inline_ok);
}

static void
post_if_any(struct source_handler *handler, bool fired, bool inline_ok)
{
	struct IODispatchSource_IVars *source = ivars(handler->source);
	OSAction *action;

	pthread_mutex_lock(&source->lock);
	handler->wanted |= fired;
	action = next_call_locked(handler);
	pthread_mutex_unlock(&source->lock);
	if (action != NULL)
		post(handler, action, inline_ok);
}

void
source_handler_fire(struct source_handler *handler, bool inline_ok)
{
	post_if_any(handler, true, inline_ok);
}

/* --- handlers --- */

void
source_handler_init(IODispatchSource *source, struct source_handler *handler, const char *type,
		    void (*deliver_call)(struct source_handler *handler, OSObject *target,
					 OSAction *action, action_function function))
{
	*handler = (struct source_handler){
		.source = source,
		.type = type,
		.deliver = deliver_call,
		.next = ivars(source)->handlers,
	};
	ivars(source)->handlers = handler;
}

IOReturn
source_handler_set(struct source_handler *handler, OSAction *action)
{
	struct IODispatchSource_IVars *source = ivars(handler->source);
	IOReturn res = kIOReturnUnsupported;
	OSAction *old = action;

	if (action != NULL && action_check(action, handler->type) != kIOReturnSuccess)
		return kIOReturnBadArgument;
	OSRetain(action);
	pthread_mutex_lock(&source->lock);
	if (!source->cancelled) {
		old = handler->action;
		atomic_store_explicit(&handler->action, action, memory_order_seq_cst);
		res = kIOReturnSuccess;
	}
	pthread_mutex_unlock(&source->lock);
	OSRelease(old);
	post_if_any(handler, false, false);
	return res;
}

IOReturn
source_handler_copy(struct source_handler *handler, OSAction **ret_action)
{
	struct IODispatchSource_IVars *source = ivars(handler->source);
	OSAction *action;

	if (ret_action == NULL) {
		log_error("copying a handler %s: action is NULL", handler->type);
		return kIOReturnBadArgument;
	}
	pthread_mutex_lock(&source->lock);
	action = handler->action;
	OSRetain(action);
	pthread_mutex_unlock(&source->lock);
	if (action == NULL)
		return kIOReturnNotFound;
	*ret_action = action;
	return kIOReturnSuccess;
}

bool
source_handler_is_set(struct source_handler *handler)
{
	/* Pairs with the store in source_handler_set, after which its caller looks at the memory:
	 * what came before this is found by one of the two. */
	return atomic_load_explicit(&handler->action, memory_order_seq_cst) != NULL;
}

/* --- IODispatchSource --- */

/* Takes the actions away from the handlers and releases them, one at a time. */
static void
drop_actions(struct IODispatchSource_IVars *source)
{
	for (struct source_handler *handler = source->handlers; handler != NULL;
	     handler = handler->next) {
		OSAction *action;

		pthread_mutex_lock(&source->lock);
		action = handler->action;
		handler->action = NULL;
		pthread_mutex_unlock(&source->lock);
		OSRelease(action);
	}
}

kern_return_t
IODispatchSource_Cancel_f(IODispatchSource *object, void *context,
			  IODispatchSourceCancelHandler handler)
{
	struct IODispatchSource_IVars *source = ivars(object);
	struct source_cancel *cancel = NULL, **link;

	if (handler != NULL) {
		cancel = malloc(sizeof(*cancel));
		if (cancel == NULL)
			return kIOReturnNoMemory;
		*cancel = (struct source_cancel){.context = context, .function = handler};
	}
	/* A handler may release the source. */
	OSRetain(object);
	pthread_mutex_lock(&source->lock);
	source->cancelled = true;
	pthread_mutex_unlock(&source->lock);
	if (source->cancel != NULL)
		source->cancel(object);
	drop_actions(source);
	pthread_mutex_lock(&source->lock);
	for (link = &source->cancels; *link != NULL; link = &(*link)->next)
		;
	*link = cancel;
	settle_unlock(source);
	OSRelease(object);
	return kIOReturnSuccess;
}

kern_return_t
IODispatchSource_SetEnable(IODispatchSource *object, bool enable)
{
	struct IODispatchSource_IVars *source = ivars(object);
	bool cancelled;

	pthread_mutex_lock(&source->lock);
	cancelled = source->cancelled;
	if (!cancelled)
		source->disabled = !enable;
	pthread_mutex_unlock(&source->lock);
	if (cancelled)
		return kIOReturnUnsupported;
	for (struct source_handler *handler = source->handlers; enable && handler != NULL;
	     handler = handler->next)
		post_if_any(handler, false, false);
	return kIOReturnSuccess;
}

kern_return_t
IODispatchSource_SetEnableWithCompletion_f(IODispatchSource *object, bool enable, void *context,
					   IODispatchSourceSetEnableCompletionHandler handler)
{
	IOReturn res = IODispatchSource_SetEnable(object, enable);

	if (res == kIOReturnSuccess && handler != NULL)
		handler(context);
	return res;
}

kern_return_t
IODispatchSource_CheckForWork(IODispatchSource *object, bool synchronous)
{
	struct IODispatchSource_IVars *source = ivars(object);

	if (source_is_cancelled(object))
		return kIOReturnUnsupported;
	if (source->check != NULL)
		source->check(object, synchronous);
	return kIOReturnSuccess;
}
