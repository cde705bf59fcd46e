/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the subcommands of `dext` share. A subcommand is a file with one function that gets its own
 * arguments (argv[0] is its name) and returns one of these exit statuses.
 */
#ifndef DEXT_DEXT_H
#define DEXT_DEXT_H

#include <stdio.h>

#include <dext_cdefs.h>

enum dext_exit {
	DEXT_EXIT_OK = 0,
	DEXT_EXIT_ERROR = 1,	 /* anything that has no number of its own */
	DEXT_EXIT_USAGE = 2,	 /* the command line */
	DEXT_EXIT_NOT_FOUND = 3, /* no driver or service: did not match, did not start, not there */
	DEXT_EXIT_REFUSED = 4,	 /* not permitted, or somebody else has it exclusively */
	DEXT_EXIT_DEVICE = 5,	 /* a device, or its driver, failed or went away */
	DEXT_EXIT_DIFFERS = 6,	 /* a comparison of data failed */
	DEXT_EXIT_FILE = 7,	 /* a file cannot be read or written */
	DEXT_EXIT_INTERRUPTED = 130, /* Ctrl-C; what was done until then has been reported */
};

int run_main(int argc, char **argv);
int doctor_main(int argc, char **argv);
int lint_main(int argc, char **argv);
int list_main(int argc, char **argv);
int logs_main(int argc, char **argv);
int new_main(int argc, char **argv);
int bind_main(int argc, char **argv);
int unbind_main(int argc, char **argv);
int plug_main(int argc, char **argv);
int unplug_main(int argc, char **argv);
int capture_main(int argc, char **argv);
int trace_main(int argc, char **argv);
int send_main(int argc, char **argv);
int recv_main(int argc, char **argv);

/* "dext NAME: ..." as one line on standard error. */
void complain(const char *command, const char *format, ...) DEXT_PRINTF(2, 3);
/* The same with a pointer to the help; returns DEXT_EXIT_USAGE. */
int usage_error(const char *command, const char *format, ...) DEXT_PRINTF(2, 3);

/* What a driver, a device or another process calls itself, made fit for a terminal (escape.h). */
void print_clean(FILE *to, const char *text);

#endif
