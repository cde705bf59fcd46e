/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "matching.h"

#include <stdarg.h>
#include <stdio.h>

/* Pairs of key and number, ended by NULL. */
static OSDictionary *
numbers(const char *key, ...)
{
	OSDictionary *dictionary = OSDictionaryCreate(8);
	va_list arguments;

	va_start(arguments, key);
	for (; key != NULL; key = va_arg(arguments, const char *))
		OSDictionarySetUInt64Value(dictionary, key, (uint64_t)va_arg(arguments, int));
	va_end(arguments);
	return dictionary;
}

static struct tree tree;
static struct entry *device, *interface, *service;

static struct entry *
add_take(const char *class_name, OSDictionary *properties, struct entry *provider,
	 struct host *host)
{
	struct entry *entry = NULL;

	ck_assert_int_eq(tree_add(&tree, 0, class_name, properties, provider, host, &entry),
			 kIOReturnSuccess);
	OSRelease(properties);
	return entry;
}

/* A device with an interface and a service "left" of class Echo on it. */
static void
set_up(void)
{
	OSDictionary *properties;

	device = add_take("IOUSBHostDevice", numbers("idVendor", 0x1209, "idProduct", 0x0d01, NULL),
			  NULL, NULL);
	interface = add_take("IOUSBHostInterface",
			     numbers("idVendor", 0x1209, "idProduct", 0x0d01, "bInterfaceNumber", 0,
				     "bInterfaceClass", 0xff, "bConfigurationValue", 1, NULL),
			     device, NULL);
	properties = numbers("size", 5, NULL);
	OSDictionarySetStringValue(properties, "IOUserClass", "Echo");
	OSDictionarySetStringValue(properties, "IORegistryEntryName", "left");
	service = add_take("IOUserService", properties, interface, (struct host *)0x10);
}

static void
tear_down(void)
{
	tree_clear(&tree);
}

static struct personality
make_take(const char *provider_class, int64_t score, const char *category, OSDictionary *properties)
{
	return (struct personality){
		.name = "Test",
		.properties = properties,
		.provider_class = provider_class,
		.user_class = "Echo",
		.match_category = category,
		.probe_score = score,
	};
}

static const struct {
	const char *provider_class;
	const char *key; /* NULL: none */
	int value;
	bool matches;
	const char *reason;
} personalities[] = {
	{"IOUSBHostInterface", NULL, 0, true, NULL},
	{"IOService", NULL, 0, true, NULL},
	{"IOUSBHostDevice", NULL, 0, false, "IOProviderClass is to be IOUSBHostDevice"},
	{"IOPCIDevice", NULL, 0, false, "IOPCIDevice"},
	{"IOUSBHostInterface", "idVendor", 0x1209, true, NULL},
	{"IOUSBHostInterface", "idVendor", 0x120a, false, "idVendor is to be 0x120a"},
	{"IOUSBHostInterface", "idProduct", 0x0d02, false, "the provider has 0x0d01"},
	{"IOUSBHostInterface", "bInterfaceNumber", 0, true, NULL},
	{"IOUSBHostInterface", "bInterfaceNumber", 1, false, "bInterfaceNumber"},
	{"IOUSBHostInterface", "bInterfaceClass", 0xff, true, NULL},
	{"IOUSBHostInterface", "bInterfaceClass", 8, false, "bInterfaceClass"},
	{"IOUSBHostInterface", "bConfigurationValue", 1, true, NULL},
	{"IOUSBHostInterface", "bConfigurationValue", 2, false, "bConfigurationValue"},
	{"IOUSBHostInterface", "bInterfaceProtocol", 1, false, "has none"},
};

START_TEST(compares_personalities)
{
	char reason[MATCH_REASON_MAX] = "";
	struct personality personality;
	unsigned keys = 99;
	bool matches;

	set_up();
	personality =
		make_take(personalities[_i].provider_class, 0, "c",
			  personalities[_i].key != NULL
				  ? numbers(personalities[_i].key, personalities[_i].value, NULL)
				  : numbers(NULL));
	matches = matching_personality(&personality, interface, &keys, reason);
	ck_assert_msg(matches == personalities[_i].matches, "row %d: %s", _i, reason);
	if (matches)
		ck_assert_uint_eq(keys, personalities[_i].key != NULL ? 1 : 0);
	else
		ck_assert_msg(strstr(reason, personalities[_i].reason) != NULL, "row %d: %s", _i,
			      reason);
	OSRelease(personality.properties);
	tear_down();
}
END_TEST

/* Several products by one personality: by a mask, or by a list. The interface is of 0x0d01. */
static const struct {
	int product, mask; /* -1: no such key */
	int array[2];	   /* 0: no array */
	bool matches;
	unsigned keys;
	const char *reason;
} products[] = {
	{0x0d00, 0xff00, {0}, true, 1, NULL},
	{0x0d0e, 0xfff0, {0}, true, 1, NULL},
	{0x0d00, 0xffff, {0}, false, 0, "idProduct is to be 0x0d00"},
	{0x0e01, 0xff00, {0}, false, 0, "the provider has 0x0d01"},
	{-1, 0xff00, {0}, true, 0, NULL},
	{-1, -1, {0x0d00, 0x0d01}, true, 1, NULL},
	{-1, -1, {0x0d01, 0x0d00}, true, 1, NULL},
	{-1, -1, {0x0d00, 0x0d02}, false, 0, "idProductArray does not have"},
	{0x0d01, -1, {0x0d00, 0x0d01}, true, 2, NULL},
	{0x0d02, -1, {0x0d01, 0x0d02}, false, 0, "idProduct is to be 0x0d02"},
};

