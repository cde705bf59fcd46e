/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile app (tests/hostile) does one thing after the other to a registry and a host that a
 * well-behaved app uses too: while the enemy holds what it got and after it has ended, every call
 * of the well-behaved one is answered, with the right bytes, and new ones are let in; and then both
 * processes have as many descriptors and mappings, and as much memory, as before.
 */
#define UNIT_TIMEOUT_SEC 200
#include "echo.h"
#include "harness.h"
#include "unit.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>

#include <mach/mach.h>

#define CALLS	       300u
#define STRUCTURE      4096u
#define MEMORY_SLACK   (32u << 20) /* bytes: an allocator keeps what 256 connections have needed */
#define ATTACKS_MAX    64
#define DEADLINE_MSEC  20000
#define NAME_MAX_BYTES 80

static struct harness harness;
static io_connect_t good;
static uint64_t service_id;
static pid_t host;

static struct {
	pid_t pid;
	int input, output;
} enemy;

/* --- the well-behaved app --- */

static void
call(io_connect_t connect, unsigned number)
{
	static uint8_t in[STRUCTURE], out[STRUCTURE];
	uint64_t scalars[4] = {number, ~(uint64_t)number, 3, 4}, back[4] = {0};
	uint32_t count = 4;
	size_t size = sizeof(out);

	memset(in, (int)(number & 0xff), sizeof(in));
	in[number % sizeof(in)] ^= 0x55;
	memset(out, 0, sizeof(out));
	ck_assert_int_eq(IOConnectCallMethod(connect, ECHO_ECHO, scalars, 4, in, sizeof(in), back,
					     &count, out, &size),
			 kIOReturnSuccess);
	ck_assert_uint_eq(count, 4);
	ck_assert_mem_eq(back, scalars, sizeof(scalars));
	ck_assert_uint_eq(size, sizeof(in));
	ck_assert_mem_eq(out, in, sizeof(in));
}

static void
map_and_look(io_connect_t connect, uint64_t fill)
{
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;

	ck_assert_int_eq(
		IOConnectMapMemory64(connect, 0, mach_task_self(), &address, &size, kIOMapAnywhere),
		kIOReturnSuccess);
	ck_assert_int_eq(IOConnectCallScalarMethod(connect, ECHO_FILL, &fill, 1, NULL, NULL),
			 kIOReturnSuccess);
	for (mach_vm_size_t i = 0; i < size; i++)
		ck_assert_uint_eq(((const uint8_t *)(uintptr_t)address)[i], fill);
	ck_assert_int_eq(IOConnectUnmapMemory64(connect, 0, mach_task_self(), address),
			 kIOReturnSuccess);
}

/* On the connection that was there before, and on one that is found and opened now. */
static void
is_served(unsigned round)
{
	io_connect_t fresh;

	for (unsigned i = 0; i < CALLS; i++)
		call(good, round + i);
	map_and_look(good, round & 0xff);
	fresh = harness_open("Echo", 0);
	call(fresh, round);
	map_and_look(fresh, ~round & 0xff);
	ck_assert_int_eq(IOServiceClose(fresh), kIOReturnSuccess);
}

/* --- what the two processes have --- */

struct held {
	unsigned fds, files; /* files: mappings of memfds */
	uint64_t memory;
};

static unsigned
count_entries(pid_t pid)
{
	char path[32];
	unsigned count = 0;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	folder = opendir(path);
	ck_assert_ptr_nonnull(folder);
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count;
}

static struct held
look_at(pid_t pid)
{
	struct held held = {.fds = count_entries(pid)};
	char path[32], line[512];
	unsigned long kib = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file) != NULL)
		held.files += strstr(line, "memfd:") != NULL;
	fclose(file);
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "RssAnon: %lu", &kib) == 1 ||
		    sscanf(line, "RssShmem: %lu", &kib) == 1)
			held.memory += kib * 1024;
	fclose(file);
	return held;
}

struct before {
	struct held registry, host;
};

static bool
is_back(const struct held *now, const struct held *before)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	/* Its allocator keeps what was freed. */
	return now->fds == before->fds && now->files == before->files;
#else
	return now->fds == before->fds && now->files == before->files &&
	       now->memory <= before->memory + MEMORY_SLACK;
#endif
}

static bool
everything_is_back(void *context)
{
	const struct before *before = context;
	struct held registry = look_at(harness.pid), serving = look_at(host);

	return is_back(&registry, &before->registry) && is_back(&serving, &before->host);
}

