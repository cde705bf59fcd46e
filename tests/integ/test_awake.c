/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the promise "no system call while both are awake" is worth: every system call of an app and
 * of its driver's process is counted by tracing them, and none is made in a window of calls, or of
 * entries that go through a ring and come back. On a
 * machine that does other things, too, a window may be spoilt by one side not running; so the first
 * quiet one of many is what the test waits for.
 *
 * And an idle host does nothing at all.
 */
#include "unit.h"

#include "echo.h"
#include "harness.h"
#include "squares.h"

#include <dirent.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include <dext_ring.h>
#include <mach/mach_time.h>

#define WINDOW	64 /* calls, or entries */
#define CLIENTS 64
#define TAKERS	8 /* clients that call in turn, */
#define TURN	8 /* so often each, */
#define CYCLES	20
#define ENTRIES (3 * TAKERS) /* rings until all are looked at */

static struct harness harness;

static void
start_with(const char *bundle, const char *service)
{
	harness_start(&harness, (const char *[]){harness_bundle(bundle), NULL});
	IOObjectRelease(harness_wait_service(service));
}

static void
start(void)
{
	start_with("ECHO_BUNDLE", "Echo");
}

static void
call(io_connect_t connect)
{
	uint64_t values[16] = {1, 2, 3};
	uint32_t count = 16;

	if (IOConnectCallScalarMethod(connect, ECHO_ECHO, values, 16, values, &count) !=
	    kIOReturnSuccess)
		abort();
}

/* The app: getppid stands between two windows. Ended by a signal. */
static void
call_for_ever(void)
{
	io_connect_t connect = harness_open("Echo", 0);

	for (;;) {
		syscall(SYS_getppid);
		for (unsigned i = 0; i < WINDOW; i++)
			call(connect);
	}
}

/* The same app, with a ring. More entries than the driver's queue runs at one go. */
static void
push_for_ever(void)
{
	dext_ring_t *ring;

	if (dext_ring_create(harness_open("RingSubmit", 0), SQUARES_RINGS, DEXT_RING_ONE_THREAD,
			     &ring) != kIOReturnSuccess)
		abort();
	for (;;) {
		syscall(SYS_getppid);
		for (unsigned i = 0; i < WINDOW; i++) {
			struct square square = {.number = i};
			uint32_t count;

			dext_ring_push(ring, &square, 1, &count);
			while (dext_ring_pop(ring, &square, 1, &count) != kIOReturnSuccess)
				dext_ring_wait(ring, DEXT_RING_ENTRIES, UINT64_MAX);
			if (square.square != (uint64_t)i * i)
				abort();
		}
	}
}

/* The same app, with a buffer of the driver's, mapped once. */
static void
reuse_for_ever(void)
{
	io_connect_t connect = harness_open("Echo", 0);
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;

	if (IOConnectMapMemory64(connect, 0, mach_task_self(), &address, &size, kIOMapAnywhere) !=
	    kIOReturnSuccess)
		abort();
	for (;;) {
		syscall(SYS_getppid);
		for (unsigned i = 0; i < WINDOW; i++) {
			memset((void *)(uintptr_t)address, (int)i, size);
			call(connect);
		}
	}
}

/* Calls function for each thread of the process. */
static void
each_thread(pid_t pid, void (*function)(pid_t thread, void *context), void *context)
{
	char path[64];
	struct dirent *entry;
	DIR *directory;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	directory = opendir(path);
	ck_assert_ptr_nonnull(directory);
	while ((entry = readdir(directory)) != NULL)
		if (entry->d_name[0] != '.')
			function((pid_t)atoi(entry->d_name), context);
	closedir(directory);
}

static void
trace(pid_t thread, void *context)
{
	ck_assert_msg(
		ptrace(PTRACE_SEIZE, thread, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE) == 0,
		"ptrace: %s", strerror(errno));
	ck_assert_int_eq(ptrace(PTRACE_INTERRUPT, thread, 0, 0), 0);
}

static void
let_go(pid_t thread, void *context)
{
	int status;

	if (ptrace(PTRACE_INTERRUPT, thread, 0, 0) == 0 && waitpid(thread, &status, __WALL) > 0)
		ptrace(PTRACE_DETACH, thread, 0, 0);
}

/* The number of the system call that the thread is about to make; -1: it is on its way out. */
static long
entered_call(pid_t thread)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof(info), &info) <= 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return -1;
	return (long)info.entry.nr;
}

/* Windows until one without a system call; false: none in time. */
static bool
await_quiet_window(pid_t app, pid_t host)
{
	uint64_t deadline = mach_absolute_time() + HARNESS_DEADLINE_SEC * UINT64_C(1000000000);
	unsigned calls = 1; /* the first window may have begun before */

	while (mach_absolute_time() < deadline) {
		int status;
		pid_t thread = waitpid(-1, &status, __WALL);
		long number = -1;

		/* A thread that the host's loop started when both of its own were busy. */
		if (thread > 0 && thread != app && thread != host && !WIFSTOPPED(status))
			continue;
		ck_assert_msg(thread > 0 && WIFSTOPPED(status), "a process ended");
		if (WSTOPSIG(status) == (SIGTRAP | 0x80))
			number = entered_call(thread);
		if (thread == app && number == SYS_getppid) {
			if (calls == 0)
				return true;
			calls = 0;
		} else if (number >= 0) {
			calls++;
		}
		ptrace(PTRACE_SYSCALL, thread, 0, 0);
	}
	return false;
}

