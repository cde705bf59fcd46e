/* SPDX-License-Identifier: Apache-2.0 */
/* The app's own values of a queue, by key. One lock for each queue, under which nothing is called.
 */
#include <pthread.h>
#include <stdlib.h>

#include "dispatch_object.h"
#include "log.h"

struct specific {
	const void *key;
	void *context;
	dispatch_function_t destructor;
	struct specific *next;
};

static void
destroy(const struct specific *specific)
{
	if (specific->destructor != NULL && specific->context != NULL)
		async_on(engine_global_queue(2), true, specific->context, specific->destructor);
}

static struct specific **
find_locked(struct queue_part *part, const void *key)
{
	struct specific **link = &part->specifics;

	while (*link != NULL && (*link)->key != key)
		link = &(*link)->next;
	return link;
}

void
dispatch_queue_set_specific(dispatch_queue_t queue, const void *key, void *context,
			    dispatch_function_t destructor)
{
	struct queue_part *part = queue_part_of(queue_of(queue, "dispatch_queue_set_specific"));
	struct specific *made = context != NULL ? malloc(sizeof(*made)) : NULL;
	struct specific *before;
	struct specific **link;

	if (key == NULL || (context != NULL && made == NULL))
		log_abort("dispatch_queue_set_specific: %s",
			  key == NULL ? "key is NULL" : "out of memory");
	pthread_mutex_lock(&part->lock);
	link = find_locked(part, key);
	before = *link;
	if (before != NULL)
		*link = before->next;
	if (made != NULL) {
		*made = (struct specific){key, context, destructor, part->specifics};
		part->specifics = made;
	}
	pthread_mutex_unlock(&part->lock);
	if (before != NULL)
		destroy(before);
	free(before);
}

static void *
get(IODispatchQueue *queue, const void *key)
{
	struct queue_part *part = queue_part_of(queue);
	struct specific *found;
	void *context;

	pthread_mutex_lock(&part->lock);
	found = *find_locked(part, key);
	context = found != NULL ? found->context : NULL;
	pthread_mutex_unlock(&part->lock);
	return context;
}

void *
dispatch_queue_get_specific(dispatch_queue_t queue, const void *key)
{
	return get(queue_of(queue, "dispatch_queue_get_specific"), key);
}

void *
dispatch_get_specific(const void *key)
{
	void *context = NULL;

	for (IODispatchQueue *at = queue_innermost(); at != NULL && context == NULL;
	     at = queue_target(at))
		context = get(at, key);
	return context;
}

void
specifics_end(struct queue_part *part)
{
	while (part->specifics != NULL) {
		struct specific *first = part->specifics;

		part->specifics = first->next;
		destroy(first);
		free(first);
	}
}
