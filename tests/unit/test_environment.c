/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "environment.h"

#include <stdio.h>

START_TEST(unset_and_empty_are_none)
{
	unsetenv("OPENDEXT_RUNTIME_DIR");
	ck_assert_ptr_null(environment_runtime_dir());
	setenv("OPENDEXT_RUNTIME_DIR", "", 1);
	ck_assert_ptr_null(environment_runtime_dir());
	setenv("OPENDEXT_RUNTIME_DIR", "/somewhere", 1);
	ck_assert_str_eq(environment_runtime_dir(), "/somewhere");
	setenv("XDG_RUNTIME_DIR", "/else", 1);
	ck_assert_str_eq(environment_user_runtime_dir(), "/else");
	setenv("NOTIFY_SOCKET", "@some", 1);
	ck_assert_str_eq(environment_notify_socket(), "@some");
	setenv("OPENDEXT_LOG", "debug", 1);
	ck_assert_str_eq(environment_log(), "debug");
}
END_TEST

static unsigned
descriptors(const char *pid, const char *count, const char *names)
{
	const char *got = NULL;
	unsigned found;

	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", count, 1);
	setenv("LISTEN_FDNAMES", names, 1);
	found = environment_descriptors(&got);
	if (found > 0)
		ck_assert_str_eq(got, names);
	return found;
}

START_TEST(descriptors_are_for_one_process)
{
	char own[16], other[16];

	snprintf(own, sizeof(own), "%d", (int)getpid());
	snprintf(other, sizeof(other), "%d", (int)getppid());
	ck_assert_uint_eq(descriptors(own, "3", "a:b:c"), 3);
	ck_assert_uint_eq(descriptors(own, "3", ""), 3);
	ck_assert_uint_eq(descriptors(other, "3", "a:b:c"), 0);
	ck_assert_uint_eq(descriptors("", "3", "a:b:c"), 0);
	ck_assert_uint_eq(descriptors(own, "", "a:b:c"), 0);
	ck_assert_uint_eq(descriptors(own, "3x", "a:b:c"), 0);
	ck_assert_uint_eq(descriptors(own, "-1", "a"), 0);
	ck_assert_uint_eq(descriptors(own, "65536", "a"), 65536);
	ck_assert_uint_eq(descriptors(own, "65537", "a"), 0);
}
END_TEST

UNIT_MAIN("environment", unset_and_empty_are_none, descriptors_are_for_one_process)
