/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bench: the rows of the performance budget that need neither a device nor a virtual machine,
 * each with its yardstick measured in turn with it. Reports; never fails for a time.
 *
 *	bench FOLDER [quick] [NAME]
 *
 * with the rows only whose name has NAME in it, runs below `dext run`, which has the drivers bench
 *and bulkstream (on the virtual sink).
 */
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "contest.h"
#include "ours.h"
#include "peers/peers.h"
#include "report.h"

#define PAIRS	   15
#define PAIRS_MAX  31
#define STARTS	   20
#define STARTS_FEW 5
#define IDLE_MSEC  500
#define IDLE_NAME  "idle host with 64 clients"

enum what {
	TIME,	    /* us an operation */
	CPU,	    /* us of CPU an operation */
	THROUGHPUT, /* GB/s, `argument` bytes an operation */
};

struct row {
	const char *name;
	const struct contestant *ours, *yardstick;
	uint64_t argument;
	enum placement placement;
	enum what what;
	double goal;
	bool at_least;
};

static const struct row rows[] = {
	{"call, both awake", &our_call, &raw_line, 0, TWO_CPUS, TIME, 1.5, false},
	{"call", &our_call, &raw_futex, 0, ONE_CPU, TIME, 1.15, false},
	{"call, CPU time", &our_call, &raw_futex, 0, ONE_CPU, CPU, 1.15, false},
	{"call, both asleep", &our_sleeping_call, &raw_futex, 0, TWO_CPUS, TIME, 1.15, false},
	{"call each millisecond", &our_paced_call, &our_paced_sleeping_call, 0, TWO_CPUS, TIME, 0,
	 false},
	{"call each millisecond, CPU time", &our_paced_call, &our_paced_sleeping_call, 0, TWO_CPUS,
	 CPU, 0, false},
	{"call", &our_call, &vfio_region, 0, ONE_CPU, TIME, 0.5, false},
	{"call", &our_call, &vfio_region, 0, TWO_CPUS, TIME, 0.01, false},
	{"call", &our_call, &sdbus_call, 0, ONE_CPU, TIME, 0.5, false},
	{"call", &our_call, &sdbus_call, 0, TWO_CPUS, TIME, 0.01, false},
	{"call", &our_call, &raw_seqpacket, 0, ONE_CPU, TIME, 0, false},
	{"call", &our_call, &raw_seqpacket, 0, TWO_CPUS, TIME, 0, false},
	{"stream of 16 KiB", &our_stream, &thread_stream, 16 << 10, TWO_CPUS, THROUGHPUT, 0.95,
	 true},
	{"stream of 64 KiB", &our_stream, &thread_stream, 64 << 10, TWO_CPUS, THROUGHPUT, 0.95,
	 true},
	{"stream of 16 KiB, mach_msg", &our_stream_by_mach_msg, &thread_stream, 16 << 10, TWO_CPUS,
	 THROUGHPUT, 0.95, true},
	{"stream of 64 KiB, mach_msg", &our_stream_by_mach_msg, &thread_stream, 64 << 10, TWO_CPUS,
	 THROUGHPUT, 0.95, true},
	{"stream of 1 MiB", &our_stream, &thread_stream, 1 << 20, TWO_CPUS, THROUGHPUT, 0.95, true},
	{"stream of 64 KiB", &our_stream, &thread_stream, 64 << 10, ONE_CPU, THROUGHPUT, 0.95,
	 true},
	{"stream of 1 MiB", &our_stream, &socket_stream, 1 << 20, TWO_CPUS, THROUGHPUT, 5, true},
	{"stream of 64 KiB", &our_stream, &socket_stream, 64 << 10, TWO_CPUS, THROUGHPUT, 0, true},
	{"hand over 64 MiB", &our_handover, &raw_handover, 0, TWO_CPUS, TIME, 1.05, false},
	{"hand over 64 MiB", &our_handover, &raw_handover, 0, ONE_CPU, TIME, 1.05, false},
	{"64 clients, CPU time", &our_many, &our_one, 0, TWO_CPUS, CPU, 1.3, false},
};

static const struct row start_row = {
	"call, fresh start", &our_call, &raw_futex, 0, UNPINNED, TIME, 1.3, false};

static const char *const units[] = {"us", "us CPU", "GB/s"};

static int
compare(const void *left, const void *right)
{
	double difference = *(const double *)left - *(const double *)right;

	return difference < 0 ? -1 : difference > 0;
}

