/* SPDX-License-Identifier: Apache-2.0 */
/* The app is this program: it works on the rings' memory by the engine of wire, as libiokit does.
 */
#include <DriverKit/DextRingDispatchSource.h>

#include "source_scene.h"

#include <sched.h>

#include "call_page.h"
#include "closing_app.h"
#include "descriptor.h"
#include "fence.h"
#include "mapped_source.h"
#include "one_cpu.h"
#include "shared_ring.h"

struct entry {
	uint64_t number, check;
};

static const struct shared_ring_shape shape = {sizeof(struct entry), {8, 4}};

static struct source_scene scene;
static DextRingDispatchSource *source;
static OSAction *action;
static struct shared_ring *ring;
static struct shared_ring_producer app;
static struct shared_ring_consumer app_end;
static struct meter calls = METER_INITIALIZER;
static unsigned taken, told, flood = 1000;
static unsigned most;	 /* that one call of the handler has got */
static bool lies;	 /* the app, about its tail, until the handler runs */
static bool was_spared;	 /* the app its fences, in a call of the handler */
static pthread_t thread; /* of the handler's last call */
static pthread_t worker; /* to which the handler has left work */
static bool drains = true, puts_inside, puts_before, floods, leaves_work, is_held_up, is_quiet;
static bool is_patient;		   /* the app, when it waits for completions */
static uint32_t completes;	   /* entries in a piece of what the handler leaves */
static uint32_t rung_at_work;	   /* until its end */
static unsigned pieces = 1;	   /* of what the handler leaves */
static struct meter *_Atomic held; /* the handler, until this is raised */
static struct loop_task work;
static struct meter at_work = METER_INITIALIZER, done_work = METER_INITIALIZER;

/* What the driver asked to be told with last. */
static uint64_t
armed_number(void)
{
	return atomic_load(&ring->lane[SHARED_RING_SUBMISSION].armed.number);
}

static void
app_puts(uint32_t count)
{
	struct entry entries[8] = {{0}};
	uint32_t pushed;
	bool tell;

	ck_assert_int_eq(shared_ring_push(&app, entries, count, &pushed, &tell), kIOReturnSuccess);
	ck_assert_uint_eq(pushed, count);
	if (tell) {
		told++;
		mapped_source_look((IODispatchSource *)source, false);
	}
}

void __real_shared_ring_await_entries(struct shared_ring_consumer *consumer, uint32_t tail);
void __wrap_shared_ring_await_entries(struct shared_ring_consumer *consumer, uint32_t tail);

/* The driver is about to say that it waits. */
void
__wrap_shared_ring_await_entries(struct shared_ring_consumer *consumer, uint32_t tail)
{
	if (puts_before) {
		puts_before = false;
		app_puts(1);
	}
	__real_shared_ring_await_entries(consumer, tail);
}

IOReturn __real_shared_ring_push(struct shared_ring_producer *producer, const void *entries,
				 uint32_t count, uint32_t *ret_pushed, bool *ret_tell);
IOReturn __wrap_shared_ring_push(struct shared_ring_producer *producer, const void *entries,
				 uint32_t count, uint32_t *ret_pushed, bool *ret_tell);

IOReturn
__wrap_shared_ring_push(struct shared_ring_producer *producer, const void *entries, uint32_t count,
			uint32_t *ret_pushed, bool *ret_tell)
{
	IOReturn res = __real_shared_ring_push(producer, entries, count, ret_pushed, ret_tell);

	close_meanwhile();
	return res;
}

IOReturn __real_shared_ring_pop(struct shared_ring_consumer *consumer, void *entries, uint32_t room,
				uint32_t *ret_count, bool *ret_tell);
IOReturn __wrap_shared_ring_pop(struct shared_ring_consumer *consumer, void *entries, uint32_t room,
				uint32_t *ret_count, bool *ret_tell);

IOReturn
__wrap_shared_ring_pop(struct shared_ring_consumer *consumer, void *entries, uint32_t room,
		       uint32_t *ret_count, bool *ret_tell)
{
	IOReturn res = __real_shared_ring_pop(consumer, entries, room, ret_count, ret_tell);

	close_meanwhile();
	return res;
}

