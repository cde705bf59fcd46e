/* SPDX-License-Identifier: Apache-2.0 */
/* What the registry does for drivers: who may open them, their limits, logs, ends, bundles; and its
 * own restart. */
#include "attempt.h"
#include "command.h"
#include "echo.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <dext_iokit.h>
#include <mach/mach.h>

#define LOG_LINES 1000 /* DEXT_LIMIT_LOG_LINES */

static bool
echo_once(io_connect_t connect)
{
	uint64_t in = 7, out = 0;
	uint32_t room = 1;

	TRY(IOConnectCallMethod(connect, ECHO_ECHO, &in, 1, NULL, 0, &out, &room, NULL, NULL));
	CHECK(room == 1 && out == in);
	return true;
}

static bool
use_echo(void)
{
	return attempt_with("Echo", echo_once);
}

/* --- who may --- */

/* Queues is allowed to another user only: nothing that fails opens it for this one. */
static bool
users(void)
{
	io_service_t queues;
	io_connect_t connect = MACH_PORT_NULL;

	if (!use_echo())
		return false;
	queues = attempt_service("Queues");
	NAMES(queues);
	CHECK(IOServiceOpen(queues, mach_task_self(), 0, &connect) != kIOReturnSuccess);
	IOObjectRelease(queues);
	return true;
}

/* --- bundles --- */

/* Something happens in the folder of bundles, and at the end all is as it was. */
static bool
touch(void)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/note", getenv("FAULTS_BUNDLES"));
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	CHECK(fd >= 0);
	close(fd);
	unlink(path);
	return use_echo();
}

/* --- ends --- */

/* The host ends in a way of enum echo_talk, after it has said something, and is started again. */
static bool
talk(uint64_t way)
{
	struct link link = {0};
	uint64_t in[2] = {20, way};
	bool well = link_open(&link, "Echo");

	if (well)
		IOConnectCallScalarMethod(link.connect, ECHO_TALK, in, 2, NULL, NULL);
	link_close(&link);
	return well;
}

/* Until the stack is used up. */
static bool
overflow(void)
{
	return talk(ECHO_TALK_RECURSE) && use_echo();
}

static bool
crash(void)
{
	static const uint64_t ways[] = {ECHO_TALK_ENDS, ECHO_TALK_SEGV};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (!talk(ways[i]))
			return false;
	return use_echo();
}

/* More than the registry takes in a second: what is too much is told of when the host ends. */
static bool
say_much(io_connect_t connect)
{
	TRY(IOConnectCallScalarMethod(connect, ECHO_TALK,
				      (uint64_t[]){2 * LOG_LINES, ECHO_TALK_ENDS}, 2, NULL, NULL));
	return true;
}

static bool
talk_much(void)
{
	return attempt_with("Echo", say_much);
}

/* --- looking --- */

/* Somebody looks at calls, and ends when he has seen some. */
static bool
traced(void)
{
	const char *const trace[] = {getenv("FAULTS_DEXT"), "trace", "--count", "4", NULL};
	uint64_t began = attempt_msec();
	pid_t pid = command_start(trace, false, NULL);
	int status = -1;
	bool well = true;

	while (well && waitpid(pid, &status, WNOHANG) == 0)
		well = use_echo() && attempt_had("the trace's end", attempt_waits(began));
	if (!well) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		return false;
	}
	return attempt_had("a trace", status == 0);
}

/* The next line, which may be of the driver's end. */
static bool
read_line(int fd)
{
	struct pollfd item = {.fd = fd, .events = POLLIN};
	uint64_t began = attempt_msec();
	char bytes[4096];

	while (poll(&item, 1, 100) == 0)
		if (!attempt_had("a line of the log", attempt_waits(began)))
			return false;
	return attempt_had("the log", read(fd, bytes, sizeof(bytes)) > 0);
}

static bool
say(io_connect_t connect)
{
	TRY(IOConnectCallScalarMethod(connect, ECHO_TALK, (uint64_t[]){1, ECHO_TALK_ENDS}, 2, NULL,
				      NULL));
	return true;
}

/* What was said before is there, and what is said then comes. */
static bool
followed(void)
{
	const char *const follow[] = {getenv("FAULTS_DEXT"), "logs", "--follow", NULL};
	struct link link = {0};
	int output = -1;
	pid_t pid;
	bool well = link_open(&link, "Echo") && say(link.connect);

	if (well) {
		pid = command_start(follow, false, &output);
		well = read_line(output);
		for (unsigned i = 0; i < 2 && well; i++)
			well = say(link.connect) && read_line(output);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		close(output);
	}
	link_close(&link);
	return well;
}

/* --- a method that hangs --- */

struct waiting {
	io_connect_t connect;
	kern_return_t status;
};

static void *
call_and_wait(void *context)
{
	struct waiting *waiting = context;

	waiting->status =
		IOConnectCallScalarMethod(waiting->connect, ECHO_WAIT, NULL, 0, NULL, NULL);
	return NULL;
}

