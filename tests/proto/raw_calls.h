/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of raw_client.h's app to the driver of driver_fixture.h: memory, mappings, completions. */
#ifndef TESTS_PROTO_RAW_CALLS_H
#define TESTS_PROTO_RAW_CALLS_H

#include "driver_fixture.h"
#include "raw_client.h"

/* TEST_LARGE with structures of these sizes as memory; not submitted. keep: the driver keeps them.
 */
static inline struct call_request *
raw_large(struct raw *raw, unsigned slot, uint64_t in, uint64_t out, bool keep)
{
	struct call_request *request = raw_request(raw, slot, CALL_METHOD, TEST_LARGE);

	request->flags = (in > 0 ? CALL_LARGE_INPUT : 0) | (out > 0 ? CALL_LARGE_OUTPUT : 0);
	request->structure_in_size = in;
	request->structure_out_size = out;
	request->scalar_in_count = 1;
	request->scalars[0] = keep;
	request->scalar_out_count = 1;
	return request;
}

/* A call with memory that nobody touches, so that its size costs nothing. */
static inline IOReturn
raw_sparse(struct raw *raw, uint64_t selector, uint64_t in, uint64_t out)
{
	int in_fd = -1, out_fd = -1;

	if (in > 0)
		ck_assert_int_eq(memfd_create_sealed("in", in > INT64_MAX ? 1 : in, &in_fd),
				 kIOReturnSuccess);
	if (out > 0)
		ck_assert_int_eq(memfd_create_sealed("out", out, &out_fd), kIOReturnSuccess);
	raw_large(raw, 0, in, out, false)->selector = selector;
	raw_structures(raw, 0, in_fd, out_fd);
	fd_close(&in_fd);
	fd_close(&out_fd);
	return raw_call(raw, 0)->status;
}

/* Of what the driver has kept. */
static inline void
raw_let_go(struct raw *raw)
{
	raw_request(raw, 0, CALL_METHOD, TEST_LET_GO);
	ck_assert_int_eq(raw_call(raw, 0)->status, kIOReturnSuccess);
}

/* CALL_MAP of this type; 17 is new memory each time. */
static inline struct call_reply *
raw_map(struct raw *raw, unsigned slot, uint64_t type)
{
	struct call_request *request = raw_request(raw, slot, CALL_MAP, type);

	request->scalar_in_count = 1;
	request->scalars[0] = 1;
	return raw_call(raw, slot);
}

static inline struct call_reply *
raw_unmap(struct raw *raw, uint64_t type)
{
	raw_request(raw, 0, CALL_UNMAP, type);
	return raw_call(raw, 0);
}

/* The MEMORY of the slot's last call; the descriptor. */
static inline int
raw_expect_memory(struct raw *raw, unsigned slot, bool ack)
{
	static struct packet packet;
	struct memory_body body;

	raw_receive(raw, &packet);
	ck_assert_int_eq(packet.header->type, PACKET_MEMORY);
	memcpy(&body, packet.body, sizeof(body));
	ck_assert_uint_eq(body.slot, slot);
	ck_assert_uint_eq(body.generation, raw->generations[slot]);
	ck_assert_uint_eq(body.segment_count, 1);
	if (ack)
		raw_ack(raw, packet.header->sequence);
	return packet_take_fd(&packet, 0);
}

/* The driver keeps the completion of this index, until TEST_RELEASE. */
static inline void
raw_keep(struct raw *raw, uint32_t index, uint32_t generation)
{
	struct call_request *request = raw_request(raw, 0, CALL_METHOD, TEST_KEEP);

	request->flags = CALL_ASYNC;
	request->async_index = index;
	request->async_generation = generation;
	ck_assert_int_eq(raw_call(raw, 0)->status, kIOReturnSuccess);
}

/* The driver completes the kept one so many times; the arguments count from `first` on. */
static inline IOReturn
raw_complete(struct raw *raw, uint64_t count, uint64_t first)
{
	struct call_request *request = raw_request(raw, 0, CALL_METHOD, TEST_COMPLETE);

	request->scalar_in_count = 2;
	request->scalars[0] = count;
	request->scalars[1] = first;
	return raw_call(raw, 0)->status;
}

/* Those of raw_keep(raw, 1023, 6). */
static inline void
raw_expect_completions(struct raw *raw, uint64_t count, uint64_t first)
{
	struct completion entry;

	for (uint64_t i = 0; i < count; i++) {
		raw_completion(raw, &entry);
		ck_assert_uint_eq(entry.kind, COMPLETION_CALL);
		ck_assert_uint_eq(entry.index, 1023);
		ck_assert_uint_eq(entry.generation, 6);
		ck_assert_uint_eq(entry.count, 1);
		ck_assert_uint_eq(entry.arguments[0], first + i);
	}
}

static inline void
raw_expect_released(struct raw *raw, uint32_t index, uint32_t generation)
{
	struct completion entry;

	raw_completion(raw, &entry);
	ck_assert_uint_eq(entry.kind, COMPLETION_RELEASED);
	ck_assert_uint_eq(entry.index, index);
	ck_assert_uint_eq(entry.generation, generation);
}

/* Once more of new memory, acknowledged. */
static inline void
raw_map_one(struct raw *raw)
{
	ck_assert_int_eq(raw_map(raw, 0, 17)->status, kIOReturnSuccess);
	close(raw_expect_memory(raw, 0, true));
}

#endif
