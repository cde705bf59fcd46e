/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "clock.h"
#include "connection.h"
#include "iterator.h"
#include "names.h"
#include "object_table.h"

#define CALLERS 3u
#define ROUNDS	2000u /* or as many as there is time for */
#define TIME	(2 * NSEC_PER_SEC)

/* Its memory stays, so that a call that comes too late sees that it does. */
struct connection {
	_Atomic int references;
	_Atomic unsigned ends;
};

void
connection_retain(struct connection *connection)
{
	atomic_fetch_add(&connection->references, 1);
}

void
connection_release(struct connection *connection)
{
	if (atomic_fetch_sub(&connection->references, 1) == 1)
		atomic_fetch_add(&connection->ends, 1);
}

void
iterator_retain(struct iterator *iterator)
{
}

void
iterator_release(struct iterator *iterator)
{
}

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
		ck_assert_ptr_null(object_enter(wrong[i]));
	}
	ck_assert_ptr_null(object_enter(one));
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

START_TEST(a_connection_stays_until_the_last_call_has_left)
{
	struct connection one = {.references = 1}, other = {.references = 1}, *closed;
	io_object_t name, next;

	ck_assert_int_eq(object_add_connection_take(&one, &name), 0);
	ck_assert_ptr_eq(object_enter(name), &one);
	ck_assert_ptr_eq(object_enter(name), &one);
	object_leave(name);
	ck_assert(object_release(name, &closed));
	ck_assert_ptr_eq(closed, &one);
	connection_release(closed);
	/* No new call comes to it, and its place is not given away. */
	ck_assert_ptr_null(object_enter(name));
	ck_assert_ptr_null(object_copy_connection(name));
	ck_assert_int_eq(object_add_connection_take(&other, &next), 0);
	ck_assert_ptr_eq(object_enter(next), &other);
	ck_assert_uint_eq(atomic_load(&one.ends), 0);
	object_leave(name);
	ck_assert_uint_eq(atomic_load(&one.ends), 1);
	ck_assert_uint_eq(atomic_load(&other.ends), 0);
	object_leave(next);
	ck_assert(object_release(next, &closed));
	ck_assert_uint_eq(atomic_load(&other.ends), 0);
	connection_release(closed);
	ck_assert_uint_eq(atomic_load(&other.ends), 1);
}
END_TEST

static struct connection made[ROUNDS];
static _Atomic io_object_t latest;
static _Atomic unsigned calls;

static void *
call_again_and_again(void *argument)
{
	io_object_t name;

	while ((name = atomic_load(&latest)) != UINT32_MAX) {
		struct connection *connection = object_enter(name);

		if (connection == NULL)
			continue;
		if (atomic_load(&connection->ends) != 0)
			abort();
		object_leave(name);
		atomic_fetch_add(&calls, 1);
	}
	return NULL;
}

START_TEST(each_connection_ends_once_and_after_its_calls)
{
	pthread_t threads[CALLERS];
	uint64_t end = clock_now() + TIME;
	struct connection *closed;
	unsigned rounds = 0;

	for (unsigned i = 0; i < CALLERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, call_again_and_again, NULL), 0);
	for (; rounds < ROUNDS && clock_now() < end; rounds++) {
		unsigned before = atomic_load(&calls);
		io_object_t name;

		atomic_init(&made[rounds].references, 1);
		ck_assert_int_eq(object_add_connection_take(&made[rounds], &name), 0);
		atomic_store(&latest, name);
		while (atomic_load(&calls) == before)
			sched_yield();
		ck_assert(object_release(name, &closed));
		ck_assert_ptr_eq(closed, &made[rounds]);
		connection_release(closed);
	}
	atomic_store(&latest, UINT32_MAX);
	for (unsigned i = 0; i < CALLERS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < rounds; i++)
		ck_assert_uint_eq(atomic_load(&made[i].ends), 1);
}
END_TEST

UNIT_MAIN("object_table", a_service_is_one_name_with_many_references,
	  a_name_that_was_released_is_not_given_again_at_once, what_is_no_name_is_none, many_names,
	  a_connection_stays_until_the_last_call_has_left,
	  each_connection_ends_once_and_after_its_calls)
