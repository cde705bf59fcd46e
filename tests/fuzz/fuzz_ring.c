/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver's rings (DextRingDispatchSource) against a hostile app, and the engine below them from
 * both of its sides: the input is a row of words that the other side writes, and of what this side
 * does in between. Its first byte says whether the same words are scribbled over (scribbler.h).
 * One thread is the app, the driver and the loop that calls the handler (still_loop.h).
 *
 * Whatever the words say, no entry is read or written outside of the ring, no more are given out
 * than there is room for, and the handler comes to an end.
 */
#include "scribbler.h"
#include "still_loop.h"

#define TESTS_UNIT_UNIT_H /* no cases here */
#include <check.h>

#include "../unit/source_scene.h"

#include "descriptor.h"
#include "mapped_source.h"
#include "shared_ring.h"

#include <DriverKit/DextRingDispatchSource.h>

#define ENTRY	  16u
#define ROOM	  64u
#define GUARD	  UINT64_C(0x6775617264)
#define CAPACITY  8u
#define STEPS_MAX 64u

static const struct shared_ring_shape shape = {ENTRY, {CAPACITY, CAPACITY}};

static struct source_scene scene;
static DextRingDispatchSource *source;
static struct shared_ring *ring;

/* The engine, on rings of its own in memory of exactly their length. */
static struct {
	struct shared_ring *memory;
	struct shared_ring_producer producer;
	struct shared_ring_consumer consumer;
} own;

static struct {
	struct fuzz fuzz;
	unsigned steps;
	unsigned answered; /* the step in which the handler had another entry */
	bool within;	   /* a step: it sleeps */
} input;

/* Entries, and what no pop may touch behind them. */
struct room {
	uint8_t entries[ROOM * ENTRY];
	uint64_t guard;
};

static void
write_ring_word(uint64_t random)
{
	struct shared_ring *at = random & 32 ? own.memory : ring;
	struct shared_ring_lane *lane = &at->lane[random & 1];
	uint64_t value = random >> 8;

	/* Small numbers are the ones that nearly make sense. */
	if (random & 2)
		value &= 15;
	switch (random >> 2 & 7) {
	case 0:
	case 1:
		atomic_store(&lane->tail.index, (uint32_t)value);
		break;
	case 2:
	case 3:
		atomic_store(&lane->head.index, (uint32_t)value);
		break;
	case 4:
		if (random & 128)
			atomic_store(&lane->armed.fences, (uint32_t)value);
		else
			atomic_store(&lane->armed.number, value);
		break;
	case 5:
		if (random & 128)
			atomic_store(&lane->room.reached, (uint32_t)value);
		else
			atomic_store(&lane->room.number, value);
		break;
	case 6:
		if (random & 128)
			atomic_store(&lane->armed.fences, (uint32_t)value & 1);
		else if (random & 64)
			atomic_store(&lane->room.reached, (uint32_t)value & 1);
		else
			atomic_store(&at->bell.count, (uint32_t)value);
		break;
	default: /* by one: what a pop and a push may believe */
		atomic_fetch_add(random & 64 ? &lane->tail.index : &lane->head.index, 1);
		break;
	}
}

/* On the driver's queue. */
static void
on_ready(OSObject *target, OSAction *action)
{
	struct room room = {.guard = GUARD};
	uint32_t count = 0, all = 0;

	while (DextRingDispatchSource_Pop(source, room.entries, 3, &count) == kIOReturnSuccess) {
		FUZZ_CHECK(count > 0 && count <= 3 && room.guard == GUARD);
		all += count;
		DextRingDispatchSource_Push(source, room.entries, count, &count);
		FUZZ_CHECK(count <= 3);
	}
	/* One turn is as much as the ring has room for, however fast the app is. */
	FUZZ_CHECK(count == 0 && all <= CAPACITY);
	/* The app has another one before the driver has come back, though not for ever. */
	if (input.steps % 4 == 3 && input.steps != input.answered) {
		input.answered = input.steps;
		atomic_fetch_add(&ring->lane[SHARED_RING_SUBMISSION].tail.index, 1);
	}
}

/* A new one for each input, so that it starts where its words say. */
static void
make_source(void)
{
	IOMemoryDescriptor *memory = NULL;
	OSAction *action = NULL;

	FUZZ_CHECK(DextRingDispatchSource_Create(ENTRY, CAPACITY, CAPACITY, scene.queue, &source) ==
		   kIOReturnSuccess);
	FUZZ_CHECK(DextRingDispatchSource_CopyMemory(source, &memory) == kIOReturnSuccess);
	ring = memory_address(memory);
	OSRelease(memory);
	FUZZ_CHECK(DextRingDispatchSource_CreateActionReady((OSObject *)scene.target, on_ready, 0,
							    &action) == kIOReturnSuccess);
	FUZZ_CHECK(DextRingDispatchSource_SetReadyHandler(source, action) == kIOReturnSuccess);
	OSRelease(action);
}

