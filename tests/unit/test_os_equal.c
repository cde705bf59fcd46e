/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "object.h"
#include "os_array.h"

#include <DriverKit/OSCollections.h>

static OSDictionary *
sample(uint64_t innermost, bool other_order)
{
	OSDictionary *dictionary = OSDictionaryCreate(0);
	OSArray *array = OSArrayCreate(0);
	OSNumber *number = OSNumberCreate(innermost, 8);
	OSData *data = OSDataCreate("\1\2", 2);

	OSArrayAppendValue(array, number);
	OSArrayAppendValue(array, kOSBooleanFalse);
	OSArrayAppendValue(array, data);
	if (other_order)
		OSDictionarySetStringValue(dictionary, "text", "x");
	OSDictionarySetValue(dictionary, "array", array);
	if (!other_order)
		OSDictionarySetStringValue(dictionary, "text", "x");
	OSRelease(array);
	OSRelease(number);
	OSRelease(data);
	return dictionary;
}

START_TEST(equality_is_deep)
{
	OSDictionary *one = sample(5, false), *same = sample(5, true), *other = sample(6, false);

	ck_assert(OSObjectIsEqual(one, same));
	ck_assert(OSObjectIsEqual(one, one));
	ck_assert(!OSObjectIsEqual(one, other));
	OSDictionarySetValue(same, "more", kOSBooleanTrue);
	ck_assert(!OSObjectIsEqual(one, same));
	OSDictionaryRemoveValue(same, "text");
	ck_assert(!OSObjectIsEqual(one, same));
	OSRelease(one);
	OSRelease(same);
	OSRelease(other);
}
END_TEST

START_TEST(values_of_each_class)
{
	OSNumber *narrow = OSNumberCreate(5, 8), *wide = OSNumberCreate(5, 64);
	OSString *five = OSStringCreateWithCString("5");
	OSData *none = OSDataCreate(NULL, 0), *empty = OSDataCreate("", 0);
	OSObject *one = object_create(OSObject), *other = object_create(OSObject);

	ck_assert(OSObjectIsEqual(NULL, NULL));
	ck_assert(!OSObjectIsEqual(NULL, five));
	ck_assert(OSObjectIsEqual(narrow, wide));
	ck_assert(!OSObjectIsEqual(narrow, five));
	ck_assert(OSObjectIsEqual(none, empty));
	ck_assert(!OSObjectIsEqual(kOSBooleanTrue, kOSBooleanFalse));
	ck_assert(!OSObjectIsEqual(one, other));
	ck_assert(OSObjectIsEqual(one, one));
	OSRelease(narrow);
	OSRelease(wide);
	OSRelease(five);
	OSRelease(none);
	OSRelease(empty);
	OSRelease(one);
	OSRelease(other);
}
END_TEST

START_TEST(arrays_that_hold_themselves_end)
{
	OSArray *one = OSArrayCreate(0), *other = OSArrayCreate(0);

	OSArrayAppendValue(one, other);
	OSArrayAppendValue(other, one);
	ck_assert(!OSObjectIsEqual(one, other));
	/* The cycle is broken from inside, for the leak checker's sake. */
	OSObjectIVars(OSArray, one)->count = 0;
	OSRelease(other);
	OSRelease(other);
	OSRelease(one);
}
END_TEST

UNIT_MAIN("os_equal", equality_is_deep, values_of_each_class, arrays_that_hold_themselves_end)
