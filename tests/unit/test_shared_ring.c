/* SPDX-License-Identifier: Apache-2.0 */
/* Both sides of one ring in this process; and a side that lies. */
#include "shared_ring.h"
#include "unit.h"

#include <stdlib.h>

#include "call_page.h"
#include "fence.h"
#include "sleepers.h"

struct entry {
	uint64_t number, check;
};

static struct shared_ring *ring;
static struct shared_ring_shape shape = {sizeof(struct entry), {8, 4}};
static struct shared_ring_producer producer;
static struct shared_ring_consumer consumer;
static uint64_t put, got;

static void
set(enum shared_ring_direction direction)
{
	uint64_t length = (shared_ring_length(&shape) + 4095) & ~UINT64_C(4095);

	ring = aligned_alloc(4096, length);
	memset(ring, 0, length);
	shared_ring_init(ring, &shape);
	shared_ring_produce(&producer, ring, &shape, direction);
	shared_ring_consume(&consumer, ring, &shape, direction);
	put = got = 0;
}

static IOReturn
push(uint32_t count, uint32_t *pushed, bool *tell)
{
	struct entry entries[16];
	IOReturn res;

	for (uint32_t i = 0; i < count; i++)
		entries[i] = (struct entry){put + i, ~(put + i)};
	res = shared_ring_push(&producer, entries, count, pushed, tell);
	put += *pushed;
	return res;
}

static IOReturn
pop(uint32_t room, uint32_t *popped, bool *tell)
{
	struct entry entries[16];
	IOReturn res = shared_ring_pop(&consumer, entries, room, popped, tell);

	for (uint32_t i = 0; i < *popped; i++, got++) {
		ck_assert_uint_eq(entries[i].number, got);
		ck_assert_uint_eq(entries[i].check, ~got);
	}
	return res;
}

START_TEST(entries_come_in_order_across_the_end)
{
	uint32_t count, room;
	bool tell;

	set((enum shared_ring_direction)_i);
	room = shape.capacity[_i];
	/* Batches of all lengths begin at all places. */
	for (uint32_t round = 0; round < 1000; round++) {
		uint32_t size = round % room + 1;

		ck_assert_int_eq(push(size, &count, &tell), kIOReturnSuccess);
		ck_assert_uint_eq(count, size);
		ck_assert_int_eq(pop(16, &count, &tell), kIOReturnSuccess);
		ck_assert_uint_eq(count, size);
	}
	ck_assert_uint_eq(got, put);
	free(ring);
}
END_TEST

START_TEST(full_and_empty_are_told_apart)
{
	uint32_t count;
	bool tell;

	set(SHARED_RING_SUBMISSION);
	ck_assert(!shared_ring_has_entries(&consumer));
	ck_assert_int_eq(pop(1, &count, &tell), kIOReturnUnderrun);
	ck_assert_uint_eq(count, 0);
	ck_assert_int_eq(push(5, &count, &tell), kIOReturnSuccess);
	/* What there is room for. */
	ck_assert_int_eq(push(5, &count, &tell), kIOReturnSuccess);
	ck_assert_uint_eq(count, 3);
	ck_assert(!shared_ring_has_room(&producer));
	ck_assert_int_eq(push(1, &count, &tell), kIOReturnOverrun);
	ck_assert_uint_eq(count, 0);
	ck_assert_int_eq(pop(1, &count, &tell), kIOReturnSuccess);
	ck_assert(shared_ring_has_room(&producer));
	ck_assert_int_eq(push(1, &count, &tell), kIOReturnSuccess);
	ck_assert_int_eq(pop(16, &count, &tell), kIOReturnSuccess);
	ck_assert_uint_eq(count, 8);
	ck_assert_int_eq(pop(1, &count, &tell), kIOReturnUnderrun);
	free(ring);
}
END_TEST

START_TEST(positions_run_over)
{
	uint32_t count;
	bool tell;

	set(SHARED_RING_SUBMISSION);
	atomic_store(&ring->lane[0].tail.index, UINT32_MAX - 2);
	atomic_store(&ring->lane[0].head.index, UINT32_MAX - 2);
	shared_ring_produce(&producer, ring, &shape, SHARED_RING_SUBMISSION);
	shared_ring_consume(&consumer, ring, &shape, SHARED_RING_SUBMISSION);
	for (int round = 0; round < 4; round++) {
		ck_assert_int_eq(push(8, &count, &tell), kIOReturnSuccess);
		ck_assert_uint_eq(count, 8);
		ck_assert_int_eq(push(1, &count, &tell), kIOReturnOverrun);
		ck_assert_int_eq(pop(3, &count, &tell), kIOReturnSuccess);
		ck_assert_int_eq(pop(16, &count, &tell), kIOReturnSuccess);
		ck_assert_uint_eq(count, 5);
	}
	free(ring);
}
END_TEST

