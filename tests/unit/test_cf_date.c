/* SPDX-License-Identifier: Apache-2.0 */
#include <CoreFoundation/CoreFoundation.h>

#include "unit.h"

#include <time.h>

START_TEST(counts_from_2001)
{
	CFAbsoluteTime now = CFAbsoluteTimeGetCurrent();
	double unix_now = (double)time(NULL); /* of a clock that is a tick behind */

	ck_assert_double_ge(unix_now, now + kCFAbsoluteTimeIntervalSince1970 - 2);
	ck_assert_double_le(unix_now, now + kCFAbsoluteTimeIntervalSince1970 + 60);
	ck_assert_double_ge(CFAbsoluteTimeGetCurrent(), now);
}
END_TEST

START_TEST(dates_have_an_order)
{
	CFDateRef early = CFDateCreate(NULL, -5.5), late = CFDateCreate(NULL, 7);

	ck_assert_uint_eq(CFGetTypeID(early), CFDateGetTypeID());
	ck_assert_double_eq(CFDateGetAbsoluteTime(early), -5.5);
	ck_assert_double_eq(CFDateGetTimeIntervalSinceDate(late, early), 12.5);
	ck_assert_int_eq(CFDateCompare(early, late, NULL), kCFCompareLessThan);
	ck_assert_int_eq(CFDateCompare(late, early, NULL), kCFCompareGreaterThan);
	ck_assert_int_eq(CFDateCompare(late, late, NULL), kCFCompareEqualTo);
	ck_assert_double_eq(CFDateGetAbsoluteTime((CFDateRef)CFSTR("no date")), 0);
	ck_assert(!CFEqual(early, late));
	CFRelease(early);
	CFRelease(late);
}
END_TEST

UNIT_MAIN("cf_date", counts_from_2001, dates_have_an_order)
