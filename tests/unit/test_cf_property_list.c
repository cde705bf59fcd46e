/* SPDX-License-Identifier: Apache-2.0 */
#include <CoreFoundation/CoreFoundation.h>

#include "unit.h"

static CFMutableDictionaryRef
make(void)
{
	CFMutableDictionaryRef list = CFDictionaryCreateMutable(
		NULL, 0, &kCFTypeDictionaryKeyCallBacks, &kCFTypeDictionaryValueCallBacks);
	int64_t minus = -5;
	double half = 0.5;
	CFNumberRef whole = CFNumberCreate(NULL, kCFNumberSInt64Type, &minus);
	CFNumberRef real = CFNumberCreate(NULL, kCFNumberDoubleType, &half);
	CFDateRef date = CFDateCreate(NULL, -86400);
	CFDataRef data = CFDataCreate(NULL, (const UInt8 *)"abc", 3);
	const void *values[] = {CFSTR("one"), kCFBooleanFalse};
	CFArrayRef array = CFArrayCreate(NULL, values, 2, &kCFTypeArrayCallBacks);

	CFDictionarySetValue(list, CFSTR("whole"), whole);
	CFDictionarySetValue(list, CFSTR("real"), real);
	CFDictionarySetValue(list, CFSTR("date"), date);
	CFDictionarySetValue(list, CFSTR("data"), data);
	CFDictionarySetValue(list, CFSTR("array"), array);
	CFRelease(whole);
	CFRelease(real);
	CFRelease(date);
	CFRelease(data);
	CFRelease(array);
	return list;
}

static void
goes_and_comes_back(CFPropertyListFormat format)
{
	CFMutableDictionaryRef list = make();
	CFErrorRef error = (CFErrorRef)&error;
	CFDataRef data = CFPropertyListCreateData(NULL, list, format, 0, &error);
	CFPropertyListFormat found = 0;
	CFPropertyListRef back;
	int value = 0;

	ck_assert_ptr_nonnull(data);
	ck_assert_ptr_null(error);
	back = CFPropertyListCreateWithData(NULL, data, kCFPropertyListImmutable, &found, NULL);
	ck_assert_ptr_nonnull(back);
	ck_assert_int_eq(found, format);
	ck_assert(CFEqual(back, list));
	ck_assert(CFNumberGetValue(CFDictionaryGetValue(back, CFSTR("whole")), kCFNumberIntType,
				   &value));
	ck_assert_int_eq(value, -5);
	CFRelease(data);
	CFRelease(back);
	CFRelease(list);
}

START_TEST(keeps_values_in_both_formats)
{
	goes_and_comes_back(kCFPropertyListXMLFormat_v1_0);
	goes_and_comes_back(kCFPropertyListBinaryFormat_v1_0);
}
END_TEST

START_TEST(a_negative_number_is_written_with_its_sign)
{
	CFMutableDictionaryRef list = make();
	CFDataRef data =
		CFPropertyListCreateData(NULL, list, kCFPropertyListXMLFormat_v1_0, 0, NULL);

	ck_assert_ptr_nonnull(
		memmem(CFDataGetBytePtr(data), (size_t)CFDataGetLength(data), "<integer>-5<", 12));
	CFRelease(data);
	CFRelease(list);
}
END_TEST

START_TEST(refuses_what_no_list_can_hold)
{
	CFMutableDictionaryRef list = make();
	CFDateRef far = CFDateCreate(NULL, 1e10);
	CFDataRef text = CFDataCreate(NULL, (const UInt8 *)"no list", 7);
	CFErrorRef error = NULL;

	ck_assert_ptr_null(CFPropertyListCreateData(NULL, list, 1, 0, NULL));
	ck_assert_ptr_null(
		CFPropertyListCreateData(NULL, list, kCFPropertyListXMLFormat_v1_0, 1, NULL));
	ck_assert_ptr_null(
		CFPropertyListCreateData(NULL, NULL, kCFPropertyListXMLFormat_v1_0, 0, &error));
	ck_assert_ptr_nonnull(error);
	CFRelease(error);
	ck_assert_ptr_null(
		CFPropertyListCreateData(NULL, kCFNull, kCFPropertyListXMLFormat_v1_0, 0, NULL));
	ck_assert_ptr_null(
		CFPropertyListCreateData(NULL, far, kCFPropertyListBinaryFormat_v1_0, 0, NULL));
	CFDictionarySetValue(list, kCFBooleanTrue, CFSTR("x"));
	ck_assert_ptr_null(
		CFPropertyListCreateData(NULL, list, kCFPropertyListXMLFormat_v1_0, 0, NULL));
	ck_assert_ptr_null(CFPropertyListCreateWithData(NULL, text, 0, NULL, NULL));
	ck_assert_ptr_null(CFPropertyListCreateWithData(NULL, NULL, 0, NULL, NULL));
	ck_assert_ptr_null(CFPropertyListCreateWithData(NULL, text, 2, NULL, NULL));
	CFRelease(text);
	CFRelease(far);
	CFRelease(list);
}
END_TEST

