/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile app (tests/hostile) does one thing after the other to a registry and a host that a
 * well-behaved app uses too: while the enemy holds what it got and after it has ended, every call
 * of the well-behaved one is answered, with the right bytes, and new ones are let in; and then both
 * processes have as many descriptors and mappings, and as much memory, as before, and calls are as
 * fast. How fast they are meanwhile is printed, as a ratio to how fast they were: a loaded machine
 * makes any figure.
 *
 * Once with `dext run`, whose programs are all of one user, and once with dextd, as root, and an
 * enemy of another user.
 */
#define UNIT_TIMEOUT_SEC 200
#include "bounds.h"
#include "daemon.h"
#include "echo.h"
#include "packets.h"
#include "unit.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include <mach/mach.h>

#define CALLS	       300u
#define BATCH	       50u
#define STRUCTURE      4096u
#define MEMORY_SLACK   (32u << 20) /* bytes: an allocator keeps what 256 connections have needed */
#define ATTACKS_MAX    64
#define DEADLINE_SEC   20
#define NAME_MAX_BYTES 80
#define FILES_MOST     16384u /* fewer than the enemy leaves unread, 24,000 */

static struct harness harness;
static struct daemon dextd;
static io_connect_t good;
static uint64_t service_id;
static pid_t registry, host;
static double usual; /* how long a call took, us */

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

static double
time_batch(unsigned round)
{
	struct timespec began, now;

	clock_gettime(CLOCK_MONOTONIC, &began);
	for (unsigned i = 0; i < BATCH; i++)
		call(good, round + i);
	clock_gettime(CLOCK_MONOTONIC, &now);
	return ((double)(now.tv_sec - began.tv_sec) * 1e6 +
		(double)(now.tv_nsec - began.tv_nsec) / 1e3) /
	       BATCH;
}

/* Of a call on the connection that was there before, in us: the best, for others' load is no
 * attack.
 */
static double
time_calls(unsigned round)
{
	double best = time_batch(round);

	for (unsigned i = 1; i < CALLS / BATCH; i++) {
		double time = time_batch(round + i * BATCH);

		best = time < best ? time : best;
	}
	return best;
}

/* On the connection that was there before, and on one that is found and opened now. */
static void
is_served(unsigned round, const char *when)
{
	io_connect_t fresh;
	double time = time_calls(round);

	if (when != NULL)
		printf("#   %s: a call takes %.1f us, %.2f times what it took\n", when, time,
		       time / usual);
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
	struct held asked = look_at(registry), serving = look_at(host);

	return is_back(&asked, &before->registry) && is_back(&serving, &before->host);
}

/* What they have when nobody does anything: the same a few times in a row. */
static bool
is_settled(void *context)
{
	static unsigned times;
	struct before *before = context;
	struct held asked = look_at(registry), serving = look_at(host);

	times = asked.fds == before->registry.fds && serving.fds == before->host.fds &&
				serving.files == before->host.files
			? times + 1
			: 0;
	*before = (struct before){asked, serving};
	return times >= 5;
}

/* --- the enemy --- */

