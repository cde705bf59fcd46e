/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for several things: groups, semaphores, apply, once. */
#include "unit.h"

#include <dispatch/dispatch.h>
#include <pthread.h>
#include <stdatomic.h>

#include "meter.h"

#define SOON dispatch_time(DISPATCH_TIME_NOW, 20 * (int64_t)NSEC_PER_SEC)

static struct meter done = METER_INITIALIZER, gate = METER_INITIALIZER;
static _Atomic unsigned calls;

static void
count(void *context)
{
	atomic_fetch_add(&calls, 1);
}

static void
hold(void *context)
{
	meter_wait(&gate, 1);
	atomic_fetch_add(&calls, 1);
}

static void
note_calls(void *context)
{
	*(unsigned *)context = atomic_load(&calls);
	meter_raise(&done);
}

START_TEST(a_group_waits_for_all)
{
	dispatch_queue_t queue = dispatch_queue_create("wide", DISPATCH_QUEUE_CONCURRENT);
	dispatch_group_t group = dispatch_group_create();
	unsigned seen[2] = {0, 0};

	for (unsigned i = 0; i < 20; i++)
		dispatch_group_async_f(group, queue, NULL, hold);
	ck_assert_int_ne(dispatch_group_wait(group, DISPATCH_TIME_NOW), 0);
	ck_assert_int_ne(dispatch_group_wait(group, dispatch_time(0, NSEC_PER_MSEC)), 0);
	dispatch_group_notify_f(group, queue, &seen[0], note_calls);
	meter_raise(&gate);
	ck_assert_int_eq(dispatch_group_wait(group, SOON), 0);
	ck_assert_uint_eq(calls, 20);
	meter_wait(&done, 1);
	ck_assert_uint_eq(seen[0], 20);
	/* Empty: at once. And used again. */
	dispatch_group_notify_f(group, queue, &seen[1], note_calls);
	meter_wait(&done, 2);
	ck_assert_int_eq(dispatch_group_wait(group, DISPATCH_TIME_NOW), 0);
	dispatch_group_enter(group);
	dispatch_release(group); /* what is under way keeps it */
	dispatch_group_leave(group);
	dispatch_release(queue);
}
END_TEST

static void
leave_too_often(void *context)
{
	dispatch_group_leave(dispatch_group_create());
}

START_TEST(a_leave_too_many_is_named)
{
	char text[1024];

	ck_assert(unit_killed_by(unit_child(leave_too_often, NULL, text, sizeof(text)), SIGABRT));
	ck_assert_ptr_nonnull(strstr(text, "more leaves than enters"));
}
END_TEST

START_TEST(a_semaphore_counts)
{
	dispatch_semaphore_t semaphore = dispatch_semaphore_create(2);

	ck_assert_ptr_null(dispatch_semaphore_create(-1));
	ck_assert_int_eq(dispatch_semaphore_wait(semaphore, DISPATCH_TIME_NOW), 0);
	ck_assert_int_eq(dispatch_semaphore_wait(semaphore, DISPATCH_TIME_FOREVER), 0);
	ck_assert_int_ne(dispatch_semaphore_wait(semaphore, DISPATCH_TIME_NOW), 0);
	ck_assert_int_ne(dispatch_semaphore_wait(semaphore, dispatch_time(0, 1000)), 0);
	ck_assert_int_ne(dispatch_semaphore_wait(semaphore, dispatch_walltime(NULL, 1000)), 0);
	ck_assert_int_eq(dispatch_semaphore_signal(semaphore), 0); /* nobody waits */
	ck_assert_int_eq(dispatch_semaphore_wait(semaphore, SOON), 0);
	dispatch_release(semaphore);
}
END_TEST

static void
mark(void *context, size_t iteration)
{
	_Atomic unsigned *marks = context;

	atomic_fetch_add(&marks[iteration], 1);
}

static void
mark_all(void *context, size_t iteration)
{
	dispatch_apply_f(10, DISPATCH_APPLY_AUTO, (_Atomic unsigned *)context + 10 * iteration,
			 mark);
}

START_TEST(apply_takes_each_number_once)
{
	_Atomic unsigned marks[100] = {0};
	dispatch_queue_t queues[] = {DISPATCH_APPLY_AUTO, dispatch_queue_create("serial", NULL),
				     dispatch_queue_create("wide", DISPATCH_QUEUE_CONCURRENT)};

	for (unsigned i = 0; i < 3; i++) {
		dispatch_apply_f(100, queues[i], marks, mark);
		for (unsigned j = 0; j < 100; j++)
			ck_assert_uint_eq(marks[j], i + 1);
	}
	dispatch_apply_f(0, DISPATCH_APPLY_AUTO, NULL, mark);
	dispatch_apply_f(10, queues[2], marks, mark_all);
	for (unsigned j = 0; j < 100; j++)
		ck_assert_uint_eq(marks[j], 4);
	dispatch_release(queues[1]);
	dispatch_release(queues[2]);
}
END_TEST

static dispatch_once_t predicate;

static void
do_once(void *context)
{
	meter_raise(&gate);
	meter_wait(&gate, 4); /* the others have begun */
	atomic_fetch_add(&calls, 1);
}

static void *
try_once(void *context)
{
	meter_raise(&gate);
	dispatch_once_f(&predicate, NULL, do_once);
	return (void *)(uintptr_t)atomic_load(&calls);
}

START_TEST(once_is_done_when_it_returns)
{
	pthread_t threads[3];
	void *seen;

	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, try_once, NULL), 0);
	for (unsigned i = 0; i < 3; i++) {
		pthread_join(threads[i], &seen);
		ck_assert_uint_eq((uintptr_t)seen, 1);
	}
	dispatch_once_f(&predicate, NULL, count);
	ck_assert_uint_eq(calls, 1);
}
END_TEST

UNIT_MAIN("dispatch_group", a_group_waits_for_all, a_leave_too_many_is_named, a_semaphore_counts,
	  apply_takes_each_number_once, once_is_done_when_it_returns)
