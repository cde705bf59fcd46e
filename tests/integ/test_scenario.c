/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scenario that must always work, row by row: an app, which is this process, and a driver in a
 * host process of its own, with a virtual device. The rows:
 *
 *	 1	the app finds the driver and opens it; NewUserClient, Start
 *	 2	the app's own memory in the driver, as output and as input structure
 *	 3	the driver's buffers in the app
 *	 4	the app registers for completions
 *	 5-7	it fills a buffer and has it sent; the device reads the very pages that it wrote
 *	 8	its callback: the buffer is free
 *	 9	memory that it may only read
 *	10	unmap and close, or death: everything is given back
 *
 * Here is what the driver of examples/buffer_ring shows; test_scenario_driver.c has what needs a
 * driver made for the purpose. scripts/mutants.json breaks the code for each row, to see its test
 * fail.
 */
#include "harness.h"
#include "places.h"
#include "ring.h"
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <xxhash.h>

#include <CoreFoundation/CoreFoundation.h>
#include <dext_virtual.h>
#include <mach/mach.h>
#include <mach/mach_time.h>
#include <mach/mach_vm.h>

static struct harness harness;
static io_connect_t ring;

static void
start(const char *spec)
{
	harness_start(&harness, (const char *[]){harness_bundle("BUFFER_RING_BUNDLE"), "--virtual",
						 spec, NULL});
	ring = harness_open(RING_SERVICE, 0);
}

static void
stop(void)
{
	ck_assert_int_eq(IOServiceClose(ring), kIOReturnSuccess);
	ck_assert_int_eq(harness_stop(&harness), 0);
}

static kern_return_t
send(uint64_t i, uint64_t length)
{
	uint64_t input[2] = {i, length};

	return IOConnectCallScalarMethod(ring, kRingSend, input, 2, NULL, NULL);
}

static void *
map(uint32_t type, uint64_t expected)
{
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;

	ck_assert_int_eq(
		IOConnectMapMemory64(ring, type, mach_task_self(), &address, &size, kIOMapAnywhere),
		kIOReturnSuccess);
	ck_assert_uint_eq(size, expected);
	return (void *)(uintptr_t)address;
}

static struct dext_virtual_state
ask_device(void)
{
	struct dext_virtual_state state;
	size_t size = sizeof(state);

	ck_assert_int_eq(IOConnectCallStructMethod(ring, kRingAskDevice, NULL, 0, &state, &size),
			 kIOReturnSuccess);
	ck_assert_uint_eq(size, sizeof(state));
	return state;
}

/* --- completions, by the run loop of the test's thread --- */

static struct {
	unsigned count;
	uint64_t buffers[64];
	uint64_t bytes[64];
	IOReturn status[64];
	IONotificationPortRef port;
} done;

static void
completion(void *refcon, IOReturn result, void *arg0, void *arg1)
{
	ck_assert_ptr_eq(refcon, &done);
	ck_assert_uint_lt(done.count, 64);
	done.buffers[done.count] = (uintptr_t)arg0;
	done.bytes[done.count] = (uintptr_t)arg1;
	done.status[done.count++] = result;
}

static void
listen(void)
{
	uint64_t reference[kIOAsyncCalloutCount] = {0};

	memset(&done, 0, sizeof(done));
	done.port = IONotificationPortCreate(kIOMainPortDefault);
	ck_assert_ptr_nonnull(done.port);
	CFRunLoopAddSource(CFRunLoopGetCurrent(), IONotificationPortGetRunLoopSource(done.port),
			   kCFRunLoopDefaultMode);
	reference[kIOAsyncCalloutFuncIndex] = (uintptr_t)completion;
	reference[kIOAsyncCalloutRefconIndex] = (uintptr_t)&done;
	ck_assert_int_eq(IOConnectCallAsyncScalarMethod(
				 ring, kRingRegister, IONotificationPortGetMachPort(done.port),
				 reference, kIOAsyncCalloutCount, NULL, 0, NULL, NULL),
			 kIOReturnSuccess);
}

static bool
wait_done(unsigned count)
{
	uint64_t end = mach_absolute_time() + HARNESS_DEADLINE_SEC * UINT64_C(1000000000);

	while (done.count < count && mach_absolute_time() < end)
		CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0.2, true);
	return done.count >= count;
}

static void
write_byte(void *context)
{
	*(volatile char *)context = 1;
}

