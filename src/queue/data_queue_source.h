/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of IODataQueueDispatchSource: how the driver layer connects a queue to an app that has
 * its memory mapped.
 *
 *	data_source_copy_of: is this memory a queue's?
 *	data_source_claim, data_source_disown: one connection at a time, as often as it maps it
 *	data_source_listen: how the app is told
 *	data_source_look: after the app has rung
 */
#ifndef QUEUE_DATA_QUEUE_SOURCE_H
#define QUEUE_DATA_QUEUE_SOURCE_H

#include <stdbool.h>

#include <DriverKit/IODataQueueDispatchSource.h>

/* The queue behind that memory, +1, or NULL. */
IODataQueueDispatchSource *data_source_copy_of(const IOMemoryDescriptor *memory);
/* Whether its layout is that of the app's IODataQueueMemory. */
bool data_source_is_classic(IODataQueueDispatchSource *source);

/* kIOReturnExclusiveAccess: another owner has it. Each success is paired with a data_source_disown.
 */
IOReturn data_source_claim(IODataQueueDispatchSource *source, const void *owner);
/* With the last one of the owner the app is not told any more. */
void data_source_disown(IODataQueueDispatchSource *source, const void *owner);

/*
 * The app is told through `listener`, of which a reference is kept, by tell(listener): for entries
 * if it consumes and for room if it produces; no lock is held. At once if there are entries. NULL:
 * no more. kIOReturnExclusiveAccess: not the owner.
 */
IOReturn data_source_listen(IODataQueueDispatchSource *source, const void *owner,
			    OSAction *listener, void (*tell)(OSAction *listener));

/*
 * Fires the handlers for what the app has done since. True if there was anything. Any thread, no
 * lock held. The app rings when it has put an entry into a queue that was empty, or made room that
 * was asked for; what is here does not believe it, and looks at the queue's words.
 */
bool data_source_look(IODataQueueDispatchSource *source);

#endif
