/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "data_queue.h"

#include <IOKit/IODataQueueShared.h>

#define EACH_LAYOUT 2
static const struct data_queue_layout *const layouts[EACH_LAYOUT] = {&data_queue_classic,
								     &data_queue_dispatch};

/* In memory of exactly its length, so that ASan sees a byte too many. */
static struct data_queue
make(const struct data_queue_layout *layout, uint32_t capacity)
{
	struct data_queue queue;

	ck_assert_uint_eq(data_queue_round(layout, capacity), capacity);
	data_queue_init(&queue, layout, calloc(1, data_queue_length(layout, capacity)), capacity);
	ck_assert_ptr_nonnull(queue.memory);
	return queue;
}

static uint32_t
word(const struct data_queue *queue, uint32_t offset)
{
	uint32_t value;

	memcpy(&value, queue->memory + offset, sizeof(value));
	return value;
}

static void
set_word(struct data_queue *queue, uint32_t offset, uint32_t value)
{
	memcpy(queue->memory + offset, &value, sizeof(value));
}

/* `size` bytes that begin with `value`. */
static IOReturn
put(const struct data_queue *queue, uint32_t size, uint8_t value, bool *ret_tell)
{
	struct data_queue_entry entry;
	IOReturn res = data_queue_reserve(queue, size, &entry);

	*ret_tell = false;
	if (res != kIOReturnSuccess)
		return res;
	memset(entry.data, value, size);
	*ret_tell = data_queue_publish(queue, &entry);
	return res;
}

static void
expect(const struct data_queue *queue, uint32_t size, uint8_t value)
{
	struct data_queue_entry entry;

	ck_assert_int_eq(data_queue_peek(queue, &entry), kIOReturnSuccess);
	ck_assert_uint_eq(entry.size, size);
	for (uint32_t i = 0; i < size; i++)
		ck_assert_uint_eq(entry.data[i], value);
	data_queue_consume(queue, &entry);
}

static void
expect_empty(const struct data_queue *queue)
{
	struct data_queue_entry entry;

	ck_assert_int_eq(data_queue_peek(queue, &entry), kIOReturnUnderrun);
	ck_assert(!data_queue_is_available(queue));
}

/* What programs for macOS have compiled into them. */
START_TEST(the_classic_layout_is_that_of_the_public_header)
{
	struct data_queue queue = make(&data_queue_classic, 64);
	IODataQueueMemory *memory = (IODataQueueMemory *)queue.memory;
	bool tell;

	ck_assert_uint_eq(data_queue_classic.header, DATA_QUEUE_MEMORY_HEADER_SIZE);
	ck_assert_uint_eq(data_queue_classic.appendix, DATA_QUEUE_MEMORY_APPENDIX_SIZE);
	ck_assert_uint_eq(DATA_QUEUE_ENTRY_HEADER, DATA_QUEUE_ENTRY_HEADER_SIZE);
	ck_assert_uint_eq(memory->queueSize, 64);
	ck_assert_int_eq(put(&queue, 5, 7, &tell), kIOReturnSuccess);
	ck_assert_uint_eq(memory->head, 0);
	ck_assert_uint_eq(memory->tail, 9); /* not rounded */
	ck_assert_uint_eq(memory->queue[0].size, 5);
	ck_assert_uint_eq(memory->queue[0].data[0], 7);
	free(queue.memory);
}
END_TEST

START_TEST(the_dispatch_layout_rounds_entries_to_words)
{
	struct data_queue queue = make(&data_queue_dispatch, 64);
	bool tell;

	ck_assert_int_eq(put(&queue, 5, 7, &tell), kIOReturnSuccess);
	ck_assert_uint_eq(word(&queue, 0), 0);
	ck_assert_uint_eq(word(&queue, 4), 12);
	ck_assert_uint_eq(word(&queue, 128), 5);
	ck_assert_uint_eq(queue.memory[132], 7);
	ck_assert_uint_eq(data_queue_round(&data_queue_dispatch, 61), 64);
	free(queue.memory);
}
END_TEST

