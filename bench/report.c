/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESULTS_MAX 128

static struct result results[RESULTS_MAX];
static unsigned count;

static bool
holds(const struct result *result)
{
	if (result->goal == 0)
		return true;
	return result->at_least ? result->ratio >= result->goal : result->ratio <= result->goal;
}

void
report_add(const struct result *result)
{
	if (count == 0)
		printf("%-34s %-9s %-8s %10s %10s %8s %15s %8s\n", "", "", "", "ours", "yardstick",
		       "ratio", "least-greatest", "goal");
	if (count < RESULTS_MAX)
		results[count++] = *result;
	printf("%-34s %-9s %-8s %10.4g %10.4g %8.3f %7.2f-%7.2f ", result->name, result->placement,
	       result->unit, result->ours, result->yardstick, result->ratio, result->low,
	       result->high);
	if (result->goal == 0)
		printf("%8s", "-");
	else
		printf("%s %5.2f %s", result->at_least ? ">=" : "<=", result->goal,
		       holds(result) ? "" : "  MISSED");
	printf("   (%s)\n", result->against);
	fflush(stdout);
}

void
report_skip(const char *name, const char *placement, const char *why)
{
	printf("%-34s %-9s not measured: %s\n", name, placement, why);
	fflush(stdout);
}

static FILE *
open_in(const char *folder, const char *name)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	if (file == NULL)
		perror(path);
	return file;
}

static bool
write_json(const char *folder)
{
	FILE *file = open_in(folder, "results.json");

	if (file == NULL)
		return false;
	fprintf(file, "[\n");
	for (unsigned i = 0; i < count; i++) {
		const struct result *r = &results[i];

		fprintf(file,
			" {\"name\": \"%s\", \"placement\": \"%s\", \"unit\": \"%s\", \"against\": "
			"\"%s\", \"ours\": %.6g, \"yardstick\": %.6g, \"ratio\": %.4g, \"low\": "
			"%.4g, "
			"\"high\": %.4g, ",
			r->name, r->placement, r->unit, r->against, r->ours, r->yardstick, r->ratio,
			r->low, r->high);
		if (r->goal == 0)
			fprintf(file, "\"goal\": null, \"holds\": null}");
		else
			fprintf(file, "\"goal\": \"%s %.4g\", \"holds\": %s}",
				r->at_least ? ">=" : "<=", r->goal, holds(r) ? "true" : "false");
		fprintf(file, "%s\n", i + 1 < count ? "," : "");
	}
	fprintf(file, "]\n");
	return fclose(file) == 0;
}

/* Rows whose unit is this one, as bars. */
static void
plot(const char *folder, const char *unit, const char *name, const char *title)
{
	char path[64];
	FILE *file, *gnuplot;

	snprintf(path, sizeof(path), "%s.dat", name);
	file = open_in(folder, path);
	if (file == NULL)
		return;
	for (unsigned i = 0; i < count; i++)
		if (strcmp(results[i].unit, unit) == 0)
			fprintf(file, "\"%s, %s (%s)\" %g %g\n", results[i].name,
				results[i].placement, results[i].against, results[i].ours,
				results[i].yardstick);
	fclose(file);
	gnuplot = popen("gnuplot", "w");
	if (gnuplot == NULL)
		return;
	fprintf(gnuplot,
		"set terminal svg size 1000,700\nset output '%s/%s.svg'\nset title '%s'\n"
		"set style data histograms\nset style fill solid\nset logscale y\nset grid y\n"
		"set ylabel '%s'\nset xtics rotate by -35 noenhanced font ',9'\nset bmargin 14\n"
		"set rmargin 16\nplot '%s/%s.dat' using 2:xtic(1) title 'ours', '' using 3 title "
		"'yardstick'\n",
		folder, name, title, unit, folder, name);
	pclose(gnuplot);
}

bool
report_write(const char *folder)
{
	plot(folder, "us", "latency", "A round trip, by placement");
	plot(folder, "GB/s", "throughput", "Streaming, by size of a buffer");
	plot(folder, "us CPU", "cost", "CPU time of both sides");
	return write_json(folder);
}
