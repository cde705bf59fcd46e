/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "trace.h"

#include <pthread.h>

#define WRITERS 4
#define EACH	20000u

static struct trace_writer writer;
static struct trace_reader reader;

/* Bytes that are of this event alone. */
static const uint8_t *
bytes_of(uint64_t id)
{
	static uint8_t pattern[TRACE_SNAP_MAX + 251];

	/* Once, before there are threads. */
	for (unsigned i = 0; pattern[1] == 0 && i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i % 251);
	return pattern + id % 251;
}

static void
begin(enum trace_what what)
{
	void *memory = aligned_alloc(4096, (size_t)trace_length(what));
	struct trace_start start;

	ck_assert_ptr_nonnull(memory);
	memset(memory, 0, (size_t)trace_length(what));
	trace_writer_init(&writer, what, memory);
	trace_writer_start(&writer, &start);
	bytes_of(0);
	trace_reader_init(&reader, what, memory, &start);
}

static void
end(void)
{
	free(writer.file);
}

static void
put(uint64_t id, uint32_t bytes)
{
	struct trace_event event = {
		.kind = TRACE_TRANSFER_ENDED,
		.id = id,
		.value = ~id,
		.time = id * 3,
	};

	trace_write(&writer, &event, bytes_of(id), bytes);
}

/* Fails if what came is not one event as it was written. */
static bool
get(uint64_t *ret_id, uint32_t room)
{
	static uint8_t data[TRACE_SNAP_MAX];
	struct trace_event event;
	uint32_t length = 0;

	if (!trace_read(&reader, false, &event, data, room, &length))
		return false;
	if (event.kind != TRACE_TRANSFER_ENDED || event.value != ~event.id ||
	    event.time != event.id * 3 ||
	    (reader.with_bytes && length != (event.bytes < room ? event.bytes : room)) ||
	    memcmp(data, bytes_of(event.id), length) != 0)
		ck_abort_msg("event %u is torn", event.number);
	*ret_id = event.id;
	return true;
}

START_TEST(buckets_are_four_to_an_octave)
{
	ck_assert_uint_eq(trace_bucket(0), 0);
	ck_assert_uint_eq(trace_bucket(UINT64_MAX), TRACE_BUCKETS - 1);
	for (uint32_t i = 0; i < TRACE_BUCKETS; i++) {
		uint64_t first = trace_bucket_begin(i);

		ck_assert_uint_eq(trace_bucket(first), i);
		if (i > 0)
			ck_assert_uint_eq(trace_bucket(first - 1), i - 1);
		if (i > 4)
			ck_assert_uint_le(first, trace_bucket_begin(i - 1) * 5 / 4);
	}
	ck_assert_uint_eq(trace_bucket_begin(TRACE_BUCKETS - 1), UINT64_C(7) << 30);
}
END_TEST

START_TEST(events_come_in_order_and_once)
{
	uint64_t id;

	begin(TRACE_EVENTS);
	ck_assert(!get(&id, 0));
	for (uint64_t i = 0; i < TRACE_SLOTS + 1000; i++) {
		put(i, 0);
		if (!get(&id, 0) || id != i)
			ck_abort_msg("event %u did not come", (unsigned)i);
	}
	for (uint64_t i = 0; i < 1000; i++)
		put(i, 0);
	for (uint64_t i = 0; i < 1000; i++) {
		ck_assert(get(&id, 0));
		ck_assert_uint_eq(id, i);
	}
	ck_assert(!get(&id, 0));
	trace_reader_end(&reader);
	ck_assert_uint_eq(reader.lost, 0);
	end();
}
END_TEST

START_TEST(what_was_overwritten_is_counted)
{
	const uint64_t written = 2 * TRACE_SLOTS + 7;
	uint64_t id, got = 0, last = 0;

	begin(TRACE_EVENTS);
	for (uint64_t i = 0; i < written; i++)
		put(i, 0);
	while (get(&id, 0)) {
		if (got > 0 && id != last + 1)
			ck_abort_msg("a gap in the middle");
		last = id;
		got++;
	}
	ck_assert_uint_eq(last, written - 1);
	ck_assert_uint_ge(got, TRACE_SLOTS / 2);
	ck_assert_uint_eq(reader.lost + got, written);
	end();
}
END_TEST

START_TEST(bytes_come_whole_or_not_at_all)
{
	static const uint32_t lengths[] = {0, 1, 55, 56, 57, 112, 113, 4096, 65535, 65536};
	uint64_t id, got = 0, written = 0;

	begin(TRACE_CAPTURE);
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		put(i, lengths[i]);
		ck_assert(get(&id, TRACE_SNAP_MAX));
		ck_assert_uint_eq(id, i);
		/* Less than there is. */
		put(i, lengths[i]);
		ck_assert(get(&id, 60));
	}
	ck_assert_uint_eq(reader.lost, 0);
	/* Overwritten in the middle of an event: get checks each byte. */
	for (; written < 2000; written++)
		put(written, (uint32_t)(written * 37 % 9000));
	while (get(&id, TRACE_SNAP_MAX))
		got++;
	trace_reader_end(&reader);
	ck_assert_uint_eq(reader.lost + got, written);
	ck_assert_uint_gt(got, 0);
	end();
}
END_TEST

