/* SPDX-License-Identifier: Apache-2.0 */
/* Raw bytes against the registry's socket: PROTOCOL.md 4.1, "Watches and events". */
#include "registry_fixture.h"

#include "bounds.h"
#include "registry_names.h"
#include "registry_private.h"
#include "said.h"

/* --- the tree is changed on the registry's thread --- */

struct change {
	struct loop_task task;
	void (*run)(struct change *change);
	const char *name;
	uint64_t id, provider; /* 0: none; id 0: drawn */
	unsigned times;
	pthread_mutex_t lock;
	pthread_cond_t condition;
	bool done; /* [lock] */
};

static void
run_change(struct loop_task *task)
{
	struct change *change = (struct change *)task;

	change->run(change);
	pthread_mutex_lock(&change->lock);
	change->done = true;
	pthread_cond_signal(&change->condition);
	pthread_mutex_unlock(&change->lock);
}

static void
make_change(struct change *change)
{
	change->task.run = run_change;
	pthread_mutex_init(&change->lock, NULL);
	pthread_cond_init(&change->condition, NULL);
	loop_post(loop, &change->task);
	pthread_mutex_lock(&change->lock);
	while (!change->done)
		pthread_cond_wait(&change->condition, &change->lock);
	pthread_mutex_unlock(&change->lock);
}

static OSDictionary *
named(const char *name)
{
	OSDictionary *properties = OSDictionaryCreate(2);

	OSDictionarySetStringValue(properties, "IORegistryEntryName", name);
	return properties;
}

static void
run_add(struct change *change)
{
	OSDictionary *properties = named(change->name);
	struct entry *provider = tree_find(&registry->tree, change->provider), *entry = NULL;

	ck_assert_int_eq(tree_add(&registry->tree, change->id, "IOUserService", properties,
				  provider, NULL, &entry),
			 kIOReturnSuccess);
	change->id = entry->id;
	OSRelease(properties);
}

static void
run_remove(struct change *change)
{
	tree_remove(&registry->tree, tree_find(&registry->tree, change->id));
}

static void
run_replace(struct change *change)
{
	OSDictionary *properties = named(change->name);

	for (unsigned i = 0; i < change->times; i++)
		ck_assert_int_eq(tree_replace(&registry->tree,
					      tree_find(&registry->tree, change->id), properties),
				 kIOReturnSuccess);
	OSRelease(properties);
}

static uint64_t
add(const char *name, uint64_t provider)
{
	struct change change = {.run = run_add, .name = name, .provider = provider};

	make_change(&change);
	return change.id;
}

static void
take_away(uint64_t id)
{
	struct change change = {.run = run_remove, .id = id};

	make_change(&change);
}

static void
replace(uint64_t id, const char *name, unsigned times)
{
	struct change change = {.run = run_replace, .id = id, .name = name, .times = times};

	make_change(&change);
}

/* --- what an app sends and gets --- */

static struct {
	uint8_t bytes[PACKET_MAX];
	size_t length; /* of the dictionary */
} encoded;

static void
encode_name(const char *name)
{
	OSDictionary *matching = OSDictionaryCreate(1);
	void *plist = NULL;

	OSDictionarySetStringValue(matching, "IONameMatch", name);
	ck_assert_int_eq(plist_encode(matching, &plist, &encoded.length), kIOReturnSuccess);
	OSRelease(matching);
	ck_assert_uint_le(sizeof(struct watch_body) + encoded.length, sizeof(encoded.bytes));
	memcpy(encoded.bytes + sizeof(struct watch_body), plist, encoded.length);
	free(plist);
}

static IOReturn
send_watch(int fd, uint64_t watch)
{
	struct watch_body body = {.watch = watch};

	memcpy(encoded.bytes, &body, sizeof(body));
	return ask(fd, PACKET_WATCH, encoded.bytes, sizeof(body) + encoded.length);
}

static IOReturn
watch_name(int fd, uint64_t watch, const char *name)
{
	encode_name(name);
	return send_watch(fd, watch);
}

static IOReturn
watch_entry(int fd, uint64_t watch, uint64_t entry)
{
	const struct watch_body body = {.watch = watch, .entry = entry};

	return ask(fd, PACKET_WATCH, &body, sizeof(body));
}