/* Until the driver's own frame has been told of. */
static bool
await_stack(int log)
{
	struct pollfd item = {.fd = log, .events = POLLIN};
	uint64_t began = attempt_msec();
	char text[1 << 16] = "";
	size_t length = 0;

	while (strstr(text, "echo.so+0x") == NULL && attempt_waits(began)) {
		ssize_t got = poll(&item, 1, 100) > 0
				      ? read(log, text + length, sizeof(text) - 1 - length)
				      : 0;

		if (got > 0)
			length += (size_t)got;
		text[length] = '\0';
	}
	return attempt_had("the stack", strstr(text, "echo.so+0x") != NULL);
}

static bool
hang(io_connect_t connect)
{
	const char *const follow[] = {getenv("FAULTS_DEXT"), "logs", "--follow", NULL};
	struct waiting waiting = {.connect = connect};
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;
	volatile uint8_t *go;
	pthread_t thread;
	int output = -1;
	pid_t pid;
	bool well;

	TRY(IOConnectMapMemory64(connect, 0, mach_task_self(), &address, &size, kIOMapAnywhere));
	go = (volatile uint8_t *)(uintptr_t)address;
	*go = 0;
	pid = command_start(follow, false, &output);
	CHECK(pthread_create(&thread, NULL, call_and_wait, &waiting) == 0);
	well = await_stack(output);
	*go = ECHO_GO;
	pthread_join(thread, NULL);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(output);
	return attempt_tried("IOConnectCallScalarMethod", waiting.status) && well;
}

static bool
hung(void)
{
	return attempt_with("Echo", hang);
}

static bool
looked_at(void)
{
	return traced() && followed();
}

/* --- wrong command lines --- */

/* Each says why it does not run; what cannot be written is not the worst of it. */
static bool
wrong(void)
{
	char registry[512], host[512], copy[512];
	const char *build = getenv("FAULTS_BUILD");

	snprintf(registry, sizeof(registry), "%s/cmd/dextd", build);
	snprintf(host, sizeof(host), "%s/cmd/dext-host", build);
	snprintf(copy, sizeof(copy), "%s/dextd", getenv("FAULTS_BUNDLES"));
	command_end(command_start((const char *[]){"/bin/cp", registry, copy, NULL}, false, NULL));
	/* Its host is not beside it. */
	CHECK(command_end(command_start((const char *[]){copy, NULL}, true, NULL)) != 0);
	unlink(copy);
	command_end(command_start((const char *[]){registry, "--help", NULL}, true, NULL));
	CHECK(command_end(command_start((const char *[]){registry, "--sandbox=none", NULL}, true,
					NULL)) != 0);
	CHECK(command_end(command_start((const char *[]){host, NULL}, true, NULL)) != 0);
	CHECK(command_end(command_start((const char *[]){host, "--control", "77", NULL}, true,
					NULL)) != 0);
	return true;
}

/* There is one already: this one waits for its end, not for long. */
static bool
second(void)
{
	char registry[512];

	snprintf(registry, sizeof(registry), "%s/cmd/dextd", getenv("FAULTS_BUILD"));
	CHECK(command_end(command_start((const char *[]){registry, "--sandbox=off", NULL}, true,
					NULL)) != 0);
	return true;
}

/* --- another registry --- */

/* dextd is killed and started again meanwhile; the connection stays, and others can be made. */
static bool
go_on(io_connect_t connect)
{
	if (!echo_once(connect))
		return false;
	attempt_restart();
	return echo_once(connect) && use_echo();
}

static bool
kept(void)
{
	return attempt_with("Echo", go_on);
}

/* Its driver is not there any more when the new registry comes, and then it is again. */
static bool
replace(io_connect_t connect)
{
	char bundle[512], away[512];

	snprintf(bundle, sizeof(bundle), "%s/echo.dext", getenv("FAULTS_BUNDLES"));
	snprintf(away, sizeof(away), "%s/../away", getenv("FAULTS_BUNDLES"));
	if (!echo_once(connect))
		return false;
	CHECK(rename(bundle, away) == 0);
	attempt_restart();
	CHECK(rename(away, bundle) == 0);
	return true;
}

static bool
replaced(void)
{
	struct link link = {0};
	bool well = link_open(&link, "Echo") && replace(link.connect);

	link_close(&link);
	return well && use_echo();
}

const struct scenario scenarios_registry[] = {
	{"overflow", overflow, "crash"},
	{"replaced", replaced, "kept"},
	{"users", users, "users"},
	{"limited", use_echo, "limits"},
	{"touch", touch},
	{"looked_at", looked_at},
	{"crash", crash, "crash"},
	{"kept", kept, "kept"},
	{"wrong", wrong},
	{"hung", hung, "hangs"},
	{"talk_much", talk_much, "once"},
	{"second", second},
	{NULL},
};
