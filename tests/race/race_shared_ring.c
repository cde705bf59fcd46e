/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two threads on one ring that sleep whenever there is nothing to do: a wake-up that is lost ends
 * the test by its deadline. Streams in batches of all sizes, with pauses; and ping-pong, in which
 * every entry finds the other side about to sleep. And a push at the moment of arming: it tells, or
 * the look after the arming finds it. All three also with a consumer that takes the fences
 * at each entry, and gives them back for each sleep; and streams in which both sides sleep for
 * several entries, or for room for several. Entries come in order, none twice, none is lost.
 */
#include "shared_ring.h"
#include "unit.h"

#include <pthread.h>
#include <stdlib.h>

#include "clock.h"
#include "rounds.h"

struct entry {
	uint64_t number, check;
};

#define BATCH 16u
#define AWAKE 1024u /* entries after which a consumer has the fences */
/* Both sides may wait for so many: a ring of 8 has entries for the one or room for the other. */
#define SEVERAL	 4u
#define FOR_EVER (UINT64_C(3600) * NSEC_PER_SEC)

static const struct shared_ring_shape shape = {sizeof(struct entry), {8, 8}};
static bool takes_fences, waits_for_several;
static struct shared_ring *ring;

/* One side of one direction; it sleeps on the bell of the ring that is its own. */
static struct side {
	struct shared_ring_producer producer;
	struct shared_ring_consumer consumer;
	struct shared_ring *own_bell, *other_bell;
	uint64_t put, got, coming; /* entries; the last: in all */
	uint32_t chance;
	unsigned sleeps;
} sides[2];

static struct shared_ring bells[2];

static void
set(void)
{
	uint64_t length = (shared_ring_length(&shape) + 4095) & ~UINT64_C(4095);

	ring = aligned_alloc(4096, length);
	memset(ring, 0, length);
	shared_ring_init(ring, &shape);
	for (int i = 0; i < 2; i++) {
		shared_ring_produce(&sides[i].producer, ring, &shape,
				    (enum shared_ring_direction)i);
		shared_ring_consume(&sides[i].consumer, ring, &shape,
				    (enum shared_ring_direction) !i);
		sides[i].own_bell = &bells[i];
		sides[i].other_bell = &bells[!i];
	}
}

/* How many to wait for, of what is sure to come. */
static uint32_t
choose(struct side *side, uint64_t sure)
{
	uint32_t several = scatter(&side->chance) % SEVERAL + 1;

	if (!waits_for_several)
		return 1;
	return several < sure ? several : (uint32_t)sure;
}

static void
put(struct side *side, uint32_t count)
{
	while (count > 0) {
		struct entry entries[BATCH];
		uint32_t pushed;
		bool tell;
		uint32_t bell;

		for (uint32_t i = 0; i < count; i++)
			entries[i] = (struct entry){side->put + i, ~(side->put + i)};
		if (shared_ring_push(&side->producer, entries, count, &pushed, &tell) ==
		    kIOReturnError)
			abort();
		side->put += pushed;
		count -= pushed;
		if (tell)
			shared_ring_ring_bell(side->other_bell);
		if (count == 0)
			return;
		bell = shared_ring_bell(side->own_bell);
		shared_ring_await_room(&side->producer, shared_ring_full_at(&side->producer) +
								choose(side, SEVERAL) - 1);
		if (!shared_ring_has_room(&side->producer)) {
			shared_ring_sleep(side->own_bell, bell, FOR_EVER);
			side->sleeps++;
		}
	}
}

static void
take(struct side *side, uint32_t room)
{
	for (;;) {
		struct entry entries[BATCH];
		uint32_t popped, bell;
		bool tell;

		if (shared_ring_pop(&side->consumer, entries, room, &popped, &tell) ==
		    kIOReturnError)
			abort();
		for (uint32_t i = 0; i < popped; i++, side->got++)
			if (entries[i].number != side->got || entries[i].check != ~side->got)
				abort();
		if (tell)
			shared_ring_ring_bell(side->other_bell);
		if (popped > 0) {
			/* As after a long stream. */
			if (takes_fences)
				shared_ring_take_fences(&side->consumer,
							side->consumer.wish + AWAKE);
			return;
		}
		bell = shared_ring_bell(side->own_bell);
		shared_ring_await_entries(&side->consumer,
					  shared_ring_empty_at(&side->consumer) +
						  choose(side, side->coming - side->got) - 1);
		if (!shared_ring_has_entries(&side->consumer)) {
			shared_ring_sleep(side->own_bell, bell, FOR_EVER);
			side->sleeps++;
		}
	}
}

