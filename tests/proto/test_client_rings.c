/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The app's rings, on memory of a host that pushes and pops just when a test wants it to: how often
 * an app that waits for a batch is told, and what else ends its wait.
 */
#include "unit.h"

#include <sched.h>
#include <stdlib.h>

#include "clock.h"
#include "fake_host.h"
#include "memfd.h"
#include "shared_ring.h"
#include "spin.h"

#include <dext_ring.h>

#define ROOM	 8u
#define BATCH	 4u
#define DEADLINE (30 * NSEC_PER_SEC)

static const struct shared_ring_shape shape = {16, {ROOM, ROOM}};

static struct fake_host host;
static struct shared_ring *memory; /* the host's */
static struct shared_ring_producer driver;
static struct shared_ring_consumer driver_end;
static int memory_fd;
static io_connect_t app;
static dext_ring_t *ring;
static uint8_t entries[ROOM * 16];

static bool
map_memory(struct fake_host *fake, unsigned slot, const struct call_request *request,
	   struct call_reply *reply)
{
	if (request->operation != CALL_MAP)
		return true;
	reply->map_length = shared_ring_length(&shape);
	reply->flags = CALL_QUEUE_RING | shared_ring_to_flags(&shape);
	fake_host_send_memory(fake, slot, request->generation, memory_fd, 0, reply->map_length);
	return true;
}

static bool
map_plain(struct fake_host *fake, unsigned slot, const struct call_request *request,
	  struct call_reply *reply)
{
	if (request->operation == CALL_MAP) {
		reply->map_length = shared_ring_length(&shape);
		fake_host_send_memory(fake, slot, request->generation, memory_fd, 0,
				      reply->map_length);
	}
	return true;
}

/* All positions are `start`. */
static void
set(uint32_t options, uint32_t start)
{
	uint64_t length = shared_ring_length(&shape);
	void *address;

	ck_assert_int_eq(memfd_create_sealed("ring", length, &memory_fd), 0);
	ck_assert_int_eq(
		memfd_map(memory_fd, 0, page_round_up(length), true, false, NULL, &address), 0);
	memory = address;
	shared_ring_init(memory, &shape);
	for (int i = 0; i < 2; i++) {
		atomic_store(&memory->lane[i].tail.index, start);
		atomic_store(&memory->lane[i].head.index, start);
	}
	shared_ring_consume(&driver_end, memory, &shape, SHARED_RING_SUBMISSION);
	shared_ring_produce(&driver, memory, &shape, SHARED_RING_COMPLETION);
	fake_host_create(&host);
	host.method = map_memory;
	app = fake_host_open(&host);
	ck_assert_int_eq(dext_ring_create(app, 0, options, &ring), kIOReturnSuccess);
}

/* The driver takes all that is left when the app looks for that the next but so many times. */
static unsigned looks, takes_at;
static uint64_t taken_at; /* the time */

static bool take(void);
bool __real_shared_ring_is_left(const struct shared_ring_producer *producer);
bool __wrap_shared_ring_is_left(const struct shared_ring_producer *producer);

bool
__wrap_shared_ring_is_left(const struct shared_ring_producer *producer)
{
	if (++looks == takes_at) {
		taken_at = clock_now();
		while (__real_shared_ring_is_left(producer))
			take();
	}
	return __real_shared_ring_is_left(producer);
}

static void
clear(void)
{
	dext_ring_release(ring);
	IOServiceClose(app);
	fake_host_stop(&host);
}

/* The driver completes some. True: it told the app. */
static bool
complete(uint32_t count)
{
	uint32_t pushed;
	bool tell;

	ck_assert_int_eq(shared_ring_push(&driver, entries, count, &pushed, &tell),
			 kIOReturnSuccess);
	ck_assert_uint_eq(pushed, count);
	if (tell)
		shared_ring_ring_bell(memory);
	return tell;
}

