/* SPDX-License-Identifier: Apache-2.0 */
#include <CoreFoundation/CoreFoundation.h>

#include "unit.h"

/* Text that all of an encoding's bytes say, there and back. */
static void
goes_and_comes_back(CFStringEncoding encoding, const void *bytes, CFIndex length, const char *utf8)
{
	CFStringRef string = CFStringCreateWithBytes(NULL, bytes, length, encoding, false);
	CFIndex units, used = 0;
	UInt8 back[64];
	char text[64];

	ck_assert_ptr_nonnull(string);
	ck_assert(CFStringGetCString(string, text, sizeof(text), kCFStringEncodingUTF8));
	ck_assert_str_eq(text, utf8);
	units = CFStringGetLength(string);
	ck_assert_int_eq(CFStringGetBytes(string, CFRangeMake(0, units), encoding, 0, false, back,
					  sizeof(back), &used),
			 units);
	ck_assert_int_eq(used, length);
	ck_assert_mem_eq(back, bytes, length);
	ck_assert_int_le(used, CFStringGetMaximumSizeForEncoding(units, encoding));
	CFRelease(string);
}

#define TEXT "A\xc3\xa9\xf0\x9f\x98\x80" /* A, e acute, a smile */

START_TEST(every_encoding)
{
	static const UInt8 little16[] = {'A', 0, 0xe9, 0, 0x3d, 0xd8, 0, 0xde};
	static const UInt8 big16[] = {0, 'A', 0, 0xe9, 0xd8, 0x3d, 0xde, 0};
	static const UInt8 little32[] = {'A', 0, 0, 0, 0xe9, 0, 0, 0, 0, 0xf6, 1, 0};
	static const UInt8 big32[] = {0, 0, 0, 'A', 0, 0, 0, 0xe9, 0, 1, 0xf6, 0};

	goes_and_comes_back(kCFStringEncodingUTF8, TEXT, 7, TEXT);
	goes_and_comes_back(kCFStringEncodingASCII, "A~", 2, "A~");
	goes_and_comes_back(kCFStringEncodingISOLatin1, "A\xe9\xff", 3, "A\xc3\xa9\xc3\xbf");
	/* Umlaut, euro, the last one: caron. */
	goes_and_comes_back(kCFStringEncodingMacRoman, "\x80\xdb\xff", 3,
			    "\xc3\x84\xe2\x82\xac\xcb\x87");
	goes_and_comes_back(kCFStringEncodingUTF16LE, little16, 8, TEXT);
	goes_and_comes_back(kCFStringEncodingUTF16BE, big16, 8, TEXT);
	goes_and_comes_back(kCFStringEncodingUTF32LE, little32, 12, TEXT);
	goes_and_comes_back(kCFStringEncodingUTF32BE, big32, 12, TEXT);
	goes_and_comes_back(kCFStringEncodingUTF16,
			    OSHostByteOrder() == OSLittleEndian ? little16 : big16, 8, TEXT);
	goes_and_comes_back(kCFStringEncodingUnicode, "", 0, "");
}
END_TEST

