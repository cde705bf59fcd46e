/* SPDX-License-Identifier: Apache-2.0 */
/* Shared work, width, suspension, targets and wakers of the engine's queues. */
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>

#include "clock.h"
#include "meter.h"
#include "object.h"
#include "queue.h"
#include "threads.h"

static struct loop *loop;

static void
start(void)
{
	ck_assert_int_eq(loop_create(&loop), kIOReturnSuccess);
	ck_assert_int_eq(loop_start(loop, 2), kIOReturnSuccess);
	queue_set_loop(loop);
}

static IODispatchQueue *
create(const char *name, unsigned width)
{
	IODispatchQueue *queue = NULL;

	ck_assert_int_eq(queue_create_of(OSTypeID(IODispatchQueue), name, width, NULL, &queue),
			 kIOReturnSuccess);
	return queue;
}

/* Work that says that it began, and ends when it is let go. */
struct item {
	struct work work;
	struct meter *begun;
	struct meter *gate; /* NULL: ends at once */
	struct meter *ended;
	unsigned turn; /* of begun */
	pid_t parent;
};

static void
run_item(struct work *work)
{
	struct item *item = (struct item *)work;

	meter_raise_to(item->begun, &item->turn);
	if (item->gate != NULL)
		meter_wait(item->gate, 1);
	meter_raise(item->ended);
}

static void
post(IODispatchQueue *queue, struct item *item, bool shared)
{
	item->work.run = run_item;
	item->work.shared = shared;
	queue_post(queue, &item->work);
}

/* A round trip of another queue's work: whatever could begin has had its chance. */
static void
settle(void)
{
	struct meter begun = METER_INITIALIZER, ended = METER_INITIALIZER;
	IODispatchQueue *other = create("settle", 1);

	for (unsigned i = 1; i <= 20; i++) {
		struct item item = {.begun = &begun, .ended = &ended};

		post(other, &item, false);
		meter_wait(&ended, i);
	}
	OSRelease(other);
}

static void
note(void *context)
{
	meter_raise(context);
}

START_TEST(shared_work_runs_side_by_side)
{
	struct meter begun = METER_INITIALIZER, gate = METER_INITIALIZER;
	struct meter ended = METER_INITIALIZER;
	IODispatchQueue *queue;
	struct item items[6];

	start();
	queue = create("wide", 4);
	for (unsigned i = 0; i < 6; i++) {
		items[i] = (struct item){.begun = &begun, .gate = &gate, .ended = &ended};
		post(queue, &items[i], true);
	}
	meter_wait(&begun, 4);
	settle();
	ck_assert_uint_eq(meter_read(&begun), 4); /* its width */
	meter_raise(&gate);
	meter_wait(&ended, 6);
	OSRelease(queue);
}
END_TEST

START_TEST(other_work_runs_alone_and_in_order)
{
	struct meter begun = METER_INITIALIZER,
		     gates[3] = {METER_INITIALIZER, METER_INITIALIZER, METER_INITIALIZER};
	struct meter ended = METER_INITIALIZER;
	struct item before[2], barrier, after[2];
	IODispatchQueue *queue;

	start();
	queue = create("wide", 4);
	for (unsigned i = 0; i < 2; i++)
		before[i] = (struct item){.begun = &begun, .gate = &gates[0], .ended = &ended};
	barrier = (struct item){.begun = &begun, .gate = &gates[1], .ended = &ended};
	for (unsigned i = 0; i < 2; i++)
		after[i] = (struct item){.begun = &begun, .gate = &gates[2], .ended = &ended};
	post(queue, &before[0], true);
	post(queue, &before[1], true);
	post(queue, &barrier, false);
	post(queue, &after[0], true);
	post(queue, &after[1], true);
	meter_wait(&begun, 2);
	settle();
	ck_assert_uint_eq(meter_read(&begun), 2);
	meter_raise(&gates[0]);
	meter_wait(&begun, 3);
	settle();
	ck_assert_uint_eq(meter_read(&begun), 3);
	ck_assert_uint_eq(barrier.turn, 3);
	meter_raise(&gates[1]);
	meter_wait(&begun, 5); /* both, beside each other */
	meter_raise(&gates[2]);
	meter_wait(&ended, 5);
	OSRelease(queue);
}
END_TEST

