/* SPDX-License-Identifier: Apache-2.0 */
#include <CoreFoundation/CoreFoundation.h>

#include "unit.h"

#include <DriverKit/OSCollections.h>

static CFMutableDictionaryRef
make(void)
{
	return CFDictionaryCreateMutable(NULL, 0, &kCFTypeDictionaryKeyCallBacks,
					 &kCFTypeDictionaryValueCallBacks);
}

START_TEST(sets_and_finds)
{
	CFMutableDictionaryRef dictionary = make();
	CFStringRef key = CFStringCreateWithCString(NULL, "key", kCFStringEncodingUTF8);
	const void *value = NULL;

	CFDictionarySetValue(dictionary, CFSTR("key"), kCFBooleanTrue);
	ck_assert_ptr_eq(CFDictionaryGetValue(dictionary, key), kCFBooleanTrue);
	ck_assert(CFDictionaryContainsKey(dictionary, key));
	ck_assert(CFDictionaryGetValueIfPresent(dictionary, key, &value));
	ck_assert(CFDictionaryGetValueIfPresent(dictionary, key, NULL));
	ck_assert_ptr_eq(value, kCFBooleanTrue);
	ck_assert(!CFDictionaryGetValueIfPresent(dictionary, CFSTR("none"), &value));
	ck_assert_ptr_eq(value, kCFBooleanTrue);
	ck_assert_ptr_null(CFDictionaryGetValue(dictionary, CFSTR("none")));
	ck_assert_ptr_eq(OSDictionaryGetValue((OSDictionary *)dictionary, "key"),
			 (const void *)kOSBooleanTrue);
	CFRelease(key);
	CFRelease(dictionary);
}
END_TEST

START_TEST(adds_replaces_and_removes)
{
	CFMutableDictionaryRef dictionary = make();

	CFDictionaryReplaceValue(dictionary, CFSTR("a"), CFSTR("1"));
	ck_assert_int_eq(CFDictionaryGetCount(dictionary), 0);
	CFDictionaryAddValue(dictionary, CFSTR("a"), CFSTR("1"));
	CFDictionaryAddValue(dictionary, CFSTR("a"), CFSTR("2"));
	ck_assert_ptr_eq(CFDictionaryGetValue(dictionary, CFSTR("a")), CFSTR("1"));
	CFDictionaryReplaceValue(dictionary, CFSTR("a"), CFSTR("3"));
	ck_assert_ptr_eq(CFDictionaryGetValue(dictionary, CFSTR("a")), CFSTR("3"));
	ck_assert_int_eq(CFDictionaryGetCount(dictionary), 1);
	CFDictionaryRemoveValue(dictionary, CFSTR("b"));
	CFDictionaryRemoveValue(dictionary, CFSTR("a"));
	ck_assert_int_eq(CFDictionaryGetCount(dictionary), 0);
	CFRelease(dictionary);
}
END_TEST

START_TEST(is_made_of_pairs)
{
	const void *keys[] = {CFSTR("a"), CFSTR("b")}, *values[] = {CFSTR("1"), CFSTR("2")};
	CFDictionaryRef dictionary =
		CFDictionaryCreate(NULL, keys, values, 2, &kCFCopyStringDictionaryKeyCallBacks,
				   &kCFTypeDictionaryValueCallBacks);

	ck_assert_int_eq(CFDictionaryGetCount(dictionary), 2);
	ck_assert_ptr_eq(CFDictionaryGetValue(dictionary, CFSTR("b")), CFSTR("2"));
	CFRelease(dictionary);
	keys[1] = NULL;
	ck_assert_ptr_null(CFDictionaryCreate(NULL, keys, values, 2, &kCFTypeDictionaryKeyCallBacks,
					      &kCFTypeDictionaryValueCallBacks));
}
END_TEST

START_TEST(keys_and_values_are_objects)
{
	CFMutableDictionaryRef dictionary = make();

	CFDictionarySetValue(dictionary, NULL, CFSTR("1"));
	CFDictionarySetValue(dictionary, CFSTR("a"), NULL);
	CFDictionaryRemoveValue(dictionary, NULL);
	ck_assert_ptr_null(CFDictionaryGetValue(dictionary, NULL));
	ck_assert_int_eq(CFDictionaryGetCount(dictionary), 0);
	CFRelease(dictionary);
	ck_assert_ptr_null(CFDictionaryCreateMutable(NULL, -1, &kCFTypeDictionaryKeyCallBacks,
						     &kCFTypeDictionaryValueCallBacks));
}
END_TEST

