/* SPDX-License-Identifier: Apache-2.0 */
/* Property lists: there and back, and bytes that mean harm. */
#include "unit.h"

#include "bounds.h"
#include "cf_date.h"
#include "object.h"
#include "os_number.h"
#include "plist.h"
#include "plist_scan.h"

#include <stdio.h>

static const struct plist_bounds bounds = {PLIST_NODES_MAX, PLIST_BYTES_MAX};

#define XML_HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\">"

static OSObject *
decoded(const char *xml)
{
	OSObject *object = NULL;

	ck_assert_msg(plist_decode(xml, strlen(xml), &object) == 0, "not decoded: %s", xml);
	return object;
}

static void
refused(const void *bytes, size_t length)
{
	OSObject *object = NULL;

	ck_assert_int_eq(plist_decode(bytes, length, &object), kIOReturnBadArgument);
	ck_assert_ptr_null(object);
}

START_TEST(an_info_plist_is_read)
{
	OSObject *root = decoded(
		XML_HEAD "<!-- a </dict> in a comment --><dict><key>IOKitPersonalities</key><dict>"
			 "<key>Bulk</key><dict><key>idVendor</key><integer>1155</integer>"
			 "<key>IOUserClass</key><string>Bulk &amp; Stream</string>"
			 "<key>yes</key><true/><key>data</key><data>AQID</data>"
			 "<key>list</key><array><integer>0x1234567890</integer><false/></array>"
			 "</dict></dict></dict></plist>");
	OSDictionary *bulk = OSDynamicCast(
		OSDictionary,
		OSDictionaryGetValue(
			OSDynamicCast(OSDictionary, OSDictionaryGetValue((OSDictionary *)root,
									 "IOKitPersonalities")),
			"Bulk"));
	OSArray *list = OSDynamicCast(OSArray, OSDictionaryGetValue(bulk, "list"));
	uint64_t vendor = 0;

	ck_assert(OSDictionaryGetUInt64Value(bulk, "idVendor", &vendor));
	ck_assert_uint_eq(vendor, 1155);
	ck_assert_str_eq(OSDictionaryGetStringValue(bulk, "IOUserClass"), "Bulk & Stream");
	ck_assert_ptr_eq(OSDictionaryGetValue(bulk, "yes"), kOSBooleanTrue);
	ck_assert_uint_eq(
		OSDataGetLength(OSDynamicCast(OSData, OSDictionaryGetValue(bulk, "data"))), 3);
	ck_assert_uint_eq(OSNumberGetUInt64Value(OSDynamicCast(OSNumber, OSArrayGetValue(list, 0))),
			  0x1234567890);
	ck_assert_ptr_eq(OSArrayGetValue(list, 1), kOSBooleanFalse);
	OSRelease(root);
}
END_TEST

static OSDictionary *
sample(void)
{
	OSDictionary *dictionary = OSDictionaryCreate(0);
	OSArray *array = OSArrayCreate(0);
	OSData *data = OSDataCreate("\0\1\2", 3), *none = OSDataCreate(NULL, 0);

	OSDictionarySetUInt64Value(dictionary, "large", UINT64_MAX);
	OSDictionarySetUInt64Value(dictionary, "small", 0);
	OSDictionarySetStringValue(dictionary, "text", "na\xc3\xafve");
	OSDictionarySetStringValue(dictionary, "empty", "");
	OSDictionarySetValue(dictionary, "true", kOSBooleanTrue);
	OSArrayAppendValue(array, data);
	OSArrayAppendValue(array, none);
	OSArrayAppendValue(array, array == NULL ? NULL : (const void *)kOSBooleanFalse);
	OSDictionarySetValue(dictionary, "array", array);
	OSRelease(array);
	OSRelease(data);
	OSRelease(none);
	return dictionary;
}

START_TEST(there_and_back_is_equal)
{
	OSDictionary *before = sample();
	OSObject *after = NULL;
	size_t length = 0;
	void *bytes = NULL;

	ck_assert_int_eq(plist_encode(before, &bytes, &length), 0);
	ck_assert_mem_eq(bytes, "bplist00", 8);
	ck_assert_int_eq(plist_decode(bytes, length, &after), 0);
	ck_assert(OSObjectIsEqual(before, after));
	free(bytes);
	OSRelease(after);
	OSRelease(before);
}
END_TEST

