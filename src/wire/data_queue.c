/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine of data queues, for both layouts and both sides.
 *
 * Lock-free, for one producer and one consumer. The pairs of the kind "write mine, then read yours"
 * are seq_cst on both sides, or a wake-up is lost:
 *
 *	tail      (producer)  against  head      (consumer)	publish, peek
 *	serviced  (producer)  against  head      (consumer)	reserve, consume
 *
 * An entry's size and data are plain memory, ordered by the tail that publishes them and the head
 * that gives them up. Nothing of a side's own is remembered here: both words are read from the
 * memory each time, which costs nothing where a side's own word is in its cache, and lets an app
 * start in the middle of a queue. The other side may make a word of ours wrong; then it has spoiled
 * the queue that it uses itself, and all that follows is an error or wrong entries.
 */
#include "data_queue.h"

#include <string.h>

const struct data_queue_layout data_queue_classic = {
	.header = 12,
	.appendix = 28,
	.capacity = 0,
	.head = 4,
	.tail = 8,
	.serviced = UINT32_MAX,
	.alignment = 1,
};

const struct data_queue_layout data_queue_dispatch = {
	.header = 128,
	.capacity = UINT32_MAX,
	.head = 0,
	.tail = 4,
	.serviced = 8,
	.alignment = 4,
};

/* The two words and their places, copied once. */
struct ends {
	uint32_t head, tail;
};

static _Atomic uint32_t *
head_of(const struct data_queue *queue)
{
	return (_Atomic uint32_t *)(queue->memory + queue->layout->head);
}

static _Atomic uint32_t *
tail_of(const struct data_queue *queue)
{
	return (_Atomic uint32_t *)(queue->memory + queue->layout->tail);
}

/* NULL: the layout has no such byte. */
static _Atomic uint8_t *
serviced_of(const struct data_queue *queue)
{
	if (queue->layout->serviced == UINT32_MAX)
		return NULL;
	return (_Atomic uint8_t *)(queue->memory + queue->layout->serviced);
}

static uint8_t *
entries_of(const struct data_queue *queue)
{
	return queue->memory + queue->layout->header;
}

/* Of an entry with so much data. */
static uint64_t
bytes_of(const struct data_queue *queue, uint32_t size)
{
	uint64_t mask = queue->layout->alignment - 1;

	return (DATA_QUEUE_ENTRY_HEADER + (uint64_t)size + mask) & ~mask;
}

uint32_t
data_queue_round(const struct data_queue_layout *layout, uint64_t capacity)
{
	uint64_t mask = layout->alignment - 1;

	if (capacity < DATA_QUEUE_ENTRY_HEADER || capacity > DEXT_DATA_QUEUE_MAX)
		return 0;
	return (uint32_t)((capacity + mask) & ~mask);
}

uint64_t
data_queue_length(const struct data_queue_layout *layout, uint32_t capacity)
{
	return (uint64_t)layout->header + capacity + layout->appendix;
}

void
data_queue_init(struct data_queue *queue, const struct data_queue_layout *layout, void *memory,
		uint32_t capacity)
{
	*queue = (struct data_queue){.layout = layout, .memory = memory, .capacity = capacity};
	if (layout->capacity != UINT32_MAX)
		memcpy(queue->memory + layout->capacity, &capacity, sizeof(capacity));
}

bool
data_queue_adopt(struct data_queue *queue, const struct data_queue_layout *layout, void *memory,
		 uint64_t length)
{
	uint64_t around = (uint64_t)layout->header + layout->appendix;

	if (length < around + DATA_QUEUE_ENTRY_HEADER || length - around > DEXT_DATA_QUEUE_MAX)
		return false;
	*queue = (struct data_queue){
		.layout = layout, .memory = memory, .capacity = (uint32_t)(length - around)};
	return true;
}

/* False: one of them is where no entry can start or end. The consumer's own is read before the
 * producer's. */
static bool
load_ends(const struct data_queue *queue, struct ends *ret_ends)
{
	/*
	 * Each pairs with the store of its owner (publish, consume), which makes what the word
	 * passes visible; the order against the reader's own last store is what wake-ups rest on.
	 */
	ret_ends->head = atomic_load_explicit(head_of(queue), memory_order_seq_cst);
	ret_ends->tail = atomic_load_explicit(tail_of(queue), memory_order_seq_cst);
	return ret_ends->head <= queue->capacity && ret_ends->tail <= queue->capacity &&
	       ((ret_ends->head | ret_ends->tail) & (queue->layout->alignment - 1)) == 0;
}

bool
data_queue_is_available(const struct data_queue *queue)
{
	struct ends ends;

	return !load_ends(queue, &ends) || ends.head != ends.tail;
}

/* --- the consumer --- */

/* The entry at `at`, if all of it lies before `limit`. */
static bool
read_entry(const struct data_queue *queue, uint32_t at, uint32_t limit,
	   struct data_queue_entry *ret_entry)
{
	uint8_t *place = entries_of(queue) + at;
	uint32_t size;

	if (limit - at < DATA_QUEUE_ENTRY_HEADER)
		return false;
	memcpy(&size, place, sizeof(size));
	/* The copy is what is checked and used: it must not be read again. */
	__asm__ volatile("" : "+r"(size));
	if (bytes_of(queue, size) > limit - at)
		return false;
	ret_entry->data = place + DATA_QUEUE_ENTRY_HEADER;
	ret_entry->size = size;
	ret_entry->to = at + (uint32_t)bytes_of(queue, size);
	return true;
}

