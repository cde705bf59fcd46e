/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <DriverKit/OSNumber.h>

START_TEST(only_the_bits_count)
{
	static const struct {
		uint64_t value;
		uint32_t bits;
		uint64_t expected;
	} cases[] = {{0x1ff, 8, 0xff},
		     {UINT64_MAX, 64, UINT64_MAX},
		     {UINT64_MAX, 1, 1},
		     {UINT64_MAX, 63, INT64_MAX},
		     {(uint64_t)-1, 32, UINT32_MAX},
		     {5, 3, 5}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		OSNumber *number = OSNumberCreate(cases[i].value, cases[i].bits);

		ck_assert_uint_eq(OSNumberGetUInt64Value(number), cases[i].expected);
		ck_assert_uint_eq(OSNumberGetBits(number), cases[i].bits);
		OSRelease(number);
	}
}
END_TEST

START_TEST(widths_that_are_none)
{
	OSNumber *number = OSNumberCreateWithUInt64Value(UINT64_MAX);

	ck_assert_ptr_null(OSNumberCreate(1, 0));
	ck_assert_ptr_null(OSNumberCreate(1, 65));
	ck_assert_uint_eq(OSNumberGetUInt64Value(number), UINT64_MAX);
	ck_assert_uint_eq(OSNumberGetUInt64Value(NULL), 0);
	ck_assert_uint_eq(OSNumberGetBits(NULL), 0);
	OSRelease(number);
}
END_TEST

UNIT_MAIN("os_number", only_the_bits_count, widths_that_are_none)
