/* SPDX-License-Identifier: Apache-2.0 */
/* Dispatch queues under threads that all want the same at once. */
#include "unit.h"

#include <dispatch/dispatch.h>
#include <pthread.h>
#include <stdatomic.h>

#include "meter.h"

#define THREADS 4u
#define ITEMS	3000u

/* --- shared work and barriers --- */

static dispatch_queue_t queue, inner[2];
static dispatch_group_t group;
static _Atomic unsigned readers, calls;
static unsigned plain; /* written by barriers, read beside others: no lock but the queue */

static void
read_plain(void *context)
{
	unsigned before = plain;

	atomic_fetch_add(&readers, 1);
	ck_assert_uint_eq(plain, before);
	atomic_fetch_sub(&readers, 1);
	atomic_fetch_add(&calls, 1);
}

static void
write_plain(void *context)
{
	ck_assert_uint_eq(atomic_load(&readers), 0);
	plain++;
	atomic_fetch_add(&calls, 1);
}

static void *
mix(void *context)
{
	for (unsigned i = 0; i < ITEMS; i++) {
		switch ((i + (uintptr_t)context) % 7) {
		case 0:
			dispatch_barrier_async_f(queue, NULL, write_plain);
			break;
		case 1:
			dispatch_sync_f(queue, NULL, read_plain);
			break;
		case 2:
			dispatch_barrier_sync_f(queue, NULL, write_plain);
			break;
		case 3:
			dispatch_suspend(queue);
			dispatch_async_f(queue, NULL, read_plain);
			dispatch_resume(queue);
			break;
		default:
			dispatch_async_f(queue, NULL, read_plain);
		}
	}
	return NULL;
}

static void
run_threads(void *(*body)(void *context))
{
	pthread_t threads[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, body, (void *)i), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

START_TEST(barriers_run_alone)
{
	queue = dispatch_queue_create("wide", DISPATCH_QUEUE_CONCURRENT);
	run_threads(mix);
	dispatch_barrier_sync_f(queue, NULL, write_plain);
	ck_assert_uint_eq(calls, THREADS * ITEMS + 1);
	dispatch_release(queue);
}
END_TEST

/* --- targets --- */

static void
add(void *context)
{
	plain++;
}

static void *
add_through_both(void *context)
{
	for (unsigned i = 0; i < ITEMS; i++) {
		if (i % 3 == 0)
			dispatch_sync_f(inner[i % 2], NULL, add);
		else
			dispatch_group_async_f(group, inner[i % 2], NULL, add);
	}
	return NULL;
}

START_TEST(a_target_is_a_lock)
{
	queue = dispatch_queue_create("target", NULL);
	inner[0] = dispatch_queue_create_with_target("narrow", NULL, queue);
	inner[1] = dispatch_queue_create_with_target("wide", DISPATCH_QUEUE_CONCURRENT, queue);
	group = dispatch_group_create();
	run_threads(add_through_both);
	ck_assert_int_eq(dispatch_group_wait(group, dispatch_time(0, 20 * (int64_t)NSEC_PER_SEC)),
			 0);
	dispatch_sync_f(queue, NULL, add);
	ck_assert_uint_eq(plain, THREADS * ITEMS + 1);
	dispatch_release(group);
	dispatch_release(inner[0]);
	dispatch_release(inner[1]);
	dispatch_release(queue);
}
END_TEST

/* --- ping-pong: one signal under way, so that no later one makes good for a lost one --- */

static dispatch_semaphore_t ping, pong;

static void
answer(void *context)
{
	for (unsigned i = 0; i < ITEMS; i++) {
		dispatch_semaphore_wait(ping, DISPATCH_TIME_FOREVER);
		dispatch_semaphore_signal(pong);
	}
	dispatch_group_leave(group);
}

START_TEST(semaphores_lose_nothing)
{
	ping = dispatch_semaphore_create(0);
	pong = dispatch_semaphore_create(0);
	group = dispatch_group_create();
	dispatch_group_enter(group);
	dispatch_async_f(dispatch_get_global_queue(0, 0), NULL, answer);
	for (unsigned i = 0; i < ITEMS; i++) {
		dispatch_semaphore_signal(ping);
		ck_assert_int_eq(
			dispatch_semaphore_wait(pong, dispatch_time(0, 20 * (int64_t)NSEC_PER_SEC)),
			0);
	}
	ck_assert_int_eq(dispatch_group_wait(group, DISPATCH_TIME_FOREVER), 0);
	dispatch_release(group);
	dispatch_release(ping);
	dispatch_release(pong);
}
END_TEST

static void
leave(void *context)
{
	dispatch_group_leave(context);
}

START_TEST(groups_are_used_again)
{
	group = dispatch_group_create();
	for (unsigned i = 0; i < ITEMS; i++) {
		dispatch_group_enter(group);
		dispatch_async_f(dispatch_get_global_queue(0, 0), group, leave);
		ck_assert_int_eq(dispatch_group_wait(group, DISPATCH_TIME_FOREVER), 0);
	}
	dispatch_release(group);
}
END_TEST

/* The last reference goes while work that was put there is still to run. */
START_TEST(a_queue_lives_as_long_as_its_work)
{
	for (unsigned i = 0; i < ITEMS; i++) {
		queue = dispatch_queue_create("short", i % 2 ? DISPATCH_QUEUE_CONCURRENT : NULL);
		for (unsigned j = 0; j < 3; j++)
			dispatch_async_f(queue, NULL, read_plain);
		dispatch_release(queue);
	}
	for (unsigned i = 0; atomic_load(&calls) < 3 * ITEMS; i++)
		sched_yield();
}
END_TEST

UNIT_MAIN("race_dispatch", barriers_run_alone, a_target_is_a_lock, semaphores_lose_nothing,
	  groups_are_used_again, a_queue_lives_as_long_as_its_work)
