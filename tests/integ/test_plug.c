/* SPDX-License-Identifier: Apache-2.0 */
/* Devices that come and go while the registry runs, with and without an app on them. */
#define UNIT_TIMEOUT_SEC 600 /* a thousand processes, one after the other */

#include "harness.h"
#include "places.h"
#include "plugging.h"
#include "stream_app.h"
#include "unit.h"

#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/usb/USB.h>
#include <mach/mach.h>

#include <stdio.h>

static struct harness harness;
static struct app app;

static void
start(void)
{
	harness_start(&harness, (const char *[]){harness_bundle("BULKSTREAM_BUNDLE"), NULL});
}

static unsigned
count_matching(const char *class_name)
{
	io_iterator_t iterator = 0;
	io_service_t service;
	unsigned count = 0;

	ck_assert_int_eq(IOServiceGetMatchingServices(kIOMainPortDefault,
						      IOServiceMatching(class_name), &iterator),
			 0);
	while ((service = IOIteratorNext(iterator)) != 0) {
		count++;
		IOObjectRelease(service);
	}
	IOObjectRelease(iterator);
	return count;
}

static void
get_path(io_service_t service, io_string_t path)
{
	ck_assert_int_eq(IORegistryEntryGetPath(service, kIOServicePlane, path), 0);
}

