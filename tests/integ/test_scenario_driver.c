/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of the scenario that are about the two processes (1, 4 to 8, 10), on the test driver
 * Scenario, which tells what it saw: NewUserClient, Start, Stop, each completion.
 */
#include "scenario_app.h"
#include "unit.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <CoreFoundation/CoreFoundation.h>
#include <USBDriverKit/AppleUSBDefinitions.h>
#include <mach/mach.h>
#include <mach/mach_time.h>
#include <mach/mach_vm.h>
#include <xxhash.h>

#define BUFFER_SIZE 65536 /* of type 3 */
#define BIG_SIZE    (1 << 20)

static struct app app;

/* --- row 1 --- */

static io_service_t
find(CFMutableDictionaryRef matching)
{
	ck_assert_ptr_nonnull(matching);
	return IOServiceGetMatchingService(kIOMainPortDefault, matching);
}

static uint64_t
id_of(io_service_t service)
{
	uint64_t id = 0;

	ck_assert_uint_ne(service, MACH_PORT_NULL);
	ck_assert_int_eq(IORegistryEntryGetRegistryEntryID(service, &id), kIOReturnSuccess);
	return id;
}

START_TEST(row_1_found_by_name_and_by_user_class)
{
	io_service_t by_name, by_class;

	app_start(&app, "sink");
	IOObjectRelease(harness_wait_service(SCENARIO_SERVICE));
	by_name = find(IOServiceNameMatching(SCENARIO_SERVICE));
	by_class = find(IOServiceMatching(SCENARIO_SERVICE));
	ck_assert_uint_eq(id_of(by_name), id_of(by_class));
	ck_assert_uint_eq(find(IOServiceNameMatching("Scenari")), MACH_PORT_NULL);
	ck_assert_uint_eq(find(IOServiceMatching("ScenarioUserClient")), MACH_PORT_NULL);
	ck_assert_uint_eq(find(IOServiceNameMatching("IOUserService")), MACH_PORT_NULL);
	/* What was found by its class can be opened like the other. */
	ck_assert_int_eq(IOServiceOpen(by_class, mach_task_self(), 0, &app.connect),
			 kIOReturnSuccess);
	ck_assert_uint_eq(app_count(&app, SCENARIO_STARTS), 1);
	IOObjectRelease(by_name);
	IOObjectRelease(by_class);
	app_stop(&app);
}
END_TEST

START_TEST(row_1_open_is_new_user_client_and_start)
{
	io_connect_t first;

	app_start(&app, "sink");
	ck_assert_int_ne(app.host, getpid());
	app_open(&app, 77);
	first = app.connect;
	ck_assert_uint_eq(app_count(&app, SCENARIO_NEW_USER_CLIENTS), 1);
	ck_assert_uint_eq(app_count(&app, SCENARIO_LAST_TYPE), 77);
	ck_assert_uint_eq(app_count(&app, SCENARIO_STARTS), 1);
	app_open(&app, 0xffffffff);
	ck_assert_uint_eq(app_count(&app, SCENARIO_NEW_USER_CLIENTS), 2);
	ck_assert_uint_eq(app_count(&app, SCENARIO_LAST_TYPE), 0xffffffff);
	ck_assert_uint_eq(app_count(&app, SCENARIO_STARTS), 2);
	ck_assert_uint_eq(app_count(&app, SCENARIO_STOPS), 0);
	ck_assert_int_eq(IOServiceClose(first), kIOReturnSuccess);
	app_stop(&app);
}
END_TEST

/* --- row 4 --- */

static kern_return_t
complete(uint64_t number, IOReturn status, uint64_t count, uint64_t first)
{
	const uint64_t input[4] = {number, (uint32_t)status, count, first};

	return app_call(&app, SCENARIO_COMPLETE, input, 4, NULL, 0);
}

static void
expect_done(const struct done *done, IOReturn status, uint32_t count, uint64_t first)
{
	ck_assert_int_eq(done->status, status);
	ck_assert_uint_eq(done->count, count);
	for (uint32_t i = 0; i < count; i++)
		ck_assert_uint_eq(done->arguments[i], first + i);
}

#define TIMES 100

