/* SPDX-License-Identifier: Apache-2.0 */
#include "loop_fixture.h"

#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/epoll.h>

#include "clock.h"

static void
make_pipe(int ends[2])
{
	ck_assert_int_eq(pipe(ends), 0);
}

static void
put(int fd)
{
	ck_assert_int_eq(write(fd, "x", 1), 1);
}

/* --- tasks, also as a way to see that the loop serves --- */

static void
check_serves(struct loop *loop)
{
	struct meter served = METER_INITIALIZER;
	struct meter_task task = {.task.run = raise_meter, .meter = &served};

	loop_post(loop, &task.task);
	meter_wait(&served, 1);
}

START_TEST(runs_each_task_once)
{
	enum { COUNT = 1000 };
	static struct meter_task tasks[COUNT];
	struct loop *loop = start();
	struct meter ran = METER_INITIALIZER;

	for (unsigned i = 0; i < COUNT; i++) {
		tasks[i] = (struct meter_task){.task.run = raise_meter, .meter = &ran};
		loop_post(loop, &tasks[i].task);
	}
	meter_wait(&ran, COUNT);
	check_serves(loop);
	loop_destroy(loop);
	ck_assert_uint_eq(meter_read(&ran), COUNT);
}
END_TEST

struct gate_task {
	struct loop_task task;
	struct loop *loop;
	struct meter *arrived;
	struct meter *gate;
	struct meter *left;
};

static void
pass_gate(struct loop_task *task)
{
	struct gate_task *gated = (struct gate_task *)task;

	loop_will_block(gated->loop);
	loop_will_block(gated->loop);
	meter_raise(gated->arrived);
	meter_reaches(gated->gate, 1);
	loop_did_block(gated->loop);
	loop_did_block(gated->loop);
	meter_raise(gated->left);
}

/* So many tasks that wait for the gate. */
static void
post_gated(struct loop *loop, struct gate_task *tasks, unsigned count, struct meter *arrived,
	   struct meter *gate, struct meter *left)
{
	for (unsigned i = 0; i < count; i++) {
		tasks[i] = (struct gate_task){.task.run = pass_gate,
					      .loop = loop,
					      .arrived = arrived,
					      .gate = gate,
					      .left = left};
		loop_post(loop, &tasks[i].task);
	}
}

/* Until there are no more. */
static unsigned
wait_for_threads(struct loop *loop, unsigned most)
{
	uint64_t deadline = clock_now() + METER_DEADLINE_SEC * NSEC_PER_SEC;

	while (loop_thread_count(loop) > most && clock_now() < deadline)
		poll(NULL, 0, 10);
	return loop_thread_count(loop);
}

START_TEST(grows_for_blocking_code_and_shrinks_again)
{
	enum { COUNT = 12 };
	struct gate_task tasks[COUNT];
	struct meter arrived = METER_INITIALIZER, gate = METER_INITIALIZER,
		     left = METER_INITIALIZER;
	struct loop *loop = start();

	post_gated(loop, tasks, COUNT, &arrived, &gate, &left);
	meter_wait(&arrived, COUNT);
	check_serves(loop);
	ck_assert_uint_ge(loop_thread_count(loop), COUNT + 1);
	meter_raise(&gate);
	meter_wait(&left, COUNT);
	/* And perhaps who was woken last. */
	ck_assert_uint_le(wait_for_threads(loop, 2 + 1), 2 + 1);
	check_serves(loop);
	loop_destroy(loop);
}
END_TEST

static _Atomic unsigned asleep, time_outs;

/* In place of the C library's. */
int
epoll_wait(int fd, struct epoll_event *events, int most, int time_out)
{
	int count;

	atomic_fetch_add(&time_outs, time_out > 0);
	atomic_fetch_add(&asleep, 1);
	count = epoll_pwait(fd, events, most, time_out, NULL);
	atomic_fetch_sub(&asleep, 1);
	return count;
}

