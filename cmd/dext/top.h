/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dext top: how busy drivers, their clients and their pipes are.
 *
 *	top.c		command line, reports one after the other
 *	top_looks.c	looking: the registry's drivers, and what each one's host counts
 *	top_rates.c	arithmetic over counters: differences, percentiles
 *	top_process.c	what /proc says of a process
 *	top_rows.c	which rows, in which order
 *	top_columns.c	a row as a line of text
 *	top_json.c	the same as JSON
 *	top_screen.c	the full screen, where there is ncurses
 *
 * The counters are the host's (trace.h): a place for each client and each pipe. A look copies all
 * of them; rates are differences of two looks, totals what was counted since the first one, also by
 * clients that have gone. A host counts while somebody looks, and the driver in it could write
 * anything there: what is read is bounded and escaped, and never an address or a size of ours.
 */
#ifndef DEXT_TOP_H
#define DEXT_TOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "bound_settings.h"
#include "recording_files.h"

/* --- arithmetic --- */

/* What has happened: calls of a client, or transfers of a pipe. */
struct top_counters {
	uint64_t began, ended, failed, bytes, spent, completions;
	uint64_t entries[2]; /* of rings: taken from the app, given to it */
	uint64_t latency[TRACE_BUCKETS];
};

/* What a place has counted, at most at one moment for each word. */
void top_counters_read(const struct trace_place *place, struct top_counters *ret_counters);
/*
 * later - earlier, where the latency's words are 32-bit ones that wrap. What seems to have fallen
 * is 0: a host wrote nonsense.
 */
void top_counters_difference(const struct top_counters *later, const struct top_counters *earlier,
			     struct top_counters *ret_difference);
void top_counters_add(struct top_counters *to, const struct top_counters *from);
/*
 * The duration, ns, that `percent` of a hundred do not exceed, interpolated within its bucket; 0:
 * nothing has ended.
 */
uint64_t top_percentile(const struct top_counters *counters, double percent);

/* --- what is looked at --- */

struct top_place {
	uint32_t generation; /* of its owner, odd; 0: none was seen */
	bool there;	     /* the owner has not gone */
	struct trace_owner owner;
	uint32_t in_flight, waiting;
	/* Of a client. */
	uint32_t buffers, registrations;
	uint64_t mapped_bytes, kept_bytes;
	struct top_counters last, step, total; /* at the last look, since the one before, since the
						  first one */
	char command[32];		       /* of a client: its process's name */
};

enum top_view {
	TOP_NO_PROCESS, /* nothing to look at */
	TOP_WAITS,	/* its host was asked */
	TOP_LOOKS,
	TOP_REFUSED, /* see `refusal` */
};

struct top_driver {
	struct top_driver *next;
	uint64_t number;
	bool listed; /* in the registry's answer of this look */
	char class_name[128], bundle[256], device[128], state[64], reason[256];
	pid_t process; /* 0: none */
	uint64_t crashes;
	uint64_t most[LIMIT_COUNT]; /* its limits */

	enum top_view view;
	IOReturn refusal;
	int socket;
	struct recording_files files;
	struct top_place *places; /* TRACE_PLACES, while it is looked at */
	bool looked;		  /* at the counters, once at least */

	double cpu;	/* percent of one CPU since the last look; below 0: not known */
	bool has_usage; /* of the process, at the last look */
	uint64_t cpu_nsec, memory;
	/* Sums over places, gone ones included. */
	struct top_counters calls_step, calls_total, transfers_step, transfers_total;
	uint32_t clients, calls_in_flight, transfers_in_flight;
	uint64_t buffers; /* of all clients */
};

struct top {
	struct ask *ask;
	const char *wanted; /* identifier, class or number of a driver; NULL: all */
	struct top_driver *drivers;
	uint64_t looked;   /* when, CLOCK_MONOTONIC, ns; 0: not yet */
	double seconds;	   /* since the look before; 0: there was none */
	bool no_registry;  /* it has gone */
	unsigned matching; /* drivers in the last answer that are wanted */
};

/* Asks the registry and reads all counters once. False: the registry has gone. */
bool top_look(struct top *top);
void top_end(struct top *top);

/* Nanoseconds of CPU time, and bytes in memory. False: it cannot be seen. */
bool top_process_usage(pid_t process, uint64_t *ret_cpu_nsec, uint64_t *ret_memory);
/* The program's name, safe for a terminal; "?" where it cannot be seen. */
void top_process_name(pid_t process, char *name, size_t size);

/* --- limits --- */

struct top_limit {
	const char *name;
	uint64_t used, limit;
	bool is_bytes;
};

#define TOP_LIMITS_MAX 6
/* Those of a driver (place NULL) or of a client or pipe; how many. */
unsigned top_limits(const struct top_driver *driver, const struct top_place *place,
		    struct top_limit limits[TOP_LIMITS_MAX]);

/* --- rows --- */

enum top_sort {
	TOP_BY_BYTES,
	TOP_BY_CALLS,
	TOP_BY_CPU,
	TOP_BY_LATENCY,
	TOP_BY_NAME,
	TOP_SORTS,
};

/* "bytes", "calls", ...: of an option and of the screen's keys. */
extern const char *const top_sort_names[TOP_SORTS];

struct top_row {
	const struct top_driver *driver;
	const struct top_place *place; /* NULL: the driver's own row */
};

/* Since the look before: a client's calls, a pipe's transfers, all transfers of a driver. */
const struct top_counters *top_row_step(const struct top_row *row);
/* How many calls and transfers were under way, on the average. */
double top_queue(const struct top *top, const struct top_row *row);
/* The caller frees them. NULL: no memory. */
struct top_row *top_rows(const struct top *top, enum top_sort sort, size_t *ret_count);

#define TOP_LINE_MAX 1024
/* One line without its end, of at most `width` columns. */
void top_title(const struct top *top, unsigned width, char line[TOP_LINE_MAX]);
void top_heading(unsigned width, char line[TOP_LINE_MAX]);
void top_line(const struct top *top, const struct top_row *row, unsigned width,
	      char line[TOP_LINE_MAX]);

void top_print_text(FILE *to, const struct top *top, enum top_sort sort);
void top_print_json(FILE *to, const struct top *top, enum top_sort sort);

/* --- the screen --- */

/* Until q or a signal; returns the exit status. */
int top_screen(struct top *top, double interval, enum top_sort sort);

#endif
