/* SPDX-License-Identifier: Apache-2.0 */
#include <CoreFoundation/CoreFoundation.h>

#include "unit.h"

static void
says(CFStringRef string, const char *text)
{
	ck_assert_ptr_nonnull(string);
	ck_assert_str_eq(CFStringGetCStringPtr(string, kCFStringEncodingUTF8), text);
}

START_TEST(grows_at_its_end)
{
	CFMutableStringRef string = CFStringCreateMutable(NULL, 0);
	const UniChar units[] = {0xd83d, 0xde00};

	CFStringAppend(string, CFSTR("a"));
	CFStringAppendCString(string, "b", kCFStringEncodingASCII);
	CFStringAppendCString(string, "\xff", kCFStringEncodingUTF8); /* refused */
	CFStringAppendCharacters(string, units, 2);
	CFStringAppendCharacters(string, units, 1); /* half a pair */
	CFStringAppendFormat(string, NULL, CFSTR("%d%@"), 7, CFSTR("x"));
	CFStringAppend(string, NULL);
	CFStringAppend(string, (CFStringRef)kCFBooleanTrue);
	CFStringAppend(string, string);
	says(string, "ab\xf0\x9f\x98\x80"
		     "7xab\xf0\x9f\x98\x80"
		     "7x");
	CFRelease(string);
}
END_TEST

START_TEST(changes_ranges_of_units)
{
	CFMutableStringRef string = CFStringCreateMutableCopy(NULL, 0,
							      CFSTR("a\xf0\x9f\x98\x80"
								    "b"));

	CFStringDelete(string, CFRangeMake(1, 1)); /* half a pair */
	CFStringDelete(string, CFRangeMake(2, 1));
	CFStringDelete(string, CFRangeMake(4, 1));
	CFStringDelete(string, CFRangeMake(-1, 1));
	ck_assert_int_eq(CFStringGetLength(string), 4);
	CFStringReplace(string, CFRangeMake(1, 2), CFSTR("--"));
	says(string, "a--b");
	CFStringInsert(string, 4, CFSTR("!"));
	CFStringInsert(string, 0, CFSTR("\xc3\xa4"));
	says(string, "\xc3\xa4"
		     "a--b!");
	CFStringDelete(string, CFRangeMake(0, 2));
	says(string, "--b!");
	CFStringReplaceAll(string, CFSTR(""));
	ck_assert_int_eq(CFStringGetLength(string), 0);
	CFRelease(string);
}
END_TEST

START_TEST(leaves_other_strings_alone)
{
	CFStringRef fixed = CFStringCreateWithCString(NULL, "fixed", kCFStringEncodingUTF8);
	CFMutableStringRef string = CFStringCreateMutableCopy(NULL, 0, fixed);
	CFStringRef copy = CFStringCreateCopy(NULL, string), same = CFStringCreateCopy(NULL, fixed);

	CFStringAppend((CFMutableStringRef)fixed, CFSTR("!"));
	CFStringReplaceAll((CFMutableStringRef)CFSTR("constant"), CFSTR("!"));
	CFStringAppend(string, CFSTR("?"));
	says(fixed, "fixed");
	says(copy, "fixed");
	says(string, "fixed?");
	says(CFSTR("constant"), "constant");
	ck_assert_ptr_eq(same, fixed);
	ck_assert_ptr_null(CFStringCreateMutable(NULL, 5));
	CFRelease(fixed);
	CFRelease(same);
	CFRelease(string);
	CFRelease(copy);
}
END_TEST

UNIT_MAIN("cf_string_edit", grows_at_its_end, changes_ranges_of_units, leaves_other_strings_alone)
