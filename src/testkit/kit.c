/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A test: the registry on one thread and the driver's host on another, which has threads of its
 * own. The registry is libdexttest's own copy of the code that dextd runs; the host is
 * libdriverkit's, by inside.h; the app is libiokit. They meet at sockets and shared pages as they
 * do between processes, so nothing is special about the path of a call. What is not there is a
 * process: no sandbox, and a crash of the driver is one of the test.
 *
 * The registry's functions are called on its thread only: by tasks, whose caller waits.
 */
#include "kit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "environment.h"
#include "inside.h"
#include "kit_threads.h"
#include "log.h"

#define TIMEOUT	       (10 * NSEC_PER_SEC)
#define CLOSE_PATIENCE (2 * NSEC_PER_SEC)

static pthread_mutex_t current_lock = PTHREAD_MUTEX_INITIALIZER;
static dext_test *current; /* [current_lock] */

/* --- small things --- */

void
test_fail(dext_test *test, const char *format, ...)
{
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fprintf(stderr, "opendext-test: FAILED: %s\n", text);
	pthread_mutex_lock(&test->lock);
	test->failures++;
	pthread_mutex_unlock(&test->lock);
}

uint64_t
test_deadline(const dext_test *test)
{
	return test->timeout != 0 ? clock_now() + test->timeout : UINT64_MAX;
}

uint64_t
test_seed(const dext_test *test)
{
	return test->seed;
}

bool
test_await(pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t deadline)
{
	struct timespec until = {
		.tv_sec = (time_t)(deadline / NSEC_PER_SEC),
		.tv_nsec = (long)(deadline % NSEC_PER_SEC),
	};

	if (deadline == UINT64_MAX)
		return pthread_cond_wait(condition, lock) == 0;
	return pthread_cond_timedwait(condition, lock, &until) != ETIMEDOUT;
}

/* Somebody looks at the program step by step: then nothing is too late. */
static bool
is_traced(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	char line[256];
	int pid = 0;

	while (status != NULL && fgets(line, sizeof(line), status) != NULL)
		if (sscanf(line, "TracerPid: %d", &pid) == 1)
			break;
	if (status != NULL)
		fclose(status);
	return pid != 0;
}

static void
read_settings(dext_test *test)
{
	const char *timeout = environment_test_timeout(), *shuffle = environment_test_shuffle();

	test->timeout = TIMEOUT;
	if (timeout != NULL)
		test->timeout = strtoull(timeout, NULL, 10) * NSEC_PER_SEC;
	if (is_traced())
		test->timeout = 0;
	if (shuffle == NULL)
		return;
	test->seed = strtoull(shuffle, NULL, 0);
	if (test->seed == 0 && strcmp(shuffle, "0") != 0 &&
	    getrandom(&test->seed, sizeof(test->seed), 0) != (ssize_t)sizeof(test->seed))
		test->seed = clock_now();
	if (test->seed != 0)
		fprintf(stderr, "opendext-test: OPENDEXT_TEST_SHUFFLE=%llu repeats this\n",
			(unsigned long long)test->seed);
}

/* --- begin --- */

static void
said(void *context, const char *sentence)
{
	test_fail(context, "%s", sentence);
}

static bool
make_folder(dext_test *test)
{
	const char *parent = environment_temporary_dir();

	snprintf(test->folder, sizeof(test->folder), "%s/opendext-test-XXXXXX",
		 parent != NULL ? parent : "/tmp");
	if (mkdtemp(test->folder) == NULL) {
		fprintf(stderr, "opendext-test: %s: %s\n", test->folder, strerror(errno));
		test->folder[0] = '\0';
		return false;
	}
	return setenv("OPENDEXT_RUNTIME_DIR", test->folder, 1) == 0;
}

static bool
start_registry(dext_test *test, const char *bundle)
{
	char error[REGISTRY_ERROR_MAX] = "out of memory";
	const struct registry_options options = {
		.runtime_dir = test->folder,
		.host_program = "",
		.sandbox = SANDBOX_OFF,
		.plugging = true,
		.inside = &test->inside,
		.changed = threads_changed,
		.context = test,
	};
	IOReturn status = loop_create(&test->loop);

	if (status == kIOReturnSuccess)
		status = registry_create(test->loop, &options, &test->registry);
	if (status == kIOReturnSuccess)
		status = registry_add_bundle(test->registry, bundle, error);
	if (status == kIOReturnSuccess)
		status = registry_start(test->registry, error);
	if (status != kIOReturnSuccess) {
		fprintf(stderr, "opendext-test: FAILED: %s\n", error);
		return false;
	}
	threads_changed(test);
	return threads_start_registry(test);
}

static bool
claim_process(dext_test *test)
{
	bool free;

	pthread_mutex_lock(&current_lock);
	free = current == NULL;
	if (free)
		current = test;
	pthread_mutex_unlock(&current_lock);
	if (!free)
		fprintf(stderr, "opendext-test: FAILED: another test is under way\n");
	return free;
}

static void
destroy(dext_test *test)
{
	registry_destroy(test->registry);
	if (test->loop != NULL)
		loop_destroy(test->loop);
	if (test->folder[0] != '\0') {
		unsetenv("OPENDEXT_RUNTIME_DIR");
		if (rmdir(test->folder) < 0)
			fprintf(stderr, "opendext-test: %s: %s\n", test->folder, strerror(errno));
	}
	while (test->devices != NULL) {
		struct usb_device *device = test->devices;

		test->devices = device->next;
		device_destroy(device);
	}
	pthread_cond_destroy(&test->changed);
	pthread_mutex_destroy(&test->lock);
	pthread_mutex_lock(&current_lock);
	current = NULL;
	pthread_mutex_unlock(&current_lock);
	free(test);
}

