/* SPDX-License-Identifier: Apache-2.0 */
/* Notifications against a registry made of bytes: PROTOCOL.md 4.1 from the other side. */
#define UNIT_TIMEOUT_SEC 60
#include "fake_registry.h"
#include "said.h"
#include "unit.h"

#include "bounds.h"

#include <poll.h>

#include <dext_iokit.h>
#include <mach/mach.h>

#define DEADLINE_MSEC 20000
/* --- the app --- */

struct seen {
	unsigned calls, services;
	uint64_t last;
	io_iterator_t iterator;
	uint32_t message;
};

static unsigned
drain(struct seen *seen)
{
	unsigned count = 0;
	io_service_t service;

	while ((service = IOIteratorNext(seen->iterator)) != 0) {
		ck_assert_int_eq(IORegistryEntryGetRegistryEntryID(service, &seen->last), 0);
		IOObjectRelease(service);
		count++;
	}
	seen->services += count;
	return count;
}

static void
on_services(void *refcon, io_iterator_t iterator)
{
	struct seen *seen = refcon;

	ck_assert_uint_eq(iterator, seen->iterator);
	seen->calls++;
	drain(seen);
}

static void
on_message(void *refcon, io_service_t service, uint32_t type, void *argument)
{
	struct seen *seen = refcon;

	seen->calls++;
	seen->message = type;
}

static IOReturn
try_add(IONotificationPortRef port, const char *type, struct seen *seen)
{
	return IOServiceAddMatchingNotification(port, type, IOServiceNameMatching("Tester"),
						on_services, seen, &seen->iterator);
}

static void
add(IONotificationPortRef port, const char *type, struct seen *seen)
{
	ck_assert_int_eq(try_add(port, type, seen), 0);
}

static void
add_interest(IONotificationPortRef port, uint64_t id, struct seen *seen)
{
	io_service_t service;
	struct seen found = {0};

	/* A service is had from an iterator. */
	has(1, &id);
	add(port, kIOMatchedNotification, &found);
	service = IOIteratorNext(found.iterator);
	ck_assert_uint_ne(service, 0);
	ck_assert_int_eq(IOServiceAddInterestNotification(port, service, kIOGeneralInterest,
							  on_message, seen, &seen->iterator),
			 0);
	IOObjectRelease(service);
	IOObjectRelease(found.iterator);
}

static void
dispatch_until(IONotificationPortRef port, const unsigned *count, unsigned wanted)
{
	struct pollfd item = {.fd = IONotificationPortGetFileDescriptor(port), .events = POLLIN};

	while (*count < wanted) {
		ck_assert_int_eq(poll(&item, 1, DEADLINE_MSEC), 1);
		dext_notification_port_dispatch(port);
	}
}

/* Dispatches until the app has come back with so many watches. */
static void
dispatch_until_renewed(IONotificationPortRef port, unsigned connections, unsigned watches)
{
	struct pollfd item = {.fd = IONotificationPortGetFileDescriptor(port), .events = POLLIN};
	bool renewed = false;

	while (!renewed) {
		ck_assert_int_ge(poll(&item, 1, 10), 0);
		dext_notification_port_dispatch(port);
		pthread_mutex_lock(&registry.lock);
		renewed = registry.connections >= connections && registry.watches >= watches;
		pthread_mutex_unlock(&registry.lock);
	}
}

