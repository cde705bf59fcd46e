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
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "environment.h"
#include "inside.h"
#include "log.h"
#include "packet.h"
#include "registry.h"

#define TIMEOUT	       (10 * NSEC_PER_SEC)
#define CLOSE_PATIENCE (2 * NSEC_PER_SEC)
/* The host gives the driver 5 s to stop, and the apps some for their completions. */
#define END_PATIENCE (20 * NSEC_PER_SEC)

struct host_thread {
	dext_test *test;
	pthread_t thread;
	int control, ended; /* the latter is the registry's, until it was written to */
	struct host_thread *next;
};

struct dext_test {
	struct loop *loop;
	struct registry *registry;
	pthread_t thread;
	bool running; /* the thread is there */
	char folder[256];
	uint64_t timeout; /* ns; 0: none */
	uint64_t seed;
	struct registry_inside inside;
	struct host_inside host;
	struct witness witness;
	struct usb_device *devices; /* all that were plugged in */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct registry_summary summary; /* [lock] */
	struct host_thread *hosts;	 /* [lock] all that were started */
	bool host_runs;			 /* [lock] */
	int failures;			 /* [lock] */
};

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

/* Signals that are sent to the program are for its own threads. */
static int
start_thread(pthread_t *thread, void *(*run)(void *context), void *context)
{
	static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
	sigset_t blocked, before;
	int error;

	sigfillset(&blocked);
	for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(&blocked, own[i]);
	pthread_sigmask(SIG_BLOCK, &blocked, &before);
	error = pthread_create(thread, NULL, run, context);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

/* --- the registry's thread --- */

static void *
run_registry(void *context)
{
	dext_test *test = context;

	loop_run(test->loop, 1);
	return NULL;
}

static void
changed(void *context)
{
	dext_test *test = context;

	if (test->registry == NULL)
		return;
	pthread_mutex_lock(&test->lock);
	test->summary = registry_summary(test->registry);
	pthread_cond_broadcast(&test->changed);
	pthread_mutex_unlock(&test->lock);
}

/* A function to be called on the registry's thread. */
struct errand {
	struct loop_task task;
	dext_test *test;
	void (*run)(dext_test *test, void *context);
	void *context;
	bool done; /* [test->lock] */
};

static void
run_errand(struct loop_task *task)
{
	struct errand *errand = (struct errand *)task;
	dext_test *test = errand->test;

	errand->run(test, errand->context);
	changed(test);
	pthread_mutex_lock(&test->lock);
	errand->done = true;
	pthread_cond_broadcast(&test->changed);
	pthread_mutex_unlock(&test->lock);
}

static void
do_there(dext_test *test, void (*run)(dext_test *test, void *context), void *context)
{
	struct errand errand = {
		.task.run = run_errand, .test = test, .run = run, .context = context};

	loop_post(test->loop, &errand.task);
	pthread_mutex_lock(&test->lock);
	while (!errand.done)
		pthread_cond_wait(&test->changed, &test->lock);
	pthread_mutex_unlock(&test->lock);
}

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

/* --- the host's thread --- */

static void *
run_host(void *context)
{
	struct host_thread *host = context;
	dext_test *test = host->test;
	uint64_t ended;

	ended = 1 + (uint64_t)inside_access.run_take(host->control, &test->host, &device_backend);
	pthread_mutex_lock(&test->lock);
	test->host_runs = false;
	pthread_cond_broadcast(&test->changed);
	pthread_mutex_unlock(&test->lock);
	if (write(host->ended, &ended, sizeof(ended)) < 0)
		abort();
	return NULL;
}

static bool
claim_place(dext_test *test)
{
	bool free;

	pthread_mutex_lock(&test->lock);
	free = !test->host_runs;
	test->host_runs = true;
	pthread_mutex_unlock(&test->lock);
	return free;
}

static int
start_host(void *context, int control)
{
	dext_test *test = context;
	struct host_thread *host = calloc(1, sizeof(*host));
	bool mine = host != NULL && claim_place(test);

	if (host != NULL) {
		*host = (struct host_thread){.test = test, .control = control};
		host->ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	if (mine && host->ended >= 0 && start_thread(&host->thread, run_host, host) == 0) {
		pthread_mutex_lock(&test->lock);
		host->next = test->hosts;
		test->hosts = host;
		pthread_mutex_unlock(&test->lock);
		return host->ended;
	}
	test_fail(test, mine ? "no driver can be started: out of resources"
			     : "two personalities match at once: a test has one driver at a time");
	if (mine) {
		pthread_mutex_lock(&test->lock);
		test->host_runs = false;
		pthread_mutex_unlock(&test->lock);
	}
	if (host != NULL)
		fd_close(&host->ended);
	free(host);
	close(control);
	return -1;
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
		.changed = changed,
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
	changed(test);
	test->running = start_thread(&test->thread, run_registry, test) == 0;
	return test->running;
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
	test->inside = (struct registry_inside){.start = start_host, .context = test};
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

/* The hosts' threads, and the registry knows. */
static bool
are_over_locked(const dext_test *test)
{
	return !test->host_runs && test->summary.ended == test->summary.hosts;
}

/* The host of the device before may be on its way. False: it stays. */
static bool
await_place(dext_test *test)
{
	uint64_t deadline = test_deadline(test);
	bool free;

	pthread_mutex_lock(&test->lock);
	while (!are_over_locked(test) && test_await(&test->changed, &test->lock, deadline))
		;
	free = are_over_locked(test);
	pthread_mutex_unlock(&test->lock);
	return free;
}

dext_test_device *
dext_test_plug(dext_test *test, const dext_test_usb *usb)
{
	struct plugging plugging = {.status = kIOReturnSuccess};
	bool matched;

	if (test == NULL)
		return NULL;
	if (!await_place(test)) {
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
	do_there(test, plug_there, &plugging);
	if (plugging.status != kIOReturnSuccess) {
		test_fail(test, "plugging in: %s", plugging.error);
		return NULL;
	}
	pthread_mutex_lock(&test->lock);
	matched = test->summary.hosts > test->summary.ended;
	pthread_mutex_unlock(&test->lock);
	if (!matched) {
		test_fail(test, "no personality takes the device:");
		do_there(test, explain, NULL);
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
		do_there(test, explain, NULL);
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

static void
stop_there(dext_test *test, void *context)
{
	registry_stop(test->registry);
}

static void
await_hosts(dext_test *test)
{
	uint64_t deadline = test->timeout != 0 ? clock_now() + END_PATIENCE : UINT64_MAX;
	struct host_thread *host;
	bool over = false, late = false;

	pthread_mutex_lock(&test->lock);
	while (!over && !late) {
		over = are_over_locked(test);
		late = !over && !test_await(&test->changed, &test->lock, deadline);
	}
	pthread_mutex_unlock(&test->lock);
	if (late) {
		fprintf(stderr, "opendext-test: FAILED: the driver does not end\n");
		abort();
	}
	while ((host = test->hosts) != NULL) {
		test->hosts = host->next;
		pthread_join(host->thread, NULL);
		free(host);
	}
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
		do_there(test, stop_there, NULL);
		await_hosts(test);
		loop_stop(test->loop);
		pthread_join(test->thread, NULL);
	}
	inside_access.witness_end();
	inside_access.shuffle_begin(0);
	failures = test->failures;
	destroy(test);
	return failures;
}
