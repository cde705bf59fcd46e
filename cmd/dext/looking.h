/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What commands that look on at drivers do alike: their drivers, where they write, and when they
 * end: after a count, a time, Ctrl-C, or with the registry.
 */
#ifndef DEXT_LOOKING_H
#define DEXT_LOOKING_H

#include <stdio.h>

#include "recordings.h"

struct looking;

struct looking_output {
	void (*begin)(struct looking *looking);
	/* True: it counts. An opening with TRACE_RUNS_BEFORE: this client was there already. */
	bool (*event)(struct looking *looking, const struct recording *recording);
	/* Events that were overwritten before they were read. */
	void (*lost)(struct looking *looking, const struct recording *recording, uint64_t lost);
	void (*end)(struct looking *looking);
};

struct looking {
	struct recordings recordings;
	const struct looking_output *output;
	const char *file_name; /* NULL: standard output */
	FILE *to;
	uint64_t count;	   /* events that are left */
	uint64_t deadline; /* ns */
};

void looking_init(struct looking *looking, const char *command,
		  const struct looking_output *output);
/* --count, else --seconds. False: it is no number, or 0. */
bool looking_set_end(struct looking *looking, bool count, const char *text);
/* The one word behind the options, if there is one. -1, or an exit status after a complaint. */
int looking_take_driver(struct looking *looking, int argc, char **argv);
/* Returns the command's exit status. */
int looking_run(struct looking *looking);

#endif
