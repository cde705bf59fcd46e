/* SPDX-License-Identifier: Apache-2.0 */
/* The bulkstream driver and one app: every selector of bulkstream.h, sizes, order, memory. */
#include "stream_app.h"
#include "unit.h"

#include <inttypes.h>
#include <stdio.h>

#include <xxhash.h>

#include <mach/mach.h>

static struct harness harness;
static struct app app;

START_TEST(configure_is_checked)
{
	stream_start(&harness, "sink");
	app_connect(&app, DEXT_BULKSTREAM_SHARED);
	ck_assert_int_eq(app_send(&app, 0, 0, 0, 0), kIOReturnNotReady);
	ck_assert_int_eq(app_call(&app, DEXT_BULKSTREAM_QUERY, NULL, 0), kIOReturnNotReady);
	ck_assert_int_eq(app_configure(&app, 7, 0, 1, 0, 1, 64), kIOReturnNotFound);
	ck_assert_int_eq(app_configure(&app, 0, 9, 1, 0, 1, 64), kIOReturnNotFound);
	ck_assert_int_eq(app_configure(&app, 0, 256, 1, 0, 1, 64), kIOReturnNotFound);
	ck_assert_int_eq(app_configure(&app, 0, 0, 0x05, 0, 1, 64), kIOReturnNotFound);
	ck_assert_int_eq(app_configure(&app, 0, 0, 0, 0x01, 1, 64), kIOReturnBadArgument);
	ck_assert_int_eq(app_configure(&app, 0, 0, 0, 0, 1, 64), kIOReturnBadArgument);
	ck_assert_int_eq(app_configure(&app, 0, 0, 1, 0, 0, 64), kIOReturnBadArgument);
	ck_assert_int_eq(app_configure(&app, 0, 0, 1, 0, 4097, 64), kIOReturnBadArgument);
	ck_assert_int_eq(app_configure(&app, 0, 0, 1, 0, 1, 0), kIOReturnBadArgument);
	ck_assert_int_eq(app_configure(&app, 0, 0, 1, 0, 1, DEXT_BULKSTREAM_SIZE_MAX + 1),
			 kIOReturnBadArgument);
	ck_assert_int_eq(app_configure(&app, 0, 0, 1, 0, 17, DEXT_BULKSTREAM_SIZE_MAX),
			 kIOReturnNoResources);
	ck_assert_int_eq(app_configure(&app, 0, 1, DEXT_VIRTUAL_ENDPOINT_OUT, 0, 2, 64),
			 kIOReturnSuccess);
	ck_assert_uint_eq(app.packet[DEXT_BULKSTREAM_OUT], 512);
	ck_assert_uint_eq(app.packet[DEXT_BULKSTREAM_IN], 0);
	ck_assert_int_eq(app_configure(&app, 0, 0, 1, 0, 1, 64), kIOReturnBusy);
	ck_assert_int_eq(app_receive(&app, 0, 512), kIOReturnNotReady);
	ck_assert_int_eq(app_send(&app, 2, 0, 1, 0), kIOReturnBadArgument);
	ck_assert_int_eq(app_send(&app, 0, 0, 65, 0), kIOReturnBadArgument);
	ck_assert_int_eq(app_send(&app, 0, 64, 1, 0), kIOReturnBadArgument);
	ck_assert_int_eq(app_send(&app, 0, UINT64_MAX, 2, 0), kIOReturnBadArgument);
	ck_assert_int_eq(app_send(&app, 0, 0, 1, 2), kIOReturnBadArgument);
	ck_assert_int_eq(app_call(&app, 99, NULL, 0), kIOReturnUnsupported);
	ck_assert_int_eq(app_call(&app, DEXT_BULKSTREAM_SEND, NULL, 0), kIOReturnBadArgument);
	app_close(&app);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

static const uint32_t sizes[] = {1,    128,  511,   512,     513,	   4095,
				 4096, 4097, 65536, 1 << 20, (1 << 20) + 1};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

START_TEST(every_size_arrives)
{
	XXH3_state_t *hash = XXH3_createState();
	uint64_t total = 0;
	struct dext_virtual_state state;

	stream_start(&harness, "sink");
	app_open(&app, DEXT_BULKSTREAM_SHARED, SIZES + 1, (1 << 20) + 1);
	XXH3_64bits_reset(hash);
	for (uint32_t i = 0; i < SIZES; i++) {
		app_fill(&app, i, sizes[i], i);
		XXH3_64bits_update(hash, app_buffer(&app, i), sizes[i]);
		total += sizes[i];
		ck_assert_int_eq(app_send(&app, i, 0, sizes[i], 0), kIOReturnSuccess);
	}
	app_wait(&app, SIZES);
	app_expect(&app, 0, SIZES, DEXT_BULKSTREAM_OUT, kIOReturnSuccess);
	for (uint32_t i = 0; i < SIZES; i++) {
		ck_assert_uint_eq(app.done[i].buffer, i);
		ck_assert_uint_eq(app.done[i].bytes, sizes[i]);
		ck_assert_uint_eq(app.done[i].sequence, i);
	}
	state = app_device_state(&app, SIZES);
	ck_assert_uint_eq(state.out_bytes, total);
	ck_assert_uint_eq(state.out_transfers, SIZES);
	ck_assert_uint_eq(state.hash, XXH3_64bits_digest(hash));
	ck_assert_uint_eq(app.statistics->direction[DEXT_BULKSTREAM_OUT].bytes, total);
	ck_assert_uint_eq(app.statistics->direction[DEXT_BULKSTREAM_OUT].transfers, SIZES);
	ck_assert_uint_eq(app.statistics->copied, 0);
	ck_assert_uint_eq(app.totals->copied, 0);
	XXH3_freeState(hash);
	app_close(&app);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(offsets_and_zero_length)
{
	struct dext_virtual_state state;

	stream_start(&harness, "sink");
	app_open(&app, DEXT_BULKSTREAM_SHARED, 5, 8192);
	for (uint32_t i = 0; i < 4; i++)
		app_fill(&app, i, 8192, 7);
	ck_assert_int_eq(app_send(&app, 0, 0, 100, 0), kIOReturnSuccess);
	ck_assert_int_eq(app_send(&app, 1, 100, 4000, 0), kIOReturnSuccess);
	ck_assert_int_eq(app_send(&app, 2, 8192, 0, 0), kIOReturnSuccess);
	ck_assert_int_eq(app_send(&app, 3, 4100, 4092, DEXT_BULKSTREAM_ZLP), kIOReturnSuccess);
	app_wait(&app, 4);
	app_expect(&app, 0, 4, DEXT_BULKSTREAM_OUT, kIOReturnSuccess);
	state = app_device_state(&app, 4);
	ck_assert_uint_eq(state.out_bytes, 8192);
	ck_assert_uint_eq(state.hash, XXH3_64bits(app_buffer(&app, 0), 8192));
	app_close(&app);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(one_buffer_of_129_mib)
{
	const uint32_t size = 129 << 20;
	struct dext_virtual_state state;
	uint64_t hash;

	stream_start(&harness, "sink");
	app_open(&app, DEXT_BULKSTREAM_SHARED, 1, size);
	app_fill(&app, 0, size, 1);
	hash = XXH3_64bits(app_buffer(&app, 0), size);
	ck_assert_int_eq(app_send(&app, 0, 0, size, 0), kIOReturnSuccess);
	app_wait(&app, 1);
	ck_assert_int_eq(app.done[0].status, kIOReturnSuccess);
	ck_assert_uint_eq(app.done[0].bytes, size);
	state = app_device_state(&app, 0);
	ck_assert_uint_eq(state.out_bytes, size);
	ck_assert_uint_eq(state.hash, hash);
	app_close(&app);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(buffers_4096)
{
	XXH3_state_t *hash = XXH3_createState();
	struct dext_virtual_state state;

	stream_start(&harness, "sink");
	app_open(&app, DEXT_BULKSTREAM_SHARED, DEXT_BULKSTREAM_BUFFERS_MAX, 4096);
	XXH3_64bits_reset(hash);
	for (uint32_t i = 0; i < app.count; i++) {
		app_fill(&app, i, 100, i);
		XXH3_64bits_update(hash, app_buffer(&app, i), 100);
	}
	ck_assert_uint_eq(app.statistics->buffers, DEXT_BULKSTREAM_BUFFERS_MAX);
	for (uint32_t i = 0; i < app.count; i++)
		ck_assert_int_eq(app_send(&app, i, 0, 100, 0), kIOReturnSuccess);
	app_wait(&app, app.count);
	app_expect(&app, 0, app.count, DEXT_BULKSTREAM_OUT, kIOReturnSuccess);
	state = app_device_state(&app, 0);
	ck_assert_uint_eq(state.out_bytes, 409600);
	ck_assert_uint_eq(state.hash, XXH3_64bits_digest(hash));
	XXH3_freeState(hash);
	app_close(&app);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(a_buffer_in_flight_is_busy)
{
	uint64_t bytes = 0;

	stream_start(&harness, "sink:nak");
	app_open(&app, DEXT_BULKSTREAM_SHARED, 12, 4096);
	for (uint32_t i = 0; i < 10; i++)
		ck_assert_int_eq(app_send(&app, i, 0, 4096, 0), kIOReturnSuccess);
	for (uint32_t i = 0; i < 10; i++) {
		ck_assert_int_eq(app_send(&app, i, 0, 1, 0), kIOReturnBusy);
		ck_assert_int_eq(app_control(&app, 0xc0, DEXT_VIRTUAL_REQUEST_STATE, 64, i, &bytes),
				 kIOReturnBusy);
	}
	ck_assert_uint_eq(app.statistics->direction[DEXT_BULKSTREAM_OUT].in_flight,
			  DEXT_BULKSTREAM_IN_FLIGHT);
	ck_assert_uint_eq(app.statistics->direction[DEXT_BULKSTREAM_OUT].queued, 2);
	ck_assert_int_eq(app_call(&app, DEXT_BULKSTREAM_ABORT, &(uint64_t){DEXT_BULKSTREAM_OUT}, 1),
			 kIOReturnSuccess);
	app_wait(&app, 10);
	app_expect(&app, 0, 10, DEXT_BULKSTREAM_OUT, kIOReturnAborted);
	ck_assert_uint_eq(app.statistics->direction[DEXT_BULKSTREAM_OUT].aborted, 10);
	ck_assert_uint_eq(app.statistics->direction[DEXT_BULKSTREAM_OUT].in_flight, 0);
	ck_assert_uint_eq(app.statistics->direction[DEXT_BULKSTREAM_OUT].queued, 0);
	ck_assert_int_eq(app_send(&app, 0, 0, 1, 0), kIOReturnSuccess);
	app_close(&app); /* with one underway that would never end by itself */
	app_open(&app, DEXT_BULKSTREAM_EXCLUSIVE, 1, 64);
	app_close(&app);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(receives_the_pattern)
{
	uint64_t position = 0;

	stream_start(&harness, "source:speed=super");
	app_open(&app, DEXT_BULKSTREAM_SHARED, 4, 65536 + 100);
	ck_assert_uint_eq(app.packet[DEXT_BULKSTREAM_IN], 1024);
	ck_assert_int_eq(app_receive(&app, 0, 1000), kIOReturnNotAligned);
	ck_assert_int_eq(app_receive(&app, 0, 1), kIOReturnNotAligned);
	ck_assert_int_eq(app_receive(&app, 0, 0), kIOReturnBadArgument);
	ck_assert_int_eq(app_receive(&app, 0, 66560), kIOReturnBadArgument);
	ck_assert_int_eq(app_receive(&app, 4, 1024), kIOReturnBadArgument);
	ck_assert_int_eq(app_send(&app, 0, 0, 1, 0), kIOReturnNotReady);
	for (uint32_t i = 0; i < 4; i++)
		ck_assert_int_eq(app_receive(&app, i, (i + 1) * 1024), kIOReturnSuccess);
	app_wait(&app, 4);
	app_expect(&app, 0, 4, DEXT_BULKSTREAM_IN, kIOReturnSuccess);
	for (uint32_t i = 0; i < 4; i++) {
		const uint8_t *data = app_buffer(&app, i);

		ck_assert_uint_eq(app.done[i].bytes, (i + 1) * 1024);
		for (uint32_t at = 0; at < app.done[i].bytes; at++)
			ck_assert_uint_eq(data[at], dext_virtual_pattern(position++));
	}
	app_close(&app);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(zero_length_packet_ends_a_receive)
{
	stream_start(&harness, "loopback");
	app_open(&app, DEXT_BULKSTREAM_SHARED, 4, 4096);
	app_fill(&app, 0, 1024, 3);
	app_fill(&app, 1, 1024, 4);
	ck_assert_int_eq(app_receive(&app, 2, 4096), kIOReturnSuccess);
	ck_assert_int_eq(app_receive(&app, 3, 2048), kIOReturnSuccess);
	/* Without it the first receive would take both. */
	ck_assert_int_eq(app_send(&app, 0, 0, 1024, DEXT_BULKSTREAM_ZLP), kIOReturnSuccess);
	ck_assert_int_eq(app_send(&app, 1, 0, 1000, DEXT_BULKSTREAM_ZLP), kIOReturnSuccess);
	app_wait(&app, 4);
	for (uint32_t i = 0; i < 4; i++) {
		const struct completion *done = &app.done[i];

		ck_assert_int_eq(done->status, kIOReturnSuccess);
		if (done->direction == DEXT_BULKSTREAM_IN)
			ck_assert_uint_eq(done->bytes, done->buffer == 2 ? 1024 : 1000);
	}
	ck_assert_mem_eq(app_buffer(&app, 2), app_buffer(&app, 0), 1024);
	ck_assert_mem_eq(app_buffer(&app, 3), app_buffer(&app, 1), 1000);
	app_close(&app);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

static void
give_back(struct app *self, const struct completion *done)
{
	uint64_t *position = self->context;
	const uint8_t *data = app_buffer(self, done->buffer);

	for (uint32_t at = 0; at < done->bytes; at++)
		ck_assert_uint_eq(data[at], dext_virtual_pattern((*position)++));
	if (self->done_count < 200)
		ck_assert_int_eq(
			app_call(self, DEXT_BULKSTREAM_GIVE_BACK, &(uint64_t){done->buffer}, 1),
			kIOReturnSuccess);
}

static bool
has_overrun(void *context)
{
	app_dispatch(context);
	return ((struct app *)context)->statistics->overruns != 0;
}

START_TEST(continuous_receive)
{
	uint64_t position = 0, in = DEXT_BULKSTREAM_IN;

	stream_start(&harness, "source");
	app_open(&app, DEXT_BULKSTREAM_SHARED, 9, 4096);
	for (uint32_t i = 0; i < 9; i++)
		app_buffer(&app, i);
	app.context = &position;
	ck_assert_int_eq(
		app_call(&app, DEXT_BULKSTREAM_RECEIVE_START, (uint64_t[]){1, 8, 1000, 4}, 4),
		kIOReturnNotAligned);
	ck_assert_int_eq(
		app_call(&app, DEXT_BULKSTREAM_RECEIVE_START, (uint64_t[]){1, 9, 1024, 4}, 4),
		kIOReturnBadArgument);
	ck_assert_int_eq(
		app_call(&app, DEXT_BULKSTREAM_RECEIVE_START, (uint64_t[]){1, 8, 1024, 9}, 4),
		kIOReturnBadArgument);
	ck_assert_int_eq(app_call(&app, DEXT_BULKSTREAM_RECEIVE_STOP, NULL, 0), kIOReturnNotReady);
	ck_assert_int_eq(
		app_call(&app, DEXT_BULKSTREAM_RECEIVE_START, (uint64_t[]){1, 8, 1024, 4}, 4),
		kIOReturnSuccess);
	ck_assert_int_eq(
		app_call(&app, DEXT_BULKSTREAM_RECEIVE_START, (uint64_t[]){1, 8, 1024, 4}, 4),
		kIOReturnBusy);
	ck_assert_int_eq(app_receive(&app, 0, 1024), kIOReturnBusy);
	/* Nothing is given back: all eight are lent, the device waits, that is one overrun. */
	ck_assert(harness_until(has_overrun, &app));
	app_wait(&app, 8);
	ck_assert_uint_eq(app.done_count, 8);
	ck_assert_uint_eq(app.statistics->overruns, 1);
	ck_assert_int_eq(app_call(&app, DEXT_BULKSTREAM_GIVE_BACK, &(uint64_t){0}, 1),
			 kIOReturnBadArgument);
	/* Read what came, in order, then give back and go on from within the callback. */
	for (uint32_t i = 0; i < 8; i++)
		give_back(&app, &app.done[i]);
	app.on_done = give_back;
	app_wait(&app, 200);
	app.on_done = NULL;
	ck_assert_uint_ge(position, 200 * 1024);
	ck_assert_int_eq(app_call(&app, DEXT_BULKSTREAM_ABORT, &in, 1), kIOReturnSuccess);
	app_wait(&app, 201);
	ck_assert_uint_eq(app.statistics->direction[in].errors, 0);
	ck_assert_uint_eq(app.totals->overruns, app.statistics->overruns);
	app_close(&app);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(control_requests_of_the_list_only)
{
	uint64_t bytes = 0;

	stream_start(&harness, "sink");
	app_open(&app, DEXT_BULKSTREAM_SHARED, 2, 4096);
	app_fill(&app, 0, 1000, 1);
	ck_assert_int_eq(app_send(&app, 0, 0, 1000, 0), kIOReturnSuccess);
	app_wait(&app, 1);
	ck_assert_uint_eq(app_device_state(&app, 1).out_bytes, 1000);
	ck_assert_int_eq(app_control(&app, 0x40, DEXT_VIRTUAL_REQUEST_RESET, 0, 77, &bytes),
			 kIOReturnSuccess);
	ck_assert_uint_eq(bytes, 0);
	ck_assert_uint_eq(app_device_state(&app, 1).out_bytes, 0);
	ck_assert_uint_eq(app.statistics->controls, 3);
	/* Another request, another type, a longer data stage, SET_CONFIGURATION. */
	ck_assert_int_eq(app_control(&app, 0xc0, 9, 64, 1, &bytes), kIOReturnNotPermitted);
	ck_assert_int_eq(app_control(&app, 0xc1, DEXT_VIRTUAL_REQUEST_STATE, 64, 1, &bytes),
			 kIOReturnNotPermitted);
	ck_assert_int_eq(app_control(&app, 0xc0, DEXT_VIRTUAL_REQUEST_STATE, 65, 1, &bytes),
			 kIOReturnNotPermitted);
	ck_assert_int_eq(app_control(&app, 0x00, 9, 0, 1, &bytes), kIOReturnNotPermitted);
	ck_assert_int_eq(app_control(&app, 0xc0, DEXT_VIRTUAL_REQUEST_STATE, 64, 2, &bytes),
			 kIOReturnBadArgument);
	app_close(&app);
	harness_wait_log(&harness, "BulkStreamRequests");
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

static void
write_statistics(void *context)
{
	*(volatile uint64_t *)context = 1;
}

START_TEST(statistics_are_read_only)
{
	struct dext_bulkstream_statistics *memory;

	stream_start(&harness, "sink");
	app_open(&app, DEXT_BULKSTREAM_SHARED, 1, 4096);
	memory = (struct dext_bulkstream_statistics *)(uintptr_t)app.statistics;
	ck_assert_uint_eq(memory->size, sizeof(*memory));
	ck_assert(unit_killed_by(unit_child(write_statistics, &memory->copied, NULL, 0), SIGSEGV));
	memory = (struct dext_bulkstream_statistics *)(uintptr_t)app.totals;
	ck_assert_uint_eq(memory->clients, 1);
	ck_assert(unit_killed_by(unit_child(write_statistics, &memory->copied, NULL, 0), SIGSEGV));
	app_close(&app);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

/* The inode of the file that is mapped at an address of this process. */
static uint64_t
mapped_inode(const void *address)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	uint64_t from, to, inode, found = 0;
	char line[512];

	ck_assert_ptr_nonnull(maps);
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*s %*s %" SCNu64, &from, &to,
			   &inode) == 3 &&
		    (uintptr_t)address >= from && (uintptr_t)address < to)
			found = inode;
	}
	fclose(maps);
	return found;
}

START_TEST(the_device_reads_the_mapped_pages)
{
	struct dext_virtual_state state[2];

	stream_start(&harness, "sink");
	app_open(&app, DEXT_BULKSTREAM_SHARED, 3, 1 << 20);
	for (uint32_t i = 0; i < 2; i++) {
		app_fill(&app, i, 1 << 20, i);
		ck_assert_int_eq(app_send(&app, i, 4096 * i, 4096, 0), kIOReturnSuccess);
		app_wait(&app, i + 1);
		state[i] = app_device_state(&app, 2);
		ck_assert_uint_ne(state[i].last_inode, 0);
		ck_assert_uint_eq(state[i].last_inode, mapped_inode(app_buffer(&app, i)));
		ck_assert_uint_eq(state[i].last_address % 4096, 0);
	}
	ck_assert_uint_ne(state[0].last_inode, state[1].last_inode);
	ck_assert_uint_eq(app.totals->copied, 0);
	app_close(&app);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

UNIT_MAIN("bulkstream", configure_is_checked, every_size_arrives, offsets_and_zero_length,
	  one_buffer_of_129_mib, buffers_4096, a_buffer_in_flight_is_busy, receives_the_pattern,
	  zero_length_packet_ends_a_receive, continuous_receive, control_requests_of_the_list_only,
	  statistics_are_read_only, the_device_reads_the_mapped_pages)