/* The driver completes entries in the middle of that work, and an app waits for each. */
static void
complete(bool patient, uint32_t count)
{
	struct entry entry = {0};
	uint32_t bell = shared_ring_bell(ring), pushed;

	for (uint32_t i = 0; i < count; i++) {
		shared_ring_be_patient(&app_end, patient);
		shared_ring_await_entries(&app_end, shared_ring_empty_at(&app_end));
		DextRingDispatchSource_Push(source, &entry, 1, &pushed);
		ck_assert_uint_eq(pushed, 1);
	}
	rung_at_work = shared_ring_bell(ring) - bell;
}

/* What the handler has left to its thread, as a transfer to a virtual device: the app goes on. */
static void
do_work(struct loop_task *task)
{
	unsigned at;

	worker = pthread_self();
	if (!is_quiet)
		app_puts(1);
	if (completes > 0)
		complete(is_patient, completes);
	if (pieces > 1) {
		pieces--;
		loop_defer(scene.loop, task);
	}
	meter_raise_to(&at_work, &at);
	if (is_held_up)
		meter_wait(&done_work, at);
}

static void
on_ready(OSObject *target, OSAction *which)
{
	struct meter *gate = atomic_exchange(&held, NULL);
	struct entry entry;
	unsigned before = taken;
	uint32_t count;

	if (lies)
		atomic_store(&ring->lane[SHARED_RING_SUBMISSION].tail.index, app.tail);
	lies = false;
	was_spared |= atomic_load(&ring->lane[SHARED_RING_SUBMISSION].armed.fences) != 0;
	while (drains && DextRingDispatchSource_Pop(source, &entry, 1, &count) == kIOReturnSuccess)
		if (taken++, floods && taken < flood)
			app_puts(1);
	if (most < taken - before)
		most = taken - before;
	if (puts_inside) {
		puts_inside = false;
		app_puts(2);
	}
	if (leaves_work) {
		leaves_work = false;
		work.run = do_work;
		loop_defer(scene.loop, &work);
	}
	thread = pthread_self();
	meter_raise(&calls);
	if (gate != NULL)
		meter_wait(gate, 1);
}

static void
set(bool handled)
{
	IOMemoryDescriptor *memory;

	source_scene_set(&scene);
	ck_assert_int_eq(DextRingDispatchSource_Create(shape.entry_size, shape.capacity[0],
						       shape.capacity[1], scene.queue, &source),
			 kIOReturnSuccess);
	ck_assert_int_eq(DextRingDispatchSource_CopyMemory(source, &memory), kIOReturnSuccess);
	ck_assert_uint_ge(memory_length(memory), shared_ring_length(&shape));
	ring = memory_address(memory);
	OSRelease(memory);
	shared_ring_produce(&app, ring, &shape, SHARED_RING_SUBMISSION);
	shared_ring_consume(&app_end, ring, &shape, SHARED_RING_COMPLETION);
	ck_assert_int_eq(DextRingDispatchSource_CreateActionReady((OSObject *)scene.target,
								  on_ready, 0, &action),
			 kIOReturnSuccess);
	if (handled)
		ck_assert_int_eq(DextRingDispatchSource_SetReadyHandler(source, action),
				 kIOReturnSuccess);
}

static void
clear(void)
{
	IODispatchSource_Cancel_f((IODispatchSource *)source, NULL, NULL);
	OSSafeReleaseNULL(source);
	OSSafeReleaseNULL(action);
	source_scene_clear(&scene);
}

START_TEST(the_handler_is_called_for_what_has_come)
{
	set(false);
	/* There before the handler was. */
	app_puts(3);
	ck_assert_uint_eq(told, 1);
	ck_assert_int_eq(DextRingDispatchSource_SetReadyHandler(source, action), kIOReturnSuccess);
	meter_wait(&calls, 1);
	source_scene_settle(&scene);
	ck_assert_uint_eq(taken, 3);
	for (unsigned i = 2; i < 50; i++) {
		app_puts(1);
		meter_wait(&calls, i);
		source_scene_settle(&scene);
		ck_assert_uint_eq(taken, 2 + i);
	}
	clear();
}
END_TEST

