/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every rule of the host's side of a direct connection, broken once: the connection that broke it
 * ends, another one is served as before, and nothing is left behind.
 */
#include "unit.h"

#include "driver_fixture.h"
#include "raw_calls.h"
#include "raw_client.h"

static struct call_request *
good(struct raw *raw)
{
	return raw_request(raw, 0, CALL_METHOD, TEST_ECHO);
}

static void
break_generation(struct raw *raw)
{
	good(raw)->generation = CALL_WAITER;
	raw_submit(raw, 0);
}

static void
break_operation(struct raw *raw)
{
	good(raw)->operation = 0;
	raw_submit(raw, 0);
}

static void
break_operation_high(struct raw *raw)
{
	good(raw)->operation = CALL_LISTEN + 1;
	raw_submit(raw, 0);
}

static void
break_flags(struct raw *raw)
{
	good(raw)->flags = 8;
	raw_submit(raw, 0);
}

static void
break_zero(struct raw *raw)
{
	good(raw)->zero[1] = 1;
	raw_submit(raw, 0);
}

static void
break_scalars_in(struct raw *raw)
{
	good(raw)->scalar_in_count = DEXT_SCALARS_MAX + 1;
	raw_submit(raw, 0);
}

static void
break_scalars_out(struct raw *raw)
{
	good(raw)->scalar_out_count = DEXT_SCALARS_MAX + 1;
	raw_submit(raw, 0);
}

static void
break_structure_in(struct raw *raw)
{
	good(raw)->structure_in_size = DEXT_STRUCTURE_INLINE_MAX + 1;
	raw_submit(raw, 0);
}

static void
break_structure_out(struct raw *raw)
{
	good(raw)->structure_out_size = DEXT_STRUCTURE_INLINE_MAX + 1;
	raw_submit(raw, 0);
}

static void
break_small_large(struct raw *raw)
{
	struct call_request *request = good(raw);

	request->flags = CALL_LARGE_INPUT;
	request->structure_in_size = 4096;
	raw_submit(raw, 0);
}

static void
break_variable_alone(struct raw *raw)
{
	good(raw)->flags = CALL_VARIABLE_OUTPUT;
	raw_submit(raw, 0);
}

static void
break_variable_size(struct raw *raw)
{
	struct call_request *request = good(raw);

	request->flags = CALL_LARGE_OUTPUT | CALL_VARIABLE_OUTPUT;
	request->structure_out_size = DEXT_STRUCTURE_VARIABLE_MAX + 1;
	raw_submit(raw, 0);
}

static void
break_async_index(struct raw *raw)
{
	struct call_request *request = good(raw);

	request->flags = CALL_ASYNC;
	request->async_index = DEXT_LIMIT_ASYNC;
	raw_submit(raw, 0);
}

static void
break_async_twice(struct raw *raw)
{
	struct call_request *request;

	raw_keep(raw, 4, 1);
	request = good(raw);
	request->flags = CALL_ASYNC;
	request->async_index = 4;
	request->async_generation = 2;
	raw_submit(raw, 0);
}

static void
break_map_scalars(struct raw *raw)
{
	raw_request(raw, 0, CALL_MAP, 0);
	raw_submit(raw, 0);
}

static void
break_map_flags(struct raw *raw)
{
	struct call_request *request = raw_request(raw, 0, CALL_MAP, 0);

	request->scalar_in_count = 1;
	request->flags = CALL_ASYNC;
	raw_submit(raw, 0);
}

static void
break_unmap_output(struct raw *raw)
{
	raw_request(raw, 0, CALL_UNMAP, 0)->scalar_out_count = 1;
	raw_submit(raw, 0);
}

static void
break_set_nothing(struct raw *raw)
{
	raw_request(raw, 0, CALL_SET_PROPERTIES, 0);
	raw_submit(raw, 0);
}

static void
break_set_large(struct raw *raw)
{
	struct call_request *request = raw_request(raw, 0, CALL_SET_PROPERTIES, 0);

	request->structure_in_size = 5000;
	request->flags = CALL_LARGE_INPUT;
	raw_submit(raw, 0);
}

static void
break_set_scalars(struct raw *raw)
{
	struct call_request *request = raw_request(raw, 0, CALL_SET_PROPERTIES, 0);

	request->structure_in_size = 8;
	request->scalar_in_count = 1;
	raw_submit(raw, 0);
}

static void
break_slot(struct raw *raw)
{
	unsigned before = meter_read(&fixture.entered);

	raw_request(raw, 1, CALL_METHOD, TEST_BLOCK);
	raw_submit(raw, 1);
	meter_wait(&fixture.entered, before + 1);
	raw_submit(raw, 1);
	/* The hang-up comes although the method still runs. */
	raw_expect_end(raw);
	meter_raise(&fixture.go);
}

static void
break_no_structures(struct raw *raw)
{
	raw_large(raw, 0, 5000, 0, false);
	raw_submit(raw, 0);
}

static void
structures_then_submit(struct raw *raw, uint32_t generation, bool output)
{
	uint8_t *bytes;
	int fd = raw_memory(8192, 0, &bytes);

	raw_large(raw, 0, 5000, 0, false);
	raw->generations[0] = generation;
	raw_structures(raw, 0, output ? -1 : fd, output ? fd : -1);
	raw_submit(raw, 0);
	close(fd);
	munmap(bytes, 8192);
}