#define STREAM 400000u
#define PAIRS  30000u

static void *
stream(void *context)
{
	struct side *side = context;
	uint32_t state = 7;

	while (side->put < STREAM) {
		uint32_t count = scatter(&state) % BATCH + 1;

		put(side, count < STREAM - side->put ? count : (uint32_t)(STREAM - side->put));
		if (scatter(&state) % 16 == 0)
			jitter(&state);
	}
	return NULL;
}

static void
streams(void)
{
	pthread_t thread;
	uint32_t state = 1;

	set();
	sides[1].coming = STREAM;
	ck_assert_int_eq(pthread_create(&thread, NULL, stream, &sides[0]), 0);
	while (sides[1].got < STREAM) {
		take(&sides[1], scatter(&state) % BATCH + 1);
		if (scatter(&state) % 8 == 0)
			jitter(&state);
	}
	pthread_join(thread, NULL);
	ck_assert_uint_eq(sides[1].got, STREAM);
	ck_assert(!shared_ring_has_entries(&sides[1].consumer));
	free(ring);
}

static void *
answer(void *context)
{
	struct side *side = context;
	uint32_t state = 3;

	for (uint32_t i = 0; i < PAIRS; i++) {
		take(side, 1);
		jitter(&state);
		put(side, 1);
	}
	return NULL;
}

static void
ping_pong(void)
{
	pthread_t thread;
	uint32_t state = 5;

	set();
	ck_assert_int_eq(pthread_create(&thread, NULL, answer, &sides[1]), 0);
	for (uint32_t i = 0; i < PAIRS; i++) {
		put(&sides[0], 1);
		jitter(&state);
		take(&sides[0], 1);
	}
	pthread_join(thread, NULL);
	ck_assert_uint_eq(sides[0].got, PAIRS);
	ck_assert_uint_gt(sides[0].sleeps + sides[1].sleeps, 0);
	free(ring);
}

#define MEETINGS 200000u

static struct meeting meeting;
static _Atomic uint32_t meetings;
static bool told;

static void *
push_each_round(void *context)
{
	struct side *side = context;
	uint32_t mine = 0, state = 9;

	do {
		struct entry entry = {side->put, ~side->put};
		uint32_t pushed;

		meet(&meeting, &mine);
		jitter(&state);
		shared_ring_push(&side->producer, &entry, 1, &pushed, &told);
		side->put++;
		meet(&meeting, &mine);
	} while (side->put < meetings);
	return NULL;
}

static void
push_against_arming(void)
{
	struct side *side = &sides[1];
	uint64_t end = clock_now() + ROUNDS_NSEC;
	uint32_t mine = 0, state = 11;
	pthread_t thread;

	set();
	meeting.arrived = 0;
	meetings = MEETINGS;
	ck_assert_int_eq(pthread_create(&thread, NULL, push_each_round, &sides[0]), 0);
	for (uint32_t round = 1; round <= meetings; round++) {
		bool found;

		if (clock_now() >= end)
			meetings = round;
		meet(&meeting, &mine);
		jitter(&state);
		shared_ring_await_entries(&side->consumer, shared_ring_empty_at(&side->consumer));
		found = shared_ring_has_entries(&side->consumer);
		meet(&meeting, &mine);
		ck_assert_msg(found || told, "round %u", round);
		take(side, 1);
	}
	pthread_join(thread, NULL);
	free(ring);
}

START_TEST(streams_with_a_fence_in_each_push)
{
	streams();
}
END_TEST

START_TEST(streams_without)
{
	takes_fences = true;
	streams();
}
END_TEST

START_TEST(streams_of_batches_with_a_fence_in_each_push)
{
	waits_for_several = true;
	streams();
}
END_TEST

START_TEST(streams_of_batches_without)
{
	waits_for_several = takes_fences = true;
	streams();
}
END_TEST

START_TEST(ping_pong_with_a_fence_in_each_push)
{
	ping_pong();
}
END_TEST

START_TEST(ping_pong_without)
{
	takes_fences = true;
	ping_pong();
}
END_TEST

START_TEST(arming_with_a_fence_in_each_push)
{
	push_against_arming();
}
END_TEST

START_TEST(arming_without)
{
	takes_fences = true;
	push_against_arming();
}
END_TEST

UNIT_MAIN("shared ring races", arming_with_a_fence_in_each_push, arming_without,
	  streams_with_a_fence_in_each_push, streams_without,
	  streams_of_batches_with_a_fence_in_each_push, streams_of_batches_without,
	  ping_pong_with_a_fence_in_each_push, ping_pong_without)
