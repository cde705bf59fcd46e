/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recording's files: writing and reading of slots. trace.h has the layout and the rules.
 *
 * A slot's words are atomics, stored with release and loaded with acquire, because a reader copies
 * them while they may be written again: one that has seen a word of a later turn sees that turn
 * when it looks at it after the copy. (Fences would say the same, but not to ThreadSanitizer.)
 *
 * Any thread writes. A reader is used by one thread.
 */
#include "trace.h"

#include <assert.h>
#include <string.h>

#include "clock.h"

/* How long a reader waits for a slot whose writer was interrupted, or has left it. */
#define STUCK_NSEC (50 * NSEC_PER_MSEC)

#define WORDS (TRACE_SLOT_BYTES / sizeof(uint64_t))

static uint32_t
slot_count(enum trace_what what)
{
	return what == TRACE_CAPTURE ? TRACE_SLOTS_BYTES : TRACE_SLOTS;
}

/* Slots for so many bytes. */
static uint32_t
pieces_of(uint32_t length)
{
	return (length + TRACE_SLOT_BYTES - 1) / TRACE_SLOT_BYTES;
}

static uint64_t
slots_offset(enum trace_what what)
{
	return sizeof(struct trace_file) +
	       (what == TRACE_EVENTS ? TRACE_PLACES * sizeof(struct trace_place) : 0);
}

uint64_t
trace_length(enum trace_what what)
{
	return slots_offset(what) + (uint64_t)slot_count(what) * sizeof(struct trace_slot);
}

uint32_t
trace_bucket(uint64_t nsec)
{
	uint32_t octave, bucket;

	if (nsec < 4)
		return (uint32_t)nsec;
	octave = 63 - (uint32_t)__builtin_clzll(nsec);
	bucket = (octave - 1) * 4 + (uint32_t)(nsec >> (octave - 2) & 3);
	return bucket < TRACE_BUCKETS ? bucket : TRACE_BUCKETS - 1;
}

uint64_t
trace_bucket_begin(uint32_t bucket)
{
	if (bucket < 4)
		return bucket;
	return (UINT64_C(4) + bucket % 4) << (bucket / 4 - 1);
}

/* --- writing --- */

void
trace_writer_init(struct trace_writer *writer, enum trace_what what, void *memory)
{
	struct trace_file *file = memory;

	writer->file = file;
	writer->slots = (struct trace_slot *)((char *)memory + slots_offset(what));
	writer->slot_count = slot_count(what);
	writer->with_bytes = what == TRACE_CAPTURE;
	pthread_mutex_init(&writer->lock, NULL);
	file->magic = TRACE_MAGIC;
	file->version = TRACE_VERSION;
	file->slot_count = writer->slot_count;
	file->place_count = what == TRACE_EVENTS ? TRACE_PLACES : 0;
}

/* False: somebody writes there still, or has a later turn. */
static bool
fill(struct trace_writer *writer, uint64_t position, enum trace_turn turn, const void *bytes,
     size_t length)
{
	struct trace_slot *slot = &writer->slots[position & (writer->slot_count - 1)];
	uint64_t before = atomic_load_explicit(&slot->turn, memory_order_relaxed);
	uint64_t words[WORDS] = {0};

	if (before % 4 == TRACE_TURN_TAKEN || (before != 0 && before / 4 >= position))
		return false;
	/* Of two writers one has the slot. Acquire: the words of the one before come before mine.
	 */
	if (!atomic_compare_exchange_strong_explicit(&slot->turn, &before,
						     position * 4 + TRACE_TURN_TAKEN,
						     memory_order_acquire, memory_order_relaxed))
		return false;
	memcpy(words, bytes, length);
	/* Each pairs with the load of the same word in copy: who sees it sees TAKEN, or later. */
	for (size_t i = 0; i < WORDS; i++)
		atomic_store_explicit(&slot->words[i], words[i], memory_order_release);
	/* Pairs with the first look in copy. */
	atomic_store_explicit(&slot->turn, position * 4 + turn, memory_order_release);
	return true;
}