START_TEST(comes_goes_and_comes_again)
{
	uint64_t device, again, driver = 0, driver_before;
	io_service_t service;
	io_string_t path, path_again;

	start();
	harness_wait_log(&harness, "waiting for `dext plug SPEC`");
	ck_assert_uint_eq(count_matching("IOUSBHostDevice"), 0);
	device = plug("sink:serial=A");
	ck_assert_uint_eq(count_matching("IOUSBHostDevice"), 1);
	service = harness_wait_new_service(DEXT_BULKSTREAM_SERVICE, &driver);
	get_path(service, path);
	IOObjectRelease(service);
	unplug(device);
	/* When the answer has come all of it has gone. */
	ck_assert_uint_eq(count_matching("IOUSBHostDevice"), 0);
	ck_assert_uint_eq(count_matching("IOUSBHostInterface"), 0);
	ck_assert_uint_eq(count_matching("IOUserService"), 0);
	driver_before = driver;
	again = plug("sink:serial=A");
	ck_assert_uint_ne(again, device);
	service = harness_wait_new_service(DEXT_BULKSTREAM_SERVICE, &driver);
	ck_assert_uint_ne(driver, driver_before);
	get_path(service, path_again);
	IOObjectRelease(service);
	ck_assert_str_eq(path, path_again);
	/* Its host ended of its own accord, and was not taken for a crash. */
	ck_assert_ptr_null(strstr(harness_log(&harness), "starting it again"));
	ck_assert_ptr_null(strstr(harness_log(&harness), "is killed"));
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(goes_on_after_the_last_device)
{
	start();
	unplug(plug("sink"));
	unplug(plug("source"));
	IOObjectRelease((plug("loopback"), harness_wait_service(DEXT_BULKSTREAM_SERVICE)));
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(a_device_that_goes_by_itself_has_gone)
{
	uint64_t id = 0;

	stream_start(&harness, "sink:unplug-after=4096");
	app_open(&app, DEXT_BULKSTREAM_SHARED, 2, 8192);
	ck_assert_int_eq(app_send(&app, 0, 0, 8192, 0), kIOReturnSuccess);
	app_wait(&app, 1);
	ck_assert_int_ne(app.done[0].status, kIOReturnSuccess);
	app_close(&app);
	harness_wait_log(&harness, "waiting for `dext plug SPEC`");
	ck_assert_uint_eq(count_matching("IOUSBHostDevice"), 0);
	plug("sink");
	IOObjectRelease(harness_wait_new_service(DEXT_BULKSTREAM_SERVICE, &id));
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(places_are_used_again)
{
	uint64_t first, second, third;
	io_service_t service;
	io_string_t path;

	start();
	first = plug("sink:serial=1");
	second = plug("sink:serial=2");
	unplug(first);
	third = plug("sink:serial=3");
	service = IOServiceGetMatchingService(kIOMainPortDefault, IORegistryEntryIDMatching(third));
	get_path(service, path);
	ck_assert_str_eq(path, "IOService:/OpenDext sink@80100000");
	IOObjectRelease(service);
	unplug(second);
	unplug(third);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(refusals_say_why)
{
	char sentence[PLUG_SENTENCE_MAX];
	io_service_t service;
	uint64_t id = 0;

	start();
	ck_assert_int_eq(try_plug("nosuch", &id, sentence), kIOReturnBadArgument);
	ck_assert_ptr_nonnull(strstr(sentence, "no model 'nosuch'"));
	ck_assert_int_eq(try_plug("sink,speed=warp", &id, sentence), kIOReturnBadArgument);
	ck_assert_ptr_nonnull(strstr(sentence, "full, high or super"));
	ck_assert_int_eq(try_unplug(4711, sentence), kIOReturnNotFound);
	ck_assert_ptr_nonnull(strstr(sentence, "0x1267"));
	service = IOServiceGetMatchingService(kIOMainPortDefault,
					      IOServiceMatching("IOUserResources"));
	ck_assert_int_eq(IORegistryEntryGetRegistryEntryID(service, &id), 0);
	ck_assert_int_eq(try_unplug(id, sentence), kIOReturnUnsupported);
	IOObjectRelease(service);
	plug("sink");
	id = 0;
	service = harness_wait_new_service(DEXT_BULKSTREAM_SERVICE, &id);
	ck_assert_int_eq(try_unplug(id, sentence), kIOReturnNotFound);
	IOObjectRelease(service);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

/* Every transfer ends once, with an error where it had not finished, before the service goes. */
START_TEST(unplugged_while_transfers_wait)
{
	uint64_t device;

	start();
	device = plug("sink:nak=16384");
	app_open(&app, DEXT_BULKSTREAM_SHARED, 32, 4096);
	for (uint32_t i = 0; i < 32; i++)
		ck_assert_int_eq(app_send(&app, i, 0, 4096, 0), kIOReturnSuccess);
	app_wait(&app, 4);
	unplug_begin(device);
	app_wait(&app, 32);
	for (uint32_t i = 0; i < 32; i++) {
		ck_assert_uint_eq(app.done[i].sequence, i);
		ck_assert((app.done[i].status == kIOReturnSuccess) == (i < 4));
	}
	unplug_wait();
	app_dispatch(&app);
	ck_assert_uint_eq(app.done_count, 32);
	ck_assert_int_ne(app_send(&app, 0, 0, 1, 0), kIOReturnSuccess);
	app_close(&app);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

/* Its process is stopped: within its bound it is killed, and the device has gone. */
START_TEST(a_host_that_does_not_end_is_killed)
{
	uint64_t device;
	pid_t host;

	start();
	device = plug("sink");
	IOObjectRelease(harness_wait_service(DEXT_BULKSTREAM_SERVICE));
	host = harness_host_pid(DEXT_BULKSTREAM_SERVICE);
	ck_assert_int_eq(kill(host, SIGSTOP), 0);
	unplug(device);
	harness_wait_log(&harness, "does not end and is killed");
	ck_assert_int_eq(kill(host, 0), -1);
	ck_assert_uint_eq(count_matching("IOUSBHostDevice"), 0);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

/* --- leaks --- */

struct held {
	unsigned descriptors, processes;
	uint64_t kilobytes; /* resident and its own */
};

static uint64_t
own_memory(pid_t pid)
{
	uint64_t kilobytes = 0;
	char path[64], line[256];
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	status = fopen(path, "re");
	ck_assert_ptr_nonnull(status);
	while (fgets(line, sizeof(line), status) != NULL)
		sscanf(line, "RssAnon: %lu", &kilobytes);
	fclose(status);
	return kilobytes;
}

static unsigned
count_children(pid_t pid)
{
	char path[80], word[16];
	unsigned count = 0;
	FILE *children;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	children = fopen(path, "re");
	ck_assert_ptr_nonnull(children);
	while (fscanf(children, "%15s", word) == 1)
		count++;
	fclose(children);
	return count;
}

static struct held
look(void)
{
	return (struct held){
		.descriptors = count_descriptors(harness.pid),
		.processes = count_children(harness.pid),
		.kilobytes = own_memory(harness.pid),
	};
}

/*
 * Under a sanitizer memory is its own business: what was freed waits, and each place that allocates
 * is remembered. There leaks are told at the end.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KILOBYTES_ALLOWED UINT64_MAX
#else
#define KILOBYTES_ALLOWED 256
#endif

static void
check_nothing_was_kept(struct held before)
{
	struct held after = look();

	ck_assert_uint_eq(after.descriptors, before.descriptors);
	ck_assert_uint_eq(after.processes, before.processes);
	ck_assert_msg(after.kilobytes <= before.kilobytes ||
			      after.kilobytes - before.kilobytes < KILOBYTES_ALLOWED,
		      "%lu KiB, then %lu", before.kilobytes, after.kilobytes);
}

/* At all instants of the host's life, its first ones included. */
START_TEST(a_thousand_devices_leave_nothing)
{
	struct held before = {0};

	start();
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t device;

		if (i == 100)
			before = look();
		device = plug(i % 2 == 0 ? "sink" : "loopback:speed=super");
		if (i % 3 == 0)
			IOObjectRelease(harness_wait_service(DEXT_BULKSTREAM_SERVICE));
		for (unsigned later = 0; i % 3 == 1 && later < i % 64; later++)
			count_matching("IOUserService");
		unplug(device);
	}
	check_nothing_was_kept(before);
	ck_assert_ptr_null(strstr(harness_log(&harness), "is killed"));
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

static uint32_t accepted; /* sends */

static void
send_again(struct app *sender, const struct completion *done)
{
	if (done->status == kIOReturnSuccess)
		accepted += app_send(sender, done->buffer, 0, 65536, 0) == kIOReturnSuccess;
}

/* How many transfers are under way in the app's eyes when the device goes is left to chance. */
static void
stream_and_unplug(unsigned instant)
{
	uint64_t device = plug("sink");
	bool failed = false;

	IOObjectRelease(harness_wait_service(DEXT_BULKSTREAM_SERVICE));
	app_open(&app, DEXT_BULKSTREAM_SHARED, 8, 65536);
	app.on_done = send_again;
	accepted = 0;
	for (uint32_t i = 0; i < 8; i++)
		accepted += app_send(&app, i, 0, 65536, 0) == kIOReturnSuccess;
	ck_assert_uint_eq(accepted, 8);
	app_wait(&app, instant);
	unplug_begin(device);
	while (app.done_count < accepted)
		app_wait(&app, app.done_count + 1);
	unplug_wait();
	app_dispatch(&app);
	/* Each that was accepted has ended once, in order, and none well after the first failure.
	 */
	ck_assert_uint_eq(app.done_count, accepted);
	for (uint32_t i = 0; i < accepted; i++) {
		ck_assert_uint_eq(app.done[i].sequence, i);
		ck_assert(!failed || app.done[i].status != kIOReturnSuccess);
		failed |= app.done[i].status != kIOReturnSuccess;
	}
	app_close(&app);
}

START_TEST(unplugged_at_any_instant_of_a_stream)
{
	struct held before = {0};
	unsigned own = 0, threads = 0;

	start();
	srand(1);
	for (unsigned i = 0; i < 100; i++) {
		if (i == 20) {
			before = look();
			own = count_descriptors(getpid());
			threads = count_threads(getpid());
		}
		stream_and_unplug(1 + (unsigned)rand() % 200);
	}
	/* Calls that sleep often get a thread with a descriptor, once in a process. */
	threads = count_threads(getpid()) - threads;
	ck_assert_uint_le(threads, 1);
	ck_assert_uint_eq(count_descriptors(getpid()), own + threads);
	check_nothing_was_kept(before);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

UNIT_MAIN("plug", comes_goes_and_comes_again, goes_on_after_the_last_device,
	  a_device_that_goes_by_itself_has_gone, places_are_used_again, refusals_say_why,
	  unplugged_while_transfers_wait, a_host_that_does_not_end_is_killed,
	  a_thousand_devices_leave_nothing, unplugged_at_any_instant_of_a_stream)
