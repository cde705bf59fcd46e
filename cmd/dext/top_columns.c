/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows as lines of text; see top.h. Where a line is too narrow for all columns, those go first that
 * are missed least.
 */
#include "top.h"

#include "escape.h"
#include "status.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --- cells --- */

#define CELL_MAX   256
#define TEXT_WIDTH 140u
#define MIB	   (1u << 20)

static void
format_rate(char cell[CELL_MAX], double rate)
{
	snprintf(cell, CELL_MAX, rate < 99.95 && rate > 0 ? "%.1f" : "%.0f", rate);
}

static void
format_nsec(char cell[CELL_MAX], uint64_t nsec)
{
	if (nsec == 0)
		snprintf(cell, CELL_MAX, "-");
	else if (nsec < 1000)
		snprintf(cell, CELL_MAX, "%" PRIu64 "ns", nsec);
	else if (nsec < 1000000)
		snprintf(cell, CELL_MAX, nsec < 100000 ? "%.1fus" : "%.0fus", (double)nsec / 1e3);
	else if (nsec < 1000000000)
		snprintf(cell, CELL_MAX, nsec < 100000000 ? "%.1fms" : "%.0fms",
			 (double)nsec / 1e6);
	else
		snprintf(cell, CELL_MAX, "%.1fs", (double)nsec / 1e9);
}

static void
format_memory(char cell[CELL_MAX], uint64_t bytes)
{
	if (bytes == 0)
		snprintf(cell, CELL_MAX, "-");
	else
		snprintf(cell, CELL_MAX, "%.1fM", (double)bytes / MIB);
}

static const char *
transfer_type(const struct trace_owner *owner)
{
	static const char *const names[] = {"control", "isochronous", "bulk", "interrupt"};

	return owner->endpoint == 0 ? names[0] : names[owner->transfers & 3];
}

/* Text of others: bundles', devices', drivers'. */
static void
format_clean(char cell[CELL_MAX], const char *text)
{
	char cut[CELL_MAX / 4]; /* a byte takes up to four */
	size_t length = strnlen(text, sizeof(cut) - 1);

	memcpy(cut, text, length);
	cut[length] = '\0';
	escape_line(cell, cut, length);
}

static void
format_name(char cell[CELL_MAX], const struct top_row *row)
{
	const struct top_place *place = row->place;
	char text[CELL_MAX];

	if (place == NULL)
		snprintf(text, sizeof(text), "%.100s %.100s", row->driver->class_name,
			 row->driver->device);
	else if (place->owner.kind == TRACE_CLIENT)
		snprintf(text, sizeof(text), "  %s", place->command);
	else if (place->owner.endpoint == 0)
		snprintf(text, sizeof(text), "  control");
	else
		snprintf(text, sizeof(text), "  0x%02x %s %s", place->owner.endpoint,
			 place->owner.endpoint & 0x80 ? "in" : "out", transfer_type(&place->owner));
	format_clean(cell, text);
}

static double
share_of(const struct top_limit *limit)
{
	return (double)limit->used / (double)limit->limit;
}

/* The limit of which most is used; what a driver is that is not counted. */
static void
format_limit(char cell[CELL_MAX], const struct top_row *row)
{
	struct top_limit limits[TOP_LIMITS_MAX], *most = limits;
	unsigned count = top_limits(row->driver, row->place, limits), unit;

	cell[0] = '\0';
	if (row->place == NULL && row->driver->view == TOP_REFUSED)
		snprintf(cell, CELL_MAX, "%s", status_string(row->driver->refusal));
	else if (row->place == NULL && strcmp(row->driver->state, "running") != 0)
		format_clean(cell, row->driver->state);
	else if (count != 0) {
		for (unsigned i = 1; i < count; i++)
			if (share_of(&limits[i]) > share_of(most))
				most = &limits[i];
		unit = most->is_bytes ? MIB : 1;
		snprintf(cell, CELL_MAX,
			 most->is_bytes ? "%" PRIu64 "M/%" PRIu64 "M %s"
					: "%" PRIu64 "/%" PRIu64 " %s",
			 most->used / unit, most->limit / unit, most->name);
	}
}

enum column {
	COLUMN_NAME,
	COLUMN_PID,
	COLUMN_CPU,
	COLUMN_MEMORY,
	COLUMN_MIB,
	COLUMN_CALLS,
	COLUMN_RING,
	COLUMN_TRANSFERS,
	COLUMN_QUEUE,
	COLUMN_P50,
	COLUMN_P99,
	COLUMN_FAILED,
	COLUMN_LIMIT,
	COLUMNS,
};