/* The driver takes one. */
static bool
take(void)
{
	uint8_t taken[16];
	uint32_t popped;
	bool tell;

	ck_assert_int_eq(shared_ring_pop(&driver_end, taken, 1, &popped, &tell), kIOReturnSuccess);
	if (tell)
		shared_ring_ring_bell(memory);
	return tell;
}

static uint32_t
pop_all(void)
{
	uint32_t popped;

	dext_ring_pop(ring, entries, ROOM, &popped);
	return popped;
}

/* What the app waits for, in a thread of its own. */
static struct waiter {
	uint32_t what, count;
	uint64_t timeout;
	pthread_t thread;
	_Atomic bool ended;
	kern_return_t result;
	uint64_t begun;
} waiter;

static void *
wait_there(void *context)
{
	waiter.begun = clock_now();
	waiter.result = dext_ring_wait_batch(ring, waiter.what, waiter.count, waiter.timeout);
	atomic_store(&waiter.ended, true);
	return NULL;
}

static uint64_t
sleeps(void)
{
	struct dext_ring_statistics statistics;

	dext_ring_get_statistics(ring, &statistics);
	return statistics.sleeps;
}

/* Once the app sleeps, or nearly: it has said what for. */
static void
begin(uint32_t what, uint32_t count, uint64_t timeout)
{
	uint64_t deadline = clock_now() + DEADLINE, before = sleeps();

	waiter.what = what;
	waiter.count = count;
	waiter.timeout = timeout;
	atomic_store(&waiter.ended, false);
	ck_assert_int_eq(pthread_create(&waiter.thread, NULL, wait_there, NULL), 0);
	while (sleeps() == before && !atomic_load(&waiter.ended)) {
		ck_assert_uint_lt(clock_now(), deadline);
		sched_yield();
	}
}

static kern_return_t
end(void)
{
	pthread_join(waiter.thread, NULL);
	return waiter.result;
}

static void
ends_with(uint32_t count)
{
	ck_assert_int_eq(end(), kIOReturnSuccess);
	ck_assert_uint_eq(pop_all(), count);
}

/* The tail past which the app is to be told. */
static uint32_t
armed(void)
{
	return (uint32_t)atomic_load(&memory->lane[SHARED_RING_COMPLETION].armed.number);
}

static uint32_t
tail(void)
{
	return atomic_load(&memory->lane[SHARED_RING_COMPLETION].tail.index);
}

static bool
complete_one(void)
{
	return complete(1);
}

/* A wait without time says what it waits for, too. It is told of the last, and of no other. */
static void
is_told_of_the_last(uint32_t what, bool (*step)(void))
{
	ck_assert_int_eq(dext_ring_wait_batch(ring, what, BATCH, 0), kIOReturnTimeout);
	for (uint32_t i = 1; i <= ROOM; i++)
		ck_assert_int_eq(step(), i == BATCH);
}

static const uint32_t starts[] = {0, UINT32_MAX - 1};

START_TEST(an_app_that_waits_for_a_batch_is_told_once)
{
	set(DEXT_RING_ONE_THREAD, starts[_i]);
	for (unsigned i = 0; i < 3; i++) {
		is_told_of_the_last(DEXT_RING_ENTRIES, complete_one);
		ck_assert_uint_eq(pop_all(), ROOM);
	}
	begin(DEXT_RING_ENTRIES, BATCH, UINT64_MAX);
	complete(BATCH);
	ends_with(BATCH);
	clear();
}
END_TEST

START_TEST(so_is_one_that_waits_for_room)
{
	uint32_t pushed;

	set(DEXT_RING_ONE_THREAD, starts[_i]);
	for (unsigned i = 0; i < 3; i++) {
		dext_ring_push(ring, entries, ROOM, &pushed);
		ck_assert_uint_eq(pushed, ROOM);
		is_told_of_the_last(DEXT_RING_ROOM, take);
	}
	dext_ring_push(ring, entries, ROOM, &pushed);
	begin(DEXT_RING_ROOM, BATCH, UINT64_MAX);
	take();
	ck_assert_int_eq(end(), kIOReturnSuccess);
	clear();
}
END_TEST