START_TEST(any_object_is_a_key)
{
	CFMutableDictionaryRef dictionary = make(), copy;
	CFNumberRef numbers[50];
	const void *keys[52], *values[52];

	CFDictionarySetValue(dictionary, kCFBooleanTrue, CFSTR("true"));
	CFDictionarySetValue(dictionary, CFSTR("text"), CFSTR("string"));
	for (int i = 0; i < 50; i++) {
		numbers[i] = CFNumberCreate(NULL, kCFNumberIntType, &i);
		CFDictionarySetValue(dictionary, numbers[i], numbers[i]);
	}
	for (int i = 0; i < 50; i++) {
		double real = i;
		CFNumberRef same = CFNumberCreate(NULL, kCFNumberDoubleType, &real);

		ck_assert_ptr_eq(CFDictionaryGetValue(dictionary, same), numbers[i]);
		CFRelease(same);
	}
	ck_assert_ptr_null(CFDictionaryGetValue(dictionary, kCFBooleanFalse));
	ck_assert_ptr_eq(OSDictionaryGetValue((OSDictionary *)dictionary, "text"), CFSTR("string"));
	copy = CFDictionaryCreateMutableCopy(NULL, 0, dictionary);
	ck_assert(CFEqual(copy, dictionary));
	CFDictionaryGetKeysAndValues(dictionary, keys, values);
	CFDictionaryGetKeysAndValues(dictionary, NULL, NULL);
	ck_assert_ptr_eq(keys[0], kCFBooleanTrue);
	ck_assert_ptr_eq(values[51], numbers[49]);
	for (int i = 0; i < 50; i++) {
		CFDictionaryRemoveValue(dictionary, numbers[i]);
		CFRelease(numbers[i]);
	}
	ck_assert_int_eq(CFDictionaryGetCount(dictionary), 2);
	ck_assert_int_eq(CFDictionaryGetCount(copy), 52);
	ck_assert(!CFEqual(copy, dictionary));
	ck_assert(CFDictionaryContainsValue(dictionary, CFSTR("true")));
	ck_assert_int_eq(CFDictionaryGetCountOfValue(dictionary, CFSTR("none")), 0);
	CFDictionaryRemoveAllValues(dictionary);
	ck_assert_int_eq(CFDictionaryGetCount(dictionary), 0);
	CFRelease(dictionary);
	CFRelease(copy);
}
END_TEST

START_TEST(a_key_that_changes_is_copied)
{
	CFMutableDictionaryRef dictionary = make();
	CFMutableStringRef key = CFStringCreateMutableCopy(NULL, 0, CFSTR("a"));

	CFDictionarySetValue(dictionary, key, CFSTR("1"));
	CFStringAppend(key, CFSTR("b"));
	ck_assert(CFDictionaryContainsKey(dictionary, CFSTR("a")));
	ck_assert(!CFDictionaryContainsKey(dictionary, key));
	CFRelease(key);
	CFRelease(dictionary);
}
END_TEST

static void
count_pair(const void *key, const void *value, void *context)
{
	ck_assert(CFEqual(key, CFSTR("a")) && CFEqual(value, CFSTR("1")));
	++*(int *)context;
}

START_TEST(applies_a_function)
{
	CFMutableDictionaryRef dictionary = make();
	int count = 0;

	CFDictionarySetValue(dictionary, CFSTR("a"), CFSTR("1"));
	CFDictionaryApplyFunction(dictionary, count_pair, &count);
	ck_assert_int_eq(count, 1);
	CFRelease(dictionary);
}
END_TEST

START_TEST(callbacks_are_taken_by_value)
{
	CFDictionaryKeyCallBacks keys = kCFTypeDictionaryKeyCallBacks;
	CFDictionaryRef dictionary =
		CFDictionaryCreate(NULL, NULL, NULL, 0, &keys, &kCFTypeDictionaryValueCallBacks);

	ck_assert_ptr_nonnull(dictionary);
	CFRelease(dictionary);
	keys.version = 1;
	ck_assert_ptr_null(
		CFDictionaryCreate(NULL, NULL, NULL, 0, &keys, &kCFTypeDictionaryValueCallBacks));
	ck_assert_uint_eq(keys.hash(CFSTR("a")), CFHash(CFSTR("a")));
}
END_TEST

