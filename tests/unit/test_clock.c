/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "clock.h"

#include <time.h>

START_TEST(it_is_the_monotonic_clock_in_nanoseconds)
{
	struct timespec now;
	uint64_t before = clock_now(), between;

	clock_gettime(CLOCK_MONOTONIC, &now);
	between = (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
	ck_assert_uint_le(before, between);
	ck_assert_uint_le(between, clock_now());
}
END_TEST

START_TEST(the_recent_time_is_on_the_same_clock_and_behind)
{
	struct timespec coarse;
	uint64_t before = clock_recent(), between;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &coarse);
	between = (uint64_t)coarse.tv_sec * NSEC_PER_SEC + (uint64_t)coarse.tv_nsec;
	ck_assert_uint_le(before, between);
	ck_assert_uint_le(between, clock_recent());
	ck_assert_uint_le(clock_recent(), clock_now());
}
END_TEST

UNIT_MAIN("clock", it_is_the_monotonic_clock_in_nanoseconds,
	  the_recent_time_is_on_the_same_clock_and_behind)