START_TEST(lines_that_were_read_to_their_ends_are_written_and_nothing_else)
{
	static const uint32_t sizes[] = {16, 24, 64, 72, 256};
	uint8_t put_in[8 * 256], taken[8 * 256];
	uint32_t count, take = (uint32_t)_i + 1;
	bool tell;

	memset(put_in, 0xaa, sizeof(put_in));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint32_t read = take * sizes[i];

		shape.entry_size = sizes[i];
		set(SHARED_RING_SUBMISSION);
		shared_ring_push(&producer, put_in, 8, &count, &tell);
		ck_assert_int_eq(shared_ring_pop(&consumer, taken, take, &count, &tell),
				 kIOReturnSuccess);
		ck_assert_uint_eq(count, take);
		ck_assert(memcmp(taken, put_in, read) == 0);
		for (uint32_t at = 0; at < shared_ring_length(&shape) - sizeof(*ring); at++) {
			bool handed_back = (at / 64 + 1) * 64 <= read && at % 64 >= 56;
			uint8_t was = at < 8 * sizes[i] ? 0xaa : 0;

			ck_assert_uint_eq(ring->entries[at], handed_back ? 0 : was);
		}
		/* The others, which may begin within a line. */
		shared_ring_pop(&consumer, taken + read, 8, &count, &tell);
		ck_assert_uint_eq(count, 8 - take);
		ck_assert(memcmp(taken, put_in, 8 * sizes[i]) == 0);
		free(ring);
	}
}
END_TEST

START_TEST(who_waits_is_told_once)
{
	uint32_t count;
	bool tell;

	set(SHARED_RING_SUBMISSION);
	ck_assert(!shared_ring_is_awaited(&producer));
	push(1, &count, &tell);
	ck_assert(!tell);
	pop(1, &count, &tell);
	shared_ring_await_entries(&consumer, shared_ring_empty_at(&consumer));
	ck_assert(!shared_ring_has_entries(&consumer));
	ck_assert(shared_ring_is_awaited(&producer));
	push(1, &count, &tell);
	ck_assert(tell);
	ck_assert(!shared_ring_is_awaited(&producer));
	push(1, &count, &tell);
	ck_assert(!tell);
	/* Waiting anew is another time. */
	shared_ring_await_entries(&consumer, shared_ring_empty_at(&consumer));
	push(1, &count, &tell);
	ck_assert(tell);
	push(8, &count, &tell);
	shared_ring_await_room(&producer, shared_ring_full_at(&producer));
	ck_assert(!shared_ring_has_room(&producer));
	pop(1, &count, &tell);
	ck_assert(tell);
	pop(1, &count, &tell);
	ck_assert(!tell);
	free(ring);
}
END_TEST

START_TEST(nobody_is_told_of_what_it_knows)
{
	uint32_t count;
	bool tell;

	set(SHARED_RING_SUBMISSION);
	push(1, &count, &tell);
	/* As if the asking came between the store of the tail and the look at this word. */
	shared_ring_await_entries(&consumer, 2);
	push(1, &count, &tell);
	ck_assert(!tell);
	push(1, &count, &tell);
	ck_assert(tell);
	push(5, &count, &tell);
	shared_ring_await_room(&producer, 2);
	pop(2, &count, &tell);
	ck_assert(!tell);
	pop(1, &count, &tell);
	ck_assert(tell);
	free(ring);
}
END_TEST

START_TEST(who_waits_for_several_is_told_of_the_last)
{
	static const uint32_t starts[] = {0, UINT32_MAX - 2};
	uint32_t count;
	bool tell;

	set(SHARED_RING_SUBMISSION);
	atomic_store(&ring->lane[0].tail.index, starts[_i]);
	atomic_store(&ring->lane[0].head.index, starts[_i]);
	shared_ring_produce(&producer, ring, &shape, SHARED_RING_SUBMISSION);
	shared_ring_consume(&consumer, ring, &shape, SHARED_RING_SUBMISSION);
	for (uint32_t several = 2; several <= 8; several++) {
		shared_ring_await_entries(&consumer, shared_ring_empty_at(&consumer) + several - 1);
		for (uint32_t i = 1; i < several; i++) {
			push(1, &count, &tell);
			ck_assert(!tell);
			ck_assert(shared_ring_is_awaited(&producer));
		}
		push(1, &count, &tell);
		ck_assert(tell);
		ck_assert(!shared_ring_is_awaited(&producer));
		/* Once; and at once if they come together. */
		push(8, &count, &tell);
		ck_assert(!tell);
		pop(8, &count, &tell);
		shared_ring_await_entries(&consumer, shared_ring_empty_at(&consumer) + several - 1);
		push(8, &count, &tell);
		ck_assert(tell);
		/* Room is the same. */
		shared_ring_await_room(&producer, shared_ring_full_at(&producer) + several - 1);
		for (uint32_t i = 1; i < several; i++) {
			pop(1, &count, &tell);
			ck_assert(!tell);
		}
		pop(1, &count, &tell);
		ck_assert(tell);
		pop(8, &count, &tell);
		ck_assert(!tell);
	}
	ck_assert_uint_eq(got, put);
	free(ring);
}
END_TEST