START_TEST(what_is_not_of_its_encoding)
{
	static const struct {
		CFStringEncoding encoding;
		const char *bytes;
		CFIndex length;
	} wrong[] = {
		{kCFStringEncodingUTF8, "\xc3", 1},
		{kCFStringEncodingUTF8, "a\0b", 3},
		{kCFStringEncodingUTF8, "\xed\xa0\x80", 3}, /* half a pair */
		{kCFStringEncodingASCII, "\x80", 1},
		{kCFStringEncodingUTF16LE, "a", 1},
		{kCFStringEncodingUTF16LE, "\x3d\xd8", 2},
		{kCFStringEncodingUTF16LE,
		 "\x3d\xd8"
		 "a\0",
		 4},
		{kCFStringEncodingUTF16LE, "\0\xde", 2},
		{kCFStringEncodingUTF16LE, "\0\0", 2},
		{kCFStringEncodingUTF32LE, "a\0\0", 3},
		{kCFStringEncodingUTF32LE, "\0\xd8\0\0", 4},
		{kCFStringEncodingUTF32LE, "\0\0\x11\0", 4},
		{0x999, "a", 1},
		{kCFStringEncodingInvalidId, "a", 1},
		{kCFStringEncodingUTF8, "a", -1},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(CFStringCreateWithBytes(NULL, (const UInt8 *)wrong[i].bytes,
						      wrong[i].length, wrong[i].encoding,
						      false) == NULL,
			      "case %zu", i);
	ck_assert_ptr_null(CFStringCreateWithCString(NULL, "a", kCFStringEncodingUTF16LE));
}
END_TEST

static void
is_marked(CFStringEncoding encoding, const char *bytes, CFIndex length, const char *text)
{
	CFStringRef string =
		CFStringCreateWithBytes(NULL, (const UInt8 *)bytes, length, encoding, true);
	char got[16] = "";

	CFStringGetCString(string, got, sizeof(got), kCFStringEncodingUTF8);
	ck_assert_str_eq(got, text);
	CFRelease(string);
}

START_TEST(byte_order_marks)
{
	CFDataRef data;
	CFStringRef back;

	is_marked(kCFStringEncodingUTF16,
		  "\xff\xfe"
		  "a\0",
		  4, "a");
	is_marked(kCFStringEncodingUTF16, "\xfe\xff\0a", 4, "a");
	is_marked(kCFStringEncodingUTF32, "\0\0\xfe\xff\0\0\0a", 8, "a");
	is_marked(kCFStringEncodingUTF8,
		  "\xef\xbb\xbf"
		  "a",
		  4, "a");
	/* Where the encoding says the order, it is a character. */
	is_marked(kCFStringEncodingUTF16LE,
		  "\xff\xfe"
		  "a\0",
		  4,
		  "\xef\xbb\xbf"
		  "a");

	data = CFStringCreateExternalRepresentation(NULL, CFSTR(TEXT), kCFStringEncodingUTF16, 0);
	ck_assert_int_eq(CFDataGetLength(data), 10);
	back = CFStringCreateFromExternalRepresentation(NULL, data, kCFStringEncodingUTF16);
	ck_assert(CFEqual(back, CFSTR(TEXT)));
	CFRelease(back);
	CFRelease(data);
	data = CFStringCreateExternalRepresentation(NULL, CFSTR(TEXT), kCFStringEncodingASCII, '?');
	ck_assert_mem_eq(CFDataGetBytePtr(data), "A??", 3);
	CFRelease(data);
	ck_assert_ptr_null(
		CFStringCreateExternalRepresentation(NULL, CFSTR(TEXT), kCFStringEncodingASCII, 0));
}
END_TEST

START_TEST(what_is_handed_over_is_given_back)
{
	CFStringRef string =
		CFStringCreateWithCStringNoCopy(NULL, strdup("text"), kCFStringEncodingUTF8, NULL);
	UniChar *units = malloc(2 * sizeof(*units));
	char *bad = strdup("\xff");

	ck_assert(CFEqual(string, CFSTR("text"))); /* ASan finds what is not freed */
	CFRelease(string);
	string = CFStringCreateWithCStringNoCopy(NULL, "constant", kCFStringEncodingASCII,
						 kCFAllocatorNull);
	ck_assert(CFEqual(string, CFSTR("constant")));
	CFRelease(string);
	units[0] = 'a';
	units[1] = 'b';
	string = CFStringCreateWithCharactersNoCopy(NULL, units, 2, kCFAllocatorMalloc);
	ck_assert(CFEqual(string, CFSTR("ab")));
	CFRelease(string);
	ck_assert_ptr_null(CFStringCreateWithBytesNoCopy(NULL, (UInt8 *)bad, 1,
							 kCFStringEncodingUTF8, false, NULL));
	free(bad); /* still the app's */
}
END_TEST

START_TEST(pointers_only_to_what_is_there)
{
	ck_assert_str_eq(CFStringGetCStringPtr(CFSTR("a"), kCFStringEncodingMacRoman), "a");
	ck_assert_ptr_null(CFStringGetCStringPtr(CFSTR(TEXT), kCFStringEncodingMacRoman));
	ck_assert_ptr_null(CFStringGetCStringPtr(CFSTR("a"), kCFStringEncodingUTF16));
	ck_assert_ptr_null(CFStringGetCharactersPtr(CFSTR("a")));
	ck_assert(CFStringIsEncodingAvailable(kCFStringEncodingUTF32BE));
	ck_assert(!CFStringIsEncodingAvailable(0x999));
}
END_TEST

START_TEST(too_little_room_leaves_the_buffer_alone)
{
	char buffer[4] = "-";

	ck_assert(!CFStringGetCString(CFSTR("1234"), buffer, 4, kCFStringEncodingMacRoman));
	ck_assert_str_eq(buffer, "-");
	ck_assert(CFStringGetCString(CFSTR("123"), buffer, 4, kCFStringEncodingMacRoman));
	ck_assert_str_eq(buffer, "123");
	ck_assert(!CFStringGetCString(CFSTR("1"), buffer, 4, kCFStringEncodingUTF16));
}
END_TEST

UNIT_MAIN("cf_string_bytes", every_encoding, what_is_not_of_its_encoding, byte_order_marks,
	  what_is_handed_over_is_given_back, pointers_only_to_what_is_there,
	  too_little_room_leaves_the_buffer_alone)
