/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Equality of property values: the same class and the same value, deep for collections; of all
 * other objects, identity. A collection that holds itself is unequal to its like rather than
 * endless: past DEPTH_MAX nothing is equal.
 */
#include "cf_date.h"
#include "cf_uuid.h"
#include "object.h"
#include "os_dictionary.h"
#include "os_number.h"
#include "os_set.h"

#include <DriverKit/OSCollections.h>
#include <string.h>

#define DEPTH_MAX 64

static bool equal(const void *one, const void *other, int depth);

static bool
equal_arrays(const void *one, const void *other, int depth)
{
	uint32_t count = OSArrayGetCount(one);

	if (count != OSArrayGetCount(other))
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (!equal(OSArrayGetValue(one, i), OSArrayGetValue(other, i), depth))
			return false;
	return true;
}

static bool
equal_dictionaries(const OSDictionary *one, const OSDictionary *other, int depth)
{
	const struct OSDictionary_IVars *ivars = OSObjectIVars(OSDictionary, one);

	if (ivars->count != OSDictionaryGetCount(other))
		return false;
	for (uint32_t i = 0; i < ivars->count; i++) {
		OSObject *counterpart = dictionary_get(other, ivars->entries[i].key);

		if (counterpart == NULL || !equal(ivars->entries[i].value, counterpart, depth))
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
