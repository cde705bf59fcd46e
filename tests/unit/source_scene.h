/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of dispatch sources stand on: a loop, a queue, and a target on it. */
#ifndef TESTS_UNIT_SOURCE_SCENE_H
#define TESTS_UNIT_SOURCE_SCENE_H

#include "meter.h"
#include "object.h"
#include "queue.h"
#include "unit.h"

struct Target_IVars {
	IODispatchQueue *queue;
};
typedef struct Target Target;

extern const OSMetaClass gTargetMetaClass;

static kern_return_t
target_copy_queue(OSObject *self, IODispatchQueueName name, IODispatchQueue **queue)
{
	*queue = OSObjectIVars(Target, self)->queue;
	if (*queue == NULL)
		return kIOReturnError; /* as of a service that has stopped */
	OSRetain(*queue);
	return kIOReturnSuccess;
}

static const OSObjectMethods target_methods = {
	.size = sizeof(OSObjectMethods),
	.CopyDispatchQueue = target_copy_queue,
};

const OSMetaClass gTargetMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "Target",
	.superclass = OSTypeID(OSObject),
	.ivars_size = sizeof(struct Target_IVars),
	.object = &target_methods,
};

struct source_scene {
	struct loop *loop;
	IODispatchQueue *queue;
	Target *target;
};

static inline void
source_scene_set(struct source_scene *scene)
{
	ck_assert_int_eq(loop_create(&scene->loop), kIOReturnSuccess);
	ck_assert_int_eq(loop_start(scene->loop, 2), kIOReturnSuccess);
	queue_set_loop(scene->loop);
	ck_assert_int_eq(queue_create("q", &scene->queue), kIOReturnSuccess);
	scene->target = object_create(Target);
	ck_assert_ptr_nonnull(scene->target);
	OSObjectIVars(Target, scene->target)->queue = scene->queue;
}

static inline void
nothing(void *context)
{
}

/* Until the queue has run all that was posted so far. */
static inline void
source_scene_settle(struct source_scene *scene)
{
	IODispatchQueue_DispatchSync_f(scene->queue, NULL, nothing);
}

static inline void
source_scene_clear(struct source_scene *scene)
{
	OSSafeReleaseNULL(scene->target);
	OSSafeReleaseNULL(scene->queue);
	loop_destroy(scene->loop);
}

#endif
