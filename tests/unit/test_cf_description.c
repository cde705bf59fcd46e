/* SPDX-License-Identifier: Apache-2.0 */
#include <CoreFoundation/CoreFoundation.h>

#include "unit.h"

START_TEST(says_values_in_words)
{
	const UInt8 bytes[] = {1, 2, 3, 4, 255};
	double half = 0.5;
	CFDataRef data = CFDataCreate(NULL, bytes, 5);
	CFNumberRef number = CFNumberCreate(NULL, kCFNumberDoubleType, &half);
	const void *values[] = {data, number, CFSTR("s")};
	CFArrayRef array = CFArrayCreate(NULL, values, 3, &kCFTypeArrayCallBacks);
	const void *key = CFSTR("key"), *value = array;
	CFDictionaryRef dictionary =
		CFDictionaryCreate(NULL, &key, &value, 1, &kCFTypeDictionaryKeyCallBacks,
				   &kCFTypeDictionaryValueCallBacks);
	CFStringRef said = CFCopyDescription(dictionary);

	ck_assert_str_eq(
		CFStringGetCStringPtr(said, kCFStringEncodingUTF8),
		"{\n    key = (\n        <01020304 ff>,\n        0.5,\n        s\n    );\n}");
	CFRelease(said);
	CFRelease(dictionary);
	CFRelease(array);
	CFRelease(data);
	CFRelease(number);
}
END_TEST

START_TEST(a_deep_collection_is_cut)
{
	CFMutableArrayRef outer = CFArrayCreateMutable(NULL, 0, &kCFTypeArrayCallBacks);
	CFStringRef said;

	for (unsigned depth = 0; depth < 1000; depth++) {
		CFMutableArrayRef inner = outer;

		outer = CFArrayCreateMutable(NULL, 0, &kCFTypeArrayCallBacks);
		CFArrayAppendValue(outer, inner);
		CFRelease(inner);
	}
	said = CFCopyDescription(outer);
	ck_assert_int_ne(CFStringFind(said, CFSTR("..."), 0).location, kCFNotFound);
	CFRelease(said);
	CFRelease(outer);
}
END_TEST

static void
show(void *context)
{
	CFShow(CFSTR("shown"));
	CFShow(NULL);
}

START_TEST(shows_on_standard_error)
{
	char text[64];

	ck_assert_int_eq(unit_child(show, NULL, text, sizeof(text)), 0);
	ck_assert_str_eq(text, "shown\n(null)\n");
}
END_TEST

UNIT_MAIN("cf_description", says_values_in_words, a_deep_collection_is_cut,
	  shows_on_standard_error)
