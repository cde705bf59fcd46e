/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bench: the rows of the performance budget, each with its yardstick measured in turn with it.
 * Reports; never fails for a time.
 *
 *	bench FOLDER [quick] [NAME]
 *
 * with the rows only whose name has NAME in it, runs below `dext run`, which has the drivers bench
 * and bulkstream (on a virtual sink and on a virtual source). BENCH_USB=BUS:DEV in the environment:
 * the rows on a real device only (usbfs.py).
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
#include "peers/ring_entry.h"
#include "report.h"
#include "rows.h"

#define GIB	   1073741824.0
#define PAIRS	   15
#define PAIRS_MAX  31
#define STARTS	   20
#define IDLE_MSEC  500
#define USBFS_MSEC 400 /* an emulation is slow */
#define IDLE_NAME  "idle host with 64 clients"

struct unit {
	const char *unit, *suffix; /* of the row's name */
};

static const struct unit units[] = {
	[MEDIAN] = {"us", ""},
	[MEAN] = {"us", ", mean"},
	[P99] = {"us", ", p99"},
	[P999] = {"us", ", p99.9"},
	[CPU] = {"us CPU", ", CPU time"},
	[HOST_CPU] = {"us CPU", ", host's CPU time"},
	[THROUGHPUT] = {"GB/s", ""},
	[CPU_PER_GIB] = {"s/GiB", ", CPU time"},
	[BELLS] = {"bells", ", doorbells"},
	[RATE] = {"M/s", ""},
	[RING_BELLS] = {"bells", ", doorbells for 1000 entries"},
	[CALLS_PER_GIB] = {"calls/GiB", ", system calls"},
	[COPIED] = {"bytes", ", bytes copied for a byte"},
};

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
figure(const struct row *row, enum figure figure, const struct turn *turn)
{
	double size = row->shape != NULL ? (double)row->shape->size : 0;

	switch (figure) {
	case MEAN:
		return turn->mean / 1000;
	case P99:
		return turn->p99 / 1000;
	case P999:
		return turn->p999 / 1000;
	case CPU:
		return turn->cpu / 1000;
	case HOST_CPU:
		return turn->host / 1000;
	case THROUGHPUT:
		return turn->mean > 0 ? size / turn->mean : 0;
	case CPU_PER_GIB:
		return turn->cpu / size * 1.073741824;
	case BELLS:
		return turn->bells;
	case RATE:
		return turn->mean > 0 ? RING_TURN * 1000 / turn->mean : 0;
	case RING_BELLS:
		return turn->bells * 1000 / RING_TURN;
	case CALLS_PER_GIB:
		return turn->calls * GIB / size;
	case COPIED:
		return turn->copied / size;
	default:
		return turn->median / 1000;
	}
}

/* What the pairs say of one figure; and of the worst of them, if that is what has the goal. */
static void
conclude(const struct row *row, const struct wanted *wanted, struct turn (*pairs)[2],
	 unsigned count, const char *worst)
{
	const struct unit *unit = &units[wanted->figure];
	double ratios[PAIRS_MAX], ours[PAIRS_MAX], yardstick[PAIRS_MAX];
	unsigned greatest = 0;
	struct result result = {
		.placement = placement_names[row->placement],
		.unit = unit->unit,
		.plot = row->plot,
		.x = row->x,
		.goal = worst == NULL ? wanted->goal : 0,
		.at_least = wanted->at_least,
	};

	result.has_yardstick =
		wanted->figure != BELLS && wanted->figure != RING_BELLS && wanted->figure != COPIED;
	result.wants_none = wanted->figure == COPIED;
	snprintf(result.name, sizeof(result.name), "%s%s%s%s", row->name, unit->suffix,
		 result.has_yardstick ? ", against " : "",
		 result.has_yardstick ? row->yardstick->name : "");
	for (unsigned i = 0; i < count; i++) {
		ours[i] = figure(row, wanted->figure, &pairs[i][0]);
		yardstick[i] = figure(row, wanted->figure, &pairs[i][1]);
		ratios[i] = yardstick[i] > 0 ? ours[i] / yardstick[i] : 0;
		if (ratios[i] > ratios[greatest])
			greatest = i;
	}
	result.ratio = median(ratios, count);
	result.low = ratios[0];
	result.high = ratios[count - 1];
	result.ours = median(ours, count);
	result.yardstick = median(yardstick, count);
	report_add(&result);
	if (worst == NULL)
		return;
	snprintf(result.name, sizeof(result.name), "%s, against %s", worst, row->yardstick->name);
	result.plot = PLOT_NONE;
	result.goal = wanted->goal;
	result.ours = figure(row, wanted->figure, &pairs[greatest][0]);
	result.yardstick = figure(row, wanted->figure, &pairs[greatest][1]);
	result.ratio = result.high;
	report_add(&result);
}

