/* SPDX-License-Identifier: Apache-2.0 */
#include <dext_iokit.h>

#include "fake_connection.h"

/* What callbacks share with the test. */
struct bench {
	struct connection *connection;
	IONotificationPortRef notify;
	struct port *port; /* the one inside */
	unsigned calls;
	uint64_t last;
	unsigned act_on; /* the call on which `act` runs */
	void (*act)(struct bench *bench);
	uint32_t inner;
};

static void
callback(void *refcon, IOReturn result, void *arg0)
{
	struct bench *bench = refcon;

	bench->calls++;
	bench->last = (uintptr_t)arg0;
	if (bench->calls == bench->act_on)
		bench->act(bench);
}

static struct bench
make(void)
{
	struct bench bench = {.connection = fake_create(),
			      .notify = IONotificationPortCreate(MACH_PORT_NULL)};

	ck_assert_ptr_nonnull(bench.notify);
	bench.port = port_copy(IONotificationPortGetMachPort(bench.notify));
	ck_assert_ptr_nonnull(bench.port);
	fake_attach(bench.connection, bench.port);
	return bench;
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
end(struct bench *bench)
{
	if (bench->notify != NULL)
		IONotificationPortDestroy(bench->notify);
	port_release(bench->port);
	ck_assert_int_eq(fake_references(bench->connection), 1);
	connection_release(bench->connection);
}

static void
destroy(struct bench *bench)
{
	IONotificationPortDestroy(bench->notify);
	bench->notify = NULL;
}

static void
stop(struct bench *bench)
{
	CFRunLoopStop(CFRunLoopGetCurrent());
}

static void
dispatch_inside(struct bench *bench)
{
	bench->inner = dext_notification_port_dispatch(bench->notify);
}

static void
push_one_more(struct bench *bench)
{
	push(bench, 1000);
}

START_TEST(a_descriptor_and_dispatch)
{
	struct bench bench = make();
	int fd = IONotificationPortGetFileDescriptor(bench.notify);

	ck_assert_uint_eq(dext_notification_port_dispatch(bench.notify), 0);
	for (uint64_t round = 0; round < 50; round++) {
		ck_assert(!is_readable(fd));
		push(&bench, round);
		push(&bench, round + 1);
		await_readable(fd);
		ck_assert_uint_eq(dext_notification_port_dispatch(bench.notify), 2);
		ck_assert_uint_eq(bench.last, round + 1);
	}
	end(&bench);
}
END_TEST

START_TEST(a_flood_leaves_the_app_its_turn)
{
	struct bench bench = make();

	for (uint64_t i = 0; i < 1500; i++)
		push(&bench, i);
	ck_assert_uint_eq(dext_notification_port_dispatch(bench.notify), 1024);
	ck_assert(is_readable(IONotificationPortGetFileDescriptor(bench.notify)));
	ck_assert_uint_eq(dext_notification_port_dispatch(bench.notify), 476);
	ck_assert_uint_eq(bench.last, 1499);
	end(&bench);
}
END_TEST

START_TEST(a_callback_may_destroy_the_port)
{
	struct bench bench = make();

	bench.act_on = 2;
	bench.act = destroy;
	for (uint64_t i = 0; i < 5; i++)
		push(&bench, i);
	ck_assert_uint_eq(dext_notification_port_dispatch(bench.notify), 2);
	ck_assert_uint_eq(bench.calls, 2);
	end(&bench);
}
END_TEST

START_TEST(a_callback_may_dispatch_and_cause_more)
{
	struct bench bench = make();

	bench.act_on = 2;
	bench.act = dispatch_inside;
	for (uint64_t i = 0; i < 5; i++)
		push(&bench, i);
	ck_assert_uint_eq(dext_notification_port_dispatch(bench.notify), 2);
	ck_assert_uint_eq(bench.inner, 3);
	ck_assert_uint_eq(bench.calls, 5);
	bench.act_on = 6;
	bench.act = push_one_more;
	push(&bench, 5);
	ck_assert_uint_eq(dext_notification_port_dispatch(bench.notify), 2);
	ck_assert_uint_eq(bench.last, 1000);
	end(&bench);
}
END_TEST

START_TEST(a_run_loop_runs_the_callbacks)
{
	struct bench bench = make();
	CFRunLoopSourceRef source = IONotificationPortGetRunLoopSource(bench.notify);

	ck_assert_ptr_eq(IONotificationPortGetRunLoopSource(bench.notify), source);
	CFRunLoopAddSource(CFRunLoopGetCurrent(), source, kCFRunLoopDefaultMode);
	bench.act_on = 3;
	bench.act = stop;
	for (uint64_t i = 0; i < 5; i++)
		push(&bench, i);
	CFRunLoopRun();
	ck_assert_uint_eq(bench.calls, 3); /* and no further after the stop */
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 10, true),
			 kCFRunLoopRunHandledSource);
	ck_assert_uint_eq(bench.calls, 4);
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0, false),
			 kCFRunLoopRunTimedOut);
	ck_assert_uint_eq(bench.calls, 5);
	end(&bench);
}
END_TEST