static void
try_registration(const void *structure, size_t size)
{
	static struct listener listener;

	app_start(&app, "sink");
	app_open(&app, 0);
	app_listen(&app, &listener, structure, size);
	ck_assert_uint_eq(listener.count, 0);
	/* Many times, in order, none twice. With less than 3 arguments the callback is another. */
	for (unsigned i = 0; i < TIMES; i++)
		ck_assert_int_eq(complete(listener.number, (IOReturn)i, 3 + i % 14, 1000 * i),
				 kIOReturnSuccess);
	app_wait(&listener, TIMES);
	for (unsigned i = 0; i < TIMES; i++)
		expect_done(&listener.done[i], (IOReturn)i, 3 + i % 14, 1000 * i);
	ck_assert_int_eq(complete(listener.number, kIOReturnAborted, 3, 5), kIOReturnSuccess);
	app_wait(&listener, TIMES + 1);
	expect_done(&listener.done[TIMES], kIOReturnAborted, 3, 5);
	ck_assert_uint_eq(listener.count, TIMES + 1);
	app_stop(&app);
}

START_TEST(row_4_registered_by_the_scalar_call)
{
	try_registration(NULL, 0);
}
END_TEST

START_TEST(row_4_registered_by_the_struct_call)
{
	char structure[200] = "cookie";

	try_registration(structure, sizeof(structure));
}
END_TEST

START_TEST(row_4_each_registration_has_its_own_callback)
{
	static struct listener listeners[SCENARIO_COMPLETIONS];

	app_start(&app, "sink");
	app_open(&app, 0);
	for (unsigned i = 0; i < SCENARIO_COMPLETIONS; i++)
		app_listen(&app, &listeners[i], i % 2 == 0 ? NULL : "x", 1);
	for (unsigned i = 0; i < 40; i++)
		ck_assert_int_eq(complete(listeners[i % SCENARIO_COMPLETIONS].number, 0, 3, i),
				 kIOReturnSuccess);
	for (unsigned i = 0; i < SCENARIO_COMPLETIONS; i++) {
		app_wait(&listeners[i], 10);
		for (unsigned n = 0; n < 10; n++)
			expect_done(&listeners[i].done[n], 0, 3, n * SCENARIO_COMPLETIONS + i);
	}
	/* One that the driver let go is free for another; the others stay. */
	app_do(&app, SCENARIO_FORGET, listeners[1].number, 0, 0);
	ck_assert_int_eq(complete(listeners[1].number, 0, 0, 0), kIOReturnBadArgument);
	app_listen(&app, &listeners[1], NULL, 0);
	ck_assert_int_eq(complete(listeners[1].number, 0, 3, 7), kIOReturnSuccess);
	ck_assert_int_eq(complete(listeners[2].number, 0, 3, 8), kIOReturnSuccess);
	app_wait(&listeners[1], 1);
	app_wait(&listeners[2], 11);
	expect_done(&listeners[1].done[0], 0, 3, 7);
	expect_done(&listeners[2].done[10], 0, 3, 8);
	app_stop(&app);
}
END_TEST

/* --- rows 5 to 8 --- */

/* The memory at this address of the driver is the file at the same place as in this process. */
static void
expect_same_page(uint64_t theirs, const unsigned char *ours)
{
	struct place there, here = place_of(ours);

	ck_assert_msg(place_find(app.host, theirs, &there), "nothing is at that address");
	ck_assert_uint_ne(there.inode, 0);
	ck_assert_uint_eq(there.inode, here.inode);
	ck_assert_uint_eq(theirs - there.start + there.offset,
			  (uintptr_t)ours - here.start + here.offset);
}

START_TEST(row_7_the_device_is_given_the_apps_pages)
{
	static const uint64_t sizes[SCENARIO_BUFFERS] = SCENARIO_BUFFER_SIZES;
	static struct listener listener;
	XXH3_state_t *hash = XXH3_createState();
	struct dext_virtual_state state;
	uint64_t total = 0;

	app_start(&app, "sink");
	app_open(&app, 0);
	app_listen(&app, &listener, NULL, 0);
	XXH3_64bits_reset(hash);
	for (unsigned i = 0; i < 2 * SCENARIO_BUFFERS; i++) {
		unsigned type = i % SCENARIO_BUFFERS;
		unsigned char *buffer = app_map(&app, type, sizes[type]);

		for (uint64_t at = 0; at < sizes[type]; at++)
			buffer[at] = (unsigned char)(at * 7 + i);
		XXH3_64bits_update(hash, buffer, sizes[type]);
		total += sizes[type];
		ck_assert_int_eq(app_send(&app, type, sizes[type]), kIOReturnSuccess);
		app_wait(&listener, i + 1);
		state = app_ask_device(&app);
		ck_assert_uint_eq(state.last_inode, place_of(buffer).inode);
		expect_same_page(state.last_address, buffer);
		ck_assert_uint_eq(state.out_bytes, total);
		ck_assert_uint_eq(state.out_transfers, i + 1);
	}
	ck_assert_uint_eq(state.hash, XXH3_64bits_digest(hash));
	XXH3_freeState(hash);
	app_stop(&app);
}
END_TEST

