/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The IODataQueue functions: the engine of data queues on whatever memory the app names.
 *
 * The producer's ring to the host and its message to a port of this process come after the entry is
 * published; both only if the consumer had taken everything before, or after an overrun.
 */
#include <IOKit/IODataQueueClient.h>

#include <string.h>

#include "connection_private.h"
#include "errno_kept.h"
#include "log.h"
#include "port.h"
#include "queues.h"

#include <IOKit/IOKitLib.h>
#include <mach/mach.h>

_Static_assert(sizeof(IODataQueueAppendix) == 28, "layout");
_Static_assert(sizeof(IODataQueueMemory) - sizeof(IODataQueueEntry) == 12, "layout");

static IOReturn
find(const char *function, IODataQueueMemory *memory, struct queue_ends *ret_ends)
{
	if (memory == NULL) {
		log_error("%s: dataQueue is NULL", function);
		return kIOReturnBadArgument;
	}
	return queues_find(memory, ret_ends);
}

Boolean
IODataQueueDataAvailable(IODataQueueMemory *dataQueue)
{
	struct queue_ends ends;
	bool available;

	if (dataQueue == NULL || queues_find(dataQueue, &ends) != kIOReturnSuccess)
		return false;
	available = data_queue_is_available(&ends.queue);
	queue_ends_release(&ends);
	return available;
}

IODataQueueEntry *
IODataQueuePeek(IODataQueueMemory *dataQueue)
{
	struct data_queue_entry entry;
	struct queue_ends ends;
	IOReturn res = find("IODataQueuePeek", dataQueue, &ends);

	if (res != kIOReturnSuccess)
		return NULL;
	res = data_queue_peek(&ends.queue, &entry);
	queue_ends_release(&ends);
	if (res != kIOReturnSuccess)
		return NULL;
	return (IODataQueueEntry *)(void *)(entry.data - DATA_QUEUE_ENTRY_HEADER);
}

/* The same, to write to it. */
static IOReturn
find_writable(const char *function, IODataQueueMemory *memory, struct queue_ends *ret_ends)
{
	IOReturn res = find(function, memory, ret_ends);

	if (res != kIOReturnSuccess || !ret_ends->read_only)
		return res;
	log_error("%s: the queue is mapped read-only", function);
	queue_ends_release(ret_ends);
	return kIOReturnBadArgument;
}

static IOReturn
dequeue(const struct queue_ends *ends, void *data, uint32_t *size)
{
	struct data_queue_entry entry;
	IOReturn res = data_queue_peek(&ends->queue, &entry);
	uint32_t room;

	if (res != kIOReturnSuccess)
		return res;
	room = size != NULL ? *size : 0;
	if (size != NULL)
		*size = entry.size;
	if (data != NULL && entry.size > room)
		return kIOReturnNoSpace;
	if (data != NULL)
		memcpy(data, entry.data, entry.size);
	/* The producer waits for room, in the driver. */
	if (data_queue_consume(&ends->queue, &entry) && ends->linked)
		connection_ring(ends->connection);
	return kIOReturnSuccess;
}

IOReturn
IODataQueueDequeue(IODataQueueMemory *dataQueue, void *data, uint32_t *dataSize)
{
	struct queue_ends ends;
	IOReturn res;

	if (data != NULL && dataSize == NULL) {
		log_error("IODataQueueDequeue: dataSize is NULL");
		return kIOReturnBadArgument;
	}
	res = find_writable("IODataQueueDequeue", dataQueue, &ends);
	if (res != kIOReturnSuccess)
		return res;
	res = dequeue(&ends, data, dataSize);
	queue_ends_release(&ends);
	return res;
}

/* --- the port in the queue --- */

/* Where a queue that is followed by an appendix has its port's name, or NULL. */
static uint8_t *
port_place(const struct queue_ends *ends)
{
	const struct data_queue *queue = &ends->queue;

	if (queue->layout != &data_queue_classic || (ends->connection != NULL && !ends->linked))
		return NULL;
	return queue->memory + queue->layout->header + queue->capacity +
	       offsetof(IODataQueueAppendix, msgh.msgh_remote_port);
}

mach_port_t
IODataQueueAllocateNotificationPort(void)
{
	mach_port_t name = MACH_PORT_NULL;

	if (mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &name) != KERN_SUCCESS)
		return MACH_PORT_NULL;
	return name;
}

