/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OSAction: a target, a function and a reference area; and its calls.
 *
 * A call that was posted is work of the target's queue; the action is retained until its `done`. On
 * the queue it becomes "in flight" for as long as the callback and `done` run. Cancel stops further
 * calls from becoming so, and its handlers run when none is in flight: at once, or after the last
 * one, in its thread. The reference on the target is given up after the handlers, because it is the
 * target that they usually work on; so a call in flight needs none of its own.
 *
 * The lock guards the few fields that change; nothing is called under it. Posting allocates
 * nothing, and asks the target for its queue only if that may have become another.
 */
#include "action.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "object.h"
#include "status.h"

#define CANCELLED (UINT32_C(1) << 31)

struct action_handler {
	void *context;
	void (*function)(void *context);
	struct action_handler *next;
};

struct OSAction_IVars {
	const char *type;	  /* [const] */
	action_function function; /* [const] */
	void *reference;	  /* [const] NULL: none was asked for */
	pthread_mutex_t lock;
	/* [lock], or in flight: retained; NULL after cancellation */
	OSObject *target;
	/* Callbacks that run now; CANCELLED, set with the lock: there will be no more. */
	_Atomic uint32_t flights;
	IODispatchQueue *queue; /* [lock] of the target, retained, as of `epoch`; NULL: not known */
	uint64_t epoch;		/* [lock] queues_epoch() */
	struct action_handler *handlers; /* [lock] of Cancel, not called yet, oldest first */
	uint32_t holders;		 /* [lock] action_hold without action_unhold */
	bool abandoned;			 /* [lock] held once, and now no longer */
	bool aborting;			 /* [lock] `aborted_work` was posted, once and for all */
	struct action_handler aborted;	 /* [lock] function NULL: none is set */
	struct work aborted_work;
	OSAction *self; /* [const] for aborted_work */
};

static bool init(OSObject *object);
static void finish(OSObject *object);

static const OSObjectMethods action_methods = {
	.size = sizeof(OSObjectMethods),
	.init = init,
	.free = finish,
};

const OSMetaClass gOSActionMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "OSAction",
	.superclass = OSTypeID(OSObject),
	.ivars_size = sizeof(struct OSAction_IVars),
	.object = &action_methods,
};

static struct OSAction_IVars *
ivars(OSAction *action)
{
	return OSObjectIVars(OSAction, action);
}

static bool
init(OSObject *object)
{
	struct OSAction_IVars *action = ivars((OSAction *)object);

	if (!OSObject_init_Impl(object))
		return false;
	pthread_mutex_init(&action->lock, NULL);
	action->self = (OSAction *)object;
	return true;
}

static void
finish(OSObject *object)
{
	struct OSAction_IVars *action = ivars((OSAction *)object);

	OSRelease(action->target);
	OSRelease(action->queue);
	free(action->reference);
	pthread_mutex_destroy(&action->lock);
	OSObject_free_Impl(object);
}

IOReturn
action_create(OSObject *target, const char *type, action_function function, size_t reference_size,
	      OSAction **ret_action)
{
	return action_create_of(OSTypeID(OSAction), target, type, function, reference_size,
				ret_action);
}

IOReturn
action_create_of(const OSMetaClass *metaclass, OSObject *target, const char *type,
		 action_function function, size_t reference_size, OSAction **ret_action)
{
	struct OSAction_IVars *fields;
	void *reference = NULL;
	OSAction *action;

	if (target == NULL || function == NULL || ret_action == NULL) {
		log_error("creating an action %s: %s is NULL", type,
			  target == NULL     ? "target"
			  : function == NULL ? "function"
					     : "action");
		return kIOReturnBadArgument;
	}
	if (reference_size > 0) {
		reference = calloc(1, reference_size);
		if (reference == NULL)
			return kIOReturnNoMemory;
	}
	action = (OSAction *)object_create_of(metaclass);
	if (action == NULL) {
		free(reference);
		return kIOReturnNoMemory;
	}
	fields = ivars(action);
	fields->type = type;
	fields->function = function;
	fields->reference = reference;
	OSRetain(target);
	fields->target = target;
	*ret_action = action;
	return kIOReturnSuccess;
}

IOReturn
action_check(OSAction *action, const char *type)
{
	const char *found;

	if (action == NULL || OSDynamicCast(OSAction, action) == NULL) {
		log_error("expected an action %s, got %s", type,
			  action == NULL ? "NULL" : OSObject_GetClassName(action));
		return kIOReturnBadArgument;
	}
	found = ivars(action)->type;
	if (found == type || strcmp(found, type) == 0)
		return kIOReturnSuccess;
	log_error("expected an action %s, got one of type %s", type, found);
	return kIOReturnBadArgument;
}

/* --- in flight --- */

static bool
is_cancelled(const struct OSAction_IVars *action)
{
	return (atomic_load_explicit(&action->flights, memory_order_relaxed) & CANCELLED) != 0;
}

