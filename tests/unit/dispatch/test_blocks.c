/* SPDX-License-Identifier: Apache-2.0 */
#include "block_forms.h"
#include "unit.h"

START_TEST(every_form_runs_its_block)
{
	ck_assert_int_eq(block_async_and_sync(), 551);
	ck_assert_int_eq(block_barriers(), 5);
	ck_assert_int_eq(block_group(), 10);
	ck_assert_int_eq(block_once_apply_after(), 191);
}
END_TEST

START_TEST(a_run_loop_performs_blocks)
{
	ck_assert_int_eq(block_run_loop(), 15);
}
END_TEST

UNIT_MAIN("blocks", every_form_runs_its_block, a_run_loop_performs_blocks)
