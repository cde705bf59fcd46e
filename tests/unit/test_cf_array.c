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

START_TEST(refuses_bad_arguments)
{
	CFArrayCallBacks callbacks = kCFTypeArrayCallBacks;

	ck_assert_ptr_null(CFArrayCreateMutable(NULL, -1, &kCFTypeArrayCallBacks));
	callbacks.version = 1;
	ck_assert_ptr_null(CFArrayCreateMutable(NULL, 0, &callbacks));
}
END_TEST

START_TEST(holds_plain_pointers)
{
	CFMutableArrayRef array = CFArrayCreateMutable(NULL, 0, NULL);
	CFArrayRef copy;
	int one = 1, other = 1;

	CFArrayAppendValue(array, &one);
	CFArrayAppendValue(array, NULL);
	CFArrayAppendValue(array, (const void *)(uintptr_t)3);
	CFArraySetValueAtIndex(array, 2, &other);
	ck_assert_int_eq(CFArrayGetCount(array), 3);
	ck_assert_ptr_eq(CFArrayGetValueAtIndex(array, 0), &one);
	ck_assert_ptr_null(CFArrayGetValueAtIndex(array, 1));
	ck_assert_int_eq(CFArrayGetFirstIndexOfValue(array, CFRangeMake(0, 3), &other), 2);
	copy = CFArrayCreateCopy(NULL, array);
	ck_assert(CFEqual(array, copy));
	CFArraySetValueAtIndex(array, 0, &other);
	ck_assert(!CFEqual(array, copy));
	CFRelease(copy);
	CFRelease(array);
}
END_TEST

START_TEST(of_objects_without_retaining_them)
{
	CFArrayCallBacks callbacks = kCFTypeArrayCallBacks;
	CFMutableStringRef text = CFStringCreateMutable(NULL, 0);
	CFMutableArrayRef array;

	callbacks.retain = NULL;
	callbacks.release = NULL;
	array = CFArrayCreateMutable(NULL, 0, &callbacks);
	CFArrayAppendValue(array, text);
	ck_assert_int_eq(CFGetRetainCount(text), 1);
	ck_assert(CFArrayContainsValue(array, CFRangeMake(0, 1), CFSTR("")));
	CFRelease(array);
	ck_assert_int_eq(CFGetRetainCount(text), 1);
	CFRelease(text);
}
END_TEST

static CFMutableArrayRef
letters(const char *text)
{
	CFMutableArrayRef array = CFArrayCreateMutable(NULL, 0, &kCFTypeArrayCallBacks);

	for (; *text != '\0'; text++) {
		char letter[2] = {*text};

		CFArrayAppendValue(array, __CFStringMakeConstantString(letter));
	}
	return array;
}

static void
reads_take(CFArrayRef array, const char *text)
{
	CFStringRef joined = CFStringCreateByCombiningStrings(NULL, array, CFSTR(""));

	ck_assert_str_eq(CFStringGetCStringPtr(joined, kCFStringEncodingUTF8), text);
	CFRelease(joined);
	CFRelease(array);
}

START_TEST(changes_anywhere)
{
	CFMutableArrayRef array = letters("abc");

	CFArrayInsertValueAtIndex(array, 0, CFSTR("0"));
	CFArrayInsertValueAtIndex(array, 4, CFSTR("z"));
	CFArrayInsertValueAtIndex(array, 6, CFSTR("!"));
	CFArrayInsertValueAtIndex(array, 0, NULL);
	CFArraySetValueAtIndex(array, 1, CFSTR("A"));
	CFArraySetValueAtIndex(array, 5, CFSTR("+"));
	CFArraySetValueAtIndex(array, 7, CFSTR("!"));
	CFArrayRemoveValueAtIndex(array, 2);
	CFArrayRemoveValueAtIndex(array, 5);
	CFArrayRemoveValueAtIndex(array, -1);
	reads_take(CFArrayCreateCopy(NULL, array), "0Acz+");
	CFArrayRemoveAllValues(array);
	ck_assert_int_eq(CFArrayGetCount(array), 0);
	ck_assert(!CFArrayContainsValue(array, CFRangeMake(0, 0), CFSTR("a")));
	CFRelease(array);
}
END_TEST