START_TEST(destroying_ends_the_source)
{
	struct bench bench = make();
	CFRunLoopSourceRef source = IONotificationPortGetRunLoopSource(bench.notify);

	CFRetain(source);
	CFRunLoopAddSource(CFRunLoopGetCurrent(), source, kCFRunLoopDefaultMode);
	bench.act_on = 1;
	bench.act = destroy;
	push(&bench, 1);
	push(&bench, 2);
	CFRunLoopRun(); /* nothing is left to wait for */
	ck_assert_uint_eq(bench.calls, 1);
	ck_assert(!CFRunLoopSourceIsValid(source));
	CFRelease(source);
	end(&bench);
}
END_TEST

static void *
destroy_elsewhere(void *context)
{
	destroy(context);
	return NULL;
}

START_TEST(another_thread_destroys_the_port_of_a_sleeping_loop)
{
	struct bench bench = make();
	pthread_t thread;

	CFRunLoopAddSource(CFRunLoopGetCurrent(), IONotificationPortGetRunLoopSource(bench.notify),
			   kCFRunLoopDefaultMode);
	ck_assert_int_eq(pthread_create(&thread, NULL, destroy_elsewhere, &bench), 0);
	CFRunLoopRun();
	pthread_join(thread, NULL);
	end(&bench);
}
END_TEST

/* The receive loop of programs written for macOS. */
START_TEST(mach_msg_and_a_callout)
{
	struct bench bench = make();
	struct {
		mach_msg_header_t header;
		uint8_t rest[256];
	} message;

	push(&bench, 8);
	ck_assert_int_eq(mach_msg(&message.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0,
				  sizeof(message), IONotificationPortGetMachPort(bench.notify),
				  20000, MACH_PORT_NULL),
			 MACH_MSG_SUCCESS);
	IODispatchCalloutFromMessage(NULL, &message.header, bench.notify);
	ck_assert_uint_eq(bench.calls, 1);
	ck_assert_uint_eq(bench.last, 8);
	end(&bench);
}
END_TEST

START_TEST(null_is_refused)
{
	IONotificationPortDestroy(NULL);
	ck_assert_ptr_null(IONotificationPortGetRunLoopSource(NULL));
	ck_assert_uint_eq(IONotificationPortGetMachPort(NULL), MACH_PORT_NULL);
	ck_assert_int_eq(IONotificationPortGetFileDescriptor(NULL), -1);
	ck_assert_uint_eq(dext_notification_port_dispatch(NULL), 0);
}
END_TEST

static void
use_inherited(void *context)
{
	struct bench *bench = context;

	push(bench, 1);
	if (dext_notification_port_dispatch(bench->notify) != 0)
		_exit(1);
	if (CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0, false) != kCFRunLoopRunFinished)
		_exit(2);
	IONotificationPortDestroy(bench->notify);
	bench->notify = IONotificationPortCreate(MACH_PORT_NULL);
	if (bench->notify == NULL)
		_exit(3);
}

START_TEST(a_forked_child_only_lets_go)
{
	struct bench bench = make();
	int status;

	CFRunLoopAddSource(CFRunLoopGetCurrent(), IONotificationPortGetRunLoopSource(bench.notify),
			   kCFRunLoopDefaultMode);
	status = unit_child(use_inherited, &bench, NULL, 0);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	push(&bench, 2);
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 10, true),
			 kCFRunLoopRunHandledSource);
	ck_assert_uint_eq(bench.last, 2);
	end(&bench);
}
END_TEST

UNIT_MAIN("notification_port", a_descriptor_and_dispatch, a_flood_leaves_the_app_its_turn,
	  a_callback_may_destroy_the_port, a_callback_may_dispatch_and_cause_more,
	  a_run_loop_runs_the_callbacks, destroying_ends_the_source,
	  another_thread_destroys_the_port_of_a_sleeping_loop, mach_msg_and_a_callout,
	  null_is_refused, a_forked_child_only_lets_go)