START_TEST(what_comes_during_the_handler_costs_the_app_nothing)
{
	set(true);
	puts_inside = true;
	app_puts(1);
	meter_wait(&calls, 2);
	source_scene_settle(&scene);
	ck_assert_uint_eq(taken, 3);
	ck_assert_uint_eq(told, 1);
	clear();
}
END_TEST

START_TEST(what_comes_before_the_driver_waits_is_found)
{
	set(true);
	source_scene_settle(&scene);
	puts_before = true;
	app_puts(1);
	meter_wait(&calls, 2);
	source_scene_settle(&scene);
	ck_assert_uint_eq(taken, 2);
	ck_assert_uint_eq(told, 1);
	clear();
}
END_TEST

START_TEST(what_comes_while_its_thread_has_work_costs_the_app_nothing)
{
	uint64_t asked;

	set(true);
	source_scene_settle(&scene);
	leaves_work = true;
	app_puts(1);
	meter_wait(&calls, 2);
	source_scene_settle(&scene);
	ck_assert(pthread_equal(worker, thread));
	ck_assert_uint_eq(taken, 2);
	ck_assert_uint_eq(told, 1);
	/* Then it asks again; also if nothing came meanwhile. */
	leaves_work = is_quiet = true;
	asked = armed_number();
	app_puts(1);
	ck_assert_uint_eq(told, 2);
	meter_wait(&at_work, 2);
	while (armed_number() == asked)
		sched_yield();
	app_puts(1);
	ck_assert_uint_eq(told, 3);
	meter_wait(&calls, 4);
	clear();
}
END_TEST

/* The handler has left its thread work, in which that is held up, and the app has put one more. */
static void
hold_up(void)
{
	set(true);
	source_scene_settle(&scene);
	leaves_work = is_held_up = true;
	app_puts(1);
	meter_wait(&at_work, 1);
	ck_assert_uint_eq(told, 1);
	ck_assert(shared_ring_is_left(&app));
}

/* The app tells, asked or not; another thread calls the handler, so often by then. */
static void
tell_another(unsigned times)
{
	ck_assert(mapped_source_look((IODispatchSource *)source, false));
	ck_assert(!mapped_source_look((IODispatchSource *)source, false));
	meter_wait(&calls, times);
	source_scene_settle(&scene);
	ck_assert(!shared_ring_is_left(&app));
	ck_assert(!pthread_equal(worker, thread));
}

/* Its work may wait for what lies in the ring: an app that sleeps tells, whether asked or not. */
START_TEST(who_is_told_looks_for_a_thread_that_is_held_up)
{
	hold_up();
	tell_another(2);
	/* It may have been a moment only. */
	app_puts(1);
	ck_assert_uint_eq(told, 1);
	tell_another(3);
	/* It was not. */
	app_puts(1);
	ck_assert_uint_eq(told, 2);
	meter_wait(&calls, 4);
	source_scene_settle(&scene);
	meter_raise(&done_work);
	/* Whoever looks last, the app is asked to tell. */
	app_puts(1);
	ck_assert_uint_eq(told, 3);
	meter_wait(&calls, 5);
	source_scene_settle(&scene);
	ck_assert_uint_eq(taken, 5);
	clear();
}
END_TEST

START_TEST(who_was_told_returns_the_look)
{
	hold_up();
	tell_another(2);
	app_puts(1);
	meter_raise(&done_work);
	meter_wait(&calls, 3);
	source_scene_settle(&scene);
	ck_assert(pthread_equal(worker, thread));
	ck_assert_uint_eq(taken, 3);
	ck_assert_uint_eq(told, 1);
	clear();
}
END_TEST

