/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IODataQueueDispatchSource: a data queue (wire/data_queue.h) with handlers, and an app at its
 * other end.
 *
 * Two atomic flags say what the driver waits for; who takes one back fires the handler, so that
 * each wait is answered once.
 *
 *	hungry	the driver has seen the queue empty: set by whoever finds it so, after which it
 *		looks once more; taken back by a look that finds an entry
 *	cramped	the driver has found no room and asked for some: set, after which it looks once
 *		more; taken back by a look that finds that the app has answered
 *
 * Looks come from the driver's own calls and, after the app has rung, from the thread that scans
 * its connection (mapped_source_look). The app's own words are looked at, never believed.
 */
#include <DriverKit/IODataQueueDispatchSource.h>

#include <stdatomic.h>

#include "call_page.h"
#include "data_queue.h"
#include "descriptor.h"
#include "log.h"
#include "mapped_source.h"
#include "object.h"
#include "source.h"

static const char data_available[] = "IODataQueueDispatchSource::DataAvailable";
static const char data_serviced[] = "IODataQueueDispatchSource::DataServiced";

struct IODataQueueDispatchSource_IVars {
	struct data_queue queue; /* [const] */
	struct mapped_source mapped;
	struct source_handler available, serviced;
	_Atomic bool hungry, cramped, spoiled;
	bool overran; /* [producer] the last Enqueue found no room */
};

static void finish(OSObject *object);

static const OSObjectMethods data_queue_methods = {
	.size = sizeof(OSObjectMethods),
	.free = finish,
};

const OSMetaClass gIODataQueueDispatchSourceMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "IODataQueueDispatchSource",
	.superclass = OSTypeID(IODispatchSource),
	.ivars_size = sizeof(struct IODataQueueDispatchSource_IVars),
	.object = &data_queue_methods,
};

static struct IODataQueueDispatchSource_IVars *
ivars(IODataQueueDispatchSource *source)
{
	return OSObjectIVars(IODataQueueDispatchSource, source);
}

/* --- life --- */

static void
finish(OSObject *object)
{
	mapped_source_remove(&ivars((IODataQueueDispatchSource *)object)->mapped);
	source_free(object);
}

static void
call_available(struct source_handler *handler, OSObject *target, OSAction *action,
	       action_function function)
{
	((IODataQueueDispatchSource_DataAvailable_f)function)(target, action);
}

static void
call_serviced(struct source_handler *handler, OSObject *target, OSAction *action,
	      action_function function)
{
	((IODataQueueDispatchSource_DataServiced_f)function)(target, action);
}

static void
cancel(IODispatchSource *object)
{
	mapped_source_stop_listening(&ivars((IODataQueueDispatchSource *)object)->mapped);
}

static bool
is_due(IODispatchSource *object)
{
	return data_queue_is_available(&ivars((IODataQueueDispatchSource *)object)->queue);
}

static bool look_for_app(IODispatchSource *object, bool inline_ok);

static void
check(IODispatchSource *object, bool synchronous)
{
	struct IODataQueueDispatchSource_IVars *source = ivars((IODataQueueDispatchSource *)object);

	if (data_queue_is_available(&source->queue))
		source_handler_fire(&source->available, synchronous);
}

static IOReturn
create(const struct data_queue_layout *layout, uint64_t bytes, IODispatchQueue *queue,
       IODataQueueDispatchSource **ret_source)
{
	uint32_t capacity = data_queue_round(layout, bytes);
	struct IODataQueueDispatchSource_IVars *fields;
	IOBufferMemoryDescriptor *memory;
	IODispatchSource *made;
	IOReturn res;

	if (queue == NULL || ret_source == NULL || capacity == 0) {
		log_error("creating a data queue: %s", queue == NULL	    ? "queue is NULL"
						       : ret_source == NULL ? "source is NULL"
									    : "queueByteCount: 4 "
									      "bytes to 1 GiB");
		return kIOReturnBadArgument;
	}
	res = IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut,
					      data_queue_length(layout, capacity), 0, &memory);
	if (res != kIOReturnSuccess)
		return res;
	res = source_create(OSTypeID(IODataQueueDispatchSource), queue, &made);
	if (res != kIOReturnSuccess) {
		OSRelease(memory);
		return res;
	}
	fields = ivars((IODataQueueDispatchSource *)made);
	fields->mapped.memory = (IOMemoryDescriptor *)memory;
	fields->mapped.flags =
		layout == &data_queue_classic ? CALL_QUEUE_CLASSIC : CALL_QUEUE_DISPATCH;
	fields->mapped.look = look_for_app;
	fields->mapped.is_due = is_due;
	data_queue_init(&fields->queue, layout, memory_address(fields->mapped.memory), capacity);
	atomic_init(&fields->hungry, true);
	source_handler_init(made, &fields->available, data_available, call_available);
	source_handler_init(made, &fields->serviced, data_serviced, call_serviced);
	OSObjectIVars(IODispatchSource, made)->cancel = cancel;
	OSObjectIVars(IODispatchSource, made)->check = check;
	mapped_source_add(made, &fields->mapped);
	*ret_source = (IODataQueueDispatchSource *)made;
	return kIOReturnSuccess;
}