START_TEST(an_exact_fit_uses_the_last_byte)
{
	struct data_queue queue = make(layouts[_i], 64);
	struct data_queue_entry entry;
	bool tell;

	ck_assert_int_eq(data_queue_reserve(&queue, 61, &entry), kIOReturnNoSpace);
	ck_assert_int_eq(data_queue_reserve(&queue, UINT32_MAX, &entry), kIOReturnNoSpace);
	ck_assert_int_eq(put(&queue, 60, 1, &tell), kIOReturnSuccess);
	ck_assert(tell);
	ck_assert_int_eq(put(&queue, 0, 2, &tell), kIOReturnOverrun);
	expect(&queue, 60, 1);
	expect_empty(&queue);
	/* Both words are at the very end now. */
	ck_assert_int_eq(put(&queue, 8, 3, &tell), kIOReturnSuccess);
	ck_assert(tell);
	expect(&queue, 8, 3);
	expect_empty(&queue);
	free(queue.memory);
}
END_TEST

/* With 0 to 8 bytes left at the end: without and with room for the size. */
START_TEST(an_entry_that_does_not_fit_at_the_end_is_at_the_beginning)
{
	for (uint32_t left = 0; left <= 8; left += layouts[_i]->alignment) {
		struct data_queue queue = make(layouts[_i], 64);
		bool tell;

		ck_assert_int_eq(put(&queue, 20, 1, &tell), kIOReturnSuccess);
		ck_assert_int_eq(put(&queue, 64 - 24 - 4 - left, 2, &tell), kIOReturnSuccess);
		ck_assert(!tell);
		expect(&queue, 20, 1);
		ck_assert_int_eq(put(&queue, 16, 3, &tell), kIOReturnSuccess);
		ck_assert(!tell);
		ck_assert_uint_eq(word(&queue, layouts[_i]->tail), 20);
		if (left >= 4)
			ck_assert_uint_eq(word(&queue, layouts[_i]->header + 64 - left), 16);
		/* Nothing more: head would be reached, which means empty. */
		ck_assert_int_eq(put(&queue, 0, 4, &tell), kIOReturnOverrun);
		expect(&queue, 64 - 24 - 4 - left, 2);
		expect(&queue, 16, 3);
		expect_empty(&queue);
		free(queue.memory);
	}
}
END_TEST

START_TEST(entries_may_be_empty)
{
	struct data_queue queue = make(layouts[_i], 16);
	bool tell;

	for (unsigned round = 0; round < 50; round++) {
		ck_assert_int_eq(put(&queue, 0, 0, &tell), kIOReturnSuccess);
		ck_assert(tell);
		ck_assert_int_eq(put(&queue, 0, 0, &tell), kIOReturnSuccess);
		ck_assert(!tell);
		expect(&queue, 0, 0);
		expect(&queue, 0, 0);
		expect_empty(&queue);
	}
	free(queue.memory);
}
END_TEST

START_TEST(room_is_told_before_it_is_taken)
{
	struct data_queue queue = make(layouts[_i], 64);
	bool tell;

	ck_assert(data_queue_has_room(&queue, 12, 4));
	ck_assert(!data_queue_has_room(&queue, 12, 5));
	ck_assert_int_eq(put(&queue, 28, 1, &tell), kIOReturnSuccess);
	ck_assert(data_queue_has_room(&queue, 28, 1));
	ck_assert(!data_queue_has_room(&queue, 28, 2));
	expect(&queue, 28, 1);
	/* One at the end, one at the beginning; not another one up to head. */
	ck_assert(data_queue_has_room(&queue, 27, 2) == (layouts[_i]->alignment == 1));
	ck_assert(!data_queue_has_room(&queue, 28, 2));
	free(queue.memory);
}
END_TEST

START_TEST(a_producer_that_found_no_room_is_told)
{
	struct data_queue queue = make(&data_queue_dispatch, 32);
	struct data_queue_entry entry;
	bool tell;

	ck_assert_int_eq(put(&queue, 12, 1, &tell), kIOReturnSuccess);
	ck_assert_int_eq(put(&queue, 12, 1, &tell), kIOReturnSuccess);
	ck_assert_int_eq(data_queue_peek(&queue, &entry), kIOReturnSuccess);
	ck_assert(data_queue_is_serviced(&queue));
	ck_assert_int_eq(put(&queue, 4, 2, &tell), kIOReturnOverrun);
	ck_assert(!data_queue_is_serviced(&queue));
	ck_assert(data_queue_consume(&queue, &entry));
	ck_assert(data_queue_is_serviced(&queue));
	ck_assert_int_eq(put(&queue, 4, 2, &tell), kIOReturnSuccess);
	ck_assert_int_eq(data_queue_peek(&queue, &entry), kIOReturnSuccess);
	ck_assert(!data_queue_consume(&queue, &entry));
	free(queue.memory);
}
END_TEST

