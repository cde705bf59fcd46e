/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Equality of property values: the same class and the same value, deep for collections; of all
 * other objects, identity. A collection that holds itself is unequal to its like rather than
 * endless: past DEPTH_MAX nothing is equal.
 */
#include "cf_date.h"
#include "cf_uuid.h"
#include "object.h"
#include "os_array.h"
#include "os_dictionary.h"
#include "os_number.h"
#include "os_set.h"

#include <DriverKit/OSCollections.h>
#include <string.h>

#define DEPTH_MAX 64

static bool equal(const void *one, const void *other, int depth);

/* Elements of two collections that compare alike; objects one level deeper. */
static bool
equal_elements(const struct element_callbacks *callbacks, const void *one, const void *other,
	       int depth)
{
	return callbacks == NULL ? equal(one, other, depth) : element_equal(callbacks, one, other);
}

static bool
equal_arrays(const OSArray *one, const OSArray *other, int depth)
{
	const struct OSArray_IVars *a = OSObjectIVars(OSArray, one);
	const struct OSArray_IVars *b = OSObjectIVars(OSArray, other);

	if (a->count != b->count || !element_compares_alike(a->callbacks, b->callbacks))
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (!equal_elements(a->callbacks, a->values[i], b->values[i], depth))
			return false;
	return true;
}

static bool
equal_dictionaries(const OSDictionary *one, const OSDictionary *other, int depth)
{
	const struct OSDictionary_IVars *a = OSObjectIVars(OSDictionary, one);
	const struct OSDictionary_IVars *b = OSObjectIVars(OSDictionary, other);

	if (a->count != b->count || !element_compares_alike(a->key_callbacks, b->key_callbacks) ||
	    !element_compares_alike(a->value_callbacks, b->value_callbacks))
		return false;
	for (uint32_t i = 0; i < a->count; i++) {
		const struct dictionary_entry *counterpart =
			dictionary_find(other, a->entries[i].key);

		if (counterpart == NULL || !equal_elements(a->value_callbacks, a->entries[i].value,
							   counterpart->value, depth))
			return false;
	}
	return true;
}

static bool
equal(const void *one, const void *other, int depth)
{
	const OSMetaClass *metaclass;

	one = object_real(one);
	other = object_real(other);
	if (one == other)
		return true;
	if (one == NULL || other == NULL || depth >= DEPTH_MAX)
		return false;
	metaclass = ((const struct OSObject *)one)->metaclass;
	if (metaclass != ((const struct OSObject *)other)->metaclass)
		return false;
	if (metaclass == OSTypeID(OSString))
		return strcmp(OSStringGetCStringPtr(one), OSStringGetCStringPtr(other)) == 0;
	if (metaclass == OSTypeID(OSNumber)) /* how many bits it has is no part of its value */
		return number_compare(one, other) == 0;
	if (metaclass == OSTypeID(OSData))
		return OSDataGetLength(one) == OSDataGetLength(other) &&
		       (OSDataGetLength(one) == 0 ||
			memcmp(OSDataGetBytesPtr(one), OSDataGetBytesPtr(other),
			       OSDataGetLength(one)) == 0);
	if (metaclass == OSTypeID(CFDate))
		return CFDateCompare(one, other, NULL) == kCFCompareEqualTo;
	if (metaclass == OSTypeID(OSArray))
		return equal_arrays(one, other, depth + 1);
	if (metaclass == OSTypeID(OSDictionary))
		return equal_dictionaries(one, other, depth + 1);
	if (metaclass == OSTypeID(CFUUID)) {
		CFUUIDBytes a = CFUUIDGetUUIDBytes(one), b = CFUUIDGetUUIDBytes(other);

		return memcmp(&a, &b, sizeof(a)) == 0;
	}
	if (metaclass == OSTypeID(OSSet))
		return equal_dictionaries(set_members(one), set_members(other), depth + 1);
	return false;
}

bool
OSObjectIsEqual(const void *one, const void *other)
{
	return equal(one, other, 0);
}