static void
unwatch(int fd, uint64_t watch)
{
	struct packet_header header = {.type = PACKET_UNWATCH};
	const struct id_body body = {.id = watch};

	ck_assert_int_eq(packet_send(fd, &header, &body, sizeof(body), NULL, 0, true),
			 kIOReturnSuccess);
}

/* The next packet is this event, for these watches. */
static void
expect_event(int fd, enum event_kind kind, uint64_t service, unsigned count,
	     const uint64_t *watches)
{
	struct event_body event;
	uint64_t ids[4];

	ck_assert_int_eq(packet_receive(fd, &packet, true), kIOReturnSuccess);
	ck_assert_int_eq(packets_check(&packet, PACKET_REGISTRY_REPLY), kIOReturnSuccess);
	ck_assert_uint_eq(packet.header->type, PACKET_EVENT);
	ck_assert_uint_eq(packet.header->sequence, 0);
	memcpy(&event, packet.body, sizeof(event));
	ck_assert_uint_eq(event.kind, kind);
	ck_assert_uint_eq(event.service, service);
	ck_assert_uint_eq(packet.body_length, sizeof(event) + count * sizeof(ids[0]));
	memcpy(ids, packet.body + sizeof(event), count * sizeof(ids[0]));
	/* In whatever order. */
	for (unsigned i = 0; i < count; i++) {
		bool found = false;

		for (unsigned j = 0; j < count; j++)
			found |= ids[j] == watches[i];
		ck_assert(found);
	}
}

#define EXPECT(fd, kind, service, ...)                                                        \
	expect_event(fd, kind, service, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), \
		     (const uint64_t[]){__VA_ARGS__})

/* Nothing has come: the reply to a question comes next. */
static void
expect_nothing(int fd)
{
	const struct id_body body = {.id = 1};

	ck_assert_int_eq(ask(fd, PACKET_PROPERTIES, &body, sizeof(body)), kIOReturnNotFound);
}

static uint64_t
id_in_reply(unsigned index)
{
	uint64_t id = 0;

	ck_assert_uint_ge(packet.body_length, (index + 1) * sizeof(id));
	memcpy(&id, packet.body + index * sizeof(id), sizeof(id));
	return id;
}

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

START_TEST(a_user_watches_up_to_the_limit)
{
	enum { FULL = DEXT_LIMIT_WATCHES_USER / DEXT_LIMIT_WATCHES };
	int fds[FULL + 1];

	set_up();
	for (unsigned app = 0; app <= FULL; app++)
		fds[app] = connect_registry();
	for (unsigned app = 0; app < FULL; app++)
		for (uint64_t i = 1; i <= DEXT_LIMIT_WATCHES; i++)
			ck_assert_int_eq(watch_name(fds[app], i, "Left"), kIOReturnSuccess);
	said_listen();
	ck_assert_int_eq(watch_name(fds[FULL], 1, "Left"), kIOReturnNoResources);
	said_expect("DEXT_LIMIT_WATCHES_USER");
	unwatch(fds[0], 7);
	/* The request on that socket that comes behind it has been answered when it is known. */
	ck_assert_int_eq(watch_entry(fds[0], 1u << 20, 1), kIOReturnNotFound);
	ck_assert_int_eq(watch_name(fds[FULL], 2, "Left"), kIOReturnSuccess);
	ck_assert_int_eq(watch_name(fds[FULL], 3, "Left"), kIOReturnNoResources);
	for (unsigned app = 0; app <= FULL; app++)
		close(fds[app]);
	tear_down();
}
END_TEST

static void
run_add_many(struct change *change)
{
	OSDictionary *properties = named(change->name);
	struct entry *entry;

	for (unsigned i = 0; i < change->times; i++)
		ck_assert_int_eq(tree_add(&registry->tree, 0, "IOUserService", properties,
					  tree_find(&registry->tree, change->provider), NULL,
					  &entry),
				 kIOReturnSuccess);
	OSRelease(properties);
}