/* Else the next work is another one's. */
static void
wait_until_all_sleep(struct loop *loop)
{
	uint64_t deadline = clock_now() + METER_DEADLINE_SEC * NSEC_PER_SEC;

	while (atomic_load(&asleep) < loop_thread_count(loop) && clock_now() < deadline)
		sched_yield();
}

START_TEST(who_works_sleeps_without_a_time_out)
{
	enum { COUNT = 4, TIMES = 200 };
	struct meter arrived = METER_INITIALIZER, gate = METER_INITIALIZER,
		     left = METER_INITIALIZER;
	struct loop *loop = start();
	struct gate_task tasks[COUNT];
	unsigned before;

	post_gated(loop, tasks, COUNT, &arrived, &gate, &left);
	meter_wait(&arrived, COUNT);
	check_serves(loop);
	meter_raise(&gate);
	meter_wait(&left, COUNT);
	before = atomic_load(&time_outs);
	for (unsigned i = 0; i < TIMES; i++) {
		wait_until_all_sleep(loop);
		check_serves(loop);
	}
	/* Who counts as asleep may not be yet. */
	ck_assert_uint_lt(atomic_load(&time_outs) - before, TIMES / 2);
	loop_destroy(loop);
}
END_TEST

START_TEST(stays_below_the_maximum)
{
	enum { COUNT = LOOP_THREADS_MAX + 8 };
	static struct gate_task tasks[COUNT];
	struct meter arrived = METER_INITIALIZER, gate = METER_INITIALIZER,
		     left = METER_INITIALIZER;
	struct loop *loop = start();

	post_gated(loop, tasks, COUNT, &arrived, &gate, &left);
	meter_wait(&arrived, LOOP_THREADS_MAX);
	ck_assert_uint_eq(loop_thread_count(loop), LOOP_THREADS_MAX);
	ck_assert_uint_eq(meter_read(&arrived), LOOP_THREADS_MAX);
	meter_raise(&gate);
	meter_wait(&left, COUNT);
	loop_destroy(loop);
}
END_TEST

/* --- sources --- */

struct probe {
	struct loop_source source;
	struct loop *loop;
	struct meter entered;
	struct meter gate;
	struct meter left;
	struct meter removed;
	unsigned left_at_removal;
	_Atomic unsigned inside;
	_Atomic unsigned inside_max;
	bool reads;
	bool blocks;
	bool removes;
};

static void
probe_removed(struct loop_source *source)
{
	struct probe *probe = (struct probe *)source;

	probe->left_at_removal = meter_read(&probe->left);
	meter_raise(&probe->removed);
}

static void
probe_handler(struct loop_source *source, uint32_t events)
{
	struct probe *probe = (struct probe *)source;
	unsigned inside = atomic_fetch_add(&probe->inside, 1) + 1;
	char byte;

	if (inside > atomic_load(&probe->inside_max))
		atomic_store(&probe->inside_max, inside);
	if (probe->removes)
		loop_source_remove(probe->loop, source);
	meter_raise(&probe->entered);
	if (probe->blocks) {
		loop_will_block(probe->loop);
		meter_reaches(&probe->gate, 1);
		loop_did_block(probe->loop);
	}
	if (probe->reads && read(source->fd, &byte, 1) != 1)
		abort();
	atomic_fetch_sub(&probe->inside, 1);
	meter_raise(&probe->left);
}

static void
add(struct loop *loop, struct probe *probe, int fd, uint32_t events)
{
	static const struct meter none = METER_INITIALIZER;

	probe->loop = loop;
	probe->entered = probe->gate = probe->left = probe->removed = none;
	probe->source = (struct loop_source){
		.fd = fd, .events = events, .handler = probe_handler, .removed = probe_removed};
	ck_assert_int_eq(loop_source_add(loop, &probe->source), kIOReturnSuccess);
}

