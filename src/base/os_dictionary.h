/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of OSDictionary, for the CoreFoundation face of it. */
#ifndef BASE_OS_DICTIONARY_H
#define BASE_OS_DICTIONARY_H

#include <DriverKit/OSCollections.h>

struct dictionary_entry {
	OSString *key;	 /* retained */
	OSObject *value; /* retained */
};

struct OSDictionary_IVars {
	struct dictionary_entry *entries; /* [owner] in the order of insertion */
	uint32_t *order;		  /* [owner] indices of entries, sorted by key */
	uint32_t count;			  /* [owner] */
	uint32_t capacity;		  /* of both */
};

/* OSDictionarySetValue with a key that exists as an object already; retains both. */
bool dictionary_set(OSDictionary *dictionary, OSString *key, const void *object);

#endif
