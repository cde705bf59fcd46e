/* SPDX-License-Identifier: Apache-2.0 */
#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOReturn.h>

#include "unit.h"

static void
says_take(CFStringRef words, const char *text)
{
	ck_assert_ptr_nonnull(strstr(CFStringGetCStringPtr(words, kCFStringEncodingUTF8), text));
	CFRelease(words);
}

START_TEST(says_what_it_was_made_of)
{
	const void *keys[] = {kCFErrorLocalizedDescriptionKey, kCFErrorLocalizedFailureReasonKey};
	const void *values[] = {CFSTR("It failed."), CFSTR("The cable is out.")};
	CFDictionaryRef info =
		CFDictionaryCreate(NULL, keys, values, 2, &kCFTypeDictionaryKeyCallBacks,
				   &kCFTypeDictionaryValueCallBacks);
	CFErrorRef error = CFErrorCreate(NULL, CFSTR("org.example"), 7, info);
	CFDictionaryRef copy;

	CFRelease(info);
	ck_assert_uint_eq(CFGetTypeID(error), CFErrorGetTypeID());
	ck_assert(CFEqual(CFErrorGetDomain(error), CFSTR("org.example")));
	ck_assert_int_eq(CFErrorGetCode(error), 7);
	says_take(CFErrorCopyDescription(error), "It failed.");
	says_take(CFErrorCopyFailureReason(error), "The cable is out.");
	ck_assert_ptr_null(CFErrorCopyRecoverySuggestion(error));
	copy = CFErrorCopyUserInfo(error);
	ck_assert_int_eq(CFDictionaryGetCount(copy), 2);
	CFRelease(copy);
	says_take(CFCopyDescription(error), "org.example 7: It failed.");
	CFRelease(error);
}
END_TEST

START_TEST(codes_have_words)
{
	CFErrorRef error = CFErrorCreate(NULL, kCFErrorDomainPOSIX, ENOENT, NULL);

	says_take(CFErrorCopyDescription(error), "No such file");
	CFRelease(error);
	error = CFErrorCreate(NULL, kCFErrorDomainMach, kIOReturnExclusiveAccess, NULL);
	says_take(CFErrorCopyDescription(error), "kIOReturnExclusiveAccess");
	CFRelease(error);
	error = CFErrorCreate(NULL, CFSTR("org.example"), 5, NULL);
	says_take(CFErrorCopyDescription(error), "org.example");
	CFRelease(error);
	ck_assert_ptr_null(CFErrorCreate(NULL, NULL, 5, NULL));
	ck_assert_int_eq(CFErrorGetCode((CFErrorRef)(uintptr_t)kCFBooleanTrue), 0);
}
END_TEST

START_TEST(property_lists_make_them)
{
	CFDataRef junk = CFDataCreate(NULL, (const UInt8 *)"junk", 4);
	CFErrorRef error = NULL;
	CFSetRef set = CFSetCreate(NULL, NULL, 0, &kCFTypeSetCallBacks);
	CFStringRef words = NULL;

	ck_assert_ptr_null(CFPropertyListCreateWithData(NULL, junk, 0, NULL, &error));
	ck_assert_int_eq(CFErrorGetCode(error), 3840);
	ck_assert(CFEqual(CFErrorGetDomain(error), kCFErrorDomainCocoa));
	CFRelease(error);
	ck_assert_ptr_null(
		CFPropertyListCreateData(NULL, set, kCFPropertyListXMLFormat_v1_0, 0, &error));
	ck_assert_int_eq(CFErrorGetCode(error), 3851);
	CFRelease(error);
	ck_assert_ptr_null(CFPropertyListCreateFromXMLData(NULL, junk, 0, &words));
	says_take(words, "no property list");
	ck_assert_ptr_null(CFPropertyListCreateWithData(NULL, junk, 0, NULL, NULL));
	CFRelease(junk);
	CFRelease(set);
}
END_TEST

START_TEST(deep_copies)
{
	CFMutableArrayRef inner = CFArrayCreateMutable(NULL, 0, &kCFTypeArrayCallBacks);
	const void *values[] = {inner};
	CFArrayRef list = CFArrayCreate(NULL, values, 1, &kCFTypeArrayCallBacks);
	CFArrayRef copy = CFPropertyListCreateDeepCopy(NULL, list, kCFPropertyListImmutable);

	ck_assert(CFEqual(copy, list));
	ck_assert(CFPropertyListIsValid(list, kCFPropertyListXMLFormat_v1_0));
	CFArrayAppendValue(inner, kCFNull);
	ck_assert_int_eq(CFArrayGetCount(CFArrayGetValueAtIndex(copy, 0)), 0);
	ck_assert(!CFPropertyListIsValid(list, kCFPropertyListXMLFormat_v1_0));
	ck_assert_ptr_null(CFPropertyListCreateDeepCopy(NULL, list, kCFPropertyListImmutable));
	CFRelease(inner);
	CFRelease(list);
	CFRelease(copy);
}
END_TEST

UNIT_MAIN("cf_error", says_what_it_was_made_of, codes_have_words, property_lists_make_them,
	  deep_copies)
