/* SPDX-License-Identifier: Apache-2.0 */
#include <CoreFoundation/CoreFoundation.h>

#include "unit.h"

#include <limits.h>

#include <DriverKit/OSCollections.h>

START_TEST(both_names_are_one_object)
{
	OSNumber *number = OSNumberCreate(7, 32);

	ck_assert_uint_eq(CFGetTypeID(number), CFNumberGetTypeID());
	ck_assert_ptr_eq(CFRetain(number), number);
	OSRelease(number);
	CFRelease(number);
	CFRelease(NULL);
	ck_assert_ptr_null(CFRetain(NULL));
	ck_assert_uint_eq(CFGetTypeID(NULL), 0);
}
END_TEST

START_TEST(types_differ)
{
	const CFTypeID ids[] = {CFStringGetTypeID(), CFNumberGetTypeID(), CFBooleanGetTypeID(),
				CFDataGetTypeID(),   CFArrayGetTypeID(),  CFDictionaryGetTypeID()};

	for (size_t i = 0; i < 6; i++)
		for (size_t k = 0; k < i; k++)
			ck_assert_uint_ne(ids[i], ids[k]);
	ck_assert_uint_eq(CFGetTypeID(kCFBooleanTrue), CFBooleanGetTypeID());
	ck_assert_uint_eq(CFGetTypeID(CFSTR("x")), CFStringGetTypeID());
}
END_TEST

START_TEST(equality_is_of_values)
{
	int16_t small = 5;
	int64_t large = 5;
	CFNumberRef one = CFNumberCreate(NULL, kCFNumberSInt16Type, &small);
	CFNumberRef other = CFNumberCreate(NULL, kCFNumberSInt64Type, &large);

	ck_assert(CFEqual(one, other));
	ck_assert(!CFEqual(one, CFSTR("5")));
	ck_assert(!CFEqual(one, NULL));
	CFRelease(one);
	CFRelease(other);
}
END_TEST

START_TEST(equal_values_hash_alike)
{
	CFStringRef string = CFStringCreateWithCString(NULL, "same", kCFStringEncodingUTF8);
	UInt8 bytes[] = {1, 2, 3};
	CFDataRef one = CFDataCreate(NULL, bytes, 3), other = CFDataCreate(NULL, bytes, 3);
	CFDateRef a = CFDateCreate(NULL, 0.0), b = CFDateCreate(NULL, -0.0);

	ck_assert_uint_eq(CFHash(string), CFHash(CFSTR("same")));
	ck_assert_uint_ne(CFHash(string), CFHash(CFSTR("Same")));
	ck_assert_uint_eq(CFHash(one), CFHash(other));
	ck_assert(CFEqual(a, b) && CFHash(a) == CFHash(b));
	CFRelease(string);
	CFRelease(one);
	CFRelease(other);
	CFRelease(a);
	CFRelease(b);
}
END_TEST

START_TEST(counts_references)
{
	CFDateRef date = CFDateCreate(NULL, 1);

	ck_assert_int_eq(CFGetRetainCount(date), 1);
	CFRetain(date);
	ck_assert_int_eq(CFGetRetainCount(date), 2);
	CFRelease(date);
	CFRelease(date);
	ck_assert_int_eq(CFGetRetainCount(CFSTR("x")), LONG_MAX);
	ck_assert_int_eq(CFGetRetainCount(kCFNull), LONG_MAX);
	ck_assert_int_eq(CFGetRetainCount(NULL), 0);
	ck_assert_uint_eq(CFGetTypeID(kCFNull), CFNullGetTypeID());
}
END_TEST

UNIT_MAIN("cf_base", equal_values_hash_alike, counts_references, both_names_are_one_object,
	  types_differ, equality_is_of_values)