START_TEST(memory_is_adopted_by_its_length_alone)
{
	struct data_queue made = make(layouts[_i], 64), queue;
	uint64_t length = data_queue_length(layouts[_i], 64);

	if (layouts[_i]->capacity != UINT32_MAX)
		set_word(&made, layouts[_i]->capacity, UINT32_MAX);
	ck_assert(data_queue_adopt(&queue, layouts[_i], made.memory, length));
	ck_assert_uint_eq(queue.capacity, 64);
	ck_assert(!data_queue_adopt(&queue, layouts[_i], made.memory, length - 61));
	ck_assert(!data_queue_adopt(&queue, layouts[_i], made.memory, 0));
	ck_assert(data_queue_adopt(&queue, layouts[_i], made.memory,
				   length - 64 + DEXT_DATA_QUEUE_MAX));
	ck_assert(!data_queue_adopt(&queue, layouts[_i], made.memory,
				    length - 64 + DEXT_DATA_QUEUE_MAX + 1));
	ck_assert_uint_eq(data_queue_round(layouts[_i], DEXT_DATA_QUEUE_MAX), DEXT_DATA_QUEUE_MAX);
	ck_assert_uint_eq(data_queue_round(layouts[_i], DEXT_DATA_QUEUE_MAX + 1), 0);
	ck_assert_uint_eq(data_queue_round(layouts[_i], 3), 0);
	free(made.memory);
}
END_TEST

START_TEST(words_outside_the_queue_are_errors)
{
	static const uint32_t wrong[] = {65, 68, 4096, 0x7fffffff, UINT32_MAX};

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct data_queue queue = make(layouts[_i], 64);
		struct data_queue_entry entry;

		set_word(&queue, layouts[_i]->head, wrong[i]);
		ck_assert_int_eq(data_queue_peek(&queue, &entry), kIOReturnError);
		ck_assert_int_eq(data_queue_reserve(&queue, 4, &entry), kIOReturnError);
		ck_assert(!data_queue_has_room(&queue, 4, 1));
		set_word(&queue, layouts[_i]->head, 0);
		set_word(&queue, layouts[_i]->tail, wrong[i]);
		ck_assert_int_eq(data_queue_peek(&queue, &entry), kIOReturnError);
		ck_assert_int_eq(data_queue_reserve(&queue, 4, &entry), kIOReturnError);
		free(queue.memory);
	}
}
END_TEST

START_TEST(a_size_beyond_the_tail_is_an_error)
{
	static const uint32_t wrong[] = {9, 60, 61, 0x7fffffff, UINT32_MAX - 3, UINT32_MAX};

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct data_queue queue = make(layouts[_i], 64);
		struct data_queue_entry entry;

		/* One entry of 8 bytes, and then one around the end. */
		set_word(&queue, layouts[_i]->tail, 12);
		set_word(&queue, layouts[_i]->header, wrong[i]);
		ck_assert_int_eq(data_queue_peek(&queue, &entry), kIOReturnError);
		set_word(&queue, layouts[_i]->head, 60);
		set_word(&queue, layouts[_i]->header + 60, 8);
		ck_assert_int_eq(data_queue_peek(&queue, &entry), kIOReturnError);
		set_word(&queue, layouts[_i]->header, 8);
		ck_assert_int_eq(data_queue_peek(&queue, &entry), kIOReturnSuccess);
		free(queue.memory);
	}
}
END_TEST

/* --- a peer that writes whatever it likes --- */

struct scribbler {
	struct data_queue queue;
	_Atomic bool stop;
};

