/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a host writes to its standard error and output: a pipe, of which the registry has the
 * reading end. Each line is escaped, kept, and passed on to the registry's own standard error. The
 * pipe does not block its writer, and the last lines are kept beyond the process's end.
 *
 *	host_log_begin(host, ends[0]);		the process was started
 *	host_log_drain(host);			it has ended: what it has left is taken
 *	host_log_end(host);			the pipe is closed; the lines stay
 *	host_log_free(host);
 *
 * One thread, the registry's.
 */
#ifndef REGISTRY_HOST_LOG_H
#define REGISTRY_HOST_LOG_H

#include "bounds.h"
#include "loop.h"

#define LOG_TAIL_BYTES 16384
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct host;

struct log_line {
	struct log_line *next;
	uint64_t sequence; /* over all hosts of the registry, from 1 */
	uint64_t time;	   /* CLOCK_REALTIME, ns */
	pid_t process;
	uint32_t length;
	char text[]; /* escaped, NUL terminated */
};

struct host_log {
	int pipe; /* -1: none */
	bool watched;
	struct loop_source source;
	char partial[DEXT_LIMIT_LOG_LINE_BYTES + 1]; /* a line whose end has not come */
	size_t used;

	struct log_line *first, *last;
	uint64_t count, bytes; /* of them */

	uint64_t window;  /* clock_now: when the second that is counted began */
	uint64_t lines;	  /* in it */
	uint64_t read;	  /* bytes in it */
	uint64_t dropped; /* lines in it that were neither kept nor passed on */
	char *tail;	  /* the last of those, each with its end; NULL: none yet */
	size_t tail_used;
	bool paused;		 /* more bytes than it may bring: the pipe is left full */
	bool last_words;	 /* the process has ended: all that is left is kept */
	struct loop_timer timer; /* the end of the window */
	bool timer_armed;
};

/* Takes the descriptor, which is in the loop from now on unless that fails. */
IOReturn host_log_begin_take(struct host *host, int pipe);
void host_log_drain(struct host *host);
void host_log_end(struct host *host);
void host_log_free(struct host *host);
/* A line of the registry's own about this host, kept with the others; printf's arguments. */
void host_log_note(struct host *host, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
