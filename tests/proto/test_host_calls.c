/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls to a host, in bytes: scalars, and structures that fit into the call page.
 */
#include "unit.h"

#include "driver_fixture.h"
#include "raw_client.h"

START_TEST(scalars)
{
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	for (uint64_t i = 0; i < 1000; i++)
		raw_echo(&raw, i);
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(all_slots_are_answered)
{
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	for (unsigned round = 0; round < 50; round++) {
		for (unsigned slot = 0; slot < CALL_PAGE_SLOTS; slot++) {
			struct call_request *request =
				raw_request(&raw, slot, CALL_METHOD, TEST_ECHO);

			request->scalar_in_count = request->scalar_out_count = DEXT_SCALARS_MAX;
			for (unsigned i = 0; i < DEXT_SCALARS_MAX; i++)
				request->scalars[i] = 100 * slot + i;
			raw_submit(&raw, slot);
		}
		for (unsigned slot = 0; slot < CALL_PAGE_SLOTS; slot++) {
			struct call_reply *reply = raw_wait(&raw, slot);

			ck_assert_int_eq(reply->status, kIOReturnSuccess);
			for (unsigned i = 0; i < DEXT_SCALARS_MAX; i++)
				ck_assert_uint_eq(reply->scalars[i], 100 * slot + i + 1);
		}
	}
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(inline_structures)
{
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	for (unsigned size = 1; size <= DEXT_STRUCTURE_INLINE_MAX;
	     size = size < 4095 ? size * 3 : size + 1) {
		struct call_request *request = raw_request(&raw, 3, CALL_METHOD, TEST_STRUCTURE);
		struct call_data *data = &raw.page.page->data[3];
		struct call_reply *reply;

		request->structure_in_size = size;
		request->structure_out_size = DEXT_STRUCTURE_INLINE_MAX;
		memset(data->input, (int)size, size);
		memset(data->output, 0, sizeof(data->output));
		reply = raw_call(&raw, 3);
		ck_assert_int_eq(reply->status, kIOReturnSuccess);
		ck_assert_uint_eq(reply->structure_out_size, size);
		ck_assert_mem_eq(data->output, data->input, size);
		ck_assert(size == DEXT_STRUCTURE_INLINE_MAX || data->output[size] == 0);
	}
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(outputs_past_the_room_are_refused)
{
	struct raw raw;
	struct call_request *request;
	struct call_reply *reply;

	fixture_start();
	raw_open(&raw);
	request = raw_request(&raw, 0, CALL_METHOD, TEST_TOO_LONG);
	request->structure_out_size = 10;
	reply = raw_call(&raw, 0);
	ck_assert_int_eq(reply->status, kIOReturnBadArgument);
	ck_assert_uint_eq(reply->structure_out_size, 0);
	raw_request(&raw, 0, CALL_METHOD, TEST_TOO_MANY);
	ck_assert_int_eq(raw_call(&raw, 0)->status, kIOReturnBadArgument);
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(failures_bring_no_output)
{
	struct raw raw;
	struct call_reply *reply;

	fixture_start();
	raw_open(&raw);
	raw_request(&raw, 0, CALL_METHOD, TEST_FAIL)->scalar_out_count = 2;
	reply = raw_call(&raw, 0);
	ck_assert_int_eq(reply->status, kIOReturnNoMedia);
	ck_assert_uint_eq(reply->scalar_out_count, 0);
	raw_request(&raw, 0, CALL_METHOD, TEST_METHODS);
	ck_assert_int_eq(raw_call(&raw, 0)->status, kIOReturnUnsupported);
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(kept_input_is_not_overwritten)
{
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	raw_request(&raw, 0, CALL_METHOD, TEST_KEEP_DATA)->structure_in_size = 4;
	memset(raw.page.page->data[0].input, 7, 4);
	raw_call(&raw, 0);
	raw_request(&raw, 0, CALL_METHOD, TEST_STRUCTURE)->structure_in_size = 4;
	memset(raw.page.page->data[0].input, 9, 4);
	raw_call(&raw, 0);
	raw_request(&raw, 0, CALL_METHOD, TEST_KEPT_DATA)->structure_out_size = 4;
	ck_assert_uint_eq(raw_call(&raw, 0)->structure_out_size, 4);
	ck_assert_mem_eq(raw.page.page->data[0].output, "\7\7\7\7", 4);
	raw_close(&raw);
	fixture_end();
}
END_TEST

START_TEST(a_blocked_method_holds_up_only_its_client)
{
	struct raw blocked, other;

	fixture_start();
	raw_open(&blocked);
	/* A queue of its own, so that the two do not share the driver's. */
	raw_open(&other);
	ck_assert_int_eq(OSObject_SetDispatchQueue((OSObject *)fixture.client,
						   kIOUserClientQueueNameExternalMethod,
						   fixture.queue),
			 kIOReturnSuccess);
	{
		IODispatchQueue *queue = NULL;

		ck_assert_int_eq(queue_create("own", &queue), 0);
		ck_assert_int_eq(OSObject_SetDispatchQueue((OSObject *)fixture.client,
							   kIOUserClientQueueNameExternalMethod,
							   queue),
				 kIOReturnSuccess);
		OSRelease(queue);
	}
	raw_request(&blocked, 0, CALL_METHOD, TEST_BLOCK);
	raw_submit(&blocked, 0);
	meter_wait(&fixture.entered, 1);
	for (uint64_t i = 0; i < 100; i++)
		raw_echo(&other, i);
	ck_assert(!call_slot_is_answered(&blocked.page.page->slot[0], 1));
	/* A second call of the blocked client waits, and both are answered in the end. */
	raw_request(&blocked, 1, CALL_METHOD, TEST_ECHO);
	raw_submit(&blocked, 1);
	meter_raise(&fixture.go);
	raw_wait(&blocked, 0);
	raw_wait(&blocked, 1);
	raw_close(&blocked);
	raw_close(&other);
	fixture_end();
}
END_TEST

UNIT_MAIN("host calls", scalars, all_slots_are_answered, inline_structures,
	  outputs_past_the_room_are_refused, failures_bring_no_output,
	  kept_input_is_not_overwritten, a_blocked_method_holds_up_only_its_client)
