/* SPDX-License-Identifier: Apache-2.0 */
#include "port_table.h"

#include "fake_connection.h"
#include "names.h"

START_TEST(finds_a_port_by_its_name_until_it_is_closed)
{
	struct port *port = fake_port(), *found;
	mach_port_t name = port_name(port);

	ck_assert_uint_eq(name_kind_of(name), NAME_PORT);
	ck_assert(MACH_PORT_VALID(name));
	found = port_table_copy(name);
	ck_assert_ptr_eq(found, port);
	port_release(found);
	ck_assert(port_table_remove(name));
	ck_assert(!port_table_remove(name));
	ck_assert_ptr_null(port_table_copy(name));
	port_release(port);
}
END_TEST

START_TEST(knows_no_other_names)
{
	struct port *port = fake_port();
	mach_port_t name = port_name(port);

	ck_assert_ptr_null(port_table_copy(MACH_PORT_NULL));
	ck_assert_ptr_null(port_table_copy(MACH_PORT_DEAD));
	for (unsigned bit = 0; bit < 32; bit++)
		ck_assert_ptr_null(port_table_copy(name ^ 1u << bit));
	fake_port_end(port);
}
END_TEST

START_TEST(a_stale_name_stays_stale)
{
	mach_port_t stale;
	struct port *port = fake_port();

	stale = port_name(port);
	fake_port_end(port);
	for (int i = 0; i < 200; i++) {
		port = fake_port();
		ck_assert_uint_ne(port_name(port), stale);
		ck_assert_ptr_null(port_table_copy(stale));
		fake_port_end(port);
	}
}
END_TEST

START_TEST(many_ports_have_different_names)
{
	struct port *ports[100];

	for (int i = 0; i < 100; i++)
		ports[i] = fake_port();
	for (int i = 0; i < 100; i++) {
		struct port *found = port_table_copy(port_name(ports[i]));

		ck_assert_ptr_eq(found, ports[i]);
		port_release(found);
	}
	for (int i = 0; i < 100; i++)
		fake_port_end(ports[i]);
}
END_TEST

static void *
make_and_end(void *context)
{
	for (int i = 0; i < 300; i++) {
		struct port *port = fake_port();
		struct port *found = port_table_copy(port_name(port));

		ck_assert_ptr_eq(found, port);
		port_release(found);
		fake_port_end(port);
	}
	return NULL;
}

START_TEST(threads_make_and_end_ports)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, make_and_end, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}
END_TEST

UNIT_MAIN("port_table", finds_a_port_by_its_name_until_it_is_closed, knows_no_other_names,
	  a_stale_name_stays_stale, many_ports_have_different_names, threads_make_and_end_ports)
