/* SPDX-License-Identifier: Apache-2.0 */
#include <CoreFoundation/CoreFoundation.h>

#include "unit.h"

static void
says_take(CFStringRef string, const char *text)
{
	ck_assert_ptr_nonnull(string);
	ck_assert_str_eq(CFStringGetCStringPtr(string, kCFStringEncodingUTF8), text);
	CFRelease(string);
}

#define FORMAT(...) CFStringCreateWithFormat(NULL, NULL, __VA_ARGS__)

START_TEST(formats_as_printf)
{
	says_take(FORMAT(CFSTR("")), "");
	says_take(FORMAT(CFSTR("%d %i %u 100%%"), -1, 2, 3u), "-1 2 3 100%");
	says_take(FORMAT(CFSTR("0x%04x %#X %o"), 0xab, 0xcdu, 8), "0x00ab 0XCD 10");
	says_take(FORMAT(CFSTR("%ld %lld %llu %qd"), -1L, INT64_C(-5000000000), UINT64_MAX,
			 INT64_C(7)),
		  "-1 -5000000000 18446744073709551615 7");
	says_take(FORMAT(CFSTR("%hhd %hu %zu %lu"), 0x1ff, 0x1ffff, (size_t)9, 5UL),
		  "-1 65535 9 5");
	says_take(FORMAT(CFSTR("[%5d] [%-5d] [%05d] [%*d] [%-*d]"), 1, 2, 3, 4, 5, 3, 6),
		  "[    1] [2    ] [00003] [   5] [6  ]");
	says_take(FORMAT(CFSTR("%.2f %g %e %Lf"), 1.005, 0.5, 1.0, 2.0L),
		  "1.00 0.5 1.000000e+00 2.000000");
	says_take(FORMAT(CFSTR("%s %.2s %c %C"), "text", "long", 'c', 0xe4), "text lo c \xc3\xa4");
}
END_TEST

START_TEST(formats_objects)
{
	int value = -7;
	CFNumberRef number = CFNumberCreate(NULL, kCFNumberIntType, &value);

	says_take(FORMAT(CFSTR("%@=%@ %@ %d"), CFSTR("a"), number, kCFBooleanTrue, 1),
		  "a=-7 true 1");
	says_take(FORMAT(CFSTR("[%4@] [%-4@] [%@]"), CFSTR("x"), CFSTR("y"), NULL),
		  "[   x] [y   ] [(null)]");
	CFRelease(number);
}
END_TEST

START_TEST(keeps_to_utf8)
{
	says_take(FORMAT(CFSTR("\xc3\xa4%s"), "\xff!"), "\xc3\xa4\xef\xbf\xbd!");
	says_take(FORMAT(CFSTR("%.1s"), "\xc3\xa4"), "\xef\xbf\xbd");
}
END_TEST

START_TEST(refuses_what_it_does_not_know)
{
	CFMutableStringRef string = CFStringCreateMutable(NULL, 0);

	ck_assert_ptr_null(FORMAT(CFSTR("%1$@"), CFSTR("a")));
	ck_assert_ptr_null(FORMAT(CFSTR("%n"), NULL));
	ck_assert_ptr_null(FORMAT(CFSTR("%ls"), L"wide"));
	ck_assert_ptr_null(FORMAT(CFSTR("at the end %")));
	ck_assert_ptr_null(FORMAT((CFStringRef)NULL));
	ck_assert_ptr_null(
		CFStringCreateWithFormat(NULL, (CFDictionaryRef)kCFBooleanTrue, CFSTR("a")));
	CFStringAppendFormat(string, NULL, CFSTR("%n"), NULL);
	ck_assert_int_eq(CFStringGetLength(string), 0);
	CFRelease(string);
}
END_TEST

UNIT_MAIN("cf_format", formats_as_printf, formats_objects, keeps_to_utf8,
	  refuses_what_it_does_not_know)