START_TEST(level_triggered_runs_on_one_thread_at_a_time_until_read)
{
	struct probe probe = {.reads = true, .blocks = true};
	struct loop *loop = start();
	int ends[2];

	make_pipe(ends);
	add(loop, &probe, ends[0], EPOLLIN);
	put(ends[1]);
	put(ends[1]);
	meter_wait(&probe.entered, 1);
	/* There is more to read, and other threads have been through epoll_wait. */
	check_serves(loop);
	check_serves(loop);
	ck_assert_uint_eq(meter_read(&probe.entered), 1);
	/* New events do not bring it back before its handler is through either. */
	ck_assert_int_eq(loop_source_rearm(loop, &probe.source, EPOLLIN), kIOReturnSuccess);
	check_serves(loop);
	ck_assert_uint_eq(meter_read(&probe.entered), 1);
	meter_raise(&probe.gate);
	meter_wait(&probe.left, 2);
	check_serves(loop);
	ck_assert_uint_eq(meter_read(&probe.entered), 2);
	ck_assert_uint_eq(atomic_load(&probe.inside_max), 1);
	loop_source_remove(loop, &probe.source);
	loop_destroy(loop);
}
END_TEST

START_TEST(edge_triggered_runs_again_while_the_handler_blocks)
{
	struct probe probe = {.blocks = true};
	struct loop *loop = start();
	int ends[2];

	make_pipe(ends);
	add(loop, &probe, ends[0], EPOLLIN | EPOLLET);
	put(ends[1]);
	meter_wait(&probe.entered, 1);
	put(ends[1]);
	meter_wait(&probe.entered, 2);
	put(ends[1]);
	meter_wait(&probe.entered, 3);
	ck_assert_uint_eq(atomic_load(&probe.inside_max), 3);
	meter_raise(&probe.gate);
	meter_wait(&probe.left, 3);
	loop_source_remove(loop, &probe.source);
	loop_destroy(loop);
}
END_TEST

START_TEST(one_shot_waits_for_its_owner)
{
	struct probe probe = {.reads = true};
	struct loop *loop = start();
	int ends[2];

	make_pipe(ends);
	add(loop, &probe, ends[0], EPOLLIN | EPOLLONESHOT);
	put(ends[1]);
	put(ends[1]);
	meter_wait(&probe.left, 1);
	check_serves(loop);
	check_serves(loop);
	ck_assert_uint_eq(meter_read(&probe.entered), 1);
	ck_assert_int_eq(loop_source_rearm(loop, &probe.source, EPOLLIN | EPOLLONESHOT),
			 kIOReturnSuccess);
	meter_wait(&probe.left, 2);
	loop_source_remove(loop, &probe.source);
	loop_destroy(loop);
}
END_TEST

START_TEST(removal_waits_for_the_handler)
{
	struct probe probe = {.blocks = true};
	struct loop *loop = start();
	int ends[2];

	make_pipe(ends);
	add(loop, &probe, ends[0], EPOLLIN | EPOLLET);
	put(ends[1]);
	put(ends[1]);
	meter_wait(&probe.entered, 1);
	loop_source_remove(loop, &probe.source);
	loop_source_remove(loop, &probe.source);
	ck_assert_uint_eq(meter_read(&probe.removed), 0);
	ck_assert_int_eq(loop_source_rearm(loop, &probe.source, EPOLLIN), kIOReturnOffline);
	put(ends[1]);
	check_serves(loop);
	meter_raise(&probe.gate);
	meter_wait(&probe.removed, 1);
	ck_assert_uint_eq(probe.left_at_removal, meter_read(&probe.entered));
	check_serves(loop);
	ck_assert_uint_eq(meter_read(&probe.removed), 1);
	loop_destroy(loop);
}
END_TEST

START_TEST(a_handler_removes_itself)
{
	struct probe probe = {.removes = true};
	struct loop *loop = start();
	int ends[2];

	make_pipe(ends);
	add(loop, &probe, ends[0], EPOLLIN);
	put(ends[1]);
	meter_wait(&probe.removed, 1);
	ck_assert_uint_eq(probe.left_at_removal, 1);
	check_serves(loop);
	check_serves(loop);
	ck_assert_uint_eq(meter_read(&probe.entered), 1);
	loop_destroy(loop);
}
END_TEST

