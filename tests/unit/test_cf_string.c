/* SPDX-License-Identifier: Apache-2.0 */
#include <CoreFoundation/CFString.h>

#include "unit.h"

#include <limits.h>

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
	ck_assert(!CFStringGetCString(string, buffer, 8, kCFStringEncodingASCII));
	ck_assert(CFStringGetCString(string, buffer, 8, kCFStringEncodingISOLatin1));
	ck_assert_str_eq(buffer, "\xe4");
	ck_assert(CFStringGetCString(string, buffer, 8, kCFStringEncodingMacRoman));
	ck_assert_str_eq(buffer, "\x8a");
	ck_assert(CFStringGetCString(string, buffer, 8, kCFStringEncodingUTF8));
	CFRelease(string);
}
END_TEST

#define SMILE "\xf0\x9f\x98\x80"

START_TEST(gives_out_units)
{
	CFStringRef string = make("a" SMILE "\xe2\x82\xac");
	UniChar units[4] = {0};

	CFStringGetCharacters(string, CFRangeMake(0, 4), units);
	ck_assert_uint_eq(units[0], 'a');
	ck_assert_uint_eq(units[1], 0xd83d);
	ck_assert_uint_eq(units[2], 0xde00);
	ck_assert_uint_eq(units[3], 0x20ac);
	memset(units, 0, sizeof(units));
	CFStringGetCharacters(string, CFRangeMake(1, 1), units);
	ck_assert_uint_eq(units[0], 0xd83d);
	ck_assert_uint_eq(units[1], 0);
	ck_assert_uint_eq(CFStringGetCharacterAtIndex(string, 2), 0xde00);
	ck_assert_uint_eq(CFStringGetCharacterAtIndex(string, 4), 0);
	ck_assert_uint_eq(CFStringGetCharacterAtIndex(string, -1), 0);
	CFStringGetCharacters(string, CFRangeMake(4, 1), units);
	CFStringGetCharacters(string, CFRangeMake(1, LONG_MAX), units);
	ck_assert_uint_eq(units[1], 0);
	CFRelease(string);
}
END_TEST

START_TEST(is_made_of_units_and_bytes)
{
	const UniChar units[] = {'a', 0xd83d, 0xde00, 0x20ac}, half[] = {0xde00}, nul[] = {'a', 0};
	CFStringRef string = CFStringCreateWithCharacters(NULL, units, 4);
	CFStringRef part = CFStringCreateWithSubstring(NULL, string, CFRangeMake(1, 2));
	CFStringRef bytes = CFStringCreateWithBytes(NULL, (const UInt8 *)SMILE "xyz", 4,
						    kCFStringEncodingUTF8, false);

	ck_assert_str_eq(CFStringGetCStringPtr(string, kCFStringEncodingUTF8),
			 "a" SMILE "\xe2\x82\xac");
	ck_assert(CFEqual(part, bytes));
	ck_assert_ptr_null(CFStringCreateWithCharacters(NULL, half, 1));
	ck_assert_ptr_null(CFStringCreateWithCharacters(NULL, nul, 2));
	ck_assert_ptr_null(CFStringCreateWithCharacters(NULL, units, -1));
	ck_assert_ptr_null(CFStringCreateWithCharacters(NULL, units, 2)); /* cuts a pair */
	ck_assert_ptr_null(CFStringCreateWithSubstring(NULL, string, CFRangeMake(1, 1)));
	ck_assert_ptr_null(CFStringCreateWithBytes(NULL, (const UInt8 *)"a\0b", 3,
						   kCFStringEncodingUTF8, false));
	ck_assert_ptr_null(CFStringCreateWithBytes(NULL, (const UInt8 *)SMILE, 3,
						   kCFStringEncodingUTF8, false));
	ck_assert_ptr_null(CFStringCreateWithBytes(NULL, NULL, 1, kCFStringEncodingUTF8, false));
	CFRelease(string);
	CFRelease(part);
	CFRelease(bytes);
}
END_TEST

START_TEST(gives_out_bytes)
{
	CFStringRef string = make("a" SMILE "b");
	CFRange all = CFRangeMake(0, 4);
	UInt8 buffer[8];
	CFIndex used = 0;

	ck_assert_int_eq(
		CFStringGetBytes(string, all, kCFStringEncodingUTF8, 0, false, NULL, 0, &used), 4);
	ck_assert_int_eq(used, 6);
	ck_assert_int_eq(
		CFStringGetBytes(string, all, kCFStringEncodingUTF8, 0, false, buffer, 4, &used),
		1); /* whole characters only */
	ck_assert_int_eq(used, 1);
	ck_assert_int_eq(
		CFStringGetBytes(string, all, kCFStringEncodingASCII, '?', false, buffer, 8, &used),
		4);
	ck_assert_int_eq(used, 3);
	ck_assert_mem_eq(buffer, "a?b", 3);
	ck_assert_int_eq(
		CFStringGetBytes(string, all, kCFStringEncodingASCII, 0, false, buffer, 8, NULL),
		1);
	ck_assert_int_eq(CFStringGetBytes(string, CFRangeMake(3, 2), kCFStringEncodingUTF8, 0,
					  false, buffer, 8, &used),
			 0);
	CFRelease(string);
}
END_TEST

START_TEST(reads_numbers)
{
	ck_assert_int_eq(CFStringGetIntValue(CFSTR(" -12 apples")), -12);
	ck_assert_int_eq(CFStringGetIntValue(CFSTR("99999999999")), INT32_MAX);
	ck_assert_int_eq(CFStringGetIntValue(CFSTR("none")), 0);
	ck_assert_double_eq(CFStringGetDoubleValue(CFSTR("2.5e1x")), 25);
}
END_TEST

UNIT_MAIN("cf_string", gives_out_units, is_made_of_units_and_bytes, gives_out_bytes, reads_numbers,
	  says_what_it_was_given, what_does_not_fit_is_not_copied, lengths_are_utf16_units,
	  refuses_other_bytes, ascii_cannot_say_everything)
