/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Property lists: libplist's trees to our collections and back.
 *
 * The bytes are scanned for their bounds before libplist gets them (plist_scan.h). What has no
 * class here (UIDs) and strings with a NUL inside are refused rather than changed. A number's width
 * does not travel: it comes back as 32 or as 64 bits, a real as 64. Dates are whole seconds within
 * 68 years of 2001, which is what libplist's interface can say.
 *
 * Any thread.
 */
#include "plist.h"

#include "bounds.h"
#include "cf_date.h"
#include "log.h"
#include "object.h"
#include "os_dictionary.h"
#include "os_number.h"
#include "plist_scan.h"

#include <plist/plist.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static IOReturn decode_node(plist_t node, OSObject **ret_object);

static IOReturn
made(const void *object, OSObject **ret_object)
{
	if (object == NULL)
		return kIOReturnNoMemory;
	*ret_object = (OSObject *)(uintptr_t)object;
	return kIOReturnSuccess;
}

static IOReturn
decode_string(plist_t node, OSObject **ret_object)
{
	uint64_t length = 0;
	const char *text = plist_get_string_ptr(node, &length);

	if (text == NULL)
		return made(OSStringCreate("", 0), ret_object);
	return made(OSStringCreate(text, length), ret_object);
}

static IOReturn
decode_array(plist_t node, OSObject **ret_object)
{
	uint32_t count = plist_array_get_size(node);
	OSArray *array = OSArrayCreate(count);
	IOReturn status = array == NULL ? kIOReturnNoMemory : kIOReturnSuccess;
	plist_array_iter iterator = NULL;

	plist_array_new_iter(node, &iterator);
	if (iterator == NULL)
		status = kIOReturnNoMemory;
	for (uint32_t i = 0; i < count && status == kIOReturnSuccess; i++) {
		OSObject *value = NULL;
		plist_t item = NULL;

		plist_array_next_item(node, iterator, &item);
		status = item == NULL ? kIOReturnBadArgument : decode_node(item, &value);
		if (status == kIOReturnSuccess && !OSArrayAppendValue(array, value))
			status = kIOReturnNoMemory;
		OSRelease(value);
	}
	free(iterator);
	if (status == kIOReturnSuccess)
		return made(array, ret_object);
	OSRelease(array);
	return status;
}

static IOReturn
decode_dictionary(plist_t node, OSObject **ret_object)
{
	uint32_t count = plist_dict_get_size(node);
	OSDictionary *dictionary = OSDictionaryCreate(count);
	IOReturn status = dictionary == NULL ? kIOReturnNoMemory : kIOReturnSuccess;
	plist_dict_iter iterator = NULL;

	plist_dict_new_iter(node, &iterator);
	if (iterator == NULL)
		status = kIOReturnNoMemory;
	for (uint32_t i = 0; i < count && status == kIOReturnSuccess; i++) {
		OSObject *value = NULL;
		plist_t item = NULL;
		char *key = NULL;

		plist_dict_next_item(node, iterator, &key, &item);
		status = key == NULL || item == NULL ? kIOReturnBadArgument
						     : decode_node(item, &value);
		if (status == kIOReturnSuccess && !OSDictionarySetValue(dictionary, key, value))
			status = kIOReturnNoMemory;
		OSRelease(value);
		free(key);
	}
	free(iterator);
	if (status == kIOReturnSuccess)
		return made(dictionary, ret_object);
	OSRelease(dictionary);
	return status;
}

static IOReturn
decode_number(plist_t node, OSObject **ret_object)
{
	uint64_t value = 0;

	plist_get_uint_val(node, &value);
	return made(OSNumberCreate(value, value > UINT32_MAX ? 64 : 32), ret_object);
}

static IOReturn
decode_real(plist_t node, OSObject **ret_object)
{
	double real = 0;

	plist_get_real_val(node, &real);
	return made(number_create_real(real, 64), ret_object);
}

static IOReturn
decode_date(plist_t node, OSObject **ret_object)
{
	int32_t seconds = 0, fraction = 0;

	plist_get_date_val(node, &seconds, &fraction);
	if (seconds == INT32_MIN || seconds == INT32_MAX) { /* where others end up */
		log_error("property list refused: a date is too far from 2001");
		return kIOReturnBadArgument;
	}
	return made(CFDateCreate(NULL, seconds), ret_object);
}

