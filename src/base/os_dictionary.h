/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of OSDictionary, for the CoreFoundation face of it. */
#ifndef BASE_OS_DICTIONARY_H
#define BASE_OS_DICTIONARY_H

#include <DriverKit/OSCollections.h>

struct dictionary_entry {
	OSObject *key;	 /* retained; of an OSDictionary's own making an OSString */
	OSObject *value; /* retained */
};

struct OSDictionary_IVars {
	struct dictionary_entry *entries; /* [owner] in the order of insertion */
	uint32_t *order;   /* [owner] indices of entries: strings sorted, then others by hash */
	uint32_t count;	   /* [owner] */
	uint32_t capacity; /* of both */
};

/*
 * The same with keys that are objects, of any class. Set retains both; a string that may change is
 * copied instead. Object is not NULL.
 */
bool dictionary_set(OSDictionary *dictionary, const void *key, const void *object);
OSObject *dictionary_get(const OSDictionary *dictionary, const void *key);
void dictionary_remove(OSDictionary *dictionary, const void *key);
void dictionary_remove_all(OSDictionary *dictionary);

#endif
