/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory types of a user client: CopyClientMemoryForType, the limits, and sending the memory.
 *
 * The host remembers what an app has mapped so that the memory stays for as long as the app may use
 * it, whatever the driver does with its own reference. The same memory under the same type counts
 * once. At most one MEMORY is unacknowledged, be it by a packet or in the call page; calls whose
 * turn has not come wait in order, still unanswered.
 *
 * maps_map and maps_unmap run on the user client's Default queue, the rest on any thread. A
 * driver's queue does not wait for the pages of much memory: they are made on another queue, one
 * such call at a time, and then the call goes on where it was.
 */
#include "connection.h"

#include <stdlib.h>
#include <string.h>

#include "bound_settings.h"
#include "descriptor.h"
#include "hang.h"
#include "log.h"
#include "mapped_source.h"
#include "record_client.h"
#include "service.h"
#include "status.h"

#define POPULATE_HERE (UINT64_C(4) << 20) /* bytes whose pages are made in 2 ms */

static IODispatchQueue *populating; /* [const] while there are connections */

/* Types mapped in this process, over all clients. */
static pthread_mutex_t host_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned host_count; /* [host_lock] */

/* Those that are kept for each client. */
static uint64_t
kept(void)
{
	uint64_t most = limit_of(LIMIT_BUFFERS_HOST) / 2 / limit_of(LIMIT_CONNECTIONS);

	return most < DEXT_LIMIT_BUFFERS_KEPT ? most : DEXT_LIMIT_BUFFERS_KEPT;
}

/* One more for a client that has `count`. */
static bool
host_add(size_t count)
{
	uint64_t most = limit_of(LIMIT_BUFFERS_HOST), few = kept();
	bool room;

	/* What clients have beyond that leaves as much as all of them may have of it. */
	if (count >= few)
		most -= few * limit_of(LIMIT_CONNECTIONS);
	pthread_mutex_lock(&host_lock);
	room = host_count < most;
	if (room)
		host_count++;
	pthread_mutex_unlock(&host_lock);
	return room;
}

static void
host_remove(void)
{
	pthread_mutex_lock(&host_lock);
	host_count--;
	pthread_mutex_unlock(&host_lock);
}

/* Index of the map; the count if there is none. memory NULL: any of that type. [maps.lock] */
static size_t
find_locked(struct connection *c, uint64_t type, const IOMemoryDescriptor *memory)
{
	size_t i = 0;

	while (i < c->maps.count && (c->maps.list[i].type != type ||
				     (memory != NULL && c->maps.list[i].memory != memory)))
		i++;
	return i;
}

/* [maps.lock] */
static const char *
append_locked(struct connection *c, uint64_t type, IOMemoryDescriptor *memory, uint64_t length,
	      IODispatchSource *queue)
{
	if (c->maps.count >= limit_of(LIMIT_BUFFERS_CLIENT))
		return limit_named(LIMIT_BUFFERS_CLIENT);
	if (length > limit_of(LIMIT_MAPPED_BYTES) - c->maps.bytes)
		return limit_named(LIMIT_MAPPED_BYTES);
	if (c->maps.count == c->maps.capacity) {
		size_t capacity = c->maps.capacity == 0 ? 16 : 2 * c->maps.capacity;
		struct map *grown = realloc(c->maps.list, capacity * sizeof(*grown));

		if (grown == NULL)
			return "memory of the host";
		c->maps.list = grown;
		c->maps.capacity = capacity;
	}
	if (!host_add(c->maps.count))
		return limit_named(LIMIT_BUFFERS_HOST);
	OSRetain(memory);
	c->maps.list[c->maps.count++] = (struct map){type, length, memory, queue};
	c->maps.bytes += length;
	if (queue != NULL) {
		c->maps.changes++;
		atomic_fetch_add_explicit(&c->maps.queues, 1, memory_order_relaxed);
	}
	if (recorder_is_on())
		record_maps_locked(c);
	return NULL;
}

