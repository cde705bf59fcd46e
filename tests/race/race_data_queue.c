/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two pairs of a data queue where each side writes its own word and then reads the other's:
 * both sides come to the critical place at the same instant, and after each time it must not be so
 * that one has decided to wait and the other not to tell. And a dispatch source whose driver takes
 * an entry and says that it waits while the app puts the next one in.
 */
#include <DriverKit/IODataQueueDispatchSource.h>

#include "source_scene.h"

#include <pthread.h>

#include "data_queue.h"
#include "descriptor.h"
#include "mapped_source.h"
#include "rounds.h"

#define ROUNDS_MAX 300000u
#define SIZE	   12u
#define CAPACITY   80u
#define MISSES	   8u

static struct data_queue queue;
static struct meeting meeting;
static _Atomic bool over;
static _Atomic uint32_t wrong; /* what can never be was seen */
static bool sleeps, rings;     /* what the two sides decided in this round */

struct pair {
	void (*sleeper)(void);
	void (*sleeper_after)(void);
	void (*ringer)(void);
};

/* Of a side, while it plays. */
static __thread struct {
	bool counts; /* what it does now is the round, not what is around it */
	bool holds;
	bool waits; /* until the other side is through: now and then, so that both orders happen */
	uint32_t arrived, state;
} side;

/* Lines that one side takes from the other. */
static struct {
	_Alignas(128) _Atomic uint32_t word;
} missed[MISSES];

static void
touch(void)
{
	for (unsigned i = 0; i < MISSES; i++)
		atomic_store_explicit(&missed[i].word, i, memory_order_relaxed);
}

/*
 * Just before the store that a round is about. Both sides leave at the same instant; one of them
 * with stores to lines that it does not have. Stores leave a CPU in their order: so that one stays
 * inside for a while, and if nothing orders it, the load after it is long done.
 */
static void
come_together(void)
{
	if (!side.counts)
		return;
	meet(&meeting, &side.arrived);
	/* As many have arrived as then; one more is the other side, at the end of its round. */
	while (side.waits && atomic_load(&meeting.arrived) == side.arrived)
		sched_yield();
	if (side.holds)
		touch();
	jitter(&side.state);
}

static bool
put(void)
{
	struct data_queue_entry entry;

	if (data_queue_reserve(&queue, SIZE, &entry) != kIOReturnSuccess)
		return false;
	memset(entry.data, 1, SIZE);
	come_together();
	rings = data_queue_publish(&queue, &entry);
	return true;
}

/* Neither this nor put asserts: that is a system call, after which the other side is long done. */
static bool
take(void)
{
	struct data_queue_entry entry;

	if (data_queue_peek(&queue, &entry) != kIOReturnSuccess || entry.size != SIZE) {
		atomic_fetch_add(&wrong, 1);
		return false;
	}
	come_together();
	return data_queue_consume(&queue, &entry);
}

/* There is one entry before and after each round. */
static void
consumer_takes_and_looks(void)
{
	take();
	sleeps = !data_queue_is_available(&queue);
}

static void
producer_puts(void)
{
	if (!put())
		atomic_fetch_add(&wrong, 1);
}

static void
nothing_after(void)
{
}

/* It is full before and after each round, and nobody has asked for room. */
static void
producer_looks_for_room(void)
{
	struct data_queue_entry entry;

	come_together();
	sleeps = data_queue_reserve(&queue, SIZE, &entry) == kIOReturnOverrun;
}

static void
producer_fills(void)
{
	bool kept = rings;

	while (data_queue_has_room(&queue, SIZE, 1))
		ck_assert(put());
	rings = kept;
}

static void
consumer_makes_room(void)
{
	rings = take();
}

static const struct pair data = {consumer_takes_and_looks, nothing_after, producer_puts};
static const struct pair room = {producer_looks_for_room, producer_fills, consumer_makes_room};

/* Both sides have been through it when this returns. */
static void
play_round(void (*play_side)(void), uint32_t round, bool even)
{
	bool holds = (round % 2 == 0) == even;

	side.holds = holds;
	side.waits = round % 64 < 2 && holds;
	/* Of the other side it takes them from. */
	if (!holds)
		touch();
	side.counts = true;
	play_side();
	side.counts = false;
	meet(&meeting, &side.arrived);
}

static void *
play_ringer(void *context)
{
	const struct pair *pair = context;

	side.state = 3;
	for (uint32_t rounds = 0;; rounds++) {
		meet(&meeting, &side.arrived);
		if (atomic_load(&over))
			return NULL;
		play_round(pair->ringer, rounds, false);
		meet(&meeting, &side.arrived);
	}
}

