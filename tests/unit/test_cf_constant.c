/* SPDX-License-Identifier: Apache-2.0 */
#include <CoreFoundation/CoreFoundation.h>

#include "unit.h"

#include <DriverKit/OSCollections.h>
#include <pthread.h>
#include <stdio.h>

static const CFStringRef outside = CFSTR("outside any function");
static const void *const table[] = {CFSTR("one"), CFSTR(""), CFSTR("\xc3\xa4")};

START_TEST(initialises_static_variables)
{
	static const CFStringRef inside = CFSTR("inside");

	ck_assert_str_eq(CFStringGetCStringPtr(outside, kCFStringEncodingUTF8),
			 "outside any function");
	ck_assert_int_eq(CFStringGetLength(inside), 6);
	ck_assert_int_eq(CFStringGetLength(table[1]), 0);
	ck_assert_int_eq(CFStringGetLength(table[2]), 1);
}
END_TEST

START_TEST(is_a_string_under_both_names)
{
	OSString *made = OSStringCreateWithCString("one");
	OSDictionary *dictionary = OSDictionaryCreate(0);

	ck_assert_uint_eq(CFGetTypeID(table[0]), CFStringGetTypeID());
	ck_assert_str_eq(OSObject_GetClassName(table[0]), "OSString");
	ck_assert_ptr_nonnull(OSDynamicCast(OSString, table[0]));
	ck_assert_ptr_nonnull(OSRequiredCast(OSString, table[0]));
	ck_assert_ptr_null(OSDynamicCast(OSNumber, table[0]));
	ck_assert_str_eq(OSStringGetCStringPtr(table[0]), "one");
	ck_assert(OSObjectIsEqual(table[0], made));
	ck_assert(OSObjectIsEqual(made, table[0]));
	ck_assert(!CFEqual(table[0], table[1]));
	ck_assert(OSDictionarySetValue(dictionary, "key", table[0]));
	ck_assert_str_eq(OSDictionaryGetStringValue(dictionary, "key"), "one");
	OSRelease(dictionary);
	OSRelease(made);
}
END_TEST

START_TEST(constants_are_one_and_live_for_ever)
{
	CFStringRef one = CFSTR("constant");
	char copy[] = "constant";

	ck_assert(CFEqual(__CFStringMakeConstantString(copy), one));
	ck_assert_ptr_eq(__CFStringMakeConstantString(copy),
			 __CFStringMakeConstantString("constant"));
	ck_assert(!CFEqual(CFSTR("another"), one));
	ck_assert_ptr_eq(CFRetain(one), one);
	for (int i = 0; i < 3; i++)
		CFRelease(one); /* wrong, and harmless */
	ck_assert_str_eq(CFStringGetCStringPtr(CFSTR("constant"), kCFStringEncodingUTF8),
			 "constant");
}
END_TEST

static void *
ask(void *context)
{
	CFStringRef *found = context;
	char text[16];

	for (int i = 0; i < 500; i++) {
		snprintf(text, sizeof(text), "key %d", i);
		found[i] = __CFStringMakeConstantString(text);
	}
	return NULL;
}

START_TEST(threads_get_the_same_constants)
{
	static CFStringRef found[4][500];
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, ask, found[i]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (int i = 1; i < 4; i++)
		ck_assert_mem_eq(found[i], found[0], sizeof(found[0]));
}
END_TEST

UNIT_MAIN("cf_constant", initialises_static_variables, is_a_string_under_both_names,
	  constants_are_one_and_live_for_ever, threads_get_the_same_constants)