#define ELSEWHERE 1000000u /* no CPU of the app's */

/* An app that has pushed, and waits. How often it has told the host. */
static uint64_t
tells_for(uint32_t cpu, unsigned when_taken)
{
	uint64_t before = atomic_load(&host.page->queued.count);
	uint32_t pushed;

	atomic_store(&host.page->host_cpu.number, cpu);
	dext_ring_push(ring, entries, BATCH, &pushed);
	ck_assert_uint_eq(atomic_load(&host.page->queued.count), before);
	looks = 0;
	takes_at = when_taken;
	begin(DEXT_RING_ENTRIES, BATCH, UINT64_MAX);
	complete(BATCH);
	ends_with(BATCH);
	while (shared_ring_has_entries(&driver_end))
		take();
	return atomic_load(&host.page->queued.count) - before;
}

/* A driver that is awake looks soon, and does not have to be told for that. */
START_TEST(what_the_driver_is_about_to_take_it_is_not_told_of)
{
	set(DEXT_RING_ONE_THREAD, starts[_i]);
	ck_assert_uint_eq(tells_for(ELSEWHERE, 2), 0);
	ck_assert_uint_eq(tells_for(ELSEWHERE, 3), 0);
	/* It has gone to sleep or is held up. */
	ck_assert_uint_ge(tells_for(ELSEWHERE, 0), 1);
	clear();
}
END_TEST

/*
 * Also if the page is armed, as it is here as long as nobody calls. Where the fake host has said
 * meanwhile on which CPU it is, which it does when it hears from the app, that is tried again.
 */
START_TEST(while_the_driver_is_at_work_the_app_looks_for_longer)
{
	bool was_elsewhere;
	uint32_t pushed;

	do {
		set(DEXT_RING_ONE_THREAD, starts[_i]);
		atomic_store(&host.page->host_cpu.number, ELSEWHERE);
		dext_ring_push(ring, entries, BATCH, &pushed);
		looks = 0;
		takes_at = 1; /* when the app has looked for long enough; so nobody is told */
		begin(DEXT_RING_ENTRIES, BATCH, UINT64_MAX);
		was_elsewhere = atomic_load(&host.page->host_cpu.number) == ELSEWHERE;
		complete(BATCH);
		ends_with(BATCH);
		clear();
	} while (!was_elsewhere);
	ck_assert_uint_ge(taken_at - waiter.begun, SPIN_BUDGET_AWAKE);
}
END_TEST

/* Where the driver may need this CPU for that it has it while the app sleeps. */
START_TEST(nor_of_what_it_takes_while_the_app_sleeps)
{
	uint64_t deadline = clock_now() + DEADLINE, before;
	uint32_t pushed;

	set(DEXT_RING_ONE_THREAD, starts[_i]);
	ck_assert_uint_eq(tells_for(0, 2), 0);
	ck_assert_uint_eq(tells_for(0, 2), 0);
	/* If it does not it is told all the same, in a moment. */
	before = atomic_load(&host.page->queued.count);
	takes_at = 0;
	dext_ring_push(ring, entries, BATCH, &pushed);
	begin(DEXT_RING_ENTRIES, BATCH, UINT64_MAX);
	while (atomic_load(&host.page->queued.count) == before) {
		ck_assert_uint_lt(clock_now(), deadline);
		sched_yield();
	}
	/* It has waited for long. */
	ck_assert_uint_eq(armed(), tail());
	complete(BATCH);
	ends_with(BATCH);
	while (shared_ring_has_entries(&driver_end))
		take();
	/* And the next time before the app sleeps. */
	ck_assert_uint_ge(tells_for(0, 0), 1);
	clear();
}
END_TEST

