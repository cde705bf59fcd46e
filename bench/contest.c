/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs contests. The clients are processes that wait on a pipe between their turns; a turn is a
 * message with its length in ms, and its answer is a struct turn.
 */
#include "contest.h"

#include "calls.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BATCHES_MAX 65536
#define WARM_UP	    16u
#define HOGS	    2
/* Turns until one during which the kernel left both sides where they were. */
#define PLACED_TRIES 20u

struct side {
	const struct contestant *what;
	pid_t client, server;
	int in, out; /* of the client */
};

struct contest {
	struct side sides[2];
	unsigned turns;
};

const char *const placement_names[] = {"two CPUs", "one CPU", "unpinned"};

bool counts_calls;
int server_cpu = -1;

uint64_t
now_nsec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The first two CPUs that this program may use; -1: all that it may. */
static cpu_set_t
cpus_of(int cpu)
{
	static cpu_set_t all;
	static bool known;
	cpu_set_t one;

	if (!known)
		sched_getaffinity(0, sizeof(all), &all);
	known = true;
	if (cpu < 0)
		return all;
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &all) && cpu-- == 0)
			CPU_SET(i, &one);
	return CPU_COUNT(&one) > 0 ? one : all;
}

void
pin(pid_t thread, int cpu)
{
	cpu_set_t cpus = cpus_of(cpu);

	sched_setaffinity(thread, sizeof(cpus), &cpus);
}

static void
pin_all(pid_t process, int cpu)
{
	char path[64];
	struct dirent *entry;
	DIR *directory;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)process);
	directory = opendir(path);
	while (directory != NULL && (entry = readdir(directory)) != NULL)
		if (entry->d_name[0] != '.')
			pin((pid_t)atoi(entry->d_name), cpu);
	if (directory != NULL)
		closedir(directory);
}

pid_t
fork_server(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin(0, server_cpu);
	}
	return pid;
}

/* --- the client's process --- */

static int
compare(const void *left, const void *right)
{
	double difference = *(const double *)left - *(const double *)right;

	return difference < 0 ? -1 : difference > 0;
}

/* CPU time of a process; 0: this one, -1: none. */
static uint64_t
cpu_nsec(pid_t process)
{
	struct timespec spent = {0, 0};
	clockid_t clock;

	if (process < 0 || clock_getcpuclockid(process, &clock) != 0 ||
	    clock_gettime(clock, &spent) != 0)
		return 0;
	return (uint64_t)spent.tv_sec * 1000000000 + (uint64_t)spent.tv_nsec;
}

/* How often this process has written to something, which in a turn of ours are doorbells. */
static uint64_t
count_bells(void)
{
	FILE *file = fopen("/proc/self/io", "r");
	uint64_t count = 0;
	char line[128];

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		sscanf(line, "syscw: %" SCNu64, &count);
	if (file != NULL)
		fclose(file);
	return count;
}

/* Batches are in ascending order. */
static void
sum_up(const double *batches, size_t count, struct turn *turn)
{
	double sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += batches[i];
	turn->mean = sum / (double)count;
	turn->median = batches[count / 2];
	turn->p99 = batches[count * 99 / 100];
	turn->p999 = batches[count * 999 / 1000];
}

static struct turn
take_turn(const struct contestant *what, void *state, pid_t server, unsigned msec)
{
	static double batches[BATCHES_MAX];
	uint64_t end = now_nsec() + msec * UINT64_C(1000000), operations = 0, own_cpu, host_cpu,
		 bells, copied, calls;
	struct turn turn = {0};
	size_t count = 0;

	/* What was underway since the last turn is over then. */
	for (unsigned i = 0; i < (what->batch > WARM_UP ? what->batch : WARM_UP); i++)
		what->once(state);
	if (server_cpu < 0)
		places_note(server);
	bells = count_bells() + (what->wakes != NULL ? what->wakes(state) : 0);
	copied = what->copied != NULL ? what->copied(state) : 0;
	own_cpu = cpu_nsec(0);
	host_cpu = cpu_nsec(server > 0 ? server : -1);
	calls = calls_read();
	do {
		uint64_t begun = now_nsec(), own = 0;

		for (unsigned i = 0; i < what->batch; i++)
			own += what->once(state);
		operations += what->batch;
		if (own == 0)
			own = now_nsec() - begun;
		batches[count++] = (double)own / what->batch;
	} while (now_nsec() < end && count < BATCHES_MAX);
	calls = calls_read() - calls;
	own_cpu = cpu_nsec(0) - own_cpu;
	host_cpu = cpu_nsec(server > 0 ? server : -1) - host_cpu;
	if (server_cpu < 0)
		places_ask(server, &turn.from, &turn.to);
	turn.host = (double)host_cpu / (double)operations;
	turn.cpu = (double)(own_cpu + host_cpu) / (double)operations;
	bells = count_bells() + (what->wakes != NULL ? what->wakes(state) : 0) - bells;
	turn.bells = (double)bells / (double)operations;
	copied = what->copied != NULL ? what->copied(state) - copied : 0;
	turn.copied = (double)copied / (double)operations;
	turn.calls = (double)calls / (double)operations;
	qsort(batches, count, sizeof(batches[0]), compare);
	sum_up(batches, count, &turn);
	return turn;
}

