/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data queues: a ring of entries in memory that two processes share, one of which puts entries in
 * and the other takes them out. ARCHITECTURE.md, "Data queues".
 *
 * There are two layouts, both Apple's: that of an app's IODataQueue functions, and that of a
 * driver's IODataQueueDispatchSource. They differ in what struct data_queue_layout says.
 *
 *	data_queue_init: where the memory is made
 *	data_queue_adopt: where it is mapped; the capacity follows from the memory's length alone
 *	producer: data_queue_reserve, write the data, data_queue_publish
 *	consumer: data_queue_peek, read the data, data_queue_consume
 *
 * An entry is its size in 4 bytes and its data. One that does not fit before the end starts at the
 * beginning, and its size is written at the end as well if there is room for a size. head is the
 * consumer's, tail the producer's; equal means empty.
 *
 * The other side may write anything anywhere at any time. Each function copies head, tail and the
 * size that it needs once, checks the copies, and uses these: it never reaches outside the queue.
 * The data itself stays in shared memory, and changes under whoever looks at it twice.
 *
 * Wake-ups. data_queue_publish says whether the consumer had taken everything that was there
 * before: then, and only then, the consumer has to be told. So a consumer takes until
 * kIOReturnUnderrun. A producer that found no room says so in the queue (layouts that have a place
 * for it), and the consumer tells it when it has made some.
 */
#ifndef WIRE_DATA_QUEUE_H
#define WIRE_DATA_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bounds.h"

#include <DriverKit/IOReturn.h>

/* The size in front of the data, in both layouts. */
#define DATA_QUEUE_ENTRY_HEADER 4u

struct data_queue_layout {
	uint32_t header;   /* bytes before the entries */
	uint32_t appendix; /* and behind them */
	uint32_t capacity; /* offset of the word with the capacity; UINT32_MAX: there is none */
	uint32_t head;	   /* offsets in the header */
	uint32_t tail;
	uint32_t serviced;  /* of the byte by which the producer asks for room; UINT32_MAX: none */
	uint32_t alignment; /* what the bytes of an entry are rounded up to */
};

extern const struct data_queue_layout data_queue_classic;  /* IODataQueueShared.h */
extern const struct data_queue_layout data_queue_dispatch; /* IODataQueueDispatchSource */

struct data_queue {
	const struct data_queue_layout *layout;
	uint8_t *memory;
	uint32_t capacity; /* bytes of entries; never read from the memory */
};

/* An entry, or the room for one. */
struct data_queue_entry {
	uint8_t *data;
	uint32_t size; /* bytes of data */
	uint32_t from; /* head or tail as it was */
	uint32_t to;   /* and will be */
	bool wrapped;  /* the entry starts at the beginning */
	bool last;     /* peek saw no other behind it */
};

/* The capacity rounded up as the layout wants it; 0: not between an entry's size and the limit. */
uint32_t data_queue_round(const struct data_queue_layout *layout, uint64_t capacity);
/* Bytes of memory for a queue of that capacity. */
uint64_t data_queue_length(const struct data_queue_layout *layout, uint32_t capacity);
/* Makes an empty queue in zeroed memory. */
void data_queue_init(struct data_queue *queue, const struct data_queue_layout *layout, void *memory,
		     uint32_t capacity);
/* The queue in memory of that length. False: it is too short or too long for one. */
bool data_queue_adopt(struct data_queue *queue, const struct data_queue_layout *layout,
		      void *memory, uint64_t length);

/* Whether there is something to take, or nonsense, which peek will name. */
bool data_queue_is_available(const struct data_queue *queue);

/* --- the consumer --- */

/* The oldest entry. kIOReturnUnderrun: none; kIOReturnError: the queue's words are nonsense. */
IOReturn data_queue_peek(const struct data_queue *queue, struct data_queue_entry *ret_entry);
/* Gives the entry's place up. True: the producer waits for room, tell it. */
bool data_queue_consume(const struct data_queue *queue, const struct data_queue_entry *entry);

/* --- the producer --- */

/*
 * Room for an entry of `size` bytes. kIOReturnOverrun: there is none now, and the consumer has been
 * asked to tell when it has made some. kIOReturnNoSpace: it never fits. kIOReturnError: the queue's
 * words are nonsense.
 */
IOReturn data_queue_reserve(const struct data_queue *queue, uint32_t size,
			    struct data_queue_entry *ret_entry);
/* The same without asking: whether there is room for `count` such entries. */
bool data_queue_has_room(const struct data_queue *queue, uint32_t size, uint32_t count);
/* Appends it. True: the consumer has to be told. */
bool data_queue_publish(const struct data_queue *queue, const struct data_queue_entry *entry);
/* Whether the consumer has answered, or never was asked. */
bool data_queue_is_serviced(const struct data_queue *queue);

#endif
