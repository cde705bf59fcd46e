/* SPDX-License-Identifier: Apache-2.0 */
/* Callbacks on dispatch queues: IONotificationPortSetDispatchQueue. */
#include <dext_iokit.h>

#include "fake_connection.h"
#include "meter.h"
#include "threads.h"

#define COUNT 2000u

/* What callbacks share with the test. */
struct bench {
	struct connection *connection;
	IONotificationPortRef notify;
	struct port *port; /* the one inside */
	dispatch_queue_t queue, other;
	struct meter calls;
	unsigned act_on; /* the call on which `act` runs */
	void (*act)(struct bench *bench);
	struct meter acted, gate;
	_Atomic bool inside;
	uint64_t last;	   /* the one after is next */
	uint64_t on_queue; /* calls there */
	pthread_t thread;
};

static void
callback(void *refcon, IOReturn result, void *arg0)
{
	struct bench *bench = refcon;
	unsigned call = meter_read(&bench->calls) + 1;

	ck_assert(!atomic_exchange(&bench->inside, true)); /* never two at a time */
	ck_assert_uint_eq((uintptr_t)arg0, bench->last + 1);
	bench->last++;
	bench->thread = pthread_self();
	if (dispatch_queue_get_label(DISPATCH_CURRENT_QUEUE_LABEL) ==
	    dispatch_queue_get_label(bench->queue))
		bench->on_queue++;
	meter_raise(&bench->calls);
	if (call == bench->act_on)
		bench->act(bench);
	atomic_store(&bench->inside, false);
}

static void
make(struct bench *bench)
{
	*bench = (struct bench){.connection = fake_create(),
				.notify = IONotificationPortCreate(MACH_PORT_NULL),
				.queue = dispatch_queue_create("delivery", NULL),
				.other = dispatch_queue_create("other", NULL),
				.calls = METER_INITIALIZER,
				.acted = METER_INITIALIZER,
				.gate = METER_INITIALIZER};
	ck_assert_ptr_nonnull(bench->notify);
	bench->port = port_copy(IONotificationPortGetMachPort(bench->notify));
	ck_assert_ptr_nonnull(bench->port);
	fake_attach(bench->connection, bench->port);
}

static void
push(struct bench *bench, uint64_t number)
{
	struct port_message message = {.count = 1, .arguments = {number}};

	message.reference[kIOAsyncCalloutFuncIndex] = (uintptr_t)callback;
	message.reference[kIOAsyncCalloutRefconIndex] = (uintptr_t)bench;
	fake_push_message(bench->connection, bench->port, &message);
}

static void
push_many(struct bench *bench, uint64_t first, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		push(bench, first + i);
}

static void
nothing(void *context)
{
}

static void
end(struct bench *bench)
{
	uint64_t deadline = FAKE_SOON;

	if (bench->notify != NULL)
		IONotificationPortDestroy(bench->notify);
	/* What was on its way is through, but for a turn on a concurrent queue. */
	dispatch_sync_f(bench->queue, NULL, nothing);
	dispatch_sync_f(bench->other, NULL, nothing);
	dispatch_release(bench->queue);
	dispatch_release(bench->other);
	port_release(bench->port);
	/* That, and the loop, let the port go on threads of theirs. */
	while (fake_references(bench->connection) > 1 && clock_now() < deadline)
		sched_yield();
	ck_assert_int_eq(fake_references(bench->connection), 1);
	connection_release(bench->connection);
}

START_TEST(callbacks_run_on_the_queue_in_order)
{
	struct bench bench;

	make(&bench);
	push_many(&bench, 1, 10); /* waiting already */
	IONotificationPortSetDispatchQueue(bench.notify, bench.queue);
	push_many(&bench, 11, COUNT - 10);
	meter_wait(&bench.calls, COUNT);
	ck_assert_uint_eq(bench.on_queue, COUNT);
	/* One at a time: each has to wake the other side. */
	for (unsigned i = 1; i <= 50; i++) {
		push(&bench, COUNT + i);
		meter_wait(&bench.calls, COUNT + i);
	}
	end(&bench);
}
END_TEST

START_TEST(on_a_concurrent_queue_one_after_the_other)
{
	struct bench bench;

	make(&bench);
	dispatch_release(bench.queue);
	bench.queue = dispatch_queue_create("wide", DISPATCH_QUEUE_CONCURRENT);
	IONotificationPortSetDispatchQueue(bench.notify, bench.queue);
	push_many(&bench, 1, COUNT);
	meter_wait(&bench.calls, COUNT);
	ck_assert_uint_eq(bench.on_queue, COUNT);
	end(&bench);
}
END_TEST