/* While no look is left: the thread that has the work is held up, another calls the handler. */
START_TEST(what_is_told_during_the_handler_is_not_left_to_who_is_held_up)
{
	struct meter gate = METER_INITIALIZER;

	hold_up();
	atomic_store(&held, &gate);
	ck_assert(mapped_source_look((IODispatchSource *)source, false));
	meter_wait(&calls, 2);
	app_puts(1);
	ck_assert_uint_eq(told, 1);
	mapped_source_look((IODispatchSource *)source, false);
	meter_raise(&gate);
	meter_wait(&calls, 3);
	source_scene_settle(&scene);
	ck_assert_uint_eq(taken, 3);
	meter_raise(&done_work);
	clear();
}
END_TEST

/* The same, and it is the handler that leaves the work. */
START_TEST(what_is_told_before_a_look_is_left_is_not_left_to_it)
{
	struct meter gate = METER_INITIALIZER;

	set(true);
	source_scene_settle(&scene);
	leaves_work = is_held_up = is_quiet = true;
	atomic_store(&held, &gate);
	app_puts(1);
	meter_wait(&calls, 1);
	app_puts(1);
	ck_assert_uint_eq(told, 1);
	mapped_source_look((IODispatchSource *)source, false);
	meter_raise(&gate);
	meter_wait(&calls, 2);
	source_scene_settle(&scene);
	ck_assert_uint_eq(taken, 2);
	meter_raise(&done_work);
	clear();
}
END_TEST

/* On the thread that has called the handler, before it does what that has left. */
static void
hear(struct loop_task *task)
{
	struct entry entry = {0};
	uint32_t pushed;
	bool tell;

	ck_assert_int_eq(shared_ring_push(&app, &entry, 1, &pushed, &tell), kIOReturnSuccess);
	ck_assert(mapped_source_look((IODispatchSource *)source, true));
	ck_assert(pthread_equal(thread, pthread_self()));
	app_puts(1);
	ck_assert_uint_eq(told, 0);
	ck_assert(mapped_source_look((IODispatchSource *)source, false));
}

/* It may be held up by that, and the app does not tell again. */
START_TEST(who_is_told_has_its_own_look_taken_over)
{
	struct loop_task task = {.run = hear};

	set(true);
	source_scene_settle(&scene);
	leaves_work = is_held_up = is_quiet = true;
	loop_post(scene.loop, &task);
	meter_wait(&calls, 2);
	source_scene_settle(&scene);
	ck_assert_uint_eq(taken, 2);
	meter_raise(&done_work);
	clear();
}
END_TEST

/* The other one's handler takes longer than the piece of work. */
START_TEST(a_thread_with_more_work_keeps_a_look_that_was_taken_over)
{
	struct meter gate = METER_INITIALIZER;

	pieces = 3;
	hold_up();
	is_quiet = true;
	atomic_store(&held, &gate);
	ck_assert(mapped_source_look((IODispatchSource *)source, false));
	meter_wait(&calls, 2);
	/* The thread looks, while it is not its look, and goes on. */
	meter_raise(&done_work);
	meter_wait(&at_work, 2);
	meter_raise(&gate);
	source_scene_settle(&scene);
	app_puts(1);
	ck_assert_uint_eq(told, 1);
	meter_raise(&done_work);
	meter_wait(&calls, 3);
	meter_wait(&at_work, 3);
	ck_assert(pthread_equal(worker, thread));
	/* It has looked: so the look is returned to it once more. */
	app_puts(1);
	tell_another(4);
	app_puts(1);
	ck_assert_uint_eq(told, 1);
	meter_raise(&done_work);
	meter_wait(&calls, 5);
	source_scene_settle(&scene);
	ck_assert_uint_eq(taken, 5);
	clear();
}
END_TEST

START_TEST(who_looks_may_call_it_there_and_then)
{
	struct entry entry = {0};
	uint32_t pushed;
	bool tell;

	set(true);
	source_scene_settle(&scene);
	for (unsigned i = 1; i < 50; i++) {
		ck_assert_int_eq(shared_ring_push(&app, &entry, 1, &pushed, &tell),
				 kIOReturnSuccess);
		ck_assert(mapped_source_look((IODispatchSource *)source, true));
		ck_assert_uint_eq(taken, i);
		ck_assert(pthread_equal(thread, pthread_self()));
	}
	ck_assert(!mapped_source_look((IODispatchSource *)source, true));
	clear();
}
END_TEST

