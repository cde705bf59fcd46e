/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data queues and rings that an app has mapped: whose they are, how the app is told, and looking at
 * them when the app has rung.
 *
 * A queue is found by its memory, when that is mapped. It belongs to the connection from then until
 * the last of its types is given back. The app is told through a registration like that of an
 * asynchronous call: CALL_LISTEN brings one, the queue keeps its completion, and the registration
 * ends when the app listens anew, gives the memory back, or goes.
 *
 * The app says nothing about which queue it has put something into: it rings, and the scan of its
 * connection looks at all that it has mapped.
 */
#include "connection.h"

#include "completion.h"
#include "log.h"
#include "mapped_source.h"

IOReturn
queues_claim(struct connection *c, uint64_t type, IOMemoryDescriptor *memory,
	     IODispatchSource **ret_queue)
{
	IODispatchSource *queue = mapped_source_copy_of(memory);

	*ret_queue = queue;
	if (queue == NULL || mapped_source_claim(queue, c) == kIOReturnSuccess)
		return kIOReturnSuccess;
	log_error("process %d: type %llu is not mapped: the data queue behind it is another "
		  "connection's; make one for each user client",
		  c->who.pid, (unsigned long long)type);
	OSRelease(queue);
	return kIOReturnExclusiveAccess;
}

void
queues_disown_take(struct connection *c, IODispatchSource *queue)
{
	if (queue == NULL)
		return;
	mapped_source_disown(queue, c);
	OSRelease(queue);
}

void
queues_listen(struct call *call)
{
	IODispatchSource *queue = NULL;
	IOReturn res = maps_copy_queue(call, &queue);

	if (res == kIOReturnSuccess)
		res = mapped_source_listen(queue, call->connection, call->completion,
					   completion_notify);
	if (res == kIOReturnUnsupported)
		log_error("%s: type %llu is no data queue: it has no notification port",
			  OSObject_GetClassName(call->client),
			  (unsigned long long)call->request.selector);
	OSRelease(queue);
	call_answer(call, res, 0, 0, 0);
}

/* The queue of the first map from *index on that has one, +1; NULL: there is none left. */
static IODispatchSource *
next_queue(struct connection *c, size_t *index, uint64_t *changes)
{
	IODispatchSource *queue = NULL;

	pthread_mutex_lock(&c->maps.lock);
	/* Places have changed: from the beginning, since looking twice does no harm. */
	if (*changes != c->maps.changes)
		*index = 0;
	*changes = c->maps.changes;
	while (queue == NULL && *index < c->maps.count)
		queue = c->maps.list[(*index)++].queue;
	OSRetain(queue);
	pthread_mutex_unlock(&c->maps.lock);
	return queue;
}

bool
queues_call_handlers(struct connection *c, bool inline_ok)
{
	IODispatchSource *queue;
	uint64_t changes = 0;
	bool any = false;
	size_t index = 0;

	/* A handler that runs here keeps this thread from the next queue, and from what it was
	 * left. */
	inline_ok &= atomic_load_explicit(&c->maps.queues, memory_order_relaxed) == 1 &&
		     !loop_has_deferred();
	while ((queue = next_queue(c, &index, &changes)) != NULL) {
		any |= mapped_source_look(queue, inline_ok);
		OSRelease(queue);
	}
	return any;
}
