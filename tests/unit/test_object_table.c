/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "names.h"
#include "object_table.h"

START_TEST(a_service_is_one_name_with_many_references)
{
	struct connection *connection;
	io_object_t one, again, other;
	uint64_t id = 0;

	ck_assert_int_eq(object_add_service(7, &one), 0);
	ck_assert_int_eq(object_add_service(7, &again), 0);
	ck_assert_int_eq(object_add_service(8, &other), 0);
	ck_assert_uint_eq(one, again);
	ck_assert_uint_ne(one, other);
	ck_assert_uint_ne(one, 0);
	ck_assert_uint_eq(name_kind_of(one), NAME_OBJECT);
	ck_assert(object_get_service(one, &id));
	ck_assert_uint_eq(id, 7);
	ck_assert(object_retain(one));
	for (unsigned i = 0; i < 3; i++)
		ck_assert(object_release(one, &connection));
	ck_assert(!object_get_service(one, &id));
	ck_assert(!object_release(one, &connection));
	ck_assert(!object_retain(one));
	ck_assert(object_get_service(other, &id));
	ck_assert_uint_eq(id, 8);
	ck_assert(object_release(other, &connection));
	ck_assert_ptr_null(connection);
}
END_TEST

START_TEST(a_name_that_was_released_is_not_given_again_at_once)
{
	struct connection *connection;
	io_object_t one, next;

	ck_assert_int_eq(object_add_service(1, &one), 0);
	ck_assert(object_release(one, &connection));
	ck_assert_int_eq(object_add_service(2, &next), 0);
	ck_assert_uint_ne(one, next);
	ck_assert(!object_retain(one));
	ck_assert(object_release(next, &connection));
}
END_TEST

START_TEST(what_is_no_name_is_none)
{
	static const io_object_t wrong[] = {
		0, 1, 2, 3, NAME_TASK_SELF, UINT32_MAX, 0x80000001u, 0x103u,
	};
	struct connection *connection;
	io_object_t one;
	uint64_t id;

	ck_assert_int_eq(object_add_service(1, &one), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		ck_assert(!object_get_service(wrong[i], &id));
		ck_assert(!object_retain(wrong[i]));
		ck_assert_ptr_null(object_copy_connection(wrong[i]));
	}
	ck_assert_ptr_null(object_copy_connection(one)); /* a service is no connection */
	ck_assert(object_release(one, &connection));
}
END_TEST

START_TEST(many_names)
{
	enum { COUNT = 5000 };
	static io_object_t names[COUNT];
	struct connection *connection;
	uint64_t id;

	for (uint64_t i = 0; i < COUNT; i++)
		ck_assert_int_eq(object_add_service(i + 1, &names[i]), 0);
	for (uint64_t i = 0; i < COUNT; i++) {
		ck_assert(object_get_service(names[i], &id));
		ck_assert_uint_eq(id, i + 1);
	}
	/* In an order of their own, and what is left is still found by its id. */
	for (uint64_t i = 0; i < COUNT; i += 3)
		ck_assert(object_release(names[i], &connection));
	for (uint64_t i = 0; i < COUNT; i++) {
		io_object_t name;

		ck_assert_int_eq(object_add_service(i + 1, &name), 0);
		ck_assert(i % 3 == 0 ? name != names[i] : name == names[i]);
		ck_assert(object_release(name, &connection));
	}
	for (uint64_t i = 0; i < COUNT; i++)
		ck_assert(object_release(names[i], &connection) == (i % 3 != 0));
}
END_TEST

UNIT_MAIN("object_table", a_service_is_one_name_with_many_references,
	  a_name_that_was_released_is_not_given_again_at_once, what_is_no_name_is_none, many_names)