static void
pin(pid_t thread, void *cpu)
{
	sched_setaffinity(thread, sizeof(cpu_set_t), cpu);
}

/* The app on one CPU and the host on another. False: there is but one. */
static bool
part(pid_t host)
{
	cpu_set_t all, one[2];
	int count = 0;

	ck_assert_int_eq(sched_getaffinity(0, sizeof(all), &all), 0);
	for (int cpu = 0; cpu < CPU_SETSIZE && count < 2; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one[count]);
		CPU_SET(cpu, &one[count++]);
	}
	if (count < 2)
		return false;
	pin(0, &one[0]);
	each_thread(host, pin, &one[1]);
	return true;
}

static void
check_no_call(const char *bundle, const char *service, void (*go)(void))
{
	pid_t app, host;
	bool quiet;

	start_with(bundle, service);
	host = harness_host_pid(service);
	if (!part(host)) {
		harness_stop(&harness);
		return; /* there is no such while */
	}
	app = fork();
	if (app == 0)
		go();
	each_thread(host, trace, NULL);
	each_thread(app, trace, NULL);
	quiet = await_quiet_window(app, host);
	kill(app, SIGKILL);
	waitpid(app, NULL, __WALL);
	each_thread(host, let_go, NULL);
	ck_assert_msg(quiet, "no window of %d was without a system call", WINDOW);
	harness_stop(&harness);
}

START_TEST(no_system_call_while_both_are_awake)
{
	check_no_call("ECHO_BUNDLE", "Echo", call_for_ever);
}
END_TEST

START_TEST(no_system_call_for_entries_of_a_ring)
{
	check_no_call("RING_SUBMIT_BUNDLE", "RingSubmit", push_for_ever);
}
END_TEST

START_TEST(no_system_call_for_memory_that_is_used_again)
{
	check_no_call("ECHO_BUNDLE", "Echo", reuse_for_ever);
}
END_TEST

/* How often this process has rung: it writes to nothing else. */
static uint64_t
rings(void)
{
	FILE *file = fopen("/proc/self/io", "r");
	uint64_t count = 0;
	char line[128];

	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file) != NULL)
		sscanf(line, "syscw: %" SCNu64, &count);
	fclose(file);
	return count;
}

/*
 * While the others have their turns, whoever spins has to keep a client in mind: else each turn
 * begins with a ring. Counting takes so long that the host sleeps afterwards; so in the first cycle
 * each may ring, and again until it is among those that are looked at.
 */
START_TEST(clients_that_call_in_turn_do_not_ring)
{
	uint64_t deadline = mach_absolute_time() + HARNESS_DEADLINE_SEC * UINT64_C(1000000000);
	io_connect_t connects[TAKERS];
	uint64_t before, rung;

	start();
	for (unsigned i = 0; i < TAKERS; i++)
		connects[i] = harness_open("Echo", 0);
	/* On one CPU nobody spins. */
	rung = part(harness_host_pid("Echo")) ? UINT64_MAX : 0;
	while (rung > ENTRIES && mach_absolute_time() < deadline) {
		before = rings();
		for (unsigned i = 0; i < CYCLES * TAKERS * TURN; i++)
			call(connects[i / TURN % TAKERS]);
		rung = rings() - before;
	}
	ck_assert_uint_le(rung, ENTRIES);
	for (unsigned i = 0; i < TAKERS; i++)
		ck_assert_int_eq(IOServiceClose(connects[i]), kIOReturnSuccess);
	harness_stop(&harness);
}
END_TEST

static void
add_switches(pid_t thread, void *context)
{
	unsigned long *sum = context, one;
	char path[64], line[128];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)thread);
	file = fopen(path, "r");
	if (file == NULL)
		return;
	while (fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "voluntary_ctxt_switches: %lu", &one) == 1)
			*sum += one;
	fclose(file);
}

/* How often threads of the host went to sleep so far. */
static unsigned long
sleeps_of(pid_t host)
{
	unsigned long sum = 0;

	each_thread(host, add_switches, &sum);
	return sum;
}

/* Nothing to wait for: that nothing happens. */
static void
let_time_pass(void)
{
	poll(NULL, 0, 300);
}

START_TEST(an_idle_host_is_never_woken)
{
	io_connect_t connects[CLIENTS];
	unsigned long before, after;
	unsigned tries = 0;
	pid_t host;

	start();
	host = harness_host_pid("Echo");
	for (unsigned i = 0; i < CLIENTS; i++) {
		connects[i] = harness_open("Echo", 0);
		call(connects[i]);
	}
	/* Threads that were started for the opening end after two seconds. */
	do {
		before = sleeps_of(host);
		let_time_pass();
		after = sleeps_of(host);
	} while (before != after && tries++ < 20);
	ck_assert_uint_eq(before, after);
	let_time_pass();
	ck_assert_uint_eq(sleeps_of(host), after);
	for (unsigned i = 0; i < CLIENTS; i++)
		ck_assert_int_eq(IOServiceClose(connects[i]), kIOReturnSuccess);
	harness_stop(&harness);
}
END_TEST

UNIT_MAIN("awake", no_system_call_while_both_are_awake, no_system_call_for_entries_of_a_ring,
	  no_system_call_for_memory_that_is_used_again, clients_that_call_in_turn_do_not_ring,
	  an_idle_host_is_never_woken)