static void
end_source(void)
{
	source_scene_settle(&scene);
	IODispatchSource_Cancel_f((IODispatchSource *)source, NULL, NULL);
	source_scene_settle(&scene);
	OSSafeReleaseNULL(source);
}

static void
make_own(void)
{
	uint64_t length = shared_ring_length(&shape);
	uint32_t flags = shared_ring_to_flags(&shape);
	struct shared_ring_shape again;

	FUZZ_CHECK(shared_ring_from_flags(flags, &again) && again.entry_size == ENTRY);
	FUZZ_CHECK(posix_memalign((void **)&own.memory, 4096, length) == 0);
	memset(own.memory, 0, length);
	shared_ring_init(own.memory, &shape);
}

static void
engine_step(struct fuzz *fuzz, uint8_t what)
{
	struct room room = {.guard = GUARD};
	uint32_t wanted = fuzz_u8(fuzz) % (ROOM + 1), moved = 0;
	bool tell = false;
	IOReturn status;

	switch (what >> 3 & 7) {
	case 0:
	case 1:
		status = shared_ring_push(&own.producer, room.entries, wanted, &moved, &tell);
		FUZZ_CHECK(moved <= CAPACITY && moved <= wanted);
		FUZZ_CHECK((moved > 0) <= (status == kIOReturnSuccess));
		break;
	case 2:
	case 3:
		status = shared_ring_pop(&own.consumer, room.entries, wanted, &moved, &tell);
		FUZZ_CHECK(moved <= CAPACITY && moved <= wanted && room.guard == GUARD);
		FUZZ_CHECK((moved > 0) == (status == kIOReturnSuccess));
		break;
	case 4:
		/* As if 1024 entries had come since it last asked. */
		if (wanted & 1)
			shared_ring_take_fences(&own.consumer, own.consumer.wish + 1024);
		shared_ring_await_entries(&own.consumer,
					  shared_ring_empty_at(&own.consumer) + (wanted >> 1));
		shared_ring_has_entries(&own.consumer);
		shared_ring_take_fences(&own.consumer, wanted << 8);
		break;
	case 5:
		shared_ring_await_room(&own.producer,
				       shared_ring_full_at(&own.producer) + (wanted >> 1));
		shared_ring_has_room(&own.producer);
		shared_ring_is_left(&own.producer);
		break;
	case 6:
		shared_ring_ring_bell(own.memory);
		shared_ring_sleep(own.memory, shared_ring_bell(own.memory), wanted);
		break;
	default: /* anew: as the memory says */
		shared_ring_produce(&own.producer, own.memory, &shape, what & 1);
		shared_ring_consume(&own.consumer, own.memory, &shape, what & 1);
		break;
	}
}

static void
step(struct fuzz *fuzz)
{
	static uint8_t entries[ROOM * ENTRY];
	uint8_t what = fuzz_u8(fuzz);
	uint32_t pushed = 0;

	switch (what & 7) {
	case 0:
	case 1:
		write_ring_word(fuzz_u64(fuzz));
		break;
	case 2: /* the app has rung */
		mapped_source_look((IODispatchSource *)source, false);
		break;
	case 3:
		source_scene_settle(&scene);
		break;
	case 4:
		DextRingDispatchSource_Push(source, entries, what >> 3, &pushed);
		FUZZ_CHECK(pushed <= CAPACITY);
		break;
	default:
		engine_step(fuzz, what);
		break;
	}
}

static void
begin(struct fuzz *fuzz)
{
	bool quiet = fuzz_u8(fuzz) & 1;

	make_source();
	memset(own.memory->lane, 0, sizeof(own.memory->lane));
	shared_ring_produce(&own.producer, own.memory, &shape, SHARED_RING_SUBMISSION);
	shared_ring_consume(&own.consumer, own.memory, &shape, SHARED_RING_SUBMISSION);
	if (!quiet)
		scribble_with(write_ring_word, fuzz_u64(fuzz));
}

static void
still_peer(void)
{
	if (input.within) {
		write_ring_word(fuzz_u64(&input.fuzz));
		return;
	}
	input.within = true;
	if (source == NULL) {
		begin(&input.fuzz);
	} else if (fuzz_left(&input.fuzz) > 0 && input.steps++ < STEPS_MAX) {
		step(&input.fuzz);
	} else {
		scribble_with(NULL, 0);
		end_source();
		still_loop.over = true;
	}
	input.within = false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	input.fuzz = (struct fuzz){data, data + size};
	input.steps = 0;
	input.answered = 0;
	if (own.memory == NULL) {
		source_scene_set(&scene);
		make_own();
	}
	still_loop_run(scene.loop);
	return 0;
}
