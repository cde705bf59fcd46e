/* SPDX-License-Identifier: Apache-2.0 */
/* The FTDI driver on a virtual adapter whose line is joined to itself. */
#define UNIT_TIMEOUT_SEC 120
#include "harness.h"
#include "plugging.h"
#include "unit.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>

#include <dext_iokit.h>
#include <mach/mach.h>

#include "ftdi_serial.h"

static struct harness harness;

static struct {
	io_connect_t connect;
	IONotificationPortRef port;
	const uint8_t *ring;
	uint8_t *buffers[FTDI_SEND_BUFFERS];
	uint64_t received; /* as the driver has said */
	uint64_t taken;
	uint64_t events, event_position, lines;
	IOReturn status; /* of the last completion of LISTEN */
	unsigned told;
	unsigned sent; /* completions of SEND */
	uint64_t sent_bytes;
	IOReturn sent_status[64];
} app;

static void
start(const char *spec)
{
	harness_start(&harness,
		      (const char *[]){harness_bundle("FTDI_BUNDLE"), "--virtual", spec, NULL});
}

static void
on_told(void *refcon, IOReturn result, void **args, uint32_t count)
{
	ck_assert_uint_eq(count, FTDI_LISTEN_COUNT);
	app.told++;
	app.status = result;
	app.received = (uintptr_t)args[FTDI_LISTEN_RECEIVED];
	if (app.events == 0)
		app.event_position = (uintptr_t)args[FTDI_LISTEN_POSITION];
	app.events |= (uintptr_t)args[FTDI_LISTEN_EVENTS];
	app.lines = (uintptr_t)args[FTDI_LISTEN_LINES];
}

static void
on_sent(void *refcon, IOReturn result, void *bytes)
{
	ck_assert_uint_lt(app.sent, 64);
	app.sent_status[app.sent++] = result;
	app.sent_bytes += (uintptr_t)bytes;
}

static kern_return_t
call_async(uint32_t selector, void *function, const uint64_t *input, uint32_t count)
{
	uint64_t reference[kIOAsyncCalloutCount] = {0};

	reference[kIOAsyncCalloutFuncIndex] = (uint64_t)(uintptr_t)function;
	return IOConnectCallAsyncScalarMethod(app.connect, selector,
					      IONotificationPortGetMachPort(app.port), reference,
					      kIOAsyncCalloutCount, input, count, NULL, NULL);
}

static kern_return_t
call(uint32_t selector, const uint64_t *input, uint32_t count)
{
	return IOConnectCallScalarMethod(app.connect, selector, input, count, NULL, NULL);
}

static void *
map(uint32_t type, mach_vm_size_t wanted)
{
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;

	ck_assert_int_eq(IOConnectMapMemory64(app.connect, type, mach_task_self(), &address, &size,
					      kIOMapAnywhere),
			 kIOReturnSuccess);
	ck_assert_uint_ge(size, wanted);
	return (void *)(uintptr_t)address;
}

static void
open_port(void)
{
	memset(&app, 0, sizeof(app));
	app.connect = harness_open(FTDI_SERVICE, 0);
	app.port = IONotificationPortCreate(kIOMainPortDefault);
	ck_assert_ptr_nonnull(app.port);
	app.ring = map(FTDI_MEMORY_RECEIVE, FTDI_RING_BYTES);
	for (uint32_t i = 0; i < FTDI_SEND_BUFFERS; i++)
		app.buffers[i] = map(FTDI_MEMORY_SEND + i, FTDI_SEND_BYTES);
	ck_assert_int_eq(call_async(FTDI_LISTEN, on_told, NULL, 0), kIOReturnSuccess);
}

static void
close_port(void)
{
	IOServiceClose(app.connect);
	IONotificationPortDestroy(app.port);
}

