/* SPDX-License-Identifier: Apache-2.0 */
#include <CoreFoundation/CFData.h>

#include "unit.h"

START_TEST(copies_and_grows)
{
	UInt8 bytes[] = {1, 2, 3};
	CFDataRef data = CFDataCreate(NULL, bytes, 3);
	CFMutableDataRef grown = CFDataCreateMutable(NULL, 0);

	bytes[0] = 9;
	ck_assert_int_eq(CFDataGetLength(data), 3);
	ck_assert_uint_eq(CFDataGetBytePtr(data)[0], 1);
	ck_assert_int_eq(CFDataGetLength(grown), 0);
	CFDataAppendBytes(grown, bytes, 3);
	CFDataAppendBytes(grown, bytes, 2);
	CFDataAppendBytes(grown, bytes, -1);
	ck_assert_int_eq(CFDataGetLength(grown), 5);
	ck_assert_uint_eq(CFDataGetBytePtr(grown)[3], 9);
	CFRelease(data);
	CFRelease(grown);
}
END_TEST

START_TEST(gives_out_ranges_that_exist)
{
	const UInt8 bytes[] = {1, 2, 3, 4};
	CFDataRef data = CFDataCreate(NULL, bytes, 4);
	UInt8 buffer[4] = {0};

	CFDataGetBytes(data, CFRangeMake(1, 2), buffer);
	ck_assert_uint_eq(buffer[0], 2);
	ck_assert_uint_eq(buffer[1], 3);
	ck_assert_uint_eq(buffer[2], 0);
	memset(buffer, 0, sizeof(buffer));
	CFDataGetBytes(data, CFRangeMake(4, 0), buffer);
	CFDataGetBytes(data, CFRangeMake(3, 2), buffer);
	CFDataGetBytes(data, CFRangeMake(-1, 2), buffer);
	CFDataGetBytes(data, CFRangeMake(1, -1), buffer);
	CFDataGetBytes(data, CFRangeMake(INTPTR_MAX, INTPTR_MAX), buffer);
	ck_assert_uint_eq(buffer[0], 0);
	CFRelease(data);
}
END_TEST

START_TEST(refuses_bad_lengths)
{
	ck_assert_ptr_null(CFDataCreate(NULL, NULL, -1));
	ck_assert_ptr_null(CFDataCreate(NULL, NULL, 1));
	ck_assert_ptr_null(CFDataCreateMutable(NULL, -1));
}
END_TEST

START_TEST(length_is_set)
{
	CFDataRef data = CFDataCreate(NULL, (const UInt8 *)"abc", 3);
	CFMutableDataRef copy = CFDataCreateMutableCopy(NULL, 0, data);

	CFDataGetMutableBytePtr(copy)[0] = 'A';
	CFDataSetLength(copy, 2);
	CFDataIncreaseLength(copy, 1000);
	CFDataIncreaseLength(copy, -1);
	CFDataSetLength(copy, -1);
	ck_assert_int_eq(CFDataGetLength(copy), 1002);
	ck_assert_mem_eq(CFDataGetBytePtr(copy), "Ab", 3);
	ck_assert_uint_eq(CFDataGetBytePtr(copy)[1001], 0);
	ck_assert_mem_eq(CFDataGetBytePtr(data), "abc", 3);
	CFRelease(data);
	CFRelease(copy);
}
END_TEST

START_TEST(a_capacity_is_a_bound)
{
	CFMutableDataRef data = CFDataCreateMutable(NULL, 4);

	CFDataAppendBytes(data, (const UInt8 *)"abcd", 4);
	ck_assert_int_eq(CFDataGetLength(data), 4);
	CFDataAppendBytes(data, (const UInt8 *)"e", 1);
	CFDataIncreaseLength(data, 1);
	CFDataSetLength(data, 5);
	ck_assert_int_eq(CFDataGetLength(data), 4);
	CFDataSetLength(data, 1);
	CFDataSetLength(data, 4);
	ck_assert_mem_eq(CFDataGetBytePtr(data), "a\0\0", 4);
	CFRelease(data);
}
END_TEST