static double
median(double *values, unsigned count)
{
	qsort(values, count, sizeof(values[0]), compare);
	return values[count / 2];
}

static double
figure(const struct row *row, const struct turn *turn)
{
	switch (row->what) {
	case TIME:
		return turn->nsec / 1000;
	case CPU:
		return turn->cpu / 1000;
	default:
		return turn->nsec > 0 ? (double)row->argument / turn->nsec : 0;
	}
}

/* Adds what the pairs say. */
static void
conclude(const struct row *row, double *ours, double *yardstick, unsigned count)
{
	double ratios[PAIRS_MAX];
	struct result result = {
		.name = row->name,
		.placement = placement_names[row->placement],
		.unit = units[row->what],
		.against = row->yardstick->name,
		.goal = row->goal,
		.at_least = row->at_least,
	};

	for (unsigned i = 0; i < count; i++)
		ratios[i] = yardstick[i] > 0 ? ours[i] / yardstick[i] : 0;
	result.ratio = median(ratios, count);
	result.low = ratios[0];
	result.high = ratios[count - 1];
	result.ours = median(ours, count);
	result.yardstick = median(yardstick, count);
	report_add(&result);
}

static void
run_row(const struct row *row, unsigned msec)
{
	double ours[PAIRS_MAX], yardstick[PAIRS_MAX];
	struct contest *contest =
		contest_open(row->ours, row->yardstick, row->argument, row->placement);

	if (contest == NULL) {
		report_skip(row->name, placement_names[row->placement], row->yardstick->name);
		return;
	}
	for (unsigned i = 0; i < PAIRS; i++) {
		struct turn turns[2];

		contest_pair(contest, msec, &turns[0], &turns[1]);
		ours[i] = figure(row, &turns[0]);
		yardstick[i] = figure(row, &turns[1]);
	}
	contest_close(contest);
	conclude(row, ours, yardstick, PAIRS);
}

/* Each start is a contest of its own, in the placement that the kernel chose. */
static void
run_starts(unsigned starts, unsigned msec)
{
	const struct row row = start_row;
	double ours[PAIRS_MAX], yardstick[PAIRS_MAX];

	for (unsigned i = 0; i < starts; i++) {
		struct contest *contest = contest_open(row.ours, row.yardstick, 0, UNPINNED);
		struct turn turns[2];

		if (contest == NULL)
			return;
		contest_pair(contest, msec, &turns[0], &turns[1]);
		contest_close(contest);
		ours[i] = figure(&row, &turns[0]);
		yardstick[i] = figure(&row, &turns[1]);
	}
	conclude(&row, ours, yardstick, starts);
}

/* From whole buffers to calls: what a buffer costs that is not touched. */
static void
run_idle(void)
{
	struct result result = {
		.name = IDLE_NAME,
		.placement = placement_names[UNPINNED],
		.unit = "wake-ups",
		.against = "none",
		.yardstick = 0,
	};
	pid_t pid = fork();
	unsigned long before;
	int status;

	/* A process of its own, since what follows here may fork again. */
	if (pid > 0) {
		waitpid(pid, &status, 0);
		result.ours = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		report_add(&result);
		return;
	}
	if (!bench_open_many(64))
		_exit(255);
	poll(NULL, 0, 2500); /* surplus threads of the host end after two seconds */
	before = bench_host_sleeps();
	poll(NULL, 0, IDLE_MSEC);
	before = bench_host_sleeps() - before;
	_exit(before < 255 ? (int)before : 254);
}

int
main(int argc, char **argv)
{
	bool quick = argc > 2 && strcmp(argv[2], "quick") == 0;
	const char *wanted = argc > 2 + quick ? argv[2 + quick] : "";
	unsigned msec = quick ? 20 : 100;
	cpu_set_t cpus;

	if (argc < 2) {
		fprintf(stderr, "usage: bench FOLDER [quick] [NAME]\n");
		return 2;
	}
	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strstr(rows[i].name, wanted) == NULL)
			continue;
		else if (rows[i].placement == TWO_CPUS && CPU_COUNT(&cpus) < 2)
			report_skip(rows[i].name, placement_names[TWO_CPUS], "one CPU here");
		else
			run_row(&rows[i], msec);
	if (strstr(start_row.name, wanted) != NULL)
		run_starts(quick ? STARTS_FEW : STARTS, msec);
	if (strstr(IDLE_NAME, wanted) != NULL)
		run_idle();
	return report_write(argv[1]) ? 0 : 1;
}
