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
	ck_assert_ptr_null(CFStringCreateMutable(NULL, -1));
	CFRelease(fixed);
	CFRelease(same);
	CFRelease(string);
	CFRelease(copy);
}
END_TEST

static CFMutableStringRef
copy_of(const char *text)
{
	return CFStringCreateMutableCopy(NULL, 0, __CFStringMakeConstantString(text));
}

static void
is_take(CFMutableStringRef string, const char *text)
{
	ck_assert_str_eq(CFStringGetCStringPtr(string, kCFStringEncodingUTF8), text);
	CFRelease(string);
}

START_TEST(replaces_pads_trims_and_folds)
{
	CFMutableStringRef string = copy_of("aXbXc");

	ck_assert_int_eq(CFStringFindAndReplace(string, CFSTR("x"), CFSTR("XX"), CFRangeMake(0, 5),
						kCFCompareCaseInsensitive),
			 2);
	is_take(string, "aXXbXXc");
	string = copy_of("a.a.a");
	ck_assert_int_eq(CFStringFindAndReplace(string, CFSTR("a"), CFSTR(""), CFRangeMake(1, 4),
						kCFCompareBackwards),
			 2);
	ck_assert_int_eq(CFStringFindAndReplace(string, CFSTR("."), CFSTR("-"), CFRangeMake(0, 3),
						kCFCompareAnchored),
			 0);
	is_take(string, "a..");
	string = copy_of(" \t x y\n");
	CFStringTrimWhitespace(string);
	is_take(string, "x y");
	string = copy_of("   ");
	CFStringTrimWhitespace(string);
	is_take(string, "");
	string = copy_of("ababxab");
	CFStringTrim(string, CFSTR("ab"));
	CFStringTrim(string, CFSTR(""));
	is_take(string, "x");
	string = copy_of("7");
	CFStringPad(string, CFSTR("abc"), 5, 2);
	is_take(string, "7cabc");
	string = copy_of("12345");
	CFStringPad(string, NULL, 3, 0);
	is_take(string, "123");
	string = copy_of("aZ\xc3\xa9");
	CFStringUppercase(string, NULL);
	ck_assert(CFEqual(string, CFSTR("AZ\xc3\xa9")));
	CFStringLowercase(string, NULL);
	is_take(string, "az\xc3\xa9");
	CFStringTrimWhitespace((CFMutableStringRef)(uintptr_t)CFSTR(" a "));
	ck_assert_int_eq(CFStringGetLength(CFSTR(" a ")), 3);
}
END_TEST

UNIT_MAIN("cf_string_edit", replaces_pads_trims_and_folds, grows_at_its_end,
	  changes_ranges_of_units, leaves_other_strings_alone)
