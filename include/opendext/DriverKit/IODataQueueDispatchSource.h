/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IODataQueueDispatchSource: a queue of entries in memory that is shared with an app, for data that
 * goes without a call. One side puts entries in, the other takes them out; which one is the
 * driver's is up to the driver.
 *
 * Create the queue when the user client starts, and return its memory (CopyMemory) from
 * CopyClientMemoryForType. To produce: Enqueue. To consume: set a handler with
 * SetDataAvailableHandler and Dequeue in it until kIOReturnUnderrun: the handler is called when the
 * queue has got an entry after it was empty, not for each. A producer that got kIOReturnOverrun is
 * called by its DataServiced handler when there is room again.
 *
 * A queue has one app: while one connection has it mapped another's mapping is refused, so make one
 * for each user client. The app's side of it are the IODataQueue functions of
 * <IOKit/IODataQueueClient.h>; a driver whose app reads the memory by itself, in the layout that
 * programs for macOS know, makes the queue with dext_data_queue_create instead.
 *
 * Layout: {uint32_t head, tail; uint8_t needServicedCallback;}, padded to 128 bytes, then entries
 * of a 4-byte size and their data, rounded up to 4 bytes. An entry up to half of the queue always
 * fits into an empty one; of a longer one that depends on where the queue's ends stand.
 *
 * What the callbacks get lies in memory that the app may change at any time: copy what you check.
 * One thread at a time may enqueue, and one dequeue.
 */
#ifndef OPENDEXT_DRIVERKIT_IODATAQUEUEDISPATCHSOURCE_H
#define OPENDEXT_DRIVERKIT_IODATAQUEUEDISPATCHSOURCE_H

#include <DriverKit/IODispatchSource.h>
#include <DriverKit/IOMemoryDescriptor.h>

DEXT_BEGIN_DECLS

typedef struct IODataQueueDispatchSource IODataQueueDispatchSource;
extern const OSMetaClass gIODataQueueDispatchSourceMetaClass;

/* Called inside Enqueue, to fill the entry; and inside Dequeue and Peek, to read it. */
typedef void (*IODataQueueClientEnqueueEntry_f)(void *context, void *data, size_t dataSize);
typedef void (*IODataQueueClientDequeueEntry_f)(void *context, const void *data, size_t dataSize);

typedef void (*IODataQueueDispatchSource_DataAvailable_f)(OSObject *target, OSAction *action);
typedef void (*IODataQueueDispatchSource_DataServiced_f)(OSObject *target, OSAction *action);

/* The actions for the two handlers; as IOUSBHostPipe_CreateActionCompleteAsyncIO. */
kern_return_t IODataQueueDispatchSource_CreateActionDataAvailable(
	OSObject *target, IODataQueueDispatchSource_DataAvailable_f function, size_t referenceSize,
	OSAction **action);
kern_return_t IODataQueueDispatchSource_CreateActionDataServiced(
	OSObject *target, IODataQueueDispatchSource_DataServiced_f function, size_t referenceSize,
	OSAction **action);

/*
 * An empty queue with queueByteCount bytes for entries and their sizes, +1. Handlers run on the
 * queue of their target, whatever `queue` is; it is retained. kIOReturnBadArgument: NULL, or
 * queueByteCount is below 4 or above 1 GiB. kIOReturnNoMemory.
 */
kern_return_t IODataQueueDispatchSource_Create(uint64_t queueByteCount, IODispatchQueue *queue,
					       IODataQueueDispatchSource **source);
/*
 * The same in the layout of IODataQueueMemory (<IOKit/IODataQueueShared.h>). That has no place by
 * which an app's IODataQueueDequeue could tell that it has made room: there DataServiced never
 * comes, and a producer that got kIOReturnOverrun tries again when it has something new.
 */
kern_return_t dext_data_queue_create(uint64_t queueByteCount, IODispatchQueue *queue,
				     IODataQueueDispatchSource **source);

