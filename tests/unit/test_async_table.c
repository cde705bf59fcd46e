/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "async_table.h"
#include "bounds.h"

static struct async_registration
registration(uint64_t word)
{
	return (struct async_registration){.reference = {word, [7] = ~word}};
}

START_TEST(a_registration_is_found_by_its_pair_only)
{
	struct async_table table = {0};
	struct async_registration one = registration(1), two = registration(2), got;
	uint32_t index[2], generation[2];

	ck_assert_ptr_null(async_table_get(&table, 0, 0));
	ck_assert_int_eq(async_table_add(&table, &one, &index[0], &generation[0]), 0);
	ck_assert_int_eq(async_table_add(&table, &two, &index[1], &generation[1]), 0);
	ck_assert_uint_ne(index[0], index[1]);
	ck_assert_uint_eq(async_table_get(&table, index[0], generation[0])->reference[0], 1);
	ck_assert_uint_eq(async_table_get(&table, index[1], generation[1])->reference[7],
			  ~UINT64_C(2));
	ck_assert_ptr_null(async_table_get(&table, index[0], generation[0] + 1));
	ck_assert_ptr_null(async_table_get(&table, index[0], generation[0] - 1));
	ck_assert_ptr_null(async_table_get(&table, 5, 0));
	ck_assert_ptr_null(async_table_get(&table, UINT32_MAX, generation[0]));
	ck_assert(!async_table_remove(&table, index[0], generation[0] + 1, &got));
	ck_assert(async_table_remove(&table, index[0], generation[0], &got));
	ck_assert_uint_eq(got.reference[0], 1);
	ck_assert_ptr_null(async_table_get(&table, index[0], generation[0]));
	ck_assert(!async_table_remove(&table, index[0], generation[0], &got));
	ck_assert(async_table_remove_any(&table, &got));
	ck_assert_uint_eq(got.reference[0], 2);
	ck_assert(!async_table_remove_any(&table, &got));
	async_table_free(&table);
}
END_TEST

START_TEST(an_index_comes_back_with_another_generation)
{
	struct async_table table = {0};
	struct async_registration one = registration(1), two = registration(2), got;
	uint32_t index, generation, again, next;

	ck_assert_int_eq(async_table_add(&table, &one, &index, &generation), 0);
	ck_assert(async_table_remove(&table, index, generation, &got));
	ck_assert_int_eq(async_table_add(&table, &two, &again, &next), 0);
	ck_assert_uint_eq(again, index);
	ck_assert_uint_ne(next, generation);
	ck_assert_ptr_null(async_table_get(&table, index, generation));
	ck_assert(async_table_remove(&table, again, next, &got));
	async_table_free(&table);
}
END_TEST

START_TEST(the_limit_is_the_limit)
{
	static uint32_t index[DEXT_LIMIT_ASYNC], generation[DEXT_LIMIT_ASYNC];
	struct async_table table = {0};
	struct async_registration got;
	uint32_t none = 4242;

	for (uint32_t i = 0; i < DEXT_LIMIT_ASYNC; i++) {
		struct async_registration one = registration(i);

		ck_assert_int_eq(async_table_add(&table, &one, &index[i], &generation[i]), 0);
		ck_assert_uint_lt(index[i], DEXT_LIMIT_ASYNC);
	}
	got = registration(0);
	ck_assert_int_eq(async_table_add(&table, &got, &none, &none), kIOReturnNoResources);
	ck_assert_uint_eq(none, 4242);
	for (uint32_t i = 0; i < DEXT_LIMIT_ASYNC; i++)
		ck_assert_uint_eq(async_table_get(&table, index[i], generation[i])->reference[0],
				  i);
	ck_assert(async_table_remove(&table, index[7], generation[7], &got));
	got = registration(7);
	ck_assert_int_eq(async_table_add(&table, &got, &index[7], &generation[7]), 0);
	while (async_table_remove_any(&table, &got))
		;
	async_table_free(&table);
}
END_TEST

UNIT_MAIN("async_table", a_registration_is_found_by_its_pair_only,
	  an_index_comes_back_with_another_generation, the_limit_is_the_limit)