static void
read_byte(void *context)
{
	volatile char byte = *(volatile char *)context;

	(void)byte;
}

/* --- the rows --- */

START_TEST(row_1_found_and_opened)
{
	io_connect_t second = MACH_PORT_NULL;
	io_service_t service;

	start("sink");
	/* By its name (start), and by the user class, which IOServiceMatching accepts too. */
	service = IOServiceGetMatchingService(kIOMainPortDefault, IOServiceMatching("BufferRing"));
	ck_assert_uint_ne(service, MACH_PORT_NULL);
	/* The driver's NewUserClient decides: it takes one app at a time. */
	ck_assert_int_eq(IOServiceOpen(service, mach_task_self(), 0, &second),
			 kIOReturnExclusiveAccess);
	ck_assert_int_eq(IOServiceClose(ring), kIOReturnSuccess);
	ck_assert_int_eq(IOServiceOpen(service, mach_task_self(), 0, &ring), kIOReturnSuccess);
	/* The user client's Start has run: its memory is there. */
	map(0, RING_BUFFER_SIZE);
	IOObjectRelease(service);
	stop();
}
END_TEST

static void
share_status(struct ring_status *status)
{
	size_t size = RING_SHARED_SIZE;

	memset(status, 0xff, RING_SHARED_SIZE);
	ck_assert_int_eq(IOConnectCallStructMethod(ring, kRingShareStatus, NULL, 0, status, &size),
			 kIOReturnSuccess);
	ck_assert_uint_eq(size, RING_SHARED_SIZE);
}

struct live {
	const volatile struct ring_status *status;
	uint64_t buffers;
};

static bool
has_sent(void *context)
{
	const struct live *live = context;

	return live->status->buffers_sent == live->buffers;
}

/* What the driver writes is there when the call returns, and goes on appearing. */
static void
try_output(struct ring_status *status)
{
	struct live live = {status, 2};

	start("sink");
	share_status(status);
	ck_assert_uint_eq(status->buffers_sent, 0);
	ck_assert_uint_eq(status->bytes_sent, 0);
	ck_assert_int_eq(send(0, 1000), kIOReturnSuccess);
	ck_assert_int_eq(send(1, 24), kIOReturnSuccess);
	ck_assert_msg(harness_until(has_sent, &live), "the driver's writes do not appear");
	ck_assert_uint_eq(status->bytes_sent, 1024);
	/* What the driver did not write is the app's as it was. */
	ck_assert_uint_eq(((const unsigned char *)status)[RING_SHARED_SIZE - 1], 0xff);
	IOServiceClose(ring);
	/* The memory stays the app's own after the end of the connection. */
	ck_assert_uint_eq(status->bytes_sent, 1024);
	status->bytes_sent = 7;
	ck_assert_uint_eq(status->bytes_sent, 7);
	ck_assert_int_eq(harness_stop(&harness), 0);
}

