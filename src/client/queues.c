/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of mapped memory that may be a data queue, and IOConnectSetNotificationPort.
 *
 * The table has every mapping of a connection, sorted by address, since a driver may also have made
 * a queue of the classic layout by hand. Of these the capacity is what the header says, if that
 * lies inside the mapping, and is read once, when the queue is used first. Of a queue that the host
 * knows it follows from the length of the mapping. An entry is there from before the app learns the
 * address until just before the memory is unmapped.
 *
 * The lock is a leaf. A connection is not retained by its entries: it removes them before it goes.
 */
#include "queues.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "connection_private.h"
#include "errno_kept.h"
#include "log.h"
#include "object_table.h"
#include "port.h"
#include "slots.h"
#include "status.h"

#include <IOKit/IOKitLib.h>

struct entry {
	uint8_t *address;
	uint64_t length;
	struct connection *connection;
	const struct data_queue_layout *layout; /* NULL: the host does not know it as a queue */
	uint32_t capacity;			/* 0: not read yet */
	uint32_t ring;				/* what the host said, if it is a ring; 0: none */
	bool read_only;
	bool overran;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	struct entry *entries; /* [lock] by address */
	size_t count, size;
} table;

/* The first entry that is not below the address. */
static size_t
place_locked(const void *address)
{
	size_t low = 0, high = table.count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if ((uintptr_t)table.entries[middle].address < (uintptr_t)address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct entry *
find_locked(const void *address)
{
	size_t at = place_locked(address);

	return at < table.count && table.entries[at].address == address ? &table.entries[at] : NULL;
}

static const struct data_queue_layout *
layout_of(uint32_t flags)
{
	if (flags & CALL_QUEUE_CLASSIC)
		return &data_queue_classic;
	return flags & CALL_QUEUE_DISPATCH ? &data_queue_dispatch : NULL;
}

static bool
grow_locked(void)
{
	size_t size = table.size == 0 ? 16 : table.size * 2;
	struct entry *grown;

	if (table.count < table.size)
		return true;
	grown = realloc(table.entries, size * sizeof(*grown));
	if (grown == NULL)
		return false;
	table.entries = grown;
	table.size = size;
	return true;
}

IOReturn
queues_add(struct connection *connection, void *address, uint64_t length, bool read_only,
	   uint32_t flags)
{
	const struct data_queue_layout *layout = layout_of(flags);
	struct data_queue queue = {0};
	struct shared_ring_shape shape;
	bool room;
	size_t at;

	if ((flags & CALL_QUEUE_RING) &&
	    (!shared_ring_from_flags(flags, &shape) || shared_ring_length(&shape) > length)) {
		log_error("memory of %llu bytes is no ring, as the host says it is",
			  (unsigned long long)length);
		return kIOReturnError;
	}
	if (layout != NULL && !data_queue_adopt(&queue, layout, address, length)) {
		log_error("memory of %llu bytes is no data queue, as the host says it is",
			  (unsigned long long)length);
		return kIOReturnError;
	}
	pthread_mutex_lock(&lock);
	room = grow_locked();
	if (room) {
		at = place_locked(address);
		memmove(&table.entries[at + 1], &table.entries[at],
			(table.count++ - at) * sizeof(*table.entries));
		table.entries[at] = (struct entry){
			.address = address,
			.length = length,
			.connection = connection,
			.read_only = read_only,
			.layout = layout,
			.capacity = queue.capacity,
			.ring = flags & CALL_QUEUE_RING ? flags : 0,
		};
	}
	pthread_mutex_unlock(&lock);
	return room ? kIOReturnSuccess : kIOReturnNoMemory;
}

void
queues_remove(void *address)
{
	size_t at;

	pthread_mutex_lock(&lock);
	at = place_locked(address);
	if (at < table.count && table.entries[at].address == address)
		memmove(&table.entries[at], &table.entries[at + 1],
			(--table.count - at) * sizeof(*table.entries));
	pthread_mutex_unlock(&lock);
}

/* What the header says, once; 0 if that is nonsense. The driver's hand-made queue may have no
 * appendix. */
static uint32_t
read_capacity(const void *address, uint64_t length)
{
	uint32_t capacity;

	if (length < data_queue_classic.header + DATA_QUEUE_ENTRY_HEADER)
		return 0;
	memcpy(&capacity, (const uint8_t *)address + data_queue_classic.capacity, sizeof(capacity));
	__asm__ volatile("" : "+r"(capacity));
	if (capacity < DATA_QUEUE_ENTRY_HEADER || capacity > DEXT_DATA_QUEUE_MAX ||
	    capacity > length - data_queue_classic.header)
		return 0;
	return capacity;
}

static IOReturn
fill_locked(struct entry *entry, struct queue_ends *ends)
{
	if (connection_is_inherited(entry->connection))
		return MACH_SEND_INVALID_DEST;
	if (entry->ring != 0)
		return kIOReturnError;
	if (entry->capacity == 0)
		entry->capacity = read_capacity(entry->address, entry->length);
	if (entry->capacity == 0)
		return kIOReturnError;
	connection_retain(entry->connection);
	ends->connection = entry->connection;
	ends->linked = entry->layout != NULL;
	ends->read_only = entry->read_only;
	ends->overran = entry->overran;
	ends->queue = (struct data_queue){
		.layout = entry->layout != NULL ? entry->layout : &data_queue_classic,
		.memory = entry->address,
		.capacity = entry->capacity,
	};
	return kIOReturnSuccess;
}

IOReturn
queues_find(void *address, struct queue_ends *ret_ends)
{
	struct queue_ends ends = {
		.queue = {.layout = &data_queue_classic, .memory = address},
	};
	IOReturn res = kIOReturnSuccess;
	struct entry *entry;

	pthread_mutex_lock(&lock);
	entry = find_locked(address);
	if (entry != NULL)
		res = fill_locked(entry, &ends);
	pthread_mutex_unlock(&lock);
	if (entry == NULL) {
		ends.queue.capacity = read_capacity(address, UINT64_MAX);
		if (ends.queue.capacity == 0)
			res = kIOReturnError;
	}
	if (res == kIOReturnSuccess)
		*ret_ends = ends;
	return res;
}

IOReturn
queues_find_ring(void *address, struct shared_ring_shape *ret_shape)
{
	IOReturn res = kIOReturnUnsupported;
	const struct entry *entry;

	pthread_mutex_lock(&lock);
	entry = find_locked(address);
	if (entry != NULL && entry->ring != 0 && !entry->read_only &&
	    shared_ring_from_flags(entry->ring, ret_shape))
		res = kIOReturnSuccess;
	pthread_mutex_unlock(&lock);
	return res;
}

void
queue_ends_release(struct queue_ends *ends)
{
	if (ends->connection != NULL)
		connection_release(ends->connection);
}

void
queues_set_overran(const struct queue_ends *ends, bool overran)
{
	struct entry *entry;

	pthread_mutex_lock(&lock);
	entry = find_locked(ends->queue.memory);
	if (entry != NULL)
		entry->overran = overran;
	pthread_mutex_unlock(&lock);
}

void
queues_fork_prepare(void)
{
	pthread_mutex_lock(&lock);
}

void
queues_fork_done(void)
{
	pthread_mutex_unlock(&lock);
}

/* --- the notification port --- */

/* One call without anything but its type and, perhaps, a registration. */
static IOReturn
listen(struct connection *connection, struct call_request *request)
{
	struct call_reply reply;
	bool answered;
	unsigned slot;
	IOReturn status = slot_take(connection, 0, &slot, &request->generation);

	if (status != kIOReturnSuccess) {
		if (request->flags & CALL_ASYNC)
			ring_unregister(connection, request->async_index,
					request->async_generation);
		return status;
	}
	status = slot_call(connection, slot, request, 0, &reply, &answered);
	if (answered)
		slot_give_back(connection, slot);
	return status;
}

static IOReturn
set_port(struct connection *connection, uint32_t type, struct port *port)
{
	struct call_request request = {.operation = CALL_LISTEN, .selector = type};
	IOReturn status = connection_status(connection);

	if (status == kIOReturnSuccess && port != NULL) {
		status = ring_register_queue(connection, port, &request.async_index,
					     &request.async_generation);
		request.flags = CALL_ASYNC;
	}
	return status == kIOReturnSuccess ? listen(connection, &request) : status;
}

kern_return_t
IOConnectSetNotificationPort(io_connect_t connect, uint32_t type, mach_port_t port,
			     uintptr_t reference)
{
	ERRNO_KEPT;
	struct connection *connection;
	struct port *inside = NULL;
	IOReturn status;

	if (port != MACH_PORT_NULL) {
		inside = port_copy(port);
		if (inside == NULL) {
			log_error("IOConnectSetNotificationPort: port 0x%x is no port of this "
				  "process",
				  port);
			return MACH_SEND_INVALID_RIGHT;
		}
	}
	connection = object_copy_connection(connect);
	status = connection == NULL ? object_refusal(connect) : set_port(connection, type, inside);
	if (connection != NULL)
		connection_release(connection);
	if (inside != NULL)
		port_release(inside);
	if (status != kIOReturnSuccess && status != MACH_SEND_INVALID_DEST)
		log_error("IOConnectSetNotificationPort of type %u: %s", type,
			  status_string(status));
	return status;
}
