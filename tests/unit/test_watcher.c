/* SPDX-License-Identifier: Apache-2.0 */
/* What waits for an app that does not read, to the byte; tests/proto/test_registry_events.c has
 * the rest. */
#include "unit.h"

#include "registry_private.h"
#include "said.h"
#include "watcher.h"

#include <poll.h>
#include <sys/socket.h>

static struct registry registry;
static struct watcher watcher;
static int ends[2];
static struct entry *entry;

/* As an app makes it. */
static void
watch(uint64_t id)
{
	struct packet_header header = {.type = PACKET_WATCH};
	const struct watch_body body = {.watch = id, .entry = entry->id};
	const struct watcher_share share = {0};
	static struct packet packet;

	ck_assert_int_eq(packet_send(ends[1], &header, &body, sizeof(body), NULL, 0, false),
			 kIOReturnSuccess);
	ck_assert_int_eq(packet_receive(ends[0], &packet, false), kIOReturnSuccess);
	ck_assert_int_eq(watcher_add(&registry, &watcher, &share, ends[0], &packet),
			 kIOReturnSuccess);
}

/* Two watches: so an event has, with its header, a power of two of bytes. */
static void
begin(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	ck_assert_int_eq(tree_add(&registry.tree, 0, "IOUserService", NULL, NULL, NULL, &entry),
			 kIOReturnSuccess);
	watch(1);
	watch(2);
}

static void
finish(void)
{
	watcher_clear(&watcher);
	tree_clear(&registry.tree);
	close(ends[0]);
	close(ends[1]);
}

static bool
has_hung_up(void)
{
	struct pollfd item = {.fd = ends[1], .events = POLLRDHUP};

	return poll(&item, 1, 0) == 1;
}

START_TEST(events_wait_up_to_the_limit)
{
	size_t before = 0;

	begin();
	while (watcher.waiting_bytes < DEXT_LIMIT_EVENT_BYTES) {
		watcher_tell(&watcher, ends[0], entry, EVENT_CHANGED);
		ck_assert_msg(!watcher.ended, "after %zu bytes", before);
		ck_assert_uint_ge(watcher.waiting_bytes, before);
		before = watcher.waiting_bytes;
	}
	ck_assert_uint_eq(watcher.waiting_bytes, DEXT_LIMIT_EVENT_BYTES);
	ck_assert(!has_hung_up());
	said_listen();
	watcher_tell(&watcher, ends[0], entry, EVENT_CHANGED);
	said_expect("DEXT_LIMIT_EVENT_BYTES");
	ck_assert(watcher.ended && has_hung_up());
	ck_assert_uint_eq(watcher.waiting_bytes, 0);
	finish();
}
END_TEST

UNIT_MAIN("watcher", events_wait_up_to_the_limit)