static const struct {
	const char *heading;
	unsigned width;
	unsigned keep; /* the lowest goes first; 0: always there */
} columns[COLUMNS] = {
	[COLUMN_NAME] = {"DRIVER, CLIENTS, PIPES", 24, 0},
	[COLUMN_PID] = {"PID", 7, 5},
	[COLUMN_CPU] = {"CPU%", 5, 9},
	[COLUMN_MEMORY] = {"MEM", 7, 2},
	[COLUMN_MIB] = {"MiB/s", 8, 0},
	[COLUMN_CALLS] = {"CALLS/s", 8, 10},
	[COLUMN_RING] = {"RING/s", 8, 4},
	[COLUMN_TRANSFERS] = {"XFERS/s", 8, 7},
	[COLUMN_QUEUE] = {"QUEUE", 5, 11},
	[COLUMN_P50] = {"P50", 7, 6},
	[COLUMN_P99] = {"P99", 7, 8},
	[COLUMN_FAILED] = {"FAILED", 6, 3},
	[COLUMN_LIMIT] = {"LIMIT", 16, 1},
};

static void
format_latency(char cell[CELL_MAX], const struct top_row *row, double percent)
{
	const struct top_driver *driver = row->driver;
	const struct top_counters *step =
		row->place != NULL ? &row->place->step : &driver->calls_step;

	/* A driver whose clients use rings has no calls. */
	if (row->place == NULL && step->ended == 0)
		step = &driver->transfers_step;
	format_nsec(cell, top_percentile(step, percent));
}

/* What is the same for a driver, a client and a pipe: sums of which one or two are 0. */
static void
format_counts(char cell[CELL_MAX], const struct top *top, const struct top_row *row,
	      enum column column)
{
	const struct top_driver *driver = row->driver;
	const struct top_place *place = row->place;
	bool client = place != NULL && place->owner.kind == TRACE_CLIENT;
	double seconds = top->seconds > 0 ? top->seconds : 1;

	if (column == COLUMN_MIB)
		format_rate(cell, (double)top_row_step(row)->bytes / seconds / MIB);
	else if (column == COLUMN_CALLS && (place == NULL || client))
		format_rate(cell,
			    (double)(client ? place->step : driver->calls_step).ended / seconds);
	else if (column == COLUMN_RING && (place == NULL || client))
		format_rate(cell, (double)(client ? place->step : driver->calls_step).entries[0] /
					  seconds);
	else if (column == COLUMN_TRANSFERS && !client)
		format_rate(cell, (double)top_row_step(row)->ended / seconds);
	else if (column == COLUMN_QUEUE)
		format_rate(cell, top_queue(top, row));
	else if (column == COLUMN_FAILED)
		snprintf(cell, CELL_MAX, "%" PRIu64,
			 place != NULL
				 ? place->total.failed
				 : driver->calls_total.failed + driver->transfers_total.failed);
}

static void
format_cell(char cell[CELL_MAX], const struct top *top, const struct top_row *row,
	    enum column column)
{
	const struct top_driver *driver = row->driver;
	const struct top_place *place = row->place;
	bool client = place != NULL && place->owner.kind == TRACE_CLIENT;
	pid_t process = client ? place->owner.pid : place == NULL ? driver->process : 0;

	cell[0] = '\0';
	switch (column) {
	case COLUMN_NAME:
		format_name(cell, row);
		break;
	case COLUMN_PID:
		if (process != 0)
			snprintf(cell, CELL_MAX, "%d", (int)process);
		break;
	case COLUMN_CPU:
		if (place == NULL && driver->cpu >= 0)
			snprintf(cell, CELL_MAX, "%.0f", driver->cpu);
		break;
	case COLUMN_MEMORY:
		if (place == NULL)
			format_memory(cell, driver->memory);
		break;
	case COLUMN_P50:
		format_latency(cell, row, 50);
		break;
	case COLUMN_P99:
		format_latency(cell, row, 99);
		break;
	case COLUMN_LIMIT:
		format_limit(cell, row);
		break;
	default:
		/* Of a driver that is not looked at nothing is known, which is not 0. */
		if (driver->view == TOP_LOOKS)
			format_counts(cell, top, row, column);
	}
}

/* --- lines --- */