static uint64_t
reserve(struct trace_writer *writer, struct trace_event *event, uint32_t slots)
{
	struct trace_file *file = writer->file;
	uint64_t position;

	/* Relaxed: what is in a slot is seen by its turn. */
	if (!writer->with_bytes) {
		position = atomic_fetch_add_explicit(&file->ring.head, 1, memory_order_relaxed);
		event->number = (uint32_t)position;
		return position;
	}
	pthread_mutex_lock(&writer->lock);
	position = atomic_fetch_add_explicit(&file->ring.head, slots, memory_order_relaxed);
	event->number =
		(uint32_t)atomic_fetch_add_explicit(&file->count.events, 1, memory_order_relaxed);
	pthread_mutex_unlock(&writer->lock);
	return position;
}

void
trace_writer_start(struct trace_writer *writer, struct trace_start *ret_start)
{
	struct trace_file *file = writer->file;

	pthread_mutex_lock(&writer->lock);
	ret_start->position = atomic_load_explicit(&file->ring.head, memory_order_relaxed);
	ret_start->number =
		writer->with_bytes
			? (uint32_t)atomic_load_explicit(&file->count.events, memory_order_relaxed)
			: (uint32_t)ret_start->position;
	pthread_mutex_unlock(&writer->lock);
}

void
trace_write(struct trace_writer *writer, struct trace_event *event, const void *bytes,
	    uint32_t length)
{
	uint32_t pieces = pieces_of(length);
	uint64_t position;

	assert(length <= TRACE_BYTES_MAX && (length == 0 || writer->with_bytes));
	if (writer->with_bytes)
		event->bytes = length;
	position = reserve(writer, event, 1 + pieces);
	/* The event last: who sees it sees its bytes. */
	for (uint32_t i = 0; i < pieces; i++) {
		uint32_t at = i * TRACE_SLOT_BYTES, left = length - at;

		if (!fill(writer, position + 1 + i, TRACE_TURN_BYTES, (const char *)bytes + at,
			  left < TRACE_SLOT_BYTES ? left : TRACE_SLOT_BYTES))
			return;
	}
	fill(writer, position, TRACE_TURN_EVENT, event, sizeof(*event));
}

/* --- reading --- */

static uint64_t
head_of(const struct trace_reader *reader)
{
	return atomic_load_explicit(&reader->file->ring.head, memory_order_relaxed);
}

/* Number of the next event that is written. */
static uint32_t
number_of(const struct trace_reader *reader)
{
	return reader->with_bytes ? (uint32_t)atomic_load_explicit(&reader->file->count.events,
								   memory_order_relaxed)
				  : (uint32_t)head_of(reader);
}

void
trace_reader_init(struct trace_reader *reader, enum trace_what what, const void *memory,
		  const struct trace_start *start)
{
	*reader = (struct trace_reader){
		.file = memory,
		.slots = (const struct trace_slot *)((const char *)memory + slots_offset(what)),
		.slot_count = slot_count(what),
		.with_bytes = what == TRACE_CAPTURE,
		.next = start->position,
		.expected = start->number,
	};
}

/* False: it is not there (yet), or not any more. */
static bool
copy(const struct trace_reader *reader, uint64_t position, enum trace_turn turn,
     uint64_t words[WORDS])
{
	const struct trace_slot *slot = &reader->slots[position & (reader->slot_count - 1)];
	uint64_t wanted = position * 4 + turn;

	if (atomic_load_explicit(&slot->turn, memory_order_acquire) != wanted)
		return false;
	for (size_t i = 0; i < WORDS; i++)
		words[i] = atomic_load_explicit(&slot->words[i], memory_order_acquire);
	/* After the words: their loads acquire. */
	return atomic_load_explicit(&slot->turn, memory_order_relaxed) == wanted;
}

/* As many bytes as the event's pieces have and there is room for. False: they are gone. */
static bool
copy_bytes(const struct trace_reader *reader, uint32_t length, void *bytes, uint32_t room)
{
	for (uint32_t at = 0; at < length && at < room; at += TRACE_SLOT_BYTES) {
		uint64_t words[WORDS];
		uint32_t left = (length < room ? length : room) - at;

		if (!copy(reader, reader->next + 1 + at / TRACE_SLOT_BYTES, TRACE_TURN_BYTES,
			  words))
			return false;
		memcpy((char *)bytes + at, words,
		       left < TRACE_SLOT_BYTES ? left : TRACE_SLOT_BYTES);
	}
	return true;
}