START_TEST(row_2_output_in_any_memory)
{
	void *memory = mmap(NULL, RING_SHARED_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(memory, MAP_FAILED);
	try_output(memory);
}
END_TEST

START_TEST(row_2_output_in_vm_memory)
{
	mach_vm_address_t address = 0;

	ck_assert_int_eq(
		mach_vm_allocate(mach_task_self(), &address, RING_SHARED_SIZE, VM_FLAGS_ANYWHERE),
		kIOReturnSuccess);
	try_output((struct ring_status *)(uintptr_t)address);
}
END_TEST

/* The driver sees what the app writes, without a call. */
static void
try_input(volatile struct ring_settings *settings)
{
	start("sink");
	settings->longest = 100;
	ck_assert_int_eq(IOConnectCallStructMethod(ring, kRingShareSettings,
						   (const void *)(uintptr_t)settings,
						   RING_SHARED_SIZE, NULL, NULL),
			 kIOReturnSuccess);
	ck_assert_int_eq(send(0, 100), kIOReturnSuccess);
	ck_assert_int_eq(send(1, 101), kIOReturnBadArgument);
	settings->longest = 101;
	ck_assert_int_eq(send(1, 101), kIOReturnSuccess);
	settings->longest = 10;
	ck_assert_int_eq(send(2, 11), kIOReturnBadArgument);
	stop();
}

START_TEST(row_2_input_in_any_memory)
{
	void *memory = mmap(NULL, RING_SHARED_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(memory, MAP_FAILED);
	try_input(memory);
}
END_TEST

START_TEST(row_2_input_in_vm_memory)
{
	mach_vm_address_t address = 0;

	ck_assert_int_eq(
		mach_vm_allocate(mach_task_self(), &address, RING_SHARED_SIZE, VM_FLAGS_ANYWHERE),
		kIOReturnSuccess);
	try_input((volatile struct ring_settings *)(uintptr_t)address);
}
END_TEST

START_TEST(row_2_input_is_read_only)
{
	static unsigned char memory[2 * RING_SHARED_SIZE];
	struct ring_settings *settings =
		(struct ring_settings *)(memory +
					 (RING_SHARED_SIZE - (uintptr_t)memory % RING_SHARED_SIZE));

	start("sink");
	settings->longest = 100;
	ck_assert_int_eq(IOConnectCallStructMethod(ring, kRingShareSettings, settings,
						   RING_SHARED_SIZE, NULL, NULL),
			 kIOReturnSuccess);
	ck_assert_int_eq(IOConnectCallScalarMethod(ring, kRingWriteSettings, NULL, 0, NULL, NULL),
			 kIOReturnOffline);
	ck_assert_uint_eq(settings->longest, 100);
	harness_wait_log(&harness, "pass as the output structure");
	harness_forget_crash(&harness);
	IOServiceClose(ring);
	harness_stop(&harness);
}
END_TEST

START_TEST(row_3_buffers_are_mapped)
{
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;
	unsigned char *buffers[RING_BUFFERS];

	start("sink");
	for (uint32_t i = 0; i < RING_BUFFERS; i++) {
		buffers[i] = map(i, RING_BUFFER_SIZE);
		ck_assert_str_eq(place_of(buffers[i]).rights, "rw-s");
		for (uint32_t at = 0; at < RING_BUFFER_SIZE; at++)
			ck_assert_uint_eq(buffers[i][at], 0);
		memset(buffers[i], (int)i + 1, RING_BUFFER_SIZE);
		/* The same type is the same memory, at the same place. */
		ck_assert_ptr_eq(map(i, RING_BUFFER_SIZE), buffers[i]);
		for (uint32_t j = 0; j < i; j++)
			ck_assert_uint_eq(buffers[j][0], j + 1);
	}
	ck_assert_int_eq(IOConnectMapMemory64(ring, RING_BUFFERS, mach_task_self(), &address, &size,
					      kIOMapAnywhere),
			 kIOReturnBadArgument);
	stop();
}
END_TEST

START_TEST(row_4_completions_arrive_at_the_port)
{
	struct live live = {.buffers = 1};

	start("sink");
	live.status = map(kRingStatistics, sizeof(*live.status));
	ck_assert_int_eq(send(3, 10), kIOReturnSuccess); /* nobody is told */
	ck_assert(harness_until(has_sent, &live));
	listen();
	ck_assert_int_eq(send(0, 10), kIOReturnSuccess);
	ck_assert_int_eq(send(1, 20), kIOReturnSuccess);
	ck_assert(wait_done(2));
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(done.status[i], kIOReturnSuccess);
		ck_assert_uint_eq(done.buffers[i], i);
		ck_assert_uint_eq(done.bytes[i], 10 * (i + 1));
	}
	ck_assert_uint_eq(done.count, 2);
	IONotificationPortDestroy(done.port);
	stop();
}
END_TEST

START_TEST(row_5_and_6_send_returns_at_once)
{
	/* A device that never takes a byte: a call that waited for it would not return. */
	start("sink:nak");
	listen();
	memset(map(0, RING_BUFFER_SIZE), 1, RING_BUFFER_SIZE);
	ck_assert_int_eq(send(0, RING_BUFFER_SIZE), kIOReturnSuccess);
	ck_assert_int_eq(send(1, RING_BUFFER_SIZE), kIOReturnSuccess);
	ck_assert_int_eq(send(0, RING_BUFFER_SIZE), kIOReturnBusy);
	ck_assert_int_eq(send(2, RING_BUFFER_SIZE + 1), kIOReturnBadArgument);
	ck_assert_int_eq(send(4, 1), kIOReturnBadArgument);
	CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0, false);
	ck_assert_uint_eq(done.count, 0);
	ck_assert_uint_eq(ask_device().out_bytes, 0);
	stop();
	IONotificationPortDestroy(done.port);
}
END_TEST