/* The target, good until land, and the caller in flight; or NULL after cancellation. */
static OSObject *
take_off(struct OSAction_IVars *action)
{
	uint32_t flights = atomic_load_explicit(&action->flights, memory_order_relaxed);

	/* Pairs with OSAction_Cancel_f: either it sees this one in flight, or this one that. */
	do {
		if ((flights & CANCELLED) != 0)
			return NULL;
	} while (!atomic_compare_exchange_weak_explicit(&action->flights, &flights, flights + 1,
							memory_order_acquire,
							memory_order_relaxed));
	return action->target;
}

/* After cancellation, when nothing is in flight: the handlers, then the target. Unlocks. */
static void
settle_unlock(struct OSAction_IVars *action)
{
	struct action_handler *handlers = NULL;
	IODispatchQueue *queue = NULL;
	OSObject *target = NULL;

	/* Pairs with land: what the last callback has done is before its handlers. */
	if (atomic_load_explicit(&action->flights, memory_order_acquire) == CANCELLED) {
		handlers = action->handlers;
		action->handlers = NULL;
		target = action->target;
		action->target = NULL;
		queue = action->queue;
		action->queue = NULL;
	}
	pthread_mutex_unlock(&action->lock);
	while (handlers != NULL) {
		struct action_handler *next = handlers->next;

		handlers->function(handlers->context);
		free(handlers);
		handlers = next;
	}
	OSRelease(queue);
	OSRelease(target);
}

static void
land(struct OSAction_IVars *action)
{
	/* Pairs with the load in settle_unlock. */
	if (atomic_fetch_sub_explicit(&action->flights, 1, memory_order_acq_rel) != CANCELLED + 1)
		return;
	pthread_mutex_lock(&action->lock);
	settle_unlock(action);
}

/* --- calls --- */

static struct action_call *
call_of(struct work *work)
{
	return (struct action_call *)((char *)work - offsetof(struct action_call, work));
}

static void
skip(struct work *work)
{
	struct action_call *call = call_of(work);
	OSAction *action = call->action;

	call->done(call);
	OSRelease(action);
}

static void
deliver(struct work *work)
{
	struct action_call *call = call_of(work);
	OSAction *action = call->action;
	OSObject *target = take_off(ivars(action));

	if (target == NULL) {
		skip(work);
		return;
	}
	call->deliver(call, target, ivars(action)->function);
	call->done(call);
	land(ivars(action));
	OSRelease(action);
}

static void
keep_queue(struct OSAction_IVars *action, IODispatchQueue *queue, uint64_t epoch)
{
	IODispatchQueue *before = queue;

	OSRetain(queue);
	pthread_mutex_lock(&action->lock);
	if (!is_cancelled(action)) {
		before = action->queue;
		action->queue = queue;
		action->epoch = epoch;
	}
	pthread_mutex_unlock(&action->lock);
	OSRelease(before);
}

/*
 * The queue for the action's callbacks, +1. kIOReturnNotFound: the target has none;
 * kIOReturnAborted: cancelled; else what the target says, which is that it has stopped.
 */
static IOReturn
find_queue(OSAction *object, IODispatchQueue **ret_queue)
{
	struct OSAction_IVars *action = ivars(object);
	/* Before the answer, which may be of then. */
	uint64_t epoch = queues_epoch();
	OSObject *target;
	bool known;
	IOReturn res;

	pthread_mutex_lock(&action->lock);
	target = is_cancelled(action) ? NULL : action->target;
	known = target != NULL && action->queue != NULL && action->epoch == epoch;
	if (known)
		*ret_queue = action->queue;
	OSRetain(known ? (OSObject *)action->queue : target);
	pthread_mutex_unlock(&action->lock);
	if (target == NULL)
		return kIOReturnAborted;
	if (known)
		return kIOReturnSuccess;
	res = OSObject_CopyDispatchQueue(target, kIOServiceDefaultQueueName, ret_queue);
	if (res == kIOReturnSuccess && (target->marks & OBJECT_KEEPS_QUEUES) != 0)
		keep_queue(action, *ret_queue, epoch);
	OSRelease(target);
	return res;
}

/* What is done with work of which find_queue has said that. */
static void
end_without_queue(OSAction *action, struct work *work, IOReturn why)
{
	if (why == kIOReturnNotFound) {
		work->run(work);
		return;
	}
	log_debug("a callback of type %s has nowhere to run: %s", ivars(action)->type,
		  status_string(why));
	work->dropped(work);
}

/* Work of the action on the queue of its target. */
static void
dispatch(OSAction *action, struct work *work, bool inline_ok)
{
	IODispatchQueue *queue = NULL;
	IOReturn res = find_queue(action, &queue);

	if (res != kIOReturnSuccess) {
		end_without_queue(action, work, res);
	} else if (inline_ok) {
		queue_run_take(queue, work);
	} else {
		queue_post(queue, work);
		OSRelease(queue);
	}
}

static void
fill(struct action_call *call, OSAction *action, const void *tag)
{
	call->action = action;
	call->work = (struct work){.run = deliver, .dropped = skip, .tag = tag};
}

