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

/* As location ids do, which programs read into a UInt32. */
START_TEST(a_drivers_32_bits_are_an_sint32)
{
	OSNumber *location = OSNumberCreate(0x80100000, 32);
	int64_t big = 0x80100000, whole = 0;
	CFNumberRef own = CFNumberCreate(NULL, kCFNumberSInt64Type, &big);
	uint32_t word = 0;
	int16_t half = 0;

	ck_assert(CFNumberGetValue((CFNumberRef)location, kCFNumberSInt32Type, &word));
	ck_assert_uint_eq(word, 0x80100000);
	ck_assert(CFNumberGetValue((CFNumberRef)location, kCFNumberSInt64Type, &whole));
	ck_assert_int_eq(whole, 0x80100000);
	ck_assert(!CFNumberGetValue((CFNumberRef)location, kCFNumberSInt16Type, &half));
	/* An app's own number of 64 bits has a sign to lose. */
	ck_assert(!CFNumberGetValue(own, kCFNumberSInt32Type, &word));
	CFRelease(own);
	OSRelease(location);
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

	ck_assert_ptr_null(CFNumberCreate(NULL, (CFNumberType)17, &value));
	ck_assert_ptr_null(CFNumberCreate(NULL, kCFNumberIntType, NULL));
	ck_assert(!CFNumberGetValue(number, (CFNumberType)17, &value));
	ck_assert(!CFNumberGetValue(number, kCFNumberIntType, NULL));
	ck_assert(!CFNumberGetValue(NULL, kCFNumberIntType, &value));
	ck_assert(!CFNumberGetValue((CFNumberRef)kCFBooleanTrue, kCFNumberIntType, &value));
	ck_assert_int_eq(value, 3);
	CFRelease(number);
}
END_TEST

START_TEST(keeps_reals)
{
	float single = 0.1f, back_single = 0;
	double real = 2.5, back = 0;
	CFNumberRef a = CFNumberCreate(NULL, kCFNumberFloatType, &single);
	CFNumberRef b = CFNumberCreate(NULL, kCFNumberDoubleType, &real);
	int32_t word = 0;

	ck_assert(CFNumberIsFloatType(a) && CFNumberIsFloatType(b));
	ck_assert_int_eq(CFNumberGetType(a), kCFNumberFloat32Type);
	ck_assert_int_eq(CFNumberGetByteSize(b), 8);
	ck_assert(CFNumberGetValue(a, kCFNumberFloat32Type, &back_single));
	ck_assert_float_eq(back_single, single);
	ck_assert(CFNumberGetValue(b, kCFNumberFloat64Type, &back));
	ck_assert_double_eq(back, 2.5);
	ck_assert(!CFNumberGetValue(b, kCFNumberSInt32Type, &word));
	ck_assert_int_eq(word, 2);
	ck_assert_uint_eq(OSNumberGetUInt64Value((const OSNumber *)b), 2);
	CFRelease(a);
	real = 0.1;
	a = CFNumberCreate(NULL, kCFNumberFloat64Type, &real);
	ck_assert(!CFNumberGetValue(a, kCFNumberFloatType, &back_single));
	CFRelease(a);
	CFRelease(b);
}
END_TEST

START_TEST(reals_past_the_bounds_become_the_bounds)
{
	const struct {
		double real;
		int8_t byte;
		int64_t whole;
		bool exact;
	} cases[] = {{127, 127, 127, true},
		     {128, 127, 128, true},
		     {-129, -128, -129, true},
		     {1e300, 127, INT64_MAX, false},
		     {9223372036854775808.0, 127, INT64_MAX, false},
		     {-9223372036854775808.0, -128, INT64_MIN, true},
		     {-1e300, -128, INT64_MIN, false},
		     {__builtin_nan(""), 0, 0, false}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CFNumberRef number = CFNumberCreate(NULL, kCFNumberDoubleType, &cases[i].real);
		int64_t whole = 5;
		int8_t byte = 5;

		ck_assert_int_eq(CFNumberGetValue(number, kCFNumberSInt64Type, &whole),
				 cases[i].exact);
		ck_assert_int_eq(whole, cases[i].whole);
		ck_assert_int_eq(CFNumberGetValue(number, kCFNumberSInt8Type, &byte), i == 0);
		ck_assert_int_eq(byte, cases[i].byte);
		CFRelease(number);
	}
}
END_TEST

START_TEST(compares_by_value)
{
	int64_t five = 5, large = INT64_MAX, minus = -1;
	double real = 5.0, half = 5.5, beyond = 9223372036854775808.0;
	CFNumberRef a = CFNumberCreate(NULL, kCFNumberSInt64Type, &five);
	CFNumberRef b = CFNumberCreate(NULL, kCFNumberDoubleType, &real);
	CFNumberRef c = CFNumberCreate(NULL, kCFNumberDoubleType, &half);
	CFNumberRef d = CFNumberCreate(NULL, kCFNumberSInt64Type, &large);
	CFNumberRef e = CFNumberCreate(NULL, kCFNumberDoubleType, &beyond);
	CFNumberRef f = CFNumberCreate(NULL, kCFNumberSInt64Type, &minus);

	ck_assert(CFEqual(a, b) && CFHash(a) == CFHash(b));
	ck_assert(!CFEqual(a, c));
	ck_assert_int_eq(CFNumberCompare(a, c, NULL), kCFCompareLessThan);
	ck_assert_int_eq(CFNumberCompare(c, a, NULL), kCFCompareGreaterThan);
	ck_assert_int_eq(CFNumberCompare(a, b, NULL), kCFCompareEqualTo);
	ck_assert_int_eq(CFNumberCompare(d, e, NULL), kCFCompareLessThan); /* not as doubles */
	ck_assert_int_eq(CFNumberCompare(f, a, NULL), kCFCompareLessThan);
	CFRelease(a);
	CFRelease(b);
	CFRelease(c);
	CFRelease(d);
	CFRelease(e);
	CFRelease(f);
}
END_TEST

START_TEST(its_type_can_hold_it)
{
	OSNumber *narrow = OSNumberCreate(0x7f, 8), *vendor = OSNumberCreate(0xfffe, 16);
	OSNumber *odd = OSNumberCreate(1, 17), *wide = OSNumberCreate(1, 64);

	ck_assert_int_eq(CFNumberGetType((CFNumberRef)narrow), kCFNumberSInt8Type);
	ck_assert_int_eq(CFNumberGetType((CFNumberRef)vendor), kCFNumberSInt32Type);
	ck_assert_int_eq(CFNumberGetType((CFNumberRef)odd), kCFNumberSInt32Type);
	ck_assert_int_eq(CFNumberGetType((CFNumberRef)wide), kCFNumberSInt64Type);
	ck_assert_int_eq(CFNumberGetType(NULL), 0);
	OSRelease(narrow);
	OSRelease(vendor);
	OSRelease(odd);
	OSRelease(wide);
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

UNIT_MAIN("cf_number", a_drivers_32_bits_are_an_sint32, keeps_every_width_and_sign,
	  narrow_negatives_stay_negative, a_drivers_number_has_no_sign,
	  positive_numbers_have_the_width_of_their_type, refuses_what_is_no_number, keeps_reals,
	  reals_past_the_bounds_become_the_bounds, compares_by_value, its_type_can_hold_it,
	  booleans_are_the_two)