START_TEST(fixed_data_does_not_change)
{
	CFDataRef made = CFDataCreate(NULL, (const UInt8 *)"abc", 3);
	CFMutableDataRef changed = (CFMutableDataRef)made;

	CFDataAppendBytes(changed, (const UInt8 *)"d", 1);
	CFDataSetLength(changed, 1);
	CFDataIncreaseLength(changed, 1);
	CFDataReplaceBytes(changed, CFRangeMake(0, 1), (const UInt8 *)"d", 1);
	CFDataDeleteBytes(changed, CFRangeMake(0, 1));
	ck_assert_ptr_null(CFDataGetMutableBytePtr(changed));
	ck_assert_int_eq(CFDataGetLength(made), 3);
	ck_assert_mem_eq(CFDataGetBytePtr(made), "abc", 3);
	CFRelease(made);
}
END_TEST

static void
give_back(void *block, void *info)
{
	ck_assert_ptr_eq(block, info);
	((char *)block)[0]++;
}

static void *
refuse(CFIndex size, CFOptionFlags hint, void *info)
{
	return NULL;
}

START_TEST(bytes_that_are_not_copied)
{
	UInt8 bytes[] = {1, 2, 3};
	CFAllocatorContext context = {.info = bytes, .allocate = refuse, .deallocate = give_back};
	CFAllocatorRef own = CFAllocatorCreate(NULL, &context);
	CFDataRef data = CFDataCreateWithBytesNoCopy(NULL, bytes, 3, kCFAllocatorNull);

	ck_assert_ptr_eq(CFDataGetBytePtr(data), bytes);
	CFRelease(data);
	data = CFDataCreateWithBytesNoCopy(NULL, bytes, 3, own);
	CFRelease(own); /* the data has a reference */
	ck_assert_uint_eq(bytes[0], 1);
	CFRelease(data);
	ck_assert_uint_eq(bytes[0], 2);
	/* ASan finds it if malloced bytes are not freed. */
	data = CFDataCreateWithBytesNoCopy(NULL, malloc(8), 8, kCFAllocatorDefault);
	CFRelease(data);
	data = CFDataCreateWithBytesNoCopy(NULL, malloc(8), 8, kCFAllocatorMalloc);
	CFRelease(data);
}
END_TEST

START_TEST(replaces_and_finds_bytes)
{
	CFDataRef from = CFDataCreate(NULL, (const UInt8 *)"abcabc", 6);
	CFDataRef wanted = CFDataCreate(NULL, (const UInt8 *)"bc", 2);
	CFMutableDataRef data = CFDataCreateMutableCopy(NULL, 0, from);
	CFRange all = CFRangeMake(0, 6);

	ck_assert_int_eq(CFDataFind(data, wanted, all, 0).location, 1);
	ck_assert_int_eq(CFDataFind(data, wanted, all, kCFDataSearchBackwards).location, 4);
	ck_assert_int_eq(CFDataFind(data, wanted, all, kCFDataSearchAnchored).location,
			 kCFNotFound);
	ck_assert_int_eq(CFDataFind(data, wanted, CFRangeMake(2, 3), 0).location, kCFNotFound);
	CFDataReplaceBytes(data, CFRangeMake(1, 2), CFDataGetBytePtr(data), 6);
	ck_assert_int_eq(CFDataGetLength(data), 10);
	ck_assert_mem_eq(CFDataGetBytePtr(data), "aabcabcabc", 10);
	CFDataDeleteBytes(data, CFRangeMake(0, 8));
	ck_assert_mem_eq(CFDataGetBytePtr(data), "bc", 2);
	CFDataDeleteBytes(data, CFRangeMake(1, 2));
	ck_assert(CFEqual(data, wanted));
	CFRelease(from);
	CFRelease(wanted);
	CFRelease(data);
}
END_TEST

UNIT_MAIN("cf_data", a_capacity_is_a_bound, fixed_data_does_not_change, bytes_that_are_not_copied,
	  replaces_and_finds_bytes, length_is_set, copies_and_grows, gives_out_ranges_that_exist,
	  refuses_bad_lengths)
