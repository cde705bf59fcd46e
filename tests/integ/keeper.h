/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for systemd's descriptor store: takes what dextd puts there (FDSTORE=1,
 * FDSTOREREMOVE=1) and hands it to the dextd that is started next. A thread of the test's process;
 * what it has is closed when that ends.
 *
 *	static struct keeper keeper;
 *	keeper_start(&keeper, &dextd, 100);	after daemon_prepare
 *	daemon_start(&dextd, ...);		hands over what is there
 */
#ifndef TESTS_INTEG_KEEPER_H
#define TESTS_INTEG_KEEPER_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#define KEEPER_MAX	1024
#define KEEPER_NAME_MAX 256

struct kept {
	int fd;
	char name[KEEPER_NAME_MAX];
};

struct keeper {
	int socket;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned most;		      /* more are closed, without a word, as systemd does */
	struct kept kept[KEEPER_MAX]; /* [lock] */
	unsigned count;		      /* [lock] */
	unsigned refused;	      /* [lock] */
	unsigned ready;		      /* [lock] READY=1 that have come */
	unsigned settled;	      /* [lock] SETTLED=1, of keeper_settle */
};

struct daemon;

void keeper_start(struct keeper *keeper, struct daemon *daemon, unsigned most);
/* After daemon_stop, for a process that goes on: with the socket, which is closed. */
void keeper_end(struct keeper *keeper);
/* Waits until everything that was said so far has been heard. */
void keeper_settle(struct keeper *keeper);
/* In the child that becomes dextd: descriptors from 3 on and the variables. */
void keeper_hand_over(struct keeper *keeper);
/* Waits until dextd has said READY=1 this often; false at the deadline. */
bool keeper_wait_ready(struct keeper *keeper, unsigned ready);
unsigned keeper_count(struct keeper *keeper);
/*
 * The number under which the thing `index` (0: the first) whose name begins so has a descriptor of
 * this kind ("socket:", "memfd:", "pidfd"): its place in `kept`, or -1. dextd does not run.
 */
int keeper_find(struct keeper *keeper, const char *name, const char *kind);
/* The process that a host's pidfd is of. */
pid_t keeper_pid(struct keeper *keeper, int place);

#endif