/* *ret_added: it was not there before. *ret_queue: CALL_QUEUE_x, or 0. */
static IOReturn
add(struct connection *c, uint64_t type, IOMemoryDescriptor *memory, bool *ret_added,
    uint32_t *ret_queue)
{
	uint64_t length = memory_length(memory);
	IODispatchSource *queue;
	const char *limit = NULL;
	IOReturn res = queues_claim(c, type, memory, &queue);

	*ret_added = false;
	if (res != kIOReturnSuccess)
		return res;
	*ret_queue = mapped_source_flags(queue);
	pthread_mutex_lock(&c->maps.lock);
	if (c->maps.closed) {
		res = kIOReturnOffline;
	} else if (find_locked(c, type, memory) == c->maps.count) {
		limit = append_locked(c, type, memory, length, queue);
		*ret_added = limit == NULL;
	}
	pthread_mutex_unlock(&c->maps.lock);
	if (!*ret_added)
		queues_disown_take(c, queue);
	if (limit == NULL)
		return res;
	log_error("process %d: type %llu is not mapped: the limit is reached: %s", c->who.pid,
		  (unsigned long long)type, limit);
	return kIOReturnNoResources;
}

/* False: no such map. */
static bool
take_away(struct connection *c, uint64_t type, const IOMemoryDescriptor *memory)
{
	IODispatchSource *queue = NULL;
	IOMemoryDescriptor *held = NULL;
	size_t i;

	pthread_mutex_lock(&c->maps.lock);
	i = find_locked(c, type, memory);
	if (i < c->maps.count) {
		held = c->maps.list[i].memory;
		queue = c->maps.list[i].queue;
		if (queue != NULL) {
			c->maps.changes++;
			atomic_fetch_sub_explicit(&c->maps.queues, 1, memory_order_relaxed);
		}
		c->maps.bytes -= c->maps.list[i].length;
		c->maps.list[i] = c->maps.list[--c->maps.count];
		if (recorder_is_on())
			record_maps_locked(c);
	}
	pthread_mutex_unlock(&c->maps.lock);
	if (held == NULL)
		return false;
	host_remove();
	queues_disown_take(c, queue);
	OSRelease(held);
	return true;
}

/* The driver's memory for the call's type, +1. */
static IOReturn
ask(struct call *call, IOMemoryDescriptor **ret_memory, bool *ret_read_only)
{
	IOUserClient *client = call->client;
	uint64_t options = 0, type = call->request.selector;
	IOMemoryDescriptor *memory = NULL;
	struct hang_mark mark =
		hang_begin(OSObject_GetClassName(client), "CopyClientMemoryForType", type);
	IOReturn res = IOUserClient_CopyClientMemoryForType(client, type, &options, &memory);

	hang_end(mark);
	if (res != kIOReturnSuccess) {
		log_info("%s: type %llu: CopyClientMemoryForType: %s",
			 OSObject_GetClassName(client), (unsigned long long)type,
			 status_string(res));
		return res;
	}
	if (memory == NULL) {
		log_error("%s: type %llu: CopyClientMemoryForType succeeded without memory",
			  OSObject_GetClassName(client), (unsigned long long)type);
		return kIOReturnBadArgument;
	}
	*ret_memory = memory;
	*ret_read_only = (options & kIOUserClientMemoryReadOnly) != 0;
	return kIOReturnSuccess;
}

void
maps_populate_on(IODispatchQueue *queue)
{
	if (queue != NULL)
		OSRetain(queue);
	OSSafeReleaseNULL(populating);
	populating = queue;
}

static void
give_up(struct call *call, IOReturn status)
{
	if (call->added)
		take_away(call->connection, call->request.selector, call->memory);
	call_answer(call, status, 0, 0, 0);
}

/* On the user client's Default queue, since a window is split off here. */
static void
hand_over(struct call *call)
{
	struct memory_segment segments[kIOMemoryDescriptorMaxSegments];
	uint32_t count;
	IOReturn res = memory_hand_over(
		call->memory, call->read_only ? MEMFD_READONLY : MEMFD_WRITABLE, segments, &count);

	if (res != kIOReturnSuccess)
		give_up(call, res);
	else
		maps_send(call);
}