static IOReturn
decode_node(plist_t node, OSObject **ret_object)
{
	uint64_t length = 0;
	uint8_t truth = 0;
	const char *bytes;

	switch (plist_get_node_type(node)) {
	case PLIST_BOOLEAN:
		plist_get_bool_val(node, &truth);
		return made(truth ? kOSBooleanTrue : kOSBooleanFalse, ret_object);
	case PLIST_UINT:
		return decode_number(node, ret_object);
	case PLIST_REAL:
		return decode_real(node, ret_object);
	case PLIST_DATE:
		return decode_date(node, ret_object);
	case PLIST_STRING:
		return decode_string(node, ret_object);
	case PLIST_DATA:
		bytes = plist_get_data_ptr(node, &length);
		return made(OSDataCreate(bytes, bytes == NULL ? 0 : length), ret_object);
	case PLIST_ARRAY:
		return decode_array(node, ret_object);
	case PLIST_DICT:
		return decode_dictionary(node, ret_object);
	default:
		log_error("property list refused: it holds a value that is no string, number, "
			  "boolean, data, date, array or dictionary");
		return kIOReturnBadArgument;
	}
}

static IOReturn
decode(const void *bytes, size_t length, const struct plist_bounds *bounds, OSObject **ret_object)
{
	bool binary = length >= 6 && memcmp(bytes, "bplist", 6) == 0;
	plist_t root = NULL;
	const char *wrong;
	IOReturn status;

	if (length > UINT32_MAX)
		wrong = "it is longer than 4 GiB";
	else if (binary)
		wrong = plist_scan_binary(bytes, length, bounds);
	else
		wrong = plist_scan_xml(bytes, length, bounds);
	if (wrong == NULL) {
		if (binary)
			plist_from_bin(bytes, (uint32_t)length, &root);
		else
			plist_from_xml(bytes, (uint32_t)length, &root);
		if (root == NULL)
			wrong = "it cannot be parsed";
	}
	if (wrong != NULL) {
		log_error("property list refused: %s", wrong);
		return kIOReturnBadArgument;
	}
	status = decode_node(root, ret_object);
	plist_free(root);
	return status;
}

IOReturn
plist_decode(const void *bytes, size_t length, OSObject **ret_object)
{
	static const struct plist_bounds bounds = {PLIST_NODES_MAX, PLIST_BYTES_MAX};

	return decode(bytes, length, &bounds, ret_object);
}

IOReturn
plist_decode_matching(const void *bytes, size_t length, OSObject **ret_object)
{
	static const struct plist_bounds bounds = {DEXT_LIMIT_MATCHING_NODES,
						   DEXT_LIMIT_MATCHING_BYTES};

	return decode(bytes, length, &bounds, ret_object);
}

struct encoder {
	uint32_t nodes;
	unsigned depth;
	plist_t parent; /* of the entry that a dictionary's walk adds */
	IOReturn status;
};

static IOReturn encode_node(struct encoder *encoder, const void *object, plist_t *ret_node);

static bool
encode_entry(void *context, const char *key, OSObject *value)
{
	struct encoder *encoder = context;
	plist_t parent = encoder->parent, item;

	encoder->nodes++; /* the key */
	encoder->status = encode_node(encoder, value, &item);
	encoder->parent = parent;
	if (encoder->status == kIOReturnSuccess)
		plist_dict_set_item(parent, key, item);
	return encoder->status != kIOReturnSuccess;
}

static bool
has_string_keys(const OSDictionary *dictionary)
{
	const struct OSDictionary_IVars *ivars = OSObjectIVars(OSDictionary, dictionary);

	for (uint32_t i = 0; i < ivars->count; i++)
		if (OSDynamicCast(OSString, ivars->entries[i].key) == NULL)
			return false;
	return true;
}

static IOReturn
encode_container(struct encoder *encoder, const void *object, plist_t *ret_node)
{
	const OSArray *array = OSDynamicCast(OSArray, object);
	plist_t node = array != NULL ? plist_new_array() : plist_new_dict();

	if (node == NULL)
		return kIOReturnNoMemory;
	encoder->status = kIOReturnSuccess;
	encoder->depth++;
	if (array == NULL && !has_string_keys(object)) {
		log_error("property list: a dictionary has a key that is no string");
		encoder->status = kIOReturnBadArgument;
	} else if (array == NULL) {
		encoder->parent = node;
		OSDictionaryApply_f(object, encoder, encode_entry);
	}
	for (uint32_t i = 0; i < OSArrayGetCount(array); i++) {
		plist_t item;

		encoder->status = encode_node(encoder, OSArrayGetValue(array, i), &item);
		if (encoder->status != kIOReturnSuccess)
			break;
		plist_array_append_item(node, item);
	}
	encoder->depth--;
	if (encoder->status == kIOReturnSuccess)
		*ret_node = node;
	else
		plist_free(node);
	return encoder->status;
}