START_TEST(reals_and_dates_are_read)
{
	static const char real[] = XML_HEAD "<real>-1.5</real></plist>";
	static const char date[] = XML_HEAD "<date>2001-01-02T00:00:01Z</date></plist>";
	OSObject *object = NULL;

	ck_assert_int_eq(plist_decode(real, strlen(real), &object), kIOReturnSuccess);
	ck_assert_double_eq(number_get_real((OSNumber *)object), -1.5);
	OSRelease(object);
	ck_assert_int_eq(plist_decode(date, strlen(date), &object), kIOReturnSuccess);
	ck_assert_double_eq(CFDateGetAbsoluteTime((CFDateRef)object), 86401);
	OSRelease(object);
}
END_TEST

START_TEST(what_has_no_class_is_refused)
{
	static const char *const bodies[] = {"<date>9999-01-01T00:00:00Z</date>",
					     "<array><date>1900-01-01T00:00:00Z</date></array>"};
	OSArray *array = OSArrayCreate(0);
	OSObject *plain = object_create(OSObject);
	char xml[256];
	size_t length;
	void *bytes;

	for (size_t i = 0; i < 2; i++) {
		snprintf(xml, sizeof(xml), XML_HEAD "%s</plist>", bodies[i]);
		refused(xml, strlen(xml));
	}
	OSArrayAppendValue(array, plain);
	ck_assert_int_eq(plist_encode(array, &bytes, &length), kIOReturnBadArgument);
	ck_assert_int_eq(plist_encode(NULL, &bytes, &length), kIOReturnBadArgument);
	OSRelease(plain);
	OSRelease(array);
}
END_TEST

START_TEST(what_is_no_list_is_refused)
{
	static const char *const texts[] = {"",
					    "x",
					    "bplist00",
					    "bplist",
					    "<plist>",
					    "<plist><dict>",
					    "{ a = b; }",
					    "<plist><nonsense/></plist>",
					    XML_HEAD "<dict><key>a</key></dict></plist",
					    "<!--",
					    "<![CDATA["};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		refused(texts[i], strlen(texts[i]));
}
END_TEST

static OSObject *
nested(unsigned depth)
{
	OSArray *outer = OSArrayCreate(1);

	for (unsigned i = 1; i < depth; i++) {
		OSArray *next = OSArrayCreate(1);

		OSArrayAppendValue(next, outer);
		OSRelease(outer);
		outer = next;
	}
	return (OSObject *)outer;
}

START_TEST(depth_is_bounded_both_ways)
{
	OSObject *most = nested(PLIST_DEPTH_MAX + 1), *more = nested(PLIST_DEPTH_MAX + 2);
	OSObject *after = NULL;
	size_t length = 0;
	void *bytes = NULL;

	ck_assert_int_eq(plist_encode(most, &bytes, &length), 0);
	ck_assert_int_eq(plist_decode(bytes, length, &after), 0);
	ck_assert(OSObjectIsEqual(most, after));
	OSRelease(after);
	free(bytes);
	ck_assert_int_eq(plist_encode(more, &bytes, &length), kIOReturnNoResources);
	OSRelease(most);
	OSRelease(more);
}
END_TEST

START_TEST(deep_xml_is_refused_before_it_is_parsed)
{
	size_t deep = 200000, used = strlen(XML_HEAD);
	char *xml = malloc(used + deep * 7 + 1);

	memcpy(xml, XML_HEAD, used);
	for (size_t i = 0; i < deep; i++, used += 7)
		memcpy(xml + used, "<array>", 7);
	refused(xml, used);
	free(xml);
}
END_TEST

START_TEST(a_comment_does_not_hide_depth)
{
	static const char hidden[] = "<array><!-- > </array> -->";
	size_t used = strlen(XML_HEAD);
	char *xml = malloc(used + 1000 * sizeof(hidden));

	memcpy(xml, XML_HEAD, used);
	for (size_t i = 0; i < 1000; i++, used += sizeof(hidden) - 1)
		memcpy(xml + used, hidden, sizeof(hidden) - 1);
	ck_assert_ptr_nonnull(plist_scan_xml(xml, used, &bounds));
	refused(xml, used);
	free(xml);
}
END_TEST

/* A binary list of one-byte offsets and references, from objects given one after the other. */
struct maker {
	uint8_t bytes[4096];
	size_t used;
	uint8_t offsets[256];
	unsigned objects;
};

