/* SPDX-License-Identifier: Apache-2.0 */
#include <CoreFoundation/CFNumber.h>

#include "unit.h"

#include <DriverKit/OSCollections.h>

START_TEST(keeps_every_width_and_sign)
{
	const int64_t values[] = {0,	     1,		-1,	   INT8_MAX,  INT8_MIN, INT16_MAX,
				  INT16_MIN, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		CFNumberRef number = CFNumberCreate(NULL, kCFNumberLongLongType, &values[i]);
		int64_t back = 5;
		int32_t word = 5;
		int16_t half = 5;
		int8_t byte = 5;

		ck_assert(CFNumberGetValue(number, kCFNumberSInt64Type, &back));
		ck_assert_int_eq(back, values[i]);
		ck_assert_int_eq(CFNumberGetValue(number, kCFNumberIntType, &word),
				 values[i] >= INT32_MIN && values[i] <= INT32_MAX);
		ck_assert_int_eq(word, (int32_t)values[i]);
		ck_assert_int_eq(CFNumberGetValue(number, kCFNumberShortType, &half),
				 values[i] >= INT16_MIN && values[i] <= INT16_MAX);
		ck_assert_int_eq(half, (int16_t)values[i]);
		ck_assert_int_eq(CFNumberGetValue(number, kCFNumberCharType, &byte),
				 values[i] >= INT8_MIN && values[i] <= INT8_MAX);
		ck_assert_int_eq(byte, (int8_t)values[i]);
		CFRelease(number);
	}
}
END_TEST

START_TEST(narrow_negatives_stay_negative)
{
	int8_t byte = -2;
	int16_t half = -2;
	int32_t word = -2;
	CFNumberRef numbers[] = {CFNumberCreate(NULL, kCFNumberSInt8Type, &byte),
				 CFNumberCreate(NULL, kCFNumberSInt16Type, &half),
				 CFNumberCreate(NULL, kCFNumberSInt32Type, &word)};

	for (int i = 0; i < 3; i++) {
		CFIndex back = 0;

		ck_assert(CFNumberGetValue(numbers[i], kCFNumberCFIndexType, &back));
		ck_assert_int_eq(back, -2);
		CFRelease(numbers[i]);
	}
}
END_TEST

/* As vendor ids come out of a device's properties. */
START_TEST(a_drivers_number_has_no_sign)
{
	OSNumber *vendor = OSNumberCreate(0xfffe, 16);
	int32_t value = 0;
	int16_t half = 0;

	ck_assert(CFNumberGetValue((CFNumberRef)vendor, kCFNumberSInt32Type, &value));
	ck_assert_int_eq(value, 0xfffe);
	ck_assert(!CFNumberGetValue((CFNumberRef)vendor, kCFNumberSInt16Type, &half));
	ck_assert_int_eq(half, -2);
	OSRelease(vendor);
}
END_TEST

START_TEST(positive_numbers_have_the_width_of_their_type)
{
	int32_t word = 9;
	CFNumberRef number = CFNumberCreate(NULL, kCFNumberSInt32Type, &word);

	ck_assert_uint_eq(OSNumberGetBits((const OSNumber *)number), 32);
	CFRelease(number);
}
END_TEST

START_TEST(refuses_what_is_no_number)
{
	int64_t value = 3;
	CFNumberRef number = CFNumberCreate(NULL, kCFNumberSInt64Type, &value);

	ck_assert_ptr_null(CFNumberCreate(NULL, (CFNumberType)13, &value));
	ck_assert_ptr_null(CFNumberCreate(NULL, kCFNumberIntType, NULL));
	ck_assert(!CFNumberGetValue(number, (CFNumberType)13, &value));
	ck_assert(!CFNumberGetValue(number, kCFNumberIntType, NULL));
	ck_assert(!CFNumberGetValue(NULL, kCFNumberIntType, &value));
	ck_assert(!CFNumberGetValue((CFNumberRef)kCFBooleanTrue, kCFNumberIntType, &value));
	ck_assert_int_eq(value, 3);
	CFRelease(number);
}
END_TEST

START_TEST(booleans_are_the_two)
{
	ck_assert(CFBooleanGetValue(kCFBooleanTrue));
	ck_assert(!CFBooleanGetValue(kCFBooleanFalse));
	ck_assert_ptr_eq((const void *)kCFBooleanTrue, (const void *)kOSBooleanTrue);
	ck_assert_ptr_eq((const void *)kCFBooleanFalse, (const void *)kOSBooleanFalse);
}
END_TEST

UNIT_MAIN("cf_number", keeps_every_width_and_sign, narrow_negatives_stay_negative,
	  a_drivers_number_has_no_sign, positive_numbers_have_the_width_of_their_type,
	  refuses_what_is_no_number, booleans_are_the_two)
