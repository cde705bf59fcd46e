/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <DriverKit/OSString.h>

START_TEST(a_string_is_a_copy)
{
	char text[] = "caf\xc3\xa9";
	OSString *string = OSStringCreateWithCString(text);

	text[0] = 'x';
	ck_assert_str_eq(OSStringGetCStringPtr(string), "caf\xc3\xa9");
	ck_assert_uint_eq(OSStringGetLength(string), 5);
	ck_assert(OSStringIsEqualToCString(string, "caf\xc3\xa9"));
	ck_assert(!OSStringIsEqualToCString(string, "cafe"));
	ck_assert(!OSStringIsEqualToCString(string, NULL));
	OSRelease(string);
}
END_TEST

START_TEST(a_length_cuts_and_a_nul_ends)
{
	OSString *cut = OSStringCreate("abcdef", 3), *ended = OSStringCreate("ab\0def", 6);
	OSString *empty = OSStringCreate("", 0);

	ck_assert_str_eq(OSStringGetCStringPtr(cut), "abc");
	ck_assert_uint_eq(OSStringGetLength(ended), 2);
	ck_assert_uint_eq(OSStringGetLength(empty), 0);
	ck_assert_str_eq(OSStringGetCStringPtr(empty), "");
	OSRelease(cut);
	OSRelease(ended);
	OSRelease(empty);
}
END_TEST

START_TEST(null_is_no_string)
{
	ck_assert_ptr_null(OSStringCreate(NULL, 0));
	ck_assert_ptr_null(OSStringCreateWithCString(NULL));
	ck_assert_ptr_null(OSStringGetCStringPtr(NULL));
	ck_assert_uint_eq(OSStringGetLength(NULL), 0);
	ck_assert(!OSStringIsEqualToCString(NULL, ""));
}
END_TEST

UNIT_MAIN("os_string", a_string_is_a_copy, a_length_cuts_and_a_nul_ends, null_is_no_string)