static void
start(struct maker *maker)
{
	memset(maker, 0, sizeof(*maker));
	memcpy(maker->bytes, "bplist00", 8);
	maker->used = 8;
}

static void
add(struct maker *maker, const void *bytes, size_t length)
{
	maker->offsets[maker->objects++] = (uint8_t)maker->used;
	memcpy(maker->bytes + maker->used, bytes, length);
	maker->used += length;
}

static size_t
finish(struct maker *maker)
{
	uint8_t *trailer;

	memcpy(maker->bytes + maker->used, maker->offsets, maker->objects);
	trailer = maker->bytes + maker->used + maker->objects;
	memset(trailer, 0, 32);
	trailer[6] = trailer[7] = 1;
	trailer[15] = (uint8_t)maker->objects;
	trailer[31] = (uint8_t)maker->used;
	maker->used += maker->objects + 32;
	return maker->used;
}

static struct maker maker;

START_TEST(a_list_in_itself_is_refused)
{
	start(&maker);
	add(&maker, "\xa1\0", 2);
	refused(maker.bytes, finish(&maker));
}
END_TEST

START_TEST(references_cannot_multiply_nodes)
{
	/* 30 arrays, each twice the next: 2^30 nodes if they were built. */
	start(&maker);
	for (uint8_t i = 0; i < 30; i++)
		add(&maker, (uint8_t[]){0xa2, (uint8_t)(i + 1), (uint8_t)(i + 1)}, 3);
	add(&maker, "\x09", 1);
	finish(&maker);
	ck_assert_str_eq(plist_scan_binary(maker.bytes, maker.used, &bounds),
			 "it has too many nodes");
	refused(maker.bytes, maker.used);
}
END_TEST

START_TEST(references_cannot_multiply_bytes)
{
	size_t length = 1 << 20, used = 0;
	uint8_t *list = calloc(1, length + 4096);

	/* An array that names 1 MiB of data 255 times. */
	memcpy(list, "bplist00\xaf\x10\xff", 11);
	memset(list + 11, 1, 255);
	used = 11 + 255;
	memcpy(list + used, "\x4f\x12\x00\x10\x00\x00", 6);
	used += 6 + length;
	/* Offsets of four bytes. */
	memcpy(list + used, "\0\0\0\x08\0\0\x01\x0a", 8);
	list[used + 8 + 6] = 4;
	list[used + 8 + 7] = 1;
	list[used + 8 + 15] = 2;
	list[used + 8 + 29] = (uint8_t)(used >> 16);
	list[used + 8 + 30] = (uint8_t)(used >> 8);
	list[used + 8 + 31] = (uint8_t)used;
	ck_assert_str_eq(plist_scan_binary(list, used + 40, &bounds),
			 "its strings and data are too large");
	refused(list, used + 40);
	free(list);
}
END_TEST

/* What any user may send is bounded more closely: at the limit, and one past it. */
START_TEST(a_matching_dictionary_has_few_nodes)
{
	for (size_t past = 0; past < 2; past++) {
		/* Beside them <array>. */
		size_t used = 0, room = DEXT_LIMIT_MATCHING_NODES * 8;
		char *xml = calloc(1, room);
		OSObject *object = NULL;

		used += (size_t)snprintf(xml, room, "%s<array>", XML_HEAD);
		for (size_t i = 0; i < DEXT_LIMIT_MATCHING_NODES - 1 + past; i++)
			used += (size_t)snprintf(xml + used, room - used, "<true/>");
		used += (size_t)snprintf(xml + used, room - used, "</array></plist>");
		ck_assert_uint_lt(used, room);
		ck_assert_int_eq(plist_decode_matching(xml, used, &object),
				 past ? kIOReturnBadArgument : kIOReturnSuccess);
		OSSafeReleaseNULL(object);
		ck_assert_int_eq(plist_decode(xml, used, &object), kIOReturnSuccess);
		OSRelease(object);
		free(xml);
	}
}
END_TEST