START_TEST(matches_up_to_the_limit)
{
	struct change change = {.run = run_add_many, .name = "Many", .times = DEXT_LIMIT_MATCHES};
	OSDictionary *matching = OSDictionaryCreate(1);
	void *plist = NULL;
	size_t length = 0;
	int fd;

	OSDictionarySetStringValue(matching, "IONameMatch", "Many");
	ck_assert_int_eq(plist_encode(matching, &plist, &length), kIOReturnSuccess);
	OSRelease(matching);
	set_up();
	fd = connect_registry();
	make_change(&change);
	ck_assert_int_eq(watch_name(fd, 1, "Many"), kIOReturnSuccess);
	ck_assert_uint_eq(packet.body_length, DEXT_LIMIT_MATCHES * sizeof(uint64_t));
	unwatch(fd, 1);
	ck_assert_int_eq(ask(fd, PACKET_LOOKUP, plist, length), kIOReturnSuccess);
	ck_assert_uint_eq(packet.body_length, DEXT_LIMIT_MATCHES * sizeof(uint64_t));
	/* One more is no shorter list that looks complete. */
	add("Many", 0);
	said_listen();
	ck_assert_int_eq(watch_name(fd, 2, "Many"), kIOReturnNoResources);
	said_expect("DEXT_LIMIT_MATCHES");
	said_listen();
	ck_assert_int_eq(ask(fd, PACKET_LOOKUP, plist, length), kIOReturnNoResources);
	said_expect("DEXT_LIMIT_MATCHES");
	ck_assert_uint_eq(packet.body_length, 0);
	free(plist);
	close(fd);
	tear_down();
}
END_TEST

START_TEST(entries_up_to_the_limit)
{
	struct change change = {.run = run_add_many, .name = "Many", .times = DEXT_LIMIT_MATCHES};
	struct entries_body body = {.plane = PLANE_SERVICE, .relation = ENTRY_CHILDREN};
	int fd;

	set_up();
	fd = connect_registry();
	change.provider = body.id = add("Above", 0);
	make_change(&change);
	for (unsigned i = 0; i < 2; i++) {
		body.relation = i == 0 ? ENTRY_CHILDREN : ENTRY_BELOW;
		ck_assert_int_eq(ask(fd, PACKET_ENTRIES, &body, sizeof(body)), kIOReturnSuccess);
		ck_assert_uint_eq(packet.body_length, DEXT_LIMIT_MATCHES * sizeof(uint64_t));
	}
	add("Many", body.id);
	for (unsigned i = 0; i < 2; i++) {
		body.relation = i == 0 ? ENTRY_CHILDREN : ENTRY_BELOW;
		said_listen();
		ck_assert_int_eq(ask(fd, PACKET_ENTRIES, &body, sizeof(body)),
				 kIOReturnNoResources);
		said_expect("DEXT_LIMIT_MATCHES");
		ck_assert_uint_eq(packet.body_length, 0);
	}
	close(fd);
	tear_down();
}
END_TEST

START_TEST(watches_up_to_the_limit)
{
	int fd, other;

	set_up();
	fd = connect_registry();
	for (uint64_t i = 1; i <= DEXT_LIMIT_WATCHES; i++)
		ck_assert_int_eq(watch_name(fd, i, "Left"), kIOReturnSuccess);
	said_listen();
	ck_assert_int_eq(watch_name(fd, DEXT_LIMIT_WATCHES + 1, "Left"), kIOReturnNoResources);
	said_expect("DEXT_LIMIT_WATCHES");
	/* Others are not concerned, and all of them are told. */
	other = connect_registry();
	ck_assert_int_eq(watch_name(other, 1, "Left"), kIOReturnSuccess);
	add("Left", 0);
	ck_assert_int_eq(packet_receive(fd, &packet, true), kIOReturnSuccess);
	ck_assert_int_eq(packets_check(&packet, PACKET_REGISTRY_REPLY), kIOReturnSuccess);
	ck_assert_uint_eq(packet.body_length,
			  sizeof(struct event_body) + DEXT_LIMIT_WATCHES * sizeof(uint64_t));
	/* One less, one more. */
	unwatch(fd, 7);
	ck_assert_int_eq(watch_name(fd, DEXT_LIMIT_WATCHES + 2, "Left"), kIOReturnSuccess);
	ck_assert_int_eq(watch_name(fd, DEXT_LIMIT_WATCHES + 3, "Left"), kIOReturnNoResources);
	close(fd);
	close(other);
	tear_down();
}
END_TEST