START_TEST(what_is_there_is_enough)
{
	set(DEXT_RING_ONE_THREAD, 0);
	complete(1);
	ck_assert_int_eq(dext_ring_wait_batch(ring, DEXT_RING_ENTRIES, BATCH, UINT64_MAX),
			 kIOReturnSuccess);
	ck_assert_int_eq(
		dext_ring_wait_batch(ring, DEXT_RING_ENTRIES | DEXT_RING_ROOM, ROOM, UINT64_MAX),
		kIOReturnSuccess);
	ck_assert_uint_eq(pop_all(), 1);
	ck_assert_uint_eq(sleeps(), 0);
	clear();
}
END_TEST

/* The driver has no more, and the app is not told of these. */
START_TEST(a_batch_that_does_not_fill_is_handed_out)
{
	set(DEXT_RING_ONE_THREAD, 0);
	begin(DEXT_RING_ENTRIES, BATCH, UINT64_MAX);
	complete(BATCH - 1);
	ends_with(BATCH - 1);
	clear();
}
END_TEST

START_TEST(who_has_waited_for_long_is_told_of_the_first)
{
	uint64_t deadline = clock_now() + DEADLINE;

	set(DEXT_RING_ONE_THREAD, 0);
	begin(DEXT_RING_ENTRIES, BATCH, UINT64_MAX);
	while (armed() != 0) {
		ck_assert_uint_lt(clock_now(), deadline);
		sched_yield();
	}
	ck_assert(complete(1));
	ends_with(1);
	clear();
}
END_TEST

START_TEST(time_ends_it)
{
	kern_return_t result;

	set(DEXT_RING_ONE_THREAD, 0);
	ck_assert_int_eq(dext_ring_wait_batch(ring, DEXT_RING_ENTRIES, BATCH, 0), kIOReturnTimeout);
	ck_assert_int_eq(dext_ring_wait_batch(ring, DEXT_RING_ENTRIES, BATCH, 1000000),
			 kIOReturnTimeout);
	/* Longer than its patience, and than a step. */
	ck_assert_int_eq(dext_ring_wait_batch(ring, DEXT_RING_ENTRIES, BATCH, NSEC_PER_SEC / 8),
			 kIOReturnTimeout);
	begin(DEXT_RING_ENTRIES, BATCH, 1000000);
	complete(1);
	result = end(); /* whichever came first */
	ck_assert(result == kIOReturnSuccess || result == kIOReturnTimeout);
	ck_assert_uint_eq(pop_all(), 1);
	clear();
}
END_TEST

START_TEST(the_end_of_the_host_ends_it)
{
	set(DEXT_RING_ONE_THREAD, 0);
	begin(DEXT_RING_ENTRIES, BATCH, UINT64_MAX);
	complete(BATCH - 1);
	fake_host_stop(&host);
	ends_with(BATCH - 1);
	ck_assert_int_eq(dext_ring_wait_batch(ring, DEXT_RING_ENTRIES, BATCH, UINT64_MAX),
			 kIOReturnOffline);
	dext_ring_release(ring);
	IOServiceClose(app);
}
END_TEST

START_TEST(the_end_of_an_idle_host_ends_it)
{
	set(DEXT_RING_ONE_THREAD, 0);
	begin(DEXT_RING_ENTRIES | DEXT_RING_ROOM, BATCH, UINT64_MAX);
	fake_host_stop(&host);
	/* There was room. */
	ck_assert_int_eq(end(), kIOReturnSuccess);
	ck_assert_int_eq(dext_ring_wait_batch(ring, DEXT_RING_ENTRIES, BATCH, UINT64_MAX),
			 kIOReturnOffline);
	dext_ring_release(ring);
	IOServiceClose(app);
}
END_TEST

/* Another thread may wait for a single entry. */
START_TEST(with_several_threads_each_entry_is_told_of)
{
	set(0, 0);
	begin(DEXT_RING_ENTRIES, BATCH, UINT64_MAX);
	ck_assert_uint_eq(armed(), 0);
	ck_assert(complete(1));
	ck_assert_int_eq(end(), kIOReturnSuccess);
	clear();
}
END_TEST