START_TEST(null_takes_it_off_the_queue)
{
	struct bench bench;

	make(&bench);
	IONotificationPortSetDispatchQueue(bench.notify, NULL);
	IONotificationPortSetDispatchQueue(bench.notify, bench.queue);
	push(&bench, 1);
	meter_wait(&bench.calls, 1);
	dispatch_sync_f(bench.queue, NULL, nothing);
	IONotificationPortSetDispatchQueue(bench.notify, NULL);
	push_many(&bench, 2, 5);
	await_readable(IONotificationPortGetFileDescriptor(bench.notify));
	ck_assert_uint_eq(dext_notification_port_dispatch(bench.notify), 5);
	ck_assert(pthread_equal(bench.thread, pthread_self()));
	IONotificationPortSetDispatchQueue(bench.notify, bench.other);
	push(&bench, 7);
	meter_wait(&bench.calls, 7);
	ck_assert_uint_eq(bench.on_queue, 1);
	end(&bench);
}
END_TEST

/* The former queue never gets to the turn that was put there. */
START_TEST(a_queue_that_stands_still_is_left)
{
	struct bench bench;

	make(&bench);
	dispatch_suspend(bench.queue);
	IONotificationPortSetDispatchQueue(bench.notify, bench.queue);
	push_many(&bench, 1, 10);
	await_readable(IONotificationPortGetFileDescriptor(bench.notify));
	IONotificationPortSetDispatchQueue(bench.notify, bench.other);
	meter_wait(&bench.calls, 10);
	ck_assert_uint_eq(bench.on_queue, 0);
	dispatch_resume(bench.queue);
	push_many(&bench, 11, 10);
	meter_wait(&bench.calls, 20);
	ck_assert_uint_eq(bench.on_queue, 0);
	end(&bench);
}
END_TEST

static void
raise_gate(void *gate)
{
	meter_raise(gate);
}

static void
move(struct bench *bench)
{
	IONotificationPortSetDispatchQueue(bench->notify, bench->other);
	push_many(bench, 11, 10);
	/* A turn there would have its chance meanwhile: it waits for this callback. */
	for (unsigned i = 1; i <= 50; i++) {
		dispatch_async_f(dispatch_get_global_queue(0, 0), &bench->gate, raise_gate);
		meter_wait(&bench->gate, i);
	}
	meter_raise(&bench->acted);
}

START_TEST(a_callback_moves_the_port)
{
	struct bench bench;

	make(&bench);
	bench.act_on = 5;
	bench.act = move;
	push_many(&bench, 1, 10);
	IONotificationPortSetDispatchQueue(bench.notify, bench.queue);
	meter_wait(&bench.calls, 20);
	meter_wait(&bench.acted, 1);
	ck_assert_uint_eq(bench.on_queue, 5);
	end(&bench);
}
END_TEST

static void
destroy(struct bench *bench)
{
	IONotificationPortDestroy(bench->notify);
	bench->notify = NULL;
	meter_raise(&bench->acted);
}

START_TEST(a_callback_destroys_the_port)
{
	struct bench bench;

	make(&bench);
	bench.act_on = 3;
	bench.act = destroy;
	push_many(&bench, 1, 10);
	IONotificationPortSetDispatchQueue(bench.notify, bench.queue);
	meter_wait(&bench.acted, 1);
	dispatch_sync_f(bench.queue, NULL, nothing);
	ck_assert_uint_eq(meter_read(&bench.calls), 3);
	end(&bench);
}
END_TEST

static void
hold(struct bench *bench)
{
	meter_raise(&bench->acted);
	meter_wait(&bench->gate, 1);
}

START_TEST(another_thread_destroys_the_port_during_a_callback)
{
	struct bench bench;
	unsigned fds = unit_count_fds();

	for (unsigned round = 0; round < 3; round++) {
		make(&bench);
		bench.act_on = 1;
		bench.act = hold;
		push_many(&bench, 1, 10);
		IONotificationPortSetDispatchQueue(bench.notify, bench.queue);
		meter_wait(&bench.acted, 1);
		destroy(&bench);
		meter_raise(&bench.gate);
		dispatch_sync_f(bench.queue, NULL, nothing);
		ck_assert_uint_eq(meter_read(&bench.calls), 1);
		end(&bench);
		/* The loop's reference of the port is let go on its thread. */
		threads_await_rest(1);
		if (round == 0) /* those of the engine */
			fds = unit_count_fds();
	}
	ck_assert_uint_eq(unit_count_fds(), fds);
}
END_TEST

