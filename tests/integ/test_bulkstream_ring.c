/* SPDX-License-Identifier: Apache-2.0 */
/* The ring of bulkstream: what only it has. */
#include "stream_app.h"
#include "unit.h"

#include <mach/mach.h>

#define OUT DEXT_BULKSTREAM_OUT
#define IN  DEXT_BULKSTREAM_IN

#define DEADLINE UINT64_C(60000000000)

static struct harness harness;
static struct app app;

static void
push_entry(struct app *self, const struct dext_bulkstream_submission *entry)
{
	uint32_t pushed;

	ck_assert_int_eq(dext_ring_push(self->ring, entry, 1, &pushed), kIOReturnSuccess);
}

static void
expect_refusal(const struct dext_bulkstream_submission *entry, uint32_t direction, IOReturn status)
{
	struct dext_bulkstream_completion completion;

	push_entry(&app, entry);
	completion = app_take(&app);
	ck_assert_int_eq((IOReturn)completion.status, status);
	ck_assert_uint_eq(completion.sequence, DEXT_BULKSTREAM_REFUSED);
	ck_assert_uint_eq(completion.direction, direction);
	ck_assert_uint_eq(completion.buffer, entry->buffer);
	ck_assert_uint_eq(completion.bytes, 0);
	ck_assert_uint_eq(completion.timestamp, 0);
}

