/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: one line per call, written with one write(2) to standard error. Silent in apps unless
 * OPENDEXT_LOG asks for it; errno is kept.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include <dext_cdefs.h>

enum log_level {
	LOG_LEVEL_OFF,
	LOG_LEVEL_ERROR,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* The level of a program that sets none: OFF for apps. OPENDEXT_LOG, where set, wins. */
void log_set_level(enum log_level level);
/*
 * What each line starts with: the program's or the driver's name; copied, at most 63 bytes. Before
 * other threads start. A process with a name is ours, so its os_log lines are written at any level.
 */
void log_set_name(const char *name);
bool log_enabled(enum log_level level);

void log_write(enum log_level level, const char *format, ...) DEXT_PRINTF(2, 3);

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_info(...)  log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

/*
 * Lines that others bring about, as many of them as they like: from here on this thread writes at
 * most `most` of them in a second, and one that says how many were left out. NULL: all are written.
 */
struct log_share {
	unsigned most;
	unsigned lines;	   /* in this second */
	unsigned left_out; /* since it was said last */
	uint64_t began;	   /* clock_now */
};

void log_set_share(struct log_share *share);

/* A line of somebody else's, whatever the level is, made fit for a terminal (escape.h). Of more
 * than 8 KiB the rest is cut. */
void log_pass_on(const char *who, const char *line);

/* Writes the line whatever the level is, and aborts: for what only a mistake in this process's own
 * code can bring about. */
void log_abort(const char *format, ...) DEXT_PRINTF(1, 2) __attribute__((noreturn));

#endif