static void
play(const struct pair *pair)
{
	uint64_t end = clock_now() + 3 * ROUNDS_NSEC;
	uint32_t slept = 0, rounds;
	pthread_t ringer;

	ck_assert_int_eq(pthread_create(&ringer, NULL, play_ringer, (void *)(uintptr_t)pair), 0);
	for (rounds = 0; rounds < ROUNDS_MAX; rounds++) {
		if (rounds % 64 == 0 && clock_now() > end)
			break;
		meet(&meeting, &side.arrived);
		play_round(pair->sleeper, rounds, true);
		ck_assert_msg(!sleeps || rings, "round %u: a wake-up is lost", rounds);
		slept += sleeps ? 1 : 0;
		pair->sleeper_after();
		meet(&meeting, &side.arrived);
	}
	atomic_store(&over, true);
	meet(&meeting, &side.arrived);
	pthread_join(ringer, NULL);
	ck_assert_uint_eq(wrong, 0);
	/* Both orders did happen, else nothing was tried. */
	ck_assert_uint_gt(slept, 0);
	ck_assert_uint_lt(slept, rounds);
}

static void
make(void)
{
	data_queue_init(&queue, &data_queue_dispatch,
			calloc(1, data_queue_length(&data_queue_dispatch, CAPACITY)), CAPACITY);
	ck_assert_ptr_nonnull(queue.memory);
}

START_TEST(publish_against_peek)
{
	make();
	ck_assert(put());
	play(&data);
	free(queue.memory);
}
END_TEST

START_TEST(reserve_against_consume)
{
	make();
	producer_fills();
	/* From here on the place of one is enough; before, head would be reached. */
	take();
	take();
	producer_fills();
	play(&room);
	free(queue.memory);
}
END_TEST

/* --- a source --- */

static IODataQueueDispatchSource *source;
static _Atomic uint32_t taken;

static void
count(void *context, const void *bytes, size_t size)
{
	/* Before the entry's place is given up: so the app puts the next one in right then. */
	atomic_fetch_add(&taken, 1);
}

/* Takes what it knows to be there, or all until there is none: each way is its own race. */
static void
on_available(OSObject *target, OSAction *action)
{
	if (atomic_load(&taken) % 3 == 0)
		while (IODataQueueDispatchSource_IsDataAvailable(source))
			IODataQueueDispatchSource_Dequeue_f(source, NULL, count);
	else
		while (IODataQueueDispatchSource_Dequeue_f(source, NULL, count) == kIOReturnSuccess)
			;
}

START_TEST(the_driver_misses_no_entry)
{
	uint64_t end = clock_now() + ROUNDS_NSEC;
	struct source_scene scene;
	IOMemoryDescriptor *memory;
	uint32_t rounds, state = 1;
	OSAction *action;

	source_scene_set(&scene);
	ck_assert_int_eq(IODataQueueDispatchSource_Create(4096, scene.queue, &source),
			 kIOReturnSuccess);
	IODataQueueDispatchSource_CopyMemory(source, &memory);
	ck_assert(data_queue_adopt(&queue, &data_queue_dispatch, memory_address(memory),
				   memory_length(memory)));
	ck_assert_int_eq(IODataQueueDispatchSource_CreateActionDataAvailable(
				 (OSObject *)scene.target, on_available, 0, &action),
			 kIOReturnSuccess);
	ck_assert_int_eq(IODataQueueDispatchSource_SetDataAvailableHandler(source, action),
			 kIOReturnSuccess);
	for (rounds = 0; rounds < ROUNDS_MAX && clock_now() < end; rounds++) {
		uint64_t deadline = clock_now() + 10 * NSEC_PER_SEC;

		jitter(&state);
		ck_assert(put());
		/* As an app: only if it had all been taken. */
		if (rings)
			mapped_source_look((IODispatchSource *)source, false);
		while (atomic_load(&taken) != rounds + 1)
			ck_assert_msg(clock_now() < deadline, "entry %u is not taken", rounds);
	}
	IODispatchSource_Cancel_f((IODispatchSource *)source, NULL, NULL);
	OSRelease(source);
	OSRelease(action);
	OSRelease(memory);
	source_scene_clear(&scene);
	ck_assert_uint_gt(rounds, 0);
}
END_TEST

UNIT_MAIN("data queue races", publish_against_peek, reserve_against_consume,
	  the_driver_misses_no_entry)
