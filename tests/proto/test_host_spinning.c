/* SPDX-License-Identifier: Apache-2.0 */
/* A host whose thread looks at call pages instead of sleeping, against clients of all kinds. */
#include "driver_fixture.h"
#include "unit.h"

#include <sched.h>

#include "raw_client.h"
#include "threads.h"

#define ROUNDS	 3u
#define ATTEMPTS 100u

/* Where there is but one CPU nobody ever spins. */
static bool
is_alone(void)
{
	cpu_set_t cpus;

	ck_assert_int_eq(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	return CPU_COUNT(&cpus) < 2;
}

/* A call whose caller never sleeps, so that it is there while the host still looks. */
static void
call_awake(struct raw *raw)
{
	uint64_t deadline = clock_now() + RAW_DEADLINE;

	raw_request(raw, 0, CALL_METHOD, TEST_ECHO);
	raw_submit(raw, 0);
	while (!call_slot_is_answered(&raw->page.page->slot[0], raw->generations[0])) {
		for (unsigned turn = 0; turn < 1000; turn++)
			if (call_slot_is_answered(&raw->page.page->slot[0], raw->generations[0]))
				return;
		if (call_page_is_left(&raw->page, 0))
			doorbell_ring(raw->doorbell);
		ck_assert_msg(clock_now() < deadline, "no answer");
	}
}

/*
 * Calls until the host looks at all of these pages by itself. False: that was not seen, as on a
 * machine that has other things to do; that it spins at all is for test_awake.c to see.
 */
static bool
heat(struct raw *clients, unsigned count)
{
	uint64_t deadline = clock_now() + RAW_DEADLINE / 4;
	bool awake;

	do {
		if (clock_now() > deadline)
			return false;
		for (unsigned i = 0; i < count; i++)
			call_awake(&clients[i]);
		awake = true;
		for (unsigned i = 0; i < count; i++)
			awake &= raw_is_unarmed(&clients[i]);
	} while (!awake);
	return true;
}

/* As if the client ran where the host never does, which is no reason to stop. */
static void
go_far(struct raw *raw)
{
	atomic_store(&raw->page.page->client_cpu.number, 5000);
	atomic_store(&raw->page.cpu, 0);
}

START_TEST(it_goes_to_sleep_when_calls_stop_coming)
{
	struct raw raw;
	uint64_t deadline;

	fixture_start();
	raw_open(&raw);
	for (unsigned round = 0; round < ROUNDS && !is_alone(); round++) {
		if (!heat(&raw, 1))
			break;
		go_far(&raw);
		deadline = clock_now() + RAW_DEADLINE;
		while (raw_is_unarmed(&raw))
			ck_assert_msg(clock_now() < deadline, "the host spins for ever");
		/* Armed it may be by a thread that spins on all the same. */
		threads_await_rest(1);
		raw_echo(&raw, round);
	}
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(no_client_can_keep_it_awake_without_calls)
{
	struct raw raw;
	uint64_t deadline;
	uint32_t cpu = 0;

	fixture_start();
	raw_open(&raw);
	for (unsigned round = 0; round < ROUNDS && !is_alone(); round++) {
		if (!heat(&raw, 1))
			break;
		deadline = clock_now() + RAW_DEADLINE;
		while (raw_is_unarmed(&raw)) {
			atomic_store(&raw.page.page->client_cpu.number, cpu++ % 4096);
			ck_assert_msg(clock_now() < deadline, "the host spins for ever");
		}
		/* What it wrote is not what it believes it wrote. */
		atomic_store(&raw.page.cpu, 0);
		raw_echo(&raw, round);
	}
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(it_is_not_kept_awake_by_one_who_has_gone)
{
	struct raw raw;

	fixture_start();
	for (unsigned round = 0; round < ROUNDS && !is_alone(); round++) {
		raw_open(&raw);
		heat(&raw, 1);
		raw_close(&raw);
	}
	fixture_end();
	ck_assert_uint_eq(connection_count(), 0);
}
END_TEST

/* One that calls keeps the other's page unarmed for a while, but not for ever. */
START_TEST(a_quiet_client_is_let_go_while_another_calls)
{
	struct raw clients[2];
	uint64_t deadline;

	fixture_start();
	raw_open(&clients[0]);
	raw_open(&clients[1]);
	for (unsigned round = 0; round < ROUNDS && !is_alone(); round++) {
		if (!heat(clients, 2))
			break;
		deadline = clock_now() + RAW_DEADLINE;
		while (raw_is_unarmed(&clients[1])) {
			call_awake(&clients[0]);
			ck_assert_msg(clock_now() < deadline, "it is looked at for ever");
		}
		raw_echo(&clients[1], round);
	}
	raw_close(&clients[0]);
	raw_close(&clients[1]);
	fixture_end();
}
END_TEST

/* False: it is not seen to spin, or has not let go. */
static bool
cool(struct raw *clients, unsigned count)
{
	uint64_t deadline = clock_now() + RAW_DEADLINE;

	if (!heat(clients, count))
		return false;
	for (unsigned i = 0; i < count; i++) {
		go_far(&clients[i]);
		while (raw_is_unarmed(&clients[i]))
			ck_assert_msg(clock_now() < deadline, "the host spins for ever");
	}
	return true;
}

/* Whether the first one's ring has the host look at the second's page as well. */
static bool
brings_back(struct raw *clients)
{
	for (unsigned i = 0; i < 100 && !raw_is_unarmed(&clients[1]); i++)
		call_awake(&clients[0]);
	return raw_is_unarmed(&clients[1]);
}

START_TEST(who_was_let_go_is_taken_back_when_another_rings)
{
	uint64_t deadline = clock_now() + RAW_DEADLINE / 4;
	unsigned attempts = 0;
	bool seen = is_alone();
	struct raw clients[2];

	fixture_start();
	raw_open(&clients[0]);
	raw_open(&clients[1]);
	/* Not each time: they may have been let go one by one, on a machine that is busy often. */
	for (; !seen && attempts < ATTEMPTS && clock_now() < deadline && cool(clients, 2);
	     attempts++)
		seen = brings_back(clients);
	ck_assert_msg(seen || attempts < ATTEMPTS, "each has to ring");
	raw_close(&clients[0]);
	raw_close(&clients[1]);
	fixture_end();
}
END_TEST

/* How often call pages are mapped here, by whomever. */
static unsigned
pages(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned count = 0;
	char line[512];

	ck_assert_ptr_nonnull(maps);
	while (fgets(line, sizeof(line), maps) != NULL)
		count += strstr(line, "opendext-calls") != NULL;
	fclose(maps);
	return count;
}

static void
await_pages(unsigned count)
{
	uint64_t deadline = clock_now() + RAW_DEADLINE;

	while (pages() > count)
		ck_assert_msg(clock_now() < deadline, "its page is kept");
}

START_TEST(who_was_let_go_and_has_ended_is_forgotten)
{
	struct raw raw;

	fixture_start();
	for (unsigned round = 0; round < ROUNDS && !is_alone(); round++) {
		raw_open(&raw);
		cool(&raw, 1);
		raw_close(&raw);
		await_pages(0);
	}
	fixture_end();
}
END_TEST

/* The turns of a thread that spins are slow meanwhile. */
START_TEST(who_has_ended_is_forgotten_while_others_work)
{
	struct raw clients[2];

	fixture_start();
	raw_open(&clients[0]);
	for (unsigned round = 0; round < ROUNDS && !is_alone(); round++) {
		unsigned before = pages();

		raw_open(&clients[1]);
		meter_reset(&fixture.go);
		raw_request(&clients[0], 1, CALL_METHOD, TEST_TOIL);
		ck_assert_int_eq(raw_call(&clients[0], 1)->status, kIOReturnSuccess);
		heat(clients, 2);
		raw_close(&clients[1]);
		await_pages(before);
		meter_raise(&fixture.go);
	}
	raw_close(&clients[0]);
	fixture_end();
}
END_TEST

/* Whether it was the thread that spins that blocks, and the other page was left unarmed. */
static bool
block(struct raw *clients, unsigned round)
{
	bool left;

	meter_reset(&fixture.go);
	heat(clients, 2);
	go_far(&clients[1]);
	raw_request(&clients[0], 1, CALL_METHOD, TEST_BLOCK);
	raw_submit(&clients[0], 1);
	meter_wait(&fixture.entered, round);
	left = raw_is_unarmed(&clients[0]) && raw_is_unarmed(&clients[1]);
	for (uint64_t i = 0; i < 100; i++)
		raw_echo(&clients[1], i);
	ck_assert(!call_slot_is_answered(&clients[0].page.page->slot[1], round));
	meter_raise(&fixture.go);
	raw_wait(&clients[0], 1);
	return left;
}

START_TEST(a_method_that_blocks_keeps_nobody_else_waiting)
{
	struct raw clients[2];
	bool left = false;

	fixture_start();
	raw_open(&clients[1]);
	raw_open(&clients[0]);
	raw_request(&clients[0], 0, CALL_METHOD, TEST_OWN_QUEUE);
	ck_assert_int_eq(raw_call(&clients[0], 0)->status, kIOReturnSuccess);
	for (unsigned round = 1; round <= ROUNDS && !left && !is_alone(); round++)
		left = block(clients, round);
	raw_close(&clients[0]);
	raw_close(&clients[1]);
	fixture_end();
}
END_TEST

/* Whether work that was left to the thread that spins hears of a call. */
static bool
interrupts(struct raw *raw)
{
	unsigned before = meter_read(&fixture.wanted);
	uint64_t deadline;

	meter_reset(&fixture.go);
	raw_request(raw, 1, CALL_METHOD, TEST_WORK);
	ck_assert_int_eq(raw_call(raw, 1)->status, kIOReturnSuccess);
	raw_request(raw, 0, CALL_METHOD, TEST_ECHO);
	raw_submit(raw, 0);
	deadline = clock_now() + RAW_DEADLINE / 1000;
	while (meter_read(&fixture.wanted) == before && clock_now() < deadline)
		sched_yield();
	meter_raise(&fixture.go);
	raw_wait(raw, 0);
	return meter_read(&fixture.wanted) != before;
}

START_TEST(work_is_interrupted_for_a_call)
{
	uint64_t deadline = clock_now() + RAW_DEADLINE / 4;
	bool seen = is_alone();
	unsigned attempts = 0;
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	/* Not each time: it may go to sleep just then, or be another thread. */
	for (; !seen && attempts < ATTEMPTS && clock_now() < deadline && heat(&raw, 1); attempts++)
		seen = interrupts(&raw);
	ck_assert_msg(seen || attempts < ATTEMPTS / 4, "calls have to wait for it");
	raw_close(&raw);
	fixture_end();
}
END_TEST

UNIT_MAIN("host_spinning", a_quiet_client_is_let_go_while_another_calls,
	  it_goes_to_sleep_when_calls_stop_coming, no_client_can_keep_it_awake_without_calls,
	  it_is_not_kept_awake_by_one_who_has_gone, who_was_let_go_is_taken_back_when_another_rings,
	  who_was_let_go_and_has_ended_is_forgotten, who_has_ended_is_forgotten_while_others_work,
	  a_method_that_blocks_keeps_nobody_else_waiting, work_is_interrupted_for_a_call)
