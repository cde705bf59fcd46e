/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <DriverKit/OSData.h>

START_TEST(bytes_are_copied_and_grow)
{
	char bytes[] = {1, 0, 3};
	OSData *data = OSDataCreate(bytes, 3);

	bytes[0] = 9;
	for (int i = 0; i < 1000; i++)
		ck_assert(OSDataAppendBytes(data, "\7\10", 2));
	ck_assert_uint_eq(OSDataGetLength(data), 2003);
	ck_assert_mem_eq(OSDataGetBytesPtr(data), "\1\0\3\7\10", 5);
	ck_assert_mem_eq((const char *)OSDataGetBytesPtr(data) + 2001, "\7\10", 2);
	OSRelease(data);
}
END_TEST

START_TEST(empty_and_null)
{
	OSData *data = OSDataCreate(NULL, 0);

	ck_assert_ptr_nonnull(data);
	ck_assert_uint_eq(OSDataGetLength(data), 0);
	ck_assert(OSDataAppendBytes(data, NULL, 0));
	ck_assert(!OSDataAppendBytes(data, NULL, 1));
	ck_assert(!OSDataAppendBytes(data, "x", SIZE_MAX - 10));
	ck_assert(!OSDataAppendBytes(NULL, "x", 1));
	ck_assert_ptr_null(OSDataCreate(NULL, 1));
	ck_assert_ptr_null(OSDataGetBytesPtr(NULL));
	ck_assert_uint_eq(OSDataGetLength(NULL), 0);
	OSRelease(data);
}
END_TEST

UNIT_MAIN("os_data", bytes_are_copied_and_grow, empty_and_null)