static void
stop(struct bench *bench)
{
	CFRunLoopStop(CFRunLoopGetCurrent());
}

/* As programs do that have a queue, and a main thread with nothing else to do. */
START_TEST(the_main_queue_in_a_run_loop)
{
	struct bench bench;

	make(&bench);
	IONotificationPortSetDispatchQueue(bench.notify, dispatch_get_main_queue());
	bench.act_on = 5;
	bench.act = stop;
	push_many(&bench, 1, 5);
	CFRunLoopRun(); /* without any source it waits for the main queue */
	ck_assert_uint_eq(meter_read(&bench.calls), 5);
	ck_assert(pthread_equal(bench.thread, pthread_self()));
	push(&bench, 6);
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 20, true),
			 kCFRunLoopRunHandledSource);
	ck_assert_uint_eq(meter_read(&bench.calls), 6);
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0, false),
			 kCFRunLoopRunTimedOut);
	/* In no other mode. */
	push(&bench, 7);
	ck_assert_int_eq(CFRunLoopRunInMode(CFSTR("other"), 0, false), kCFRunLoopRunFinished);
	ck_assert_uint_eq(meter_read(&bench.calls), 6);
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 20, true),
			 kCFRunLoopRunHandledSource);
	end(&bench);
}
END_TEST

static void
use_inherited(void *context)
{
	struct bench *bench = context;

	IONotificationPortSetDispatchQueue(bench->notify, NULL);
	IONotificationPortDestroy(bench->notify);
#ifndef __SANITIZE_THREAD__ /* it starts no threads after a fork */
	make(bench);
	IONotificationPortSetDispatchQueue(bench->notify, bench->queue);
	push(bench, 1);
	if (!meter_reaches(&bench->calls, 1))
		_exit(1);
#endif
}

START_TEST(a_forked_child_only_lets_go)
{
	struct bench bench;
	int status;

	make(&bench);
	IONotificationPortSetDispatchQueue(bench.notify, bench.queue);
	push(&bench, 1);
	meter_wait(&bench.calls, 1);
	status = unit_child(use_inherited, &bench, NULL, 0);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	push(&bench, 2);
	meter_wait(&bench.calls, 2);
	end(&bench);
}
END_TEST

/* Moved about while it delivers, from other threads: each message once, in order. */
struct mover {
	struct bench *bench;
	_Atomic bool stop;
};

static void *
move_about(void *context)
{
	struct mover *mover = context;
	struct bench *bench = mover->bench;
	dispatch_queue_t queues[] = {bench->queue, bench->other, NULL,
				     dispatch_get_global_queue(0, 0)};

	for (unsigned i = 0; !atomic_load(&mover->stop); i++)
		IONotificationPortSetDispatchQueue(bench->notify, queues[i % 4]);
	return NULL;
}

START_TEST(each_message_once_while_the_port_moves)
{
	struct bench bench;
	struct mover mover = {.bench = &bench};
	pthread_t threads[2];

	make(&bench);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, move_about, &mover), 0);
	push_many(&bench, 1, COUNT);
	atomic_store(&mover.stop, true);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	IONotificationPortSetDispatchQueue(bench.notify, bench.queue);
	meter_wait(&bench.calls, COUNT);
	end(&bench);
}
END_TEST

START_TEST(null_is_refused)
{
	dispatch_queue_t queue = dispatch_queue_create(NULL, NULL);

	IONotificationPortSetDispatchQueue(NULL, queue);
	dispatch_release(queue);
}
END_TEST

UNIT_MAIN("delivery", callbacks_run_on_the_queue_in_order,
	  on_a_concurrent_queue_one_after_the_other, null_takes_it_off_the_queue,
	  a_queue_that_stands_still_is_left, a_callback_moves_the_port,
	  a_callback_destroys_the_port, another_thread_destroys_the_port_during_a_callback,
	  the_main_queue_in_a_run_loop, a_forked_child_only_lets_go,
	  each_message_once_while_the_port_moves, null_is_refused)
