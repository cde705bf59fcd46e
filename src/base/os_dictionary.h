/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of OSDictionary, for the CoreFoundation face of it. */
#ifndef BASE_OS_DICTIONARY_H
#define BASE_OS_DICTIONARY_H

#include <DriverKit/OSCollections.h>

#include "element.h"

struct dictionary_entry {
	OSObject *key;	 /* retained; of an OSDictionary's own making an OSString */
	OSObject *value; /* retained */
	uint64_t hash;	 /* of a key that is no string, when it was put in */
};

struct OSDictionary_IVars {
	struct dictionary_entry *entries; /* [owner] in the order of insertion */
	uint32_t *order;   /* [owner] indices of entries: strings sorted, then others by hash */
	uint32_t count;	   /* [owner] */
	uint32_t capacity; /* of both */
	bool fixed;	   /* [const] once an app has it: CoreFoundation refuses to change it */
	/* [const] an app's own; NULL: they are objects */
	struct element_callbacks *key_callbacks, *value_callbacks;
};

/*
 * The same with keys that are objects of any class, or an app's own. Set retains both; a string
 * that may change is copied instead. Objects are not NULL. An entry is valid until the next change.
 */
bool dictionary_set(OSDictionary *dictionary, const void *key, const void *value);
const struct dictionary_entry *dictionary_find(const OSDictionary *dictionary, const void *key);
void dictionary_remove(OSDictionary *dictionary, const void *key);
void dictionary_remove_all(OSDictionary *dictionary);

#endif
