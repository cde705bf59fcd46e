/* SPDX-License-Identifier: Apache-2.0 */
/* Rings of a real driver against apps of bytes: what the answer says, and memory that is scribbled
 * on. */
#include "driver_fixture.h"
#include "unit.h"

#include <sched.h>

#include "raw_client.h"
#include "shared_ring.h"

#define RINGS	  22u
#define SCRIBBLES 3000u

static const struct shared_ring_shape shape = {FIXTURE_RING_ENTRY,
					       {FIXTURE_RING_ENTRIES, 2 * FIXTURE_RING_ENTRIES}};

static struct shared_ring *
map_ring(struct raw *raw)
{
	static struct packet packet;
	struct call_reply *reply;
	void *memory;
	int fd;

	raw_request(raw, 0, CALL_MAP, RINGS)->scalar_in_count = 1;
	reply = raw_call(raw, 0);
	ck_assert_int_eq(reply->status, kIOReturnSuccess);
	ck_assert_uint_eq(reply->flags, CALL_QUEUE_RING | shared_ring_to_flags(&shape));
	ck_assert_uint_ge(reply->map_length, shared_ring_length(&shape));
	raw_receive(raw, &packet);
	ck_assert_int_eq(packet.header->type, PACKET_MEMORY);
	raw_ack(raw, packet.header->sequence);
	fd = packet_take_fd(&packet, 0);
	memory = mmap(NULL, shared_ring_length(&shape), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	close(fd);
	return memory;
}

static void
tell(struct raw *raw)
{
	if (call_page_tell(&raw->page))
		doorbell_ring(raw->doorbell);
}

START_TEST(entries_reach_the_driver_and_come_back)
{
	struct shared_ring_producer submissions;
	struct shared_ring_consumer completions;
	struct shared_ring *ring;
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	ring = map_ring(&raw);
	shared_ring_produce(&submissions, ring, &shape, SHARED_RING_SUBMISSION);
	shared_ring_consume(&completions, ring, &shape, SHARED_RING_COMPLETION);
	for (unsigned i = 1; i <= 200; i++) {
		uint8_t entry[FIXTURE_RING_ENTRY], back[FIXTURE_RING_ENTRY];
		uint32_t count;
		bool told;

		memset(entry, (int)i, sizeof(entry));
		ck_assert_int_eq(shared_ring_push(&submissions, entry, 1, &count, &told),
				 kIOReturnSuccess);
		if (told)
			tell(&raw);
		for (;;) {
			uint32_t bell = shared_ring_bell(ring);

			shared_ring_await_entries(&completions, shared_ring_empty_at(&completions));
			if (shared_ring_has_entries(&completions))
				break;
			shared_ring_sleep(ring, bell, UINT64_C(20000000000));
		}
		ck_assert_int_eq(shared_ring_pop(&completions, back, 1, &count, &told),
				 kIOReturnSuccess);
		ck_assert_mem_eq(back, entry, sizeof(entry));
	}
	munmap(ring, shared_ring_length(&shape));
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
	struct raw raw, other;
	pthread_t thread;

	fixture_start();
	raw_open(&other);
	raw_open(&raw);
	scribbler.ring = map_ring(&raw);
	ck_assert_int_eq(pthread_create(&thread, NULL, scribble, &scribbler), 0);
	for (unsigned i = 0; i < SCRIBBLES; i++) {
		tell(&raw);
		if (i % 100 == 0)
			raw_echo(&other, 1);
	}
	atomic_store(&scribbler.stop, true);
	pthread_join(thread, NULL);
	/* The connection itself is whole, too. */
	raw_echo(&raw, 1);
	raw_echo(&other, 1);
	munmap(scribbler.ring, shared_ring_length(&shape));
	raw_close(&raw);
	raw_close(&other);
	fixture_end();
}
END_TEST

START_TEST(the_end_of_the_app_is_the_end_of_its_ring)
{
	struct shared_ring *ring;
	struct raw raw;

	fixture_start();
	for (int i = 0; i < 3; i++) {
		raw_open(&raw);
		ring = map_ring(&raw);
		/* Entries that it does not wait for. */
		atomic_store(&ring->lane[0].tail.index, FIXTURE_RING_ENTRIES);
		tell(&raw);
		munmap(ring, shared_ring_length(&shape));
		raw_close(&raw);
		meter_wait(&fixture.client_freed, (unsigned)i + 1);
	}
	fixture_end();
}
END_TEST

UNIT_MAIN("rings of a host", entries_reach_the_driver_and_come_back,
	  who_scribbles_harms_nobody_else, the_end_of_the_app_is_the_end_of_its_ring)