/* It is told at once, or when the ring is full. */
START_TEST(who_waits_for_nonsense_harms_itself)
{
	static const uint32_t nonsense[] = {9, 1000, UINT32_MAX, UINT32_MAX / 2, UINT32_MAX - 7};
	uint32_t count;
	bool tell;

	set(SHARED_RING_SUBMISSION);
	atomic_store(&ring->lane[0].armed.number, UINT64_C(7) << 32 | nonsense[_i]);
	ck_assert_int_eq(push(1, &count, &tell), kIOReturnSuccess);
	ck_assert_uint_eq(count, 1);
	ck_assert_int_eq(tell, nonsense[_i] - 1 >= 8);
	push(7, &count, &tell);
	ck_assert_uint_eq(count, 7);
	atomic_store(&ring->lane[0].room.number, UINT64_C(7) << 32 | nonsense[_i]);
	ck_assert_int_eq(pop(1, &count, &tell), kIOReturnSuccess);
	ck_assert_uint_eq(count, 1);
	ck_assert_int_eq(tell, nonsense[_i] - 1 >= 8);
	free(ring);
}
END_TEST

static uint32_t
fences(void)
{
	return atomic_load(&ring->lane[SHARED_RING_SUBMISSION].armed.fences);
}

static void
stream(uint32_t entries)
{
	uint32_t count;
	bool tell;

	while (entries-- > 0) {
		push(1, &count, &tell);
		pop(1, &count, &tell);
		shared_ring_take_fences(&consumer, shared_ring_empty_at(&consumer));
	}
}

START_TEST(a_consumer_that_is_awake_has_the_fences)
{
	uint32_t count;
	bool tell;

	set(SHARED_RING_SUBMISSION);
	stream(1023);
	ck_assert_uint_eq(fences(), 0);
	stream(1);
	ck_assert_uint_eq(fences(), fence_join());
	push(1, &count, &tell);
	ck_assert(!tell);
	pop(1, &count, &tell);
	/* Not when it sleeps. */
	shared_ring_await_entries(&consumer, shared_ring_empty_at(&consumer));
	ck_assert_uint_eq(fences(), 0);
	push(1, &count, &tell);
	ck_assert(tell);
	pop(1, &count, &tell);
	stream(1024);
	/* One who takes this side up gives them back, too. */
	shared_ring_consume(&consumer, ring, &shape, SHARED_RING_SUBMISSION);
	shared_ring_await_entries(&consumer, shared_ring_empty_at(&consumer));
	ck_assert_uint_eq(fences(), 0);
	free(ring);
}
END_TEST

START_TEST(entries_are_counted_from_the_last_position_that_was_asked_for)
{
	uint32_t count;
	bool tell;

	set(SHARED_RING_SUBMISSION);
	stream(4);
	shared_ring_await_entries(&consumer, shared_ring_empty_at(&consumer) + 7);
	/* One came, of eight. */
	push(1, &count, &tell);
	pop(1, &count, &tell);
	shared_ring_take_fences(&consumer, shared_ring_empty_at(&consumer));
	ck_assert_uint_eq(fences(), 0);
	free(ring);
}
END_TEST

START_TEST(a_producer_out_of_reach_keeps_its_fences)
{
	set(SHARED_RING_SUBMISSION);
	/* As a library that knows nothing of it. */
	atomic_store(&ring->lane[SHARED_RING_SUBMISSION].room.reached, 0);
	stream(1024);
	ck_assert_uint_eq(fences(), 0);
	free(ring);
}
END_TEST

