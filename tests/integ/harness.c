/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts and ends `dext run` for a test. Its standard error goes to an unlinked-at-the-end file, so
 * that nothing blocks on a pipe nobody reads and a failing test can show it.
 */
#include "harness.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <CoreFoundation/CoreFoundation.h>

#define ARGUMENTS_MAX 32
#define EXPORT	      "export OPENDEXT_RUNTIME_DIR="

static uint64_t
now_msec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

const char *
harness_bundle(const char *variable)
{
	const char *value = getenv(variable);

	ck_assert_msg(value != NULL, "%s is not set; run the tests by meson test", variable);
	return value;
}

static void
become_dext(const struct harness *harness, const char *const *arguments, int output, pid_t parent)
{
	char *argv[ARGUMENTS_MAX] = {(char *)harness_bundle("DEXT"), (char *)"run"};
	unsigned count = 2;
	int log = open(harness->log_path, O_WRONLY | O_APPEND | O_CLOEXEC);

	for (; *arguments != NULL && count < ARGUMENTS_MAX - 1; arguments++)
		argv[count++] = (char *)*arguments;
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent || log < 0 ||
	    dup2(output, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0)
		_exit(126);
	execv(argv[0], argv);
	_exit(127);
}

/* Reads one line with a deadline; false at the end of the stream. */
static bool
read_line(int fd, char *line, size_t size)
{
	uint64_t deadline = now_msec() + HARNESS_DEADLINE_SEC * 1000;
	size_t used = 0;

	while (used + 1 < size) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		uint64_t now = now_msec();

		if (now >= deadline || poll(&wait, 1, (int)(deadline - now)) < 0)
			return false;
		if (wait.revents == 0 || read(fd, line + used, 1) != 1)
			return false;
		if (line[used] == '\n') {
			line[used] = '\0';
			return true;
		}
		used++;
	}
	return false;
}

void
harness_start(struct harness *harness, const char *const *arguments)
{
	pid_t parent = getpid();
	char line[512];
	int ends[2], log;

	snprintf(harness->log_path, sizeof(harness->log_path), "/tmp/opendext-log-XXXXXX");
	log = mkostemp(harness->log_path, O_CLOEXEC);
	ck_assert_int_ge(log, 0);
	close(log);
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	fflush(NULL);
	harness->pid = fork();
	if (harness->pid == 0)
		become_dext(harness, arguments, ends[1], parent);
	close(ends[1]);
	ck_assert_int_gt(harness->pid, 0);
	harness->output = ends[0];
	ck_assert_msg(read_line(ends[0], line, sizeof(line)) &&
			      strncmp(line, EXPORT, strlen(EXPORT)) == 0,
		      "dext run did not start:\n%s", harness_log_end(harness));
	snprintf(harness->runtime_dir, sizeof(harness->runtime_dir), "%.250s",
		 line + strlen(EXPORT));
	ck_assert_int_eq(setenv("OPENDEXT_RUNTIME_DIR", harness->runtime_dir, 1), 0);
}

int
harness_stop(struct harness *harness)
{
	struct stat info;
	int status = -1;

	ck_assert_int_eq(kill(harness->pid, SIGTERM), 0);
	while (waitpid(harness->pid, &status, 0) < 0 && errno == EINTR)
		;
	close(harness->output);
	ck_assert_msg(stat(harness->runtime_dir, &info) < 0, "%s is still there",
		      harness->runtime_dir);
	harness_expect_no_report(harness);
	unlink(harness->log_path);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

const char *
harness_log(const struct harness *harness)
{
	static char text[HARNESS_LOG_MAX];
	int fd = open(harness->log_path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;

	text[length > 0 ? length : 0] = '\0';
	if (fd >= 0)
		close(fd);
	return text;
}

const char *
harness_log_end(const struct harness *harness)
{
	const char *text = harness_log(harness);
	size_t length = strlen(text);

	return length > HARNESS_SHOWN ? text + length - HARNESS_SHOWN : text;
}

void
harness_expect_no_report(const struct harness *harness)
{
	const char *report = strstr(harness_log(harness), "Sanitizer");

	ck_assert_msg(report == NULL, "%.*s", HARNESS_SHOWN, report);
}

bool
harness_until(bool (*condition)(void *context), void *context)
{
	uint64_t deadline = now_msec() + HARNESS_DEADLINE_SEC * 1000;

	while (!condition(context)) {
		if (now_msec() > deadline)
			return false;
		poll(NULL, 0, 2); /* nothing tells when; so it is asked again */
	}
	return true;
}

struct wanted {
	const struct harness *harness;
	const char *text;
	uint64_t id; /* 0: any */
	uint64_t found_id;
	io_service_t found;
};

static bool
has_text(void *context)
{
	struct wanted *wanted = context;

	return strstr(harness_log(wanted->harness), wanted->text) != NULL;
}

void
harness_wait_log(const struct harness *harness, const char *text)
{
	struct wanted wanted = {.harness = harness, .text = text};

	ck_assert_msg(harness_until(has_text, &wanted), "no '%s' in the log:\n%s", text,
		      harness_log_end(harness));
}

static bool
is_there(void *context)
{
	struct wanted *wanted = context;
	io_service_t service = IOServiceGetMatchingService(kIOMainPortDefault,
							   IOServiceNameMatching(wanted->text));

	if (service == MACH_PORT_NULL)
		return false;
	if (IORegistryEntryGetRegistryEntryID(service, &wanted->found_id) != kIOReturnSuccess ||
	    wanted->found_id == wanted->id) {
		IOObjectRelease(service);
		return false;
	}
	wanted->found = service;
	return true;
}

io_service_t
harness_wait_new_service(const char *name, uint64_t *id)
{
	struct wanted wanted = {.text = name, .id = *id};

	ck_assert_msg(harness_until(is_there, &wanted), "no service %s", name);
	*id = wanted.found_id;
	return wanted.found;
}

void
harness_forget_crash(const struct harness *harness)
{
	harness_wait_log(harness, "starting it again");
	ck_assert_int_eq(truncate(harness->log_path, 0), 0);
}

io_service_t
harness_wait_service(const char *name)
{
	uint64_t id = 0;

	return harness_wait_new_service(name, &id);
}

pid_t
harness_host_pid(const char *name)
{
	io_service_t service = harness_wait_service(name);
	CFTypeRef number =
		IORegistryEntryCreateCFProperty(service, CFSTR("dext_host_pid"), NULL, 0);
	int32_t pid = 0;

	ck_assert(number != NULL && CFGetTypeID(number) == CFNumberGetTypeID());
	ck_assert(CFNumberGetValue(number, kCFNumberSInt32Type, &pid));
	CFRelease(number);
	IOObjectRelease(service);
	ck_assert_int_gt(pid, 1);
	return pid;
}

io_connect_t
harness_open(const char *name, uint32_t type)
{
	io_service_t service = harness_wait_service(name);
	io_connect_t connect = MACH_PORT_NULL;
	kern_return_t status = IOServiceOpen(service, mach_task_self(), type, &connect);

	ck_assert_msg(status == kIOReturnSuccess, "IOServiceOpen(%s): 0x%08x", name,
		      (unsigned)status);
	IOObjectRelease(service);
	return connect;
}