static CFPropertyListRef
read_back(CFDataRef data, CFOptionFlags options)
{
	return CFPropertyListCreateWithData(NULL, data, options, NULL, NULL);
}

START_TEST(only_what_was_asked_for_can_change)
{
	CFMutableDictionaryRef list = make();
	CFDataRef data =
		CFPropertyListCreateData(NULL, list, kCFPropertyListBinaryFormat_v1_0, 0, NULL);

	for (CFOptionFlags options = kCFPropertyListImmutable;
	     options <= kCFPropertyListMutableContainersAndLeaves; options++) {
		CFPropertyListRef back = read_back(data, options);
		CFTypeRef array = CFDictionaryGetValue(back, CFSTR("array"));
		CFTypeRef bytes = CFDictionaryGetValue(back, CFSTR("data"));
		CFTypeRef text = CFArrayGetValueAtIndex(array, 0);

		CFDataSetLength((CFMutableDataRef)bytes, 1);
		ck_assert_int_eq(CFDataGetLength(bytes), options == 2 ? 1 : 3);
		CFStringAppend((CFMutableStringRef)text, CFSTR("!"));
		ck_assert(CFEqual(text, options == 2 ? CFSTR("one!") : CFSTR("one")));
		CFArrayRemoveAllValues((CFMutableArrayRef)array);
		ck_assert_int_eq(CFArrayGetCount(array), options == 0 ? 2 : 0);
		CFDictionaryRemoveAllValues((CFMutableDictionaryRef)back);
		ck_assert_int_eq(CFDictionaryGetCount(back), options == 0 ? 5 : 0);
		CFRelease(back);
	}
	ck_assert_ptr_null(read_back(data, 3));
	CFRelease(data);
	CFRelease(list);
}
END_TEST

/* A list whose collections have an app's own callbacks, as long as they hold objects. */
START_TEST(of_objects_without_callbacks)
{
	CFMutableDictionaryRef list = CFDictionaryCreateMutable(NULL, 0, NULL, NULL);
	CFMutableArrayRef array = CFArrayCreateMutable(NULL, 0, NULL);
	CFDataRef data;
	CFPropertyListRef back;

	CFArrayAppendValue(array, kCFBooleanTrue);
	CFDictionarySetValue(list, CFSTR("array"), array);
	data = CFPropertyListCreateData(NULL, list, kCFPropertyListXMLFormat_v1_0, 0, NULL);
	back = read_back(data, 0);
	ck_assert(CFEqual(CFArrayGetValueAtIndex(CFDictionaryGetValue(back, CFSTR("array")), 0),
			  kCFBooleanTrue));
	CFArrayAppendValue(array, NULL);
	ck_assert_ptr_null(
		CFPropertyListCreateData(NULL, list, kCFPropertyListXMLFormat_v1_0, 0, NULL));
	CFRelease(list);
	CFRelease(array);
	CFRelease(data);
	CFRelease(back);
}
END_TEST

/* An array of so many: it counts too. */
static CFDataRef
write_array_of(CFIndex count, CFPropertyListFormat format, CFErrorRef *error)
{
	CFMutableArrayRef array = CFArrayCreateMutable(NULL, 0, &kCFTypeArrayCallBacks);
	CFDataRef data;

	for (CFIndex i = 0; i < count; i++)
		CFArrayAppendValue(array, kCFBooleanTrue);
	data = CFPropertyListCreateData(NULL, array, format, 0, error);
	CFRelease(array);
	return data;
}

START_TEST(a_list_has_at_most_65536_nodes)
{
	static const CFPropertyListFormat formats[] = {kCFPropertyListXMLFormat_v1_0,
						       kCFPropertyListBinaryFormat_v1_0};

	for (unsigned i = 0; i < 2; i++) {
		CFErrorRef error = NULL;
		CFDataRef data = write_array_of(65535, formats[i], &error);
		CFPropertyListRef back = read_back(data, 0);

		ck_assert_ptr_null(error);
		ck_assert_int_eq(CFArrayGetCount(back), 65535);
		CFRelease(back);
		CFRelease(data);
		ck_assert_ptr_null(write_array_of(65536, formats[i], &error));
		ck_assert_ptr_nonnull(error);
		CFRelease(error);
	}
}
END_TEST

UNIT_MAIN("cf_property_list", only_what_was_asked_for_can_change, of_objects_without_callbacks,
	  keeps_values_in_both_formats, a_negative_number_is_written_with_its_sign,
	  refuses_what_no_list_can_hold, a_list_has_at_most_65536_nodes)
