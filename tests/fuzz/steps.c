/* SPDX-License-Identifier: Apache-2.0 */
#include "steps.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define UNCOUNTED __attribute__((no_sanitize("coverage")))

void __wrap___sanitizer_cov_trace_pc(void);

static unsigned (*_Atomic each)(void);
static _Atomic unsigned running; /* threads that may be in the function */
static _Thread_local unsigned left;
static _Thread_local bool within;

UNCOUNTED void
steps_run(unsigned (*step)(void))
{
	/* Pairs with the count below: either that is seen here, or this there. */
	atomic_store(&each, step);
	left = 0;
	while (step == NULL && atomic_load(&running) > 0)
		sched_yield();
}

/* libFuzzer's own does nothing. */
UNCOUNTED void
__wrap___sanitizer_cov_trace_pc(void)
{
	unsigned (*step)(void);

	/* Relaxed: looked at once more before it is called. */
	if (atomic_load_explicit(&each, memory_order_relaxed) == NULL || within || left-- > 0)
		return;
	within = true;
	left = 0;
	atomic_fetch_add(&running, 1);
	step = atomic_load(&each);
	if (step != NULL)
		left = step();
	atomic_fetch_sub(&running, 1);
	within = false;
}
