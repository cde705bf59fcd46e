/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's side of a direct connection, spoken to in bytes. First what an app that keeps the
 * rules gets; then every rule broken once: the connection that broke it ends, another one is served
 * as before, and nothing is left behind.
 */
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "bound_settings.h"
#include "budget.h"
#include "closing.h"
#include "driver_fixture.h"
#include "lingering.h"
#include "places.h"
#include "raw_client.h"
#include "said.h"

/* --- calls --- */

START_TEST(scalars)
{
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	for (uint64_t i = 0; i < 1000; i++)
		raw_echo(&raw, i);
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(all_slots_are_answered)
{
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	for (unsigned round = 0; round < 50; round++) {
		for (unsigned slot = 0; slot < CALL_PAGE_SLOTS; slot++) {
			struct call_request *request =
				raw_request(&raw, slot, CALL_METHOD, TEST_ECHO);

			request->scalar_in_count = request->scalar_out_count = DEXT_SCALARS_MAX;
			for (unsigned i = 0; i < DEXT_SCALARS_MAX; i++)
				request->scalars[i] = 100 * slot + i;
			raw_submit(&raw, slot);
		}
		for (unsigned slot = 0; slot < CALL_PAGE_SLOTS; slot++) {
			struct call_reply *reply = raw_wait(&raw, slot);

			ck_assert_int_eq(reply->status, kIOReturnSuccess);
			for (unsigned i = 0; i < DEXT_SCALARS_MAX; i++)
				ck_assert_uint_eq(reply->scalars[i], 100 * slot + i + 1);
		}
	}
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(inline_structures)
{
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	for (unsigned size = 1; size <= DEXT_STRUCTURE_INLINE_MAX;
	     size = size < 4095 ? size * 3 : size + 1) {
		struct call_request *request = raw_request(&raw, 3, CALL_METHOD, TEST_STRUCTURE);
		struct call_data *data = &raw.page.page->data[3];
		struct call_reply *reply;

		request->structure_in_size = size;
		request->structure_out_size = DEXT_STRUCTURE_INLINE_MAX;
		memset(data->input, (int)size, size);
		memset(data->output, 0, sizeof(data->output));
		reply = raw_call(&raw, 3);
		ck_assert_int_eq(reply->status, kIOReturnSuccess);
		ck_assert_uint_eq(reply->structure_out_size, size);
		ck_assert_mem_eq(data->output, data->input, size);
		ck_assert(size == DEXT_STRUCTURE_INLINE_MAX || data->output[size] == 0);
	}
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(outputs_past_the_room_are_refused)
{
	struct raw raw;
	struct call_request *request;
	struct call_reply *reply;

	fixture_start();
	raw_open(&raw);
	request = raw_request(&raw, 0, CALL_METHOD, TEST_TOO_LONG);
	request->structure_out_size = 10;
	reply = raw_call(&raw, 0);
	ck_assert_int_eq(reply->status, kIOReturnBadArgument);
	ck_assert_uint_eq(reply->structure_out_size, 0);
	raw_request(&raw, 0, CALL_METHOD, TEST_TOO_MANY);
	ck_assert_int_eq(raw_call(&raw, 0)->status, kIOReturnBadArgument);
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(failures_bring_no_output)
{
	struct raw raw;
	struct call_reply *reply;

	fixture_start();
	raw_open(&raw);
	raw_request(&raw, 0, CALL_METHOD, TEST_FAIL)->scalar_out_count = 2;
	reply = raw_call(&raw, 0);
	ck_assert_int_eq(reply->status, kIOReturnNoMedia);
	ck_assert_uint_eq(reply->scalar_out_count, 0);
	raw_request(&raw, 0, CALL_METHOD, TEST_METHODS);
	ck_assert_int_eq(raw_call(&raw, 0)->status, kIOReturnUnsupported);
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(kept_input_is_not_overwritten)
{
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	raw_request(&raw, 0, CALL_METHOD, TEST_KEEP_DATA)->structure_in_size = 4;
	memset(raw.page.page->data[0].input, 7, 4);
	raw_call(&raw, 0);
	raw_request(&raw, 0, CALL_METHOD, TEST_STRUCTURE)->structure_in_size = 4;
	memset(raw.page.page->data[0].input, 9, 4);
	raw_call(&raw, 0);
	raw_request(&raw, 0, CALL_METHOD, TEST_KEPT_DATA)->structure_out_size = 4;
	ck_assert_uint_eq(raw_call(&raw, 0)->structure_out_size, 4);
	ck_assert_mem_eq(raw.page.page->data[0].output, "\7\7\7\7", 4);
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(a_blocked_method_holds_up_only_its_client)
{
	struct raw blocked, other;

	fixture_start();
	raw_open(&blocked);
	/* A queue of its own, so that the two do not share the driver's. */
	raw_open(&other);
	ck_assert_int_eq(OSObject_SetDispatchQueue((OSObject *)fixture.client,
						   kIOUserClientQueueNameExternalMethod,
						   fixture.queue),
			 kIOReturnSuccess);
	{
		IODispatchQueue *queue = NULL;

		ck_assert_int_eq(queue_create("own", &queue), 0);
		ck_assert_int_eq(OSObject_SetDispatchQueue((OSObject *)fixture.client,
							   kIOUserClientQueueNameExternalMethod,
							   queue),
				 kIOReturnSuccess);
		OSRelease(queue);
	}
	raw_request(&blocked, 0, CALL_METHOD, TEST_BLOCK);
	raw_submit(&blocked, 0);
	meter_wait(&fixture.entered, 1);
	for (uint64_t i = 0; i < 100; i++)
		raw_echo(&other, i);
	ck_assert(!call_slot_is_answered(&blocked.page.page->slot[0], 1));
	/* A second call of the blocked client waits, and both are answered in the end. */
	raw_request(&blocked, 1, CALL_METHOD, TEST_ECHO);
	raw_submit(&blocked, 1);
	meter_raise(&fixture.go);
	raw_wait(&blocked, 0);
	raw_wait(&blocked, 1);
	raw_close(&blocked);
	raw_close(&other);
	fixture_end();
}
END_TEST

/* --- large structures --- */

static struct call_request *
large(struct raw *raw, unsigned slot, uint64_t in, uint64_t out, bool keep)
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

START_TEST(large_structures)
{
	uint8_t *in, *out;
	int in_fd = raw_memory(5000, 3, &in), out_fd = raw_memory(8192, 0, &out);
	struct call_reply *reply;
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	large(&raw, 5, 4097, 8192, false);
	raw_structures(&raw, 5, in_fd, out_fd);
	reply = raw_call(&raw, 5);
	ck_assert_int_eq(reply->status, kIOReturnSuccess);
	ck_assert_uint_eq(reply->scalars[0], 3 * 4097);
	ck_assert_uint_eq(reply->structure_out_size, 8192);
	ck_assert_uint_eq(reply->flags, 0);
	ck_assert_uint_eq(out[0], 0x5a);
	ck_assert_uint_eq(out[8191], 0x5a);

	large(&raw, 5, 4097, 8192, true);
	raw_structures(&raw, 5, in_fd, out_fd);
	ck_assert_uint_eq(raw_call(&raw, 5)->flags, CALL_KEPT_INPUT | CALL_KEPT_OUTPUT);
	raw_close(&raw);
	fixture_end();
	close(in_fd);
	close(out_fd);
}
END_TEST

START_TEST(memory_that_cannot_be_trusted_fails_the_call_only)
{
	int fd = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	uint8_t *bytes;
	int small = raw_memory(page_size(), 0, &bytes);
	struct raw raw;

	ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
	fixture_start();
	raw_open(&raw);
	large(&raw, 0, page_size() + 1, 0, false);
	raw_structures(&raw, 0, fd, -1);
	ck_assert_int_eq(raw_call(&raw, 0)->status, kIOReturnBadArgument);
	large(&raw, 0, page_size() + 1, 0, false);
	raw_structures(&raw, 0, small, -1);
	ck_assert_int_eq(raw_call(&raw, 0)->status, kIOReturnBadArgument);
	raw_echo(&raw, 1);
	raw_close(&raw);
	fixture_end();
	close(fd);
	close(small);
}
END_TEST

START_TEST(structures_that_do_not_get_through_fail_the_call_only)
{
	uint8_t *bytes;
	int fd = raw_memory(8192, 1, &bytes), highest;
	struct rlimit before, none_left;
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	raw_echo(&raw, 1);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none_left = before;
	highest = dup(fd);
	close(highest);
	none_left.rlim_cur = (rlim_t)highest;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none_left), 0);
	large(&raw, 0, 5000, 5000, false);
	raw_structures(&raw, 0, fd, fd);
	ck_assert_int_eq(raw_call(&raw, 0)->status, kIOReturnNoResources);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	large(&raw, 0, 5000, 0, false);
	raw_structures(&raw, 0, fd, -1);
	ck_assert_int_eq(raw_call(&raw, 0)->status, kIOReturnSuccess);
	ck_assert_uint_eq(raw.page.page->slot[0].reply.scalars[0], 5000);
	raw_close(&raw);
	fixture_end();
	close(fd);
}
END_TEST

/* A call with memory that nobody touches, so that its size costs nothing. */
static IOReturn
sparse(struct raw *raw, uint64_t selector, uint64_t in, uint64_t out)
{
	int in_fd = -1, out_fd = -1;

	if (in > 0)
		ck_assert_int_eq(memfd_create_sealed("in", in > INT64_MAX ? 1 : in, &in_fd),
				 kIOReturnSuccess);
	if (out > 0)
		ck_assert_int_eq(memfd_create_sealed("out", out, &out_fd), kIOReturnSuccess);
	large(raw, 0, in, out, false)->selector = selector;
	raw_structures(raw, 0, in_fd, out_fd);
	fd_close(&in_fd);
	fd_close(&out_fd);
	return raw_call(raw, 0)->status;
}

static void
let_go(struct raw *raw)
{
	raw_request(raw, 0, CALL_METHOD, TEST_LET_GO);
	ck_assert_int_eq(raw_call(raw, 0)->status, kIOReturnSuccess);
}

/* One past it: break_variable_size. */
START_TEST(room_for_an_output_of_any_size_up_to_the_limit)
{
	struct call_request *request;
	struct call_reply *reply;
	struct raw raw;
	int fd = -1;

	fixture_start();
	raw_open(&raw);
	ck_assert_int_eq(memfd_create_sealed("out", DEXT_STRUCTURE_VARIABLE_MAX, &fd), 0);
	request = large(&raw, 0, 0, DEXT_STRUCTURE_VARIABLE_MAX, false);
	request->flags |= CALL_VARIABLE_OUTPUT;
	request->selector = TEST_STRUCTURE;
	request->structure_in_size = 5;
	memcpy(raw.page.page->data[0].input, "short", 5);
	raw_structures(&raw, 0, -1, fd);
	reply = raw_call(&raw, 0);
	ck_assert_int_eq(reply->status, kIOReturnSuccess);
	ck_assert_uint_eq(reply->structure_out_size, 5);
	ck_assert_mem_eq(raw.page.page->data[0].output, "short", 5);
	raw_close(&raw);
	fixture_end();
	close(fd);
}
END_TEST

START_TEST(memory_of_an_app_is_limited_in_sum)
{
	struct raw raw, other;

	fixture_start();
	raw_open(&raw);
	/* At the limit, and past it with what is kept. */
	ck_assert_int_eq(sparse(&raw, TEST_HOLD, DEXT_LIMIT_PEER_BYTES - 8192, 8192),
			 kIOReturnSuccess);
	said_listen();
	ck_assert_int_eq(sparse(&raw, TEST_LARGE, 4097, 0), kIOReturnNoResources);
	said_expect("DEXT_LIMIT_PEER_BYTES (DextLimitPeerBytes: 2147483648)");
	ck_assert_int_eq(sparse(&raw, TEST_LARGE, 0, 4097), kIOReturnNoResources);
	let_go(&raw);
	ck_assert_int_eq(sparse(&raw, TEST_LARGE, 4097, 4097), kIOReturnSuccess);
	/* One past it in one call; what was refused counts no more. */
	ck_assert_int_eq(sparse(&raw, TEST_HOLD, DEXT_LIMIT_PEER_BYTES - 8192, 8193),
			 kIOReturnNoResources);
	ck_assert_int_eq(sparse(&raw, TEST_HOLD, DEXT_LIMIT_PEER_BYTES + 1, 0),
			 kIOReturnNoResources);
	ck_assert_int_eq(sparse(&raw, TEST_HOLD, UINT64_MAX, 0), kIOReturnNoResources);
	ck_assert_int_eq(sparse(&raw, TEST_HOLD, DEXT_LIMIT_PEER_BYTES, 0), kIOReturnSuccess);
	/* It is the limit of one client. */
	raw_close(&raw);
	raw_open(&raw);
	ck_assert_int_eq(sparse(&raw, TEST_HOLD, DEXT_LIMIT_PEER_BYTES, 0), kIOReturnSuccess);
	raw_open(&other);
	ck_assert_int_eq(sparse(&other, TEST_LARGE, 4097, 0), kIOReturnSuccess);
	raw_close(&other);
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(memory_of_calls_under_way_counts)
{
	struct raw raw;
	int fd = -1;

	fixture_start();
	raw_open(&raw);
	ck_assert_int_eq(memfd_create_sealed("in", DEXT_LIMIT_PEER_BYTES, &fd), 0);
	for (unsigned slot = 0; slot < 2; slot++) {
		large(&raw, slot, slot == 0 ? DEXT_LIMIT_PEER_BYTES : 4097, 0, false)->selector =
			slot == 0 ? TEST_BLOCK : TEST_HOLD;
		raw_structures(&raw, slot, fd, -1);
	}
	call_page_submit(&raw.page, 0);
	call_page_submit(&raw.page, 1);
	doorbell_ring(raw.doorbell);
	meter_wait(&fixture.entered, 1);
	meter_raise(&fixture.go);
	ck_assert_int_eq(raw_wait(&raw, 0)->status, kIOReturnSuccess);
	ck_assert_int_eq(raw_wait(&raw, 1)->status, kIOReturnNoResources);
	raw_close(&raw);
	fixture_end();
	close(fd);
}
END_TEST

START_TEST(memory_that_is_only_mapped_counts)
{
	uint64_t size = DEXT_LIMIT_PEER_BYTES / 2 + 1;
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	ck_assert_int_eq(sparse(&raw, TEST_HOLD_MAPPED, size, 0), kIOReturnSuccess);
	ck_assert_int_eq(sparse(&raw, TEST_HOLD, size, 0), kIOReturnNoResources);
	let_go(&raw);
	ck_assert_int_eq(sparse(&raw, TEST_HOLD, size, 0), kIOReturnSuccess);
	raw_close(&raw);
	fixture_end();
}
END_TEST

/* With the last file that its user may have waiting it is ended when it sends something. */
START_TEST(files_of_a_user_that_wait_to_be_closed_are_limited)
{
	int peers[DEXT_LIMIT_CLOSING_USER], fd;
	struct raw raw;

	fixture_start();
	listen_somewhere();
	closing_begin();
	signal(SIGURG, SIG_IGN); /* which would end their closes */
	raw_open(&raw);
	for (unsigned i = 0; i < DEXT_LIMIT_CLOSING_USER; i++) {
		ck_assert_int_eq(sparse(&raw, TEST_LARGE, 4097, 0), kIOReturnSuccess);
		fd = lingering(&peers[i]);
		fd_close_foreign(&fd, 0);
	}
	said_listen();
	raw_ack(&raw, 1);
	raw_expect_end(&raw);
	said_expect("DEXT_LIMIT_CLOSING_USER");
	raw_free(&raw);
	for (unsigned i = 0; i < DEXT_LIMIT_CLOSING_USER; i++)
		close(peers[i]);
	fixture_end();
}
END_TEST

/* --- maps --- */

static struct call_reply *
map(struct raw *raw, unsigned slot, uint64_t type)
{
	struct call_request *request = raw_request(raw, slot, CALL_MAP, type);

	request->scalar_in_count = 1;
	request->scalars[0] = 1;
	return raw_call(raw, slot);
}

static struct call_reply *
unmap(struct raw *raw, uint64_t type)
{
	raw_request(raw, 0, CALL_UNMAP, type);
	return raw_call(raw, 0);
}

/* The MEMORY of the slot's last call; the descriptor. */
static int
expect_memory(struct raw *raw, unsigned slot, bool ack)
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

START_TEST(mapped_memory_is_the_drivers)
{
	struct raw raw;
	IOAddressSegment range;
	struct call_reply *reply;
	uint8_t *bytes;
	int fd;

	fixture_start();
	raw_open(&raw);
	reply = map(&raw, 2, 5);
	ck_assert_int_eq(reply->status, kIOReturnSuccess);
	ck_assert_uint_eq(reply->map_length, 6);
	ck_assert_uint_eq(reply->map_read_only, 0);
	fd = expect_memory(&raw, 2, true);
	bytes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(bytes, MAP_FAILED);
	bytes[5] = 42;
	ck_assert_int_eq(
		IOBufferMemoryDescriptor_GetAddressRange(
			(IOBufferMemoryDescriptor *)OSObjectIVars(TestClient, fixture.client)
				->memory[5],
			&range),
		kIOReturnSuccess);
	ck_assert_uint_eq(((uint8_t *)(uintptr_t)range.address)[5], 42);
	close(fd);
	ck_assert_int_eq(unmap(&raw, 5)->status, kIOReturnSuccess);
	ck_assert_int_eq(unmap(&raw, 5)->status, kIOReturnBadArgument);
	raw_close(&raw);
	fixture_end();
	munmap(bytes, 4096);
}
END_TEST

START_TEST(joined_memory_is_a_segment_for_each_part)
{
	static struct packet packet;
	struct {
		struct memory_body body;
		struct memory_segment_body segments[2];
	} message;
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	for (unsigned time = 0; time < 2; time++) {
		ck_assert_int_eq(map(&raw, 3, 18)->status, kIOReturnSuccess);
		ck_assert_uint_eq(raw.page.page->slot[3].reply.map_length, 2 * page_size() + 10);
		raw_receive(&raw, &packet);
		ck_assert_uint_eq(packet.header->type, PACKET_MEMORY);
		ck_assert_uint_eq(packet.fd_count, 2);
		ck_assert_uint_eq(packet.body_length, sizeof(message));
		memcpy(&message, packet.body, sizeof(message));
		ck_assert_uint_eq(message.body.segment_count, 2);
		ck_assert_uint_eq(message.segments[0].length, 2 * page_size());
		ck_assert_uint_eq(message.segments[1].length, 10);
		for (unsigned i = 0; i < 2; i++) {
			const char *bytes = mmap(NULL, 4096, PROT_READ, MAP_SHARED, packet.fds[i],
						 (off_t)message.segments[i].offset);

			ck_assert_ptr_ne(bytes, MAP_FAILED);
			ck_assert_int_eq(bytes[0], (int)('a' + i));
			munmap((void *)(uintptr_t)bytes, 4096);
		}
		packet_close_fds(&packet);
		raw_ack(&raw, packet.header->sequence);
	}
	ck_assert_int_eq(unmap(&raw, 18)->status, kIOReturnSuccess);
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(read_only_memory_cannot_be_mapped_writable)
{
	struct raw raw;
	struct call_reply *reply;
	int fd;

	fixture_start();
	raw_open(&raw);
	reply = map(&raw, 0, 9);
	ck_assert_int_eq(reply->status, kIOReturnSuccess);
	ck_assert_uint_eq(reply->map_read_only, 1);
	fd = expect_memory(&raw, 0, true);
	ck_assert_ptr_eq(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	close(fd);
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(maps_that_fail)
{
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	ck_assert_int_eq(map(&raw, 0, 16)->status, kIOReturnBadArgument);
	ck_assert_int_eq(map(&raw, 0, 21)->status, kIOReturnUnsupported);
	ck_assert_int_eq(unmap(&raw, 21)->status, kIOReturnBadArgument);
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(memory_waits_for_the_acknowledgement)
{
	static struct packet packet;
	struct pollfd poll_fd;
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	ck_assert_int_eq(map(&raw, 0, 0)->status, kIOReturnSuccess);
	for (unsigned slot = 1; slot < 4; slot++) {
		struct call_request *request = raw_request(&raw, slot, CALL_MAP, slot);

		request->scalar_in_count = 1;
		raw_submit(&raw, slot);
		/* The method call after it is answered; the map call is not. */
		raw_request(&raw, 10, CALL_METHOD, TEST_ECHO);
		raw_call(&raw, 10);
		ck_assert(!call_slot_is_answered(&raw.page.page->slot[slot], 1));
	}
	for (unsigned slot = 0; slot < 4; slot++) {
		raw_receive(&raw, &packet);
		ck_assert_uint_eq(((const struct memory_body *)packet.body)->slot, slot);
		ck_assert_int_eq(raw_wait(&raw, slot)->status, kIOReturnSuccess);
		packet_close_fds(&packet);
		poll_fd = (struct pollfd){.fd = raw.socket, .events = POLLIN};
		ck_assert_int_eq(poll(&poll_fd, 1, 0), 0);
		raw_ack(&raw, packet.header->sequence);
	}
	raw_close(&raw);
	fixture_end();
}
END_TEST

/* Without a packet, which would wake the host. */
START_TEST(memory_is_acknowledged_in_the_page)
{
	static struct packet packet;
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	ck_assert_uint_eq(raw.page.page->received.is_ack, 1);
	for (unsigned slot = 0; slot < 4; slot++) {
		ck_assert_int_eq(map(&raw, slot, slot)->status, kIOReturnSuccess);
		raw_receive(&raw, &packet);
		ck_assert_uint_eq(((const struct memory_body *)packet.body)->slot, slot);
		packet_close_fds(&packet);
		atomic_store(&raw.page.page->received.sequence, packet.header->sequence);
	}
	/* That of an earlier one is none. */
	ck_assert_int_eq(map(&raw, 4, 0)->status, kIOReturnSuccess);
	raw_request(&raw, 5, CALL_MAP, 1)->scalar_in_count = 1;
	raw_submit(&raw, 5);
	raw_echo(&raw, 10);
	ck_assert(!call_slot_is_answered(&raw.page.page->slot[5], 1));
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(closing_with_maps_that_wait)
{
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	map(&raw, 0, 0);
	raw_request(&raw, 1, CALL_MAP, 1)->scalar_in_count = 1;
	raw_submit(&raw, 1);
	raw_echo(&raw, 1);
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(buffers_of_a_client_are_limited)
{
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	/* Type 17 is new memory each time, so each counts. */
	for (unsigned i = 0; i < DEXT_LIMIT_BUFFERS_CLIENT; i++) {
		ck_assert_int_eq(map(&raw, 0, 17)->status, kIOReturnSuccess);
		close(expect_memory(&raw, 0, true));
	}
	said_listen();
	ck_assert_int_eq(map(&raw, 0, 17)->status, kIOReturnNoResources);
	said_expect("DEXT_LIMIT_BUFFERS_CLIENT (DextLimitBuffersClient: 4160)");
	ck_assert_int_eq(map(&raw, 0, 1)->status, kIOReturnNoResources);
	ck_assert_int_eq(unmap(&raw, 17)->status, kIOReturnSuccess);
	ck_assert_int_eq(map(&raw, 0, 17)->status, kIOReturnSuccess);
	close(expect_memory(&raw, 0, true));
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(bytes_of_a_client_are_limited)
{
	const uint64_t first = FIXTURE_LARGE_TYPES,
		       most = DEXT_LIMIT_MAPPED_BYTES / FIXTURE_LARGE_BYTES;
	struct raw raw, other;

	fixture_start();
	raw_open(&raw);
	for (uint64_t i = 0; i < most; i++) {
		ck_assert_int_eq(map(&raw, 0, first + i)->status, kIOReturnSuccess);
		close(expect_memory(&raw, 0, true));
	}
	/* Not one byte more. */
	said_listen();
	ck_assert_int_eq(map(&raw, 0, 17)->status, kIOReturnNoResources);
	said_expect("DEXT_LIMIT_MAPPED_BYTES (DextLimitMappedBytes: 17179869184)");
	ck_assert_int_eq(map(&raw, 0, first + most)->status, kIOReturnNoResources);
	/* It is the limit of one client. */
	raw_open(&other);
	ck_assert_int_eq(map(&other, 0, 17)->status, kIOReturnSuccess);
	close(expect_memory(&other, 0, true));
	ck_assert_int_eq(unmap(&raw, first)->status, kIOReturnSuccess);
	ck_assert_int_eq(map(&raw, 0, 17)->status, kIOReturnSuccess);
	close(expect_memory(&raw, 0, true));
	ck_assert_int_eq(map(&raw, 0, first)->status, kIOReturnNoResources);
	raw_close(&other);
	raw_close(&raw);
	fixture_end();
}
END_TEST

static struct meter populating_begun = METER_INITIALIZER, populating_may_go = METER_INITIALIZER;

static void
hold_up(struct work *work)
{
	meter_raise(&populating_begun);
	meter_wait(&populating_may_go, 1);
}

/* The driver's queue goes on meanwhile. */
START_TEST(much_memory_gets_its_pages_on_another_queue)
{
	struct work work = {.run = hold_up};
	IODispatchQueue *queue = NULL;
	struct raw raw, other;

	fixture_start();
	ck_assert_int_eq(queue_create("populating", &queue), kIOReturnSuccess);
	maps_populate_on(queue);
	raw_open(&raw);
	raw_open(&other);
	queue_post(queue, &work);
	meter_wait(&populating_begun, 1);
	raw_request(&raw, 0, CALL_MAP, 23)->scalar_in_count = 1;
	raw_submit(&raw, 0);
	raw_echo(&other, 1);
	/* Little memory, and memory that has its pages, is not kept waiting. */
	ck_assert_int_eq(map(&other, 0, 17)->status, kIOReturnSuccess);
	close(expect_memory(&other, 0, true));
	ck_assert(!call_slot_is_answered(&raw.page.page->slot[0], raw.generations[0]));
	meter_raise(&populating_may_go);
	close(expect_memory(&raw, 0, true));
	ck_assert_int_eq(raw_wait(&raw, 0)->status, kIOReturnSuccess);
	ck_assert_uint_eq(raw.page.page->slot[0].reply.map_length, 5 << 20);
	raw_close(&raw);
	raw_close(&other);
	fixture_end();
	maps_populate_on(NULL);
	OSRelease(queue);
}
END_TEST

/* Their descriptors count against the host's user for as long as they are in the socket. */
START_TEST(who_acknowledges_without_reading_gets_few)
{
	static struct packet packet;
	struct raw raw, other;
	unsigned sent = 0;

	fixture_start();
	raw_open(&raw);
	while (map(&raw, 0, 0)->status == kIOReturnSuccess) {
		ck_assert_uint_lt(sent, 16);
		raw_ack(&raw, ++sent);
	}
	ck_assert_int_eq(raw.page.page->slot[0].reply.status, kIOReturnNoResources);
	ck_assert_uint_ge(sent, 1);
	raw_open(&other);
	ck_assert_int_eq(map(&other, 0, 0)->status, kIOReturnSuccess);
	close(expect_memory(&other, 0, true));
	raw_close(&other);
	/* It may go on when it has read them. */
	for (unsigned i = 0; i < sent; i++) {
		raw_receive(&raw, &packet);
		packet_close_fds(&packet);
	}
	ck_assert_int_eq(map(&raw, 0, 0)->status, kIOReturnSuccess);
	close(expect_memory(&raw, 0, true));
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(buffers_of_a_host_are_limited)
{
	enum {
		KEPT = DEXT_LIMIT_BUFFERS_KEPT * DEXT_LIMIT_CONNECTIONS,
		SHARED = DEXT_LIMIT_BUFFERS_HOST - KEPT,
		APPS = SHARED / DEXT_LIMIT_BUFFERS_CLIENT + 1,
	};
	static struct raw raw[APPS + 1];
	unsigned left = SHARED;

	fixture_start();
	for (unsigned app = 0; app <= APPS; app++)
		raw_open(&raw[app]);
	for (unsigned app = 0; app < APPS; app++)
		for (unsigned i = 0; i < DEXT_LIMIT_BUFFERS_CLIENT && left > 0; i++, left--) {
			ck_assert_int_eq(map(&raw[app], 0, 17)->status, kIOReturnSuccess);
			close(expect_memory(&raw[app], 0, true));
		}
	/* Those that have many get no more; one that has few gets what is kept for it. */
	said_listen();
	ck_assert_int_eq(map(&raw[APPS - 1], 0, 17)->status, kIOReturnNoResources);
	said_expect("DEXT_LIMIT_BUFFERS_HOST (DextLimitBuffersHost: 16384)");
	for (unsigned i = 0; i < DEXT_LIMIT_BUFFERS_KEPT; i++) {
		ck_assert_int_eq(map(&raw[APPS], 0, 17)->status, kIOReturnSuccess);
		close(expect_memory(&raw[APPS], 0, true));
	}
	ck_assert_int_eq(map(&raw[APPS], 0, 17)->status, kIOReturnNoResources);
	/* What the others give back it may have. */
	for (unsigned i = 0; i < DEXT_LIMIT_BUFFERS_KEPT + 1; i++)
		ck_assert_int_eq(unmap(&raw[0], 17)->status, kIOReturnSuccess);
	ck_assert_int_eq(map(&raw[APPS], 0, 17)->status, kIOReturnSuccess);
	close(expect_memory(&raw[APPS], 0, true));
	ck_assert_int_eq(map(&raw[APPS], 0, 17)->status, kIOReturnNoResources);
	for (unsigned app = 0; app <= APPS; app++)
		raw_close(&raw[app]);
	fixture_end();
}
END_TEST

/* --- completions --- */

static void
keep(struct raw *raw, uint32_t index, uint32_t generation)
{
	struct call_request *request = raw_request(raw, 0, CALL_METHOD, TEST_KEEP);

	request->flags = CALL_ASYNC;
	request->async_index = index;
	request->async_generation = generation;
	ck_assert_int_eq(raw_call(raw, 0)->status, kIOReturnSuccess);
}

static IOReturn
complete(struct raw *raw, uint64_t count, uint64_t first)
{
	struct call_request *request = raw_request(raw, 0, CALL_METHOD, TEST_COMPLETE);

	request->scalar_in_count = 2;
	request->scalars[0] = count;
	request->scalars[1] = first;
	return raw_call(raw, 0)->status;
}

static void
expect_completions(struct raw *raw, uint64_t count, uint64_t first)
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

static void
expect_released(struct raw *raw, uint32_t index, uint32_t generation)
{
	struct completion entry;

	raw_completion(raw, &entry);
	ck_assert_uint_eq(entry.kind, COMPLETION_RELEASED);
	ck_assert_uint_eq(entry.index, index);
	ck_assert_uint_eq(entry.generation, generation);
}

START_TEST(completions_arrive_in_order)
{
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	keep(&raw, 1023, 6);
	complete(&raw, 5, 0);
	expect_completions(&raw, 5, 0);
	raw_request(&raw, 0, CALL_METHOD, TEST_RELEASE);
	raw_call(&raw, 0);
	expect_released(&raw, 1023, 6);
	/* The index is free: the next registration may have it. */
	keep(&raw, 1023, 7);
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(a_completion_that_nobody_keeps_is_released)
{
	struct call_request *request;
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	for (unsigned i = 0; i < 2000; i++) {
		request = raw_request(&raw, 0, CALL_METHOD, i % 2 ? TEST_ECHO : TEST_METHODS);
		request->flags = CALL_ASYNC;
		request->async_index = 0;
		request->async_generation = i;
		raw_call(&raw, 0);
		expect_released(&raw, 0, i);
	}
	raw_close(&raw);
	fixture_end();
}
END_TEST

/* An app that takes no entries and uses an index again all the same: else each use would cost. */
START_TEST(a_release_that_waits_keeps_its_index)
{
	struct call_request *request;
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	for (unsigned i = 0; i < COMPLETION_RING_MAX + 2; i++) {
		request = raw_request(&raw, 0, CALL_METHOD, TEST_ECHO);
		request->flags = CALL_ASYNC;
		request->async_generation = i;
		raw_submit(&raw, 0);
		if (i <= COMPLETION_RING_MAX)
			raw_wait(&raw, 0);
	}
	raw_expect_end(&raw);
	raw_free(&raw);
	fixture_end();
}
END_TEST

START_TEST(completions_past_the_ring_wait)
{
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	keep(&raw, 1023, 6);
	ck_assert_int_eq(complete(&raw, 5000, 0), kIOReturnSuccess);
	expect_completions(&raw, 3000, 0);
	ck_assert_int_eq(complete(&raw, 5000, 5000), kIOReturnSuccess);
	expect_completions(&raw, 7000, 3000);
	raw_close(&raw);
	fixture_end();
}
END_TEST

struct burst {
	uint64_t count, first;
};

/* As the driver does from its own callbacks: without a call, so that nobody looks at the page. */
static void
send_burst(void *context)
{
	struct burst *burst = context;
	OSAction *action = OSObjectIVars(TestClient, fixture.client)->completion;

	for (uint64_t i = 0; i < burst->count; i++) {
		uint64_t argument = burst->first + i;

		ck_assert_int_eq(
			IOUserClient_AsyncCompletion(fixture.client, action, 0, &argument, 1),
			kIOReturnSuccess);
	}
}

START_TEST(completions_do_not_overtake_those_that_wait)
{
	struct burst first = {COMPLETION_RING_MAX + 100, 0};
	struct burst next = {10, COMPLETION_RING_MAX + 100};
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	keep(&raw, 1023, 6);
	ck_assert(queue_call(fixture.queue, &first, send_burst));
	/* There is room now, but not so much that the host was told. */
	expect_completions(&raw, 50, 0);
	ck_assert(queue_call(fixture.queue, &next, send_burst));
	expect_completions(&raw, COMPLETION_RING_MAX + 110 - 50, 50);
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(completions_past_the_limit_are_an_overrun)
{
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	keep(&raw, 1023, 6);
	ck_assert_int_eq(complete(&raw, COMPLETION_RING_MAX + DEXT_LIMIT_COMPLETIONS, 0),
			 kIOReturnSuccess);
	/* At the limit calls are served; one past it, no more. */
	raw_echo(&raw, 1);
	said_listen();
	ck_assert_int_eq(complete(&raw, 1, 0), kIOReturnOverrun);
	said_expect("DEXT_LIMIT_COMPLETIONS (DextLimitCompletions: 65536)");
	raw_request(&raw, 0, CALL_METHOD, TEST_ECHO);
	ck_assert_int_eq(raw_call(&raw, 0)->status, kIOReturnOverrun);
	ck_assert_int_eq(map(&raw, 0, 0)->status, kIOReturnOverrun);
	/* What was accepted is there all the same. */
	expect_completions(&raw, COMPLETION_RING_MAX + DEXT_LIMIT_COMPLETIONS, 0);
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(what_apps_cost_is_in_the_budget)
{
	const uint64_t page = sizeof(struct call_page);
	struct raw raw, other;

	fixture_start();
	/* The driver's own memory is made with each client. */
	budget_set(1);
	raw_open_with(&raw, fixture.root, 0, -1);
	ck_assert_int_eq(raw.status, kIOReturnNoResources);
	raw_free(&raw);
	budget_set(0);
	raw_open(&raw);
	raw_open(&other);
	keep(&raw, 1023, 6);
	/* Room for half a ring's worth that waits: of who does not take them, no more. */
	budget_set(2 * page);
	ck_assert_int_eq(complete(&raw, 4 * COMPLETION_RING_MAX, 0), kIOReturnOverrun);
	raw_echo(&other, 1);
	raw_close(&raw);
	raw_close(&other);
	budget_set(0);
	fixture_end();
}
END_TEST

/* --- limits that the bundle has set --- */

static void
set_limits(void)
{
	OSDictionary *said = OSDictionaryCreate(5);

	OSDictionarySetUInt64Value(said, "DextLimitBuffersClient", 2);
	OSDictionarySetUInt64Value(said, "DextLimitBuffersHost", 3);
	OSDictionarySetUInt64Value(said, "DextLimitPeerBytes", 16384);
	OSDictionarySetUInt64Value(said, "DextLimitAsync", 1);
	OSDictionarySetUInt64Value(said, "DextLimitCompletions", 5);
	limits_set(said);
	OSRelease(said);
}

static void
map_one(struct raw *raw)
{
	ck_assert_int_eq(map(raw, 0, 17)->status, kIOReturnSuccess);
	close(expect_memory(raw, 0, true));
}

static IOReturn
register_one(struct raw *raw)
{
	struct call_request *request = raw_request(raw, 0, CALL_METHOD, TEST_ECHO);

	request->flags = CALL_ASYNC;
	request->async_index = 7;
	request->async_generation = 1;
	return raw_call(raw, 0)->status;
}

static void
check_registrations(struct raw *raw)
{
	struct completion entry;

	keep(raw, 1023, 6);
	said_listen();
	ck_assert_int_eq(register_one(raw), kIOReturnNoResources);
	said_expect("DEXT_LIMIT_ASYNC (DextLimitAsync: 1)");
	/* It has ended, as that of any call that fails, and the connection lives. */
	raw_completion(raw, &entry);
	ck_assert_uint_eq(entry.kind, COMPLETION_RELEASED);
	ck_assert_uint_eq(entry.index, 7);
	raw_echo(raw, 1);
}

START_TEST(limits_are_those_of_the_bundle)
{
	struct raw raw, other;

	set_limits();
	fixture_start();
	raw_open(&raw);
	map_one(&raw);
	map_one(&raw);
	ck_assert_int_eq(map(&raw, 0, 17)->status, kIOReturnNoResources);
	raw_open(&other);
	map_one(&other);
	ck_assert_int_eq(map(&other, 0, 17)->status, kIOReturnNoResources);
	ck_assert_int_eq(sparse(&other, TEST_HOLD, 8192, 8192), kIOReturnSuccess);
	ck_assert_int_eq(sparse(&other, TEST_HOLD, 8192, 8193), kIOReturnNoResources);
	raw_close(&other);
	check_registrations(&raw);
	ck_assert_int_eq(complete(&raw, COMPLETION_RING_MAX - 1 + 5, 0), kIOReturnSuccess);
	raw_echo(&raw, 1);
	ck_assert_int_eq(complete(&raw, 2, 0), kIOReturnOverrun);
	raw_close(&raw);
	fixture_end();
	limits_set(NULL);
}
END_TEST

/* DEXT_LIMIT_MAPPED_BYTES, of a bundle: to the byte, and one buffer past it. */
START_TEST(bytes_are_those_of_the_bundle)
{
	OSDictionary *said = OSDictionaryCreate(1);
	const uint64_t first = FIXTURE_LARGE_TYPES;
	struct raw raw, other;

	OSDictionarySetUInt64Value(said, "DextLimitMappedBytes", 2 * FIXTURE_LARGE_BYTES);
	limits_set(said);
	OSRelease(said);
	fixture_start();
	raw_open(&raw);
	for (uint64_t i = 0; i < 2; i++) {
		ck_assert_int_eq(map(&raw, 0, first + i)->status, kIOReturnSuccess);
		close(expect_memory(&raw, 0, true));
	}
	ck_assert_int_eq(map(&raw, 0, 17)->status, kIOReturnNoResources);
	raw_open(&other);
	map_one(&other);
	ck_assert_int_eq(unmap(&raw, first)->status, kIOReturnSuccess);
	map_one(&raw);
	ck_assert_int_eq(map(&raw, 0, first)->status, kIOReturnNoResources);
	raw_close(&other);
	raw_close(&raw);
	fixture_end();
	limits_set(NULL);
}
END_TEST

/* --- the end --- */

START_TEST(closing_stops_and_gives_back)
{
	unsigned before;
	struct raw raw;

	fixture_start();
	before = unit_count_fds();
	raw_open(&raw);
	keep(&raw, 3, 1);
	map(&raw, 0, 0);
	close(expect_memory(&raw, 0, true));
	raw_close(&raw);
	ck_assert_uint_eq(meter_read(&fixture.client_stopped), 1);
	/* Although the driver still holds the completion when its Stop returns. */
	meter_wait(&fixture.client_freed, 1);
	ck_assert_uint_eq(connection_count(), 0);
	/* What the loop gives up it gives up when its threads are through. */
	for (uint64_t end = clock_now() + RAW_DEADLINE; unit_count_fds() != before;)
		ck_assert_uint_lt(clock_now(), end);
	fixture_end();
}
END_TEST

START_TEST(closing_while_a_method_runs_on_its_own_queue)
{
	IODispatchQueue *queue = NULL;
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	ck_assert_int_eq(queue_create("own", &queue), 0);
	ck_assert_int_eq(OSObject_SetDispatchQueue((OSObject *)fixture.client,
						   kIOUserClientQueueNameExternalMethod, queue),
			 kIOReturnSuccess);
	OSRelease(queue);
	raw_request(&raw, 0, CALL_METHOD, TEST_BLOCK);
	raw_submit(&raw, 0);
	meter_wait(&fixture.entered, 1);
	raw_close(&raw);
	ck_assert_uint_eq(meter_read(&fixture.client_stopped), 1);
	/* Its method is still running. */
	ck_assert_uint_eq(meter_read(&fixture.client_freed), 0);
	meter_raise(&fixture.go);
	meter_wait(&fixture.client_freed, 1);
	fixture_end();
}
END_TEST

static void
wait_for_go(struct work *work)
{
	meter_raise(&fixture.entered);
	meter_wait(&fixture.go, 1);
}

/* NewUserClient of a driver that is terminating is not called: 99 would be kIOReturnError. */
START_TEST(an_open_whose_turn_comes_after_the_termination)
{
	static struct packet packet;
	struct host_open_body who = {.type = 99, .version = PROTOCOL_VERSION, .pid = getpid()};
	struct work busy = {.run = wait_for_go};
	int ends[2];

	fixture_start();
	queue_post(fixture.queue, &busy);
	meter_wait(&fixture.entered, 1);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	connection_open_take(fixture.loop, fixture.root, ends[1], -1, &who);
	service_terminate(fixture.root);
	meter_raise(&fixture.go);
	raw_wait_readable(ends[0]);
	ck_assert_int_eq(packet_receive(ends[0], &packet, false), kIOReturnSuccess);
	ck_assert_int_eq(packet.header->status, kIOReturnOffline);
	close(ends[0]);
	fixture_end();
}
END_TEST

START_TEST(death_of_the_app_ends_although_the_socket_lives)
{
	struct raw raw;
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	fixture_start();
	/* The end of a pipe stands for the pidfd: readable when the other end goes. */
	raw_open_with(&raw, fixture.root, 0, ends[0]);
	raw_echo(&raw, 1);
	ck_assert_int_eq(write(ends[1], "", 1), 1);
	meter_wait(&fixture.client_freed, 1);
	raw_expect_end(&raw);
	raw_free(&raw);
	close(ends[1]);
	fixture_end();
}
END_TEST

/* This process is the child that still holds the connection of the app. */
START_TEST(death_of_the_app_is_seen_although_a_child_holds_the_socket)
{
	struct raw raw;
	pid_t app = fork();

	ck_assert_int_ge(app, 0);
	if (app == 0)
		for (;;)
			pause();
	fixture_start();
	raw_open_with(&raw, fixture.root, 0, (int)syscall(SYS_pidfd_open, app, 0));
	raw_echo(&raw, 1);
	ck_assert_int_eq(kill(app, SIGKILL), 0);
	meter_wait(&fixture.client_freed, 1);
	raw_expect_end(&raw);
	raw_free(&raw);
	ck_assert_int_eq(waitpid(app, NULL, 0), app);
	fixture_end();
}
END_TEST

START_TEST(a_kept_completion_is_aborted_when_the_app_has_gone)
{
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	keep(&raw, 3, 1);
	raw_echo(&raw, 1);
	ck_assert_uint_eq(meter_read(&fixture.aborted), 0);
	raw_free(&raw);
	meter_wait(&fixture.aborted, 1);
	ck_assert_uint_eq(fixture.stopped_at_abort, 0);
	meter_wait(&fixture.client_freed, 1);
	fixture_end();
	ck_assert_uint_eq(meter_read(&fixture.aborted), 1);
}
END_TEST

static void
send_to_another(void *context)
{
	IOUserClient **clients = context;
	OSAction *action = OSObjectIVars(TestClient, clients[0])->completion;

	ck_assert_int_eq(IOUserClient_AsyncCompletion(clients[1], action, 0, NULL, 0),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IOUserClient_AsyncCompletion(clients[0], action, 0, NULL, 0),
			 kIOReturnSuccess);
}

START_TEST(a_completion_is_its_own_clients)
{
	IOUserClient *clients[2];
	struct completion entry;
	struct raw one, other;

	fixture_start();
	raw_open(&one);
	clients[0] = fixture.client;
	raw_open(&other);
	clients[1] = fixture.client;
	keep(&one, 3, 1);
	ck_assert(queue_call(fixture.queue, clients, send_to_another));
	raw_completion(&one, &entry);
	ck_assert_uint_eq(entry.kind, COMPLETION_CALL);
	ck_assert_uint_eq(entry.count, 0);
	raw_close(&one);
	raw_close(&other);
	fixture_end();
}
END_TEST

START_TEST(terminating_the_driver_hangs_up)
{
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	service_terminate(fixture.root);
	raw_expect_end(&raw);
	ck_assert_uint_eq(meter_read(&fixture.client_stopped), 1);
	raw_free(&raw);
	fixture_end();
	ck_assert_uint_eq(meter_read(&fixture.driver_stopped), 1);
}
END_TEST

/* --- completions that wait when the driver ends --- */

#define MORE_THAN_A_RING (3 * COMPLETION_RING_MAX)

/* The user client has stopped, and more completions wait than the ring holds. */
static void
terminate_with_completions(struct raw *raw)
{
	unsigned freed = meter_read(&fixture.client_freed);

	fixture_start();
	raw_open(raw);
	keep(raw, 1023, 6);
	ck_assert_int_eq(complete(raw, MORE_THAN_A_RING, 0), kIOReturnSuccess);
	service_terminate(fixture.root);
	meter_wait(&fixture.client_freed, freed + 1);
}

START_TEST(completions_that_wait_outlive_the_driver)
{
	struct call_request *request;
	struct raw raw;

	terminate_with_completions(&raw);
	OSSafeReleaseNULL(fixture.root);
	meter_wait(&fixture.driver_freed, 1);
	/* It is still there, and says to every call that the driver has gone. */
	for (unsigned i = 0; i < 500; i++) {
		raw_request(&raw, 0, CALL_METHOD, TEST_ECHO)->scalar_out_count = 1;
		ck_assert_int_eq(raw_call(&raw, 0)->status, kIOReturnOffline);
	}
	ck_assert_int_eq(map(&raw, 1, 0)->status, kIOReturnOffline);
	request = raw_request(&raw, 2, CALL_METHOD, TEST_KEEP);
	request->flags = CALL_ASYNC;
	ck_assert_int_eq(raw_call(&raw, 2)->status, kIOReturnOffline);
	expect_completions(&raw, MORE_THAN_A_RING, 0);
	expect_released(&raw, 1023, 6);
	expect_released(&raw, 0, 0);
	raw_expect_end(&raw);
	ck_assert_uint_eq(connection_count(), 0);
	raw_free(&raw);
	fixture_end();
}
END_TEST

START_TEST(an_app_closes_before_it_has_taken_them)
{
	struct raw raw;

	terminate_with_completions(&raw);
	expect_completions(&raw, 10, 0);
	raw_close(&raw);
	ck_assert_uint_eq(connection_count(), 0);
	fixture_end();
}
END_TEST

START_TEST(an_app_breaks_a_rule_before_it_has_taken_them)
{
	struct raw raw;

	terminate_with_completions(&raw);
	raw_request(&raw, 0, CALL_METHOD, TEST_ECHO)->zero[0] = 1;
	raw_submit(&raw, 0);
	raw_expect_end(&raw);
	raw_free(&raw);
	fixture_end();
}
END_TEST

START_TEST(an_app_goes_before_the_driver_has_stopped)
{
	struct work busy = {.run = wait_for_go};
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	keep(&raw, 1023, 6);
	ck_assert_int_eq(complete(&raw, MORE_THAN_A_RING, 0), kIOReturnSuccess);
	queue_post(fixture.queue, &busy);
	meter_wait(&fixture.entered, 1);
	service_terminate(fixture.root);
	/* The driver takes its time: calls are answered all the same. */
	raw_request(&raw, 0, CALL_METHOD, TEST_ECHO);
	ck_assert_int_eq(raw_call(&raw, 0)->status, kIOReturnOffline);
	shutdown(raw.socket, SHUT_WR);
	meter_raise(&fixture.go);
	raw_expect_end(&raw);
	raw_free(&raw);
	fixture_end();
}
END_TEST

static struct meter all_taken;

static void
note_all_taken(void)
{
	meter_raise(&all_taken);
}

START_TEST(waiting_for_apps_ends)
{
	struct raw raw, other;

	fixture_start();
	ck_assert(!connections_await(note_all_taken));
	fixture_end();
	terminate_with_completions(&raw);
	ck_assert(connections_await(note_all_taken));
	expect_completions(&raw, MORE_THAN_A_RING, 0);
	meter_wait(&all_taken, 1);
	raw_expect_end(&raw);
	raw_free(&raw);
	fixture_end();
	/* Or is given up. */
	terminate_with_completions(&other);
	ck_assert(connections_await(note_all_taken));
	connections_abandon();
	meter_wait(&all_taken, 2);
	raw_expect_end(&other);
	raw_free(&other);
	fixture_end();
}
END_TEST

START_TEST(opens_that_are_refused)
{
	unsigned before;
	struct raw raw;

	fixture_start();
	before = unit_count_fds();
	raw_open_with(&raw, fixture.root, 99, -1);
	ck_assert_int_eq(raw.status, kIOReturnError);
	raw_expect_end(&raw);
	raw_free(&raw);
	fixture.no_user_client = true;
	raw_open_with(&raw, fixture.root, 0, -1);
	ck_assert_int_eq(raw.status, kIOReturnUnsupported);
	raw_free(&raw);
	/* The object that was refused is stopped all the same. */
	meter_wait(&fixture.child_stopped, 1);
	ck_assert_uint_eq(connection_count(), 0);
	for (uint64_t end = clock_now() + RAW_DEADLINE; unit_count_fds() != before;)
		ck_assert_uint_lt(clock_now(), end);
	fixture_end();
}
END_TEST

static void
expect_too_many(const char *limit)
{
	struct raw past;

	said_listen();
	raw_open_with(&past, fixture.root, 0, -1);
	said_expect(limit);
	ck_assert_int_eq(past.status, kIOReturnNoResources);
	raw_free(&past);
}

START_TEST(connections_are_limited)
{
	static struct raw raw[DEXT_LIMIT_CONNECTIONS];

	fixture_start();
	for (unsigned i = 0; i < DEXT_LIMIT_CONNECTIONS; i++)
		raw_open(&raw[i]);
	expect_too_many("DEXT_LIMIT_CONNECTIONS (DextLimitConnections: 256)");
	raw_close(&raw[0]);
	raw_open(&raw[0]);
	/* One user's, where several are served. */
	places_share();
	for (unsigned i = DEXT_LIMIT_CONNECTIONS_USER - 1; i < DEXT_LIMIT_CONNECTIONS; i++)
		raw_close(&raw[i]);
	raw_open(&raw[DEXT_LIMIT_CONNECTIONS_USER - 1]);
	expect_too_many("DEXT_LIMIT_CONNECTIONS_USER (DextLimitConnectionsUser: 128)");
	for (unsigned i = 0; i < DEXT_LIMIT_CONNECTIONS_USER; i++)
		raw_close(&raw[i]);
	fixture_end();
}
END_TEST

static unsigned visited;

static void
visit(struct connection *connection)
{
	visited++;
}

/* A bundle may allow more than the usual number of them: who looks on looks at all. */
START_TEST(more_connections_than_usual_are_all_looked_at)
{
	static struct raw raw[DEXT_LIMIT_CONNECTIONS + 64];
	const unsigned count = sizeof(raw) / sizeof(raw[0]);
	OSDictionary *said = OSDictionaryCreate(1);

	OSDictionarySetUInt64Value(said, "DextLimitConnections", count);
	limits_set(said);
	OSRelease(said);
	fixture_start();
	for (unsigned i = 0; i < count; i++)
		raw_open(&raw[i]);
	connections_each(visit);
	ck_assert_uint_eq(visited, count);
	for (unsigned i = 0; i < count; i++)
		raw_close(&raw[i]);
	fixture_end();
	limits_set(NULL);
}
END_TEST

START_TEST(rings_in_vain_are_not_heard_for_a_while)
{
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	for (unsigned i = 0; i < 3 * DEXT_EMPTY_RINGS_PER_SECOND; i++)
		doorbell_ring(raw.doorbell);
	/* Heard again after the pause. */
	for (uint64_t i = 0; i < 100; i++)
		raw_echo(&raw, i);
	raw_close(&raw);
	fixture_end();
}
END_TEST

/* A machine too slow for so many rings has nothing to throttle. */
START_TEST(who_rings_in_vain_is_paused)
{
	uint64_t give_up = clock_now() + 3 * NSEC_PER_SEC, before;
	struct calls_vain vain;
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	do {
		before = clock_now();
		for (unsigned i = 0; i < 16; i++)
			doorbell_ring(raw.doorbell);
		vain = calls_in_vain();
	} while (vain.pauses == 0 && before < give_up);
	if (vain.pauses != 0) {
		ck_assert_uint_gt(vain.scans, DEXT_EMPTY_RINGS_PER_SECOND);
		/* Each thread may have been on its way; the next look comes after the pause. */
		while (calls_in_vain().scans <= vain.scans + 4)
			doorbell_ring(raw.doorbell);
		ck_assert_uint_ge(clock_now() - before,
				  DEXT_EMPTY_RINGS_PAUSE_MSEC * NSEC_PER_MSEC);
	}
	raw_close(&raw);
	fixture_end();
}
END_TEST

/* --- every rule, broken once --- */

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

	keep(raw, 4, 1);
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
	large(raw, 0, 5000, 0, false);
	raw_submit(raw, 0);
}

static void
structures_then_submit(struct raw *raw, uint32_t generation, bool output)
{
	uint8_t *bytes;
	int fd = raw_memory(8192, 0, &bytes);

	large(raw, 0, 5000, 0, false);
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
	map(raw, 0, 0);
	raw_ack(raw, 77);
}

static void
break_ack_twice(struct raw *raw)
{
	static struct packet packet;

	map(raw, 0, 0);
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

	keep(raw, 4, 1);
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

UNIT_LOOP_MAIN("host protocol", {scalars, 1}, {all_slots_are_answered, 1}, {inline_structures, 1},
	       {outputs_past_the_room_are_refused, 1}, {failures_bring_no_output, 1},
	       {kept_input_is_not_overwritten, 1}, {a_blocked_method_holds_up_only_its_client, 1},
	       {large_structures, 1}, {memory_that_cannot_be_trusted_fails_the_call_only, 1},
	       {room_for_an_output_of_any_size_up_to_the_limit, 1},
	       {memory_of_an_app_is_limited_in_sum, 1}, {memory_of_calls_under_way_counts, 1},
	       {memory_that_is_only_mapped_counts, 1},
	       {files_of_a_user_that_wait_to_be_closed_are_limited, 1},
	       {mapped_memory_is_the_drivers, 1}, {read_only_memory_cannot_be_mapped_writable, 1},
	       {maps_that_fail, 1}, {memory_waits_for_the_acknowledgement, 1},
	       {memory_is_acknowledged_in_the_page, 1}, {closing_with_maps_that_wait, 1},
	       {buffers_of_a_client_are_limited, 1}, {bytes_of_a_client_are_limited, 1},
	       {much_memory_gets_its_pages_on_another_queue, 1},
	       {who_acknowledges_without_reading_gets_few, 1}, {buffers_of_a_host_are_limited, 1},
	       {completions_arrive_in_order, 1}, {a_completion_that_nobody_keeps_is_released, 1},
	       {a_release_that_waits_keeps_its_index, 1}, {completions_past_the_ring_wait, 1},
	       {completions_do_not_overtake_those_that_wait, 1},
	       {completions_past_the_limit_are_an_overrun, 1}, {what_apps_cost_is_in_the_budget, 1},
	       {limits_are_those_of_the_bundle, 1}, {bytes_are_those_of_the_bundle, 1},
	       {closing_stops_and_gives_back, 1}, {closing_while_a_method_runs_on_its_own_queue, 1},
	       {an_open_whose_turn_comes_after_the_termination, 1},
	       {death_of_the_app_ends_although_the_socket_lives, 1},
	       {a_kept_completion_is_aborted_when_the_app_has_gone, 1},
	       {a_completion_is_its_own_clients, 1}, {terminating_the_driver_hangs_up, 1},
	       {completions_that_wait_outlive_the_driver, 1},
	       {an_app_closes_before_it_has_taken_them, 1},
	       {an_app_breaks_a_rule_before_it_has_taken_them, 1},
	       {an_app_goes_before_the_driver_has_stopped, 1}, {waiting_for_apps_ends, 1},
	       {opens_that_are_refused, 1}, {connections_are_limited, 1},
	       {more_connections_than_usual_are_all_looked_at, 1},
	       {rings_in_vain_are_not_heard_for_a_while, 1}, {who_rings_in_vain_is_paused, 1},
	       {joined_memory_is_a_segment_for_each_part, 1},
	       {structures_that_do_not_get_through_fail_the_call_only, 1},
	       {death_of_the_app_is_seen_although_a_child_holds_the_socket, 1},
	       {broken_rules_end_the_connection, sizeof(rules) / sizeof(rules[0])})