IOReturn
IODataQueueSetNotificationPort(IODataQueueMemory *dataQueue, mach_port_t notifyPort)
{
	struct queue_ends ends;
	IOReturn res = find_writable("IODataQueueSetNotificationPort", dataQueue, &ends);
	uint8_t *place;

	if (res != kIOReturnSuccess)
		return res;
	place = port_place(&ends);
	if (place != NULL)
		memcpy(place, &notifyPort, sizeof(notifyPort));
	else
		log_error("IODataQueueSetNotificationPort: the queue has no place for a port");
	queue_ends_release(&ends);
	return place != NULL ? kIOReturnSuccess : kIOReturnBadArgument;
}

/* A name in shared memory is anybody's, so it can only make a port of this process look up. */
static void
tell_port(const struct queue_ends *ends)
{
	struct port_message message = {.queue = (uintptr_t)ends->queue.memory};
	const uint8_t *place = port_place(ends);
	mach_port_t name = MACH_PORT_NULL;
	struct port *port;

	if (place != NULL)
		memcpy(&name, place, sizeof(name));
	port = name != MACH_PORT_NULL ? port_copy(name) : NULL;
	if (port == NULL)
		return;
	port_deliver(port, &message);
	port_release(port);
}

static IOReturn
enqueue(const struct queue_ends *ends, const void *data, uint32_t size)
{
	struct data_queue_entry entry;
	IOReturn res = data_queue_reserve(&ends->queue, size, &entry);
	bool tell;

	if (res == kIOReturnOverrun && !ends->overran)
		queues_set_overran(ends, true);
	if (res != kIOReturnSuccess)
		return res;
	if (size > 0)
		memcpy(entry.data, data, size);
	tell = data_queue_publish(&ends->queue, &entry) || ends->overran;
	if (ends->overran)
		queues_set_overran(ends, false);
	if (!tell)
		return kIOReturnSuccess;
	if (ends->linked)
		connection_ring(ends->connection);
	tell_port(ends);
	return kIOReturnSuccess;
}

IOReturn
IODataQueueEnqueue(IODataQueueMemory *dataQueue, void *data, uint32_t dataSize)
{
	ERRNO_KEPT;
	struct queue_ends ends;
	IOReturn res;

	if (data == NULL && dataSize > 0) {
		log_error("IODataQueueEnqueue: data is NULL");
		return kIOReturnBadArgument;
	}
	res = find_writable("IODataQueueEnqueue", dataQueue, &ends);
	if (res != kIOReturnSuccess)
		return res;
	res = enqueue(&ends, data, dataSize);
	queue_ends_release(&ends);
	return res;
}

/* --- waiting --- */

static IOReturn
status_of(IOReturn res)
{
	return res == kIOReturnSuccess ? kIOReturnSuccess : MACH_RCV_PORT_DIED;
}

/* The message that is there, else data, else the next message. */
static IOReturn
wait_for(const struct queue_ends *ends, struct port *port)
{
	struct port_message message;
	IOReturn res = port_take(port, &message);

	if (res != kIOReturnNotReady)
		return status_of(res);
	if (data_queue_is_available(&ends->queue))
		return kIOReturnSuccess;
	/* Nobody would send one. */
	if (ends->connection != NULL && !connection_check(ends->connection))
		return kIOReturnOffline;
	return status_of(port_wait(port, UINT64_MAX, DEXT_SCALARS_MAX, &message));
}

IOReturn
IODataQueueWaitForAvailableData(IODataQueueMemory *dataQueue, mach_port_t notificationPort)
{
	ERRNO_KEPT;
	struct queue_ends ends;
	struct port *port;
	IOReturn res = find("IODataQueueWaitForAvailableData", dataQueue, &ends);

	if (res != kIOReturnSuccess)
		return res;
	if (notificationPort == MACH_PORT_NULL) {
		log_error("IODataQueueWaitForAvailableData: notificationPort is MACH_PORT_NULL");
		res = kIOReturnBadArgument;
	} else {
		port = port_copy(notificationPort);
		res = port != NULL ? wait_for(&ends, port) : MACH_RCV_INVALID_NAME;
		if (port != NULL)
			port_release(port);
	}
	queue_ends_release(&ends);
	return res;
}
