/* SPDX-License-Identifier: Apache-2.0 */
/* Raw bytes against the registry's socket: PROTOCOL.md 4.1, "Watches and events". */
#include "registry_watching.h"

START_TEST(services_come_and_go)
{
	uint64_t first, second, child;
	int fd, other;

	set_up();
	fd = connect_registry();
	other = connect_registry();
	first = add("Left", 0);
	ck_assert_int_eq(watch_name(fd, 10, "Left"), kIOReturnSuccess);
	ck_assert_uint_eq(packet.body_length, sizeof(uint64_t));
	ck_assert_uint_eq(id_in_reply(0), first);
	ck_assert_int_eq(watch_name(fd, 11, "Left"), kIOReturnSuccess);
	ck_assert_int_eq(watch_name(fd, 12, "Right"), kIOReturnSuccess);
	ck_assert_uint_eq(packet.body_length, 0);
	/* Numbers are a client's own. */
	ck_assert_int_eq(watch_name(other, 10, "Right"), kIOReturnSuccess);
	second = add("Left", 0);
	EXPECT(fd, EVENT_APPEARED, second, 10, 11);
	expect_nothing(other);
	child = add("Right", second);
	EXPECT(fd, EVENT_APPEARED, child, 12);
	EXPECT(other, EVENT_APPEARED, child, 10);
	unwatch(fd, 11);
	expect_nothing(fd);
	/* What is below goes before. */
	take_away(second);
	EXPECT(fd, EVENT_GONE, child, 12);
	EXPECT(fd, EVENT_GONE, second, 10);
	EXPECT(other, EVENT_GONE, child, 10);
	take_away(first);
	EXPECT(fd, EVENT_GONE, first, 10);
	expect_nothing(fd);
	expect_nothing(other);
	close(fd);
	close(other);
	tear_down();
}
END_TEST

/* Who was told that it came is told that it has gone, whatever its name is by then. */
START_TEST(a_service_that_changed_goes_all_the_same)
{
	uint64_t id;
	int fd;

	set_up();
	fd = connect_registry();
	id = add("Left", 0);
	ck_assert_int_eq(watch_name(fd, 1, "Left"), kIOReturnSuccess);
	ck_assert_int_eq(watch_name(fd, 2, "Right"), kIOReturnSuccess);
	replace(id, "Right", 1);
	expect_nothing(fd);
	take_away(id);
	EXPECT(fd, EVENT_GONE, id, 1);
	expect_nothing(fd);
	close(fd);
	tear_down();
}
END_TEST

START_TEST(an_entry_is_watched)
{
	uint64_t id;
	int fd;

	set_up();
	fd = connect_registry();
	id = add("Left", 0);
	ck_assert_int_eq(watch_entry(fd, 5, id + 1), kIOReturnNotFound);
	ck_assert_int_eq(watch_entry(fd, 5, id), kIOReturnSuccess);
	ck_assert_uint_eq(id_in_reply(0), id);
	EXPECT(fd, EVENT_BUSY, id, 5);
	replace(id, "Left", 2);
	EXPECT(fd, EVENT_CHANGED, id, 5);
	EXPECT(fd, EVENT_CHANGED, id, 5);
	take_away(id);
	EXPECT(fd, EVENT_GONE, id, 5);
	expect_nothing(fd);
	close(fd);
	tear_down();
}
END_TEST

/* Whoever is told of an end asks what it was; of those that went last. */
START_TEST(what_has_gone_is_known_for_a_while)
{
	struct describe_body describe = {.plane = 1};
	struct open_body open = {.version = PROTOCOL_VERSION};
	OSObject *object = NULL;
	struct id_body body;
	uint64_t id;
	int fd;

	set_up();
	fd = connect_registry();
	body.id = describe.id = open.id = id = add("Left", 0);
	take_away(id);
	for (unsigned i = 1; i < TREE_GONE_MAX; i++)
		take_away(add("Right", 0));
	ck_assert_int_eq(ask(fd, PACKET_PROPERTIES, &body, sizeof(body)), kIOReturnSuccess);
	ck_assert_int_eq(plist_decode(packet.body, packet.body_length, &object), kIOReturnSuccess);
	ck_assert_str_eq(OSDictionaryGetStringValue((OSDictionary *)object, "IORegistryEntryName"),
			 "Left");
	OSRelease(object);
	ck_assert_int_eq(ask(fd, PACKET_DESCRIBE, &describe, sizeof(describe)), kIOReturnSuccess);
	ck_assert_int_eq(plist_decode(packet.body, packet.body_length, &object), kIOReturnSuccess);
	ck_assert_str_eq(OSDictionaryGetStringValue((OSDictionary *)object, "Name"), "Left");
	ck_assert_ptr_null(OSDictionaryGetValue((OSDictionary *)object, "Path"));
	OSRelease(object);
	ck_assert_int_eq(ask(fd, PACKET_OPEN, &open, sizeof(open)), kIOReturnNotFound);
	ck_assert_int_eq(watch_entry(fd, 1, id), kIOReturnNotFound);
	take_away(add("Right", 0));
	ck_assert_int_eq(ask(fd, PACKET_PROPERTIES, &body, sizeof(body)), kIOReturnNotFound);
	close(fd);
	tear_down();
}
END_TEST

