/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the bench, as data: what is done, beside what, where, and what is looked at. */
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

#include "contest.h"
#include "peers/stream_shape.h"
#include "report.h"

enum figure {
	NOTHING,
	MEDIAN, /* us an operation */
	MEAN,
	P99,
	P999,
	CPU,	     /* us of CPU time an operation, both sides */
	HOST_CPU,    /* the server's */
	THROUGHPUT,  /* GB/s */
	CPU_PER_GIB, /* s */
	BELLS,	     /* doorbells an operation */
	RATE,	     /* million entries a second: RING_TURN an operation */
	RING_BELLS,  /* doorbells for 1000 entries */
	CALLS_PER_GIB,
	COPIED, /* bytes copied for a byte of payload; the goal is none */
};

struct wanted {
	enum figure figure;
	double goal; /* 0: none */
	bool at_least;
};

#define WANTED_MAX 4

#define SHAPE(...) (&(const struct stream_shape){__VA_ARGS__})

struct row {
	const char *name;
	const struct contestant *ours, *yardstick;
	uint64_t argument;		  /* if there is no shape */
	const struct stream_shape *shape; /* NULL: no stream */
	enum placement placement;
	bool hogs; /* a program that computes on each CPU */
	enum plot plot;
	double x; /* its place in the plot */
	struct wanted wanted[WANTED_MAX];
};

extern const struct row rows[];
extern const unsigned row_count;
extern const struct row ring_rows[]; /* rows_rings.c */
extern const unsigned ring_row_count;
/* Only where BENCH_USB names a real device (usbfs.py). */
extern const struct row usbfs_rows[];
extern const unsigned usbfs_row_count;
/* For each fresh start. */
extern const struct row start_row;

#endif
