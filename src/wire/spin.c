/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spinning: the policy. What is spun on is in call_page.c and in the driver's spinning.c.
 *
 * A peer may write whatever it likes as its CPU: it decides at most whether a budget is spent.
 */
#include "spin.h"

#include <sched.h>
#include <stdlib.h>

#include "environment.h"

#define SKIP_MAX 64u

/* OPENDEXT_SPIN=0 keeps this process from spinning, and its peers from spinning for it. */
static bool
is_wanted(void)
{
	static _Atomic int known; /* 1: yes, 2: no; made once, to the same value whoever makes it */
	int wanted = atomic_load_explicit(&known, memory_order_relaxed);

	if (wanted == 0) {
		const char *value = environment_spin();

		wanted = value == NULL || atoi(value) != 0 ? 1 : 2;
		atomic_store_explicit(&known, wanted, memory_order_relaxed);
	}
	return wanted == 1;
}

uint32_t
spin_cpu(void)
{
	int cpu = is_wanted() ? sched_getcpu() : -1;

	return cpu < 0 ? 0 : (uint32_t)cpu + 1;
}

bool
spin_can_help(uint32_t peer)
{
	return spin_is_elsewhere(spin_cpu(), peer);
}

void
spin_ended(struct spin_backoff *backoff, bool worked)
{
	uint32_t failed = atomic_load_explicit(&backoff->failed, memory_order_relaxed);

	if (worked) {
		/* Mostly there is nothing to be written. */
		if (failed != 0)
			atomic_store_explicit(&backoff->failed, 0, memory_order_relaxed);
		return;
	}
	failed = failed == 0 ? 1 : failed < SKIP_MAX ? failed * 2 : SKIP_MAX;
	atomic_store_explicit(&backoff->failed, failed, memory_order_relaxed);
	atomic_store_explicit(&backoff->left, failed, memory_order_relaxed);
}