/* The queue's memory, +1: what CopyClientMemoryForType returns. Always the same object. */
kern_return_t IODataQueueDispatchSource_CopyMemory(IODataQueueDispatchSource *source,
						   IOMemoryDescriptor **memory);

/*
 * What is called when entries have come, and when room was made; retained until another is set or
 * the source is cancelled. NULL: nothing. Entries that are there already are told at once.
 * kIOReturnBadArgument: an action of another type. kIOReturnUnsupported after Cancel.
 */
kern_return_t IODataQueueDispatchSource_SetDataAvailableHandler(IODataQueueDispatchSource *source,
								OSAction *action);
kern_return_t IODataQueueDispatchSource_SetDataServicedHandler(IODataQueueDispatchSource *source,
							       OSAction *action);
/* The action that is set, +1. kIOReturnNotFound: none. */
kern_return_t IODataQueueDispatchSource_CopyDataAvailableHandler(IODataQueueDispatchSource *source,
								 OSAction **action);
kern_return_t IODataQueueDispatchSource_CopyDataServicedHandler(IODataQueueDispatchSource *source,
								OSAction **action);

/* Whether there is an entry to take. */
bool IODataQueueDispatchSource_IsDataAvailable(IODataQueueDispatchSource *source);
/* Whether there is room now for an entry of that size; for so many of them. */
bool IODataQueueDispatchSource_CanEnqueueData(IODataQueueDispatchSource *source, uint32_t dataSize);
bool IODataQueueDispatchSource_CanEnqueueDataWithCount(IODataQueueDispatchSource *source,
						       uint32_t dataSize, uint32_t dataCount);

/*
 * Appends an entry of dataSize bytes, which `callback` fills in where it stands (aligned to 4 bytes
 * at most, as for the callbacks that take entries), and tells the consumer if it may
 * be waiting. kIOReturnOverrun: no room now; DataServiced follows. kIOReturnNoSpace: it never
 * fits. kIOReturnError: the other side has spoiled the queue; the log says so once.
 */
kern_return_t IODataQueueDispatchSource_Enqueue_f(IODataQueueDispatchSource *source,
						  uint32_t dataSize, void *context,
						  IODataQueueClientEnqueueEntry_f callback);
/* The same, but does not tell: sets *sendDataAvailable if SendDataAvailable is to be called. */
kern_return_t IODataQueueDispatchSource_EnqueueWithCoalesce_f(
	IODataQueueDispatchSource *source, uint32_t dataSize, bool *sendDataAvailable,
	void *context, IODataQueueClientEnqueueEntry_f callback);
/*
 * Hands the oldest entry to `callback`, takes it out, and tells the producer if it waits for room.
 * kIOReturnUnderrun: none is there. kIOReturnError as in Enqueue.
 */
kern_return_t IODataQueueDispatchSource_Dequeue_f(IODataQueueDispatchSource *source, void *context,
						  IODataQueueClientDequeueEntry_f callback);
/* The same, but does not tell: sets *sendDataServiced if SendDataServiced is to be called. */
kern_return_t
IODataQueueDispatchSource_DequeueWithCoalesce_f(IODataQueueDispatchSource *source,
						bool *sendDataServiced, void *context,
						IODataQueueClientDequeueEntry_f callback);
/* Hands the oldest entry to `callback` and leaves it there. */
kern_return_t IODataQueueDispatchSource_Peek_f(IODataQueueDispatchSource *source, void *context,
					       IODataQueueClientDequeueEntry_f callback);

/* Tells the consumer that there are entries, or the producer that there is room. */
void IODataQueueDispatchSource_SendDataAvailable(IODataQueueDispatchSource *source);
void IODataQueueDispatchSource_SendDataServiced(IODataQueueDispatchSource *source);

/* Bytes in front of the data of an entry. */
size_t IODataQueueDispatchSource_GetDataQueueEntryHeaderSize(void);

DEXT_END_DECLS

#endif
