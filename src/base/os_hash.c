/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes of property values. What is equal has the same hash; a collection's is its count, so that
 * it costs nothing and cannot recurse. Nothing that a peer chooses is looked up by hash.
 */
#include "os_hash.h"

#include "cf_date.h"
#include "cf_uuid.h"
#include "object.h"
#include "os_number.h"
#include "os_set.h"

#include <DriverKit/OSCollections.h>

#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

uint64_t
hash_bytes(const void *bytes, size_t length)
{
	const uint8_t *at = bytes;
	uint64_t hash = FNV_BASIS;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ at[i]) * FNV_PRIME;
	return hash;
}

uint64_t
object_hash(const void *reference)
{
	const struct OSObject *object = object_real(reference);
	const OSMetaClass *metaclass = object == NULL ? NULL : object->metaclass;

	if (metaclass == OSTypeID(OSString))
		return hash_bytes(OSStringGetCStringPtr((const OSString *)object),
				  OSStringGetLength((const OSString *)object));
	if (metaclass == OSTypeID(OSNumber))
		return number_hash((const OSNumber *)object);
	if (metaclass == OSTypeID(OSData))
		return hash_bytes(OSDataGetBytesPtr((const OSData *)object),
				  OSDataGetLength((const OSData *)object));
	if (metaclass == OSTypeID(OSArray))
		return OSArrayGetCount((const OSArray *)object);
	if (metaclass == OSTypeID(OSDictionary))
		return OSDictionaryGetCount((const OSDictionary *)object);
	if (metaclass == OSTypeID(OSSet))
		return OSDictionaryGetCount(set_members((const OSSet *)object));
	if (metaclass == OSTypeID(CFUUID)) {
		CFUUIDBytes bytes = CFUUIDGetUUIDBytes((CFUUIDRef)object);

		return hash_bytes(&bytes, sizeof(bytes));
	}
	if (metaclass == OSTypeID(CFDate))
		return date_hash((CFDateRef)object);
	return (uintptr_t)object >> 4; /* equal to itself only */
}
