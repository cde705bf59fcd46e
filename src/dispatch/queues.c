/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queues of an app as objects: which there are, their targets and labels, and asking whether
 * this thread runs one. Any thread.
 *
 * A queue that was made before a fork is of no use in the child, since threads that are not there
 * may hold its lock: it is refused, loudly, as soon as it is used.
 */
#include "dispatch_object.h"

#include <stdint.h>

#include "log.h"
#include "main_queue.h"

/* Blocks of one concurrent queue at a time. */
#define CONCURRENT_WIDTH 64

_Alignas(64) struct dispatch_queue_attr_s {
	uint64_t opaque[8]; /* only its address counts */
} _dispatch_queue_attr_concurrent;

static bool init(OSObject *object);
static void finish(OSObject *object);

static const OSObjectMethods queue_methods = {
	.size = sizeof(OSObjectMethods),
	.init = init,
	.free = finish,
};

const OSMetaClass dispatch_queue_class = {
	.size = sizeof(OSMetaClass),
	.name = "dispatch queue",
	.superclass = OSTypeID(IODispatchQueue),
	.ivars_size = sizeof(struct queue_part),
	.object = &queue_methods,
};

struct queue_part *
queue_part_of(IODispatchQueue *queue)
{
	return OSMetaClass_ivars(&dispatch_queue_class, queue);
}

static bool
init(OSObject *object)
{
	struct queue_part *part = queue_part_of((IODispatchQueue *)object);

	if (!gIODispatchQueueMetaClass.object->init(object))
		return false;
	pthread_mutex_init(&part->lock, NULL);
	part->generation = engine_generation();
	return true;
}

static void
finish(OSObject *object)
{
	IODispatchQueue *queue = (IODispatchQueue *)object;
	struct queue_part *part = queue_part_of(queue);

	/* A child of a fork has no engine that could run what the app wants to hear last. */
	if (part->generation == engine_generation()) {
		specifics_end(part);
		object_finalize(&part->object, queue_target(queue));
	}
	pthread_mutex_destroy(&part->lock);
	gIODispatchQueueMetaClass.object->free(object);
}

IODispatchQueue *
queue_of(dispatch_queue_t queue, const char *function)
{
	IODispatchQueue *found = (IODispatchQueue *)queue;

	if (queue == dispatch_get_main_queue())
		return engine_main_queue();
	if (found == NULL)
		log_abort("%s: queue is NULL", function);
	if (queue_part_of(found)->generation != engine_generation())
		log_abort("%s: queue \"%s\" was made before fork, in the parent: it is of no use "
			  "in the child",
			  function, IODispatchQueue_GetName(found));
	return found;
}

/* --- which there are --- */

dispatch_queue_global_t
dispatch_get_global_queue(intptr_t identifier, uintptr_t flags)
{
	static const struct {
		intptr_t identifier;
		unsigned index;
	} known[] = {
		{QOS_CLASS_USER_INTERACTIVE, 0},	 {QOS_CLASS_USER_INITIATED, 1},
		{DISPATCH_QUEUE_PRIORITY_HIGH, 1},	 {QOS_CLASS_DEFAULT, 2},
		{DISPATCH_QUEUE_PRIORITY_DEFAULT, 2},	 {QOS_CLASS_UTILITY, 3},
		{DISPATCH_QUEUE_PRIORITY_LOW, 3},	 {QOS_CLASS_BACKGROUND, 4},
		{DISPATCH_QUEUE_PRIORITY_BACKGROUND, 4},
	};

	for (size_t i = 0; flags == 0 && i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].identifier == identifier)
			return (dispatch_queue_t)engine_global_queue(known[i].index);
	log_error("dispatch_get_global_queue(%ld, %lu): there is no such queue", (long)identifier,
		  (unsigned long)flags);
	return NULL;
}

dispatch_queue_attr_t
dispatch_queue_attr_make_with_qos_class(dispatch_queue_attr_t attr, dispatch_qos_class_t qos_class,
					int relative_priority)
{
	return attr;
}

