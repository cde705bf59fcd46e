/* SPDX-License-Identifier: Apache-2.0 */
#include "block_forms.h"
#include "queue.h"
#include "unit.h"

START_TEST(a_drivers_queue_runs_blocks)
{
	struct loop *loop;

	ck_assert_int_eq(loop_create(&loop), kIOReturnSuccess);
	ck_assert_int_eq(loop_start(loop, 2), kIOReturnSuccess);
	queue_set_loop(loop);
	ck_assert_int_eq(block_driver_queue(), 2100);
}
END_TEST

START_TEST(a_block_is_called_once)
{
	ck_assert_int_eq(block_call_once(), 1);
}
END_TEST

UNIT_MAIN("driver_blocks", a_drivers_queue_runs_blocks, a_block_is_called_once)