/* One whose dictionary has just as many bytes; returns the status. */
static IOReturn
watch_bytes(int fd, uint64_t watch, size_t bytes)
{
	static char name[60000];
	size_t letters = bytes - 100;

	for (;;) {
		memset(name, 'x', letters);
		name[letters] = '\0';
		encode_name(name);
		if (encoded.length == bytes)
			break;
		letters += bytes - encoded.length;
	}
	return send_watch(fd, watch);
}

/* As many dictionaries as fill the client's limit to the byte. */
static void
fill_with_dictionaries(int fd)
{
	enum { LARGE = DEXT_LIMIT_WATCH_BYTES / 128 };

	for (uint64_t i = 1; i <= 128; i++)
		ck_assert_int_eq(watch_bytes(fd, i, LARGE), kIOReturnSuccess);
}

START_TEST(dictionaries_up_to_the_limit)
{
	int fd;

	set_up();
	fd = connect_registry();
	fill_with_dictionaries(fd);
	said_listen();
	ck_assert_int_eq(watch_name(fd, 1000, "x"), kIOReturnNoResources);
	said_expect("DEXT_LIMIT_WATCH_BYTES");
	/* A byte too much does not fit where one was given up. */
	unwatch(fd, 7);
	ck_assert_int_eq(watch_bytes(fd, 1001, DEXT_LIMIT_WATCH_BYTES / 128 + 1),
			 kIOReturnNoResources);
	ck_assert_int_eq(watch_bytes(fd, 1002, DEXT_LIMIT_WATCH_BYTES / 128), kIOReturnSuccess);
	/* An entry's watch has none. */
	ck_assert_int_eq(watch_entry(fd, 1003, add("Left", 0)), kIOReturnSuccess);
	close(fd);
	tear_down();
}
END_TEST

/* Until the registry has seen it, which may have this app's next packet before. */
static void
leave(int fd)
{
	char byte;

	shutdown(fd, SHUT_WR);
	ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
	close(fd);
}

START_TEST(dictionaries_of_a_user_up_to_the_limit)
{
	enum { FULL = DEXT_LIMIT_WATCH_BYTES_USER / DEXT_LIMIT_WATCH_BYTES };
	int fds[FULL + 1];

	set_up();
	for (unsigned app = 0; app <= FULL; app++)
		fds[app] = connect_registry();
	for (unsigned app = 0; app < FULL; app++)
		fill_with_dictionaries(fds[app]);
	said_listen();
	ck_assert_int_eq(watch_name(fds[FULL], 1, "x"), kIOReturnNoResources);
	said_expect("DEXT_LIMIT_WATCH_BYTES_USER");
	/* What another of his apps gives back is there for this one, and no byte more. */
	unwatch(fds[0], 7);
	ck_assert_int_eq(watch_entry(fds[0], 1u << 20, 1), kIOReturnNotFound);
	ck_assert_int_eq(watch_bytes(fds[FULL], 1, DEXT_LIMIT_WATCH_BYTES / 128 + 1),
			 kIOReturnNoResources);
	ck_assert_int_eq(watch_bytes(fds[FULL], 1, DEXT_LIMIT_WATCH_BYTES / 128), kIOReturnSuccess);
	unwatch(fds[FULL], 1);
	leave(fds[0]);
	fill_with_dictionaries(fds[FULL]);
	fds[0] = connect_registry();
	ck_assert_int_eq(watch_name(fds[0], 1, "x"), kIOReturnNoResources);
	for (unsigned app = 0; app <= FULL; app++)
		close(fds[app]);
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
	  whoever_breaks_the_rules_is_ended, watches_up_to_the_limit,
	  a_user_watches_up_to_the_limit, matches_up_to_the_limit, entries_up_to_the_limit,
	  dictionaries_up_to_the_limit, dictionaries_of_a_user_up_to_the_limit,
	  events_wait_for_a_slow_app_in_order, an_app_that_does_not_read_is_cut_off)
