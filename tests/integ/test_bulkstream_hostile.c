/* SPDX-License-Identifier: Apache-2.0 */
/* The ring of bulkstream and apps that do not keep to anything, beside one that does. */
#include "stream_app.h"
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>

#include <mach/mach.h>

#include "shared_ring.h"

#define OUT DEXT_BULKSTREAM_OUT

static struct harness harness;
static struct app app;

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
	app_expect_served(&other, 100);
	for (uint32_t sent = 0, refused = 0; sent < 4 || refused < accepted;) {
		struct dext_bulkstream_completion completion = app_take(&app);

		if (completion.sequence == DEXT_BULKSTREAM_REFUSED)
			refused++;
		else
			ck_assert_uint_eq(completion.sequence, sent++);
	}
	ck_assert_int_eq(app_push(&app, DEXT_BULKSTREAM_SEND, 0, 4096), kIOReturnSuccess);
	ck_assert_int_eq((IOReturn)app_take(&app).status, kIOReturnSuccess);
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
			app_expect_served(&other, 1);
	}
	atomic_store(&raw.stop, true);
	pthread_join(thread, NULL);
	/* Its calls are served, too. */
	ck_assert_int_eq(app_call(&app, DEXT_BULKSTREAM_QUERY, NULL, 0), kIOReturnSuccess);
	app_close(&app);
	ck_assert(harness_until(ended, &other));
	app_expect_served(&other, 10);
	/* And a new ring is a good one. */
	app_open(&app, DEXT_BULKSTREAM_SHARED, 1, 4096);
	app_use_ring(&app);
	app_expect_served(&app, 10);
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
			ck_assert_int_eq((IOReturn)app_take(&app).status, kIOReturnSuccess);
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
		app_expect_served(&other, 1);
		app_close(&app);
		ck_assert(harness_until(ended, &other));
	}
	app_close(&other);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

UNIT_MAIN("bulkstream_hostile", an_app_that_takes_no_completions, positions_are_scribbled_on,
	  entries_change_while_they_are_read, positions_that_cannot_be)