START_TEST(row_7_a_window_is_sent_from_its_pages_too)
{
	static struct listener listener;
	struct dext_virtual_state state;
	unsigned char *window;

	app_start(&app, "sink");
	app_open(&app, 0);
	app_listen(&app, &listener, NULL, 0);
	window = app_map(&app, SCENARIO_WINDOW, SCENARIO_WINDOW_SIZE);
	memset(window, 'w', SCENARIO_WINDOW_SIZE);
	ck_assert_int_eq(app_send(&app, SCENARIO_WINDOW, SCENARIO_WINDOW_SIZE), kIOReturnSuccess);
	app_wait(&listener, 1);
	state = app_ask_device(&app);
	ck_assert_uint_eq(state.last_inode, place_of(window).inode);
	expect_same_page(state.last_address, window);
	ck_assert_uint_eq(state.hash, XXH3_64bits(window, SCENARIO_WINDOW_SIZE));
	app_stop(&app);
}
END_TEST

/* The device takes nothing; the app goes on filling and sending. */
START_TEST(row_6_send_returns_while_the_device_is_busy)
{
	static struct listener listener;
	unsigned char *buffers[SCENARIO_BUFFERS];
	static const uint64_t sizes[SCENARIO_BUFFERS] = SCENARIO_BUFFER_SIZES;

	app_start(&app, "sink:nak");
	app_open(&app, 0);
	app_listen(&app, &listener, NULL, 0);
	for (unsigned i = 0; i < SCENARIO_BUFFERS; i++) {
		buffers[i] = app_map(&app, i, sizes[i]);
		memset(buffers[i], 'x', sizes[i]);
		ck_assert_int_eq(app_send(&app, i, sizes[i]), kIOReturnSuccess);
		/* In flight and still mapped. */
		ck_assert_int_eq(buffers[i][sizes[i] - 1], 'x');
	}
	CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0, false);
	ck_assert_uint_eq(listener.count, 0);
	ck_assert_uint_eq(app_count(&app, SCENARIO_COMPLETED), 0);
	ck_assert_uint_eq(app_ask_device(&app).out_bytes, 0);
	app_stop(&app);
}
END_TEST

START_TEST(row_8_status_bytes_and_time_reach_the_callback)
{
	static struct listener listener;
	uint64_t before, last;
	unsigned char *buffer;

	app_start(&app, "sink:stall-every=3");
	app_open(&app, 0);
	app_listen(&app, &listener, NULL, 0);
	buffer = app_map(&app, 3, BUFFER_SIZE);
	last = mach_absolute_time();
	for (unsigned i = 0; i < 9; i++) {
		bool stalls = i % 3 == 2;
		const struct done *done = &listener.done[i];
		uint64_t length = 1024 * (i + 1);

		buffer[0] = (unsigned char)i; /* it is the app's again */
		before = last;
		ck_assert_int_eq(app_send(&app, 3, length), kIOReturnSuccess);
		app_wait(&listener, i + 1);
		ck_assert_uint_eq(done->count, SCENARIO_SENT_MAX);
		ck_assert_int_eq(done->status,
				 stalls ? (IOReturn)kUSBHostReturnPipeStalled : kIOReturnSuccess);
		ck_assert_uint_eq(done->arguments[SCENARIO_TYPE], 3);
		/* A stall says how far it came: half, in whole packets. */
		ck_assert_uint_eq(done->arguments[SCENARIO_BYTES],
				  stalls ? length / 2 / 512 * 512 : length);
		last = done->arguments[SCENARIO_TIMESTAMP];
		ck_assert_uint_ge(last, before);
		ck_assert_uint_le(last, done->when);
		if (stalls)
			app_do(&app, SCENARIO_CLEAR, 0, 0, 0);
	}
	ck_assert_uint_eq(listener.count, 9);
	app_stop(&app);
}
END_TEST