START_TEST(takes_several_products)
{
	OSArray *array = OSArrayCreate(2);
	char reason[MATCH_REASON_MAX] = "";
	struct personality personality;
	unsigned keys = 99;
	bool matches;

	set_up();
	personality = make_take("IOUSBHostInterface", 0, "c", numbers(NULL));
	if (products[_i].product >= 0)
		OSDictionarySetUInt64Value(personality.properties, "idProduct",
					   (uint64_t)products[_i].product);
	if (products[_i].mask >= 0)
		OSDictionarySetUInt64Value(personality.properties, "idProductMask",
					   (uint64_t)products[_i].mask);
	for (unsigned i = 0; products[_i].array[0] != 0 && i < 2; i++) {
		OSNumber *number = OSNumberCreateWithUInt64Value((uint64_t)products[_i].array[i]);

		OSArrayAppendValue(array, (OSObject *)number);
		OSRelease(number);
	}
	if (products[_i].array[0] != 0)
		OSDictionarySetValue(personality.properties, "idProductArray", array);
	matches = matching_personality(&personality, interface, &keys, reason);
	ck_assert_msg(matches == products[_i].matches, "row %d: %s", _i, reason);
	if (matches)
		ck_assert_uint_eq(keys, products[_i].keys);
	else
		ck_assert_msg(strstr(reason, products[_i].reason) != NULL, "row %d: %s", _i,
			      reason);
	OSRelease(array);
	OSRelease(personality.properties);
	tear_down();
}
END_TEST

START_TEST(highest_score_of_each_category_wins)
{
	struct personality all[] = {
		make_take("IOUSBHostInterface", 10, "a", numbers(NULL)),
		make_take("IOUSBHostInterface", 20, "a", numbers(NULL)),
		make_take("IOUSBHostInterface", -5, "b", numbers(NULL)),
		make_take("IOUSBHostInterface", -5, "b", numbers("idVendor", 0x1209, NULL)),
		make_take("IOUSBHostInterface", 90, "b", numbers("idVendor", 0x1111, NULL)),
		make_take("IOUSBHostInterface", -5, "b", numbers("idProduct", 0x0d01, NULL)),
	};
	struct bundle bundle = {.personalities = all, .personality_count = 6};
	struct matching_result result;

	set_up();
	matching_select(&bundle, interface, &result);
	ck_assert_uint_eq(result.count, 2);
	ck_assert_ptr_eq(result.winners[0], &all[1]);
	ck_assert_ptr_eq(result.winners[1], &all[3]); /* more keys; of equals the first */
	ck_assert_ptr_eq(matching_next(&bundle, interface, &all[1]), &all[0]);
	ck_assert_ptr_null(matching_next(&bundle, interface, &all[0]));
	/* Its equal, then the one with fewer keys; never the one that does not match. */
	ck_assert_ptr_eq(matching_next(&bundle, interface, &all[3]), &all[5]);
	ck_assert_ptr_eq(matching_next(&bundle, interface, &all[5]), &all[2]);
	ck_assert_ptr_null(matching_next(&bundle, interface, &all[2]));
	ck_assert_ptr_null(matching_next(&bundle, interface, &all[4]));
	matching_select(&bundle, device, &result);
	ck_assert_uint_eq(result.count, 0);
	for (unsigned i = 0; i < 6; i++)
		OSRelease(all[i].properties);
	tear_down();
}
END_TEST

/* Which of device, interface, service an app's dictionary with one string finds. */
static const struct {
	const char *key, *value;
	bool device, interface, service;
} look_ups[] = {
	{"IOProviderClass", "IOUserService", false, false, true},
	{"IOProviderClass", "Echo", false, false, true},
	{"IOProviderClass", "IOService", true, true, true},
	{"IOProviderClass", "IOUSBHostDevice", true, false, false},
	{"IOProviderClass", "IOUSBHostInterface", false, true, false},
	{"IOProviderClass", "left", false, false, false},
	{"IONameMatch", "left", false, false, true},
	{"IONameMatch", "Echo", false, false, false},
	{"IOPropertyExistsMatch", "size", false, false, true},
	{"Unknown", "left", false, false, false},
};

START_TEST(finds_by_one_key)
{
	OSDictionary *matching = OSDictionaryCreate(1);

	set_up();
	OSDictionarySetStringValue(matching, look_ups[_i].key, look_ups[_i].value);
	ck_assert_int_eq(matching_entry(matching, device), look_ups[_i].device);
	ck_assert_int_eq(matching_entry(matching, interface), look_ups[_i].interface);
	ck_assert_int_eq(matching_entry(matching, service), look_ups[_i].service);
	OSRelease(matching);
	tear_down();
}
END_TEST