dispatch_queue_t
dispatch_queue_create(const char *label, dispatch_queue_attr_t attr)
{
	return dispatch_queue_create_with_target(label, attr, DISPATCH_TARGET_QUEUE_DEFAULT);
}

dispatch_queue_t
dispatch_queue_create_with_target(const char *label, dispatch_queue_attr_t attr,
				  dispatch_queue_t target)
{
	unsigned width = attr == DISPATCH_QUEUE_CONCURRENT ? CONCURRENT_WIDTH : 1;
	IODispatchQueue *queue = NULL;

	if (attr != DISPATCH_QUEUE_SERIAL && attr != DISPATCH_QUEUE_CONCURRENT) {
		log_error("dispatch_queue_create(\"%s\"): attr is not one of this library's",
			  label != NULL ? label : "");
		return NULL;
	}
	engine_loop();
	if (queue_create_of(&dispatch_queue_class, label != NULL ? label : "", width, NULL,
			    &queue) != kIOReturnSuccess)
		return NULL;
	if (target != NULL)
		dispatch_set_target_queue((dispatch_queue_t)queue, target);
	return (dispatch_queue_t)queue;
}

/* Global queues differ from no target in nothing. */
static bool
is_global(IODispatchQueue *queue)
{
	for (unsigned i = 0; i < ENGINE_GLOBAL_QUEUES; i++)
		if (queue == engine_global_queue(i))
			return true;
	return false;
}

void
dispatch_set_target_queue(dispatch_object_t object, dispatch_queue_t target)
{
	static const char function[] = "dispatch_set_target_queue";
	IODispatchQueue *queue, *wanted = NULL;

	if (OSMetaClass_cast(&dispatch_queue_class, (OSObject *)object._do) == NULL ||
	    ((OSObject *)object._do)->references == OBJECT_IMMORTAL)
		return; /* on the others it would set only where a finalizer runs */
	queue = queue_of(object._dq, function);
	if (target != NULL)
		wanted = queue_of(target, function);
	if (wanted != NULL && is_global(wanted))
		wanted = NULL;
	for (IODispatchQueue *at = wanted; at != NULL; at = queue_target(at))
		if (at == queue)
			log_abort("%s: queue \"%s\" would be its own target", function,
				  IODispatchQueue_GetName(queue));
	queue_set_target(queue, wanted);
}

/* --- this thread's --- */

const char *
dispatch_queue_get_label(dispatch_queue_t queue)
{
	IODispatchQueue *current = queue_innermost();

	if (queue != DISPATCH_CURRENT_QUEUE_LABEL)
		return IODispatchQueue_GetName(queue_of(queue, "dispatch_queue_get_label"));
	if (current == NULL && main_queue_is_this_thread())
		current = engine_main_queue();
	return current != NULL ? IODispatchQueue_GetName(current) : "";
}

/* The main thread runs the main queue even between its blocks. */
static bool
is_here(dispatch_queue_t queue, const char *function)
{
	return queue_is_here(queue_of(queue, function)) ||
	       (queue == dispatch_get_main_queue() && main_queue_is_this_thread());
}

void
dispatch_assert_queue(dispatch_queue_t queue)
{
	if (!is_here(queue, "dispatch_assert_queue"))
		log_abort("dispatch_assert_queue: this thread does not run queue \"%s\"",
			  dispatch_queue_get_label(queue));
}

void
dispatch_assert_queue_barrier(dispatch_queue_t queue)
{
	static const char function[] = "dispatch_assert_queue_barrier";
	IODispatchQueue *found = queue_of(queue, function);

	if (!queue_is_mine(found) && !(found == engine_main_queue() && is_here(queue, function)))
		log_abort("%s: this thread does not run queue \"%s\" alone", function,
			  IODispatchQueue_GetName(found));
}

void
dispatch_assert_queue_not(dispatch_queue_t queue)
{
	if (is_here(queue, "dispatch_assert_queue_not"))
		log_abort("dispatch_assert_queue_not: this thread runs queue \"%s\"",
			  dispatch_queue_get_label(queue));
}
