/* SPDX-License-Identifier: Apache-2.0 */
#include <CoreFoundation/CoreFoundation.h>

#include "unit.h"

START_TEST(holds_its_values)
{
	CFMutableArrayRef array = CFArrayCreateMutable(NULL, 0, &kCFTypeArrayCallBacks);
	int value = 4;
	CFNumberRef number = CFNumberCreate(NULL, kCFNumberIntType, &value);

	CFArrayAppendValue(array, number);
	CFArrayAppendValue(array, CFSTR("two"));
	CFRelease(number); /* the array has its own reference */
	value = 0;
	ck_assert_int_eq(CFArrayGetCount(array), 2);
	ck_assert(CFNumberGetValue(CFArrayGetValueAtIndex(array, 0), kCFNumberIntType, &value));
	ck_assert_int_eq(value, 4);
	ck_assert_ptr_eq(CFArrayGetValueAtIndex(array, 1), CFSTR("two"));
	ck_assert_ptr_null(CFArrayGetValueAtIndex(array, 2));
	ck_assert_ptr_null(CFArrayGetValueAtIndex(array, -1));
	CFRelease(array);
}
END_TEST

START_TEST(is_made_of_values)
{
	const void *values[] = {CFSTR("a"), CFSTR("b")};
	CFArrayRef array = CFArrayCreate(NULL, values, 2, &kCFTypeArrayCallBacks);

	ck_assert_int_eq(CFArrayGetCount(array), 2);
	ck_assert_ptr_eq(CFArrayGetValueAtIndex(array, 1), CFSTR("b"));
	CFRelease(array);
	values[1] = NULL;
	ck_assert_ptr_null(CFArrayCreate(NULL, values, 2, &kCFTypeArrayCallBacks));
}
END_TEST

START_TEST(holds_objects_only)
{
	ck_assert_ptr_null(CFArrayCreateMutable(NULL, 0, NULL));
	ck_assert_ptr_null(CFArrayCreateMutable(NULL, -1, &kCFTypeArrayCallBacks));
}
END_TEST

UNIT_MAIN("cf_array", holds_its_values, is_made_of_values, holds_objects_only)