__attribute__((no_sanitize("thread"))) static void *
scribble(void *context)
{
	struct scribbler *scribbler = context;
	struct data_queue *queue = &scribbler->queue;
	uint32_t length = queue->layout->header + queue->capacity;
	uint64_t seed = 88172645463325252u;

	while (!atomic_load(&scribbler->stop)) {
		uint32_t at, value;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		value = seed & 1 ? (uint32_t)(seed >> 32) % 600 : (uint32_t)(seed >> 32);
		at = seed & 2 ? ((seed & 4) ? queue->layout->head : queue->layout->tail)
			      : (uint32_t)(seed >> 8) % (length / 4) * 4;
		*(volatile uint32_t *)(queue->memory + at) = value;
	}
	return NULL;
}

/* Both sides, all the while; ASan watches the memory, which ends with the queue. */
START_TEST(a_scribbling_peer_reaches_nothing_outside_the_queue)
{
	struct scribbler scribbler = {.queue = make(layouts[_i], 512)};
	const struct data_queue *queue = &scribbler.queue;
	unsigned successes = 0, errors = 0;
	struct data_queue_entry entry;
	volatile uint8_t sum = 0;
	pthread_t thread;
	bool tell;

	pthread_create(&thread, NULL, scribble, &scribbler);
	for (unsigned i = 0; i < 20000 || successes == 0 || errors == 0; i++) {
		IOReturn res = data_queue_peek(queue, &entry);

		if (res == kIOReturnSuccess) {
			ck_assert_uint_le(entry.size, queue->capacity - DATA_QUEUE_ENTRY_HEADER);
			if (entry.size > 0)
				sum ^= entry.data[0] ^ entry.data[entry.size - 1];
			data_queue_consume(queue, &entry);
			successes++;
		} else if (res == kIOReturnError) {
			errors++;
		} else {
			ck_assert_int_eq(res, kIOReturnUnderrun);
		}
		res = put(queue, i % 600, (uint8_t)i, &tell);
		ck_assert(res == kIOReturnSuccess || res == kIOReturnError ||
			  res == kIOReturnOverrun || res == kIOReturnNoSpace);
	}
	(void)sum; /* only that the bytes can be read */
	atomic_store(&scribbler.stop, true);
	pthread_join(thread, NULL);
	free(queue->memory);
}
END_TEST

#define THE_MODEL_ENTRIES 20000

/* One thread, against a list: every size in turn, however full it is. */
START_TEST(what_goes_in_comes_out_in_order)
{
	struct data_queue queue = make(layouts[_i], 96);
	unsigned in = 0, out = 0, overruns = 0;
	unsigned seed = 12345;
	bool tell;

	while (out < THE_MODEL_ENTRIES) {
		seed = seed * 1103515245 + 12345;
		if (seed & 0x10000) {
			IOReturn res = put(&queue, in % 41, (uint8_t)in, &tell);

			if (res == kIOReturnSuccess)
				ck_assert(tell == (in++ == out));
			else
				ck_assert_int_eq(res, kIOReturnOverrun);
			overruns += res == kIOReturnOverrun;
		} else if (in == out) {
			expect_empty(&queue);
		} else {
			expect(&queue, out % 41, (uint8_t)out);
			out++;
		}
	}
	ck_assert_uint_gt(overruns, 0);
	free(queue.memory);
}
END_TEST

UNIT_LOOP_MAIN("data queue", {the_classic_layout_is_that_of_the_public_header, 1},
	       {the_dispatch_layout_rounds_entries_to_words, 1},
	       {a_producer_that_found_no_room_is_told, 1},
	       {an_exact_fit_uses_the_last_byte, EACH_LAYOUT},
	       {an_entry_that_does_not_fit_at_the_end_is_at_the_beginning, EACH_LAYOUT},
	       {entries_may_be_empty, EACH_LAYOUT}, {room_is_told_before_it_is_taken, EACH_LAYOUT},
	       {memory_is_adopted_by_its_length_alone, EACH_LAYOUT},
	       {words_outside_the_queue_are_errors, EACH_LAYOUT},
	       {a_size_beyond_the_tail_is_an_error, EACH_LAYOUT},
	       {a_scribbling_peer_reaches_nothing_outside_the_queue, EACH_LAYOUT},
	       {what_goes_in_comes_out_in_order, EACH_LAYOUT})