START_TEST(it_is_not_called_again_for_what_was_left)
{
	struct entry entries[8];
	uint32_t count;

	set(true);
	drains = false;
	app_puts(2);
	meter_wait(&calls, 1);
	source_scene_settle(&scene);
	ck_assert_uint_eq(meter_read(&calls), 1);
	/* But for more. */
	app_puts(1);
	meter_wait(&calls, 2);
	source_scene_settle(&scene);
	ck_assert_int_eq(DextRingDispatchSource_Pop(source, entries, 8, &count), kIOReturnSuccess);
	ck_assert_uint_eq(count, 3);
	ck_assert_uint_eq(meter_read(&calls), 2);
	clear();
}
END_TEST

START_TEST(an_app_that_submits_for_ever_lets_others_have_their_turn)
{
	set(true);
	floods = true;
	app_puts(1);
	/* What comes during a call is for the next one. */
	meter_wait(&calls, 1000);
	source_scene_settle(&scene);
	ck_assert_uint_eq(taken, 1000);
	ck_assert_uint_eq(told, 1);
	clear();
}
END_TEST

START_TEST(an_app_that_lies_gets_no_longer_a_turn)
{
	set(true);
	source_scene_settle(&scene);
	drains = false;
	app_puts(1);
	meter_wait(&calls, 1);
	source_scene_settle(&scene);
	drains = floods = lies = true;
	atomic_store(&ring->lane[SHARED_RING_SUBMISSION].tail.index, 1u << 30);
	ck_assert(mapped_source_look((IODispatchSource *)source, false));
	/* As much as the ring has room for, and then one entry a call. */
	meter_wait(&calls, 2 + flood - shape.capacity[SHARED_RING_SUBMISSION]);
	source_scene_settle(&scene);
	ck_assert_uint_eq(taken, flood);
	ck_assert_uint_le(most, shape.capacity[SHARED_RING_SUBMISSION]);
	clear();
}
END_TEST

START_TEST(an_app_that_keeps_the_driver_awake_is_spared_its_fences)
{
	set(true);
	floods = true;
	flood = 4000;
	app_puts(1);
	meter_wait(&calls, flood);
	source_scene_settle(&scene);
	ck_assert_uint_eq(taken, flood);
	ck_assert_int_eq(was_spared, fence_join());
	/* Only so long as the driver is awake. */
	ck_assert_uint_eq(atomic_load(&ring->lane[SHARED_RING_SUBMISSION].armed.fences), 0);
	app_puts(1);
	ck_assert_uint_eq(told, 2);
	meter_wait(&calls, flood + 1);
	clear();
}
END_TEST

START_TEST(the_driver_is_told_of_room)
{
	struct entry entries[8] = {{0}};
	uint32_t count;
	bool tell;

	set(true);
	ck_assert_int_eq(DextRingDispatchSource_Push(source, entries, 6, &count), kIOReturnSuccess);
	ck_assert_uint_eq(count, 4);
	ck_assert_int_eq(DextRingDispatchSource_Push(source, entries, 2, &count), kIOReturnOverrun);
	ck_assert_uint_eq(count, 0);
	source_scene_settle(&scene);
	ck_assert_uint_eq(meter_read(&calls), 0);
	ck_assert_int_eq(shared_ring_pop(&app_end, entries, 1, &count, &tell), kIOReturnSuccess);
	ck_assert(tell);
	ck_assert(mapped_source_look((IODispatchSource *)source, false));
	meter_wait(&calls, 1);
	ck_assert_int_eq(DextRingDispatchSource_Push(source, entries, 1, &count), kIOReturnSuccess);
	clear();
}
END_TEST

static void
count_tells(OSAction *listener)
{
	told++;
}

