/* SPDX-License-Identifier: Apache-2.0 */
/* The ring of bulkstream: what only it has, and apps that do not keep to anything. */
#include "stream_app.h"
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>

#include <mach/mach.h>

#include "shared_ring.h"

#define OUT DEXT_BULKSTREAM_OUT
#define IN  DEXT_BULKSTREAM_IN

#define DEADLINE UINT64_C(60000000000)

static struct harness harness;
static struct app app;

/* The next completion, waiting for it. */
static struct dext_bulkstream_completion
take(struct app *self)
{
	struct dext_bulkstream_completion completion;
	uint32_t count;

	while (dext_ring_pop(self->ring, &completion, 1, &count) != kIOReturnSuccess)
		ck_assert_int_eq(dext_ring_wait(self->ring, DEXT_RING_ENTRIES, DEADLINE),
				 kIOReturnSuccess);
	return completion;
}

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
	completion = take(&app);
	ck_assert_int_eq((IOReturn)completion.status, status);
	ck_assert_uint_eq(completion.sequence, DEXT_BULKSTREAM_REFUSED);
	ck_assert_uint_eq(completion.direction, direction);
	ck_assert_uint_eq(completion.buffer, entry->buffer);
	ck_assert_uint_eq(completion.bytes, 0);
	ck_assert_uint_eq(completion.timestamp, 0);
}

