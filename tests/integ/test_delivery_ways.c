/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ways in which an app hears of completions, against a real driver: run loop, dispatch queue,
 * receive loop and descriptor. Each way gives every completion once, in the driver's order, to a
 * function of the shape that goes with the number of arguments.
 */
#include "echo.h"
#include "harness.h"
#include "meter.h"
#include "unit.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include <CoreFoundation/CoreFoundation.h>
#include <dext_iokit.h>
#include <dispatch/dispatch.h>
#include <mach/mach.h>

#define ARGUMENTS_MAX 16u
#define ROUND	      40u
#define SHARED	      400u

static struct harness harness;
static io_connect_t echo;

/* Who listens on a port, and what he is to hear next. */
struct listener {
	IONotificationPortRef notify;
	dispatch_queue_t queue;
	uint32_t arguments;
	struct meter heard;
	_Atomic uint8_t *seen; /* by number, for who does not look at the order; NULL: does */
};

static void
hear(struct listener *listener, IOReturn result, void **arguments, uint32_t count)
{
	uintptr_t number = meter_read(&listener->heard);

	ck_assert_int_eq(result, kIOReturnSuccess);
	ck_assert_uint_eq(count, listener->arguments);
	if (listener->seen != NULL)
		atomic_fetch_add(&listener->seen[(uintptr_t)arguments[0]], 1);
	for (uint32_t i = 0; listener->seen == NULL && i < count; i++)
		ck_assert_uint_eq((uintptr_t)arguments[i], number + i * 1000);
	meter_raise(&listener->heard);
}

static void
hear_0(void *refcon, IOReturn result)
{
	hear(refcon, result, NULL, 0);
}

static void
hear_1(void *refcon, IOReturn result, void *first)
{
	hear(refcon, result, &first, 1);
}

static void
hear_2(void *refcon, IOReturn result, void *first, void *second)
{
	hear(refcon, result, (void *[]){first, second}, 2);
}

static void
hear_more(void *refcon, IOReturn result, void **arguments, uint32_t count)
{
	hear(refcon, result, arguments, count);
}

static uintptr_t
function_for(uint32_t arguments)
{
	static const uintptr_t few[] = {(uintptr_t)hear_0, (uintptr_t)hear_1, (uintptr_t)hear_2};

	return arguments < 3 ? few[arguments] : (uintptr_t)hear_more;
}

static void
start(void)
{
	harness_start(&harness, (const char *[]){harness_bundle("ECHO_BUNDLE"), NULL});
	echo = harness_open("Echo", 0);
}

static void
stop(void)
{
	ck_assert_int_eq(IOServiceClose(echo), kIOReturnSuccess);
	ck_assert_int_eq(harness_stop(&harness), 0);
}

static void
begin(struct listener *listener, uint32_t arguments)
{
	*listener = (struct listener){.notify = IONotificationPortCreate(kIOMainPortDefault),
				      .queue = dispatch_queue_create("delivery", NULL),
				      .arguments = arguments,
				      .heard = METER_INITIALIZER};
	ck_assert_ptr_nonnull(listener->notify);
}

static void
end(struct listener *listener)
{
	IONotificationPortDestroy(listener->notify);
	dispatch_release(listener->queue);
}

/* The driver completes each call at once. */
static void
call(struct listener *listener, uint64_t number)
{
	uint64_t reference[kIOAsyncCalloutCount] = {0};
	uint64_t scalars[ARGUMENTS_MAX];

	for (uint64_t i = 0; i < listener->arguments; i++)
		scalars[i] = number + i * 1000;
	reference[kIOAsyncCalloutFuncIndex] = function_for(listener->arguments);
	reference[kIOAsyncCalloutRefconIndex] = (uintptr_t)listener;
	ck_assert_int_eq(IOConnectCallAsyncScalarMethod(
				 echo, ECHO_COMPLETE,
				 IONotificationPortGetMachPort(listener->notify), reference,
				 kIOAsyncCalloutCount, scalars, listener->arguments, NULL, NULL),
			 kIOReturnSuccess);
}

/* --- the ways: each hears up to `count` and then lets go of the port --- */

static void
by_run_loop(struct listener *listener, unsigned count)
{
	CFRunLoopSourceRef source = IONotificationPortGetRunLoopSource(listener->notify);

	CFRunLoopAddSource(CFRunLoopGetCurrent(), source, kCFRunLoopDefaultMode);
	while (meter_read(&listener->heard) < count)
		ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 20, true),
				 kCFRunLoopRunHandledSource);
	CFRunLoopRemoveSource(CFRunLoopGetCurrent(), source, kCFRunLoopDefaultMode);
}

static void
nothing(void *context)
{
}

static void
by_queue(struct listener *listener, unsigned count)
{
	IONotificationPortSetDispatchQueue(listener->notify, listener->queue);
	meter_wait(&listener->heard, count);
	IONotificationPortSetDispatchQueue(listener->notify, NULL);
	dispatch_sync_f(listener->queue, NULL, nothing);
}

static bool
receive_one(struct listener *listener, mach_msg_timeout_t msec)
{
	struct {
		mach_msg_header_t header;
		uint8_t rest[512];
	} message;
	mach_msg_return_t result =
		mach_msg(&message.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(message),
			 IONotificationPortGetMachPort(listener->notify), msec, MACH_PORT_NULL);

	if (result != MACH_MSG_SUCCESS)
		return false;
	ck_assert_int_eq(message.header.msgh_id, kOSNotificationMessageID);
	IODispatchCalloutFromMessage(NULL, &message.header, NULL);
	return true;
}

static void
by_receiving(struct listener *listener, unsigned count)
{
	while (meter_read(&listener->heard) < count)
		ck_assert(receive_one(listener, 20000));
}