START_TEST(looks_in_ranges)
{
	CFMutableArrayRef array = letters("abcab");
	const void *values[2] = {NULL, NULL};

	ck_assert_int_eq(CFArrayGetFirstIndexOfValue(array, CFRangeMake(0, 5), CFSTR("b")), 1);
	ck_assert_int_eq(CFArrayGetFirstIndexOfValue(array, CFRangeMake(2, 3), CFSTR("b")), 4);
	ck_assert_int_eq(CFArrayGetFirstIndexOfValue(array, CFRangeMake(2, 2), CFSTR("b")),
			 kCFNotFound);
	ck_assert_int_eq(CFArrayGetCountOfValue(array, CFRangeMake(0, 5), CFSTR("a")), 2);
	ck_assert(!CFArrayContainsValue(array, CFRangeMake(3, 3), CFSTR("a")));
	CFArrayGetValues(array, CFRangeMake(4, 2), values);
	ck_assert_ptr_null(values[0]);
	CFArrayGetValues(array, CFRangeMake(3, 2), values);
	ck_assert(CFEqual(values[1], CFSTR("b")));
	CFRelease(array);
}
END_TEST

/* As strcmp with a cast: how much more or less says nothing. */
static CFComparisonResult
compare(const void *one, const void *other, void *context)
{
	++*(int *)context;
	return (CFComparisonResult)(20 * CFStringCompare(one, other, kCFCompareCaseInsensitive));
}

START_TEST(sorts_and_keeps_the_order_of_equals)
{
	CFMutableArrayRef array = letters("zbBaAc");
	int calls = 0;

	CFArraySortValues(array, CFRangeMake(1, 4), compare, &calls);
	ck_assert_int_gt(calls, 3);
	reads_take(array, "zaAbBc");
}
END_TEST

START_TEST(a_fixed_array_does_not_change)
{
	const void *values[] = {CFSTR("b"), CFSTR("a")};
	CFArrayRef made = CFArrayCreate(NULL, values, 2, &kCFTypeArrayCallBacks);
	CFArrayRef copy = CFArrayCreateCopy(NULL, made);
	CFMutableArrayRef changed[] = {(CFMutableArrayRef)made, (CFMutableArrayRef)copy};
	int calls = 0;

	for (int i = 0; i < 2; i++) {
		CFArrayAppendValue(changed[i], CFSTR("c"));
		CFArrayInsertValueAtIndex(changed[i], 0, CFSTR("c"));
		CFArraySetValueAtIndex(changed[i], 0, CFSTR("c"));
		CFArrayRemoveValueAtIndex(changed[i], 0);
		CFArrayExchangeValuesAtIndices(changed[i], 0, 1);
		CFArrayReplaceValues(changed[i], CFRangeMake(0, 1), values, 2);
		CFArrayAppendArray(changed[i], made, CFRangeMake(0, 2));
		CFArraySortValues(changed[i], CFRangeMake(0, 2), compare, &calls);
		CFArrayRemoveAllValues(changed[i]);
		ck_assert_int_eq(CFArrayGetCount(changed[i]), 2);
		ck_assert_ptr_eq(CFArrayGetValueAtIndex(changed[i], 0), values[0]);
	}
	ck_assert_int_eq(calls, 0);
	CFRelease(copy);
	CFRelease(made);
}
END_TEST

START_TEST(exchanges_replaces_and_searches)
{
	CFMutableArrayRef array = letters("abccd");
	const void *values[] = {CFSTR("x"), CFSTR("y")};
	int calls = 0;

	ck_assert_int_eq(CFArrayGetLastIndexOfValue(array, CFRangeMake(0, 5), CFSTR("c")), 3);
	ck_assert_int_eq(CFArrayGetLastIndexOfValue(array, CFRangeMake(0, 2), CFSTR("c")),
			 kCFNotFound);
	ck_assert_int_eq(
		CFArrayBSearchValues(array, CFRangeMake(0, 5), CFSTR("c"), compare, &calls), 2);
	ck_assert_int_eq(
		CFArrayBSearchValues(array, CFRangeMake(1, 4), CFSTR("z"), compare, &calls), 5);
	CFArrayExchangeValuesAtIndices(array, 0, 4);
	CFArrayExchangeValuesAtIndices(array, 0, 5);
	CFArrayReplaceValues(array, CFRangeMake(1, 3), values, 2);
	reads_take(array, "dxya");
}
END_TEST

UNIT_MAIN("cf_array", changes_anywhere, looks_in_ranges, sorts_and_keeps_the_order_of_equals,
	  holds_its_values, is_made_of_values, refuses_bad_arguments, holds_plain_pointers,
	  of_objects_without_retaining_them, a_fixed_array_does_not_change,
	  exchanges_replaces_and_searches)
