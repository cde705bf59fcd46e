/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DextRingDispatchSource: two rings of entries in memory that is shared with an app, one for what
 * the app submits and one for what the driver completes. OpenDext's own; the app's side of it is
 * <dext_ring.h>.
 *
 * Create it when the user client starts, and return its memory (CopyMemory) from
 * CopyClientMemoryForType: a ring has one app, so make one for each user client. Set a handler with
 * SetReadyHandler, which Pops until it gets none, and Push what is done. While both sides are awake
 * no entry costs a system call or a call of the app.
 *
 * The handler is called when entries have come since its last call began, and when there is room
 * for completions after a Push found too little. In one call it gets the entries that were there
 * when it began; for those that have come meanwhile it is called again, behind whatever else waits
 * on its queue. What it leaves in the ring it is not called for again: a driver that has no place
 * for more takes the rest when it has.
 *
 * The entries are whatever app and driver agree upon. Pop copies them out of the shared memory, so
 * that the app cannot change them afterwards; what they say is the app's word, to be checked. One
 * thread at a time may push, and one pop: on one queue that is so by itself.
 */
#ifndef OPENDEXT_DRIVERKIT_DEXTRINGDISPATCHSOURCE_H
#define OPENDEXT_DRIVERKIT_DEXTRINGDISPATCHSOURCE_H

#include <DriverKit/IODispatchSource.h>
#include <DriverKit/IOMemoryDescriptor.h>

DEXT_BEGIN_DECLS

typedef struct DextRingDispatchSource DextRingDispatchSource;
extern const OSMetaClass gDextRingDispatchSourceMetaClass;

typedef void (*DextRingDispatchSource_Ready_f)(OSObject *target, OSAction *action);

/* The action for the handler; as IOUSBHostPipe_CreateActionCompleteAsyncIO. */
kern_return_t DextRingDispatchSource_CreateActionReady(OSObject *target,
						       DextRingDispatchSource_Ready_f function,
						       size_t referenceSize, OSAction **action);

/*
 * Empty rings, +1: entries of entrySize bytes (16 to 256, a multiple of 8), and room for so many of
 * them in each direction (powers of two up to 65,536). The handler runs on the queue of its target,
 * whatever `queue` is; it is retained. kIOReturnBadArgument: NULL, or sizes that cannot be.
 * kIOReturnNoMemory.
 */
kern_return_t DextRingDispatchSource_Create(uint32_t entrySize, uint32_t submissions,
					    uint32_t completions, IODispatchQueue *queue,
					    DextRingDispatchSource **source);

/* The rings' memory, +1, to return from CopyClientMemoryForType. */
kern_return_t DextRingDispatchSource_CopyMemory(DextRingDispatchSource *source,
						IOMemoryDescriptor **memory);

/* kIOReturnBadArgument: an action of another type. kIOReturnUnsupported: after Cancel. NULL: none.
 */
kern_return_t DextRingDispatchSource_SetReadyHandler(DextRingDispatchSource *source,
						     OSAction *action);

/*
 * Takes up to `room` submissions out, the oldest first, and copies them to `entries`. Never blocks.
 * kIOReturnUnderrun: there is none, or in the handler none for this call. kIOReturnError: the app
 * has spoiled the ring; the log says so once. *count is 0 then.
 */
kern_return_t DextRingDispatchSource_Pop(DextRingDispatchSource *source, void *entries,
					 uint32_t room, uint32_t *count);

/*
 * Appends completions: as many of the `count` as there is room for, *pushed. If that is not all the
 * handler is called when there is room again. Never blocks. kIOReturnOverrun: no room for one.
 * kIOReturnError as in Pop.
 */
kern_return_t DextRingDispatchSource_Push(DextRingDispatchSource *source, const void *entries,
					  uint32_t count, uint32_t *pushed);

DEXT_END_DECLS

#endif
