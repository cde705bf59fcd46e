/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two threads on one ring that sleep whenever there is nothing to do: a wake-up that is lost ends
 * the test by its deadline. Streams in batches of all sizes, with pauses; and ping-pong, in which
 * every entry finds the other side about to sleep. Entries come in order, none twice, none is lost.
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

#define BATCH	 16u
#define FOR_EVER (UINT64_C(3600) * NSEC_PER_SEC)

static const struct shared_ring_shape shape = {sizeof(struct entry), {8, 8}};
static struct shared_ring *ring;

/* One side of one direction; it sleeps on the bell of the ring that is its own. */
static struct side {
	struct shared_ring_producer producer;
	struct shared_ring_consumer consumer;
	struct shared_ring *own_bell, *other_bell;
	uint64_t put, got;
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
		shared_ring_await_room(&side->producer, shared_ring_full_at(&side->producer));
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
		if (popped > 0)
			return;
		bell = shared_ring_bell(side->own_bell);
		shared_ring_await_entries(&side->consumer, shared_ring_empty_at(&side->consumer));
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

START_TEST(streams)
{
	pthread_t thread;
	uint32_t state = 1;

	set();
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
END_TEST

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

START_TEST(ping_pong)
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
END_TEST

UNIT_MAIN("shared ring races", streams, ping_pong)
