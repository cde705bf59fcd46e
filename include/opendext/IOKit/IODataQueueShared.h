/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of a data queue, as an app maps it: a header of 12 bytes, then entries of a 4-byte
 * size and their data, without padding between them; and an appendix after the queue.
 *
 * An entry that does not fit before the end starts at the beginning; its size is written at the end
 * too if there is room for a size. head is the consumer's, tail the producer's, both are offsets
 * into the entries.
 */
#ifndef OPENDEXT_IOKIT_IODATAQUEUESHARED_H
#define OPENDEXT_IOKIT_IODATAQUEUESHARED_H

#include <libkern/OSTypes.h>
#include <mach/message.h>
#include <mach/port.h>

typedef struct _IODataQueueEntry {
	UInt32 size; /* bytes of data */
	UInt8 data[4];
} IODataQueueEntry;

typedef struct _IODataQueueMemory {
	UInt32 queueSize; /* bytes of entries */
	volatile UInt32 head;
	volatile UInt32 tail;
	IODataQueueEntry queue[1];
} IODataQueueMemory;

typedef struct _IODataQueueAppendix {
	UInt32 version;
	mach_msg_header_t msgh;
} IODataQueueAppendix;

#define DATA_QUEUE_ENTRY_HEADER_SIZE	(sizeof(IODataQueueEntry) - 4)
#define DATA_QUEUE_MEMORY_HEADER_SIZE	(sizeof(IODataQueueMemory) - sizeof(IODataQueueEntry))
#define DATA_QUEUE_MEMORY_APPENDIX_SIZE (sizeof(IODataQueueAppendix))

#endif