kern_return_t
IODataQueueDispatchSource_Create(uint64_t queueByteCount, IODispatchQueue *queue,
				 IODataQueueDispatchSource **source)
{
	return create(&data_queue_dispatch, queueByteCount, queue, source);
}

kern_return_t
dext_data_queue_create(uint64_t queueByteCount, IODispatchQueue *queue,
		       IODataQueueDispatchSource **source)
{
	return create(&data_queue_classic, queueByteCount, queue, source);
}

/* --- waits --- */

/* Takes the flag back. True: it was set. */
static bool
take_back(_Atomic bool *flag)
{
	/* Pairs with the store in say: one look answers one wait. */
	return atomic_load_explicit(flag, memory_order_seq_cst) &&
	       atomic_exchange_explicit(flag, false, memory_order_seq_cst);
}

static void
say(_Atomic bool *flag)
{
	/* Before another look at the queue: pairs with the exchange in take_back. */
	atomic_store_explicit(flag, true, memory_order_seq_cst);
}

/* Answers the driver's waits from what the queue shows now. */
static bool
look(struct IODataQueueDispatchSource_IVars *source, bool inline_ok)
{
	bool any = false;

	if (data_queue_is_serviced(&source->queue) && take_back(&source->cramped)) {
		source_handler_fire(&source->serviced, false);
		any = true;
	}
	/* Last, since it may be called here. */
	if (source_handler_is_set(&source->available) && data_queue_is_available(&source->queue) &&
	    take_back(&source->hungry)) {
		source_handler_fire(&source->available, inline_ok);
		any = true;
	}
	return any;
}

static bool
look_for_app(IODispatchSource *object, bool inline_ok)
{
	return look(ivars((IODataQueueDispatchSource *)object), inline_ok);
}

/* --- the driver's calls --- */

/* The other side wrote nonsense: said once. */
static IOReturn
note(struct IODataQueueDispatchSource_IVars *source, IOReturn res)
{
	if (res == kIOReturnError &&
	    !atomic_exchange_explicit(&source->spoiled, true, memory_order_relaxed))
		log_error("a data queue is spoiled: head, tail or a size in it is outside of it");
	return res;
}

/* `held`: of mapped_source_hold. */
static void
moved(struct IODataQueueDispatchSource_IVars *source, bool taken, uint32_t size, bool held)
{
	mapped_source_moved(&source->mapped,
			    &(const struct mapped_move){.taken = taken, .count = 1, .size = size},
			    held);
}

/* The queue is empty, as far as this side knows: from now on entries are told. */
static void
wait_for_data(struct IODataQueueDispatchSource_IVars *source)
{
	say(&source->hungry);
	look(source, false);
}

/* The app was asked to tell when it has made room: and perhaps it has by now. */
static void
wait_for_room(struct IODataQueueDispatchSource_IVars *source)
{
	source->overran = true;
	if (source->queue.layout->serviced == UINT32_MAX)
		return;
	say(&source->cramped);
	look(source, false);
}

kern_return_t
IODataQueueDispatchSource_CopyMemory(IODataQueueDispatchSource *source, IOMemoryDescriptor **memory)
{
	if (memory == NULL) {
		log_error("IODataQueueDispatchSource_CopyMemory: memory is NULL");
		return kIOReturnBadArgument;
	}
	*memory = ivars(source)->mapped.memory;
	OSRetain(*memory);
	return kIOReturnSuccess;
}

bool
IODataQueueDispatchSource_IsDataAvailable(IODataQueueDispatchSource *source)
{
	struct data_queue *queue = &ivars(source)->queue;

	if (data_queue_is_available(queue))
		return true;
	say(&ivars(source)->hungry);
	return data_queue_is_available(queue);
}

bool
IODataQueueDispatchSource_CanEnqueueDataWithCount(IODataQueueDispatchSource *source,
						  uint32_t dataSize, uint32_t dataCount)
{
	return data_queue_has_room(&ivars(source)->queue, dataSize, dataCount);
}

bool
IODataQueueDispatchSource_CanEnqueueData(IODataQueueDispatchSource *source, uint32_t dataSize)
{
	return data_queue_has_room(&ivars(source)->queue, dataSize, 1);
}

kern_return_t
IODataQueueDispatchSource_EnqueueWithCoalesce_f(IODataQueueDispatchSource *object,
						uint32_t dataSize, bool *sendDataAvailable,
						void *context,
						IODataQueueClientEnqueueEntry_f callback)
{
	struct IODataQueueDispatchSource_IVars *source = ivars(object);
	struct data_queue_entry entry;
	bool held, asks;
	IOReturn res;

	res = data_queue_reserve(&source->queue, dataSize, &entry);
	if (res == kIOReturnOverrun)
		wait_for_room(source);
	if (res != kIOReturnSuccess)
		return note(source, res);
	callback(context, entry.data, dataSize);
	held = mapped_source_hold(&source->mapped);
	asks = data_queue_publish(&source->queue, &entry);
	moved(source, false, dataSize, held);
	if (asks || source->overran)
		*sendDataAvailable = true;
	source->overran = false;
	return kIOReturnSuccess;
}

