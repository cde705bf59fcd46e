/* SPDX-License-Identifier: Apache-2.0 */
#include <CoreFoundation/CFData.h>

#include "unit.h"

START_TEST(copies_and_grows)
{
	UInt8 bytes[] = {1, 2, 3};
	CFDataRef data = CFDataCreate(NULL, bytes, 3);
	CFMutableDataRef grown = CFDataCreateMutable(NULL, 0);

	bytes[0] = 9;
	ck_assert_int_eq(CFDataGetLength(data), 3);
	ck_assert_uint_eq(CFDataGetBytePtr(data)[0], 1);
	ck_assert_int_eq(CFDataGetLength(grown), 0);
	CFDataAppendBytes(grown, bytes, 3);
	CFDataAppendBytes(grown, bytes, 2);
	CFDataAppendBytes(grown, bytes, -1);
	ck_assert_int_eq(CFDataGetLength(grown), 5);
	ck_assert_uint_eq(CFDataGetBytePtr(grown)[3], 9);
	CFRelease(data);
	CFRelease(grown);
}
END_TEST

START_TEST(gives_out_ranges_that_exist)
{
	const UInt8 bytes[] = {1, 2, 3, 4};
	CFDataRef data = CFDataCreate(NULL, bytes, 4);
	UInt8 buffer[4] = {0};

	CFDataGetBytes(data, CFRangeMake(1, 2), buffer);
	ck_assert_uint_eq(buffer[0], 2);
	ck_assert_uint_eq(buffer[1], 3);
	ck_assert_uint_eq(buffer[2], 0);
	memset(buffer, 0, sizeof(buffer));
	CFDataGetBytes(data, CFRangeMake(4, 0), buffer);
	CFDataGetBytes(data, CFRangeMake(3, 2), buffer);
	CFDataGetBytes(data, CFRangeMake(-1, 2), buffer);
	CFDataGetBytes(data, CFRangeMake(1, -1), buffer);
	CFDataGetBytes(data, CFRangeMake(INTPTR_MAX, INTPTR_MAX), buffer);
	ck_assert_uint_eq(buffer[0], 0);
	CFRelease(data);
}
END_TEST

START_TEST(refuses_bad_lengths)
{
	ck_assert_ptr_null(CFDataCreate(NULL, NULL, -1));
	ck_assert_ptr_null(CFDataCreate(NULL, NULL, 1));
	ck_assert_ptr_null(CFDataCreateMutable(NULL, 10));
}
END_TEST

START_TEST(length_is_set)
{
	CFDataRef data = CFDataCreate(NULL, (const UInt8 *)"abc", 3);
	CFMutableDataRef copy = CFDataCreateMutableCopy(NULL, 0, data);

	CFDataGetMutableBytePtr(copy)[0] = 'A';
	CFDataSetLength(copy, 2);
	CFDataIncreaseLength(copy, 1000);
	CFDataIncreaseLength(copy, -1);
	CFDataSetLength(copy, -1);
	ck_assert_int_eq(CFDataGetLength(copy), 1002);
	ck_assert_mem_eq(CFDataGetBytePtr(copy), "Ab", 3);
	ck_assert_uint_eq(CFDataGetBytePtr(copy)[1001], 0);
	ck_assert_mem_eq(CFDataGetBytePtr(data), "abc", 3);
	CFRelease(data);
	CFRelease(copy);
}
END_TEST

UNIT_MAIN("cf_data", length_is_set, copies_and_grows, gives_out_ranges_that_exist,
	  refuses_bad_lengths)
