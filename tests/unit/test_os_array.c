/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "object.h"

#include <DriverKit/OSArray.h>

START_TEST(values_are_retained_in_order)
{
	OSArray *array = OSArrayCreate(0);
	OSNumber *kept = NULL;

	for (uint64_t i = 0; i < 1000; i++) {
		OSNumber *number = OSNumberCreateWithUInt64Value(i);

		ck_assert(OSArrayAppendValue(array, number));
		OSRelease(number);
	}
	ck_assert_uint_eq(OSArrayGetCount(array), 1000);
	for (uint32_t i = 0; i < 1000; i++)
		ck_assert_uint_eq(
			OSNumberGetUInt64Value(OSDynamicCast(OSNumber, OSArrayGetValue(array, i))),
			i);
	kept = (OSNumber *)OSArrayGetValue(array, 999);
	OSRetain(kept);
	OSRelease(array);
	ck_assert_uint_eq(OSNumberGetUInt64Value(kept), 999);
	OSRelease(kept);
}
END_TEST

START_TEST(outside_and_null)
{
	OSArray *array = OSArrayCreate(UINT32_MAX); /* a hint, no demand */

	ck_assert_ptr_nonnull(array);
	ck_assert_ptr_null(OSArrayGetValue(array, 0));
	ck_assert(!OSArrayAppendValue(array, NULL));
	ck_assert(!OSArrayAppendValue(NULL, array));
	ck_assert(OSArrayAppendValue(array, kOSBooleanTrue));
	ck_assert_ptr_null(OSArrayGetValue(array, 1));
	ck_assert_ptr_null(OSArrayGetValue(array, UINT32_MAX));
	ck_assert_ptr_null(OSArrayGetValue(NULL, 0));
	ck_assert_uint_eq(OSArrayGetCount(NULL), 0);
	OSRelease(array);
}
END_TEST

UNIT_MAIN("os_array", values_are_retained_in_order, outside_and_null)