static void
be_client(const struct contestant *what, uint64_t argument, int in, int out)
{
	void *state = NULL;
	pid_t server = -1;
	unsigned msec;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (what->sets != NULL)
		putenv(strdup(what->sets));
	if (!what->open(argument, &state, &server))
		server = -1;
	if (write(out, &server, sizeof(server)) != sizeof(server))
		_exit(1);
	if (counts_calls)
		calls_open(server);
	while (read(in, &msec, sizeof(msec)) == sizeof(msec)) {
		struct turn turn = take_turn(what, state, server, msec);

		if (write(out, &turn, sizeof(turn)) != sizeof(turn))
			break;
	}
	_exit(0);
}

/* --- this process --- */

static void
stop_server(struct side *side, int signal)
{
	if (side->what->server_spins)
		kill(side->server > 0 ? side->server : side->client, signal);
}

static bool
open_side(struct side *side, uint64_t argument, enum placement placement)
{
	int there[2], back[2];

	server_cpu = placement == UNPINNED ? -1 : placement == TWO_CPUS ? 1 : 0;
	if (pipe(there) < 0 || pipe(back) < 0)
		return false;
	side->client = fork();
	if (side->client == 0) {
		close(there[1]);
		close(back[0]);
		pin(0, placement == UNPINNED ? -1 : 0);
		be_client(side->what, argument, there[0], back[1]);
	}
	close(there[0]);
	close(back[1]);
	side->in = there[1];
	side->out = back[0];
	if (read(side->out, &side->server, sizeof(side->server)) != sizeof(side->server) ||
	    side->server < 0)
		return false;
	if (side->server > 0)
		pin_all(side->server, server_cpu);
	stop_server(side, SIGSTOP);
	return true;
}

static void
close_side(struct side *side)
{
	int status;

	if (side->client <= 0)
		return;
	close(side->in);
	close(side->out);
	kill(side->client, SIGKILL); /* and with it what it forked */
	waitpid(side->client, &status, 0);
}

struct contest *
contest_open(const struct contestant *ours, const struct contestant *yardstick, uint64_t argument,
	     enum placement placement)
{
	struct contest *contest = calloc(1, sizeof(*contest));

	if (contest == NULL)
		return NULL;
	contest->sides[0].what = ours;
	contest->sides[1].what = yardstick;
	for (int i = 0; i < 2; i++)
		if (!open_side(&contest->sides[i], argument, placement)) {
			contest_close(contest);
			return NULL;
		}
	return contest;
}

static struct turn
have_turn(struct side *side, unsigned msec)
{
	struct turn turn = {0};

	stop_server(side, SIGCONT);
	if (write(side->in, &msec, sizeof(msec)) != sizeof(msec) ||
	    read(side->out, &turn, sizeof(turn)) != sizeof(turn)) {
		fprintf(stderr, "bench: the client of %s ended\n", side->what->name);
		exit(1);
	}
	stop_server(side, SIGSTOP);
	return turn;
}

void
contest_pair(struct contest *contest, unsigned msec, struct turn *ret_ours,
	     struct turn *ret_yardstick)
{
	struct turn turns[2];
	int first = contest->turns++ % 2;

	turns[first] = have_turn(&contest->sides[first], msec);
	turns[!first] = have_turn(&contest->sides[!first], msec);
	*ret_ours = turns[0];
	*ret_yardstick = turns[1];
}

static void
pin_to(pid_t process, int number)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(number, &one);
	sched_setaffinity(process, sizeof(one), &one);
}

static bool
is_one_cpu(const struct place *place)
{
	return place->client == place->server;
}

void
contest_placed_pair(struct contest *contest, unsigned msec, struct turn *ret_ours,
		    struct turn *ret_yardstick, bool *ret_same)
{
	struct side *other = &contest->sides[1];
	const struct place *place = &ret_ours->to;
	unsigned tries = 0;

	do
		*ret_ours = have_turn(&contest->sides[0], msec);
	while (is_one_cpu(&ret_ours->from) != is_one_cpu(place) && ++tries < PLACED_TRIES);
	if (place->client >= 0 && place->server >= 0) {
		pin_to(other->client, place->client);
		if (other->server > 0)
			pin_to(other->server, place->server);
	}
	*ret_yardstick = have_turn(other, msec);
	*ret_same = is_one_cpu(place);
}

static pid_t hogs[HOGS];

void
hogs_start(void)
{
	for (int i = 0; i < HOGS; i++) {
		hogs[i] = fork();
		if (hogs[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			pin(0, i);
			for (volatile unsigned turn = 0;; turn = turn + 1)
				;
		}
	}
}

void
hogs_end(void)
{
	for (int i = 0; i < HOGS; i++)
		if (hogs[i] > 0) {
			kill(hogs[i], SIGKILL);
			waitpid(hogs[i], NULL, 0);
		}
}

void
contest_close(struct contest *contest)
{
	close_side(&contest->sides[0]);
	close_side(&contest->sides[1]);
	free(contest);
}
