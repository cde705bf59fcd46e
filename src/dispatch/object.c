/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References, contexts and finalizers of dispatch objects. Any thread; no locks.
 */
#include "dispatch_object.h"

#include <stdatomic.h>

#include "log.h"

static void free_object(OSObject *object);

static const OSObjectMethods object_methods = {
	.size = sizeof(OSObjectMethods),
	.free = free_object,
};

const OSMetaClass dispatch_object_class = {
	.size = sizeof(OSMetaClass),
	.name = "dispatch object",
	.superclass = OSTypeID(OSObject),
	.ivars_size = sizeof(struct object_part),
	.object = &object_methods,
};

void
object_finalize(struct object_part *part, IODispatchQueue *target)
{
	dispatch_function_t finalizer = atomic_load(&part->finalizer);
	void *context = atomic_load(&part->context);

	if (finalizer != NULL && context != NULL)
		async_on(target != NULL ? target : engine_global_queue(2), true, context,
			 finalizer);
}

static void
free_object(OSObject *object)
{
	object_finalize(OSMetaClass_ivars(&dispatch_object_class, object), NULL);
	OSObject_free_Impl(object);
}

/* The object behind the app's pointer, and its part. */
static OSObject *
real(dispatch_object_t object, const char *function, struct object_part **ret_part)
{
	OSObject *found = (OSObject *)object._do;

	if (object._dq == dispatch_get_main_queue())
		found = (OSObject *)engine_main_queue();
	if (found == NULL)
		log_abort("%s: object is NULL", function);
	if (OSMetaClass_cast(&dispatch_queue_class, found) != NULL)
		*ret_part = &queue_part_of((IODispatchQueue *)found)->object;
	else
		*ret_part = OSMetaClass_ivars(&dispatch_object_class, found);
	return found;
}

void
dispatch_retain(dispatch_object_t object)
{
	struct object_part *part;

	OSRetain(real(object, "dispatch_retain", &part));
}

void
dispatch_release(dispatch_object_t object)
{
	struct object_part *part;

	OSRelease(real(object, "dispatch_release", &part));
}

void *
dispatch_get_context(dispatch_object_t object)
{
	struct object_part *part;

	real(object, "dispatch_get_context", &part);
	return atomic_load(&part->context);
}

void
dispatch_set_context(dispatch_object_t object, void *context)
{
	struct object_part *part;

	real(object, "dispatch_set_context", &part);
	atomic_store(&part->context, context);
}

void
dispatch_set_finalizer_f(dispatch_object_t object, dispatch_function_t finalizer)
{
	struct object_part *part;

	real(object, "dispatch_set_finalizer_f", &part);
	atomic_store(&part->finalizer, finalizer);
}

/* The queue, if it is one that can be suspended. */
static IODispatchQueue *
suspendable(dispatch_object_t object, const char *function)
{
	struct object_part *part;
	OSObject *found = real(object, function, &part);

	if (OSMetaClass_cast(&dispatch_queue_class, found) == NULL ||
	    found->references == OBJECT_IMMORTAL) {
		log_error("%s: the object is no queue of the app's own", function);
		return NULL;
	}
	return queue_of(object._dq, function);
}

void
dispatch_suspend(dispatch_object_t object)
{
	IODispatchQueue *queue = suspendable(object, "dispatch_suspend");

	if (queue != NULL)
		queue_suspend(queue);
}

void
dispatch_resume(dispatch_object_t object)
{
	IODispatchQueue *queue = suspendable(object, "dispatch_resume");

	if (queue != NULL && !queue_resume(queue))
		log_abort("dispatch_resume: queue \"%s\" is not suspended",
			  IODispatchQueue_GetName(queue));
}
