/* SPDX-License-Identifier: Apache-2.0 */
/* The fixture's ring, mapped by an app of bytes. */
#ifndef TEST_RAW_RING_H
#define TEST_RAW_RING_H

#include "raw_client.h"
#include "shared_ring.h"

#define RAW_RING 22u /* its memory type */

struct raw_ring {
	struct shared_ring *memory;
	struct shared_ring_producer submissions;
	struct shared_ring_consumer completions;
};

static const struct shared_ring_shape raw_ring_shape = {
	FIXTURE_RING_ENTRY, {FIXTURE_RING_ENTRIES, 2 * FIXTURE_RING_ENTRIES}};

static inline void
raw_ring_map(struct raw *raw, struct raw_ring *ring)
{
	static struct packet packet;
	struct call_reply *reply;
	void *memory;
	int fd;

	raw_request(raw, 0, CALL_MAP, RAW_RING)->scalar_in_count = 1;
	reply = raw_call(raw, 0);
	ck_assert_int_eq(reply->status, kIOReturnSuccess);
	ck_assert_uint_eq(reply->flags, CALL_QUEUE_RING | shared_ring_to_flags(&raw_ring_shape));
	ck_assert_uint_ge(reply->map_length, shared_ring_length(&raw_ring_shape));
	raw_receive(raw, &packet);
	ck_assert_int_eq(packet.header->type, PACKET_MEMORY);
	raw_ack(raw, packet.header->sequence);
	fd = packet_take_fd(&packet, 0);
	memory = mmap(NULL, shared_ring_length(&raw_ring_shape), PROT_READ | PROT_WRITE, MAP_SHARED,
		      fd, 0);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	close(fd);
	ring->memory = memory;
	shared_ring_produce(&ring->submissions, memory, &raw_ring_shape, SHARED_RING_SUBMISSION);
	shared_ring_consume(&ring->completions, memory, &raw_ring_shape, SHARED_RING_COMPLETION);
}

static inline void
raw_ring_unmap(struct raw_ring *ring)
{
	munmap(ring->memory, shared_ring_length(&raw_ring_shape));
}

static inline void
raw_tell(struct raw *raw)
{
	if (call_page_tell(&raw->page))
		doorbell_ring(raw->doorbell);
}

/* An entry to the driver, which gives it back. */
static inline void
raw_ring_turn(struct raw *raw, struct raw_ring *ring, int byte)
{
	uint8_t entry[FIXTURE_RING_ENTRY], back[FIXTURE_RING_ENTRY];
	uint32_t count;
	bool told;

	memset(entry, byte, sizeof(entry));
	ck_assert_int_eq(shared_ring_push(&ring->submissions, entry, 1, &count, &told),
			 kIOReturnSuccess);
	if (told)
		raw_tell(raw);
	for (;;) {
		uint32_t bell = shared_ring_bell(ring->memory);

		shared_ring_await_entries(&ring->completions,
					  shared_ring_empty_at(&ring->completions));
		if (shared_ring_has_entries(&ring->completions))
			break;
		shared_ring_sleep(ring->memory, bell, UINT64_C(20000000000));
	}
	ck_assert_int_eq(shared_ring_pop(&ring->completions, back, 1, &count, &told),
			 kIOReturnSuccess);
	ck_assert_mem_eq(back, entry, sizeof(entry));
}

#endif
