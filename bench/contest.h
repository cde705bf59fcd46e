/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A contest: two ways to do one thing, each with a client process and a server (a process, or a
 * thread of the client), measured in turn. A contestant is data; contest.c runs its client in a
 * process of its own and tells it when to work and for how long.
 *
 * Fairness: both sides get the same placement, the same time, and turns that alternate in order. A
 * contestant whose server spins all the time has it stopped while it is not its turn; with it the
 * client, if the server is a thread of that.
 */
#ifndef BENCH_CONTEST_H
#define BENCH_CONTEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "places.h"

struct contestant {
	const char *name;
	/* In the client's process. False: it cannot be had here. *ret_server: 0 if it has none. */
	bool (*open)(uint64_t argument, void **ret_state, pid_t *ret_server);
	/* One operation. 0, or the time that counts, in ns, if that is not all of it. */
	uint64_t (*once)(void *state);
	/* How often it may have been woken so far, which its own doorbells do not say. NULL: no. */
	uint64_t (*wakes)(void *state);
	/* How many bytes of payload have been copied on their way so far. NULL: not known. */
	uint64_t (*copied)(void *state);
	bool server_spins;
	unsigned batch;	  /* operations between two looks at the clock */
	const char *sets; /* an environment variable for the client, NAME=VALUE */
};

enum placement {
	TWO_CPUS,
	ONE_CPU,
	UNPINNED,
};

extern const char *const placement_names[];

/* What one turn brought. The times are of an operation, in ns, over the batches of the turn. */
struct turn {
	double median, mean, p99, p999;
	double cpu;	       /* CPU time, both sides */
	double host;	       /* the same, the server's process */
	double bells;	       /* doorbells that an operation rang, both sides */
	double copied;	       /* bytes that an operation copied */
	double calls;	       /* system calls of an operation, both sides; 0: not counted */
	struct place from, to; /* unpinned: where it began and ended */
};

struct contest;

/* NULL: one of the two cannot be had here. */
struct contest *contest_open(const struct contestant *ours, const struct contestant *yardstick,
			     uint64_t argument, enum placement placement);
/* One pair of turns, `msec` each. */
void contest_pair(struct contest *contest, unsigned msec, struct turn *ret_ours,
		  struct turn *ret_yardstick);
/*
 * The same, ours first and the other then on the CPUs that ours was on. *ret_same: both sides were
 * on one. A turn in which they were on one for a part of it only is taken again: its median would
 * be that of the time on two, when there are forty times as many calls, and the other's place that
 * of its end.
 */
void contest_placed_pair(struct contest *contest, unsigned msec, struct turn *ret_ours,
			 struct turn *ret_yardstick, bool *ret_same);
void contest_close(struct contest *contest);

/* A process for each of the two CPUs that does nothing but compute, until hogs_end. */
void hogs_start(void);
void hogs_end(void);

uint64_t now_nsec(void);
/* Pins a thread; -1: to all CPUs that there are. */
void pin(pid_t thread, int cpu);
/* Whether turns count system calls, which makes them dearer. To be set before contest_open. */
extern bool counts_calls;
/* The CPU for a server thread in this client. */
extern int server_cpu;
/* A child process that ends with this one, pinned like a server. */
pid_t fork_server(void);

#endif