START_TEST(row_7_the_device_reads_the_apps_pages)
{
	XXH3_state_t *hash = XXH3_createState();
	struct dext_virtual_state state = {0};
	struct place place;

	start("sink");
	listen();
	XXH3_64bits_reset(hash);
	for (unsigned i = 0; i < 20; i++) {
		unsigned char *buffer = map(i % RING_BUFFERS, RING_BUFFER_SIZE);

		for (unsigned at = 0; at < 5000; at++)
			buffer[at] = (unsigned char)(at * 31 + i);
		XXH3_64bits_update(hash, buffer, 5000);
		ck_assert_int_eq(send(i % RING_BUFFERS, 5000), kIOReturnSuccess);
		ck_assert(wait_done(i + 1));
		state = ask_device();
		place = place_of(buffer);
		ck_assert_uint_ne(state.last_inode, 0);
		ck_assert_uint_eq(state.last_inode, place.inode);
	}
	ck_assert_uint_eq(state.out_bytes, 20 * 5000);
	ck_assert_uint_eq(state.hash, XXH3_64bits_digest(hash));
	XXH3_freeState(hash);
	IONotificationPortDestroy(done.port);
	stop();
}
END_TEST

START_TEST(row_8_the_callback_frees_the_buffer)
{
	start("sink:latency=1000");
	listen();
	for (unsigned i = 0; i < 60; i++) {
		/* Each was freed by its callback, in order: never Busy after it, always before. */
		if (i >= RING_BUFFERS) {
			ck_assert(wait_done(i - RING_BUFFERS + 1));
			ck_assert_uint_eq(done.buffers[i - RING_BUFFERS], i % RING_BUFFERS);
			ck_assert_uint_eq(done.bytes[i - RING_BUFFERS], i - RING_BUFFERS + 1);
		}
		ck_assert_int_eq(send(i % RING_BUFFERS, i + 1), kIOReturnSuccess);
	}
	ck_assert(wait_done(60));
	ck_assert_uint_eq(ask_device().out_transfers, 60);
	IONotificationPortDestroy(done.port);
	stop();
}
END_TEST

START_TEST(row_9_read_only_stays_read_only)
{
	struct ring_status *statistics;

	start("sink");
	listen();
	statistics = map(kRingStatistics, sizeof(*statistics));
	ck_assert_int_eq(send(0, 77), kIOReturnSuccess);
	ck_assert(wait_done(1));
	ck_assert_uint_eq(statistics->bytes_sent, 77); /* live */
	ck_assert_str_eq(place_of(statistics).rights, "r--s");
	ck_assert_int_eq(unit_child(read_byte, statistics, NULL, 0), 0);
	ck_assert(unit_killed_by(unit_child(write_byte, statistics, NULL, 0), SIGSEGV));
	ck_assert_int_lt(mprotect((void *)statistics, vm_page_size, PROT_READ | PROT_WRITE), 0);
	ck_assert_uint_eq(statistics->bytes_sent, 77);
	IONotificationPortDestroy(done.port);
	stop();
}
END_TEST

struct count {
	pid_t pid;
	unsigned descriptors;
};

static bool
has_as_few(void *context)
{
	const struct count *count = context;

	return count_descriptors(count->pid) <= count->descriptors;
}