IOReturn
data_queue_peek(const struct data_queue *queue, struct data_queue_entry *ret_entry)
{
	struct data_queue_entry entry = {0};
	struct ends ends;
	bool found;

	if (!load_ends(queue, &ends))
		return kIOReturnError;
	if (ends.head == ends.tail)
		return kIOReturnUnderrun;
	entry.from = ends.head;
	if (ends.head < ends.tail) {
		found = read_entry(queue, ends.head, ends.tail, &entry);
	} else {
		found = read_entry(queue, ends.head, queue->capacity, &entry);
		/* What is too long for the end is at the beginning. */
		if (!found) {
			entry.wrapped = true;
			found = read_entry(queue, 0, ends.tail, &entry);
		}
	}
	if (!found)
		return kIOReturnError;
	entry.last = entry.to == ends.tail;
	*ret_entry = entry;
	return kIOReturnSuccess;
}

bool
data_queue_consume(const struct data_queue *queue, const struct data_queue_entry *entry)
{
	_Atomic uint8_t *serviced = serviced_of(queue);

	/*
	 * Pairs with the load of head in publish, which decides whether to tell us, and with that
	 * in reserve, after which the data may be overwritten.
	 */
	atomic_store_explicit(head_of(queue), entry->to, memory_order_seq_cst);
	if (serviced == NULL)
		return false;
	/* Pairs with reserve: either the producer sees the room or we see that it asks. */
	return atomic_load_explicit(serviced, memory_order_seq_cst) != 0 &&
	       atomic_exchange_explicit(serviced, 0, memory_order_seq_cst) != 0;
}

/* --- the producer --- */

/* Where an entry of so many bytes goes between these ends. False: nowhere. */
static bool
place_entry(const struct data_queue *queue, struct ends ends, uint64_t bytes,
	    struct data_queue_entry *ret_entry)
{
	uint32_t at = ends.tail;

	ret_entry->wrapped = false;
	if (ends.tail < ends.head) {
		/* Not up to head: equal would mean empty. */
		if (ends.head - ends.tail <= bytes)
			return false;
	} else if (queue->capacity - ends.tail < bytes) {
		if (ends.head <= bytes)
			return false;
		ret_entry->wrapped = true;
		at = 0;
	}
	ret_entry->data = entries_of(queue) + at + DATA_QUEUE_ENTRY_HEADER;
	ret_entry->from = ends.tail;
	ret_entry->to = at + (uint32_t)bytes;
	return true;
}

static IOReturn
find_room(const struct data_queue *queue, uint32_t size, struct data_queue_entry *ret_entry)
{
	struct data_queue_entry entry = {.size = size};
	struct ends ends;

	if (!load_ends(queue, &ends))
		return kIOReturnError;
	if (!place_entry(queue, ends, bytes_of(queue, size), &entry))
		return kIOReturnOverrun;
	*ret_entry = entry;
	return kIOReturnSuccess;
}

IOReturn
data_queue_reserve(const struct data_queue *queue, uint32_t size,
		   struct data_queue_entry *ret_entry)
{
	_Atomic uint8_t *serviced = serviced_of(queue);
	IOReturn res;

	if (bytes_of(queue, size) > queue->capacity)
		return kIOReturnNoSpace;
	res = find_room(queue, size, ret_entry);
	if (res != kIOReturnOverrun || serviced == NULL)
		return res;
	/* Pairs with consume: the look for room comes after the store, or both sides wait. */
	atomic_store_explicit(serviced, 1, memory_order_seq_cst);
	res = find_room(queue, size, ret_entry);
	if (res == kIOReturnSuccess)
		atomic_store_explicit(serviced, 0, memory_order_seq_cst);
	return res;
}

bool
data_queue_has_room(const struct data_queue *queue, uint32_t size, uint32_t count)
{
	struct data_queue_entry entry;
	struct ends ends;

	if (!load_ends(queue, &ends))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		if (!place_entry(queue, ends, bytes_of(queue, size), &entry))
			return false;
		ends.tail = entry.to;
	}
	return true;
}

bool
data_queue_publish(const struct data_queue *queue, const struct data_queue_entry *entry)
{
	uint8_t *entries = entries_of(queue);

	memcpy(entry->data - DATA_QUEUE_ENTRY_HEADER, &entry->size, sizeof(entry->size));
	/* So that the consumer sees that the entry is not here. */
	if (entry->wrapped && queue->capacity - entry->from >= DATA_QUEUE_ENTRY_HEADER)
		memcpy(entries + entry->from, &entry->size, sizeof(entry->size));
	/*
	 * Pairs with the loads in peek, which see the entry complete. With the load after it, it
	 * pairs with consume: either this side sees that all was taken, and tells, or the consumer,
	 * which looks again after it has stored its head, sees the entry.
	 */
	atomic_store_explicit(tail_of(queue), entry->to, memory_order_seq_cst);
	return atomic_load_explicit(head_of(queue), memory_order_seq_cst) == entry->from;
}

bool
data_queue_is_serviced(const struct data_queue *queue)
{
	_Atomic uint8_t *serviced = serviced_of(queue);

	/* Pairs with the exchange in consume. */
	return serviced == NULL || atomic_load_explicit(serviced, memory_order_seq_cst) == 0;
}
