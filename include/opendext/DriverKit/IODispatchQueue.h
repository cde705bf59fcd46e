/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IODispatchQueue: a serial queue. What is put on it runs one after the other, in order, each on
 * some thread of the host; but what DispatchConcurrent puts there runs beside each other. Methods
 * and actions of an object run on the object's queue and so never overlap.
 */
#ifndef OPENDEXT_DRIVERKIT_IODISPATCHQUEUE_H
#define OPENDEXT_DRIVERKIT_IODISPATCHQUEUE_H

#include <DriverKit/OSObject.h>

DEXT_BEGIN_DECLS

enum {
	kIODispatchQueueReentrant = 1,
	kIODispatchQueueMethodsNotSynchronized = 2,
};

typedef void (*IODispatchFunction)(void *context);

extern const OSMetaClass gIODispatchQueueMetaClass;

/*
 * options: no bit of it is implemented yet, anything but 0 is kIOReturnUnsupported. priority: must
 * be 0. The caller releases the queue; work already on it still runs.
 */
kern_return_t IODispatchQueue_Create(const char *name, uint64_t options, uint64_t priority,
				     IODispatchQueue **queue);

/* Appends the call and returns. Any thread. Nothing runs any more after Cancel: the call is
 * dropped. */
void IODispatchQueue_DispatchAsync_f(IODispatchQueue *queue, void *context,
				     IODispatchFunction function);
/*
 * Runs the call in the caller's thread when its turn on the queue has come, and returns after it.
 * Called on the queue itself it could never return: that is reported with the queue's name and the
 * stack, and aborts the driver. After Cancel the call is dropped.
 */
void IODispatchQueue_DispatchSync_f(IODispatchQueue *queue, void *context,
				    IODispatchFunction function);
/*
 * Appends a call that may run beside other calls of DispatchConcurrent, up to 64 at a time, and
 * beside nothing else of the queue. Any thread. After Cancel it is dropped.
 */
void IODispatchQueue_DispatchConcurrent_f(IODispatchQueue *queue, void *context,
					  IODispatchFunction function);
/* Whether the calling thread is running something of this queue. */
bool IODispatchQueue_OnQueue(IODispatchQueue *queue);
const char *IODispatchQueue_GetName(IODispatchQueue *queue);
/*
 * No new work is accepted; when what runs has ended, handler is called, perhaps before Cancel
 * returns. Any thread, any number of times: each handler is called once.
 */
kern_return_t IODispatchQueue_Cancel_f(IODispatchQueue *queue, void *context,
				       IODispatchFunction handler);

/* With clang -fblocks; the driver links -lBlocksRuntime as well. Out of memory aborts. */
#ifdef __BLOCKS__
typedef void (^IODispatchBlock)(void);
typedef void (^IODispatchQueueCancelHandler)(void);

/*
 * As the functions that end with _f; the block is copied, and released when it has run or was
 * dropped.
 */
void IODispatchQueue_DispatchAsync(IODispatchQueue *queue, IODispatchBlock block);
void IODispatchQueue_DispatchSync(IODispatchQueue *queue, IODispatchBlock block);
void IODispatchQueue_DispatchConcurrent(IODispatchQueue *queue, IODispatchBlock block);
kern_return_t IODispatchQueue_Cancel(IODispatchQueue *queue, IODispatchQueueCancelHandler handler);
#endif

DEXT_END_DECLS

#endif