START_TEST(row_10_unmap_and_close)
{
	struct ring_status *memory;
	struct place place;
	struct count count;
	void *buffer, *other;

	start("sink:nak");
	IOServiceClose(ring);
	count.pid = harness_host_pid(RING_SERVICE);
	count.descriptors = count_descriptors(count.pid);
	for (unsigned round = 0; round < 3; round++) {
		ring = harness_open(RING_SERVICE, 0);
		listen();
		memory = mmap(NULL, RING_SHARED_SIZE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ck_assert_ptr_ne(memory, MAP_FAILED);
		share_status(memory);
		buffer = map(0, RING_BUFFER_SIZE);
		other = map(1, RING_BUFFER_SIZE);
		ck_assert_int_eq(send(1, 4096), kIOReturnSuccess); /* will never be taken */
		ck_assert_uint_gt(count_descriptors(count.pid), count.descriptors);
		ck_assert_int_eq(IOConnectUnmapMemory64(ring, 0, mach_task_self(),
							(mach_vm_address_t)(uintptr_t)buffer),
				 kIOReturnSuccess);
		ck_assert(!place_find(getpid(), (uintptr_t)buffer, &place) || place.inode == 0);
		ck_assert_int_eq(IOConnectUnmapMemory64(ring, 0, mach_task_self(),
							(mach_vm_address_t)(uintptr_t)buffer),
				 kIOReturnBadArgument);
		ck_assert_int_eq(IOServiceClose(ring), kIOReturnSuccess);
		ck_assert(!place_find(getpid(), (uintptr_t)other, &place) || place.inode == 0);
		IONotificationPortDestroy(done.port);
		munmap(memory, RING_SHARED_SIZE);
		ck_assert_msg(harness_until(has_as_few, &count), "%u descriptors, %u before",
			      count_descriptors(count.pid), count.descriptors);
	}
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

static bool
can_open(void *context)
{
	io_service_t service = harness_wait_service(RING_SERVICE);
	kern_return_t status = IOServiceOpen(service, mach_task_self(), 0, context);

	IOObjectRelease(service);
	return status == kIOReturnSuccess;
}

/* The same when the app does not close but dies, with a transfer that would never end. */
START_TEST(row_10_killed)
{
	struct count count;
	pid_t parent = getpid(), app;
	char line[256] = "";
	int status, ends[2];
	FILE *said;

	start("sink:nak");
	IOServiceClose(ring);
	count.pid = harness_host_pid(RING_SERVICE);
	count.descriptors = count_descriptors(count.pid);
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	fflush(NULL);
	app = fork();
	if (app == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent ||
		    dup2(ends[1], STDOUT_FILENO) < 0)
			_exit(126);
		execl(getenv("BUFFER_RING_APP"), "buffer_ring", "/dev/zero", (char *)NULL);
		_exit(127);
	}
	ck_assert_int_gt(app, 0);
	close(ends[1]);
	said = fdopen(ends[0], "r");
	ck_assert_ptr_nonnull(said);
	while (strstr(line, "5  ") != line)
		ck_assert_ptr_nonnull(fgets(line, sizeof(line), said));
	fclose(said);
	ck_assert_int_eq(kill(app, SIGKILL), 0);
	ck_assert_int_eq(waitpid(app, &status, 0), app);
	ck_assert(harness_until(can_open, &ring));
	IOServiceClose(ring);
	ck_assert(harness_until(has_as_few, &count));
	ck_assert_int_eq(harness_host_pid(RING_SERVICE), count.pid);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

/* The example's own app goes through all ten. */
START_TEST(the_example_runs)
{
	char line[1024], said[4096];
	size_t length;
	FILE *output;

	start("sink");
	IOServiceClose(ring);
	snprintf(line, sizeof(line), "'%s' '%s' 2>&1", harness_bundle("BUFFER_RING_APP"),
		 harness_bundle("BUFFER_RING_APP"));
	output = popen(line, "re");
	ck_assert_ptr_nonnull(output);
	length = fread(said, 1, sizeof(said) - 1, output);
	said[length] = '\0';
	ck_assert_msg(pclose(output) == 0, "%s", said);
	ck_assert_ptr_nonnull(strstr(said, "9  a child"));
	ck_assert_ptr_nonnull(strstr(said, "10 unmapped and closed"));
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(the_smallest_example_runs)
{
	char said[256];
	size_t length;
	FILE *output;

	harness_start(&harness, (const char *[]){harness_bundle("MAPPED_MEMORY_BUNDLE"), NULL});
	output = popen(harness_bundle("MAPPED_MEMORY_APP"), "re");
	ck_assert_ptr_nonnull(output);
	length = fread(said, 1, sizeof(said) - 1, output);
	said[length] = '\0';
	ck_assert_int_eq(pclose(output), 0);
	ck_assert_str_eq(said, "128 bytes are mapped; the driver says: Hello, app. Please write "
			       "here.\n");
	harness_wait_log(&harness, "the app left: Hello, driver. These are your own pages.");
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

UNIT_MAIN("scenario", row_1_found_and_opened, row_2_output_in_any_memory, row_2_output_in_vm_memory,
	  row_2_input_in_any_memory, row_2_input_in_vm_memory, row_2_input_is_read_only,
	  row_3_buffers_are_mapped, row_4_completions_arrive_at_the_port,
	  row_5_and_6_send_returns_at_once, row_7_the_device_reads_the_apps_pages,
	  row_8_the_callback_frees_the_buffer, row_9_read_only_stays_read_only,
	  row_10_unmap_and_close, row_10_killed, the_example_runs, the_smallest_example_runs)