START_TEST(each_submission_is_checked)
{
	static const struct {
		struct dext_bulkstream_submission entry;
		uint32_t direction;
		IOReturn status;
	} wrong[] = {
		{{DEXT_BULKSTREAM_SEND, 2, 0, 1, 0, {0}}, OUT, kIOReturnBadArgument},
		{{DEXT_BULKSTREAM_SEND, UINT32_MAX, 0, 1, 0, {0}}, OUT, kIOReturnBadArgument},
		{{DEXT_BULKSTREAM_SEND, 0, 0, 4097, 0, {0}}, OUT, kIOReturnBadArgument},
		{{DEXT_BULKSTREAM_SEND, 0, 4097, 0, 0, {0}}, OUT, kIOReturnBadArgument},
		{{DEXT_BULKSTREAM_SEND, 0, 4096, 1, 0, {0}}, OUT, kIOReturnBadArgument},
		{{DEXT_BULKSTREAM_SEND, 0, UINT32_MAX, 2, 0, {0}}, OUT, kIOReturnBadArgument},
		{{DEXT_BULKSTREAM_SEND, 0, 0, 1, 2, {0}}, OUT, kIOReturnBadArgument},
		{{DEXT_BULKSTREAM_SEND, 0, 0, 1, 0, {1, 0, 0}}, OUT, kIOReturnBadArgument},
		{{DEXT_BULKSTREAM_SEND, 0, 0, 1, 0, {0, 0, 1}}, OUT, kIOReturnBadArgument},
		{{DEXT_BULKSTREAM_RECEIVE, 0, 0, 513, 0, {0}}, IN, kIOReturnNotAligned},
		{{DEXT_BULKSTREAM_RECEIVE, 0, 0, 0, 0, {0}}, IN, kIOReturnBadArgument},
		{{DEXT_BULKSTREAM_RECEIVE, 0, 512, 512, 0, {0}}, IN, kIOReturnBadArgument},
		{{DEXT_BULKSTREAM_RECEIVE, 0, 0, 512, 1, {0}}, IN, kIOReturnBadArgument},
		{{DEXT_BULKSTREAM_RECEIVE, 2, 0, 512, 0, {0}}, IN, kIOReturnBadArgument},
		{{DEXT_BULKSTREAM_CONFIGURE, 0, 0, 1, 0, {0}}, UINT32_MAX, kIOReturnUnsupported},
		{{DEXT_BULKSTREAM_GIVE_BACK, 0, 0, 1, 0, {0}}, UINT32_MAX, kIOReturnUnsupported},
		{{UINT32_MAX, 0, 0, 1, 0, {0}}, UINT32_MAX, kIOReturnUnsupported},
	};
	dext_ring_t *none = NULL;
	struct dext_ring_info info;

	stream_start(&harness, "loopback");
	app_connect(&app, DEXT_BULKSTREAM_SHARED);
	ck_assert_int_eq(dext_ring_create(app.connect, DEXT_BULKSTREAM_MEMORY_RING, 0, &none),
			 kIOReturnBadArgument);
	ck_assert_int_eq(
		app_configure(&app, 0, 0, DEXT_BULKSTREAM_ANY, DEXT_BULKSTREAM_ANY, 2, 4096),
		kIOReturnSuccess);
	app_use_ring(&app);
	dext_ring_get_info(app.ring, &info);
	ck_assert_uint_eq(info.entry_size, sizeof(struct dext_bulkstream_submission));
	ck_assert_uint_ge(info.submissions, app.count);
	ck_assert_uint_ge(info.completions, app.count);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		expect_refusal(&wrong[i].entry, wrong[i].direction, wrong[i].status);
	harness_wait_log(&harness, "there is no such buffer: buffer 2");
	ck_assert_ptr_null(strstr(harness_log(&harness), "SEND: buffer"));
	/* None of them has moved anything. */
	ck_assert_int_eq(app_push(&app, DEXT_BULKSTREAM_SEND, 0, 4096), kIOReturnSuccess);
	ck_assert_uint_eq(app_take(&app).sequence, 0);
	ck_assert_uint_eq(app_device_state(&app, 1).out_bytes, 4096);
	app_close(&app);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(room_for_every_buffer)
{
	struct dext_ring_info info;

	stream_start(&harness, "sink");
	app_open(&app, DEXT_BULKSTREAM_SHARED, DEXT_BULKSTREAM_BUFFERS_MAX, 64);
	app_use_ring(&app);
	dext_ring_get_info(app.ring, &info);
	ck_assert_uint_ge(info.submissions, DEXT_BULKSTREAM_BUFFERS_MAX);
	for (uint32_t i = 0; i < app.count; i++)
		ck_assert_int_eq(app_push(&app, DEXT_BULKSTREAM_SEND, i, 64), kIOReturnSuccess);
	app_wait(&app, app.count);
	app_expect(&app, 0, app.count, OUT, kIOReturnSuccess);
	app_close(&app);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

/* The refusal is ahead of the transfer, whose buffer it is. */
START_TEST(a_buffer_in_flight_is_refused)
{
	struct dext_bulkstream_completion completion;

	stream_start(&harness, "sink:nak");
	app_open(&app, DEXT_BULKSTREAM_SHARED, 2, 4096);
	app_use_ring(&app);
	ck_assert_int_eq(app_push(&app, DEXT_BULKSTREAM_SEND, 0, 4096), kIOReturnSuccess);
	expect_refusal(&(struct dext_bulkstream_submission){.operation = DEXT_BULKSTREAM_SEND,
							    .length = 1},
		       OUT, kIOReturnBusy);
	ck_assert_int_eq(app_call(&app, DEXT_BULKSTREAM_SEND, (uint64_t[]){0, 0, 1, 0}, 4),
			 kIOReturnBusy);
	/* Pushed before the call, and so ended by it. */
	ck_assert_int_eq(app_push(&app, DEXT_BULKSTREAM_SEND, 1, 4096), kIOReturnSuccess);
	ck_assert_int_eq(app_call(&app, DEXT_BULKSTREAM_ABORT, &(uint64_t){OUT}, 1),
			 kIOReturnSuccess);
	for (uint32_t i = 0; i < 2; i++) {
		completion = app_take(&app);
		ck_assert_int_eq((IOReturn)completion.status, kIOReturnAborted);
		ck_assert_uint_eq(completion.buffer, i);
		ck_assert_uint_eq(completion.sequence, i);
	}
	app_close(&app);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

/* One order and one set of buffers; each ends where it came from. */
START_TEST(both_ways_at_once)
{
	stream_start(&harness, "sink");
	app_open(&app, DEXT_BULKSTREAM_SHARED, 8, 4096);
	app_use_ring(&app);
	for (uint32_t round = 0; round < 50; round++) {
		bool ring[8] = {false}, port[8] = {false};

		for (uint64_t i = 0; i < 8; i += 2) {
			ck_assert_int_eq(app_push(&app, DEXT_BULKSTREAM_SEND, (uint32_t)i, 4096),
					 kIOReturnSuccess);
			ck_assert_int_eq(app_call(&app, DEXT_BULKSTREAM_SEND,
						  (uint64_t[]){i + 1, 0, 4096, 0}, 4),
					 kIOReturnSuccess);
		}
		for (uint32_t i = 0; i < 4; i++) {
			struct dext_bulkstream_completion completion = app_take(&app);

			ck_assert_int_eq((IOReturn)completion.status, kIOReturnSuccess);
			ck_assert_uint_eq(completion.sequence, round * 8 + completion.buffer);
			ring[completion.buffer] = true;
		}
		app_wait(&app, (round + 1) * 4); /* the port's: the ring is empty */
		for (uint32_t i = 0; i < 4; i++) {
			const struct completion *done = &app.done[round * 4 + i];

			ck_assert_uint_eq(done->sequence, round * 8 + done->buffer);
			port[done->buffer] = true;
		}
		for (uint32_t i = 0; i < 8; i++)
			ck_assert(i % 2 == 0 ? ring[i] && !port[i] : port[i] && !ring[i]);
	}
	app_close(&app);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

/* What was pushed before it was known that one has failed must not be sent after CLEAR_STALL. */
START_TEST(nothing_overtakes_what_failed)
{
	uint64_t out = OUT;

	stream_start(&harness, "sink:stall-every=2");
	app_open(&app, DEXT_BULKSTREAM_SHARED, 4, 4096);
	app_use_ring(&app);
	for (uint32_t round = 0; round < 200; round++) {
		uint64_t before = app.statistics->direction[OUT].bytes;
		uint32_t failed;

		do {
			ck_assert_int_eq(app_push(&app, DEXT_BULKSTREAM_SEND, 0, 4096),
					 kIOReturnSuccess);
			failed = app_take(&app).status;
			before = failed == 0 ? app.statistics->direction[OUT].bytes : before;
		} while (failed == 0);
		ck_assert_int_eq((IOReturn)failed, kUSBHostReturnPipeStalled);
		before = app.statistics->direction[OUT].bytes;
		/* These two and the call are a race, unless the ring comes before the call. */
		ck_assert_int_eq(app_push(&app, DEXT_BULKSTREAM_SEND, 1, 4096), kIOReturnSuccess);
		ck_assert_int_eq(app_push(&app, DEXT_BULKSTREAM_SEND, 2, 4096), kIOReturnSuccess);
		ck_assert_int_eq(app_call(&app, DEXT_BULKSTREAM_CLEAR_STALL, &out, 1),
				 kIOReturnSuccess);
		for (uint32_t i = 1; i <= 2; i++) {
			struct dext_bulkstream_completion completion = app_take(&app);

			ck_assert_int_eq((IOReturn)completion.status, kUSBHostReturnPipeStalled);
			ck_assert_uint_eq(completion.sequence, DEXT_BULKSTREAM_REFUSED);
			ck_assert_uint_eq(completion.buffer, i);
		}
		ck_assert_uint_eq(app.statistics->direction[OUT].bytes, before);
	}
	app_close(&app);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

/* What is in the ring when the device goes is answered, or the wait says that there is nothing. */
START_TEST(the_device_goes)
{
	uint32_t answered = 0;

	stream_start(&harness, "sink:unplug-after=40960,latency=2000");
	app_open(&app, DEXT_BULKSTREAM_SHARED, 64, 4096);
	app_use_ring(&app);
	for (uint32_t i = 0; i < 64; i++)
		ck_assert_int_eq(app_push(&app, DEXT_BULKSTREAM_SEND, i, 4096), kIOReturnSuccess);
	for (;;) {
		struct dext_bulkstream_completion completion;
		uint32_t count;

		if (dext_ring_pop(app.ring, &completion, 1, &count) == kIOReturnSuccess) {
			ck_assert_uint_eq(completion.buffer, answered++);
			continue;
		}
		if (dext_ring_wait(app.ring, DEXT_RING_ENTRIES, DEADLINE) != kIOReturnSuccess)
			break;
	}
	ck_assert_uint_eq(answered, 64);
	ck_assert_int_eq(dext_ring_wait(app.ring, DEXT_RING_ENTRIES, DEADLINE), kIOReturnOffline);
	app_close(&app);
	harness_stop(&harness);
}
END_TEST

UNIT_MAIN("bulkstream_ring", each_submission_is_checked, room_for_every_buffer,
	  a_buffer_in_flight_is_refused, both_ways_at_once, nothing_overtakes_what_failed,
	  the_device_goes)