START_TEST(every_key_must_agree)
{
	OSDictionary *matching = OSDictionaryCreate(4), *wanted;

	set_up();
	OSDictionarySetStringValue(matching, "IOProviderClass", "IOUserService");
	OSDictionarySetStringValue(matching, "IONameMatch", "left");
	ck_assert(matching_entry(matching, service));
	wanted = numbers("size", 6, NULL);
	OSDictionarySetValue(matching, "IOPropertyMatch", wanted);
	ck_assert(!matching_entry(matching, service));
	OSDictionarySetUInt64Value(wanted, "size", 5);
	ck_assert(matching_entry(matching, service));
	OSDictionarySetUInt64Value(wanted, "absent", 5);
	ck_assert(!matching_entry(matching, service));
	OSRelease(wanted);
	OSRelease(matching);
	tear_down();
}
END_TEST

START_TEST(finds_by_id_and_parent)
{
	OSDictionary *matching = OSDictionaryCreate(1), *parent;

	set_up();
	OSDictionarySetUInt64Value(matching, "IORegistryEntryID", service->id);
	ck_assert(matching_entry(matching, service));
	ck_assert(!matching_entry(matching, interface));
	OSRelease(matching);
	matching = OSDictionaryCreate(1);
	parent = OSDictionaryCreate(1);
	OSDictionarySetStringValue(parent, "IOProviderClass", "IOUSBHostInterface");
	OSDictionarySetValue(matching, "IOParentMatch", parent);
	ck_assert(matching_entry(matching, service));
	ck_assert(!matching_entry(matching, interface));
	ck_assert(!matching_entry(matching, device));
	OSRelease(parent);
	OSRelease(matching);
	tear_down();
}
END_TEST

/* Whether a dictionary with this one string matches; it is of that key. */
static bool
matches(const char *key, const char *value, const struct entry *entry)
{
	OSDictionary *matching = OSDictionaryCreate(1);
	bool found;

	OSDictionarySetStringValue(matching, key, value);
	found = matching_entry(matching, entry);
	OSRelease(matching);
	return found;
}

START_TEST(finds_by_path_and_location)
{
	OSDictionary *number = numbers("IOPathMatch", 1, "IOLocationMatch", 0, NULL);

	set_up();
	ck_assert(matches("IOPathMatch", "IOUSB:/IOUSBHostDevice", device));
	ck_assert(!matches("IOPathMatch", "IOUSB:/IOUSBHostDevice", interface));
	ck_assert(matches("IOPathMatch", "IOService:/IOUSBHostDevice/IOUSBHostInterface@0",
			  interface));
	ck_assert(matches("IOLocationMatch", "0", interface));
	ck_assert(!matches("IOLocationMatch", "1", interface));
	ck_assert(!matches("IOLocationMatch", "0", service));
	ck_assert(matches("IOProviderClass", "IOUSBDevice", device));
	ck_assert(matches("IOProviderClass", "IOUSBInterface", interface));
	ck_assert(!matches("IOProviderClass", "IOUSBDevice", interface));
	/* Of another type, they match nothing. */
	ck_assert(!matching_entry(number, device));
	OSRelease(number);
	tear_down();
}
END_TEST

START_TEST(compares_usb_keys_of_nodes)
{
	OSDictionary *matching = numbers("idVendor", 0x1209, "idProduct", 0x0d01, NULL);

	set_up();
	OSDictionarySetStringValue(matching, "IOProviderClass", "IOUSBHostDevice");
	ck_assert(matching_entry(matching, device));
	OSDictionarySetUInt64Value(matching, "idProduct", 1);
	ck_assert(!matching_entry(matching, device));
	OSRelease(matching);
	matching = OSDictionaryCreate(1);
	ck_assert(!matching_entry(matching, device)); /* nothing asked for: nothing found */
	OSRelease(matching);
	tear_down();
}
END_TEST

START_TEST(names_may_be_an_array)
{
	OSDictionary *matching = OSDictionaryCreate(1);
	OSArray *names = OSArrayCreate(2);
	OSString *name = OSStringCreateWithCString("right");

	set_up();
	OSArrayAppendValue(names, name);
	OSDictionarySetValue(matching, "IONameMatch", names);
	ck_assert(!matching_entry(matching, service));
	OSRelease(name);
	name = OSStringCreateWithCString("left");
	OSArrayAppendValue(names, name);
	ck_assert(matching_entry(matching, service));
	OSRelease(name);
	OSRelease(names);
	OSRelease(matching);
	tear_down();
}
END_TEST

UNIT_LOOP_MAIN("matching",
	       {compares_personalities, sizeof(personalities) / sizeof(personalities[0])},
	       {takes_several_products, sizeof(products) / sizeof(products[0])},
	       {highest_score_of_each_category_wins, 1},
	       {finds_by_one_key, sizeof(look_ups) / sizeof(look_ups[0])},
	       {every_key_must_agree, 1}, {finds_by_id_and_parent, 1},
	       {finds_by_path_and_location, 1}, {compares_usb_keys_of_nodes, 1},
	       {names_may_be_an_array, 1})