START_TEST(a_matching_dictionary_has_few_bytes)
{
	const size_t length = DEXT_LIMIT_MATCHING_BYTES / 2;

	/* An array that names data of half of them twice, and data of no byte or one once. */
	for (uint8_t past = 0; past < 2; past++) {
		uint8_t *list = calloc(1, length + 64);
		size_t used = 12;
		OSObject *object = NULL;

		memcpy(list, "bplist00\xa3\1\1\2", 12);
		memcpy(list + used, "\x4f\x12\x00\x01\x00\x00", 6);
		used += 6 + length;
		list[used] = 0x40 | past;
		used += 1 + past;
		/* Offsets of four bytes, of the three objects, and the trailer. */
		list[used + 3] = 8;
		list[used + 7] = 12;
		list[used + 9] = (uint8_t)((18 + length) >> 16);
		list[used + 10] = (uint8_t)((18 + length) >> 8);
		list[used + 11] = (uint8_t)(18 + length);
		list[used + 12 + 6] = 4;
		list[used + 12 + 7] = 1;
		list[used + 12 + 15] = 3;
		list[used + 12 + 29] = (uint8_t)(used >> 16);
		list[used + 12 + 30] = (uint8_t)(used >> 8);
		list[used + 12 + 31] = (uint8_t)used;
		ck_assert_int_eq(plist_decode_matching(list, used + 44, &object),
				 past ? kIOReturnBadArgument : kIOReturnSuccess);
		OSSafeReleaseNULL(object);
		/* It is that limit alone. */
		ck_assert_int_eq(plist_decode(list, used + 44, &object), kIOReturnSuccess);
		OSRelease(object);
		free(list);
	}
}
END_TEST

START_TEST(a_nul_in_a_string_is_refused)
{
	start(&maker);
	add(&maker,
	    "\x53"
	    "a\0b",
	    4);
	refused(maker.bytes, finish(&maker));
}
END_TEST

START_TEST(counts_and_offsets_outside_are_refused)
{
	static const struct {
		const char *object;
		size_t length;
	} objects[] = {
		{"\x4f\x13\xff\xff\xff\xff\xff\xff\xff\xff", 10}, /* data of 2^64 - 1 bytes */
		{"\x6f\x13\x80\0\0\0\0\0\0\0", 10},		  /* 2^63 characters of 2 */
		{"\xdf\x13\xff\xff\xff\xff\xff\xff\xff\xff", 10}, /* a dictionary of as many */
		{"\xaf\x12\x00\x01\x00\x01", 6},		  /* an array of 65537 */
		{"\xaf", 1},					  /* a count that is not there */
		{"\xaf\x14", 2},
		{"\xa1\x05", 2}, /* object 5 of 1 */
		{"\xd1\0", 2},	 /* a key without a value */
		{"\x5e"
		 "abc",
		 4},
	};

	for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
		start(&maker);
		add(&maker, objects[i].object, objects[i].length);
		refused(maker.bytes, finish(&maker));
	}
}
END_TEST

START_TEST(every_cut_and_every_changed_byte_is_survived)
{
	OSDictionary *dictionary = sample();
	size_t length = 0;
	void *bytes = NULL;
	uint8_t *copy;

	ck_assert_int_eq(plist_encode(dictionary, &bytes, &length), 0);
	for (size_t i = 0; i < length; i++) {
		static const uint8_t values[] = {0x00, 0xff, 0x7f, 0x80, 0xaf, 0xdf, 0x13};

		copy = malloc(length); /* exactly: what is read past it is seen */
		for (size_t j = 0; j < sizeof(values); j++) {
			OSObject *object = NULL;

			memcpy(copy, bytes, length);
			copy[i] = values[j];
			if (plist_decode(copy, length, &object) == 0)
				OSRelease(object);
			else
				ck_assert_ptr_null(object);
		}
		free(copy);
		copy = malloc(i > 0 ? i : 1);
		memcpy(copy, bytes, i);
		refused(copy, i);
		free(copy);
	}
	free(bytes);
	OSRelease(dictionary);
}
END_TEST

UNIT_MAIN("plist", an_info_plist_is_read, there_and_back_is_equal, reals_and_dates_are_read,
	  what_has_no_class_is_refused, what_is_no_list_is_refused, depth_is_bounded_both_ways,
	  deep_xml_is_refused_before_it_is_parsed, a_comment_does_not_hide_depth,
	  a_list_in_itself_is_refused, references_cannot_multiply_nodes,
	  references_cannot_multiply_bytes, a_matching_dictionary_has_few_nodes,
	  a_matching_dictionary_has_few_bytes, a_nul_in_a_string_is_refused,
	  counts_and_offsets_outside_are_refused, every_cut_and_every_changed_byte_is_survived)