/* An app that does everything right is served by the same driver. */
static void
expect_served(struct app *other, uint32_t times)
{
	for (uint32_t i = 0; i < times; i++) {
		uint32_t before = other->done_count;

		ck_assert_int_eq(app_send(other, 0, 0, 4096, 0), kIOReturnSuccess);
		app_wait(other, before + 1);
		app_expect(other, before, 1, OUT, kIOReturnSuccess);
	}
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
	ck_assert_uint_eq(take(&app).sequence, 0);
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
		completion = take(&app);
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
			struct dext_bulkstream_completion completion = take(&app);

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
			failed = take(&app).status;
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
			struct dext_bulkstream_completion completion = take(&app);

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

/* Submits and takes nothing: it stands still, others do not, and nothing is lost. */
START_TEST(an_app_that_takes_no_completions)
{
	static struct app other;
	const struct dext_bulkstream_submission wrong = {.operation = 99, .buffer = 7};
	struct dext_ring_info info;
	uint32_t accepted = 0, pushed;

	stream_start(&harness, "sink");
	app_open(&other, DEXT_BULKSTREAM_SHARED, 1, 4096);
	app_open(&app, DEXT_BULKSTREAM_SHARED, 4, 4096);
	app_use_ring(&app);
	dext_ring_get_info(app.ring, &info);
	/* The completions' ring, what waits in the driver, and the submissions' ring are full. */
	for (uint32_t i = 0; i < 4; i++)
		ck_assert_int_eq(app_push(&app, DEXT_BULKSTREAM_SEND, i, 4096), kIOReturnSuccess);
	for (;;) {
		if (dext_ring_push(app.ring, &wrong, 1, &pushed) == kIOReturnSuccess)
			accepted++;
		else if (app_call(&app, DEXT_BULKSTREAM_CLEAR_STALL, &(uint64_t){OUT}, 1) ==
			 kIOReturnBusy)
			break;
	}
	/* The call has had the driver look: it is full for good, now or after these. */
	while (dext_ring_push(app.ring, &wrong, 1, &pushed) == kIOReturnSuccess)
		accepted++;
	ck_assert_uint_ge(accepted, info.completions + info.submissions - 4);
	ck_assert_uint_le(accepted, info.completions + info.submissions + 4 + 64);
	expect_served(&other, 100);
	for (uint32_t sent = 0, refused = 0; sent < 4 || refused < accepted;) {
		struct dext_bulkstream_completion completion = take(&app);

		if (completion.sequence == DEXT_BULKSTREAM_REFUSED)
			refused++;
		else
			ck_assert_uint_eq(completion.sequence, sent++);
	}
	ck_assert_int_eq(app_push(&app, DEXT_BULKSTREAM_SEND, 0, 4096), kIOReturnSuccess);
	ck_assert_int_eq((IOReturn)take(&app).status, kIOReturnSuccess);
	ck_assert_int_eq(dext_ring_wait(app.ring, DEXT_RING_ENTRIES, 0), kIOReturnTimeout);
	app_close(&app);
	app_close(&other);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

/* The ring as memory, for who does not go through dext_ring. */
struct raw {
	struct shared_ring *ring;
	uint8_t *entries;
	uint32_t submissions; /* places */
	_Atomic bool stop;
	_Atomic uint64_t turns;
};

static void
map_raw(struct app *self, struct raw *ret_raw)
{
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;
	struct dext_ring_info info;

	dext_ring_get_info(self->ring, &info);
	ck_assert_int_eq(IOConnectMapMemory64(self->connect, DEXT_BULKSTREAM_MEMORY_RING,
					      mach_task_self(), &address, &size, kIOMapAnywhere),
			 kIOReturnSuccess);
	*ret_raw = (struct raw){
		.ring = (struct shared_ring *)(uintptr_t)address,
		.entries = (uint8_t *)(uintptr_t)address + sizeof(struct shared_ring),
		.submissions = info.submissions,
	};
}

static uint32_t
random_word(uint32_t *state)
{
	static const uint32_t likely[] = {0,  1,  2,   3,    4,	       63,
					  64, 65, 512, 4096, 1u << 31, UINT32_MAX};

	*state = *state * 1664525u + 1013904223u;
	return (*state >> 28) != 0 ? likely[(*state >> 8) % 12] : *state;
}

/* Head, tail and flags: backwards, far beyond, and anything else. */
static void *
scribble_positions(void *context)
{
	struct raw *raw = context;
	uint32_t state = 1;

	while (!atomic_load(&raw->stop)) {
		struct shared_ring_lane *lane = &raw->ring->lane[random_word(&state) % 2];

		atomic_store(&lane->tail.index, random_word(&state));
		atomic_store(&lane->head.index, random_word(&state));
		atomic_store(&lane->armed.number, random_word(&state));
		atomic_store(&lane->room.number, random_word(&state));
		atomic_store(&raw->ring->bell.count, random_word(&state));
		atomic_fetch_add(&raw->turns, 1);
	}
	return NULL;
}

/* Every word of every submission, while the driver reads them. */
static void *
scribble_entries(void *context)
{
	struct raw *raw = context;
	_Atomic uint32_t *words = (_Atomic uint32_t *)(void *)raw->entries;
	uint32_t state = 1;

	while (!atomic_load(&raw->stop)) {
		for (uint32_t i = 0; i < raw->submissions * 8; i++)
			atomic_store_explicit(&words[i], random_word(&state), memory_order_relaxed);
		atomic_fetch_add(&raw->turns, 1);
	}
	return NULL;
}

static bool
ended(void *context)
{
	const struct app *other = context;

	return other->totals->clients == 1 && other->totals->direction[OUT].queued == 0 &&
	       other->totals->direction[OUT].in_flight == 0;
}

#define TURNS 2000u

/* An app whose ring is scribbled on while it pushes, and another one beside it and after it. */
static void
scribble_beside(void *(*scribble)(void *context))
{
	static struct app other;
	pthread_t thread;
	struct raw raw;
	pid_t host;

	stream_start(&harness, "sink");
	app_open(&other, DEXT_BULKSTREAM_SHARED, 1, 4096);
	app_open(&app, DEXT_BULKSTREAM_SHARED, 16, 4096);
	host = harness_host_pid(DEXT_BULKSTREAM_SERVICE);
	app_use_ring(&app);
	map_raw(&app, &raw);
	ck_assert_int_eq(pthread_create(&thread, NULL, scribble, &raw), 0);
	for (uint32_t i = 0; i < 500 || atomic_load(&raw.turns) < TURNS; i++) {
		struct dext_bulkstream_completion completions[16];
		uint32_t count;

		app_push(&app, DEXT_BULKSTREAM_SEND, i % 16, 4096);
		app_call(&app, DEXT_BULKSTREAM_QUERY, NULL, 0);
		dext_ring_pop(app.ring, completions, 16, &count);
		if (i % 16 == 0)
			expect_served(&other, 1);
	}
	atomic_store(&raw.stop, true);
	pthread_join(thread, NULL);
	/* Its calls are served, too. */
	ck_assert_int_eq(app_call(&app, DEXT_BULKSTREAM_QUERY, NULL, 0), kIOReturnSuccess);
	app_close(&app);
	ck_assert(harness_until(ended, &other));
	expect_served(&other, 10);
	/* And a new ring is a good one. */
	app_open(&app, DEXT_BULKSTREAM_SHARED, 1, 4096);
	app_use_ring(&app);
	expect_served(&app, 10);
	app_close(&app);
	ck_assert_int_eq(harness_host_pid(DEXT_BULKSTREAM_SERVICE), host);
	app_close(&other);
	ck_assert_int_eq(harness_stop(&harness), 0);
}

START_TEST(positions_are_scribbled_on)
{
	scribble_beside(scribble_positions);
}
END_TEST

START_TEST(entries_change_while_they_are_read)
{
	scribble_beside(scribble_entries);
}
END_TEST

/* Once, and not again: the positions of an honest app do not move so. */
START_TEST(positions_that_cannot_be)
{
	static const struct {
		unsigned lane;
		bool tail;
		uint32_t to;
	} moves[] = {
		{SHARED_RING_SUBMISSION, true, UINT32_MAX}, /* backwards */
		{SHARED_RING_SUBMISSION, true, 1u << 31},
		{SHARED_RING_SUBMISSION, true, 10 + 65}, /* one more than there is room for */
		{SHARED_RING_COMPLETION, false, UINT32_MAX},
		{SHARED_RING_COMPLETION, false, 11}, /* more than was pushed */
	};
	static struct app other;

	stream_start(&harness, "sink");
	app_open(&other, DEXT_BULKSTREAM_SHARED, 1, 4096);
	for (unsigned i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		struct shared_ring_lane *lane;
		struct raw raw;

		app_open(&app, DEXT_BULKSTREAM_SHARED, 16, 4096);
		app_use_ring(&app);
		map_raw(&app, &raw);
		for (uint32_t n = 0; n < 10; n++) {
			ck_assert_int_eq(app_push(&app, DEXT_BULKSTREAM_SEND, n, 64),
					 kIOReturnSuccess);
			ck_assert_int_eq((IOReturn)take(&app).status, kIOReturnSuccess);
		}
		lane = &raw.ring->lane[moves[i].lane];
		atomic_store(moves[i].tail ? &lane->tail.index : &lane->head.index, moves[i].to);
		/* The call has the driver look; a submission has it answer. */
		ck_assert_int_eq(app_call(&app, DEXT_BULKSTREAM_QUERY, NULL, 0), kIOReturnSuccess);
		if (!moves[i].tail) {
			app_push(&app, DEXT_BULKSTREAM_SEND, 0, 64);
			ck_assert_int_eq(app_call(&app, DEXT_BULKSTREAM_QUERY, NULL, 0),
					 kIOReturnSuccess);
		}
		harness_wait_log(&harness, "a ring is spoiled");
		expect_served(&other, 1);
		app_close(&app);
		ck_assert(harness_until(ended, &other));
	}
	app_close(&other);
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
	  an_app_that_takes_no_completions, positions_are_scribbled_on,
	  entries_change_while_they_are_read, positions_that_cannot_be, the_device_goes)