START_TEST(a_position_that_cannot_be_is_an_error)
{
	static const uint32_t lies[] = {9, 1000, UINT32_MAX, UINT32_MAX / 2};
	uint32_t count, lie = lies[_i];
	bool tell;

	set(SHARED_RING_SUBMISSION);
	atomic_store(&ring->lane[0].tail.index, lie);
	ck_assert_int_eq(pop(16, &count, &tell), kIOReturnError);
	ck_assert_uint_eq(count, 0);
	/* It is not believed later, either. */
	ck_assert_int_eq(pop(1, &count, &tell), kIOReturnError);
	atomic_store(&ring->lane[0].tail.index, 0);
	ck_assert_int_eq(pop(1, &count, &tell), kIOReturnUnderrun);

	ck_assert_int_eq(push(8, &count, &tell), kIOReturnSuccess);
	atomic_store(&ring->lane[0].head.index, lie);
	ck_assert_int_eq(push(1, &count, &tell), kIOReturnError);
	ck_assert_uint_eq(count, 0);
	atomic_store(&ring->lane[0].head.index, 0);
	ck_assert_int_eq(push(1, &count, &tell), kIOReturnOverrun);
	/* One's own words are not read back. */
	atomic_store(&ring->lane[0].head.index, 77);
	ck_assert_int_eq(pop(16, &count, &tell), kIOReturnSuccess);
	ck_assert_uint_eq(count, 8);
	ck_assert_uint_eq(atomic_load(&ring->lane[0].head.index), 8);
	free(ring);
}
END_TEST

START_TEST(shapes_at_the_limits_and_past_them)
{
	static const struct {
		struct shared_ring_shape shape;
		bool possible;
	} cases[] = {
		{{DEXT_RING_ENTRY_MIN, {1, 1}}, true},
		{{DEXT_RING_ENTRY_MAX, {DEXT_RING_ENTRIES_MAX, DEXT_RING_ENTRIES_MAX}}, true},
		{{64, {1, DEXT_RING_ENTRIES_MAX}}, true},
		{{DEXT_RING_ENTRY_MIN - 8, {8, 8}}, false},
		{{DEXT_RING_ENTRY_MAX + 8, {8, 8}}, false},
		{{20, {8, 8}}, false},
		{{64, {0, 8}}, false},
		{{64, {8, 0}}, false},
		{{64, {12, 8}}, false},
		{{64, {8, 2 * DEXT_RING_ENTRIES_MAX}}, false},
	};
	struct shared_ring_shape back;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct shared_ring_shape *tried = &cases[i].shape;
		uint32_t flags;

		ck_assert_msg(shared_ring_is_possible(tried) == cases[i].possible, "case %zu", i);
		if (!cases[i].possible)
			continue;
		flags = shared_ring_to_flags(tried);
		ck_assert_uint_eq(flags & ~CALL_QUEUE_RING_SHAPE, 0);
		ck_assert(shared_ring_from_flags(flags | CALL_QUEUE_RING, &back));
		ck_assert_mem_eq(&back, tried, sizeof(back));
	}
	/* A capacity of 2^31, an entry of 0 bytes, of 504 bytes. */
	ck_assert(!shared_ring_from_flags((31u | 8u << 10) << 8, &back));
	ck_assert(!shared_ring_from_flags(0, &back));
	ck_assert(!shared_ring_from_flags(63u << 10 << 8, &back));
}
END_TEST

START_TEST(the_bell_wakes_a_few_of_many)
{
	static struct sleepers sleepers;
	long left;

	set(SHARED_RING_COMPLETION);
	sleepers_start(&sleepers, &ring->bell.count);
	shared_ring_ring_bell(ring);
	left = sleepers_count(&sleepers);
	ck_assert_int_lt(left, SLEEPERS - 1);
	ck_assert_int_gt(left, 0);
	sleepers_end(&sleepers);
	free(ring);
}
END_TEST

START_TEST(the_bell_wakes_and_is_not_missed)
{
	uint32_t bell;

	set(SHARED_RING_SUBMISSION);
	bell = shared_ring_bell(ring);
	shared_ring_ring_bell(ring);
	/* Rung before: it does not sleep, else this ends by the test's deadline. */
	shared_ring_sleep(ring, bell, UINT64_C(3600) * 1000000000);
	ck_assert_uint_ne(shared_ring_bell(ring), bell);
	free(ring);
}
END_TEST

UNIT_LOOP_MAIN("shared ring", {entries_come_in_order_across_the_end, 2},
	       {full_and_empty_are_told_apart, 1}, {positions_run_over, 1},
	       {lines_that_were_read_to_their_ends_are_written_and_nothing_else, 8},
	       {who_waits_is_told_once, 1}, {nobody_is_told_of_what_it_knows, 1},
	       {who_waits_for_several_is_told_of_the_last, 2},
	       {who_waits_for_nonsense_harms_itself, 5},
	       {entries_are_counted_from_the_last_position_that_was_asked_for, 1},
	       {a_consumer_that_is_awake_has_the_fences, 1},
	       {a_producer_out_of_reach_keeps_its_fences, 1},
	       {a_position_that_cannot_be_is_an_error, 4}, {shapes_at_the_limits_and_past_them, 1},
	       {the_bell_wakes_and_is_not_missed, 1}, {the_bell_wakes_a_few_of_many, 1})
