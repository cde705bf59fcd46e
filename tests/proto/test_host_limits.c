/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an app, a user and a host may have, at the limit and one past it; and what an app is not
 * heard for.
 */
#include "unit.h"

#include "bound_settings.h"
#include "budget.h"
#include "driver_fixture.h"
#include "places.h"
#include "raw_calls.h"
#include "raw_client.h"
#include "said.h"

START_TEST(buffers_of_a_client_are_limited)
{
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	/* Type 17 is new memory each time, so each counts. */
	for (unsigned i = 0; i < DEXT_LIMIT_BUFFERS_CLIENT; i++) {
		ck_assert_int_eq(raw_map(&raw, 0, 17)->status, kIOReturnSuccess);
		close(raw_expect_memory(&raw, 0, true));
	}
	said_listen();
	ck_assert_int_eq(raw_map(&raw, 0, 17)->status, kIOReturnNoResources);
	said_expect("DEXT_LIMIT_BUFFERS_CLIENT (DextLimitBuffersClient: 4160)");
	ck_assert_int_eq(raw_map(&raw, 0, 1)->status, kIOReturnNoResources);
	ck_assert_int_eq(raw_unmap(&raw, 17)->status, kIOReturnSuccess);
	ck_assert_int_eq(raw_map(&raw, 0, 17)->status, kIOReturnSuccess);
	close(raw_expect_memory(&raw, 0, true));
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
		ck_assert_int_eq(raw_map(&raw, 0, first + i)->status, kIOReturnSuccess);
		close(raw_expect_memory(&raw, 0, true));
	}
	/* Not one byte more. */
	said_listen();
	ck_assert_int_eq(raw_map(&raw, 0, 17)->status, kIOReturnNoResources);
	said_expect("DEXT_LIMIT_MAPPED_BYTES (DextLimitMappedBytes: 17179869184)");
	ck_assert_int_eq(raw_map(&raw, 0, first + most)->status, kIOReturnNoResources);
	/* It is the limit of one client. */
	raw_open(&other);
	ck_assert_int_eq(raw_map(&other, 0, 17)->status, kIOReturnSuccess);
	close(raw_expect_memory(&other, 0, true));
	ck_assert_int_eq(raw_unmap(&raw, first)->status, kIOReturnSuccess);
	ck_assert_int_eq(raw_map(&raw, 0, 17)->status, kIOReturnSuccess);
	close(raw_expect_memory(&raw, 0, true));
	ck_assert_int_eq(raw_map(&raw, 0, first)->status, kIOReturnNoResources);
	raw_close(&other);
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
			ck_assert_int_eq(raw_map(&raw[app], 0, 17)->status, kIOReturnSuccess);
			close(raw_expect_memory(&raw[app], 0, true));
		}
	/* Those that have many get no more; one that has few gets what is kept for it. */
	said_listen();
	ck_assert_int_eq(raw_map(&raw[APPS - 1], 0, 17)->status, kIOReturnNoResources);
	said_expect("DEXT_LIMIT_BUFFERS_HOST (DextLimitBuffersHost: 16384)");
	for (unsigned i = 0; i < DEXT_LIMIT_BUFFERS_KEPT; i++) {
		ck_assert_int_eq(raw_map(&raw[APPS], 0, 17)->status, kIOReturnSuccess);
		close(raw_expect_memory(&raw[APPS], 0, true));
	}
	ck_assert_int_eq(raw_map(&raw[APPS], 0, 17)->status, kIOReturnNoResources);
	/* What the others give back it may have. */
	for (unsigned i = 0; i < DEXT_LIMIT_BUFFERS_KEPT + 1; i++)
		ck_assert_int_eq(raw_unmap(&raw[0], 17)->status, kIOReturnSuccess);
	ck_assert_int_eq(raw_map(&raw[APPS], 0, 17)->status, kIOReturnSuccess);
	close(raw_expect_memory(&raw[APPS], 0, true));
	ck_assert_int_eq(raw_map(&raw[APPS], 0, 17)->status, kIOReturnNoResources);
	for (unsigned app = 0; app <= APPS; app++)
		raw_close(&raw[app]);
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
	raw_keep(&raw, 1023, 6);
	/* Room for half a ring's worth that waits: of who does not take them, no more. */
	budget_set(2 * page);
	ck_assert_int_eq(raw_complete(&raw, 4 * COMPLETION_RING_MAX, 0), kIOReturnOverrun);
	raw_echo(&other, 1);
	raw_close(&raw);
	raw_close(&other);
	budget_set(0);
	fixture_end();
}
END_TEST

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

	raw_keep(raw, 1023, 6);
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
	raw_map_one(&raw);
	raw_map_one(&raw);
	ck_assert_int_eq(raw_map(&raw, 0, 17)->status, kIOReturnNoResources);
	raw_open(&other);
	raw_map_one(&other);
	ck_assert_int_eq(raw_map(&other, 0, 17)->status, kIOReturnNoResources);
	ck_assert_int_eq(raw_sparse(&other, TEST_HOLD, 8192, 8192), kIOReturnSuccess);
	ck_assert_int_eq(raw_sparse(&other, TEST_HOLD, 8192, 8193), kIOReturnNoResources);
	raw_close(&other);
	check_registrations(&raw);
	ck_assert_int_eq(raw_complete(&raw, COMPLETION_RING_MAX - 1 + 5, 0), kIOReturnSuccess);
	raw_echo(&raw, 1);
	ck_assert_int_eq(raw_complete(&raw, 2, 0), kIOReturnOverrun);
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
		ck_assert_int_eq(raw_map(&raw, 0, first + i)->status, kIOReturnSuccess);
		close(raw_expect_memory(&raw, 0, true));
	}
	ck_assert_int_eq(raw_map(&raw, 0, 17)->status, kIOReturnNoResources);
	raw_open(&other);
	raw_map_one(&other);
	ck_assert_int_eq(raw_unmap(&raw, first)->status, kIOReturnSuccess);
	raw_map_one(&raw);
	ck_assert_int_eq(raw_map(&raw, 0, first)->status, kIOReturnNoResources);
	raw_close(&other);
	raw_close(&raw);
	fixture_end();
	limits_set(NULL);
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

UNIT_MAIN("host limits", buffers_of_a_client_are_limited, bytes_of_a_client_are_limited,
	  buffers_of_a_host_are_limited, what_apps_cost_is_in_the_budget,
	  limits_are_those_of_the_bundle, bytes_are_those_of_the_bundle, connections_are_limited,
	  more_connections_than_usual_are_all_looked_at, rings_in_vain_are_not_heard_for_a_while,
	  who_rings_in_vain_is_paused)
