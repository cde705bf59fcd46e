/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_ONE_CPU_H
#define TESTS_UNIT_ONE_CPU_H

#include <check.h>
#include <sched.h>

/* From now on this thread, and those that it starts, stay on the CPU where it is; returns that. */
static inline int
stay_on_one_cpu(void)
{
	int cpu = sched_getcpu();
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET((size_t)cpu, &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	return cpu;
}

#endif
