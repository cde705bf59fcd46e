/* SPDX-License-Identifier: Apache-2.0 */
/* Queues as an app uses them. */
#include "unit.h"

#include <dispatch/dispatch.h>
#include <pthread.h>
#include <stdatomic.h>

#include "main_queue.h"
#include "meter.h"

#define COUNT 1000u

/* What the functions on a queue share with the test. */
struct bench {
	dispatch_queue_t queue;
	dispatch_queue_t other;
	struct meter done;
	struct meter gate;
	unsigned numbers[COUNT];
	_Atomic unsigned inside, most;
	pthread_t thread;
};

static struct bench bench = {.done = METER_INITIALIZER, .gate = METER_INITIALIZER};

static void
note_number(void *context)
{
	unsigned turn = meter_read(&bench.done);

	bench.numbers[turn] = (unsigned)(uintptr_t)context;
	meter_raise(&bench.done);
}

static void
raise_meter(void *context)
{
	meter_raise(context);
}

static void
note_thread(void *context)
{
	bench.thread = pthread_self();
	meter_raise(&bench.done);
}

static void
meet(void *context)
{
	unsigned inside = atomic_fetch_add(&bench.inside, 1) + 1;
	unsigned most = atomic_load(&bench.most);

	while (inside > most && !atomic_compare_exchange_weak(&bench.most, &most, inside))
		;
	meter_raise(&bench.gate);
	meter_wait(&bench.gate, (unsigned)(uintptr_t)context);
	atomic_fetch_sub(&bench.inside, 1);
	meter_raise(&bench.done);
}

START_TEST(a_serial_queue_keeps_the_order)
{
	bench.queue = dispatch_queue_create("serial", DISPATCH_QUEUE_SERIAL);
	for (uintptr_t i = 0; i < COUNT; i++)
		dispatch_async_f(bench.queue, (void *)i, note_number);
	dispatch_sync_f(bench.queue, &bench.gate, raise_meter);
	ck_assert_uint_eq(meter_read(&bench.done), COUNT);
	ck_assert_uint_eq(meter_read(&bench.gate), 1);
	for (unsigned i = 0; i < COUNT; i++)
		ck_assert_uint_eq(bench.numbers[i], i);
	ck_assert_str_eq(dispatch_queue_get_label(bench.queue), "serial");
	dispatch_release(bench.queue);
}
END_TEST

START_TEST(a_concurrent_queue_runs_them_together)
{
	bench.queue = dispatch_queue_create("wide", DISPATCH_QUEUE_CONCURRENT);
	for (unsigned i = 0; i < 8; i++)
		dispatch_async_f(bench.queue, (void *)8, meet);
	dispatch_barrier_sync_f(bench.queue, &bench.done, raise_meter);
	ck_assert_uint_eq(meter_read(&bench.done), 9);
	ck_assert_uint_eq(bench.most, 8);
	dispatch_release(bench.queue);
}
END_TEST

/* More wait for each other than a machine has processors. */
START_TEST(blocks_that_wait_do_not_stop_others)
{
	for (unsigned i = 0; i < 64; i++)
		dispatch_async_f(dispatch_get_global_queue(QOS_CLASS_DEFAULT, 0), (void *)64, meet);
	meter_wait(&bench.done, 64);
}
END_TEST

static void
wait_in_block(void *context)
{
	if (dispatch_semaphore_wait(context, DISPATCH_TIME_FOREVER) == 0)
		meter_raise(&bench.done);
}

static void
signal_in_block(void *context)
{
	dispatch_semaphore_signal(context);
}

/* More wait than a queue runs at a time, for what comes last. */
START_TEST(semaphores_in_a_global_queue)
{
	dispatch_queue_t global = dispatch_get_global_queue(QOS_CLASS_DEFAULT, 0);
	dispatch_semaphore_t semaphore = dispatch_semaphore_create(0);

	for (unsigned i = 0; i < 150; i++)
		dispatch_async_f(global, semaphore, wait_in_block);
	for (unsigned i = 0; i < 150; i++)
		dispatch_async_f(global, semaphore, signal_in_block);
	meter_wait(&bench.done, 150);
	dispatch_release(semaphore);
}
END_TEST