static void
run_row(const struct row *row, unsigned msec)
{
	uint64_t argument = row->shape != NULL ? (uint64_t)(uintptr_t)row->shape : row->argument;
	struct turn pairs[PAIRS_MAX][2];
	struct contest *contest;

	if (row->hogs)
		hogs_start();
	contest = contest_open(row->ours, row->yardstick, argument, row->placement);
	for (unsigned i = 0; contest != NULL && i < PAIRS; i++)
		contest_pair(contest, msec, &pairs[i][0], &pairs[i][1]);
	if (row->hogs)
		hogs_end();
	if (contest == NULL) {
		report_skip(row->name, placement_names[row->placement],
			    "this system or build does not have it");
		return;
	}
	contest_close(contest);
	for (unsigned i = 0; i < WANTED_MAX && row->wanted[i].figure != NOTHING; i++)
		conclude(row, &row->wanted[i], pairs, PAIRS, NULL);
}

/* Those with `wanted` in their names. */
static void
run_rows(const struct row *list, unsigned count, const char *wanted, unsigned msec)
{
	cpu_set_t cpus;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (unsigned i = 0; i < count; i++)
		if (strstr(list[i].name, wanted) == NULL)
			continue;
		else if (list[i].placement == TWO_CPUS && CPU_COUNT(&cpus) < 2)
			report_skip(list[i].name, placement_names[TWO_CPUS], "one CPU here");
		else
			run_row(&list[i], msec);
}

/* Each start is a contest of its own, in the placement that the kernel chose for ours. */
static void
run_starts(unsigned starts, unsigned msec)
{
	struct turn pairs[PAIRS_MAX][2];
	unsigned count = 0, on_one = 0;
	char worst[96];

	for (unsigned i = 0; i < starts; i++) {
		struct contest *contest =
			contest_open(start_row.ours, start_row.yardstick, 0, UNPINNED);
		bool same;

		if (contest == NULL)
			return;
		contest_placed_pair(contest, msec, &pairs[count][0], &pairs[count][1], &same);
		contest_close(contest);
		on_one += same;
		count++;
	}
	snprintf(worst, sizeof(worst), "%s, the worst of %u (%u on one CPU)", start_row.name, count,
		 on_one);
	conclude(&start_row, &start_row.wanted[0], pairs, count, worst);
}

/* How often threads of the host are woken that has 64 clients, none of which does anything. */
static void
run_idle(void)
{
	struct result result = {
		.name = IDLE_NAME,
		.placement = placement_names[UNPINNED],
		.unit = "wake-ups",
		.wants_none = true,
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

static void
run_usbfs(const char *wanted)
{
	counts_calls = true;
	for (unsigned i = 0; i < usbfs_row_count; i++)
		if (strstr(usbfs_rows[i].name, wanted) != NULL)
			run_row(&usbfs_rows[i], USBFS_MSEC);
}

int
main(int argc, char **argv)
{
	bool quick = argc > 2 && strcmp(argv[2], "quick") == 0;
	const char *wanted = argc > 2 + quick ? argv[2 + quick] : "";
	unsigned msec = quick ? 20 : 100;

	if (argc < 2) {
		fprintf(stderr, "usage: bench FOLDER [quick] [NAME]\n");
		return 2;
	}
	if (getenv("BENCH_USB") != NULL) {
		run_usbfs(wanted);
		return report_write(argv[1]) ? 0 : 1;
	}
	run_rows(rows, row_count, wanted, msec);
	run_rows(ring_rows, ring_row_count, wanted, msec);
	if (strstr(start_row.name, wanted) != NULL)
		run_starts(STARTS, msec);
	if (strstr(IDLE_NAME, wanted) != NULL)
		run_idle();
	return report_write(argv[1]) ? 0 : 1;
}
