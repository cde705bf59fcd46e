/* SPDX-License-Identifier: Apache-2.0 */
#include <CoreFoundation/CoreFoundation.h>

#include "unit.h"

START_TEST(is_written_and_read)
{
	CFStringRef text = CFSTR("68753A44-4d6f-1226-9C60-0050E4C00067"), back;
	CFUUIDRef uuid = CFUUIDCreateFromString(NULL, text), same;

	ck_assert_uint_eq(CFUUIDGetUUIDBytes(uuid).byte0, 0x68);
	ck_assert_uint_eq(CFUUIDGetUUIDBytes(uuid).byte15, 0x67);
	back = CFUUIDCreateString(NULL, uuid);
	ck_assert_int_eq(CFStringCompare(back, text, kCFCompareCaseInsensitive), kCFCompareEqualTo);
	same = CFUUIDCreateFromUUIDBytes(NULL, CFUUIDGetUUIDBytes(uuid));
	ck_assert(CFEqual(uuid, same) && CFHash(uuid) == CFHash(same));
	ck_assert_uint_eq(CFGetTypeID(uuid), CFUUIDGetTypeID());
	CFRelease(back);
	CFRelease(uuid);
	CFRelease(same);
	ck_assert_ptr_null(CFUUIDCreateFromString(NULL, CFSTR("68753A44")));
	ck_assert_ptr_null(
		CFUUIDCreateFromString(NULL, CFSTR("68753A44-4D6F-1226-9C60-0050E4C0006g")));
	ck_assert_ptr_null(
		CFUUIDCreateFromString(NULL, CFSTR("68753A44+4D6F-1226-9C60-0050E4C00067")));
}
END_TEST

START_TEST(each_is_another)
{
	CFUUIDRef one = CFUUIDCreate(NULL), other = CFUUIDCreate(NULL);

	ck_assert(!CFEqual(one, other));
	ck_assert_uint_eq(CFUUIDGetUUIDBytes(one).byte6 >> 4, 4);
	CFRelease(one);
	CFRelease(other);
}
END_TEST

#define CONSTANT(last)                                                                          \
	CFUUIDGetConstantUUIDWithBytes(NULL, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, \
				       last)

START_TEST(constants_are_one)
{
	CFUUIDRef one = CONSTANT(1);

	ck_assert_ptr_eq(CONSTANT(1), one);
	ck_assert_ptr_ne(CONSTANT(2), one);
	CFRelease(one); /* wrong, and harmless */
	CFRelease(one);
	ck_assert_uint_eq(CFUUIDGetUUIDBytes(one).byte0, 1);
}
END_TEST

UNIT_MAIN("cf_uuid", is_written_and_read, each_is_another, constants_are_one)