static dext_test *
create(const dext_bundle_info *classes)
{
	dext_test *test = calloc(1, sizeof(*test));
	pthread_condattr_t monotonic;

	if (test == NULL)
		return NULL;
	pthread_mutex_init(&test->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&test->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	read_settings(test);
	test->inside = (struct registry_inside){.start = threads_start_host, .context = test};
	test->host = (struct host_inside){.classes = classes, .patient = test->timeout == 0};
	test->witness = (struct witness){.said = said, .context = test};
	return test;
}

dext_test *
dext_test_begin(const char *bundle, const dext_bundle_info *classes)
{
	dext_test *test = create(classes);

	if (test == NULL)
		return NULL;
	if (!claim_process(test)) {
		pthread_cond_destroy(&test->changed);
		pthread_mutex_destroy(&test->lock);
		free(test);
		return NULL;
	}
	log_set_level(LOG_LEVEL_ERROR);
	log_set_name("opendext-test");
	inside_access.witness_begin(&test->witness);
	inside_access.shuffle_begin(test->seed);
	if (make_folder(test) && start_registry(test, bundle))
		return test;
	/* A driver without a device may run already. */
	dext_test_end(test);
	return NULL;
}

void
dext_test_allow_uncompleted(dext_test *test)
{
	if (test != NULL)
		test->witness.uncompleted_allowed = true;
}

/* --- the device --- */

static void
fail_line(void *context, const char *text)
{
	test_fail(context, "%s", text);
}

static void
explain(dext_test *test, void *context)
{
	registry_explain(test->registry, fail_line, test);
}

struct plugging {
	struct usb_device *device;
	char error[REGISTRY_ERROR_MAX];
	IOReturn status;
};

static void
plug_there(dext_test *test, void *context)
{
	struct plugging *plugging = context;
	const struct usb_device *device = plugging->device;
	const struct registry_device described = {
		.spec = "test",
		.device = device->device,
		.configuration = device->configuration,
		.configuration_length = device->configuration_length,
		.speed = kIOUSBHostConnectionSpeedHigh,
	};

	plugging->status = registry_plug(test->registry, &described, plugging->error);
}

dext_test_device *
dext_test_plug(dext_test *test, const dext_test_usb *usb)
{
	struct plugging plugging = {.status = kIOReturnSuccess};
	bool matched;

	if (test == NULL)
		return NULL;
	if (!threads_await_place(test)) {
		test_fail(test, "plugging in: the driver before has not ended; unplug its device");
		return NULL;
	}
	plugging.device = device_create(test, usb);
	if (plugging.device == NULL) {
		test_fail(test, "plugging in: an endpoint's address or type is none, or there is "
				"no memory");
		return NULL;
	}
	plugging.device->next = test->devices;
	test->devices = plugging.device;
	threads_do_there(test, plug_there, &plugging);
	if (plugging.status != kIOReturnSuccess) {
		test_fail(test, "plugging in: %s", plugging.error);
		return NULL;
	}
	pthread_mutex_lock(&test->lock);
	matched = test->summary.hosts > test->summary.ended;
	pthread_mutex_unlock(&test->lock);
	if (!matched) {
		test_fail(test, "no personality takes the device:");
		threads_do_there(test, explain, NULL);
	}
	return (dext_test_device *)plugging.device;
}

/* --- the app --- */

static bool
is_ready(const struct registry_summary *summary)
{
	return summary->hosts > summary->ended && summary->starting + summary->silent == 0;
}

io_connect_t
dext_test_open(dext_test *test, const char *name, uint32_t type)
{
	io_connect_t connection = IO_OBJECT_NULL;
	io_service_t service;
	uint64_t deadline;
	kern_return_t result;

	if (test == NULL)
		return IO_OBJECT_NULL;
	deadline = test_deadline(test);
	pthread_mutex_lock(&test->lock);
	while (!is_ready(&test->summary) && test->summary.failed == 0 &&
	       test_await(&test->changed, &test->lock, deadline))
		;
	pthread_mutex_unlock(&test->lock);
	service = IOServiceGetMatchingService(kIOMainPortDefault, IOServiceNameMatching(name));
	if (service == IO_OBJECT_NULL) {
		test_fail(test, "there is no service %s:", name);
		threads_do_there(test, explain, NULL);
		return IO_OBJECT_NULL;
	}
	result = IOServiceOpen(service, mach_task_self(), type, &connection);
	IOObjectRelease(service);
	if (result == kIOReturnSuccess)
		return connection;
	test_fail(test, "IOServiceOpen of %s: 0x%08x", name, (unsigned)result);
	return IO_OBJECT_NULL;
}

/* --- end --- */

/* A connection that the app has closed ends a moment later. */
static void
await_closing(dext_test *test)
{
	const struct timespec moment = {.tv_nsec = NSEC_PER_MSEC};
	uint64_t deadline = clock_now() + CLOSE_PATIENCE;
	unsigned count;

	while ((count = inside_access.connection_count()) > 0 && clock_now() < deadline)
		nanosleep(&moment, NULL);
	if (count > 0)
		test_fail(test, "%u connection%s not closed by the app (IOServiceClose)", count,
			  count == 1 ? " was" : "s were");
}

int
dext_test_end(dext_test *test)
{
	int failures;

	if (test == NULL)
		return 1;
	for (struct usb_device *device = test->devices; device != NULL; device = device->next)
		script_end(device);
	if (test->running) {
		await_closing(test);
		threads_end(test);
	}
	inside_access.witness_end();
	inside_access.shuffle_begin(0);
	failures = test->failures;
	destroy(test);
	return failures;
}