/* Exactly once each, in order, with many in flight. */
START_TEST(row_8_each_transfer_completes_exactly_once)
{
	static struct listener listener;

	app_start(&app, "sink");
	app_open(&app, 0);
	app_listen(&app, &listener, NULL, 0);
	app_map(&app, 3, BUFFER_SIZE);
	for (unsigned i = 0; i < 200; i++)
		ck_assert_int_eq(app_send(&app, 3, i + 1), kIOReturnSuccess);
	app_wait(&listener, 200);
	for (unsigned i = 0; i < 200; i++) {
		ck_assert_int_eq(listener.done[i].status, kIOReturnSuccess);
		ck_assert_uint_eq(listener.done[i].arguments[SCENARIO_BYTES], i + 1);
	}
	ck_assert_uint_eq(app_count(&app, SCENARIO_COMPLETED), 200);
	ck_assert_uint_eq(app_ask_device(&app).out_transfers, 200);
	CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0, false);
	ck_assert_uint_eq(listener.count, 200);
	app_stop(&app);
}
END_TEST

/* --- row 10 --- */

struct mark {
	pid_t host;
	unsigned descriptors;
	unsigned maps;
};

static struct mark
take_mark(void)
{
	return (struct mark){app.host, count_descriptors(app.host), count_memfd_maps(app.host)};
}

static bool
is_given_back(void *context)
{
	const struct mark *mark = context;

	return count_descriptors(mark->host) <= mark->descriptors &&
	       count_memfd_maps(mark->host) <= mark->maps;
}

static void
expect_given_back(struct mark *mark)
{
	ck_assert_msg(harness_until(is_given_back, mark),
		      "the host has %u descriptors and %u mappings, before it had %u and %u",
		      count_descriptors(mark->host), count_memfd_maps(mark->host),
		      mark->descriptors, mark->maps);
}

static void
write_it(void *memory)
{
	*(volatile unsigned char *)memory = 1;
}

static void
read_it(void *memory)
{
	volatile unsigned char byte = *(volatile unsigned char *)memory;

	(void)byte;
}

static bool
is_mapped(const void *address)
{
	struct place place;

	return place_find(getpid(), (uintptr_t)address, &place) && place.inode != 0;
}

START_TEST(row_10_unmapped_pages_are_gone)
{
	unsigned char *buffer, *other;

	app_start(&app, "sink");
	app_open(&app, 0);
	buffer = app_map(&app, 4, BIG_SIZE);
	other = app_map(&app, 3, BUFFER_SIZE);
	ck_assert_int_eq(unit_child(write_it, buffer + BIG_SIZE - 1, NULL, 0), 0);
	ck_assert_int_eq(
		IOConnectUnmapMemory64(app.connect, 4, mach_task_self(), (uintptr_t)buffer),
		kIOReturnSuccess);
	ck_assert(!is_mapped(buffer));
	ck_assert(!is_mapped(buffer + BIG_SIZE - 1));
	ck_assert(unit_killed_by(unit_child(read_it, buffer, NULL, 0), SIGSEGV));
	ck_assert(unit_killed_by(unit_child(write_it, buffer + BIG_SIZE - 1, NULL, 0), SIGSEGV));
	ck_assert_int_eq(
		IOConnectUnmapMemory64(app.connect, 4, mach_task_self(), (uintptr_t)buffer),
		kIOReturnBadArgument);
	/* The other one is still there, and goes with the connection. */
	other[0] = 'o';
	ck_assert_uint_eq(app_read(&app, 3, 0), 'o');
	ck_assert_int_eq(IOServiceClose(app.connect), kIOReturnSuccess);
	ck_assert(!is_mapped(other));
	ck_assert(unit_killed_by(unit_child(read_it, other, NULL, 0), SIGSEGV));
	app.connect = MACH_PORT_NULL;
	app_stop(&app);
}
END_TEST

