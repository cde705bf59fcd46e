/* SPDX-License-Identifier: Apache-2.0 */
/* What was measured: a table as it comes, results.json and plots at the end. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdbool.h>

struct result {
	const char *name;
	const char *placement;
	const char *unit;
	const char *against;
	double ours, yardstick; /* medians */
	double ratio;		/* median of the pairs' ratios */
	double low, high;	/* the least and the greatest of them */
	double goal;		/* 0: none */
	bool at_least;		/* the goal is a least ratio; else a greatest */
};

void report_add(const struct result *result);
/* A row that could not be measured here. */
void report_skip(const char *name, const char *placement, const char *why);
/* Writes results.json and the plots into the folder. */
bool report_write(const char *folder);

#endif