static void *
call_alone(void *queue)
{
	struct meter called = METER_INITIALIZER;

	ck_assert(queue_call(queue, &called, note));
	ck_assert_uint_eq(meter_read(&called), 1);
	return NULL;
}

START_TEST(a_caller_waits_for_shared_work_and_shares_if_asked)
{
	struct meter begun = METER_INITIALIZER, gate = METER_INITIALIZER;
	struct meter ended = METER_INITIALIZER, called = METER_INITIALIZER;
	struct item item = {.begun = &begun, .gate = &gate, .ended = &ended};
	IODispatchQueue *queue;
	pthread_t thread;

	start();
	queue = create("wide", 4);
	post(queue, &item, true);
	meter_wait(&begun, 1);
	ck_assert(queue_call_from(queue, true, &called, note, NULL)); /* does not wait */
	ck_assert_int_eq(pthread_create(&thread, NULL, call_alone, queue), 0);
	meter_raise(&gate);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(meter_read(&ended), 1);
	OSRelease(queue);
}
END_TEST

START_TEST(a_narrow_queue_shares_nothing)
{
	struct meter begun = METER_INITIALIZER, gate = METER_INITIALIZER;
	struct meter ended = METER_INITIALIZER;
	struct item items[3];
	IODispatchQueue *queue;

	start();
	queue = create("narrow", 1);
	for (unsigned i = 0; i < 3; i++) {
		items[i] = (struct item){.begun = &begun, .gate = &gate, .ended = &ended};
		post(queue, &items[i], true);
	}
	meter_wait(&begun, 1);
	settle();
	ck_assert_uint_eq(meter_read(&begun), 1);
	meter_raise(&gate);
	meter_wait(&ended, 3);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_uint_eq(items[i].turn, i + 1);
	OSRelease(queue);
}
END_TEST

START_TEST(a_suspended_queue_begins_nothing)
{
	struct meter begun = METER_INITIALIZER, ended = METER_INITIALIZER;
	struct item items[2] = {{.begun = &begun, .ended = &ended},
				{.begun = &begun, .ended = &ended}};
	IODispatchQueue *queue;
	pthread_t thread;

	start();
	queue = create("suspended", 1);
	queue_suspend(queue);
	queue_suspend(queue);
	post(queue, &items[0], false);
	ck_assert_int_eq(pthread_create(&thread, NULL, call_alone, queue), 0);
	settle();
	ck_assert_uint_eq(meter_read(&begun), 0);
	ck_assert(queue_resume(queue));
	settle();
	ck_assert_uint_eq(meter_read(&begun), 0);
	ck_assert(queue_resume(queue));
	meter_wait(&ended, 1);
	pthread_join(thread, NULL);
	ck_assert(!queue_resume(queue));
	post(queue, &items[1], false);
	meter_wait(&ended, 2);
	OSRelease(queue);
}
END_TEST

struct meeting {
	struct meter inside;
	unsigned alone;
};

static void
meet(void *context)
{
	struct meeting *meeting = context;

	meter_raise(&meeting->inside);
	meter_wait(&meeting->inside, 3);
}

static void
come_alone(void *context)
{
	struct meeting *meeting = context;

	meeting->alone = meter_read(&meeting->inside);
}

START_TEST(a_driver_dispatches_concurrently)
{
	struct meeting meeting = {.inside = METER_INITIALIZER};
	IODispatchQueue *queue = NULL;

	start();
	ck_assert_int_eq(IODispatchQueue_Create("driver", 0, 0, &queue), kIOReturnSuccess);
	for (unsigned i = 0; i < 3; i++)
		IODispatchQueue_DispatchConcurrent_f(queue, &meeting, meet);
	IODispatchQueue_DispatchAsync_f(queue, &meeting, come_alone);
	IODispatchQueue_DispatchSync_f(queue, &meeting, come_alone);
	ck_assert_uint_eq(meeting.alone, 3);
	ck_assert_int_eq(IODispatchQueue_Cancel_f(queue, NULL, NULL), kIOReturnSuccess);
	IODispatchQueue_DispatchConcurrent_f(queue, &meeting, meet); /* dropped */
	OSRelease(queue);
	ck_assert_uint_eq(meter_read(&meeting.inside), 3);
}
END_TEST

/* --- targets --- */

struct unlocked {
	unsigned count; /* no lock but the target */
	IODispatchQueue *queues[2];
	struct meter done;
};

