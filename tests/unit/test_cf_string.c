/* SPDX-License-Identifier: Apache-2.0 */
#include <CoreFoundation/CFString.h>

#include "unit.h"

static CFStringRef
make(const char *text)
{
	return CFStringCreateWithCString(kCFAllocatorDefault, text, kCFStringEncodingUTF8);
}

START_TEST(says_what_it_was_given)
{
	CFStringRef string = make("BulkStream");
	char buffer[11];

	ck_assert_str_eq(CFStringGetCStringPtr(string, kCFStringEncodingUTF8), "BulkStream");
	ck_assert_str_eq(CFStringGetCStringPtr(string, kCFStringEncodingASCII), "BulkStream");
	ck_assert_str_eq(CFStringGetCStringPtr(string, kCFStringEncodingMacRoman), "BulkStream");
	ck_assert_ptr_null(CFStringGetCStringPtr(string, 0x100));
	ck_assert(CFStringGetCString(string, buffer, 11, kCFStringEncodingUTF8));
	ck_assert_str_eq(buffer, "BulkStream");
	CFRelease(string);
}
END_TEST

START_TEST(what_does_not_fit_is_not_copied)
{
	CFStringRef string = make("12345");
	char buffer[6] = "-";

	ck_assert(!CFStringGetCString(string, buffer, 5, kCFStringEncodingUTF8));
	ck_assert(!CFStringGetCString(string, buffer, 0, kCFStringEncodingUTF8));
	ck_assert(!CFStringGetCString(string, buffer, -1, kCFStringEncodingUTF8));
	ck_assert(!CFStringGetCString(string, NULL, 6, kCFStringEncodingUTF8));
	ck_assert_str_eq(buffer, "-");
	ck_assert(CFStringGetCString(string, buffer, 6, kCFStringEncodingUTF8));
	CFRelease(string);
}
END_TEST

START_TEST(lengths_are_utf16_units)
{
	const struct {
		const char *text;
		CFIndex units;
	} cases[] = {{"", 0},
		     {"abc", 3},
		     {"\xc3\xa4", 1},
		     {"\xe2\x82\xac!", 2},
		     {"\xf0\x9f\x98\x80", 2}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CFStringRef string = make(cases[i].text);

		ck_assert_int_eq(CFStringGetLength(string), cases[i].units);
		ck_assert_int_ge(
			CFStringGetMaximumSizeForEncoding(cases[i].units, kCFStringEncodingUTF8),
			(CFIndex)strlen(cases[i].text));
		CFRelease(string);
	}
}
END_TEST

START_TEST(refuses_other_bytes)
{
	const char *const bad[] = {"\x80",
				   "\xc3",
				   "\xc0\x80",
				   "\xe0\x80\x80",
				   "\xed\xa0\x80",
				   "\xf4\x90\x80\x80",
				   "\xf8\x88\x80\x80\x80",
				   "a\xff",
				   "\xf0\x9f\x98",
				   "\xe2\x82!"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_ptr_null(make(bad[i]));
	ck_assert_ptr_null(make(NULL));
	ck_assert_ptr_null(CFStringCreateWithCString(NULL, "\xc3\xa4", kCFStringEncodingASCII));
	ck_assert_ptr_null(CFStringCreateWithCString(NULL, "a", 0x999));
}
END_TEST

START_TEST(ascii_cannot_say_everything)
{
	CFStringRef string = make("\xc3\xa4");
	char buffer[8];

	ck_assert_ptr_null(CFStringGetCStringPtr(string, kCFStringEncodingASCII));
	ck_assert(!CFStringGetCString(string, buffer, 8, kCFStringEncodingISOLatin1));
	ck_assert(CFStringGetCString(string, buffer, 8, kCFStringEncodingUTF8));
	CFRelease(string);
}
END_TEST

UNIT_MAIN("cf_string", says_what_it_was_given, what_does_not_fit_is_not_copied,
	  lengths_are_utf16_units, refuses_other_bytes, ascii_cannot_say_everything)