START_TEST(removal_of_an_idle_source_is_immediate)
{
	struct probe probe = {0};
	struct loop *loop = start();
	int ends[2];

	make_pipe(ends);
	add(loop, &probe, ends[0], EPOLLIN);
	loop_source_remove(loop, &probe.source);
	ck_assert_uint_eq(meter_read(&probe.removed), 1);
	put(ends[1]);
	check_serves(loop);
	ck_assert_uint_eq(meter_read(&probe.entered), 0);
	loop_destroy(loop);
}
END_TEST

/* An event that a thread still has in hand for the old one must not reach the new one. */
START_TEST(a_new_source_in_an_old_place_has_another_id)
{
	struct probe probe = {0};
	struct loop *loop = start();
	uint64_t last = 0;
	int ends[2];

	make_pipe(ends);
	for (unsigned i = 0; i < 100; i++) {
		add(loop, &probe, ends[0], EPOLLIN);
		ck_assert_uint_ne(probe.source.id, last);
		last = probe.source.id;
		loop_source_remove(loop, &probe.source);
	}
	loop_destroy(loop);
}
END_TEST

START_TEST(refuses_what_cannot_be_watched)
{
	struct loop_source source = {.fd = -1, .events = EPOLLIN, .handler = probe_handler};
	struct loop *loop = start();

	ck_assert_int_ne(loop_source_add(loop, &source), kIOReturnSuccess);
	check_serves(loop);
	loop_destroy(loop);
}
END_TEST

START_TEST(many_sources_find_their_handlers)
{
	enum { COUNT = 100 };
	static struct probe probes[COUNT];
	struct loop *loop = start();
	int ends[COUNT][2];

	for (unsigned i = 0; i < COUNT; i++) {
		make_pipe(ends[i]);
		probes[i].reads = true;
		add(loop, &probes[i], ends[i][0], EPOLLIN);
	}
	for (unsigned i = 1; i < COUNT; i += 2)
		loop_source_remove(loop, &probes[i].source);
	for (unsigned i = 0; i < COUNT; i++)
		put(ends[i][1]);
	for (unsigned i = 0; i < COUNT; i += 2)
		meter_wait(&probes[i].left, 1);
	/* A place that became free serves a new source, and the old one stays silent. */
	add(loop, &probes[1], ends[1][0], EPOLLIN);
	meter_wait(&probes[1].left, 1);
	check_serves(loop);
	for (unsigned i = 3; i < COUNT; i += 2)
		ck_assert_uint_eq(meter_read(&probes[i].entered), 0);
	loop_destroy(loop);
}
END_TEST

/* --- timers --- */

struct alarm {
	struct loop_timer timer;
	struct loop *loop;
	struct meter *fired;
	struct meter *gate; /* NULL: does not block */
	unsigned place;	    /* in the order of firing */
	uint64_t at;
};

static void
ring_alarm(struct loop_timer *timer)
{
	struct alarm *alarm = (struct alarm *)timer;

	alarm->at = clock_now();
	if (alarm->gate != NULL) {
		loop_will_block(alarm->loop);
		meter_reaches(alarm->gate, 1);
		loop_did_block(alarm->loop);
	}
	meter_raise_to(alarm->fired, &alarm->place);
}

START_TEST(timers_fire_at_their_time)
{
	struct meter fired = METER_INITIALIZER;
	struct alarm alarms[3];
	struct loop *loop = start();
	uint64_t now = clock_now();
	static const uint64_t delays[3] = {60 * NSEC_PER_MSEC, 20 * NSEC_PER_MSEC,
					   40 * NSEC_PER_MSEC};

	for (unsigned i = 0; i < 3; i++) {
		alarms[i] =
			(struct alarm){.timer.fired = ring_alarm, .loop = loop, .fired = &fired};
		loop_timer_arm(loop, &alarms[i].timer, now + delays[i]);
	}
	meter_wait(&fired, 3);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_uint_ge(alarms[i].at, now + delays[i]);
	ck_assert_int_eq(loop_timer_cancel(loop, &alarms[0].timer), 0);
	loop_destroy(loop);
}
END_TEST