/* A thread that was interrupted between taking a slot and writing it. */
START_TEST(a_writer_that_was_overtaken_costs_its_slot_alone)
{
	struct trace_slot *slot;
	uint64_t id;

	begin(TRACE_EVENTS);
	put(0, 0);
	ck_assert(get(&id, 0));
	slot = &writer.slots[1];
	put(1, 0);
	put(2, 0);
	atomic_store(&slot->turn, 4 + TRACE_TURN_TAKEN);
	/* Waited for, since it may come any moment. */
	ck_assert(!get(&id, 0));
	atomic_store(&slot->turn, 4 + TRACE_TURN_EVENT);
	ck_assert(get(&id, 0));
	ck_assert_uint_eq(id, 1);
	ck_assert(get(&id, 0));
	ck_assert_uint_eq(id, 2);
	/* A lap later it still sits there: the event for this slot is lost, all others come. */
	atomic_store(&slot->turn, 4 + TRACE_TURN_TAKEN);
	for (uint64_t i = 3; i < TRACE_SLOTS + 4; i++) {
		put(i, 0);
		if (i == TRACE_SLOTS + 1) {
			ck_assert(!get(&id, 0));
			continue;
		}
		while (!get(&id, 0))
			;
		if (id != i)
			ck_abort_msg("another event");
	}
	ck_assert_uint_eq(reader.lost, 1);
	ck_assert_uint_eq(atomic_load(&slot->turn), 4 + TRACE_TURN_TAKEN);
	end();
}
END_TEST

START_TEST(nothing_is_waited_for_when_it_is_over)
{
	struct trace_event event;
	uint64_t id;

	begin(TRACE_EVENTS);
	put(0, 0);
	put(1, 0);
	put(2, 0);
	atomic_store(&writer.slots[1].turn, 4 + TRACE_TURN_TAKEN);
	atomic_store(&writer.slots[2].turn, 8 + TRACE_TURN_TAKEN);
	ck_assert(get(&id, 0));
	ck_assert(!trace_read(&reader, true, &event, NULL, 0, NULL));
	trace_reader_end(&reader);
	ck_assert_uint_eq(reader.lost, 2);
	end();
}
END_TEST

static _Atomic unsigned writing;

static void *
write_many(void *context)
{
	uint64_t first = (uint64_t)(uintptr_t)context << 32;

	for (uint64_t i = 0; i < EACH; i++)
		put(first | i, writer.with_bytes ? (uint32_t)(i % 200) : 0);
	atomic_fetch_sub(&writing, 1);
	return NULL;
}

/* Each thread's events in order, none twice, none torn; those that are missing are counted. */
static void
write_by_several(enum trace_what what)
{
	uint64_t next[WRITERS] = {0}, id, got = 0;
	pthread_t threads[WRITERS];
	bool over;

	begin(what);
	atomic_store(&writing, WRITERS);
	for (uintptr_t i = 0; i < WRITERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, write_many, (void *)i), 0);
	do {
		over = atomic_load(&writing) == 0;
		while (get(&id, TRACE_SNAP_MAX)) {
			if ((id & UINT32_MAX) < next[id >> 32])
				ck_abort_msg("an event came twice, or late");
			next[id >> 32] = (id & UINT32_MAX) + 1;
			got++;
		}
	} while (!over);
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	trace_reader_end(&reader);
	ck_assert_uint_eq(got + reader.lost, (uint64_t)WRITERS * EACH);
	ck_assert_uint_gt(got, 0);
	end();
}

START_TEST(several_threads_write)
{
	write_by_several(TRACE_EVENTS);
}
END_TEST

START_TEST(several_threads_write_bytes)
{
	write_by_several(TRACE_CAPTURE);
}
END_TEST

/* A host may write what it likes: no read outside, no endless turn. */
START_TEST(nonsense_is_survived)
{
	static uint8_t data[TRACE_SNAP_MAX];
	struct trace_event event;
	struct trace_owner owner;
	uint32_t length, generation;
	unsigned seed = 1;

	begin(TRACE_CAPTURE);
	for (unsigned round = 0; round < 50; round++) {
		uint64_t head = (uint64_t)rand_r(&seed) << (rand_r(&seed) % 33);

		atomic_store(&writer.file->ring.head, head);
		for (unsigned i = 0; i < 1000; i++) {
			uint64_t position = head - (uint64_t)rand_r(&seed) % 4096 - 1;
			struct trace_slot *slot = &writer.slots[position % TRACE_SLOTS_BYTES];

			atomic_store(&slot->turn, position * 4 + (unsigned)rand_r(&seed) % 4);
			for (unsigned word = 0; word < 7; word++)
				atomic_store(&slot->words[word],
					     (uint64_t)rand_r(&seed) * (uint64_t)rand_r(&seed));
		}
		for (unsigned i = 0; i < 20; i++)
			if (trace_read(&reader, true, &event, data, 1000, &length))
				ck_assert_uint_le(length, 1000);
	}
	end();
	begin(TRACE_EVENTS);
	ck_assert(!trace_read_owner(reader.file, 3, &owner, &generation));
	ck_assert(!trace_read_owner(reader.file, TRACE_PLACES, &owner, &generation));
	ck_assert(!trace_read_owner(reader.file, TRACE_NO_PLACE, &owner, &generation));
	memset(&writer.file->places[3], 0xff, sizeof(struct trace_place));
	ck_assert(trace_read_owner(reader.file, 3, &owner, &generation));
	ck_assert_uint_eq(strlen(owner.name), sizeof(owner.name) - 1);
	end();
}
END_TEST

UNIT_MAIN("trace", buckets_are_four_to_an_octave, events_come_in_order_and_once,
	  what_was_overwritten_is_counted, bytes_come_whole_or_not_at_all,
	  a_writer_that_was_overtaken_costs_its_slot_alone, nothing_is_waited_for_when_it_is_over,
	  several_threads_write, several_threads_write_bytes, nonsense_is_survived)