START_TEST(events_reach_their_notifications)
{
	IONotificationPortRef one = IONotificationPortCreate(0),
			      other = IONotificationPortCreate(0);
	struct seen came = {0}, went = {0};
	uint64_t watch;

	start();
	HAS(1, 2);
	add(one, kIOMatchedNotification, &came);
	watch = last_watch();
	add(other, kIOTerminatedNotification, &went);
	ck_assert_uint_ne(watch, last_watch());
	ck_assert_uint_eq(drain(&came), 2);
	ck_assert_uint_eq(came.last, 2);
	ck_assert_uint_eq(drain(&went), 0);
	/* Said twice, it comes once; what was never there does not go. */
	send_event(EVENT_APPEARED, 3, watch);
	send_event(EVENT_APPEARED, 3, watch);
	send_event(EVENT_APPEARED, 1, watch);
	send_event(EVENT_GONE, 7, last_watch());
	/* Looking at one port brings the other's. */
	send_event(EVENT_GONE, 2, last_watch());
	dispatch_until(one, &came.services, 3);
	dispatch_until(other, &went.services, 1);
	ck_assert_uint_eq(came.services, 3);
	ck_assert_uint_eq(came.last, 3);
	ck_assert_uint_eq(went.services, 1);
	ck_assert_uint_eq(went.last, 2);
	ck_assert_uint_eq(registry.connections, 1);
	IOObjectRelease(came.iterator);
	IOObjectRelease(went.iterator);
	IONotificationPortDestroy(one);
	IONotificationPortDestroy(other);
	stop();
}
END_TEST

START_TEST(events_of_released_notifications_are_ignored)
{
	IONotificationPortRef port = IONotificationPortCreate(0);
	struct seen first = {0}, second = {0};
	uint64_t watch;

	start();
	add(port, kIOMatchedNotification, &first);
	watch = last_watch();
	drain(&first);
	add(port, kIOMatchedNotification, &second);
	drain(&second);
	/* What is on its way, and what is in the port, is not called. */
	send_event(EVENT_APPEARED, 3, watch);
	dext_notification_port_dispatch(port);
	send_event(EVENT_APPEARED, 4, watch);
	IOObjectRelease(first.iterator);
	first.calls = 0;
	send_event(EVENT_APPEARED, 5, watch);
	send_event(EVENT_APPEARED, 6, last_watch());
	dispatch_until(port, &second.services, 1);
	ck_assert_uint_eq(second.last, 6);
	ck_assert_uint_eq(first.calls, 0);
	ck_assert_uint_eq(registry.connections, 1);
	pthread_mutex_lock(&registry.lock);
	while (registry.unwatched == 0)
		pthread_cond_wait(&registry.changed, &registry.lock);
	pthread_mutex_unlock(&registry.lock);
	/* The last one takes the connection along. */
	IOObjectRelease(second.iterator);
	pthread_mutex_lock(&registry.lock);
	while (registry.fd >= 0)
		pthread_cond_wait(&registry.changed, &registry.lock);
	pthread_mutex_unlock(&registry.lock);
	IONotificationPortDestroy(port);
	stop();
}
END_TEST

static void
on_services_that_nobody_takes(void *refcon, io_iterator_t iterator)
{
}

START_TEST(what_nobody_takes_is_bounded)
{
	IONotificationPortRef port = IONotificationPortCreate(0);
	struct seen seen = {0};
	io_service_t service;
	uint64_t id = 0;

	start();
	ck_assert_int_eq(IOServiceAddMatchingNotification(
				 port, kIOMatchedNotification, IOServiceNameMatching("Tester"),
				 on_services_that_nobody_takes, NULL, &seen.iterator),
			 0);
	drain(&seen);
	/* As many as wait, and one more: the first is forgotten for it. */
	for (uint64_t i = 1; i <= DEXT_LIMIT_WAITING_SERVICES + 1; i++) {
		if (i == DEXT_LIMIT_WAITING_SERVICES + 1)
			said_listen();
		send_event(EVENT_APPEARED, i, last_watch());
		send_event(EVENT_GONE, i, last_watch());
		if (i % 16 == 0)
			dext_notification_port_dispatch(port);
	}
	dext_notification_port_dispatch(port);
	said_expect("DEXT_LIMIT_WAITING_SERVICES");
	service = IOIteratorNext(seen.iterator);
	ck_assert_int_eq(IORegistryEntryGetRegistryEntryID(service, &id), 0);
	ck_assert_uint_eq(id, 2);
	IOObjectRelease(service);
	ck_assert_uint_eq(drain(&seen), DEXT_LIMIT_WAITING_SERVICES - 1);
	ck_assert_uint_eq(seen.last, DEXT_LIMIT_WAITING_SERVICES + 1);
	IOObjectRelease(seen.iterator);
	IONotificationPortDestroy(port);
	stop();
}
END_TEST