START_TEST(a_deadline_in_the_past_fires_at_once)
{
	struct meter fired = METER_INITIALIZER;
	struct loop *loop = start();
	struct alarm past = {.timer.fired = ring_alarm, .loop = loop, .fired = &fired};
	struct alarm zero = past;

	loop_timer_arm(loop, &past.timer, clock_now() - NSEC_PER_SEC);
	meter_wait(&fired, 1);
	loop_timer_arm(loop, &zero.timer, 0);
	meter_wait(&fired, 2);
	loop_destroy(loop);
}
END_TEST

START_TEST(cancelled_and_moved_timers)
{
	struct meter fired = METER_INITIALIZER;
	struct loop *loop = start();
	struct alarm cancelled = {.timer.fired = ring_alarm, .loop = loop, .fired = &fired};
	struct alarm sooner = cancelled, later = cancelled, forever = cancelled;
	unsigned too_late = 0;
	uint64_t now;

	/* Due soon, or nobody would see it fire; on a slow machine it may have. */
	while (loop_timer_arm(loop, &cancelled.timer, clock_now() + 30 * NSEC_PER_MSEC),
	       loop_timer_cancel(loop, &cancelled.timer) == 0)
		meter_wait(&fired, ++too_late);
	ck_assert_int_eq(loop_timer_cancel(loop, &cancelled.timer), 0);
	cancelled.place = 0;
	now = clock_now();
	loop_timer_arm(loop, &later.timer, now + 10 * NSEC_PER_MSEC);
	loop_timer_arm(loop, &later.timer, now + 80 * NSEC_PER_MSEC);
	loop_timer_arm(loop, &sooner.timer, now + 3600 * NSEC_PER_SEC);
	loop_timer_arm(loop, &sooner.timer, now + 20 * NSEC_PER_MSEC);
	loop_timer_arm(loop, &forever.timer, UINT64_MAX);
	meter_wait(&fired, too_late + 2);
	ck_assert_uint_ge(later.at, now + 80 * NSEC_PER_MSEC);
	ck_assert_uint_lt(sooner.at, later.at);
	ck_assert_uint_eq(cancelled.place, 0);
	ck_assert_int_ne(loop_timer_cancel(loop, &forever.timer), 0);
	loop_destroy(loop);
}
END_TEST

START_TEST(a_timer_that_blocks_holds_up_no_other)
{
	struct meter fired = METER_INITIALIZER, blocked = METER_INITIALIZER,
		     gate = METER_INITIALIZER;
	struct loop *loop = start();
	struct alarm first = {
		.timer.fired = ring_alarm, .loop = loop, .fired = &blocked, .gate = &gate};
	struct alarm second = {.timer.fired = ring_alarm, .loop = loop, .fired = &fired};
	struct alarm third = second;
	uint64_t now = clock_now();

	/* The second is due together with the first, the third after it. */
	loop_timer_arm(loop, &second.timer, now + 20 * NSEC_PER_MSEC + 1);
	loop_timer_arm(loop, &first.timer, now + 20 * NSEC_PER_MSEC);
	loop_timer_arm(loop, &third.timer, now + 40 * NSEC_PER_MSEC);
	meter_wait(&fired, 2);
	ck_assert_uint_eq(meter_read(&blocked), 0);
	meter_raise(&gate);
	meter_wait(&blocked, 1);
	loop_destroy(loop);
}
END_TEST

/* --- beginning and end --- */

struct stop_task {
	struct loop_task task;
	struct loop *loop;
};

static void
stop(struct loop_task *task)
{
	loop_stop(((struct stop_task *)task)->loop);
}

START_TEST(run_returns_after_stop_and_nothing_is_left)
{
	unsigned before = unit_count_fds();
	struct loop *loop;
	struct stop_task task = {.task.run = stop};

	ck_assert_int_eq(loop_create(&loop), kIOReturnSuccess);
	task.loop = loop;
	loop_post(loop, &task.task);
	ck_assert_int_eq(loop_run(loop, 4), kIOReturnSuccess);
	loop_destroy(loop);
	ck_assert_uint_eq(unit_count_fds(), before);
}
END_TEST