START_TEST(an_app_that_waits_is_told_once)
{
	struct entry entry = {0};
	uint32_t count, bell;

	set(false);
	ck_assert_int_eq(mapped_source_claim((IODispatchSource *)source, &app), kIOReturnSuccess);
	ck_assert_int_eq(
		mapped_source_listen((IODispatchSource *)source, &app, action, count_tells),
		kIOReturnSuccess);
	bell = shared_ring_bell(ring);
	DextRingDispatchSource_Push(source, &entry, 1, &count);
	ck_assert_uint_eq(told, 0);
	ck_assert_uint_eq(shared_ring_bell(ring), bell);
	shared_ring_await_entries(&app_end, shared_ring_empty_at(&app_end));
	DextRingDispatchSource_Push(source, &entry, 1, &count);
	DextRingDispatchSource_Push(source, &entry, 1, &count);
	ck_assert_uint_eq(told, 1);
	ck_assert_uint_eq(shared_ring_bell(ring), bell + 1);
	mapped_source_disown((IODispatchSource *)source, &app);
	clear();
}
END_TEST

static void
complete_at_work(bool patient, uint32_t count)
{
	is_patient = patient;
	completes = count;
	leaves_work = is_quiet = true;
	app_puts(1);
	meter_wait(&at_work, 1);
}

/* It would take the thread's CPU in the middle of the work. Not told at all it waits here. */
START_TEST(an_app_on_this_cpu_that_can_wait_is_told_after_the_work)
{
	stay_on_one_cpu();
	set(true);
	complete_at_work(true, 1);
	ck_assert_uint_eq(rung_at_work, 0);
	while (shared_ring_bell(ring) != 1)
		sched_yield();
	source_scene_settle(&scene);
	ck_assert_uint_eq(shared_ring_bell(ring), 1);
	clear();
}
END_TEST

START_TEST(an_app_that_is_owed_a_telling_is_told_at_once)
{
	stay_on_one_cpu();
	set(true);
	complete_at_work(true, 2);
	ck_assert_uint_eq(rung_at_work, 1);
	while (shared_ring_bell(ring) != 2)
		sched_yield();
	clear();
}
END_TEST

START_TEST(an_app_that_cannot_wait_is_told_at_once)
{
	stay_on_one_cpu();
	set(true);
	complete_at_work(false, 1);
	ck_assert_uint_eq(rung_at_work, 1);
	clear();
}
END_TEST

START_TEST(an_app_on_another_cpu_cannot_wait)
{
	stay_on_one_cpu();
	set(true);
	atomic_store(&ring->lane[SHARED_RING_COMPLETION].armed.cpu, 4096);
	ck_assert(!shared_ring_can_wait(
		&(struct shared_ring_producer){.lane = &ring->lane[SHARED_RING_COMPLETION]}));
	shared_ring_be_patient(&app_end, true);
	ck_assert(shared_ring_can_wait(
		&(struct shared_ring_producer){.lane = &ring->lane[SHARED_RING_COMPLETION]}));
	clear();
}
END_TEST

START_TEST(what_an_app_that_closes_has_got_and_given_is_counted)
{
	struct entry entry = {0};
	uint32_t moved;

	set(false);
	closing_app_start((IODispatchSource *)source, &app);
	ck_assert_int_eq(DextRingDispatchSource_Push(source, &entry, 1, &moved), kIOReturnSuccess);
	closing_app_join();
	ck_assert_uint_eq(closing_app.given, 1);
	app_puts(1);
	closing_app_start((IODispatchSource *)source, &app);
	ck_assert_int_eq(DextRingDispatchSource_Pop(source, &entry, 1, &moved), kIOReturnSuccess);
	closing_app_join();
	ck_assert_uint_eq(closing_app.taken, 1);
	/* It is nobody's now. */
	atomic_store(&mapped_source_watched, count_for_closing_app);
	ck_assert_int_eq(DextRingDispatchSource_Push(source, &entry, 1, &moved), kIOReturnSuccess);
	ck_assert_uint_eq(closing_app.given, 0);
	atomic_store(&mapped_source_watched, NULL);
	clear();
}
END_TEST

