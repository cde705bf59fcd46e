/* SPDX-License-Identifier: Apache-2.0 */
/* What came out: a line for each row, results.json, and plots by gnuplot. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdbool.h>

enum plot {
	PLOT_NONE,
	PLOT_LATENCY, /* by placement */
	PLOT_SIZE,    /* throughput by the size of a buffer */
	PLOT_CLIENTS, /* the host's CPU time by the number of clients */
};

struct result {
	char name[160];
	const char *placement, *unit;
	double ours, yardstick;
	double ratio, low, high; /* ours over the yardstick: median and the extremes of the pairs */
	double goal;		 /* for the ratio, or for ours without a yardstick; 0: none */
	bool at_least;		 /* the goal is a lower bound, else an upper one */
	bool has_yardstick;
	bool wants_none; /* without a yardstick: the goal is that ours is 0 */
	enum plot plot;
	double x;
};

void report_add(const struct result *result);
void report_skip(const char *name, const char *placement, const char *why);
/* Writes the files into the folder. False: they cannot be written. */
bool report_write(const char *folder);

#endif
