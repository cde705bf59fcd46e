/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counting semaphores. One lock each, under which nothing is called; any thread. A thread of the
 * engine that waits says so, so that another one goes on with what others wait for.
 */
#include <pthread.h>

#include "clock.h"
#include "dispatch_object.h"
#include "log.h"

struct semaphore_part {
	pthread_mutex_t lock;
	pthread_cond_t raised;
	intptr_t value;	  /* [lock] */
	intptr_t waiting; /* [lock] threads */
};

static void finish(OSObject *object);

static const OSObjectMethods semaphore_methods = {
	.size = sizeof(OSObjectMethods),
	.free = finish,
};

static const OSMetaClass semaphore_class = {
	.size = sizeof(OSMetaClass),
	.name = "dispatch semaphore",
	.superclass = &dispatch_object_class,
	.ivars_size = sizeof(struct semaphore_part),
	.object = &semaphore_methods,
};

static struct semaphore_part *
part_of(const void *semaphore, const char *function)
{
	if (semaphore == NULL)
		log_abort("%s: semaphore is NULL", function);
	return OSMetaClass_ivars(&semaphore_class, semaphore);
}

static void
finish(OSObject *object)
{
	struct semaphore_part *part = part_of(object, "dispatch_release");

	pthread_cond_destroy(&part->raised);
	pthread_mutex_destroy(&part->lock);
	dispatch_object_class.object->free(object);
}

dispatch_semaphore_t
dispatch_semaphore_create(intptr_t value)
{
	OSObject *object;

	if (value < 0) {
		log_error("dispatch_semaphore_create: value is below 0");
		return NULL;
	}
	object = object_create_of(&semaphore_class);
	if (object == NULL)
		return NULL;
	pthread_mutex_init(&part_of(object, "")->lock, NULL);
	time_init_cond(&part_of(object, "")->raised);
	part_of(object, "")->value = value;
	return (dispatch_semaphore_t)object;
}

/* False: the time is over. */
static bool
lower(struct semaphore_part *part, uint64_t deadline)
{
	bool lowered;

	pthread_mutex_lock(&part->lock);
	part->waiting++;
	while (part->value == 0 && time_wait(&part->raised, &part->lock, deadline))
		;
	part->waiting--;
	lowered = part->value > 0;
	if (lowered)
		part->value--;
	pthread_mutex_unlock(&part->lock);
	return lowered;
}

intptr_t
dispatch_semaphore_wait(dispatch_semaphore_t semaphore, dispatch_time_t timeout)
{
	struct semaphore_part *part = part_of(semaphore, "dispatch_semaphore_wait");
	bool lowered;

	if (lower(part, 0))
		return 0;
	if (timeout == DISPATCH_TIME_NOW)
		return -1;
	OSRetain(semaphore);
	engine_will_block();
	lowered = lower(part, time_deadline(timeout));
	engine_did_block();
	OSRelease(semaphore);
	return lowered ? 0 : -1;
}

intptr_t
dispatch_semaphore_signal(dispatch_semaphore_t semaphore)
{
	struct semaphore_part *part = part_of(semaphore, "dispatch_semaphore_signal");
	bool wakes;

	pthread_mutex_lock(&part->lock);
	part->value++;
	wakes = part->waiting > 0;
	if (wakes)
		pthread_cond_signal(&part->raised);
	pthread_mutex_unlock(&part->lock);
	return wakes;
}
