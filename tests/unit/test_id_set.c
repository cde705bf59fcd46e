/* SPDX-License-Identifier: Apache-2.0 */
#include "id_set.h"

#include "unit.h"

START_TEST(keeps_each_id_once)
{
	struct id_set set = {0};

	ck_assert(!id_set_has(&set, 7));
	ck_assert(!id_set_remove(&set, 7));
	ck_assert_int_eq(id_set_add(&set, 7), kIOReturnSuccess);
	ck_assert_int_eq(id_set_add(&set, 7), kIOReturnExclusiveAccess);
	ck_assert_uint_eq(set.count, 1);
	ck_assert(id_set_has(&set, 7));
	ck_assert(id_set_remove(&set, 7));
	ck_assert(!id_set_has(&set, 7));
	id_set_clear(&set);
}
END_TEST

START_TEST(many_in_any_order)
{
	struct id_set set = {0};

	/* 641 has no factor in common with 1000: each number once. */
	for (uint64_t i = 0; i < 1000; i++)
		ck_assert_int_eq(id_set_add(&set, i * 641 % 1000 * 2 + 1), kIOReturnSuccess);
	for (uint64_t i = 0; i < 1000; i++) {
		ck_assert_uint_eq(set.ids[i], i * 2 + 1);
		ck_assert(id_set_has(&set, i * 2 + 1));
		ck_assert(!id_set_has(&set, i * 2));
	}
	for (uint64_t i = 0; i < 1000; i++)
		ck_assert(id_set_remove(&set, i * 359 % 1000 * 2 + 1));
	ck_assert_uint_eq(set.count, 0);
	id_set_clear(&set);
	ck_assert_ptr_null(set.ids);
}
END_TEST

UNIT_MAIN("id_set", keeps_each_id_once, many_in_any_order)