struct thread_task {
	struct loop_task task;
	pthread_t thread;
};

static void
note_thread(struct loop_task *task)
{
	((struct thread_task *)task)->thread = pthread_self();
}

START_TEST(a_loop_of_one_thread_stays_on_its_caller)
{
	struct thread_task tasks[20];
	struct stop_task last = {.task.run = stop};
	struct probe probe = {.reads = true};
	struct loop *loop;
	int ends[2];

	make_pipe(ends);
	ck_assert_int_eq(loop_create(&loop), kIOReturnSuccess);
	add(loop, &probe, ends[0], EPOLLIN);
	put(ends[1]);
	for (unsigned i = 0; i < 20; i++) {
		tasks[i].task.run = note_thread;
		loop_post(loop, &tasks[i].task);
	}
	last.loop = loop;
	loop_post(loop, &last.task);
	ck_assert_int_eq(loop_run(loop, 1), kIOReturnSuccess);
	for (unsigned i = 0; i < 20; i++)
		ck_assert(pthread_equal(tasks[i].thread, pthread_self()));
	ck_assert_uint_eq(loop_thread_count(loop), 0);
	loop_destroy(loop);
}
END_TEST

static void
destroy_inside(struct loop_task *task)
{
	loop_destroy(((struct stop_task *)task)->loop);
}

static void
destroy_in_task(void *context)
{
	struct stop_task task = {.task.run = destroy_inside, .loop = context};

	ck_assert_int_eq(loop_create(&task.loop), kIOReturnSuccess);
	loop_post(task.loop, &task.task);
	loop_run(task.loop, 2);
}

START_TEST(destroy_from_a_handler_is_an_assertion)
{
	ck_assert(unit_killed_by(unit_child(destroy_in_task, NULL, NULL, 0), SIGABRT));
}
END_TEST

START_TEST(blocking_marks_elsewhere_do_nothing)
{
	struct loop *loop = start();

	loop_will_block(loop);
	loop_did_block(loop);
	loop_did_block(loop);
	check_serves(loop);
	loop_destroy(loop);
}
END_TEST

static void
note_mask(struct loop_task *task)
{
	sigset_t blocked;

	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	if (sigismember(&blocked, SIGTERM) == 1 && sigismember(&blocked, SIGSEGV) == 0)
		raise_meter(task);
}

START_TEST(threads_take_no_signals_of_the_program)
{
	struct meter quiet = METER_INITIALIZER;
	struct meter_task task = {.task.run = note_mask, .meter = &quiet};
	struct loop *loop = start();
	sigset_t blocked;

	loop_post(loop, &task.task);
	meter_wait(&quiet, 1);
	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	ck_assert_int_eq(sigismember(&blocked, SIGTERM), 0);
	loop_destroy(loop);
}
END_TEST

UNIT_MAIN("loop", runs_each_task_once, grows_for_blocking_code_and_shrinks_again,
	  who_works_sleeps_without_a_time_out, stays_below_the_maximum,
	  level_triggered_runs_on_one_thread_at_a_time_until_read,
	  edge_triggered_runs_again_while_the_handler_blocks, one_shot_waits_for_its_owner,
	  removal_waits_for_the_handler, a_handler_removes_itself,
	  removal_of_an_idle_source_is_immediate, a_new_source_in_an_old_place_has_another_id,
	  refuses_what_cannot_be_watched, many_sources_find_their_handlers,
	  timers_fire_at_their_time, a_deadline_in_the_past_fires_at_once,
	  cancelled_and_moved_timers, a_timer_that_blocks_holds_up_no_other,
	  run_returns_after_stop_and_nothing_is_left, a_loop_of_one_thread_stays_on_its_caller,
	  destroy_from_a_handler_is_an_assertion, blocking_marks_elsewhere_do_nothing,
	  threads_take_no_signals_of_the_program)