static void
run_hand_over(struct work *work)
{
	struct call *call = call_of(work);

	if (connection_has_ended(call->connection))
		give_up(call, kIOReturnOffline);
	else
		hand_over(call);
}

static void
dropped(struct work *work)
{
	give_up(call_of(work), kIOReturnOffline);
}

static void
run_populate(struct work *work)
{
	struct call *call = call_of(work);
	IODispatchQueue *queue = service_copy_queue((IOService *)call->client, false);

	/* What cannot be had is the hand-over's to say. */
	if (!connection_has_ended(call->connection))
		memory_populate(call->memory);
	*work = (struct work){.run = run_hand_over, .dropped = dropped};
	if (queue != NULL)
		queue_post(queue, work);
	else
		run_hand_over(work);
	OSRelease(queue);
}

void
maps_map(struct call *call)
{
	struct connection *c = call->connection;
	IOReturn res = ask(call, &call->memory, &call->read_only);

	call->queue = 0;
	call->added = false;
	if (res == kIOReturnSuccess)
		res = add(c, call->request.selector, call->memory, &call->added, &call->queue);
	if (res != kIOReturnSuccess) {
		call_answer(call, res, 0, 0, 0);
	} else if (populating != NULL && memory_unpopulated(call->memory) > POPULATE_HERE) {
		call->work = (struct work){.run = run_populate, .dropped = dropped};
		queue_post(populating, &call->work);
	} else {
		hand_over(call);
	}
}

IOReturn
maps_copy_queue(struct call *call, IODispatchSource **ret_queue)
{
	IOMemoryDescriptor *memory = NULL;
	bool read_only, added;
	uint32_t queue = 0;
	IOReturn res = ask(call, &memory, &read_only);

	if (res != kIOReturnSuccess)
		return res;
	*ret_queue = mapped_source_copy_of(memory);
	if (*ret_queue == NULL)
		res = kIOReturnUnsupported;
	else
		res = add(call->connection, call->request.selector, memory, &added, &queue);
	OSRelease(memory);
	if (res != kIOReturnSuccess)
		OSSafeReleaseNULL(*ret_queue);
	return res;
}

void
maps_unmap(struct call *call)
{
	struct connection *c = call->connection;
	uint64_t type = call->request.selector;
	IOMemoryDescriptor *memory = NULL;
	bool read_only, found = false;

	/* A driver that has forgotten the memory, or brings another, must not keep it mapped. */
	if (ask(call, &memory, &read_only) == kIOReturnSuccess)
		found = take_away(c, type, memory);
	OSRelease(memory);
	if (!found)
		found = take_away(c, type, NULL);
	call_answer(call, found ? kIOReturnSuccess : kIOReturnBadArgument, 0, 0, 0);
}

/* [socket_lock] */
static IOReturn
send_locked(struct connection *c, struct call *call, const struct memory_segment *segments,
	    uint32_t count)
{
	struct {
		struct memory_body body;
		struct memory_segment_body segments[kIOMemoryDescriptorMaxSegments];
	} message = {.body = {call->slot, call->generation, count, 0}};
	struct packet_header header = {.type = PACKET_MEMORY, .sequence = c->sequence + 1};
	int fds[kIOMemoryDescriptorMaxSegments];
	IOReturn res;

	for (uint32_t i = 0; i < count; i++) {
		fds[i] = segments[i].fd;
		message.segments[i].offset = segments[i].offset;
		message.segments[i].length = segments[i].length;
	}
	res = packet_send(c->socket, &header, &message,
			  sizeof(message.body) + count * sizeof(message.segments[0]), fds, count,
			  false);
	if (res == kIOReturnSuccess) {
		c->sequence++;
		c->unacknowledged = true;
	}
	return res == kIOReturnBusy ? kIOReturnNoResources : res;
}

/* [socket_lock] */
static bool
is_unacknowledged_locked(struct connection *c)
{
	/* Pairs with the store in the client's acknowledge, which comes before its next map call.
	 * An app that says so too soon has as much unread as with an ACK in advance: a socket full.
	 */
	if (c->unacknowledged && atomic_load_explicit(&c->page.page->received.sequence,
						      memory_order_acquire) == c->sequence)
		c->unacknowledged = false;
	return c->unacknowledged;
}

