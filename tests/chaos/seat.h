/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A seat of the chaos run: one device, the host that drives it, and one app that streams to it.
 * What an app has found wrong fails the test here.
 */
#ifndef TESTS_CHAOS_SEAT_H
#define TESTS_CHAOS_SEAT_H

#include <stdbool.h>
#include <sys/types.h>

#include "ledger.h"

struct seat {
	struct ledger *ledger;
	int memory;	/* the ledger's */
	pid_t app;	/* 0: none */
	pid_t orphan;	/* what an app that was killed has forked; 0: none */
	unsigned kills; /* of hosts of this device */
};

/* The random numbers of the run, from its seed. */
uint64_t seat_draw(void);
void seat_seed(uint64_t seed);
/* 0 to below - 1. */
unsigned seat_dice(unsigned below);

void seat_create(struct seat *seat);
void seat_destroy(struct seat *seat);

/* Another device, by a random spec. `steady`: one that does not go of its own accord. */
void seat_plug(struct seat *seat, bool steady);
void seat_unplug(struct seat *seat);
/* Unless it is there; one that has gone of its own accord is replaced. */
bool seat_has_lost_its_device(const struct seat *seat);

void seat_start_app(struct seat *seat, const char *log_path);
/* Waits for its end: it was told to stop. */
void seat_end_app(struct seat *seat);
/* The test fails if it has ended. */
void seat_check(struct seat *seat);
/* True: something was under way. */
bool seat_kill_app(struct seat *seat);
/* False: there is none now. */
bool seat_kill_host(struct seat *seat, pid_t registry, bool *ret_under_way);
/* What all its app's waits are excused by: before and after. */
void seat_host_dies(struct seat *seat);
bool seat_is_under_way(const struct seat *seat);
void seat_end_orphan(struct seat *seat);

/* Ends of processes that are nobody's any more. False: there are still such. */
bool seat_reap(const struct seat *seats, unsigned count, pid_t registry);

#endif
