/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESULTS_MAX 256

static struct result results[RESULTS_MAX];
static unsigned count;

static bool
has_goal(const struct result *result)
{
	return result->goal != 0 || result->wants_none;
}

static bool
holds(const struct result *result)
{
	double value = result->has_yardstick ? result->ratio : result->ours;

	if (result->wants_none)
		return result->ours == 0;
	return result->at_least ? value >= result->goal : value <= result->goal;
}

static void
print_heading(void)
{
	puts("ratio: ours over the yardstick, the median of the pairs of turns, the least and the\n"
	     "greatest. Less is better, but of GB/s and M/s (million entries a second) more. A\n"
	     "goal is the ratio's, or that of ours where there is no yardstick. Times are of an\n"
	     "operation: a call, a buffer, 64 entries of a ring.\n");
	printf("%-9s %-9s %10s %10s %8s %15s %8s         %s\n", "where", "unit", "ours",
	       "yardstick", "ratio", "least-greatest", "goal", "what");
}

void
report_add(const struct result *result)
{
	if (count == 0)
		print_heading();
	if (count < RESULTS_MAX)
		results[count++] = *result;
	printf("%-9s %-9s %10.4g ", result->placement, result->unit, result->ours);
	if (result->has_yardstick)
		printf("%10.4g %8.3f %7.3g-%-7.3g ", result->yardstick, result->ratio, result->low,
		       result->high);
	else
		printf("%10s %8s %15s ", "", "", "");
	if (!has_goal(result))
		printf("%8s       ", "");
	else
		printf("%s %5.2f %s", result->at_least ? ">=" : "<=", result->goal,
		       holds(result) ? "      " : "MISSED");
	printf("  %s\n", result->name);
	fflush(stdout);
}

void
report_skip(const char *name, const char *placement, const char *why)
{
	printf("%-9s not measured: %s: %s\n", placement, name, why);
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

static void
write_result(FILE *file, const struct result *r)
{
	fprintf(file, " {\"name\": \"%s\", \"placement\": \"%s\", \"unit\": \"%s\", \"ours\": %.6g",
		r->name, r->placement, r->unit, r->ours);
	if (r->has_yardstick)
		fprintf(file,
			", \"yardstick\": %.6g, \"ratio\": %.4g, \"low\": %.4g, \"high\": %.4g",
			r->yardstick, r->ratio, r->low, r->high);
	else
		fprintf(file,
			", \"yardstick\": null, \"ratio\": null, \"low\": null, \"high\": null");
	if (!has_goal(r))
		fprintf(file, ", \"goal\": null, \"holds\": null}");
	else
		fprintf(file, ", \"goal\": \"%s %.4g\", \"holds\": %s}",
			r->at_least ? ">=" : "<=", r->goal, holds(r) ? "true" : "false");
}

static bool
write_json(const char *folder)
{
	FILE *file = open_in(folder, "results.json");

	if (file == NULL)
		return false;
	fprintf(file, "[\n");
	for (unsigned i = 0; i < count; i++) {
		write_result(file, &results[i]);
		fprintf(file, "%s\n", i + 1 < count ? "," : "");
	}
	fprintf(file, "]\n");
	return fclose(file) == 0;
}

struct picture {
	enum plot plot;
	const char *unit; /* of a plot's rows only those in it */
	const char *name, *title;
	const char *how;
};

static const struct picture pictures[] = {
	{PLOT_LATENCY, "us", "latency", "A round trip, by placement",
	 "set style data histograms\nset style fill solid\nset xtics rotate by -35 noenhanced font "
	 "',9'\nset bmargin 14\nset rmargin 20\n"
	 "plot data using 2:xtic(4) title 'ours', '' using 3 title 'yardstick'\n"},
	{PLOT_SIZE, "GB/s", "throughput", "Streaming, by size of a buffer",
	 "set logscale x 2\nset xlabel 'bytes'\n"
	 "plot data using 1:2 with linespoints title 'ours', '' using 1:3 with linespoints "
	 "title 'yardstick'\n"},
	{PLOT_CLIENTS, "us CPU", "cost", "CPU time of the host for a call, by number of clients",
	 "set logscale x 2\nset xlabel 'clients'\n"
	 "plot data using 1:2 with linespoints title 'so many', '' using 1:3 with "
	 "linespoints title 'one client'\n"},
};

/* Leaves no plot out silently but where no row of it was run. */
static void
draw(const char *folder, const struct picture *picture)
{
	char path[64];
	FILE *file, *gnuplot;
	unsigned drawn = 0;

	snprintf(path, sizeof(path), "%s.dat", picture->name);
	file = open_in(folder, path);
	if (file == NULL)
		return;
	for (unsigned i = 0; i < count; i++) {
		const struct result *r = &results[i];

		if (r->plot != picture->plot || strcmp(r->unit, picture->unit) != 0 ||
		    strstr(r->name, ", p99") != NULL || strstr(r->name, ", mean") != NULL)
			continue;
		fprintf(file, "%g %g %g \"%s (%s)\"\n", r->x, r->ours, r->yardstick, r->name,
			r->placement);
		drawn++;
	}
	fclose(file);
	gnuplot = drawn > 0 ? popen("gnuplot", "w") : NULL;
	if (gnuplot == NULL)
		return;
	fprintf(gnuplot,
		"set terminal svg size 1000,700\nset output '%s/%s.svg'\nset title '%s'\n"
		"set logscale y\nset grid y\nset ylabel '%s'\nset key left top\n",
		folder, picture->name, picture->title, picture->unit);
	fprintf(gnuplot, "data = '%s/%s.dat'\n%s", folder, picture->name, picture->how);
	if (pclose(gnuplot) != 0)
		fprintf(stderr, "bench: gnuplot did not draw %s.svg\n", picture->name);
}

static void
print_missed(void)
{
	unsigned goals = 0, missed = 0;

	for (unsigned i = 0; i < count; i++) {
		goals += has_goal(&results[i]);
		missed += has_goal(&results[i]) && !holds(&results[i]);
	}
	printf("\n%u of %u goals missed, in this run on this machine\n", missed, goals);
}

bool
report_write(const char *folder)
{
	print_missed();
	for (unsigned i = 0; i < sizeof(pictures) / sizeof(pictures[0]); i++)
		draw(folder, &pictures[i]);
	return write_json(folder);
}