/* Down to the second: the sign of a fraction would be lost. */
static bool
is_near(CFDateRef date)
{
	CFAbsoluteTime at = CFDateGetAbsoluteTime(date);

	return at > INT32_MIN + 1.0 && at < INT32_MAX - 1.0;
}

static bool
is_leaf(const void *object)
{
	CFDateRef date = OSDynamicCast(CFDate, object);

	return (date != NULL && is_near(date)) || OSDynamicCast(OSString, object) != NULL ||
	       OSDynamicCast(OSNumber, object) != NULL ||
	       OSDynamicCast(OSBoolean, object) != NULL || OSDynamicCast(OSData, object) != NULL;
}

/* libplist makes no negative number but reads one. */
static plist_t
new_number(const OSNumber *number)
{
	uint64_t value = OSNumberGetUInt64Value(number);
	plist_t node = NULL;
	char text[64];

	if (number_is_real(number))
		return plist_new_real(number_get_real(number));
	if (value <= INT64_MAX)
		return plist_new_uint(value);
	snprintf(text, sizeof(text), "<plist><integer>%lld</integer></plist>", (long long)value);
	plist_from_xml(text, (uint32_t)strlen(text), &node);
	return node;
}

static plist_t
new_date(CFDateRef date)
{
	CFAbsoluteTime at = CFDateGetAbsoluteTime(date);

	return plist_new_date((int32_t)at - (at < (int32_t)at ? 1 : 0), 0);
}

/* NULL: no memory. */
static plist_t
leaf(const void *object)
{
	if (OSDynamicCast(OSString, object) != NULL)
		return plist_new_string(OSStringGetCStringPtr(object));
	if (OSDynamicCast(OSNumber, object) != NULL)
		return new_number(object);
	if (OSDynamicCast(CFDate, object) != NULL)
		return new_date(object);
	if (OSDynamicCast(OSBoolean, object) != NULL)
		return plist_new_bool(OSBooleanGetValue(object));
	return plist_new_data(OSDataGetLength(object) > 0 ? OSDataGetBytesPtr(object) : "",
			      OSDataGetLength(object));
}

static IOReturn
encode_node(struct encoder *encoder, const void *object, plist_t *ret_node)
{
	plist_t node;

	if (encoder->depth > PLIST_DEPTH_MAX || ++encoder->nodes > PLIST_NODES_MAX) {
		log_error("property list: deeper than %u or more than %u nodes", PLIST_DEPTH_MAX,
			  PLIST_NODES_MAX);
		return kIOReturnNoResources;
	}
	if (OSDynamicCast(OSArray, object) != NULL || OSDynamicCast(OSDictionary, object) != NULL)
		return encode_container(encoder, object, ret_node);
	if (!is_leaf(object)) {
		log_error("property list: a %s is no property value",
			  OSObject_GetClassName(object));
		return kIOReturnBadArgument;
	}
	node = leaf(object);
	if (node == NULL)
		return kIOReturnNoMemory;
	*ret_node = node;
	return kIOReturnSuccess;
}

static IOReturn
encode(const void *object, bool binary, void **ret_bytes, size_t *ret_length)
{
	struct encoder encoder = {0};
	plist_t root = NULL;
	char *made_bytes = NULL;
	uint32_t length = 0;
	IOReturn status;
	void *bytes;

	status = encode_node(&encoder, object, &root);
	if (status != kIOReturnSuccess)
		return status;
	if (binary)
		plist_to_bin(root, &made_bytes, &length);
	else
		plist_to_xml(root, &made_bytes, &length);
	plist_free(root);
	bytes = made_bytes == NULL ? NULL : malloc(length);
	if (bytes != NULL)
		memcpy(bytes, made_bytes, length);
	plist_to_bin_free(made_bytes); /* as plist_to_xml_free does */
	if (bytes == NULL)
		return kIOReturnNoMemory;
	*ret_bytes = bytes;
	*ret_length = length;
	return kIOReturnSuccess;
}

IOReturn
plist_encode(const void *object, void **ret_bytes, size_t *ret_length)
{
	return encode(object, true, ret_bytes, ret_length);
}

IOReturn
plist_encode_xml(const void *object, void **ret_bytes, size_t *ret_length)
{
	return encode(object, false, ret_bytes, ret_length);
}
