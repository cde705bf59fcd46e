/* SPDX-License-Identifier: Apache-2.0 */
/* A loop of two threads, and a task by which one sees that it has run. */
#ifndef TESTS_UNIT_LOOP_FIXTURE_H
#define TESTS_UNIT_LOOP_FIXTURE_H

#include "unit.h"

#include "loop.h"
#include "meter.h"

static inline struct loop *
start(void)
{
	struct loop *loop;

	ck_assert_int_eq(loop_create(&loop), kIOReturnSuccess);
	ck_assert_int_eq(loop_start(loop, 2), kIOReturnSuccess);
	return loop;
}

struct meter_task {
	struct loop_task task;
	struct meter *meter;
};

static inline void
raise_meter(struct loop_task *task)
{
	meter_raise(((struct meter_task *)task)->meter);
}

#endif
