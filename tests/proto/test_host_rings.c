/* SPDX-License-Identifier: Apache-2.0 */
/* Rings of a real driver against apps of bytes: what the answer says, and memory that is scribbled
 * on. */
#include "driver_fixture.h"
#include "unit.h"

#include <sched.h>

#include "raw_ring.h"

#define SCRIBBLES 3000u

START_TEST(entries_reach_the_driver_and_come_back)
{
	struct raw_ring ring;
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	raw_ring_map(&raw, &ring);
	for (int i = 1; i <= 200; i++)
		raw_ring_turn(&raw, &ring, i);
	raw_ring_unmap(&ring);
	raw_close(&raw);
	fixture_end();
}
END_TEST

struct scribbler {
	struct shared_ring *ring;
	_Atomic bool stop;
};

static uint32_t
nonsense(uint32_t *state)
{
	static const uint32_t likely[] = {0, 1, 15, 16, 17, 32, 33, 1u << 31, UINT32_MAX};

	*state = *state * 1664525u + 1013904223u;
	return *state >> 31 ? likely[(*state >> 8) % 9] : (*state >> 8) % 64;
}

/* All words of the header, at any instant. */
static void *
scribble(void *context)
{
	struct scribbler *scribbler = context;
	uint32_t state = 1;

	while (!atomic_load(&scribbler->stop)) {
		uint32_t at = nonsense(&state) * 4093 % (sizeof(struct shared_ring) / 4);

		atomic_store_explicit((_Atomic uint32_t *)(void *)scribbler->ring + at,
				      nonsense(&state), memory_order_relaxed);
		/* The places that matter, more often. */
		at = nonsense(&state) % 2;
		atomic_store_explicit(&scribbler->ring->lane[at].tail.index, nonsense(&state),
				      memory_order_relaxed);
		atomic_store_explicit(&scribbler->ring->lane[at].head.index, nonsense(&state),
				      memory_order_relaxed);
		atomic_store_explicit(&scribbler->ring->lane[at].armed.number, nonsense(&state),
				      memory_order_relaxed);
		atomic_store_explicit(&scribbler->ring->lane[at].room.number, nonsense(&state),
				      memory_order_relaxed);
	}
	return NULL;
}

START_TEST(who_scribbles_harms_nobody_else)
{
	struct scribbler scribbler = {0};
	struct raw_ring ring;
	struct raw raw, other;
	pthread_t thread;

	fixture_start();
	raw_open(&other);
	raw_open(&raw);
	raw_ring_map(&raw, &ring);
	scribbler.ring = ring.memory;
	ck_assert_int_eq(pthread_create(&thread, NULL, scribble, &scribbler), 0);
	for (unsigned i = 0; i < SCRIBBLES; i++) {
		raw_tell(&raw);
		if (i % 100 == 0)
			raw_echo(&other, 1);
	}
	atomic_store(&scribbler.stop, true);
	pthread_join(thread, NULL);
	/* The connection itself is whole, too. */
	raw_echo(&raw, 1);
	raw_echo(&other, 1);
	raw_ring_unmap(&ring);
	raw_close(&raw);
	raw_close(&other);
	fixture_end();
}
END_TEST

START_TEST(the_end_of_the_app_is_the_end_of_its_ring)
{
	struct raw_ring ring;
	struct raw raw;

	fixture_start();
	for (int i = 0; i < 3; i++) {
		raw_open(&raw);
		raw_ring_map(&raw, &ring);
		/* Entries that it does not wait for. */
		atomic_store(&ring.memory->lane[0].tail.index, FIXTURE_RING_ENTRIES);
		raw_tell(&raw);
		raw_ring_unmap(&ring);
		raw_close(&raw);
		meter_wait(&fixture.client_freed, (unsigned)i + 1);
	}
	fixture_end();
}
END_TEST

UNIT_MAIN("rings of a host", entries_reach_the_driver_and_come_back,
	  who_scribbles_harms_nobody_else, the_end_of_the_app_is_the_end_of_its_ring)