START_TEST(plain_keys_and_values)
{
	CFMutableDictionaryRef dictionary = CFDictionaryCreateMutable(NULL, 0, NULL, NULL);
	const void *value = &value;

	for (uintptr_t i = 0; i < 100; i++)
		CFDictionarySetValue(dictionary, (const void *)(i * 64), (const void *)(i * 2));
	for (uintptr_t i = 0; i < 100; i++)
		ck_assert_ptr_eq(CFDictionaryGetValue(dictionary, (const void *)(i * 64)),
				 (const void *)(i * 2));
	ck_assert(CFDictionaryGetValueIfPresent(dictionary, NULL, &value));
	ck_assert_ptr_null(value);
	ck_assert(!CFDictionaryContainsKey(dictionary, (const void *)1));
	CFDictionaryRemoveValue(dictionary, (const void *)64);
	ck_assert(!CFDictionaryContainsKey(dictionary, (const void *)64));
	ck_assert_int_eq(CFDictionaryGetCount(dictionary), 99);
	CFRelease(dictionary);
}
END_TEST

/* Names to plain values, as many programs have them. */
START_TEST(strings_to_plain_values)
{
	CFMutableDictionaryRef dictionary =
		CFDictionaryCreateMutable(NULL, 0, &kCFTypeDictionaryKeyCallBacks, NULL);
	CFStringRef key = CFStringCreateWithCString(NULL, "b", kCFStringEncodingUTF8);

	CFDictionarySetValue(dictionary, CFSTR("a"), (const void *)7);
	CFDictionarySetValue(dictionary, CFSTR("b"), NULL);
	CFDictionarySetValue(dictionary, NULL, (const void *)1);
	ck_assert_int_eq(CFDictionaryGetCount(dictionary), 2);
	ck_assert(CFDictionaryContainsKey(dictionary, key));
	ck_assert_ptr_eq(CFDictionaryGetValue(dictionary, CFSTR("a")), (const void *)7);
	ck_assert_int_eq(CFDictionaryGetCountOfValue(dictionary, (const void *)7), 1);
	CFRelease(key);
	CFRelease(dictionary);
}
END_TEST

START_TEST(a_fixed_dictionary_does_not_change)
{
	const void *keys[] = {CFSTR("a")}, *values[] = {CFSTR("1")};
	CFDictionaryRef made =
		CFDictionaryCreate(NULL, keys, values, 1, &kCFTypeDictionaryKeyCallBacks,
				   &kCFTypeDictionaryValueCallBacks);
	CFDictionaryRef copy = CFDictionaryCreateCopy(NULL, made);
	CFMutableDictionaryRef changed[] = {(CFMutableDictionaryRef)made,
					    (CFMutableDictionaryRef)copy};
	CFMutableDictionaryRef free_copy = CFDictionaryCreateMutableCopy(NULL, 0, made);

	for (int i = 0; i < 2; i++) {
		CFDictionarySetValue(changed[i], CFSTR("a"), CFSTR("2"));
		CFDictionaryAddValue(changed[i], CFSTR("b"), CFSTR("2"));
		CFDictionaryReplaceValue(changed[i], CFSTR("a"), CFSTR("2"));
		CFDictionaryRemoveValue(changed[i], CFSTR("a"));
		CFDictionaryRemoveAllValues(changed[i]);
		ck_assert_int_eq(CFDictionaryGetCount(changed[i]), 1);
		ck_assert_ptr_eq(CFDictionaryGetValue(changed[i], CFSTR("a")), values[0]);
	}
	CFDictionaryRemoveAllValues(free_copy);
	ck_assert_int_eq(CFDictionaryGetCount(free_copy), 0);
	CFRelease(made);
	CFRelease(copy);
	CFRelease(free_copy);
}
END_TEST

UNIT_MAIN("cf_dictionary", plain_keys_and_values, strings_to_plain_values,
	  a_fixed_dictionary_does_not_change, any_object_is_a_key, a_key_that_changes_is_copied,
	  applies_a_function, callbacks_are_taken_by_value, sets_and_finds,
	  adds_replaces_and_removes, is_made_of_pairs, keys_and_values_are_objects)
