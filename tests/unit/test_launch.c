/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "launch_private.h"

START_TEST(each_restart_waits_twice_as_long_up_to_five_seconds)
{
	ck_assert_uint_eq(host_restart_delay(1), 100 * NSEC_PER_MSEC);
	ck_assert_uint_eq(host_restart_delay(2), 200 * NSEC_PER_MSEC);
	ck_assert_uint_eq(host_restart_delay(6), 3200 * NSEC_PER_MSEC);
	ck_assert_uint_eq(host_restart_delay(7), 5 * NSEC_PER_SEC);
	ck_assert_uint_eq(host_restart_delay(1000), 5 * NSEC_PER_SEC);
}
END_TEST

UNIT_MAIN("launch", each_restart_waits_twice_as_long_up_to_five_seconds)