/* A queue's threads all wait for what comes last. */
START_TEST(semaphores_in_serial_queues)
{
	dispatch_semaphore_t semaphore = dispatch_semaphore_create(0);
	dispatch_queue_t queues[100];

	for (unsigned i = 0; i < 100; i++) {
		queues[i] = dispatch_queue_create(NULL, NULL);
		dispatch_async_f(queues[i], semaphore, wait_in_block);
	}
	for (unsigned i = 0; i < 100; i++)
		dispatch_semaphore_signal(semaphore);
	meter_wait(&bench.done, 100);
	for (unsigned i = 0; i < 100; i++)
		dispatch_release(queues[i]);
	dispatch_release(semaphore);
}
END_TEST

static void
sync_to_own(void *context)
{
	dispatch_sync_f(context, &bench.done, raise_meter);
}

static void
deadlock(void *context)
{
	dispatch_queue_t queue = dispatch_queue_create("com.example.mine", NULL);

	dispatch_sync_f(queue, queue, sync_to_own);
}

static void
main_deadlock(void *context)
{
	dispatch_sync_f(dispatch_get_main_queue(), context, raise_meter);
}

static void
barrier_deadlock(void *context)
{
	dispatch_queue_t queue = dispatch_queue_create("wide", DISPATCH_QUEUE_CONCURRENT);

	dispatch_sync_f(queue, queue, sync_to_own); /* this one may */
	dispatch_barrier_sync_f(queue, queue, sync_to_own);
}

START_TEST(a_deadlock_with_oneself_is_named)
{
	char text[8192];

	ck_assert(unit_killed_by(unit_child(deadlock, NULL, text, sizeof(text)), SIGABRT));
	ck_assert_ptr_nonnull(strstr(text, "dispatch_sync to queue \"com.example.mine\""));
	ck_assert(unit_killed_by(unit_child(main_deadlock, NULL, text, sizeof(text)), SIGABRT));
	ck_assert_ptr_nonnull(strstr(text, "dispatch_sync to queue \"com.apple.main-thread\""));
	ck_assert(unit_killed_by(unit_child(barrier_deadlock, NULL, text, sizeof(text)), SIGABRT));
	ck_assert_ptr_nonnull(strstr(text, "dispatch_sync to queue \"wide\""));
}
END_TEST

static void *
sync_to_main(void *context)
{
	dispatch_sync_f(dispatch_get_main_queue(), NULL, note_thread);
	dispatch_sync_f(bench.queue, NULL, note_thread);
	meter_raise(&bench.gate);
	return NULL;
}

START_TEST(the_main_queue_runs_on_the_main_thread)
{
	pthread_t thread;

	bench.queue = dispatch_queue_create_with_target("to main", NULL, dispatch_get_main_queue());
	ck_assert_int_eq(pthread_create(&thread, NULL, sync_to_main, NULL), 0);
	while (meter_read(&bench.done) < 1)
		main_queue_run();
	ck_assert(pthread_equal(bench.thread, pthread_self()));
	while (meter_read(&bench.gate) < 1)
		main_queue_run();
	ck_assert(pthread_equal(bench.thread, pthread_self()));
	pthread_join(thread, NULL);
	dispatch_release(bench.queue);
}
END_TEST

static void
leave(void *context)
{
	_exit(getpid() == gettid() ? 5 : 6);
}

static void
run_main(void *context)
{
	dispatch_after_f(dispatch_time(DISPATCH_TIME_NOW, 1000), dispatch_get_main_queue(), NULL,
			 leave);
	dispatch_main();
}

START_TEST(dispatch_main_serves_the_main_queue)
{
	int status = unit_child(run_main, NULL, NULL, 0);

	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 5);
}
END_TEST

static void
resume_too_often(void *context)
{
	dispatch_resume(dispatch_queue_create("awake", NULL));
}

START_TEST(a_suspended_queue_waits)
{
	char text[1024];

	ck_assert(unit_killed_by(unit_child(resume_too_often, NULL, text, sizeof(text)), SIGABRT));
	ck_assert_ptr_nonnull(strstr(text, "\"awake\" is not suspended"));
	bench.queue = dispatch_queue_create("suspended", NULL);
	dispatch_suspend(bench.queue);
	dispatch_async_f(bench.queue, (void *)1, note_number);
	dispatch_sync_f(dispatch_get_global_queue(0, 0), &bench.gate, raise_meter);
	ck_assert_uint_eq(meter_read(&bench.done), 0);
	dispatch_resume(bench.queue);
	meter_wait(&bench.done, 1);
	dispatch_release(bench.queue);
}
END_TEST