/* How a slot is that could not be copied. */
static uint64_t
turn_of(const struct trace_reader *reader)
{
	return atomic_load_explicit(&reader->slots[reader->next & (reader->slot_count - 1)].turn,
				    memory_order_relaxed);
}

/* Whether to look at the next slot, since this one has nothing, or nothing any more. */
static bool
skips(struct trace_reader *reader, uint64_t head, bool is_over)
{
	uint64_t turn = turn_of(reader), now;

	/* Far behind: to where there is some time left before it is overwritten again. */
	if (head - reader->next > reader->slot_count) {
		reader->next = head - reader->slot_count / 2;
		reader->stuck = 0;
		return true;
	}
	/* Overwritten since it was looked at; or bytes, whose event was lost. */
	if (turn / 4 > reader->next || (turn / 4 == reader->next && turn % 4 == TRACE_TURN_BYTES) ||
	    is_over) {
		reader->next++;
		reader->stuck = 0;
		return true;
	}
	now = clock_now();
	if (reader->stuck == 0)
		reader->stuck = now;
	if (now - reader->stuck < STUCK_NSEC)
		return false;
	reader->stuck = 0;
	reader->next++;
	return true;
}

/* Counts those before this number that did not come. One that was given up and comes late is none.
 */
static bool
count(struct trace_reader *reader, uint32_t number)
{
	uint32_t gap = number - reader->expected;

	if (gap > INT32_MAX)
		return false;
	reader->lost += gap;
	reader->expected = number + 1;
	return true;
}

/* The event at `next` and the bytes behind it. False: they are not there, or not whole. */
static bool
copy_event(const struct trace_reader *reader, struct trace_event *ret_event, void *bytes,
	   uint32_t room)
{
	uint64_t words[WORDS];

	if (!copy(reader, reader->next, TRACE_TURN_EVENT, words))
		return false;
	memcpy(ret_event, words, sizeof(*ret_event));
	return !reader->with_bytes || (ret_event->bytes <= TRACE_BYTES_MAX &&
				       copy_bytes(reader, ret_event->bytes, bytes, room));
}

bool
trace_read(struct trace_reader *reader, bool is_over, struct trace_event *ret_event, void *bytes,
	   uint32_t room, uint32_t *ret_length)
{
	struct trace_event event;
	uint64_t head;

	/* A host may write whatever it likes: no more turns than there are slots. */
	for (uint32_t turn = 0; turn < reader->slot_count; turn++) {
		head = head_of(reader);
		if (reader->next >= head)
			return false;
		if (head - reader->next > reader->slot_count ||
		    !copy_event(reader, &event, bytes, room)) {
			if (!skips(reader, head, is_over))
				return false;
			continue;
		}
		reader->stuck = 0;
		reader->next += 1 + (reader->with_bytes ? pieces_of(event.bytes) : 0);
		if (!count(reader, event.number))
			continue;
		*ret_event = event;
		if (ret_length != NULL)
			*ret_length = event.bytes < room ? event.bytes : room;
		return true;
	}
	return false;
}

void
trace_reader_end(struct trace_reader *reader)
{
	uint32_t gap = number_of(reader) - reader->expected;

	if (gap > INT32_MAX)
		return;
	reader->lost += gap;
	reader->expected += gap;
}

bool
trace_read_owner(const struct trace_file *file, uint32_t index, struct trace_owner *ret_owner,
		 uint32_t *ret_generation)
{
	uint64_t words[sizeof(*ret_owner) / sizeof(uint64_t)];
	const struct trace_place *place;
	uint32_t generation;

	if (index >= TRACE_PLACES)
		return false;
	place = &file->places[index];
	/* As in copy: pairs with who gives the place away. */
	generation = atomic_load_explicit(&place->generation, memory_order_acquire);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		words[i] = atomic_load_explicit(&place->owner[i], memory_order_acquire);
	if (generation == 0 ||
	    atomic_load_explicit(&place->generation, memory_order_relaxed) != generation)
		return false;
	memcpy(ret_owner, words, sizeof(*ret_owner));
	ret_owner->name[sizeof(ret_owner->name) - 1] = '\0';
	*ret_generation = generation;
	return true;
}
