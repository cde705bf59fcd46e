/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data queues, the app's side: entries that go between driver and app without a call, through
 * memory that the driver made and the app has mapped with IOConnectMapMemory64. The man page
 * IODataQueue(3) has a program.
 *
 * A consumer waits with IODataQueueWaitForAvailableData on a port that it gave to
 * IOConnectSetNotificationPort, and then dequeues until there is nothing left: one message comes
 * when an entry has come into an empty queue, and not one for each entry.
 *
 * These functions work on both layouts that a driver may use: which one a mapping has is known from
 * the host. Memory that was not mapped by IOConnectMapMemory64 is taken to be a queue of the
 * classic layout between threads of this process.
 *
 * One thread at a time may enqueue, and one dequeue. All but IODataQueueWaitForAvailableData return
 * at once, and none starts a thread. In a child of fork the queues of its parent's connections are
 * nobody's: MACH_SEND_INVALID_DEST.
 */
#ifndef OPENDEXT_IOKIT_IODATAQUEUECLIENT_H
#define OPENDEXT_IOKIT_IODATAQUEUECLIENT_H

#include <IOKit/IODataQueueShared.h>
#include <IOKit/IOReturn.h>
#include <dext_cdefs.h>
#include <libkern/OSTypes.h>
#include <mach/port.h>
#include <stdint.h>

DEXT_BEGIN_DECLS

/* Whether there is an entry to dequeue. False for NULL. */
Boolean IODataQueueDataAvailable(IODataQueueMemory *dataQueue);

/*
 * The oldest entry, in place, which stays in the queue; NULL: none, or the queue is spoiled. Its
 * bytes are the driver's to change: copy what you check. It is valid until it is dequeued.
 */
IODataQueueEntry *IODataQueuePeek(IODataQueueMemory *dataQueue);

/*
 * Takes the oldest entry out and copies it to data, which has room for *dataSize bytes; *dataSize
 * becomes its size. data NULL: drops it. kIOReturnUnderrun: none. kIOReturnNoSpace: data is too
 * small; *dataSize says what it needs and the entry stays. kIOReturnError: the queue is spoiled.
 * kIOReturnBadArgument: dataQueue is NULL, or dataSize is while data is not.
 */
IOReturn IODataQueueDequeue(IODataQueueMemory *dataQueue, void *data, uint32_t *dataSize);

/*
 * Waits for a message on notificationPort, and takes it; returns at once if there is data. It may
 * return without data: ask the queue. kIOReturnBadArgument: NULL. kIOReturnOffline: there is
 * nothing, and the driver has gone. MACH_RCV_INVALID_NAME, MACH_RCV_PORT_DIED: of mach_msg.
 */
IOReturn IODataQueueWaitForAvailableData(IODataQueueMemory *dataQueue,
					 mach_port_t notificationPort);

/* A port for the two functions below; mach_port_destroy ends it. MACH_PORT_NULL: out of resources.
 */
mach_port_t IODataQueueAllocateNotificationPort(void);

/*
 * The port that IODataQueueEnqueue of this process tells, by a bare message, when the queue was
 * empty: for a queue between two threads. It is written into the queue's memory, behind the
 * entries. For messages from the driver: IOConnectSetNotificationPort. kIOReturnBadArgument: NULL,
 * or the queue has no place for it.
 */
IOReturn IODataQueueSetNotificationPort(IODataQueueMemory *dataQueue, mach_port_t notifyPort);

/*
 * Appends an entry, and tells the driver if it had taken everything. kIOReturnOverrun: no room now.
 * In a queue of IODataQueueDispatchSource's layout the driver then sends a message when there is
 * some, to the port of IOConnectSetNotificationPort. kIOReturnNoSpace: it never fits.
 * kIOReturnError: the queue is spoiled. kIOReturnBadArgument: NULL; memory mapped read-only.
 */
IOReturn IODataQueueEnqueue(IODataQueueMemory *dataQueue, void *data, uint32_t dataSize);

DEXT_END_DECLS

#endif