/* What a registry may not send; 0 as the watch: the one that is there. */
static const struct {
	const char *name;
	uint16_t type;
	uint32_t sequence;
	IOReturn status;
	size_t length;
	struct event event;
} wrong[] = {
	{"an event of no watch", PACKET_EVENT, 0, 0, 24, {{9, EVENT_APPEARED, 0}, 99}},
	{"an event with a sequence", PACKET_EVENT, 1, 0, 24, {{9, EVENT_APPEARED, 0}, 0}},
	{"an event with a status", PACKET_EVENT, 0, kIOReturnError, 24, {{9, EVENT_GONE, 0}, 0}},
	{"an event without watches", PACKET_EVENT, 0, 0, 16, {{9, EVENT_APPEARED, 0}, 0}},
	{"half an event", PACKET_EVENT, 0, 0, 7, {{9, EVENT_APPEARED, 0}, 0}},
	{"half a watch", PACKET_EVENT, 0, 0, 20, {{9, EVENT_APPEARED, 0}, 0}},
	{"an event of an entry", PACKET_EVENT, 0, 0, 24, {{9, EVENT_CHANGED, 0}, 0}},
	{"busy of a matching watch", PACKET_EVENT, 0, 0, 24, {{9, EVENT_BUSY, 1}, 0}},
	{"an event of no kind", PACKET_EVENT, 0, 0, 24, {{9, 5, 0}, 0}},
	{"an event of no service", PACKET_EVENT, 0, 0, 24, {{0, EVENT_GONE, 0}, 0}},
	{"an answer to nothing", PACKET_WATCH, 2, 0, 8, {{9, 0, 0}, 0}},
	{"an answer again", PACKET_WATCH, 1, 0, 8, {{9, 0, 0}, 0}},
	{"half an answer", PACKET_WATCH, 2, 0, 7, {{9, 0, 0}, 0}},
	{"an answer of the other socket", PACKET_LOOKUP, 2, 0, 8, {{9, 0, 0}, 0}},
	{"a packet of a host", PACKET_READY, 2, 0, 16, {{9, 0, 0}, 0}},
	{"no packet at all", 0x7777, 2, 0, 16, {{9, 0, 0}, 0}},
};

/* The socket ends, and the notification goes on with the next one. */
START_TEST(a_registry_that_breaks_the_rules)
{
	IONotificationPortRef port = IONotificationPortCreate(0);
	struct event event = wrong[_i].event;
	struct seen came = {0};

	start();
	add(port, kIOMatchedNotification, &came);
	drain(&came);
	if (event.watch == 0)
		event.watch = last_watch();
	HAS(4);
	send_raw(wrong[_i].type, wrong[_i].sequence, wrong[_i].status, &event, wrong[_i].length);
	dispatch_until(port, &came.services, 1);
	ck_assert_msg(came.last == 4, "%s", wrong[_i].name);
	ck_assert_msg(registry.connections == 2, "%s", wrong[_i].name);
	send_event(EVENT_APPEARED, 5, last_watch());
	dispatch_until(port, &came.services, 2);
	IOObjectRelease(came.iterator);
	IONotificationPortDestroy(port);
	stop();
}
END_TEST

START_TEST(a_restarted_registry_brings_the_difference)
{
	IONotificationPortRef port = IONotificationPortCreate(0);
	struct seen came = {0}, went = {0}, entry = {0};

	start();
	add_interest(port, 1, &entry);
	HAS(1, 2);
	add(port, kIOFirstMatchNotification, &came);
	add(port, kIOTerminatedNotification, &went);
	ck_assert_uint_eq(drain(&came) + drain(&went), 2);
	end();
	HAS(2, 3);
	begin();
	dispatch_until(port, &came.services, 3);
	dispatch_until(port, &went.services, 1);
	ck_assert_uint_eq(came.last, 3);
	ck_assert_uint_eq(went.last, 1);
	/* The entry is there again, and may have changed. */
	dispatch_until(port, &entry.calls, 1);
	ck_assert_uint_eq(entry.message, kIOMessageServicePropertyChange);
	end();
	/* Now it is not, and nothing else is known either. */
	refuse(kIOReturnNotFound);
	begin();
	dispatch_until(port, &entry.calls, 2);
	ck_assert_uint_eq(entry.message, kIOMessageServiceIsTerminated);
	end();
	refuse(0);
	has(0, NULL);
	begin();
	dispatch_until(port, &went.services, 3);
	ck_assert_uint_eq(came.services, 3);
	ck_assert_uint_eq(entry.calls, 2);
	IOObjectRelease(came.iterator);
	IOObjectRelease(went.iterator);
	IOObjectRelease(entry.iterator);
	IONotificationPortDestroy(port);
	stop();
}
END_TEST

