/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the conductor of the chaos run and the app of one seat tell each other, in memory that both
 * map: so it says what an app had under way when it was killed.
 *
 * The conductor counts what it is about to do before it does it. So an app whose connection ends
 * finds the cause here, or has found a fault.
 */
#ifndef TESTS_CHAOS_LEDGER_H
#define TESTS_CHAOS_LEDGER_H

#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#define LEDGER_SPEC    128
#define LEDGER_FAILURE 512

/* What somebody waits for, each with its bound. */
enum wait {
	WAIT_SERVICE,	 /* until the service of a device is there, also after a host was killed */
	WAIT_OPEN,	 /* IOServiceOpen */
	WAIT_CALL,	 /* a method */
	WAIT_COMPLETION, /* the next completion, while something is under way */
	WAIT_DEATH,	 /* from a host's kill until its app has seen it */
	WAIT_GONE,	 /* from the end of a device until the last completion */
	WAIT_CLOSE,	 /* IOServiceClose */
	WAIT_PLUG,
	WAIT_UNPLUG,
	WAIT_REGISTRY, /* until a registry that is started is ready */
	WAITS,
};

/* Seconds, on a machine that has other things to do. What is measured is printed. */
static const unsigned wait_bounds[WAITS] = {
	[WAIT_SERVICE] = 20, [WAIT_OPEN] = 10,	   [WAIT_CALL] = 5,  [WAIT_COMPLETION] = 10,
	[WAIT_DEATH] = 5,    [WAIT_GONE] = 10,	   [WAIT_CLOSE] = 5, [WAIT_PLUG] = 10,
	[WAIT_UNPLUG] = 12,  [WAIT_REGISTRY] = 20,
};

static const char *const wait_names[WAITS] = {
	[WAIT_SERVICE] = "service",    [WAIT_OPEN] = "open",
	[WAIT_CALL] = "call",	       [WAIT_COMPLETION] = "completion",
	[WAIT_DEATH] = "host's death", [WAIT_GONE] = "end of a device",
	[WAIT_CLOSE] = "close",	       [WAIT_PLUG] = "plug",
	[WAIT_UNPLUG] = "unplug",      [WAIT_REGISTRY] = "registry's start",
};

/* Totals of all apps of the seat. */
struct ledger_totals {
	_Atomic uint64_t transfers, completions, succeeded, stalled, failed;
	_Atomic uint64_t lost;		  /* with a host that was killed */
	_Atomic uint64_t bytes, compared; /* compared: how often with what the device has seen */
	_Atomic uint64_t inherited;	  /* the same, for an app that was killed */
	_Atomic uint64_t opens, ends;
	_Atomic uint64_t longest[WAITS]; /* ns */
};

struct ledger {
	/* The conductor's. */
	_Atomic uint64_t device; /* id of its node; 0: there is none now */
	char spec[LEDGER_SPEC];	 /* changed only while `device` is 0 */
	_Atomic uint32_t kills; /* of this device's hosts, and of registries that take them along */
	_Atomic uint64_t killed_at;
	_Atomic uint32_t unplugs;
	_Atomic uint32_t registries; /* that were killed */
	_Atomic uint32_t stop;

	/* The app's, of its connection. */
	_Atomic int32_t host;	   /* 0: none */
	_Atomic int32_t child;	   /* a forked process that holds everything open; 0: none */
	_Atomic uint64_t searches; /* since when no service is found; 0: it is not looked for */

	/*
	 * What the device has seen of the last app, if it is still as that app found it. An app
	 * that ends in order sets `stream` to 0.
	 */
	_Atomic uint64_t stream;
	_Atomic uint32_t stream_kills, stream_unplugs;
	_Atomic uint64_t submitted, completed; /* OUT transfers of the stream */
	_Atomic uint64_t in_submitted, in_completed;

	struct ledger_totals totals;
	char failure[LEDGER_FAILURE]; /* ends with the app's end */
};

static inline uint64_t
ledger_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void
ledger_waited(struct ledger_totals *totals, enum wait wait, uint64_t since)
{
	uint64_t took = ledger_now() - since;

	if (took > atomic_load(&totals->longest[wait]))
		atomic_store(&totals->longest[wait], took);
}

#endif