static uint64_t
now_msec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Dispatches until the condition is true, with a deadline. */
#define await(condition)                                                                           \
	do {                                                                                       \
		uint64_t await_end = now_msec() + HARNESS_DEADLINE_SEC * 1000;                     \
                                                                                                   \
		while (dext_notification_port_dispatch(app.port), !(condition)) {                  \
			ck_assert_msg(now_msec() < await_end, "%s", #condition);                   \
			poll(&(struct pollfd){.fd = IONotificationPortGetFileDescriptor(app.port), \
					      .events = POLLIN},                                   \
			     1, 100);                                                              \
		}                                                                                  \
	} while (0)

static kern_return_t
take(uint64_t position)
{
	uint64_t there = 0;
	uint32_t room = 1;
	kern_return_t status =
		IOConnectCallScalarMethod(app.connect, FTDI_TAKE, &position, 1, &there, &room);

	if (status == kIOReturnSuccess) {
		ck_assert_uint_ge(there, position);
		app.taken = position;
	}
	return status;
}

static uint8_t
pattern(uint64_t position)
{
	/* Does not repeat with the size of the ring. */
	return (uint8_t)(position * 131 + (position >> 8) + (position >> 16) * 7);
}

/* Buffer i, with the bytes of the pattern from `position`. */
static void
send(uint64_t i, uint64_t position, uint64_t length)
{
	for (uint64_t k = 0; k < length; k++)
		app.buffers[i][k] = pattern(position + k);
	ck_assert_int_eq(call_async(FTDI_SEND, on_sent, (uint64_t[]){i, length}, 2),
			 kIOReturnSuccess);
}

static kern_return_t
set_line(uint64_t baud, uint64_t *ret_actual)
{
	const uint64_t input[] = {baud, 8, FTDI_PARITY_NONE, FTDI_STOP_1, FTDI_FLOW_NONE};
	uint32_t room = 1;

	return IOConnectCallScalarMethod(app.connect, FTDI_SET_LINE, input, 5, ret_actual, &room);
}

static void
get_status(uint64_t status[FTDI_STATUS_COUNT])
{
	uint32_t room = FTDI_STATUS_COUNT;

	ck_assert_int_eq(
		IOConnectCallScalarMethod(app.connect, FTDI_GET_STATUS, NULL, 0, status, &room),
		kIOReturnSuccess);
}

/* Many times around the ring, by transfers of all lengths. */
START_TEST(every_byte_comes_back_in_order)
{
	const uint64_t total = 1 << 20;
	uint64_t sent = 0, status[FTDI_STATUS_COUNT];
	unsigned sends = 0, i = 0;

	start(_i == 0 ? "ftdi" : "ftdi,speed=high");
	open_port();
	while (app.taken < total) {
		while (sent < total && sends - app.sent < FTDI_SEND_BUFFERS) {
			uint64_t length = (i * 613 + 1) % FTDI_SEND_BYTES + 1;

			if (length > total - sent)
				length = total - sent;
			send(i++ % FTDI_SEND_BUFFERS, sent, length);
			sent += length;
			sends++;
		}
		await(app.received > app.taken || sends - app.sent < FTDI_SEND_BUFFERS);
		if (app.sent > 32) {
			sends -= 32;
			app.sent -= 32;
		}
		for (uint64_t p = app.taken; p < app.received; p++)
			ck_assert_msg(app.ring[p % FTDI_RING_BYTES] == pattern(p), "byte %llu",
				      (unsigned long long)p);
		if (app.received > app.taken)
			ck_assert_int_eq(take(app.received), kIOReturnSuccess);
	}
	await(app.sent == sends);
	ck_assert_uint_eq(app.sent_bytes, total);
	get_status(status);
	ck_assert_uint_eq(status[FTDI_STATUS_RECEIVED], total);
	ck_assert_uint_eq(status[FTDI_STATUS_SENT], total);
	ck_assert_uint_eq(status[FTDI_STATUS_EMPTY], 1);
	ck_assert_uint_eq(app.events & ~(uint64_t)FTDI_EVENT_LINES, 0);
	close_port();
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

/* The ring fills, then the adapter, then sending stands still; all goes on when the app reads. */
START_TEST(an_app_that_does_not_read_loses_nothing)
{
	uint64_t sent = 0, position = 0;
	unsigned sends = 0;

	start("ftdi");
	open_port();
	/* More than the ring and the adapter hold: the last of them waits. */
	while (sends < 24) {
		await(sends - app.sent < FTDI_SEND_BUFFERS);
		send(sends++ % FTDI_SEND_BUFFERS, sent, FTDI_SEND_BYTES);
		sent += FTDI_SEND_BYTES;
	}
	ck_assert_uint_lt(app.sent, sends);
	ck_assert_uint_eq(app.told, 1); /* it was told once, and no more */
	while (position < sent) {
		await(app.received > position);
		for (; position < app.received; position++)
			ck_assert_uint_eq(app.ring[position % FTDI_RING_BYTES], pattern(position));
		ck_assert_int_eq(take(position), kIOReturnSuccess);
	}
	await(app.sent == sends);
	close_port();
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(the_rate_reaches_the_adapter)
{
	uint64_t actual = 0, status[FTDI_STATUS_COUNT];

	start("ftdi,baud=115200");
	open_port();
	ck_assert_int_eq(set_line(115200, &actual), kIOReturnSuccess);
	ck_assert_uint_eq(actual, 115385);
	send(0, 0, 100);
	await(app.received == 100);
	ck_assert_uint_eq(app.ring[50], pattern(50));
	ck_assert_int_eq(take(100), kIOReturnSuccess);
	ck_assert_uint_eq(app.events & FTDI_EVENT_FRAMING, 0);
	app.events = 0;
	ck_assert_int_eq(set_line(9600, &actual), kIOReturnSuccess);
	send(1, 100, 10);
	await(app.received == 110 && app.events != 0);
	ck_assert_uint_eq(app.events, FTDI_EVENT_FRAMING);
	ck_assert_uint_eq(app.event_position, 100);
	ck_assert_uint_eq(app.ring[105], (uint8_t)~pattern(105));
	get_status(status);
	ck_assert_uint_eq(status[FTDI_STATUS_FRAMINGS], 1);
	ck_assert_uint_eq(status[FTDI_STATUS_PARITIES], 0);
	/* What it refuses leaves it as it was. */
	ck_assert_int_eq(set_line(2500000, &actual), kIOReturnUnsupported);
	ck_assert_int_eq(set_line(UINT64_C(1) << 32, &actual), kIOReturnUnsupported);
	close_port();
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(lines_and_breaks_are_told)
{
	uint64_t status[FTDI_STATUS_COUNT];

	start("ftdi");
	open_port();
	get_status(status);
	ck_assert_uint_eq(status[FTDI_STATUS_LINES], FTDI_LINE_CTS | FTDI_LINE_DSR | FTDI_LINE_DCD);
	ck_assert_int_eq(call(FTDI_SET_MODEM, (uint64_t[]){FTDI_MODEM_RTS, 0}, 2),
			 kIOReturnSuccess);
	await((app.events & FTDI_EVENT_LINES) != 0);
	ck_assert_uint_eq(app.lines, FTDI_LINE_DSR | FTDI_LINE_DCD);
	ck_assert_int_eq(take(0), kIOReturnSuccess);
	ck_assert_int_eq(call(FTDI_SET_BREAK, (uint64_t[]){1}, 1), kIOReturnSuccess);
	await((app.events & FTDI_EVENT_BREAK) != 0);
	ck_assert_int_eq(call(FTDI_SET_BREAK, (uint64_t[]){0}, 1), kIOReturnSuccess);
	get_status(status);
	ck_assert_uint_eq(status[FTDI_STATUS_BREAKS], 1);
	ck_assert_int_eq(call(FTDI_SET_LATENCY, (uint64_t[]){1}, 1), kIOReturnSuccess);
	ck_assert_int_eq(call(FTDI_PURGE, (uint64_t[]){FTDI_PURGE_RECEIVE | FTDI_PURGE_SEND}, 1),
			 kIOReturnSuccess);
	close_port();
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(mistakes_are_refused)
{
	static const uint64_t lines[][5] = {
		{9600, 6, 0, 0, 0}, {9600, 9, 0, 0, 0}, {9600, 8, 5, 0, 0},
		{9600, 8, 0, 3, 0}, {9600, 8, 0, 0, 4}, {9600, UINT64_MAX, 0, 0, 0},
	};
	static const uint64_t sends[][2] = {
		{0, 0}, {0, FTDI_SEND_BYTES + 1}, {FTDI_SEND_BUFFERS, 1}, {UINT64_MAX, 1}};
	uint64_t actual;
	uint32_t room = 1;
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;

	start("ftdi");
	open_port();
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		ck_assert_int_eq(IOConnectCallScalarMethod(app.connect, FTDI_SET_LINE, lines[i], 5,
							   &actual, &room),
				 kIOReturnBadArgument);
	for (size_t i = 0; i < sizeof(sends) / sizeof(sends[0]); i++)
		ck_assert_int_eq(call_async(FTDI_SEND, on_sent, sends[i], 2), kIOReturnBadArgument);
	ck_assert_int_eq(call(FTDI_SET_MODEM, (uint64_t[]){4, 4}, 2), kIOReturnBadArgument);
	ck_assert_int_eq(call(FTDI_SET_MODEM, (uint64_t[]){1, 2}, 2), kIOReturnBadArgument);
	ck_assert_int_eq(call(FTDI_SET_BREAK, (uint64_t[]){2}, 1), kIOReturnBadArgument);
	ck_assert_int_eq(call(FTDI_SET_LATENCY, (uint64_t[]){0}, 1), kIOReturnBadArgument);
	ck_assert_int_eq(call(FTDI_SET_LATENCY, (uint64_t[]){256}, 1), kIOReturnBadArgument);
	ck_assert_int_eq(call(FTDI_PURGE, (uint64_t[]){4}, 1), kIOReturnBadArgument);
	ck_assert_int_eq(take(1), kIOReturnBadArgument);
	ck_assert_int_eq(call_async(FTDI_LISTEN, on_told, NULL, 0), kIOReturnBusy);
	ck_assert_int_eq(call(FTDI_ABORT_SEND + 1, NULL, 0), kIOReturnUnsupported);
	ck_assert_int_eq(IOConnectMapMemory64(app.connect, FTDI_MEMORY_SEND + FTDI_SEND_BUFFERS,
					      mach_task_self(), &address, &size, kIOMapAnywhere),
			 kIOReturnBadArgument);
	close_port();
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

/* One app at a time; and the next finds a port that is as new. */
START_TEST(an_open_port_is_taken)
{
	io_connect_t second = IO_OBJECT_NULL;
	io_service_t service;

	start("ftdi");
	service = harness_wait_service(FTDI_SERVICE);
	open_port();
	ck_assert_int_eq(IOServiceOpen(service, mach_task_self(), 0, &second),
			 kIOReturnExclusiveAccess);
	for (unsigned i = 0; i < FTDI_SEND_BUFFERS; i++)
		send(i, 0, FTDI_SEND_BYTES);
	close_port(); /* with transfers underway */
	for (unsigned round = 0; round < 5; round++) {
		uint64_t status[FTDI_STATUS_COUNT];

		/* The close reaches the driver a moment after it has returned here. */
		while (IOServiceOpen(service, mach_task_self(), 0, &second) != kIOReturnSuccess)
			continue;
		IOServiceClose(second);
		while (IOServiceOpen(service, mach_task_self(), 0, &second) != kIOReturnSuccess)
			continue;
		app.connect = second;
		get_status(status);
		ck_assert_uint_eq(status[FTDI_STATUS_RECEIVED], 0);
		IOServiceClose(second);
	}
	IOObjectRelease(service);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(a_stall_stops_sending_until_it_is_known)
{
	kern_return_t refused;
	unsigned count;

	start("ftdi,stall-every=3");
	open_port();
	for (unsigned i = 0; i < 3; i++)
		send(i, 0, 64);
	/* Behind one that stalls, or after it: that is a race. */
	refused = call_async(FTDI_SEND, on_sent, (uint64_t[]){3, 64}, 2);
	count = refused == kIOReturnSuccess ? 4 : 3;
	await(app.sent == count);
	ck_assert_int_eq(app.sent_status[1], kIOReturnSuccess);
	ck_assert_int_eq(app.sent_status[2], kUSBHostReturnPipeStalled);
	if (count == 4)
		ck_assert_int_eq(app.sent_status[3], kIOReturnAborted);
	else
		ck_assert_int_eq(refused, kIOReturnNotReady);
	ck_assert_int_eq(call_async(FTDI_SEND, on_sent, (uint64_t[]){0, 1}, 2), kIOReturnNotReady);
	ck_assert_int_eq(call(FTDI_ABORT_SEND, NULL, 0), kIOReturnSuccess);
	send(0, 0, 64);
	await(app.sent == count + 1);
	ck_assert_int_eq(app.sent_status[count], kIOReturnSuccess);
	close_port();
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(pulled_out_and_plugged_in_again)
{
	uint64_t device;

	harness_start(&harness, (const char *[]){harness_bundle("FTDI_BUNDLE"), NULL});
	for (unsigned round = 0; round < 3; round++) {
		device = plug("ftdi");
		IOObjectRelease(harness_wait_service(FTDI_SERVICE));
		open_port();
		for (unsigned i = 0; i < FTDI_SEND_BUFFERS; i++)
			send(i, 0, FTDI_SEND_BYTES);
		unplug(device);
		await(app.sent == FTDI_SEND_BUFFERS && app.status == kIOReturnNoDevice);
		ck_assert_int_ne(take(app.received), kIOReturnSuccess);
		close_port();
	}
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

/* A file through the terminal in a pipe: all of it comes back before it ends. */
START_TEST(the_terminal_works_in_a_pipe)
{
	const char *terminal = harness_bundle("SERIAL_TERMINAL_APP");
	char command[PATH_MAX];

	start("ftdi,baud=9600");
	snprintf(command, sizeof(command),
		 "seq 20000 | %s --baud 9600 --linger 2000 | cmp - <(seq 20000) 2>&1", terminal);
	setenv("COMMAND", command, 1);
	ck_assert_int_eq(system("bash -c \"$COMMAND\""), 0);
	snprintf(command, sizeof(command), "%s --baud 2500000 </dev/null 2>/dev/null", terminal);
	ck_assert_int_eq(WEXITSTATUS(system(command)), 1);
	snprintf(command, sizeof(command), "%s --parity both </dev/null 2>/dev/null", terminal);
	ck_assert_int_eq(WEXITSTATUS(system(command)), 2);
	/* Its port is somebody else's. */
	open_port();
	snprintf(command, sizeof(command), "%s </dev/null 2>/dev/null", terminal);
	ck_assert_int_eq(WEXITSTATUS(system(command)), 1);
	close_port();
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

UNIT_LOOP_MAIN("ftdi", {every_byte_comes_back_in_order, 2},
	       {an_app_that_does_not_read_loses_nothing, 1}, {the_rate_reaches_the_adapter, 1},
	       {lines_and_breaks_are_told, 1}, {mistakes_are_refused, 1},
	       {an_open_port_is_taken, 1}, {a_stall_stops_sending_until_it_is_known, 1},
	       {pulled_out_and_plugged_in_again, 1}, {the_terminal_works_in_a_pipe, 1})
