/* SPDX-License-Identifier: Apache-2.0 */
#include <CoreFoundation/CoreFoundation.h>

#include "unit.h"

START_TEST(holds_each_value_once)
{
	CFMutableSetRef set = CFSetCreateMutable(NULL, 0, &kCFTypeSetCallBacks);
	CFStringRef made = CFStringCreateWithCString(NULL, "a", kCFStringEncodingUTF8);
	const void *found = NULL, *values[2];

	CFSetAddValue(set, CFSTR("a"));
	CFSetAddValue(set, made); /* keeps the first */
	ck_assert_int_eq(CFSetGetCount(set), 1);
	ck_assert(CFSetGetValueIfPresent(set, made, &found));
	ck_assert_ptr_ne(found, made);
	CFSetSetValue(set, made);
	ck_assert_ptr_eq(CFSetGetValue(set, CFSTR("a")), made);
	CFSetReplaceValue(set, CFSTR("b"));
	ck_assert_int_eq(CFSetGetCount(set), 1);
	CFSetAddValue(set, kCFBooleanTrue);
	CFSetAddValue(set, NULL);
	CFSetGetValues(set, values);
	ck_assert_ptr_eq(values[1], kCFBooleanTrue);
	CFSetRemoveValue(set, CFSTR("a"));
	CFSetRemoveValue(set, CFSTR("none"));
	ck_assert_int_eq(CFSetGetCount(set), 1);
	ck_assert(!CFSetContainsValue(set, made));
	CFSetRemoveAllValues(set);
	ck_assert_int_eq(CFSetGetCount(set), 0);
	CFRelease(set);
	CFRelease(made);
}
END_TEST

static void
count(const void *value, void *context)
{
	++*(int *)context;
}

START_TEST(is_made_of_values_and_copied)
{
	const void *values[] = {CFSTR("a"), CFSTR("b"), CFSTR("a")};
	const void *other_values[] = {CFSTR("b"), CFSTR("a")};
	CFSetRef set = CFSetCreate(NULL, values, 3, &kCFTypeSetCallBacks);
	CFSetRef other = CFSetCreate(NULL, other_values, 2, &kCFTypeSetCallBacks);
	CFSetRef copy = CFSetCreateCopy(NULL, set);
	int counted = 0;

	ck_assert_int_eq(CFSetGetCount(set), 2);
	ck_assert(CFEqual(set, other) && CFHash(set) == CFHash(other));
	ck_assert(CFEqual(set, copy));
	CFSetApplyFunction(set, count, &counted);
	ck_assert_int_eq(counted, 2);
	ck_assert_uint_eq(CFGetTypeID(set), CFSetGetTypeID());
	ck_assert_ptr_null(CFSetCreateMutable(NULL, -1, &kCFTypeSetCallBacks));
	values[1] = NULL;
	ck_assert_ptr_null(CFSetCreate(NULL, values, 3, &kCFTypeSetCallBacks));
	CFRelease(set);
	CFRelease(other);
	CFRelease(copy);
}
END_TEST

START_TEST(plain_values)
{
	CFMutableSetRef set = CFSetCreateMutable(NULL, 0, NULL);
	const void *values[3], *found = &found;

	CFSetAddValue(set, NULL);
	CFSetAddValue(set, (const void *)8);
	CFSetAddValue(set, (const void *)8);
	CFSetSetValue(set, (const void *)8);
	CFSetSetValue(set, (const void *)16);
	ck_assert_int_eq(CFSetGetCount(set), 3);
	ck_assert(CFSetGetValueIfPresent(set, NULL, &found));
	ck_assert_ptr_null(found);
	CFSetGetValues(set, values);
	ck_assert_ptr_eq(values[2], (const void *)16);
	CFSetRemoveValue(set, (const void *)8);
	ck_assert(!CFSetContainsValue(set, (const void *)8));
	ck_assert_int_eq(CFSetGetCountOfValue(set, (const void *)16), 1);
	CFRelease(set);
}
END_TEST

START_TEST(a_fixed_set_does_not_change)
{
	const void *values[] = {CFSTR("a")};
	CFSetRef made = CFSetCreate(NULL, values, 1, &kCFTypeSetCallBacks);
	CFSetRef copy = CFSetCreateCopy(NULL, made);
	CFMutableSetRef changed[] = {(CFMutableSetRef)made, (CFMutableSetRef)copy};

	for (int i = 0; i < 2; i++) {
		CFSetAddValue(changed[i], CFSTR("b"));
		CFSetSetValue(changed[i], CFSTR("b"));
		CFSetRemoveValue(changed[i], CFSTR("a"));
		CFSetRemoveAllValues(changed[i]);
		ck_assert_int_eq(CFSetGetCount(changed[i]), 1);
		ck_assert(CFSetContainsValue(changed[i], CFSTR("a")));
	}
	CFRelease(made);
	CFRelease(copy);
}
END_TEST

UNIT_MAIN("cf_set", plain_values, a_fixed_set_does_not_change, holds_each_value_once,
	  is_made_of_values_and_copied)
