/* SPDX-License-Identifier: Apache-2.0 */
/* What an app and a user may watch, and how much is matched or listed, to the limit and past it. */
#include "registry_watching.h"

#include "registry_names.h"
#include "said.h"

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

UNIT_MAIN("registry limits", watches_up_to_the_limit, a_user_watches_up_to_the_limit,
	  matches_up_to_the_limit, entries_up_to_the_limit, dictionaries_up_to_the_limit,
	  dictionaries_of_a_user_up_to_the_limit)