/* More than a socket holds at once. */
START_TEST(very_many_are_renewed)
{
	IONotificationPortRef port = IONotificationPortCreate(0);
	static struct seen seen[2000];

	start();
	for (unsigned i = 0; i < 2000; i++)
		add(port, kIOMatchedNotification, &seen[i]);
	end();
	HAS(8);
	begin();
	dispatch_until_renewed(port, 2, 2000);
	for (unsigned i = 0; i < 2000; i++)
		while (drain(&seen[i]) == 0)
			;
	for (unsigned i = 0; i < 2000; i++) {
		ck_assert_uint_eq(seen[i].last, 8);
		IOObjectRelease(seen[i].iterator);
	}
	IONotificationPortDestroy(port);
	stop();
}
END_TEST

START_TEST(what_adding_returns)
{
	IONotificationPortRef port = IONotificationPortCreate(0);
	struct seen seen = {0};

	prepare();
	ck_assert_int_eq(try_add(port, kIOMatchedNotification, &seen), kIOReturnNotReady);
	begin();
	refuse(kIOReturnNoResources);
	ck_assert_int_eq(try_add(port, kIOMatchedNotification, &seen), kIOReturnNoResources);
	refuse(kIOReturnBadArgument);
	ck_assert_int_eq(try_add(port, kIOMatchedNotification, &seen), kIOReturnBadArgument);
	refuse(0);
	pthread_mutex_lock(&registry.lock);
	registry.full = true;
	pthread_mutex_unlock(&registry.lock);
	ck_assert_int_eq(try_add(port, kIOMatchedNotification, &seen), kIOReturnNoResources);
	pthread_mutex_lock(&registry.lock);
	registry.full = false;
	registry.silent = true;
	pthread_mutex_unlock(&registry.lock);
	ck_assert_int_eq(try_add(port, kIOMatchedNotification, &seen), kIOReturnNotReady);
	ck_assert_uint_eq(seen.iterator, 0);
	pthread_mutex_lock(&registry.lock);
	registry.silent = false;
	pthread_mutex_unlock(&registry.lock);
	add(port, kIOMatchedNotification, &seen);
	IOObjectRelease(seen.iterator);
	/* A port that has gone. */
	IONotificationPortDestroy(port);
	stop();
}
END_TEST

/* A notification of a port that was destroyed is still there to be released, and to be asked. */
START_TEST(the_port_goes_first)
{
	IONotificationPortRef port = IONotificationPortCreate(0);
	struct seen came = {0};

	start();
	add(port, kIOMatchedNotification, &came);
	drain(&came);
	IONotificationPortDestroy(port);
	send_event(EVENT_APPEARED, 5, last_watch());
	while (drain(&came) == 0)
		;
	ck_assert_uint_eq(came.last, 5);
	ck_assert_uint_eq(came.calls, 0);
	IOObjectRelease(came.iterator);
	stop();
}
END_TEST

UNIT_LOOP_MAIN("client_events", {events_reach_their_notifications, 1},
	       {events_of_released_notifications_are_ignored, 1},
	       {a_registry_that_breaks_the_rules, sizeof(wrong) / sizeof(wrong[0])},
	       {a_restarted_registry_brings_the_difference, 1}, {very_many_are_renewed, 1},
	       {what_nobody_takes_is_bounded, 1}, {what_adding_returns, 1},
	       {the_port_goes_first, 1})
