/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Iterators. One lock for all of them, held for a few instructions and never over a question to the
 * registry: what has been asked for is put in afterwards. It is a leaf. A watch has its own.
 */
#include "iterator.h"

#include <pthread.h>
#include <stdlib.h>

#include "object_table.h"
#include "registry.h"
#include "watch.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct frame {
	uint64_t *ids;
	size_t count;
	size_t next;
	struct frame *outer; /* what EnterEntry left */
};

struct iterator {
	unsigned references;	      /* [lock] */
	OSDictionary *matching;	      /* [const] NULL: a relation */
	uint64_t id;		      /* [const] of the entry where it starts */
	enum plane plane;	      /* [const] */
	enum entry_relation relation; /* [const] */
	struct frame *top;	      /* [lock] never NULL, but with a watch */
	struct watch *watch;	      /* [const] of a notification, which has nothing else */
	io_service_t service;	      /* [const] +1, of a notification */
};

static void
free_frames(struct frame *frame)
{
	while (frame != NULL) {
		struct frame *outer = frame->outer;

		free(frame->ids);
		free(frame);
		frame = outer;
	}
}

static IOReturn
ask(const struct iterator *iterator, uint64_t id, struct frame **ret_frame)
{
	struct frame *frame = calloc(1, sizeof(*frame));
	IOReturn status;

	if (frame == NULL)
		return kIOReturnNoMemory;
	if (iterator->matching != NULL)
		status = registry_lookup_all(iterator->matching, &frame->ids, &frame->count);
	else
		status = registry_entries(id, iterator->plane, iterator->relation, &frame->ids,
					  &frame->count);
	if (status != kIOReturnSuccess) {
		free_frames(frame);
		return status;
	}
	*ret_frame = frame;
	return kIOReturnSuccess;
}

static IOReturn
create(const struct iterator *model, struct iterator **ret_iterator)
{
	struct iterator *iterator = malloc(sizeof(*iterator));
	IOReturn status;

	if (iterator == NULL)
		return kIOReturnNoMemory;
	*iterator = *model;
	iterator->references = 1;
	status = ask(iterator, iterator->id, &iterator->top);
	if (status != kIOReturnSuccess) {
		free(iterator);
		return status;
	}
	OSRetain(iterator->matching);
	*ret_iterator = iterator;
	return kIOReturnSuccess;
}

IOReturn
iterator_create_matching(OSDictionary *matching, struct iterator **ret_iterator)
{
	const struct iterator model = {.matching = matching};

	return create(&model, ret_iterator);
}

IOReturn
iterator_create(uint64_t id, enum plane plane, enum entry_relation relation,
		struct iterator **ret_iterator)
{
	const struct iterator model = {.id = id, .plane = plane, .relation = relation};

	return create(&model, ret_iterator);
}

IOReturn
iterator_create_watch_take(struct watch *watch, io_service_t service,
			   struct iterator **ret_iterator)
{
	struct iterator *iterator = calloc(1, sizeof(*iterator));

	if (iterator == NULL)
		return kIOReturnNoMemory;
	iterator->references = 1;
	iterator->watch = watch;
	iterator->service = service;
	*ret_iterator = iterator;
	return kIOReturnSuccess;
}

struct watch *
iterator_watch(const struct iterator *iterator)
{
	return iterator->watch;
}

void
iterator_retain(struct iterator *iterator)
{
	pthread_mutex_lock(&lock);
	iterator->references++;
	pthread_mutex_unlock(&lock);
}

void
iterator_release(struct iterator *iterator)
{
	struct connection *connection; /* none: it is a service */
	bool last;

	pthread_mutex_lock(&lock);
	last = --iterator->references == 0;
	pthread_mutex_unlock(&lock);
	if (!last)
		return;
	if (iterator->watch != NULL)
		watch_destroy(iterator->watch);
	if (iterator->service != IO_OBJECT_NULL)
		object_release(iterator->service, &connection);
	free_frames(iterator->top);
	OSRelease(iterator->matching);
	free(iterator);
}

bool
iterator_next(struct iterator *iterator, uint64_t *ret_id)
{
	struct frame *frame;
	bool more;

	if (iterator->watch != NULL)
		return watch_next(iterator->watch, ret_id);
	pthread_mutex_lock(&lock);
	frame = iterator->top;
	more = frame->next < frame->count;
	if (more)
		*ret_id = frame->ids[frame->next++];
	pthread_mutex_unlock(&lock);
	return more;
}

IOReturn
iterator_reset(struct iterator *iterator)
{
	struct frame *frame = NULL, *old;
	IOReturn status;

	if (iterator->watch != NULL)
		return kIOReturnSuccess; /* as on macOS, nothing */
	status = ask(iterator, iterator->id, &frame);
	if (status != kIOReturnSuccess)
		return status;
	pthread_mutex_lock(&lock);
	old = iterator->top;
	iterator->top = frame;
	pthread_mutex_unlock(&lock);
	free_frames(old);
	return kIOReturnSuccess;
}

IOReturn
iterator_enter(struct iterator *iterator)
{
	struct frame *frame = NULL;
	uint64_t id = 0;
	IOReturn status;

	if (iterator->watch != NULL)
		return kIOReturnBadArgument;
	pthread_mutex_lock(&lock);
	if (iterator->matching == NULL && iterator->top->next > 0)
		id = iterator->top->ids[iterator->top->next - 1];
	pthread_mutex_unlock(&lock);
	if (id == 0)
		return kIOReturnBadArgument;
	status = ask(iterator, id, &frame);
	if (status != kIOReturnSuccess)
		return status;
	pthread_mutex_lock(&lock);
	frame->outer = iterator->top;
	iterator->top = frame;
	pthread_mutex_unlock(&lock);
	return kIOReturnSuccess;
}

IOReturn
iterator_exit(struct iterator *iterator)
{
	struct frame *left = NULL;

	if (iterator->watch != NULL)
		return kIOReturnNoDevice;
	pthread_mutex_lock(&lock);
	if (iterator->top->outer != NULL) {
		left = iterator->top;
		iterator->top = left->outer;
		left->outer = NULL;
	}
	pthread_mutex_unlock(&lock);
	free_frames(left);
	return left != NULL ? kIOReturnSuccess : kIOReturnNoDevice;
}

void
iterator_fork_prepare(void)
{
	pthread_mutex_lock(&lock);
}

void
iterator_fork_done(void)
{
	pthread_mutex_unlock(&lock);
}