static const char key, other_key;

static void
look(void *context)
{
	ck_assert_ptr_eq(dispatch_get_specific(&key), &bench);
	ck_assert_ptr_eq(dispatch_get_specific(&other_key), &bench.gate);
	ck_assert_str_eq(dispatch_queue_get_label(DISPATCH_CURRENT_QUEUE_LABEL), "child");
	dispatch_assert_queue(bench.queue);
	dispatch_assert_queue(bench.other);
	dispatch_assert_queue_barrier(bench.queue);
	meter_raise(&bench.done);
}

static void
assert_wrongly(void *context)
{
	dispatch_assert_queue(bench.queue);
}

START_TEST(contexts_specifics_and_finalizers)
{
	char text[1024];

	bench.other = dispatch_queue_create("parent", NULL);
	bench.queue = dispatch_queue_create_with_target("child", NULL, bench.other);
	dispatch_queue_set_specific(bench.queue, &key, &bench.done, raise_meter);
	dispatch_queue_set_specific(bench.queue, &key, &bench, NULL);
	dispatch_queue_set_specific(bench.other, &other_key, &bench.gate, raise_meter);
	meter_wait(&bench.done, 1); /* the destructor of the first value */
	ck_assert_ptr_eq(dispatch_queue_get_specific(bench.queue, &key), &bench);
	ck_assert_ptr_null(dispatch_queue_get_specific(bench.other, &key));
	dispatch_sync_f(bench.queue, NULL, look);
	dispatch_async_f(bench.queue, NULL, look);
	meter_wait(&bench.done, 3);
	ck_assert(unit_killed_by(unit_child(assert_wrongly, NULL, text, sizeof(text)), SIGABRT));
	ck_assert_ptr_nonnull(strstr(text, "\"child\""));
	ck_assert_ptr_null(dispatch_get_context(bench.queue));
	dispatch_set_context(bench.queue, &bench.done);
	dispatch_set_finalizer_f(bench.queue, raise_meter);
	ck_assert_ptr_eq(dispatch_get_context(bench.queue), &bench.done);
	dispatch_retain(bench.queue);
	dispatch_release(bench.queue);
	dispatch_release(bench.queue);
	meter_wait(&bench.done, 4);
	dispatch_release(bench.other);
	meter_wait(&bench.gate, 1);
}
END_TEST

START_TEST(global_queues_are_there_for_ever)
{
	dispatch_queue_t queue = dispatch_get_global_queue(DISPATCH_QUEUE_PRIORITY_DEFAULT, 0);

	ck_assert_ptr_eq(queue, dispatch_get_global_queue(QOS_CLASS_DEFAULT, 0));
	ck_assert_ptr_ne(queue, dispatch_get_global_queue(DISPATCH_QUEUE_PRIORITY_HIGH, 0));
	ck_assert_ptr_nonnull(dispatch_get_global_queue(DISPATCH_QUEUE_PRIORITY_BACKGROUND, 0));
	ck_assert_ptr_null(dispatch_get_global_queue(12345, 0));
	ck_assert_ptr_null(dispatch_get_global_queue(0, 99));
	for (unsigned i = 0; i < 3; i++) {
		dispatch_release(queue);
		dispatch_release(dispatch_get_main_queue());
	}
	dispatch_suspend(queue);
	dispatch_barrier_async_f(queue, &bench.done, raise_meter);
	meter_wait(&bench.done, 1);
}
END_TEST

UNIT_MAIN("dispatch_async", a_serial_queue_keeps_the_order, a_concurrent_queue_runs_them_together,
	  blocks_that_wait_do_not_stop_others, semaphores_in_serial_queues,
	  semaphores_in_a_global_queue, a_deadlock_with_oneself_is_named,
	  the_main_queue_runs_on_the_main_thread, dispatch_main_serves_the_main_queue,
	  a_suspended_queue_waits, contexts_specifics_and_finalizers,
	  global_queues_are_there_for_ever)
