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
	keys[1] = kCFBooleanTrue;
	ck_assert_ptr_null(CFDictionaryCreate(NULL, keys, values, 2, &kCFTypeDictionaryKeyCallBacks,
					      &kCFTypeDictionaryValueCallBacks));
}
END_TEST

START_TEST(keys_are_strings_and_values_objects)
{
	CFMutableDictionaryRef dictionary = make();

	CFDictionarySetValue(dictionary, kCFBooleanTrue, CFSTR("1"));
	CFDictionarySetValue(dictionary, NULL, CFSTR("1"));
	CFDictionarySetValue(dictionary, CFSTR("a"), NULL);
	CFDictionaryRemoveValue(dictionary, NULL);
	ck_assert_ptr_null(CFDictionaryGetValue(dictionary, kCFBooleanTrue));
	ck_assert_int_eq(CFDictionaryGetCount(dictionary), 0);
	CFRelease(dictionary);
	ck_assert_ptr_null(CFDictionaryCreateMutable(NULL, 0, NULL, NULL));
	ck_assert_ptr_null(
		CFDictionaryCreateMutable(NULL, 0, &kCFTypeDictionaryKeyCallBacks, NULL));
	ck_assert_ptr_null(CFDictionaryCreateMutable(NULL, -1, &kCFTypeDictionaryKeyCallBacks,
						     &kCFTypeDictionaryValueCallBacks));
}
END_TEST

UNIT_MAIN("cf_dictionary", sets_and_finds, adds_replaces_and_removes, is_made_of_pairs,
	  keys_are_strings_and_values_objects)
