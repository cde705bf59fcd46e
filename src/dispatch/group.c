/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups: a count of what is under way, who waits until it is 0, and what is called then. One lock
 * each, under which nothing is called; any thread. A group that is not empty keeps itself.
 */
#include <pthread.h>
#include <stdlib.h>

#include "clock.h"
#include "dispatch_object.h"
#include "log.h"

struct notice {
	dispatch_queue_t queue; /* +1 */
	void *context;
	dispatch_function_t function;
	struct notice *next;
};

struct group_part {
	pthread_mutex_t lock;
	pthread_cond_t emptied;
	size_t count;		/* [lock] enters without a leave */
	uint64_t turn;		/* [lock] how often it became empty */
	struct notice *notices; /* [lock] oldest first */
};

static void finish(OSObject *object);

static const OSObjectMethods group_methods = {
	.size = sizeof(OSObjectMethods),
	.free = finish,
};

static const OSMetaClass group_class = {
	.size = sizeof(OSMetaClass),
	.name = "dispatch group",
	.superclass = &dispatch_object_class,
	.ivars_size = sizeof(struct group_part),
	.object = &group_methods,
};

static struct group_part *
part_of(const void *group, const char *function)
{
	if (group == NULL)
		log_abort("%s: group is NULL", function);
	return OSMetaClass_ivars(&group_class, group);
}

static void
finish(OSObject *object)
{
	struct group_part *part = part_of(object, "dispatch_release");

	pthread_cond_destroy(&part->emptied);
	pthread_mutex_destroy(&part->lock);
	dispatch_object_class.object->free(object);
}

dispatch_group_t
dispatch_group_create(void)
{
	OSObject *object = object_create_of(&group_class);

	if (object == NULL)
		return NULL;
	pthread_mutex_init(&part_of(object, "")->lock, NULL);
	time_init_cond(&part_of(object, "")->emptied);
	return (dispatch_group_t)object;
}

void
dispatch_group_enter(dispatch_group_t group)
{
	struct group_part *part = part_of(group, "dispatch_group_enter");

	pthread_mutex_lock(&part->lock);
	if (part->count++ == 0)
		OSRetain(group);
	pthread_mutex_unlock(&part->lock);
}

static void
call_notices(struct notice *notice)
{
	while (notice != NULL) {
		struct notice *next = notice->next;

		dispatch_async_f(notice->queue, notice->context, notice->function);
		dispatch_release(notice->queue);
		free(notice);
		notice = next;
	}
}

void
dispatch_group_leave(dispatch_group_t group)
{
	struct group_part *part = part_of(group, "dispatch_group_leave");
	struct notice *notices = NULL;
	bool emptied;

	pthread_mutex_lock(&part->lock);
	if (part->count == 0)
		log_abort("dispatch_group_leave: more leaves than enters");
	emptied = --part->count == 0;
	if (emptied) {
		notices = part->notices;
		part->notices = NULL;
		part->turn++;
		pthread_cond_broadcast(&part->emptied);
	}
	pthread_mutex_unlock(&part->lock);
	call_notices(notices);
	if (emptied)
		OSRelease(group);
}

intptr_t
dispatch_group_wait(dispatch_group_t group, dispatch_time_t timeout)
{
	struct group_part *part = part_of(group, "dispatch_group_wait");
	uint64_t deadline = time_deadline(timeout);
	uint64_t turn;
	bool over = false;
	bool empty;

	OSRetain(group);
	engine_will_block();
	pthread_mutex_lock(&part->lock);
	turn = part->turn;
	/* It may have been empty and used again before this thread looks. */
	while (part->count > 0 && part->turn == turn && !over)
		over = timeout == DISPATCH_TIME_NOW ||
		       !time_wait(&part->emptied, &part->lock, deadline);
	empty = part->count == 0 || part->turn != turn;
	pthread_mutex_unlock(&part->lock);
	engine_did_block();
	OSRelease(group);
	return empty ? 0 : -1;
}

void
dispatch_group_notify_f(dispatch_group_t group, dispatch_queue_t queue, void *context,
			dispatch_function_t function)
{
	struct group_part *part = part_of(group, "dispatch_group_notify");
	struct notice *notice = malloc(sizeof(*notice));
	struct notice **link = &part->notices;

	if (notice == NULL)
		log_abort("dispatch_group_notify: out of memory");
	*notice = (struct notice){.queue = queue, .context = context, .function = function};
	dispatch_retain(queue);
	pthread_mutex_lock(&part->lock);
	if (part->count > 0) {
		while (*link != NULL)
			link = &(*link)->next;
		*link = notice;
		notice = NULL;
	}
	pthread_mutex_unlock(&part->lock);
	call_notices(notice);
}

/* --- blocks in a group --- */

struct member {
	dispatch_group_t group;
	void *context;
	dispatch_function_t function;
};

static void
run_member(void *context)
{
	struct member member = *(struct member *)context;

	free(context);
	member.function(member.context);
	dispatch_group_leave(member.group);
}

void
dispatch_group_async_f(dispatch_group_t group, dispatch_queue_t queue, void *context,
		       dispatch_function_t function)
{
	struct member *member = malloc(sizeof(*member));

	if (member == NULL)
		log_abort("dispatch_group_async: out of memory");
	*member = (struct member){.group = group, .context = context, .function = function};
	dispatch_group_enter(group);
	dispatch_async_f(queue, member, run_member);
}