/* Which columns a line of this width has; how wide the name is. */
static unsigned
choose_columns(unsigned width, bool shown[COLUMNS])
{
	unsigned needed = 0;

	for (unsigned i = 0; i < COLUMNS; i++) {
		shown[i] = true;
		needed += columns[i].width + (i != 0);
	}
	for (unsigned keep = 1; needed > width && keep < COLUMNS; keep++) {
		for (unsigned i = 0; i < COLUMNS; i++) {
			if (columns[i].keep != keep)
				continue;
			shown[i] = false;
			needed -= columns[i].width + 1;
		}
	}
	return columns[COLUMN_NAME].width + (width > needed ? width - needed : 0);
}

/* Bytes of at most so many columns, each character one. */
static size_t
cut_at(const char *text, unsigned width, unsigned *ret_used)
{
	size_t length = 0;

	*ret_used = 0;
	while (text[length] != '\0') {
		bool begins = ((unsigned char)text[length] & 0xc0) != 0x80;

		if (begins && *ret_used == width)
			break;
		*ret_used += begins;
		length++;
	}
	return length;
}

static void
add_cell(FILE *to, const char *cell, unsigned width, bool left)
{
	unsigned used;
	size_t length = cut_at(cell, width, &used);

	fprintf(to, "%*s%.*s%*s", left ? 0 : (int)(width - used), "", (int)length, cell,
		left ? (int)(width - used) : 0, "");
}

static void
add_cells(char line[TOP_LINE_MAX], unsigned width, const struct top *top, const struct top_row *row)
{
	bool shown[COLUMNS];
	unsigned name_width = choose_columns(width, shown);
	FILE *to = fmemopen(line, TOP_LINE_MAX, "w");
	char cell[CELL_MAX];
	unsigned used;
	size_t length;

	line[0] = '\0';
	if (to == NULL)
		return;
	for (enum column i = 0; i < COLUMNS; i++) {
		bool left = i == COLUMN_NAME || i == COLUMN_LIMIT;

		if (!shown[i])
			continue;
		if (row != NULL)
			format_cell(cell, top, row, i);
		else
			snprintf(cell, sizeof(cell), "%s", columns[i].heading);
		if (i != COLUMN_NAME)
			fputc(' ', to);
		add_cell(to, cell, i == COLUMN_NAME ? name_width : columns[i].width, left);
	}
	fclose(to);
	line[TOP_LINE_MAX - 1] = '\0';
	length = cut_at(line, width, &used);
	while (length > 0 && line[length - 1] == ' ')
		length--;
	line[length] = '\0';
}

void
top_heading(unsigned width, char line[TOP_LINE_MAX])
{
	add_cells(line, width, NULL, NULL);
}

void
top_line(const struct top *top, const struct top_row *row, unsigned width, char line[TOP_LINE_MAX])
{
	add_cells(line, width, top, row);
}

void
top_title(const struct top *top, unsigned width, char line[TOP_LINE_MAX])
{
	double seconds = top->seconds > 0 ? top->seconds : 1, bytes = 0, calls = 0;
	unsigned drivers = 0, clients = 0, used;
	char when[16], mib[CELL_MAX], rate[CELL_MAX];
	time_t now = time(NULL);
	struct tm local;

	for (const struct top_driver *driver = top->drivers; driver != NULL;
	     driver = driver->next) {
		drivers++;
		clients += driver->clients;
		bytes += (double)driver->transfers_step.bytes;
		calls += (double)driver->calls_step.ended;
	}
	localtime_r(&now, &local);
	strftime(when, sizeof(when), "%T", &local);
	format_rate(mib, bytes / seconds / MIB);
	format_rate(rate, calls / seconds);
	snprintf(line, TOP_LINE_MAX,
		 "dext top - %s, %u driver%s, %u client%s, %s MiB/s, %s calls/s", when, drivers,
		 drivers == 1 ? "" : "s", clients, clients == 1 ? "" : "s", mib, rate);
	line[cut_at(line, width, &used)] = '\0';
}

void
top_print_text(FILE *to, const struct top *top, enum top_sort sort)
{
	char line[TOP_LINE_MAX];
	size_t count = 0;
	struct top_row *rows = top_rows(top, sort, &count);

	top_title(top, TEXT_WIDTH, line);
	fprintf(to, "%s\n", line);
	top_heading(TEXT_WIDTH, line);
	fprintf(to, "%s\n", line);
	for (size_t i = 0; rows != NULL && i < count; i++) {
		top_line(top, &rows[i], TEXT_WIDTH, line);
		fprintf(to, "%s\n", line);
	}
	free(rows);
}