/* *ret_waits: the call waits for an acknowledgement and must not be touched any more. */
static IOReturn
send_or_wait(struct connection *c, struct call *call, const struct memory_segment *segments,
	     uint32_t count, bool *ret_waits)
{
	struct call **place = &c->unsent;
	IOReturn res = kIOReturnSuccess;

	pthread_mutex_lock(&c->socket_lock);
	*ret_waits = false;
	if (c->socket < 0 || c->sending_over) {
		res = kIOReturnOffline;
	} else if (is_unacknowledged_locked(c)) {
		while (*place != NULL)
			place = &(*place)->next;
		call->next = NULL;
		*place = call;
		*ret_waits = true;
	} else {
		res = send_locked(c, call, segments, count);
	}
	pthread_mutex_unlock(&c->socket_lock);
	return res;
}

/* One call's MEMORY and answer. False: it waits for an acknowledgement, or was sent. */
static bool
fails(struct connection *c, struct call *call)
{
	struct memory_segment segments[kIOMemoryDescriptorMaxSegments];
	IOMemoryDescriptor *memory = call->memory;
	uint64_t type = call->request.selector;
	bool waits = false;
	uint32_t count;
	IOReturn res = memory_hand_over(memory, call->read_only ? MEMFD_READONLY : MEMFD_WRITABLE,
					segments, &count);

	/* Of its own: a call that waits may be finished meanwhile. */
	OSRetain(memory);
	if (res == kIOReturnSuccess)
		res = send_or_wait(c, call, segments, count, &waits);
	if (!waits) {
		if (res != kIOReturnSuccess && call->added)
			take_away(c, type, memory);
		call_answer(call, res, 0, 0, res == kIOReturnSuccess ? call->queue : 0);
	}
	OSRelease(memory);
	return !waits && res != kIOReturnSuccess;
}

/* The first call that waits, if nothing is unacknowledged. */
static struct call *
next_unsent(struct connection *c)
{
	struct call *call = NULL;

	pthread_mutex_lock(&c->socket_lock);
	if (c->unsent != NULL && !is_unacknowledged_locked(c)) {
		call = c->unsent;
		c->unsent = call->next;
	}
	pthread_mutex_unlock(&c->socket_lock);
	return call;
}

void
maps_send(struct call *call)
{
	struct connection *c = call->connection;

	connection_retain(c);
	/* What could not be sent brings no acknowledgement, which would call the next one up. */
	while (call != NULL && fails(c, call))
		call = next_unsent(c);
	connection_release(c);
}

bool
maps_acknowledged_locked(struct connection *c, uint32_t sequence, struct call **ret_next)
{
	if (!c->unacknowledged || sequence != c->sequence)
		return false;
	c->unacknowledged = false;
	*ret_next = c->unsent;
	if (c->unsent != NULL)
		c->unsent = c->unsent->next;
	return true;
}

void
maps_drop_unsent(struct connection *c)
{
	for (;;) {
		struct call *call;

		pthread_mutex_lock(&c->socket_lock);
		c->sending_over = true;
		call = c->unsent;
		if (call != NULL)
			c->unsent = call->next;
		pthread_mutex_unlock(&c->socket_lock);
		if (call == NULL)
			return;
		call_answer(call, kIOReturnOffline, 0, 0, 0);
	}
}

void
maps_close(struct connection *c)
{
	struct map *list;
	size_t count;

	pthread_mutex_lock(&c->maps.lock);
	list = c->maps.list;
	count = c->maps.count;
	c->maps.list = NULL;
	c->maps.count = c->maps.capacity = 0;
	c->maps.bytes = 0;
	if (count > 0 && recorder_is_on())
		record_maps_locked(c);
	c->maps.changes++;
	atomic_store_explicit(&c->maps.queues, 0, memory_order_relaxed);
	c->maps.closed = true;
	pthread_mutex_unlock(&c->maps.lock);
	for (size_t i = 0; i < count; i++) {
		host_remove();
		queues_disown_take(c, list[i].queue);
		OSRelease(list[i].memory);
	}
	free(list);
}
