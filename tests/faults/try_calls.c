/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of a driver, in every form, and their completions. */
#include "attempt.h"
#include "echo.h"

#include <poll.h>
#include <sched.h>
#include <string.h>

#include <dext_iokit.h>
#include <dispatch/dispatch.h>
#include <mach/mach.h>

#define LARGE 20000

static bool
call_all(io_connect_t connect)
{
	static char text[LARGE], back[4096];
	uint64_t in[3] = {1, 2, 3}, out[3] = {0};
	vm_address_t address = 0;
	size_t length = 100;
	uint32_t room = 3;

	for (unsigned i = 0; i < LARGE; i++)
		text[i] = (char)(i * 7 + 1);
	TRY(IOConnectCallMethod(connect, ECHO_ECHO, in, 3, text, 100, out, &room, back, &length));
	CHECK(room == 3 && memcmp(in, out, sizeof(in)) == 0);
	CHECK(length == 100 && memcmp(text, back, 100) == 0);
	length = (size_t)kIOConnectMethodVarOutputSize;
	TRY(IOConnectCallStructMethod(connect, ECHO_BACK, text, LARGE, &address, &length));
	CHECK(length == LARGE && memcmp(text, (void *)address, LARGE) == 0);
	vm_deallocate(mach_task_self(), address, length);
	TRY(IOConnectCallScalarMethod(connect, ECHO_SET, in, 1, NULL, NULL));
	TRY(IOConnectCallScalarMethod(connect, ECHO_SET_KINDS, NULL, 0, NULL, NULL));
	CHECK(IOConnectCallScalarMethod(connect, 77, NULL, 0, NULL, NULL) != kIOReturnSuccess);
	return true;
}

static bool
calls(void)
{
	return attempt_with("Echo", call_all);
}

/* --- a host that stays awake --- */

#define TURNS 8

/* The next CPU of `all`; on the host's own it would not stay awake for this app. */
static void
move_on(const cpu_set_t *all, int *cpu)
{
	cpu_set_t one;

	do
		*cpu = (*cpu + 1) % CPU_SETSIZE;
	while (!CPU_ISSET(*cpu, all));
	CPU_ZERO(&one);
	CPU_SET(*cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

static bool
call_often(io_connect_t connect)
{
	for (uint64_t i = 0; i < 1000; i++) {
		uint32_t room = 1;
		uint64_t out = 0;

		TRY(IOConnectCallMethod(connect, ECHO_ECHO, &i, 1, NULL, 0, &out, &room, NULL,
					NULL));
		CHECK(out == i);
	}
	return true;
}

/* So many calls that it looks at its descriptors between them. */
static bool
call_from_all(io_connect_t connect)
{
	bool well = true;
	cpu_set_t all;
	int cpu = 0;

	CHECK(sched_getaffinity(0, sizeof(all), &all) == 0);
	for (unsigned turn = 0; turn < TURNS && well; turn++) {
		move_on(&all, &cpu);
		well = call_often(connect);
	}
	sched_setaffinity(0, sizeof(all), &all);
	return well;
}

static bool
often(void)
{
	return attempt_with("Echo", call_from_all);
}

/* --- completions --- */

static void
completed(void *refcon, IOReturn result, void **args, uint32_t count)
{
	_Atomic uint64_t *sum = refcon;

	for (uint32_t i = 0; i < count; i++)
		*sum += (uint64_t)(uintptr_t)args[i];
}

static bool
begin(io_connect_t connect, IONotificationPortRef port, _Atomic uint64_t *sum)
{
	uint64_t reference[kIOAsyncCalloutCount] = {0}, in[3] = {100, 20, 3};

	reference[kIOAsyncCalloutFuncIndex] = (uint64_t)(uintptr_t)completed;
	reference[kIOAsyncCalloutRefconIndex] = (uint64_t)(uintptr_t)sum;
	TRY(IOConnectCallAsyncScalarMethod(connect, ECHO_COMPLETE,
					   IONotificationPortGetMachPort(port), reference,
					   kIOAsyncCalloutCount, in, 3, NULL, NULL));
	return true;
}

/* Whether it came whole, or not in time. */
static bool
came(_Atomic uint64_t *sum)
{
	CHECK(*sum == 0 || *sum == 123);
	return attempt_had("the completion", *sum == 123);
}

enum way { BY_LOOP, BY_POLL, BY_MESSAGE, BY_QUEUE };

static bool
wait_by(enum way way, IONotificationPortRef port, _Atomic uint64_t *sum)
{
	struct pollfd ready = {.fd = IONotificationPortGetFileDescriptor(port), .events = POLLIN};
	uint64_t began = attempt_msec();
	union {
		mach_msg_header_t header;
		char room[4096];
	} message;

	while (*sum == 0 && attempt_waits(began)) {
		if (way == BY_LOOP) {
			CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0.1, true);
		} else if (way == BY_POLL) {
			poll(&ready, 1, 100);
			dext_notification_port_dispatch(port);
		} else if (way == BY_MESSAGE) {
			if (mach_msg(&message.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0,
				     sizeof(message), IONotificationPortGetMachPort(port), 100,
				     MACH_PORT_NULL) == MACH_MSG_SUCCESS)
				IODispatchCalloutFromMessage(NULL, &message.header, port);
		} else {
			poll(NULL, 0, 1);
		}
	}
	return came(sum);
}

static bool
complete(enum way way, struct link *link, IONotificationPortRef port, dispatch_queue_t queue)
{
	_Atomic uint64_t sum = 0;

	HAVE(port);
	if (way == BY_LOOP) {
		CFRunLoopSourceRef source = IONotificationPortGetRunLoopSource(port);

		HAVE(source);
		CFRunLoopAddSource(CFRunLoopGetCurrent(), source, kCFRunLoopDefaultMode);
	} else if (way == BY_QUEUE) {
		HAVE(queue);
		IONotificationPortSetDispatchQueue(port, queue);
	}
	return link_open(link, "Echo") && begin(link->connect, port, &sum) &&
	       wait_by(way, port, &sum);
}

static bool
complete_by(enum way way)
{
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	dispatch_queue_t queue = way == BY_QUEUE ? dispatch_queue_create("faults", NULL) : NULL;
	struct link link = {0};
	bool well = complete(way, &link, port, queue);

	link_close(&link);
	if (port != NULL) {
		IONotificationPortSetDispatchQueue(port, NULL);
		if (queue != NULL)
			dispatch_sync_f(queue, NULL,
					(dispatch_function_t)(void (*)(void))attempt_msec);
		IONotificationPortDestroy(port);
	}
	if (queue != NULL)
		dispatch_release(queue);
	return well;
}

static bool
by_loop(void)
{
	return complete_by(BY_LOOP);
}

static bool
by_poll(void)
{
	return complete_by(BY_POLL);
}

static bool
by_message(void)
{
	return complete_by(BY_MESSAGE);
}

static bool
by_queue(void)
{
	return complete_by(BY_QUEUE);
}

/* Whichever way is waited in, the host may have been faster than that; not each time. */
static bool
all_ways(void)
{
	return by_queue() && by_message() && by_queue() && by_poll() && by_queue() && by_loop();
}

const struct scenario scenarios_calls[] = {
	{"calls", calls},
	{"by_loop", by_loop},
	{"by_poll", by_poll},
	{"by_message", by_message},
	{"by_queue", by_queue},
	{"often", often},
	{"bell_older", all_ways, "older"},
	{"calls_older", calls, "older"},
	{NULL, NULL},
};