/* Whatever it writes, the app wakes up: for its own entries it needs none of the host's words. */
START_TEST(a_host_that_scribbles_holds_nobody)
{
	static const uint64_t words[] = {0, UINT64_MAX, UINT64_C(5) << 32 | 1u << 31};

	set(DEXT_RING_ONE_THREAD, 0);
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		begin(DEXT_RING_ENTRIES, BATCH, UINT64_MAX);
		atomic_store(&memory->lane[SHARED_RING_COMPLETION].armed.number, words[i]);
		atomic_store(&memory->lane[SHARED_RING_COMPLETION].armed.fences, 1);
		atomic_store(&memory->lane[SHARED_RING_COMPLETION].head.index, 77);
		atomic_store(&memory->lane[SHARED_RING_COMPLETION].tail.index,
			     (uint32_t)words[i] + 1000);
		ck_assert_int_eq(end(), kIOReturnSuccess);
		ck_assert_int_eq(dext_ring_pop(ring, entries, 1, &(uint32_t){0}), kIOReturnError);
		atomic_store(&memory->lane[SHARED_RING_COMPLETION].tail.index, 0);
	}
	clear();
}
END_TEST

START_TEST(other_memory_is_no_ring)
{
	ck_assert_int_eq(memfd_create_sealed("memory", shared_ring_length(&shape), &memory_fd), 0);
	fake_host_create(&host);
	host.method = map_plain;
	app = fake_host_open(&host);
	ck_assert_int_eq(dext_ring_create(app, 0, 0, &ring), kIOReturnUnsupported);
	ck_assert_int_eq(dext_ring_create(app, 0, ~DEXT_RING_ONE_THREAD, &ring),
			 kIOReturnBadArgument);
	ck_assert_int_eq(dext_ring_create(app, 0, 0, NULL), kIOReturnBadArgument);
	IOServiceClose(app);
	fake_host_stop(&host);
}
END_TEST

START_TEST(counts_that_cannot_be)
{
	set(DEXT_RING_ONE_THREAD, 0);
	ck_assert_int_eq(dext_ring_wait_batch(ring, DEXT_RING_ENTRIES, 0, 0), kIOReturnBadArgument);
	ck_assert_int_eq(dext_ring_wait_batch(ring, DEXT_RING_ENTRIES, ROOM + 1, 0),
			 kIOReturnBadArgument);
	ck_assert_int_eq(dext_ring_wait_batch(ring, DEXT_RING_ROOM, ROOM + 1, 0),
			 kIOReturnBadArgument);
	ck_assert_int_eq(dext_ring_wait_batch(ring, DEXT_RING_ENTRIES, UINT32_MAX, 0),
			 kIOReturnBadArgument);
	ck_assert_int_eq(dext_ring_wait_batch(ring, 0, 1, 0), kIOReturnBadArgument);
	ck_assert_int_eq(dext_ring_wait_batch(ring, DEXT_RING_ENTRIES, ROOM, 0), kIOReturnTimeout);
	clear();
}
END_TEST

UNIT_LOOP_MAIN("client_rings", {an_app_that_waits_for_a_batch_is_told_once, 2},
	       {so_is_one_that_waits_for_room, 2}, {nor_of_what_it_takes_while_the_app_sleeps, 2},
	       {what_the_driver_is_about_to_take_it_is_not_told_of, 2},
	       {while_the_driver_is_at_work_the_app_looks_for_longer, 2},
	       {what_is_there_is_enough, 1}, {a_batch_that_does_not_fill_is_handed_out, 1},
	       {who_has_waited_for_long_is_told_of_the_first, 1}, {time_ends_it, 1},
	       {the_end_of_the_host_ends_it, 1}, {the_end_of_an_idle_host_ends_it, 1},
	       {with_several_threads_each_entry_is_told_of, 1},
	       {a_host_that_scribbles_holds_nobody, 1}, {counts_that_cannot_be, 1},
	       {other_memory_is_no_ring, 1})