kern_return_t
IODataQueueDispatchSource_Enqueue_f(IODataQueueDispatchSource *source, uint32_t dataSize,
				    void *context, IODataQueueClientEnqueueEntry_f callback)
{
	bool send = false;
	IOReturn res = IODataQueueDispatchSource_EnqueueWithCoalesce_f(source, dataSize, &send,
								       context, callback);

	if (send)
		IODataQueueDispatchSource_SendDataAvailable(source);
	return res;
}

kern_return_t
IODataQueueDispatchSource_DequeueWithCoalesce_f(IODataQueueDispatchSource *object,
						bool *sendDataServiced, void *context,
						IODataQueueClientDequeueEntry_f callback)
{
	struct IODataQueueDispatchSource_IVars *source = ivars(object);
	struct data_queue_entry entry;
	IOReturn res = data_queue_peek(&source->queue, &entry);
	bool held, asks;

	if (res == kIOReturnUnderrun) {
		say(&source->hungry);
		res = data_queue_peek(&source->queue, &entry);
		/* Taken here and now, so nobody has to be called for it. */
		if (res == kIOReturnSuccess)
			take_back(&source->hungry);
	}
	if (res != kIOReturnSuccess)
		return note(source, res);
	callback(context, entry.data, entry.size);
	held = mapped_source_hold(&source->mapped);
	asks = data_queue_consume(&source->queue, &entry);
	moved(source, true, entry.size, held);
	if (asks)
		*sendDataServiced = true;
	/*
	 * A driver that takes what it knows to be there, and no more, is told of the next as well:
	 * whether or not that came before this look, since the app's ring may have been in vain.
	 */
	if (entry.last)
		wait_for_data(source);
	return kIOReturnSuccess;
}

kern_return_t
IODataQueueDispatchSource_Dequeue_f(IODataQueueDispatchSource *source, void *context,
				    IODataQueueClientDequeueEntry_f callback)
{
	bool send = false;
	IOReturn res =
		IODataQueueDispatchSource_DequeueWithCoalesce_f(source, &send, context, callback);

	if (send)
		IODataQueueDispatchSource_SendDataServiced(source);
	return res;
}

kern_return_t
IODataQueueDispatchSource_Peek_f(IODataQueueDispatchSource *source, void *context,
				 IODataQueueClientDequeueEntry_f callback)
{
	struct data_queue_entry entry;
	IOReturn res;

	/* Says, if it is empty, that the driver waits. */
	if (!IODataQueueDispatchSource_IsDataAvailable(source))
		return kIOReturnUnderrun;
	res = data_queue_peek(&ivars(source)->queue, &entry);
	if (res == kIOReturnSuccess)
		callback(context, entry.data, entry.size);
	return note(ivars(source), res);
}

void
IODataQueueDispatchSource_SendDataAvailable(IODataQueueDispatchSource *source)
{
	/* A consumer in this process, or the app. */
	look(ivars(source), false);
	mapped_source_tell(&ivars(source)->mapped);
}

void
IODataQueueDispatchSource_SendDataServiced(IODataQueueDispatchSource *source)
{
	look(ivars(source), false);
	mapped_source_tell(&ivars(source)->mapped);
}

size_t
IODataQueueDispatchSource_GetDataQueueEntryHeaderSize(void)
{
	return DATA_QUEUE_ENTRY_HEADER;
}

/* --- handlers --- */

kern_return_t
IODataQueueDispatchSource_CreateActionDataAvailable(
	OSObject *target, IODataQueueDispatchSource_DataAvailable_f function, size_t referenceSize,
	OSAction **action)
{
	return action_create(target, data_available, (action_function)function, referenceSize,
			     action);
}

kern_return_t
IODataQueueDispatchSource_CreateActionDataServiced(
	OSObject *target, IODataQueueDispatchSource_DataServiced_f function, size_t referenceSize,
	OSAction **action)
{
	return action_create(target, data_serviced, (action_function)function, referenceSize,
			     action);
}

kern_return_t
IODataQueueDispatchSource_SetDataAvailableHandler(IODataQueueDispatchSource *source,
						  OSAction *action)
{
	IOReturn res = source_handler_set(&ivars(source)->available, action);

	if (res == kIOReturnSuccess)
		look(ivars(source), false);
	return res;
}

kern_return_t
IODataQueueDispatchSource_SetDataServicedHandler(IODataQueueDispatchSource *source,
						 OSAction *action)
{
	return source_handler_set(&ivars(source)->serviced, action);
}

kern_return_t
IODataQueueDispatchSource_CopyDataAvailableHandler(IODataQueueDispatchSource *source,
						   OSAction **action)
{
	return source_handler_copy(&ivars(source)->available, action);
}

kern_return_t
IODataQueueDispatchSource_CopyDataServicedHandler(IODataQueueDispatchSource *source,
						  OSAction **action)
{
	return source_handler_copy(&ivars(source)->serviced, action);
}
