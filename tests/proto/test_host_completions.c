/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The completion ring, and what waits when it is full.
 */
#include "unit.h"

#include "driver_fixture.h"
#include "raw_calls.h"
#include "raw_client.h"
#include "said.h"

START_TEST(completions_arrive_in_order)
{
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	raw_keep(&raw, 1023, 6);
	raw_complete(&raw, 5, 0);
	raw_expect_completions(&raw, 5, 0);
	raw_request(&raw, 0, CALL_METHOD, TEST_RELEASE);
	raw_call(&raw, 0);
	raw_expect_released(&raw, 1023, 6);
	/* The index is free: the next registration may have it. */
	raw_keep(&raw, 1023, 7);
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
		raw_expect_released(&raw, 0, i);
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
	raw_keep(&raw, 1023, 6);
	ck_assert_int_eq(raw_complete(&raw, 5000, 0), kIOReturnSuccess);
	raw_expect_completions(&raw, 3000, 0);
	ck_assert_int_eq(raw_complete(&raw, 5000, 5000), kIOReturnSuccess);
	raw_expect_completions(&raw, 7000, 3000);
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
	raw_keep(&raw, 1023, 6);
	ck_assert(queue_call(fixture.queue, &first, send_burst));
	/* There is room now, but not so much that the host was told. */
	raw_expect_completions(&raw, 50, 0);
	ck_assert(queue_call(fixture.queue, &next, send_burst));
	raw_expect_completions(&raw, COMPLETION_RING_MAX + 110 - 50, 50);
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(completions_past_the_limit_are_an_overrun)
{
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	raw_keep(&raw, 1023, 6);
	ck_assert_int_eq(raw_complete(&raw, COMPLETION_RING_MAX + DEXT_LIMIT_COMPLETIONS, 0),
			 kIOReturnSuccess);
	/* At the limit calls are served; one past it, no more. */
	raw_echo(&raw, 1);
	said_listen();
	ck_assert_int_eq(raw_complete(&raw, 1, 0), kIOReturnOverrun);
	said_expect("DEXT_LIMIT_COMPLETIONS (DextLimitCompletions: 65536)");
	raw_request(&raw, 0, CALL_METHOD, TEST_ECHO);
	ck_assert_int_eq(raw_call(&raw, 0)->status, kIOReturnOverrun);
	ck_assert_int_eq(raw_map(&raw, 0, 0)->status, kIOReturnOverrun);
	/* What was accepted is there all the same. */
	raw_expect_completions(&raw, COMPLETION_RING_MAX + DEXT_LIMIT_COMPLETIONS, 0);
	raw_close(&raw);
	fixture_end();
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
	raw_keep(&one, 3, 1);
	ck_assert(queue_call(fixture.queue, clients, send_to_another));
	raw_completion(&one, &entry);
	ck_assert_uint_eq(entry.kind, COMPLETION_CALL);
	ck_assert_uint_eq(entry.count, 0);
	raw_close(&one);
	raw_close(&other);
	fixture_end();
}
END_TEST

UNIT_MAIN("host completions", completions_arrive_in_order,
	  a_completion_that_nobody_keeps_is_released, a_release_that_waits_keeps_its_index,
	  completions_past_the_ring_wait, completions_do_not_overtake_those_that_wait,
	  completions_past_the_limit_are_an_overrun, a_completion_is_its_own_clients)