static void
expect_end(int fd)
{
	ck_assert_int_eq(packet_receive(fd, &packet, true), kIOReturnOffline);
	close(fd);
}

START_TEST(whoever_breaks_the_rules_is_ended)
{
	struct packet_header header = {.type = PACKET_WATCH, .sequence = 1};
	const struct watch_body body = {.watch = 5};
	uint8_t nonsense[sizeof(body) + 8] = {0};
	int fd;

	set_up();
	fd = connect_registry();
	memcpy(nonsense, &body, sizeof(body));
	ck_assert_int_eq(ask(fd, PACKET_WATCH, nonsense, sizeof(nonsense)), kIOReturnBadArgument);
	ck_assert_int_eq(watch_name(fd, 5, "Left"), kIOReturnSuccess);
	/* A second time. */
	packet_send(fd, &header, nonsense, sizeof(nonsense), NULL, 0, true);
	expect_end(fd);
	fd = connect_registry();
	unwatch(fd, 5);
	expect_end(fd);
	fd = connect_registry();
	/* Neither an entry nor a dictionary. */
	packet_send(fd, &header, &body, sizeof(body), NULL, 0, true);
	expect_end(fd);
	fd = connect_registry();
	header.type = PACKET_EVENT;
	packet_send(fd, &header, nonsense, sizeof(nonsense), NULL, 0, true);
	expect_end(fd);
	tear_down();
}
END_TEST

/* Receives what waits, until the end; all of it are events of the kind. */
static unsigned
count_events(int fd, unsigned most, enum event_kind kind)
{
	struct event_body event;
	unsigned count = 0;

	while (count < most && packet_receive(fd, &packet, true) == kIOReturnSuccess) {
		ck_assert_uint_eq(packet.header->type, PACKET_EVENT);
		memcpy(&event, packet.body, sizeof(event));
		ck_assert_uint_eq(event.kind, kind);
		count++;
	}
	return count;
}

/* 20,000 events are more than a socket holds and fewer than may wait. */
START_TEST(events_wait_for_a_slow_app_in_order)
{
	const struct id_body nothing = {.id = 1};
	struct packet_header header = {.type = PACKET_WATCH, .sequence = 77};
	struct watch_body body = {.watch = 6};
	uint64_t id;
	int fd;

	set_up();
	fd = connect_registry();
	id = add("Left", 0);
	ck_assert_int_eq(watch_entry(fd, 5, id), kIOReturnSuccess);
	EXPECT(fd, EVENT_BUSY, id, 5);
	replace(id, "Left", 20000);
	/* The reply of a watch comes behind the events before it. */
	body.entry = id;
	ck_assert_int_eq(packet_send(fd, &header, &body, sizeof(body), NULL, 0, true),
			 kIOReturnSuccess);
	ck_assert_uint_eq(count_events(fd, 20000, EVENT_CHANGED), 20000);
	ck_assert_int_eq(packet_receive(fd, &packet, true), kIOReturnSuccess);
	ck_assert_uint_eq(packet.header->type, PACKET_WATCH);
	ck_assert_uint_eq(packet.header->sequence, 77);
	EXPECT(fd, EVENT_BUSY, id, 6);
	ck_assert_int_eq(ask(fd, PACKET_PROPERTIES, &nothing, sizeof(nothing)), kIOReturnNotFound);
	close(fd);
	tear_down();
}
END_TEST

/* Past the limit its socket ends, at once; others go on, and it may come again. */
START_TEST(an_app_that_does_not_read_is_cut_off)
{
	unsigned times = DEXT_LIMIT_EVENT_BYTES / sizeof(struct event_body), count;
	uint64_t id;
	int fd, other;

	set_up();
	fd = connect_registry();
	other = connect_registry();
	id = add("Left", 0);
	ck_assert_int_eq(watch_entry(fd, 5, id), kIOReturnSuccess);
	ck_assert_int_eq(watch_name(other, 5, "Left"), kIOReturnSuccess);
	EXPECT(fd, EVENT_BUSY, id, 5);
	replace(id, "Left", times);
	count = count_events(fd, UINT32_MAX, EVENT_CHANGED);
	ck_assert_uint_lt(count, times);
	close(fd);
	take_away(id);
	EXPECT(other, EVENT_GONE, id, 5);
	fd = connect_registry();
	ck_assert_int_eq(watch_entry(fd, 5, id), kIOReturnNotFound);
	close(fd);
	close(other);
	tear_down();
}
END_TEST

UNIT_MAIN("registry_events", services_come_and_go, a_service_that_changed_goes_all_the_same,
	  an_entry_is_watched, what_has_gone_is_known_for_a_while,
	  whoever_breaks_the_rules_is_ended, events_wait_for_a_slow_app_in_order,
	  an_app_that_does_not_read_is_cut_off)
