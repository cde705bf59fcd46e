/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <DriverKit/OSDictionary.h>
#include <stdio.h>

START_TEST(values_are_found_and_replaced)
{
	OSDictionary *dictionary = OSDictionaryCreate(2);
	uint64_t value = 77;

	ck_assert(OSDictionarySetUInt64Value(dictionary, "number", 5));
	ck_assert(OSDictionarySetStringValue(dictionary, "text", "hello"));
	ck_assert(OSDictionarySetValue(dictionary, "truth", kOSBooleanTrue));
	ck_assert_uint_eq(OSDictionaryGetCount(dictionary), 3);
	ck_assert(OSDictionaryGetUInt64Value(dictionary, "number", &value));
	ck_assert_uint_eq(value, 5);
	ck_assert_str_eq(OSDictionaryGetStringValue(dictionary, "text"), "hello");
	ck_assert_ptr_eq(OSDictionaryGetValue(dictionary, "truth"), kOSBooleanTrue);
	ck_assert(OSDictionarySetUInt64Value(dictionary, "number", 6));
	ck_assert_uint_eq(OSDictionaryGetCount(dictionary), 3);
	ck_assert(OSDictionaryGetUInt64Value(dictionary, "number", &value));
	ck_assert_uint_eq(value, 6);
	/* Of another type: false and untouched. */
	ck_assert(!OSDictionaryGetUInt64Value(dictionary, "text", &value));
	ck_assert(!OSDictionaryGetUInt64Value(dictionary, "none", &value));
	ck_assert_uint_eq(value, 6);
	ck_assert_ptr_null(OSDictionaryGetStringValue(dictionary, "number"));
	OSRelease(dictionary);
}
END_TEST

struct order {
	uint32_t seen;
	uint32_t stop_after;
	char keys[1000][16];
};

static bool
note(void *context, const char *key, OSObject *value)
{
	struct order *order = context;

	snprintf(order->keys[order->seen++], 16, "%s", key);
	return order->seen == order->stop_after;
}

START_TEST(insertion_order_is_kept_across_removals)
{
	OSDictionary *dictionary = OSDictionaryCreate(0);
	static struct order order;
	char key[16];

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "%u", i * 7919 % 1000); /* not in sorted order */
		ck_assert(OSDictionarySetUInt64Value(dictionary, key, i));
	}
	for (unsigned i = 0; i < 1000; i += 3) {
		snprintf(key, sizeof(key), "%u", i * 7919 % 1000);
		OSDictionaryRemoveValue(dictionary, key);
	}
	ck_assert_uint_eq(OSDictionaryGetCount(dictionary), 666);
	ck_assert(!OSDictionaryApply_f(dictionary, &order, note));
	ck_assert_uint_eq(order.seen, 666);
	for (unsigned i = 0, at = 0; i < 1000; i++) {
		uint64_t value = 0;
		bool there;

		snprintf(key, sizeof(key), "%u", i * 7919 % 1000);
		there = OSDictionaryGetUInt64Value(dictionary, key, &value);
		ck_assert_int_eq(there, i % 3 != 0);
		if (there) {
			ck_assert_uint_eq(value, i);
			ck_assert_str_eq(order.keys[at++], key);
		}
	}
	order = (struct order){.stop_after = 2};
	ck_assert(OSDictionaryApply_f(dictionary, &order, note));
	ck_assert_uint_eq(order.seen, 2);
	OSRelease(dictionary);
}
END_TEST

START_TEST(removed_values_are_released)
{
	OSDictionary *dictionary = OSDictionaryCreate(4);
	OSString *value = OSStringCreateWithCString("value");

	ck_assert(OSDictionarySetValue(dictionary, "key", value));
	ck_assert(OSDictionarySetValue(dictionary, "key", value)); /* over itself */
	OSRelease(value);
	ck_assert_str_eq(OSDictionaryGetStringValue(dictionary, "key"), "value");
	OSDictionaryRemoveValue(dictionary, "key");
	OSDictionaryRemoveValue(dictionary, "key");
	ck_assert_uint_eq(OSDictionaryGetCount(dictionary), 0);
	OSRelease(dictionary);
}
END_TEST

START_TEST(null_is_refused)
{
	OSDictionary *dictionary = OSDictionaryCreate(UINT32_MAX);
	uint64_t value;

	ck_assert(!OSDictionarySetValue(dictionary, "key", NULL));
	ck_assert(!OSDictionarySetValue(dictionary, NULL, dictionary));
	ck_assert(!OSDictionarySetValue(NULL, "key", dictionary));
	ck_assert(!OSDictionarySetStringValue(dictionary, "key", NULL));
	ck_assert(!OSDictionarySetUInt64Value(NULL, "key", 1));
	ck_assert_ptr_null(OSDictionaryGetValue(dictionary, NULL));
	ck_assert_ptr_null(OSDictionaryGetValue(NULL, "key"));
	ck_assert(!OSDictionaryGetUInt64Value(NULL, "key", &value));
	ck_assert(!OSDictionaryApply_f(NULL, NULL, note));
	OSDictionaryRemoveValue(NULL, "key");
	ck_assert_uint_eq(OSDictionaryGetCount(NULL), 0);
	OSRelease(dictionary);
}
END_TEST

UNIT_MAIN("os_dictionary", values_are_found_and_replaced, insertion_order_is_kept_across_removals,
	  removed_values_are_released, null_is_refused)
