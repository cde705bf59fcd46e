/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "bounds.h"
#include "clock.h"
#include "patience.h"

#define MOST (DEXT_LIMIT_VAIN_WAIT_MSEC * NSEC_PER_MSEC)
#define THEN (1000 * NSEC_PER_SEC)

START_TEST(it_ends_at_the_limit)
{
	ck_assert_uint_eq(patience_left(1000, THEN), MOST);
	patience_spend(1000, MOST - 1, THEN);
	ck_assert_uint_eq(patience_left(1000, THEN), 1);
	patience_spend(1000, 1, THEN);
	ck_assert_uint_eq(patience_left(1000, THEN), 0);
	/* Nobody else has to do with it. */
	ck_assert_uint_eq(patience_left(1001, THEN), MOST);
	ck_assert_uint_eq(patience_left(0, THEN), MOST);
}
END_TEST

START_TEST(a_tenth_of_the_time_comes_back)
{
	patience_spend(1000, MOST, THEN);
	ck_assert_uint_eq(patience_left(1000, THEN + 10), 1);
	ck_assert_uint_eq(patience_left(1000, THEN + NSEC_PER_SEC), NSEC_PER_SEC / 10);
	patience_spend(1000, NSEC_PER_SEC / 10, THEN + NSEC_PER_SEC);
	ck_assert_uint_eq(patience_left(1000, THEN + NSEC_PER_SEC), 0);
	/* All of it, and no more; what was waited past the end is not held against anybody. */
	patience_spend(1000, 5 * MOST, THEN + NSEC_PER_SEC);
	ck_assert_uint_eq(patience_left(1000, THEN + NSEC_PER_SEC + 10 * MOST - 10), MOST - 1);
	ck_assert_uint_eq(patience_left(1000, THEN + NSEC_PER_SEC + 10 * MOST), MOST);
	ck_assert_uint_eq(patience_left(1000, THEN + 1000 * MOST), MOST);
}
END_TEST

/* More users than there is room for: the worst stay known. */
START_TEST(many_users)
{
	patience_spend(7, MOST, THEN);
	for (uint32_t uid = 1000; uid < 1200; uid++)
		patience_spend(uid, uid, THEN);
	ck_assert_uint_eq(patience_left(7, THEN), 0);
	ck_assert_uint_eq(patience_left(1199, THEN), MOST - 1199);
	ck_assert_uint_eq(patience_left(1000, THEN), MOST);
}
END_TEST

UNIT_MAIN("patience", it_ends_at_the_limit, a_tenth_of_the_time_comes_back, many_users)