void
action_post_take(OSAction *action, struct action_call *call, const void *tag, bool inline_ok)
{
	fill(call, action, tag);
	dispatch(action, &call->work, inline_ok);
}

/* Calls that go to the same queue. */
struct batch {
	IODispatchQueue *queue; /* +1; NULL: there are none */
	struct work *first, **end;
};

static void
post_batch(struct batch *batch)
{
	if (batch->queue == NULL)
		return;
	queue_post_all(batch->queue, batch->first);
	OSSafeReleaseNULL(batch->queue);
}

void
action_post_all_take(struct action_call *calls, const void *tag)
{
	struct batch batch = {0};
	struct action_call *next;

	for (struct action_call *call = calls; call != NULL; call = next) {
		IODispatchQueue *queue = NULL;
		IOReturn res;

		next = call->next;
		fill(call, call->action, tag);
		res = find_queue(call->action, &queue);
		if (queue != NULL && queue == batch.queue) {
			OSRelease(queue);
		} else {
			post_batch(&batch);
			batch = (struct batch){.queue = queue, .end = &batch.first};
		}
		if (res != kIOReturnSuccess) {
			end_without_queue(call->action, &call->work, res);
			continue;
		}
		*batch.end = &call->work;
		batch.end = &call->work.next;
	}
	post_batch(&batch);
}

void
action_post(OSAction *action, struct action_call *call, const void *tag, bool inline_ok)
{
	OSRetain(action);
	action_post_take(action, call, tag, inline_ok);
}

bool
action_is_cancelled(OSAction *action)
{
	return is_cancelled(ivars(action));
}

IODispatchQueue *
action_copy_queue(OSAction *action)
{
	IODispatchQueue *queue = NULL;

	if (find_queue(action, &queue) != kIOReturnSuccess)
		return NULL;
	return queue;
}

/* --- the other party --- */

static struct OSAction_IVars *
of_aborted(struct work *work)
{
	return (struct OSAction_IVars *)((char *)work -
					 offsetof(struct OSAction_IVars, aborted_work));
}

static void
skip_aborted(struct work *work)
{
	OSRelease(of_aborted(work)->self);
}

static void
deliver_aborted(struct work *work)
{
	struct OSAction_IVars *action = of_aborted(work);
	OSObject *target = take_off(action);
	struct action_handler handler;

	if (target != NULL) {
		pthread_mutex_lock(&action->lock);
		handler = action->aborted;
		pthread_mutex_unlock(&action->lock);
		if (handler.function != NULL)
			handler.function(handler.context);
		land(action);
	}
	OSRelease(action->self);
}

/* Posts the aborted handler if there is one to call. Unlocks. */
static void
abort_unlock(struct OSAction_IVars *action)
{
	bool post = action->abandoned && action->aborted.function != NULL && !action->aborting &&
		    !is_cancelled(action);

	if (post)
		action->aborting = true;
	pthread_mutex_unlock(&action->lock);
	if (!post)
		return;
	OSRetain(action->self);
	action->aborted_work = (struct work){.run = deliver_aborted, .dropped = skip_aborted};
	dispatch(action->self, &action->aborted_work, false);
}

void
action_hold(OSAction *object)
{
	struct OSAction_IVars *action = ivars(object);

	pthread_mutex_lock(&action->lock);
	action->holders++;
	action->abandoned = false;
	pthread_mutex_unlock(&action->lock);
}

void
action_unhold(OSAction *object)
{
	struct OSAction_IVars *action = ivars(object);

	pthread_mutex_lock(&action->lock);
	assert(action->holders > 0);
	action->holders--;
	/* Kept until a handler is set: the client may be gone before the driver sets one. */
	action->abandoned = action->holders == 0;
	abort_unlock(action);
}

/* --- OSAction --- */

void *
OSAction_GetReference(OSAction *action)
{
	return ivars(action)->reference;
}

kern_return_t
OSAction_Cancel_f(OSAction *object, void *context, OSActionCancelHandler function)
{
	struct OSAction_IVars *action = ivars(object);
	struct action_handler *handler = NULL;
	struct action_handler **link = &action->handlers;

	if (function != NULL) {
		handler = malloc(sizeof(*handler));
		if (handler == NULL)
			return kIOReturnNoMemory;
		*handler = (struct action_handler){.context = context, .function = function};
	}
	/* A handler may release the action. */
	OSRetain(object);
	pthread_mutex_lock(&action->lock);
	/* Pairs with take_off. */
	atomic_fetch_or_explicit(&action->flights, CANCELLED, memory_order_acq_rel);
	while (*link != NULL)
		link = &(*link)->next;
	*link = handler;
	settle_unlock(action);
	OSRelease(object);
	return kIOReturnSuccess;
}

kern_return_t
OSAction_SetAbortedHandler_f(OSAction *object, void *context, OSActionAbortedHandler handler)
{
	struct OSAction_IVars *action = ivars(object);

	pthread_mutex_lock(&action->lock);
	action->aborted = (struct action_handler){.context = context, .function = handler};
	abort_unlock(action);
	return kIOReturnSuccess;
}
