/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A seat of the chaos run. This process is the one that orphans go to: hosts whose registry was
 * killed, and children of apps.
 */
#include "seat.h"

#include "pattern.h"
#include "plugging.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MSEC	  UINT64_C(1000000)
#define LEDGER_FD 3
#define LOST_MSEC 300

static uint64_t random_state;

void
seat_seed(uint64_t seed)
{
	random_state = seed;
}

uint64_t
seat_draw(void)
{
	return draw(&random_state);
}

unsigned
seat_dice(unsigned below)
{
	return (unsigned)(seat_draw() % below);
}

void
seat_create(struct seat *seat)
{
	memset(seat, 0, sizeof(*seat));
	seat->memory = memfd_create("chaos-ledger", MFD_CLOEXEC);
	ck_assert_int_ge(seat->memory, 0);
	ck_assert_int_eq(ftruncate(seat->memory, sizeof(*seat->ledger)), 0);
	seat->ledger = mmap(NULL, sizeof(*seat->ledger), PROT_READ | PROT_WRITE, MAP_SHARED,
			    seat->memory, 0);
	ck_assert_ptr_ne(seat->ledger, MAP_FAILED);
}

void
seat_destroy(struct seat *seat)
{
	munmap(seat->ledger, sizeof(*seat->ledger));
	close(seat->memory);
}

static void
waited(struct seat *seat, enum wait wait, uint64_t since)
{
	ledger_waited(&seat->ledger->totals, wait, since);
	ck_assert_msg(ledger_now() - since < wait_bounds[wait] * UINT64_C(1000000000),
		      "%s took %llu ms", wait_names[wait],
		      (unsigned long long)((ledger_now() - since) / MSEC));
}

/* --- the device --- */

static void
append(char *spec, const char *option, uint64_t value)
{
	size_t used = strlen(spec);

	snprintf(spec + used, LEDGER_SPEC - used, "%s%s%llu", strchr(spec, ':') ? "," : ":", option,
		 (unsigned long long)value);
}

static void
make_spec(char *spec, bool steady)
{
	static const char *const kinds[] = {"sink", "sink", "loopback", "loopback", "source"};
	static const char *const speeds[] = {":speed=full", ":speed=high", ":speed=super"};
	unsigned kind = seat_dice(5);

	snprintf(spec, LEDGER_SPEC, "%s%s", kinds[kind], speeds[seat_dice(3)]);
	append(spec, "latency=", 200 + seat_dice(3000));
	if (seat_dice(3) == 0)
		append(spec, "stall-every=", 20 + seat_dice(200));
	if (kind == 4 && seat_dice(3) == 0)
		append(spec, "short-every=", 2 + seat_dice(20));
	if (!steady && seat_dice(12) == 0)
		append(spec, "unplug-after=", 100000 + seat_dice(4000000));
}

void
seat_plug(struct seat *seat, bool steady)
{
	struct ledger *ledger = seat->ledger;
	uint64_t since = ledger_now(), id;
	char spec[LEDGER_SPEC];

	make_spec(spec, steady);
	id = plug(spec);
	waited(seat, WAIT_PLUG, since);
	memcpy(ledger->spec, spec, sizeof(spec));
	ledger->searches = 0;
	ledger->device = id;
	seat->kills = 0;
}

void
seat_unplug(struct seat *seat)
{
	struct ledger *ledger = seat->ledger;
	uint64_t id = ledger->device, since = ledger_now();
	char sentence[PLUG_SENTENCE_MAX];
	IOReturn status;

	ledger->unplugs++;
	ledger->device = 0;
	status = try_unplug(id, sentence);
	ck_assert_msg(status == kIOReturnSuccess || strstr(ledger->spec, "unplug-after") != NULL,
		      "unplugging %s: 0x%08x %s", ledger->spec, (unsigned)status, sentence);
	waited(seat, WAIT_UNPLUG, since);
	ledger->unplugs++;
}

bool
seat_has_lost_its_device(const struct seat *seat)
{
	uint64_t since = seat->ledger->searches;

	return since != 0 && ledger_now() - since > LOST_MSEC * MSEC &&
	       strstr(seat->ledger->spec, "unplug-after") != NULL;
}

/* --- the app --- */

void
seat_start_app(struct seat *seat, const char *log_path)
{
	pid_t parent = getpid();
	char seed[24], memory[8];

	snprintf(seed, sizeof(seed), "%llu", (unsigned long long)seat_draw());
	snprintf(memory, sizeof(memory), "%d", LEDGER_FD);
	fflush(NULL);
	seat->app = fork();
	if (seat->app == 0) {
		int log = open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent || log < 0 ||
		    dup2(log, STDERR_FILENO) < 0)
			_exit(126);
		if (seat->memory == LEDGER_FD)
			fcntl(LEDGER_FD, F_SETFD, 0);
		else if (dup2(seat->memory, LEDGER_FD) < 0)
			_exit(126);
		execl(getenv("CHAOS_APP"), "chaos-app", memory, seed, NULL);
		_exit(127);
	}
	ck_assert_int_gt(seat->app, 0);
}