/* Everything that an app can hold. A device that takes nothing keeps the transfers in flight. */
static void
hold_everything(void)
{
	const uint64_t keep[2] = {2, 'k'};
	static struct listener listener;
	uint64_t answer[3];
	uint32_t room = 3;
	size_t size = 16384;
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(memory, MAP_FAILED);
	app_listen(&app, &listener, NULL, 0);
	app_map(&app, 1, 128);
	app_map(&app, 3, BUFFER_SIZE);
	app_map(&app, SCENARIO_WINDOW, SCENARIO_WINDOW_SIZE);
	app_map(&app, SCENARIO_READONLY, SCENARIO_READONLY_SIZE);
	ck_assert_int_eq(IOConnectCallMethod(app.connect, SCENARIO_USE, keep, 2, NULL, 0, answer,
					     &room, memory, &size),
			 kIOReturnSuccess);
	ck_assert_int_eq(app_send(&app, 1, 128), kIOReturnSuccess);
	ck_assert_int_eq(app_send(&app, 3, BUFFER_SIZE), kIOReturnSuccess);
}

/* What the driver saw of a client that held everything and went. */
static void
expect_stopped(uint64_t clients)
{
	ck_assert_uint_eq(app_count(&app, SCENARIO_STARTS), clients + 1);
	ck_assert_uint_eq(app_count(&app, SCENARIO_STOPS), clients);
	ck_assert_uint_eq(app_count(&app, SCENARIO_FREES), clients);
	ck_assert_uint_eq(app_count(&app, SCENARIO_COMPLETED), 2 * clients);
	ck_assert_uint_eq(app_count(&app, SCENARIO_ABORTED), 2 * clients);
}

START_TEST(row_10_close_is_stop_and_gives_everything_back)
{
	struct mark mark;

	app_start(&app, "sink:nak");
	IOObjectRelease(harness_wait_service(SCENARIO_SERVICE));
	mark = take_mark();
	for (unsigned round = 1; round <= 3; round++) {
		app_open(&app, 0);
		hold_everything();
		ck_assert_uint_gt(count_descriptors(app.host), mark.descriptors);
		ck_assert_uint_gt(count_memfd_maps(app.host), mark.maps);
		ck_assert_int_eq(IOServiceClose(app.connect), kIOReturnSuccess);
		expect_given_back(&mark);
		app_open(&app, 0);
		/* Each round's own look counts as a client that held nothing. */
		ck_assert_uint_eq(app_count(&app, SCENARIO_STOPS), 2 * round - 1);
		ck_assert_uint_eq(app_count(&app, SCENARIO_FREES), 2 * round - 1);
		ck_assert_uint_eq(app_count(&app, SCENARIO_ABORTED), 2 * round);
		ck_assert_int_eq(IOServiceClose(app.connect), kIOReturnSuccess);
		expect_given_back(&mark);
	}
	app.connect = MACH_PORT_NULL;
	app_stop(&app);
}
END_TEST

/* An app that holds everything, says so, and waits for its death. */
static pid_t
fork_app(void)
{
	int ends[2];
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		app_open(&app, 0);
		hold_everything();
		ck_assert_int_eq(write(ends[1], "y", 1), 1);
		for (;;)
			poll(NULL, 0, -1);
	}
	ck_assert_int_gt(pid, 0);
	close(ends[1]);
	ck_assert_int_eq(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	return pid;
}

START_TEST(row_10_death_is_stop_and_gives_everything_back)
{
	struct mark mark;

	app_start(&app, "sink:nak");
	mark = take_mark();
	/* Before this process uses the library, which a forked child could not use then. */
	for (unsigned round = 0; round < 3; round++) {
		pid_t pid = fork_app();

		ck_assert_uint_gt(count_descriptors(app.host), mark.descriptors);
		ck_assert_uint_gt(count_memfd_maps(app.host), mark.maps);
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
		expect_given_back(&mark);
	}
	app_open(&app, 0);
	expect_stopped(3);
	ck_assert_int_eq(harness_host_pid(SCENARIO_SERVICE), app.host);
	app_stop(&app);
}
END_TEST

UNIT_MAIN("scenario_driver", row_1_found_by_name_and_by_user_class,
	  row_1_open_is_new_user_client_and_start, row_4_registered_by_the_scalar_call,
	  row_4_registered_by_the_struct_call, row_4_each_registration_has_its_own_callback,
	  row_6_send_returns_while_the_device_is_busy, row_7_the_device_is_given_the_apps_pages,
	  row_7_a_window_is_sent_from_its_pages_too, row_8_status_bytes_and_time_reach_the_callback,
	  row_8_each_transfer_completes_exactly_once, row_10_unmapped_pages_are_gone,
	  row_10_close_is_stop_and_gives_everything_back,
	  row_10_death_is_stop_and_gives_everything_back)
