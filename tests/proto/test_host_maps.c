/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's memory in the app: what CALL_MAP brings, and how it is acknowledged.
 */
#include "unit.h"

#include "driver_fixture.h"
#include "raw_calls.h"
#include "raw_client.h"

START_TEST(mapped_memory_is_the_drivers)
{
	struct raw raw;
	IOAddressSegment range;
	struct call_reply *reply;
	uint8_t *bytes;
	int fd;

	fixture_start();
	raw_open(&raw);
	reply = raw_map(&raw, 2, 5);
	ck_assert_int_eq(reply->status, kIOReturnSuccess);
	ck_assert_uint_eq(reply->map_length, 6);
	ck_assert_uint_eq(reply->map_read_only, 0);
	fd = raw_expect_memory(&raw, 2, true);
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
	ck_assert_int_eq(raw_unmap(&raw, 5)->status, kIOReturnSuccess);
	ck_assert_int_eq(raw_unmap(&raw, 5)->status, kIOReturnBadArgument);
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
		ck_assert_int_eq(raw_map(&raw, 3, 18)->status, kIOReturnSuccess);
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
	ck_assert_int_eq(raw_unmap(&raw, 18)->status, kIOReturnSuccess);
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
	reply = raw_map(&raw, 0, 9);
	ck_assert_int_eq(reply->status, kIOReturnSuccess);
	ck_assert_uint_eq(reply->map_read_only, 1);
	fd = raw_expect_memory(&raw, 0, true);
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
	ck_assert_int_eq(raw_map(&raw, 0, 16)->status, kIOReturnBadArgument);
	ck_assert_int_eq(raw_map(&raw, 0, 21)->status, kIOReturnUnsupported);
	ck_assert_int_eq(raw_unmap(&raw, 21)->status, kIOReturnBadArgument);
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
	ck_assert_int_eq(raw_map(&raw, 0, 0)->status, kIOReturnSuccess);
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
		ck_assert_int_eq(raw_map(&raw, slot, slot)->status, kIOReturnSuccess);
		raw_receive(&raw, &packet);
		ck_assert_uint_eq(((const struct memory_body *)packet.body)->slot, slot);
		packet_close_fds(&packet);
		atomic_store(&raw.page.page->received.sequence, packet.header->sequence);
	}
	/* That of an earlier one is none. */
	ck_assert_int_eq(raw_map(&raw, 4, 0)->status, kIOReturnSuccess);
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
	raw_map(&raw, 0, 0);
	raw_request(&raw, 1, CALL_MAP, 1)->scalar_in_count = 1;
	raw_submit(&raw, 1);
	raw_echo(&raw, 1);
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
	ck_assert_int_eq(raw_map(&other, 0, 17)->status, kIOReturnSuccess);
	close(raw_expect_memory(&other, 0, true));
	ck_assert(!call_slot_is_answered(&raw.page.page->slot[0], raw.generations[0]));
	meter_raise(&populating_may_go);
	close(raw_expect_memory(&raw, 0, true));
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
	while (raw_map(&raw, 0, 0)->status == kIOReturnSuccess) {
		ck_assert_uint_lt(sent, 16);
		raw_ack(&raw, ++sent);
	}
	ck_assert_int_eq(raw.page.page->slot[0].reply.status, kIOReturnNoResources);
	ck_assert_uint_ge(sent, 1);
	raw_open(&other);
	ck_assert_int_eq(raw_map(&other, 0, 0)->status, kIOReturnSuccess);
	close(raw_expect_memory(&other, 0, true));
	raw_close(&other);
	/* It may go on when it has read them. */
	for (unsigned i = 0; i < sent; i++) {
		raw_receive(&raw, &packet);
		packet_close_fds(&packet);
	}
	ck_assert_int_eq(raw_map(&raw, 0, 0)->status, kIOReturnSuccess);
	close(raw_expect_memory(&raw, 0, true));
	raw_close(&raw);
	fixture_end();
}
END_TEST

UNIT_MAIN("host maps", mapped_memory_is_the_drivers, joined_memory_is_a_segment_for_each_part,
	  read_only_memory_cannot_be_mapped_writable, maps_that_fail,
	  memory_waits_for_the_acknowledgement, memory_is_acknowledged_in_the_page,
	  closing_with_maps_that_wait, much_memory_gets_its_pages_on_another_queue,
	  who_acknowledges_without_reading_gets_few)
