/* SPDX-License-Identifier: Apache-2.0 */
/* A host allocates nothing for a call, a completion or an entry of a ring, once it has had some of
 * each. */
#include "driver_fixture.h"
#include "unit.h"

#include "counted_malloc.h"
#include "raw_ring.h"

#define ROUNDS 1000u

/* One call with scalars, one with a structure, and one that completes twice. */
static void
go_round(struct raw *raw, uint64_t number)
{
	struct call_request *request;
	struct completion entry;

	raw_echo(raw, number);
	request = raw_request(raw, 0, CALL_METHOD, TEST_ECHO);
	request->structure_in_size = 100;
	ck_assert_int_eq(raw_call(raw, 0)->status, kIOReturnSuccess);
	request = raw_request(raw, 0, CALL_METHOD, TEST_COMPLETE);
	request->scalar_in_count = 2;
	request->scalars[0] = 2;
	ck_assert_int_eq(raw_call(raw, 0)->status, kIOReturnSuccess);
	raw_completion(raw, &entry);
	raw_completion(raw, &entry);
}

START_TEST(nothing_is_allocated_for_a_call)
{
	struct call_request *request;
	unsigned long before;
	struct raw raw;

	fixture_start();
	uncounted = true; /* the app is this thread, the host all others */
	raw_open(&raw);
	request = raw_request(&raw, 0, CALL_METHOD, TEST_KEEP);
	request->flags = CALL_ASYNC;
	request->async_generation = 1;
	ck_assert_int_eq(raw_call(&raw, 0)->status, kIOReturnSuccess);
	for (unsigned i = 0; i < 10; i++)
		go_round(&raw, i);
	before = atomic_load(&allocations);
	ck_assert_uint_gt(before, 0); /* counting works */
	for (unsigned i = 0; i < ROUNDS; i++)
		go_round(&raw, i);
	/* A thread that the loop starts now and then is none of a call's, which would come each
	 * time. */
	ck_assert_uint_lt(atomic_load(&allocations) - before, ROUNDS / 10);
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(nothing_is_allocated_for_an_entry)
{
	struct raw_ring ring;
	unsigned long before;
	struct raw raw;

	fixture_start();
	uncounted = true;
	raw_open(&raw);
	raw_ring_map(&raw, &ring);
	for (int i = 0; i < 10; i++)
		raw_ring_turn(&raw, &ring, i);
	before = atomic_load(&allocations);
	ck_assert_uint_gt(before, 0);
	for (unsigned i = 0; i < ROUNDS; i++)
		raw_ring_turn(&raw, &ring, (int)i);
	ck_assert_uint_lt(atomic_load(&allocations) - before, ROUNDS / 10);
	raw_ring_unmap(&ring);
	raw_close(&raw);
	fixture_end();
}
END_TEST

UNIT_MAIN("host_allocation", nothing_is_allocated_for_a_call, nothing_is_allocated_for_an_entry)