static void
break_structures_generation(struct raw *raw)
{
	structures_then_submit(raw, 1234, false);
}

static void
break_structures_kind(struct raw *raw)
{
	structures_then_submit(raw, 1, true);
}

static void
break_structures_twice(struct raw *raw)
{
	uint8_t *bytes;
	int fd = raw_memory(8192, 0, &bytes);

	raw_structures(raw, 0, fd, -1);
	raw_structures(raw, 0, fd, -1);
	close(fd);
	munmap(bytes, 8192);
}

static void
break_structures_slot(struct raw *raw)
{
	uint8_t *bytes;
	int fd = raw_memory(8192, 0, &bytes);
	struct structures_body body = {.slot = 64, .generation = 1, .flags = STRUCTURES_INPUT};

	raw_send(raw, PACKET_STRUCTURES, 1, &body, sizeof(body), &fd, 1);
	close(fd);
	munmap(bytes, 8192);
}

static void
break_structures_fds(struct raw *raw)
{
	struct structures_body body = {.slot = 0, .generation = 1, .flags = STRUCTURES_INPUT};

	raw_send(raw, PACKET_STRUCTURES, 1, &body, sizeof(body), NULL, 0);
}

static void
break_ack(struct raw *raw)
{
	raw_ack(raw, 1);
}

static void
break_ack_sequence(struct raw *raw)
{
	raw_map(raw, 0, 0);
	raw_ack(raw, 77);
}

static void
break_ack_twice(struct raw *raw)
{
	static struct packet packet;

	raw_map(raw, 0, 0);
	raw_receive(raw, &packet);
	packet_close_fds(&packet);
	raw_ack(raw, packet.header->sequence);
	raw_ack(raw, packet.header->sequence);
}

static void
break_ack_body(struct raw *raw)
{
	raw_send(raw, PACKET_ACK, 1, "x", 1, NULL, 0);
}

static void
break_type(struct raw *raw)
{
	raw_send(raw, PACKET_READY, 1, NULL, 0, NULL, 0);
}

static void
break_packet_length(struct raw *raw)
{
	struct packet_header header = {.length = 1000, .type = PACKET_ACK};

	ck_assert_int_eq(send(raw->socket, &header, sizeof(header), 0), (ssize_t)sizeof(header));
}

static void
break_packet_short(struct raw *raw)
{
	ck_assert_int_eq(send(raw->socket, "abc", 3, 0), 3);
}

static void
break_head(struct raw *raw)
{
	struct call_request *request;

	raw_keep(raw, 4, 1);
	atomic_store(&raw->page.page->head.index, 5000);
	request = raw_request(raw, 0, CALL_METHOD, TEST_COMPLETE);
	request->scalar_in_count = 2;
	/* When what it knew of is used up the host looks. */
	request->scalars[0] = COMPLETION_RING_MAX + 1;
	raw_submit(raw, 0);
}

static const struct {
	const char *name;
	void (*run)(struct raw *raw);
} rules[] = {
	{"generation", break_generation},
	{"operation 0", break_operation},
	{"operation", break_operation_high},
	{"flags", break_flags},
	{"zero", break_zero},
	{"scalars in", break_scalars_in},
	{"scalars out", break_scalars_out},
	{"structure in", break_structure_in},
	{"structure out", break_structure_out},
	{"small structure as large", break_small_large},
	{"variable output that is not large", break_variable_alone},
	{"variable output past its limit", break_variable_size},
	{"async index", break_async_index},
	{"async index alive", break_async_twice},
	{"map without options", break_map_scalars},
	{"map with flags", break_map_flags},
	{"unmap with output", break_unmap_output},
	{"properties of nothing", break_set_nothing},
	{"properties as memory", break_set_large},
	{"properties with scalars", break_set_scalars},
	{"slot in progress", break_slot},
	{"no structures", break_no_structures},
	{"structures of another generation", break_structures_generation},
	{"structures of another kind", break_structures_kind},
	{"structures twice", break_structures_twice},
	{"structures of no slot", break_structures_slot},
	{"structures without descriptor", break_structures_fds},
	{"ack of nothing", break_ack},
	{"ack of another", break_ack_sequence},
	{"ack twice", break_ack_twice},
	{"ack with a body", break_ack_body},
	{"packet type", break_type},
	{"packet length", break_packet_length},
	{"short packet", break_packet_short},
	{"head of the ring", break_head},
};

START_TEST(broken_rules_end_the_connection)
{
	struct raw bad, well_behaved;
	unsigned before;

	fixture_start();
	raw_open(&well_behaved);
	/* After this call its opening is over, whose descriptors were still there at READY. */
	raw_echo(&well_behaved, 0);
	before = unit_count_fds();
	raw_open(&bad);
	rules[_i].run(&bad);
	raw_expect_end(&bad);
	raw_free(&bad);
	meter_wait(&fixture.client_freed, 1);
	for (uint64_t end = clock_now() + RAW_DEADLINE; unit_count_fds() != before;)
		ck_assert_msg(clock_now() < end, "%s: %u descriptors, %u before", rules[_i].name,
			      unit_count_fds(), before);
	raw_echo(&well_behaved, 1);
	raw_close(&well_behaved);
	fixture_end();
}
END_TEST

UNIT_LOOP_MAIN("host protocol", {broken_rules_end_the_connection, sizeof(rules) / sizeof(rules[0])})