static void
ended(struct seat *seat, int status)
{
	ck_abort_msg("the app of a seat ended (wait status 0x%x): %s", status,
		     seat->ledger->failure);
}

void
seat_check(struct seat *seat)
{
	int status = 0;

	if (seat->app != 0 && waitpid(seat->app, &status, WNOHANG) == seat->app)
		ended(seat, status);
}

void
seat_end_app(struct seat *seat)
{
	int status = -1;

	while (waitpid(seat->app, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		ended(seat, status);
	seat->app = 0;
}

bool
seat_is_under_way(const struct seat *seat)
{
	const struct ledger *ledger = seat->ledger;

	return ledger->submitted > ledger->completed || ledger->in_submitted > ledger->in_completed;
}

void
seat_end_orphan(struct seat *seat)
{
	if (seat->orphan == 0)
		return;
	kill(seat->orphan, SIGKILL);
	while (waitpid(seat->orphan, NULL, 0) < 0 && errno == EINTR)
		;
	seat->orphan = 0;
}

bool
seat_kill_app(struct seat *seat)
{
	int status = -1;
	bool under_way;

	ck_assert_int_eq(kill(seat->app, SIGSTOP), 0);
	under_way = seat_is_under_way(seat);
	kill(seat->app, SIGKILL);
	while (waitpid(seat->app, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		ended(seat, status);
	seat->app = 0;
	seat_end_orphan(seat);
	seat->orphan = seat->ledger->child;
	seat->ledger->child = 0;
	seat->ledger->host = 0;
	seat->ledger->searches = 0;
	if (seat_dice(2) == 0)
		seat_end_orphan(seat);
	return under_way;
}

/* --- the host --- */

void
seat_host_dies(struct seat *seat)
{
	seat->ledger->killed_at = ledger_now();
	seat->ledger->kills++;
}

/* Of this run: a number that the machine has given to somebody else is nobody's to kill. */
static bool
is_ours(pid_t pid, pid_t registry)
{
	char path[64], line[256] = "";
	int parent = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	if (fgets(line, sizeof(line), file) != NULL && strrchr(line, ')') != NULL)
		sscanf(strrchr(line, ')') + 1, " %*c %d", &parent);
	fclose(file);
	return strstr(line, "(dext-host)") != NULL && (parent == registry || parent == getpid());
}

bool
seat_kill_host(struct seat *seat, pid_t registry, bool *ret_under_way)
{
	pid_t pid = seat->ledger->host;
	struct pollfd end = {.fd = -1, .events = POLLIN};

	if (pid > 0)
		end.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (end.fd < 0 || !is_ours(pid, registry)) {
		if (end.fd >= 0)
			close(end.fd);
		return false;
	}
	seat_host_dies(seat);
	*ret_under_way = seat_is_under_way(seat);
	syscall(SYS_pidfd_send_signal, end.fd, SIGKILL, NULL, 0);
	ck_assert_int_eq(poll(&end, 1, 10000), 1);
	seat->ledger->kills++;
	close(end.fd);
	seat->kills++;
	return true;
}

/* --- orphans --- */

static bool
is_known(const struct seat *seats, unsigned count, pid_t registry, pid_t pid)
{
	for (unsigned i = 0; i < count; i++)
		if (seats[i].app == pid || seats[i].orphan == pid)
			return true;
	return pid == registry;
}

static bool
is_child(const char *name)
{
	char path[300], line[256] = "";
	int parent = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/stat", name);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	if (fgets(line, sizeof(line), file) != NULL && strrchr(line, ')') != NULL)
		sscanf(strrchr(line, ')') + 1, " %*c %d", &parent);
	fclose(file);
	return parent == getpid();
}

bool
seat_reap(const struct seat *seats, unsigned count, pid_t registry)
{
	DIR *folder = opendir("/proc");
	struct dirent *entry;
	bool none = true;

	ck_assert_ptr_nonnull(folder);
	while ((entry = readdir(folder)) != NULL) {
		pid_t pid = atoi(entry->d_name);

		if (pid > 0 && is_child(entry->d_name) && !is_known(seats, count, registry, pid) &&
		    waitpid(pid, NULL, WNOHANG) == 0)
			none = false;
	}
	closedir(folder);
	return none;
}
