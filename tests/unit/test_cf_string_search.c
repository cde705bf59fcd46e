/* SPDX-License-Identifier: Apache-2.0 */
#include <CoreFoundation/CoreFoundation.h>

#include "unit.h"

START_TEST(compares)
{
	ck_assert_int_eq(CFStringCompare(CFSTR("abc"), CFSTR("abc"), 0), kCFCompareEqualTo);
	ck_assert_int_eq(CFStringCompare(CFSTR("ab"), CFSTR("abc"), 0), kCFCompareLessThan);
	ck_assert_int_eq(CFStringCompare(CFSTR("b"), CFSTR("abc"), 0), kCFCompareGreaterThan);
	ck_assert_int_eq(CFStringCompare(CFSTR("z"), CFSTR("\xc3\xa4"), 0), kCFCompareLessThan);
	ck_assert_int_eq(CFStringCompare(CFSTR("ABC"), CFSTR("abc"), 0), kCFCompareLessThan);
	ck_assert_int_eq(CFStringCompare(CFSTR("AbC"), CFSTR("aBc"), kCFCompareCaseInsensitive),
			 kCFCompareEqualTo);
}
END_TEST

static void
found_at(const char *wanted, CFStringCompareFlags flags, CFIndex location)
{
	CFStringRef other = CFStringCreateWithCString(NULL, wanted, kCFStringEncodingUTF8);
	CFRange range = CFStringFind(CFSTR("\xf0\x9f\x98\x80"
					   "one two ONE"),
				     other, flags);

	ck_assert_int_eq(range.location, location);
	ck_assert_int_eq(range.length, location < 0 ? 0 : CFStringGetLength(other));
	CFRelease(other);
}

START_TEST(finds)
{
	found_at("one", 0, 2);
	found_at("\xf0\x9f\x98\x80", 0, 0);
	found_at("three", 0, kCFNotFound);
	found_at("", 0, kCFNotFound);
	found_at("one", kCFCompareCaseInsensitive | kCFCompareBackwards, 10);
	found_at("one", kCFCompareBackwards, 2);
	found_at("one", kCFCompareAnchored, kCFNotFound);
	found_at("ONE", kCFCompareAnchored | kCFCompareBackwards, 10);
	found_at("two", kCFCompareAnchored | kCFCompareBackwards, kCFNotFound);
	found_at("one", 1u << 30, kCFNotFound);
}
END_TEST

START_TEST(looks_at_the_ends)
{
	ck_assert(CFStringHasPrefix(CFSTR("usb1"), CFSTR("usb")));
	ck_assert(!CFStringHasPrefix(CFSTR("us"), CFSTR("usb")));
	ck_assert(CFStringHasSuffix(CFSTR("a.dext"), CFSTR(".dext")));
	ck_assert(!CFStringHasSuffix(CFSTR("dext"), CFSTR(".dext")));
	ck_assert(!CFStringHasSuffix(CFSTR("dext"), NULL));
}
END_TEST

START_TEST(splits_and_joins)
{
	CFArrayRef parts =
		CFStringCreateArrayBySeparatingStrings(NULL, CFSTR("a, b,, c"), CFSTR(", "));
	CFArrayRef whole = CFStringCreateArrayBySeparatingStrings(NULL, CFSTR("abc"), CFSTR("-"));
	CFArrayRef edges = CFStringCreateArrayBySeparatingStrings(NULL, CFSTR("-a-"), CFSTR("-"));
	CFStringRef joined = CFStringCreateByCombiningStrings(NULL, parts, CFSTR("+"));

	ck_assert_int_eq(CFArrayGetCount(parts), 3);
	ck_assert(CFEqual(CFArrayGetValueAtIndex(parts, 1), CFSTR("b,")));
	ck_assert_int_eq(CFArrayGetCount(whole), 1);
	ck_assert_int_eq(CFArrayGetCount(edges), 3);
	ck_assert(CFEqual(CFArrayGetValueAtIndex(edges, 2), CFSTR("")));
	ck_assert(CFEqual(joined, CFSTR("a+b,+c")));
	CFRelease(parts);
	CFRelease(whole);
	CFRelease(edges);
	CFRelease(joined);
}
END_TEST

START_TEST(numbers_and_ranges)
{
	CFStringRef text = CFSTR("usb10.2");
	CFRange found = {9, 9};

	ck_assert_int_eq(CFStringCompare(CFSTR("usb9"), text, 0), kCFCompareGreaterThan);
	ck_assert_int_eq(CFStringCompare(CFSTR("usb9"), text, kCFCompareNumerically),
			 kCFCompareLessThan);
	ck_assert_int_eq(CFStringCompare(CFSTR("USB010.2"), text,
					 kCFCompareNumerically | kCFCompareCaseInsensitive),
			 kCFCompareEqualTo);
	ck_assert_int_eq(CFStringCompare(CFSTR("usb10"), text, kCFCompareNumerically),
			 kCFCompareLessThan);
	ck_assert_int_eq(CFStringCompareWithOptions(text, CFSTR("10"), CFRangeMake(3, 2), 0),
			 kCFCompareEqualTo);
	ck_assert(!CFStringFindWithOptions(text, CFSTR("b1"), CFRangeMake(3, 4), 0, &found));
	ck_assert_int_eq(found.location, 9);
	ck_assert(CFStringFindWithOptions(text, CFSTR("0"), CFRangeMake(3, 4), 0, &found));
	ck_assert_int_eq(found.location, 4);
	ck_assert(!CFStringFindWithOptions(text, CFSTR("0"), CFRangeMake(3, 5), 0, NULL));
}
END_TEST

UNIT_MAIN("cf_string_search", numbers_and_ranges, compares, finds, looks_at_the_ends,
	  splits_and_joins)
