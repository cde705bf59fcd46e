/* SPDX-License-Identifier: Apache-2.0 */
/* bulkstream on devices that stall, answer short, hang, and go. */
#include "stream_app.h"
#include "unit.h"

#include <xxhash.h>

#include <mach/mach.h>

#define OUT DEXT_BULKSTREAM_OUT
#define IN  DEXT_BULKSTREAM_IN

static struct harness harness;
static struct app app;

static kern_return_t
clear_stall(struct app *self, uint64_t direction)
{
	return app_call(self, DEXT_BULKSTREAM_CLEAR_STALL, &direction, 1);
}

/* The third transfer stalls in its middle: it says so, all behind it is given up. */
START_TEST(a_stall_says_how_far_it_came)
{
	stream_start(&harness, "sink:stall-every=3,latency=20000");
	app_open(&app, DEXT_BULKSTREAM_SHARED, 12, 4096);
	for (uint32_t i = 0; i < 12; i++)
		app_fill(&app, i, 4096, i);
	for (uint32_t i = 0; i < 12; i++)
		ck_assert_int_eq(app_send(&app, i, 0, 4096, 0), kIOReturnSuccess);
	app_wait(&app, 12);
	app_expect(&app, 0, 2, OUT, kIOReturnSuccess);
	app_expect(&app, 2, 1, OUT, kUSBHostReturnPipeStalled);
	ck_assert_uint_eq(app.done[2].bytes, 2048);
	app_expect(&app, 3, 9, OUT, kIOReturnAborted);
	for (uint32_t i = 0; i < 12; i++) {
		ck_assert_uint_eq(app.done[i].sequence, i);
		ck_assert_uint_eq(app.done[i].buffer, i);
		if (i > 2)
			ck_assert_uint_eq(app.done[i].bytes, 0);
	}
	ck_assert_int_eq(app_send(&app, 3, 0, 4096, 0), kUSBHostReturnPipeStalled);
	ck_assert_int_eq(clear_stall(&app, OUT), kIOReturnSuccess);
	/* From the byte where it stopped; then the next. */
	ck_assert_int_eq(app_send(&app, 2, 2048, 2048, 0), kIOReturnSuccess);
	ck_assert_int_eq(app_send(&app, 3, 0, 4096, 0), kIOReturnSuccess);
	app_wait(&app, 14);
	app_expect(&app, 12, 2, OUT, kIOReturnSuccess);
	ck_assert_uint_eq(app_device_state(&app, 0).out_bytes, 4 * 4096);
	ck_assert_uint_eq(app.statistics->direction[OUT].errors, 1);
	ck_assert_uint_eq(app.statistics->direction[OUT].aborted, 9);
	app_close(&app);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

/* A stream that is resumed each time arrives whole. */
START_TEST(a_stream_survives_stalls)
{
	XXH3_state_t *hash = XXH3_createState();
	uint64_t total = 0;
	uint32_t seen = 0, stalls = 0;
	struct dext_virtual_state state;

	stream_start(&harness, "sink:stall-every=5");
	app_open(&app, DEXT_BULKSTREAM_SHARED, 5, 10000);
	XXH3_64bits_reset(hash);
	for (uint32_t round = 0; round < 60; round++) {
		uint32_t buffer = round % 4, offset = 0;

		app_fill(&app, buffer, 10000, round);
		XXH3_64bits_update(hash, app_buffer(&app, buffer), 10000);
		total += 10000;
		while (offset < 10000) {
			ck_assert_int_eq(app_send(&app, buffer, offset, 10000 - offset, 0),
					 kIOReturnSuccess);
			app_wait(&app, ++seen);
			offset += app.done[seen - 1].bytes;
			if (app.done[seen - 1].status == kIOReturnSuccess)
				continue;
			ck_assert_int_eq(app.done[seen - 1].status, kUSBHostReturnPipeStalled);
			ck_assert_int_eq(clear_stall(&app, OUT), kIOReturnSuccess);
			stalls++;
		}
	}
	ck_assert_uint_ge(stalls, 12);
	state = app_device_state(&app, 4);
	ck_assert_uint_eq(state.out_bytes, total);
	ck_assert_uint_eq(state.hash, XXH3_64bits_digest(hash));
	XXH3_freeState(hash);
	app_close(&app);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

static void
stall_and_go_on(struct app *self, const struct completion *done)
{
	if (done->status == kUSBHostReturnPipeStalled)
		ck_assert_int_eq(clear_stall(self, OUT), kIOReturnSuccess);
}

/* The endpoint is cleared for the others at once; whose transfer failed decides about its own. */
START_TEST(a_stall_is_its_own_apps)
{
	struct app one, other;
	uint32_t failed = 0;

	stream_start(&harness, "sink:stall-every=10");
	app_open(&one, DEXT_BULKSTREAM_SHARED, 1, 4096);
	app_open(&other, DEXT_BULKSTREAM_SHARED, 1, 4096);
	one.on_done = stall_and_go_on;
	other.on_done = stall_and_go_on;
	for (uint32_t i = 0; i < 100; i++) {
		ck_assert_int_eq(app_send(&one, 0, 0, 4096, 0), kIOReturnSuccess);
		ck_assert_int_eq(app_send(&other, 0, 0, 4096, 0), kIOReturnSuccess);
		app_wait(&one, i + 1);
		app_wait(&other, i + 1);
		/* Never aborted because of the other. */
		ck_assert_int_ne(one.done[i].status, kIOReturnAborted);
		ck_assert_int_ne(other.done[i].status, kIOReturnAborted);
		failed += one.done[i].status == kUSBHostReturnPipeStalled;
		failed += other.done[i].status == kUSBHostReturnPipeStalled;
	}
	ck_assert_uint_ge(failed, 10);
	ck_assert_uint_eq(one.totals->direction[OUT].errors, failed);
	app_close(&one);
	app_close(&other);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(a_short_packet_ends_a_receive)
{
	uint64_t position = 0;
	unsigned shorts = 0;

	stream_start(&harness, "source:short-every=3");
	app_open(&app, DEXT_BULKSTREAM_SHARED, 9, 4096);
	for (uint32_t i = 0; i < 9; i++)
		ck_assert_int_eq(app_receive(&app, i, 4096), kIOReturnSuccess);
	app_wait(&app, 9);
	app_expect(&app, 0, 9, IN, kIOReturnSuccess);
	for (uint32_t i = 0; i < 9; i++) {
		const uint8_t *data = app_buffer(&app, i);

		shorts += app.done[i].bytes < 4096;
		for (uint32_t at = 0; at < app.done[i].bytes; at++)
			ck_assert_uint_eq(data[at], dext_virtual_pattern(position++));
	}
	ck_assert_uint_eq(shorts, 3);
	app_close(&app);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

static bool
is_gone(void *context)
{
	io_service_t service = IOServiceGetMatchingService(
		kIOMainPortDefault, IOServiceNameMatching(DEXT_BULKSTREAM_SERVICE));

	if (service == MACH_PORT_NULL)
		return true;
	IOObjectRelease(service);
	return false;
}

/* Every transfer is answered once, whatever was queued when the device went. */
START_TEST(unplugged_in_midstream)
{
	kern_return_t status;
	uint32_t failed = 0;

	stream_start(&harness, "sink:unplug-after=40960,latency=100000");
	app_open(&app, DEXT_BULKSTREAM_SHARED, 20, 4096);
	for (uint32_t i = 0; i < 20; i++)
		ck_assert_int_eq(app_send(&app, i, 0, 4096, 0), kIOReturnSuccess);
	app_wait(&app, 20);
	for (uint32_t i = 0; i < 20; i++) {
		ck_assert_uint_eq(app.done[i].sequence, i);
		if (app.done[i].status != kIOReturnSuccess) {
			ck_assert_msg(app.done[i].status == kIOReturnNoDevice ||
					      app.done[i].status == kIOReturnAborted,
				      "0x%08x", (unsigned)app.done[i].status);
			failed++;
		} else {
			ck_assert_uint_eq(failed, 0);
		}
	}
	ck_assert_uint_ge(failed, 10);
	status = app_send(&app, 0, 0, 1, 0);
	ck_assert_int_ne(status, kIOReturnSuccess);
	ck_assert(harness_until(is_gone, NULL));
	app_close(&app);
	harness_stop(&harness);
}
END_TEST

static bool
is_offline(void *context)
{
	kern_return_t status = app_send(&app, 0, 0, 1, 0);

	/* Until all are taken the connection is there. */
	ck_assert_int_ne(status, MACH_SEND_INVALID_DEST);
	return status == kIOReturnOffline;
}

static bool
is_over(void *context)
{
	return app_send(&app, 0, 0, 1, 0) == MACH_SEND_INVALID_DEST;
}

/* More transfers fail than the completion ring has room for, and the app looks only afterwards. */
START_TEST(unplugged_with_more_than_a_ring_queued)
{
	uint32_t accepted = 0, failed = 0;

	stream_start(&harness, "sink:unplug-after=64,latency=4000000");
	app_open(&app, DEXT_BULKSTREAM_SHARED, 4000, 64);
	while (accepted < 4000 && app_send(&app, accepted, 0, 64, 0) == kIOReturnSuccess)
		accepted++;
	ck_assert_uint_gt(accepted, 2048);
	ck_assert(harness_until(is_gone, NULL));
	ck_assert(harness_until(is_offline, NULL));
	ck_assert_uint_eq(app.done_count, 0);
	app_wait(&app, accepted);
	for (uint32_t i = 0; i < accepted; i++) {
		ck_assert_uint_eq(app.done[i].sequence, i);
		failed += app.done[i].status != kIOReturnSuccess;
	}
	ck_assert_uint_ge(failed, accepted - 1);
	ck_assert(harness_until(is_over, NULL));
	ck_assert_uint_eq(app.done_count, accepted);
	app_close(&app);
	harness_stop(&harness);
}
END_TEST

START_TEST(abort_ends_only_ones_own)
{
	struct app other;

	stream_start(&harness, "sink:nak=20480");
	app_open(&app, DEXT_BULKSTREAM_SHARED, 4, 65536);
	app_open(&other, DEXT_BULKSTREAM_SHARED, 2, 65536);
	ck_assert_int_eq(app_send(&app, 0, 0, 65536, 0), kIOReturnSuccess);
	ck_assert_int_eq(app_send(&other, 0, 0, 65536, 0), kIOReturnSuccess);
	ck_assert_int_eq(app_send(&app, 1, 0, 65536, 0), kIOReturnSuccess);
	ck_assert_int_eq(app_call(&app, DEXT_BULKSTREAM_ABORT, &(uint64_t){OUT}, 1),
			 kIOReturnSuccess);
	app_wait(&app, 2);
	app_expect(&app, 0, 2, OUT, kIOReturnAborted);
	ck_assert_uint_le(app.done[0].bytes, 20480);
	ck_assert_uint_eq(app.done[1].bytes, 0);
	app_dispatch(&other);
	ck_assert_uint_eq(other.done_count, 0);
	ck_assert_int_eq(app_send(&other, 0, 0, 1, 0), kIOReturnBusy); /* still underway */
	ck_assert_int_eq(app_send(&app, 0, 0, 1, 0), kIOReturnSuccess);
	app_close(&app);
	app_close(&other);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

/* A device that answers no request to endpoint 0: only who asked waits for it. */
START_TEST(a_hanging_request_delays_nobody_else)
{
	struct app other;

	stream_start(&harness, "sink:nak-control");
	app_open(&app, DEXT_BULKSTREAM_SHARED, 1, 4096);
	app_open(&other, DEXT_BULKSTREAM_SHARED, 1, 4096);
	ck_assert_int_eq(app_begin_control(&app, 0xc0, DEXT_VIRTUAL_REQUEST_STATE, 64, 0),
			 kIOReturnSuccess);
	ck_assert_int_eq(app_send(&app, 0, 0, 64, 0), kIOReturnBusy); /* the request has it */
	for (uint32_t i = 0; i < 4; i++) {
		ck_assert_int_eq(app_send(&other, 0, 0, 4096, 0), kIOReturnSuccess);
		app_wait(&other, i + 1);
	}
	app_expect(&other, 0, 4, OUT, kIOReturnSuccess);
	dext_notification_port_dispatch(app.control_port);
	ck_assert_uint_eq(app.controls, 0);
	app_wait_controls(&app, 1);
	ck_assert_int_eq(app.control_status, kIOReturnTimeout);
	ck_assert_uint_eq(app.control_bytes, 0);
	ck_assert_int_eq(app_send(&app, 0, 0, 64, 0), kIOReturnSuccess);
	app_wait(&app, 1);
	/* As many as one may have underway, and one more; who closes does not wait for them. */
	for (uint32_t i = 0; i < DEXT_BULKSTREAM_CONTROLS_MAX; i++)
		ck_assert_int_eq(app_begin_control(&app, 0x40, DEXT_VIRTUAL_REQUEST_RESET, 0, 0),
				 kIOReturnSuccess);
	ck_assert_int_eq(app_begin_control(&app, 0x40, DEXT_VIRTUAL_REQUEST_RESET, 0, 0),
			 kIOReturnNoResources);
	app_close(&app);
	app_close(&other);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

/* The same for the clearing of a halt, which the driver asks for by itself. */
START_TEST(a_hanging_clear_delays_only_its_endpoint)
{
	struct app other;

	stream_start(&harness, "loopback:stall-every=2,nak-control");
	app_open(&app, DEXT_BULKSTREAM_SHARED, 2, 4096);
	app_open(&other, DEXT_BULKSTREAM_SHARED, 1, 4096);
	for (uint32_t i = 0; i < 2; i++)
		ck_assert_int_eq(app_send(&app, i, 0, 1024, 0), kIOReturnSuccess);
	app_wait(&app, 2);
	app_expect(&app, 1, 1, OUT, kUSBHostReturnPipeStalled);
	ck_assert_int_eq(app_send(&other, 0, 0, 64, 0), kIOReturnSuccess);
	ck_assert_int_eq(app_receive(&app, 0, 1024), kIOReturnSuccess);
	app_wait(&app, 3);
	app_expect(&app, 2, 1, IN, kIOReturnSuccess);
	app_dispatch(&other);
	ck_assert_uint_eq(other.done_count, 0);
	/* The device never says that it has cleared it. */
	app_wait(&other, 1);
	app_expect(&other, 0, 1, OUT, kUSBHostReturnPipeStalled);
	app_close(&app);
	app_close(&other);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

static kern_return_t
start_receive(struct app *self, uint64_t count, uint64_t depth, uint64_t flags)
{
	return app_call(self, DEXT_BULKSTREAM_RECEIVE_START,
			(uint64_t[]){0, count, 4096, depth, flags}, 5);
}

/* Each byte in its place, whichever transfer brought it. */
START_TEST(a_continuous_receive_resumes)
{
	uint64_t position = 0;
	unsigned stalls = 0;

	stream_start(&harness, "source:stall-every=3");
	app_open(&app, DEXT_BULKSTREAM_SHARED, 8, 4096);
	ck_assert_int_eq(start_receive(&app, 8, 4, 2), kIOReturnBadArgument);
	ck_assert_int_eq(start_receive(&app, 8, 4, DEXT_BULKSTREAM_RESUME), kIOReturnSuccess);
	for (uint32_t i = 0; i < 100; i++) {
		const uint8_t *data;

		app_wait(&app, i + 1);
		ck_assert(app.done[i].status == kIOReturnSuccess ||
			  app.done[i].status == (IOReturn)kUSBHostReturnPipeStalled);
		stalls += app.done[i].status != kIOReturnSuccess;
		data = app_buffer(&app, app.done[i].buffer);
		for (uint32_t at = 0; at < app.done[i].bytes; at++)
			ck_assert(data[at] == dext_virtual_pattern(position++));
		ck_assert_int_eq(app_call(&app, DEXT_BULKSTREAM_GIVE_BACK,
					  &(uint64_t){app.done[i].buffer}, 1),
				 kIOReturnSuccess);
	}
	ck_assert_uint_ge(stalls, 10);
	ck_assert_int_eq(app_call(&app, DEXT_BULKSTREAM_RECEIVE_STOP, NULL, 0), kIOReturnSuccess);
	app_close(&app);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

/* Not asked to, or with an endpoint that cannot be cleared, it ends. */
START_TEST(a_continuous_receive_ends_at_a_stall)
{
	static const char *const specs[] = {"source:stall-every=2",
					    "source:stall-every=2,nak-control"};

	for (uint64_t flags = 0; flags < 2; flags++) {
		stream_start(&harness, specs[flags]);
		app_open(&app, DEXT_BULKSTREAM_SHARED, 8, 4096);
		ck_assert_int_eq(start_receive(&app, 8, 2, flags), kIOReturnSuccess);
		app_wait(&app, 3);
		app_expect(&app, 0, 1, IN, kIOReturnSuccess);
		app_expect(&app, 1, 1, IN, kUSBHostReturnPipeStalled);
		ck_assert_int_ne(app.done[2].status, kIOReturnSuccess);
		if (flags != 0)
			app_wait(&app, 4);
		ck_assert_int_eq(app_call(&app, DEXT_BULKSTREAM_RECEIVE_STOP, NULL, 0),
				 kIOReturnNotReady);
		ck_assert_int_eq(start_receive(&app, 8, 2, flags), kUSBHostReturnPipeStalled);
		app_close(&app);
		ck_assert_int_eq(harness_stop(&harness), 0);
	}
}
END_TEST

UNIT_MAIN("bulkstream_faults", a_stall_says_how_far_it_came, a_stream_survives_stalls,
	  a_stall_is_its_own_apps, a_short_packet_ends_a_receive, unplugged_in_midstream,
	  unplugged_with_more_than_a_ring_queued, abort_ends_only_ones_own,
	  a_hanging_request_delays_nobody_else, a_hanging_clear_delays_only_its_endpoint,
	  a_continuous_receive_resumes, a_continuous_receive_ends_at_a_stall)