static void
by_descriptor(struct listener *listener, unsigned count)
{
	struct pollfd one = {.fd = IONotificationPortGetFileDescriptor(listener->notify),
			     .events = POLLIN};

	while (meter_read(&listener->heard) < count) {
		ck_assert_int_eq(poll(&one, 1, 20000), 1);
		dext_notification_port_dispatch(listener->notify);
	}
}

static void (*const ways[])(struct listener *listener,
			    unsigned count) = {by_run_loop, by_queue, by_receiving, by_descriptor};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

START_TEST(every_way_has_every_shape)
{
	static const uint32_t shapes[] = {0, 1, 2, 3, ARGUMENTS_MAX};
	struct listener listener;

	start();
	for (unsigned way = 0; way < WAYS; way++) {
		for (unsigned shape = 0; shape < sizeof(shapes) / sizeof(shapes[0]); shape++) {
			begin(&listener, shapes[shape]);
			for (unsigned i = 0; i < ROUND; i++)
				call(&listener, i);
			ways[way](&listener, ROUND);
			ck_assert_uint_eq(meter_read(&listener.heard), ROUND);
			ck_assert_uint_eq(dext_notification_port_dispatch(listener.notify), 0);
			end(&listener);
		}
	}
	stop();
}
END_TEST

/* One after the other, so that each completion has to wake whoever listens. */
START_TEST(a_port_goes_from_way_to_way)
{
	struct listener listener;
	unsigned count = 0;

	start();
	begin(&listener, 2);
	for (unsigned round = 0; round < 5 * WAYS; round++) {
		for (unsigned i = 0; i < 1 + round % 3; i++)
			call(&listener, count++);
		ways[(round * 3) % WAYS](&listener, count);
	}
	ck_assert_uint_eq(meter_read(&listener.heard), count);
	end(&listener);
	stop();
}
END_TEST

START_TEST(several_ports_on_one_thread)
{
	struct listener listeners[3];

	start();
	for (unsigned i = 0; i < 3; i++) {
		begin(&listeners[i], i + 1);
		CFRunLoopAddSource(CFRunLoopGetCurrent(),
				   IONotificationPortGetRunLoopSource(listeners[i].notify),
				   kCFRunLoopDefaultMode);
	}
	for (unsigned i = 0; i < ROUND; i++)
		for (unsigned j = 0; j < 3; j++)
			call(&listeners[j], i);
	for (unsigned j = 0; j < 3; j++)
		while (meter_read(&listeners[j].heard) < ROUND)
			ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 20, true),
					 kCFRunLoopRunHandledSource);
	for (unsigned j = 0; j < 3; j++)
		end(&listeners[j]);
	stop();
}
END_TEST

/* The driver's connection is one: whoever drains it gives each port its own. */
START_TEST(several_ports_in_several_ways_at_once)
{
	struct listener listeners[2];

	start();
	begin(&listeners[0], 1);
	begin(&listeners[1], 3);
	IONotificationPortSetDispatchQueue(listeners[0].notify, listeners[0].queue);
	CFRunLoopAddSource(CFRunLoopGetCurrent(),
			   IONotificationPortGetRunLoopSource(listeners[1].notify),
			   kCFRunLoopDefaultMode);
	for (unsigned i = 0; i < SHARED; i++) {
		call(&listeners[i % 2], i / 2);
		CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0, false);
	}
	meter_wait(&listeners[0].heard, SHARED / 2);
	by_run_loop(&listeners[1], SHARED / 2);
	for (unsigned j = 0; j < 2; j++)
		end(&listeners[j]);
	stop();
}
END_TEST

static void *
dispatch_some(void *context)
{
	struct listener *listener = context;
	struct pollfd one = {.fd = IONotificationPortGetFileDescriptor(listener->notify),
			     .events = POLLIN};

	while (meter_read(&listener->heard) < SHARED) {
		poll(&one, 1, 10);
		dext_notification_port_dispatch(listener->notify);
	}
	return NULL;
}

static void *
receive_some(void *context)
{
	struct listener *listener = context;

	while (meter_read(&listener->heard) < SHARED)
		receive_one(listener, 10);
	return NULL;
}

START_TEST(several_threads_on_one_port)
{
	static _Atomic uint8_t seen[SHARED];
	struct listener listener;
	pthread_t threads[4];

	start();
	begin(&listener, 1);
	listener.seen = seen;
	IONotificationPortSetDispatchQueue(listener.notify, dispatch_get_global_queue(0, 0));
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL,
						i % 2 ? receive_some : dispatch_some, &listener),
				 0);
	for (unsigned i = 0; i < SHARED; i++)
		call(&listener, i);
	meter_wait(&listener.heard, SHARED);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < SHARED; i++)
		ck_assert_uint_eq(seen[i], 1);
	end(&listener);
	stop();
}
END_TEST

START_TEST(the_example_runs)
{
	char said[256];
	size_t length;
	FILE *output;

	harness_start(&harness, (const char *[]){harness_bundle("BUFFER_RING_BUNDLE"), "--virtual",
						 "sink", NULL});
	output = popen(harness_bundle("DISPATCH_DELIVERY_APP"), "re");
	ck_assert_ptr_nonnull(output);
	length = fread(said, 1, sizeof(said) - 1, output);
	said[length] = '\0';
	ck_assert_int_eq(pclose(output), 0);
	ck_assert_str_eq(said, "sent 26214400 bytes in 400 buffers\n");
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

UNIT_MAIN("delivery_ways", every_way_has_every_shape, a_port_goes_from_way_to_way,
	  several_ports_on_one_thread, several_ports_in_several_ways_at_once,
	  several_threads_on_one_port, the_example_runs)