START_TEST(a_spoiled_ring_is_an_error_and_no_more)
{
	struct entry entry = {0};
	uint32_t count;

	set(false);
	atomic_store(&ring->lane[0].tail.index, 100);
	atomic_store(&ring->lane[1].head.index, 100);
	ck_assert_int_eq(DextRingDispatchSource_Pop(source, &entry, 1, &count), kIOReturnError);
	ck_assert_uint_eq(count, 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(DextRingDispatchSource_Push(source, &entry, 1, &count),
				 kIOReturnSuccess);
	ck_assert_int_eq(DextRingDispatchSource_Push(source, &entry, 1, &count), kIOReturnError);
	clear();
}
END_TEST

START_TEST(what_cannot_be_is_refused)
{
	DextRingDispatchSource *made;
	IOMemoryDescriptor *memory;

	set(false);
	ck_assert_int_eq(DextRingDispatchSource_Create(64, 8, 8, NULL, &made),
			 kIOReturnBadArgument);
	ck_assert_int_eq(DextRingDispatchSource_Create(64, 8, 8, scene.queue, NULL),
			 kIOReturnBadArgument);
	ck_assert_int_eq(DextRingDispatchSource_Create(64, 8, 9, scene.queue, &made),
			 kIOReturnBadArgument);
	ck_assert_int_eq(
		DextRingDispatchSource_Create(DEXT_RING_ENTRY_MIN - 8, 8, 8, scene.queue, &made),
		kIOReturnBadArgument);
	ck_assert_int_eq(
		DextRingDispatchSource_Create(DEXT_RING_ENTRY_MAX + 8, 8, 8, scene.queue, &made),
		kIOReturnBadArgument);
	ck_assert_int_eq(
		DextRingDispatchSource_Create(64, 8, 2 * DEXT_RING_ENTRIES_MAX, scene.queue, &made),
		kIOReturnBadArgument);
	ck_assert_int_eq(DextRingDispatchSource_Create(DEXT_RING_ENTRY_MAX, DEXT_RING_ENTRIES_MAX,
						       DEXT_RING_ENTRIES_MAX, scene.queue, &made),
			 kIOReturnSuccess);
	OSRelease(made);
	ck_assert_int_eq(
		DextRingDispatchSource_Create(DEXT_RING_ENTRY_MIN, 8, 8, scene.queue, &made),
		kIOReturnSuccess);
	OSRelease(made);
	ck_assert_int_eq(DextRingDispatchSource_CopyMemory(source, NULL), kIOReturnBadArgument);
	DextRingDispatchSource_CopyMemory(source, &memory);
	ck_assert_uint_eq(mapped_source_flags((IODispatchSource *)source),
			  CALL_QUEUE_RING | shared_ring_to_flags(&shape));
	OSRelease(memory);
	clear();
}
END_TEST

UNIT_MAIN("ring source", the_handler_is_called_for_what_has_come,
	  what_comes_during_the_handler_costs_the_app_nothing,
	  what_comes_before_the_driver_waits_is_found,
	  what_comes_while_its_thread_has_work_costs_the_app_nothing,
	  who_is_told_looks_for_a_thread_that_is_held_up, who_was_told_returns_the_look,
	  what_is_told_during_the_handler_is_not_left_to_who_is_held_up,
	  what_is_told_before_a_look_is_left_is_not_left_to_it,
	  who_is_told_has_its_own_look_taken_over,
	  a_thread_with_more_work_keeps_a_look_that_was_taken_over,
	  who_looks_may_call_it_there_and_then, it_is_not_called_again_for_what_was_left,
	  an_app_that_submits_for_ever_lets_others_have_their_turn,
	  an_app_that_lies_gets_no_longer_a_turn,
	  an_app_that_keeps_the_driver_awake_is_spared_its_fences, the_driver_is_told_of_room,
	  an_app_that_waits_is_told_once, an_app_on_this_cpu_that_can_wait_is_told_after_the_work,
	  an_app_that_is_owed_a_telling_is_told_at_once, an_app_that_cannot_wait_is_told_at_once,
	  an_app_on_another_cpu_cannot_wait, what_an_app_that_closes_has_got_and_given_is_counted,
	  a_spoiled_ring_is_an_error_and_no_more, what_cannot_be_is_refused)
