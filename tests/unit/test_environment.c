/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "environment.h"

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

UNIT_MAIN("environment", unset_and_empty_are_none)