static void
become_enemy(int input, int output, const char *attack, uid_t uid)
{
	char id[32], serving[32], asked[32], user[32];

	snprintf(id, sizeof(id), "%llu", (unsigned long long)service_id);
	snprintf(serving, sizeof(serving), "%d", (int)host);
	snprintf(asked, sizeof(asked), "%d", (int)registry);
	snprintf(user, sizeof(user), "%u", (unsigned)uid);
	dup2(input, STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	setenv("TSAN_OPTIONS", "report_bugs=0", 1); /* it races, that is the attack */
	execl(harness_bundle("HOSTILE"), "hostile", attack, id, serving, asked, user, (char *)NULL);
	_exit(127);
}

static void
start_enemy(const char *attack, uid_t uid)
{
	int in[2], out[2];

	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	enemy.pid = fork();
	ck_assert_int_ge(enemy.pid, 0);
	if (enemy.pid == 0)
		become_enemy(in[0], out[1], attack, uid);
	close(in[0]);
	close(out[1]);
	enemy.input = in[1];
	enemy.output = out[0];
}

/* Longer on a machine that Check is told to be patient with. */
static int
deadline_msec(void)
{
	const char *multiplier = getenv("CK_TIMEOUT_MULTIPLIER");

	return DEADLINE_SEC * 1000 * (multiplier != NULL ? atoi(multiplier) : 1);
}

/* False: this system has not got what the attack needs. */
static bool
wait_ready(const char *attack)
{
	struct pollfd item = {.fd = enemy.output, .events = POLLIN};
	char line[128] = "";

	ck_assert_msg(poll(&item, 1, deadline_msec()) == 1 &&
			      read(enemy.output, line, sizeof(line) - 1) > 0,
		      "%s: the enemy did not come to it", attack);
	if (strcmp(line, "ready\n") == 0)
		return true;
	ck_assert_msg(strncmp(line, "not here: ", 10) == 0, "%s: %s", attack, line);
	printf("# SKIP: %s: %s", attack, line);
	return false;
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
list_attacks(char names[ATTACKS_MAX][NAME_MAX_BYTES], const char *of)
{
	char command[512];
	unsigned count = 0;
	FILE *list;

	snprintf(command, sizeof(command), "%s %s", harness_bundle("HOSTILE"), of);
	list = popen(command, "re");
	ck_assert_ptr_nonnull(list);
	while (count < ATTACKS_MAX && fgets(names[count], NAME_MAX_BYTES, list) != NULL) {
		names[count][strcspn(names[count], "\n")] = '\0';
		count++;
	}
	ck_assert_int_eq(pclose(list), 0);
	return count;
}

static void
attack(const char *name, unsigned number, struct before *before, uid_t uid)
{
	printf("# attack: %s\n", name);
	fflush(stdout);
	usual = time_calls(number);
	start_enemy(name, uid);
	if (wait_ready(name))
		is_served(number * 7, "meanwhile");
	end_enemy(name);
	is_served(number * 7 + 1, "afterwards");
	ck_assert_msg(harness_until(everything_is_back, before),
		      "%s: registry %u to %u descriptors, host %u to %u, mapped files %u to %u, "
		      "memory %llu to %llu",
		      name, before->registry.fds, look_at(registry).fds, before->host.fds,
		      look_at(host).fds, before->host.files, look_at(host).files,
		      (unsigned long long)before->host.memory,
		      (unsigned long long)look_at(host).memory);
	ck_assert_int_eq(harness_host_pid("Echo"), host);
}

/* Whose enemy it is: "own" or "other". */
static void
attack_with_all(pid_t pid, const char *whose, uid_t uid)
{
	static char names[ATTACKS_MAX][NAME_MAX_BYTES];
	unsigned count = list_attacks(names, whose);
	struct before before = {0};
	io_service_t service = harness_wait_service("Echo");

	ck_assert_uint_ge(count, 30);
	ck_assert_int_eq(IORegistryEntryGetRegistryEntryID(service, &service_id), kIOReturnSuccess);
	IOObjectRelease(service);
	registry = pid;
	host = harness_host_pid("Echo");
	good = harness_open("Echo", 0);
	/* What they make once is there before it is counted: that of who looks on, too. */
	is_served(0, NULL);
	ck_assert_int_eq(system("$DEXT top --json --once >/dev/null"), 0);
	ck_assert(harness_until(is_settled, &before));
	for (unsigned i = 0; i < count; i++)
		attack(names[i], i, &before, uid);
	ck_assert_int_eq(IOServiceClose(good), kIOReturnSuccess);
}

/* --- what it leaves unread --- */

static int
connect_registry(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%.80s/%s", harness.runtime_dir,
		 REGISTRY_SOCKET_NAME);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void
ask_to_open(int app)
{
	const struct {
		struct packet_header header;
		struct open_body body;
	} message = {{.type = PACKET_OPEN, .length = sizeof(message)},
		     {.id = service_id, .version = PROTOCOL_VERSION}};

	ck_assert_int_eq(send(app, &message, sizeof(message), 0), sizeof(message));
}

/* The status; the descriptor, if there is one, goes with the control data, which is not looked at.
 */
static IOReturn
read_answer(int app)
{
	struct packet_header header;

	ck_assert_int_eq(recv(app, &header, sizeof(header), 0), sizeof(header));
	ck_assert_uint_eq(header.type, PACKET_OPEN);
	return header.status;
}

START_TEST(answers_that_are_not_read_have_a_limit)
{
	io_service_t service;
	int app, other;

	harness_start(&harness, (const char *[]){harness_bundle("ECHO_BUNDLE"), NULL});
	service = harness_wait_service("Echo");
	ck_assert_int_eq(IORegistryEntryGetRegistryEntryID(service, &service_id), kIOReturnSuccess);
	IOObjectRelease(service);
	app = connect_registry();
	other = connect_registry();
	for (unsigned i = 0; i < DEXT_LIMIT_UNREAD_ANSWERS + 1; i++)
		ask_to_open(app);
	/* It is another's that they are not read. */
	ask_to_open(other);
	ck_assert_int_eq(read_answer(other), kIOReturnSuccess);
	harness_wait_log(&harness, "DEXT_LIMIT_UNREAD_ANSWERS");
	for (unsigned i = 0; i < DEXT_LIMIT_UNREAD_ANSWERS; i++)
		ck_assert_int_eq(read_answer(app), kIOReturnSuccess);
	ck_assert_int_eq(read_answer(app), kIOReturnNoResources);
	/* Once they are, it is served again, as often as it reads. */
	for (unsigned i = 0; i < DEXT_LIMIT_UNREAD_ANSWERS + 1; i++) {
		ask_to_open(app);
		ck_assert_int_eq(read_answer(app), kIOReturnSuccess);
	}
	close(app);
	close(other);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(everybody_else_is_served)
{
	harness_start(&harness, (const char *[]){harness_bundle("ECHO_BUNDLE"), NULL});
	attack_with_all(harness.pid, "own", geteuid());
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

/* What the kernel counts against who has sent it is to have an end that an enemy can come to. */
static void
have_few_files(void)
{
	struct rlimit files;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	if (files.rlim_max > FILES_MOST)
		files.rlim_max = FILES_MOST;
	if (files.rlim_cur > files.rlim_max)
		files.rlim_cur = files.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
}

START_TEST(everybody_else_is_served_by_dextd)
{
	if (!daemon_prepare(&dextd, 0))
		return;
	have_few_files();
	daemon_drop(&dextd, harness_bundle("ECHO_BUNDLE"), "echo.dext", NULL);
	daemon_allow(&dextd, "* everyone");
	daemon_start(&dextd, (const char *[]){"--host-uids", "65110-65119", NULL});
	attack_with_all(dextd.harness.pid, "other", DAEMON_NOBODY);
	ck_assert_int_eq(daemon_stop(&dextd), 0);
}
END_TEST

UNIT_MAIN("hostile", answers_that_are_not_read_have_a_limit, everybody_else_is_served,
	  everybody_else_is_served_by_dextd)