/* What they have when nobody does anything: the same a few times in a row. */
static bool
is_settled(void *context)
{
	static unsigned times;
	struct before *before = context;
	struct held registry = look_at(harness.pid), serving = look_at(host);

	times = registry.fds == before->registry.fds && serving.fds == before->host.fds &&
				serving.files == before->host.files
			? times + 1
			: 0;
	*before = (struct before){registry, serving};
	return times >= 5;
}

/* --- the enemy --- */

static void
become_enemy(int input, int output, const char *attack)
{
	char id[32];

	snprintf(id, sizeof(id), "%llu", (unsigned long long)service_id);
	dup2(input, STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	setenv("TSAN_OPTIONS", "report_bugs=0", 1); /* it races, that is the attack */
	execl(harness_bundle("HOSTILE"), "hostile", attack, id, (char *)NULL);
	_exit(127);
}

static void
start_enemy(const char *attack)
{
	int in[2], out[2];

	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	enemy.pid = fork();
	ck_assert_int_ge(enemy.pid, 0);
	if (enemy.pid == 0)
		become_enemy(in[0], out[1], attack);
	close(in[0]);
	close(out[1]);
	enemy.input = in[1];
	enemy.output = out[0];
}

static void
wait_ready(const char *attack)
{
	struct pollfd item = {.fd = enemy.output, .events = POLLIN};
	char line[16] = "";

	ck_assert_msg(poll(&item, 1, DEADLINE_MSEC) == 1 &&
			      read(enemy.output, line, sizeof(line) - 1) > 0 &&
			      strcmp(line, "ready\n") == 0,
		      "%s: the enemy did not come to it", attack);
}

/* Continued if it was stopped; its children end with its input. */
static void
end_enemy(const char *attack)
{
	int status = -1;

	close(enemy.input);
	kill(enemy.pid, SIGCONT);
	ck_assert_int_eq(waitpid(enemy.pid, &status, 0), enemy.pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: status 0x%x", attack,
		      (unsigned)status);
	close(enemy.output);
}

static unsigned
list_attacks(char names[ATTACKS_MAX][NAME_MAX_BYTES])
{
	FILE *list = popen(harness_bundle("HOSTILE"), "re");
	unsigned count = 0;

	ck_assert_ptr_nonnull(list);
	while (count < ATTACKS_MAX && fgets(names[count], NAME_MAX_BYTES, list) != NULL) {
		names[count][strcspn(names[count], "\n")] = '\0';
		count++;
	}
	ck_assert_int_eq(pclose(list), 0);
	return count;
}

static void
attack(const char *name, unsigned number, struct before *before)
{
	printf("# attack: %s\n", name);
	fflush(stdout);
	start_enemy(name);
	wait_ready(name);
	is_served(number * 7);
	end_enemy(name);
	is_served(number * 7 + 1);
	ck_assert_msg(harness_until(everything_is_back, before),
		      "%s: registry %u to %u descriptors, host %u to %u, mapped files %u to %u, "
		      "memory %llu to %llu",
		      name, before->registry.fds, look_at(harness.pid).fds, before->host.fds,
		      look_at(host).fds, before->host.files, look_at(host).files,
		      (unsigned long long)before->host.memory,
		      (unsigned long long)look_at(host).memory);
	ck_assert_int_eq(harness_host_pid("Echo"), host);
}

START_TEST(everybody_else_is_served)
{
	static char names[ATTACKS_MAX][NAME_MAX_BYTES];
	unsigned count = list_attacks(names);
	struct before before = {0};
	io_service_t service;

	ck_assert_uint_ge(count, 20);
	harness_start(&harness, (const char *[]){harness_bundle("ECHO_BUNDLE"), NULL});
	service = harness_wait_service("Echo");
	ck_assert_int_eq(IORegistryEntryGetRegistryEntryID(service, &service_id), kIOReturnSuccess);
	IOObjectRelease(service);
	host = harness_host_pid("Echo");
	good = harness_open("Echo", 0);
	is_served(0); /* what is made once is there before it is counted */
	ck_assert(harness_until(is_settled, &before));
	for (unsigned i = 0; i < count; i++)
		attack(names[i], i, &before);
	ck_assert_int_eq(IOServiceClose(good), kIOReturnSuccess);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

UNIT_MAIN("hostile", everybody_else_is_served)