static void
add_one(void *context)
{
	struct unlocked *shared = context;

	ck_assert(queue_is_here(queue_target(queue_innermost())));
	shared->count++;
}

static void
add_one_async(void *context)
{
	struct unlocked *shared = context;

	add_one(shared);
	meter_raise(&shared->done);
}

static void *
add_many(void *context)
{
	struct unlocked *shared = context;

	for (unsigned i = 0; i < 500; i++) {
		IODispatchQueue_DispatchAsync_f(shared->queues[i % 2], shared, add_one_async);
		queue_call_from(shared->queues[(i + 1) % 2], true, shared, add_one, NULL);
	}
	return NULL;
}

START_TEST(queues_with_one_target_exclude_each_other)
{
	struct unlocked shared = {.done = METER_INITIALIZER};
	IODispatchQueue *target;
	pthread_t threads[3];

	start();
	target = create("target", 1);
	shared.queues[0] = create("narrow", 1);
	shared.queues[1] = create("wide", 8);
	for (unsigned i = 0; i < 2; i++)
		queue_set_target(shared.queues[i], target);
	OSRelease(target);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, add_many, &shared), 0);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	meter_wait(&shared.done, 1500);
	ck_assert_uint_eq(shared.count, 3000);
	for (unsigned i = 0; i < 2; i++)
		OSRelease(shared.queues[i]);
}
END_TEST

/* --- wakers --- */

static struct meter woken = METER_INITIALIZER;

static void
wake(void)
{
	meter_raise(&woken);
}

START_TEST(a_queue_with_a_waker_runs_where_it_is_drained)
{
	struct meter begun = METER_INITIALIZER, ended = METER_INITIALIZER;
	struct item items[100];
	IODispatchQueue *queue = NULL;
	unsigned drains = 0;

	start();
	ck_assert_int_eq(queue_create_of(OSTypeID(IODispatchQueue), "here", 1, wake, &queue),
			 kIOReturnSuccess);
	for (unsigned i = 0; i < 100; i++) {
		items[i] = (struct item){.begun = &begun, .ended = &ended};
		post(queue, &items[i], false);
	}
	settle();
	ck_assert_uint_eq(meter_read(&begun), 0);
	ck_assert_uint_eq(meter_read(&woken), 1);
	while (drains < meter_read(&woken)) {
		queue_drain_here(queue);
		drains++;
	}
	ck_assert_uint_gt(drains, 1); /* it leaves others their turn */
	ck_assert_uint_eq(meter_read(&ended), 100);
	OSRelease(queue);
}
END_TEST

/* --- fork --- */

/* The child's memory is the parent's to look after. */
static void
leave_memory(void)
{
	_exit(0);
}

static void
fork_and_return(struct work *work)
{
	struct item *item = (struct item *)work;
	pid_t child = fork();
	int status;

	ck_assert_int_ge(child, 0);
	if (child == 0) {
		atexit(leave_memory);
		loop_abandon(loop);
		queue_set_loop(NULL);
		return;
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	meter_raise(item->ended);
}

static void
end_child(struct work *work)
{
	struct item *item = (struct item *)work;

	if (getpid() != item->parent)
		_exit(9); /* the parent's work, run in the child */
	meter_raise(item->ended);
}

START_TEST(work_that_forked_may_return_in_the_child)
{
	struct meter ended = METER_INITIALIZER;
	struct item forks = {.ended = &ended}, next = {.ended = &ended, .parent = getpid()};
	IODispatchQueue *queue;

	start();
	threads_await_rest(2);
	queue = create("forks", 1);
	queue_suspend(queue);
	forks.work.run = fork_and_return;
	next.work.run = end_child;
	queue_post(queue, &forks.work);
	queue_post(queue, &next.work);
	queue_resume(queue);
	meter_wait(&ended, 2);
	OSRelease(queue);
}
END_TEST

UNIT_MAIN("queue_shared", shared_work_runs_side_by_side, other_work_runs_alone_and_in_order,
	  a_caller_waits_for_shared_work_and_shares_if_asked, a_narrow_queue_shares_nothing,
	  a_suspended_queue_begins_nothing, a_driver_dispatches_concurrently,
	  queues_with_one_target_exclude_each_other, a_queue_with_a_waker_runs_where_it_is_drained,
	  work_that_forked_may_return_in_the_child)
