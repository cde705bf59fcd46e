/* SPDX-License-Identifier: Apache-2.0 */
/* OSSet: objects, each value once. So far only the app's CFSet, under another name. */
#ifndef BASE_OS_SET_H
#define BASE_OS_SET_H

#include <DriverKit/OSCollections.h>

#include "os_dictionary.h"

typedef struct OSSet OSSet;
extern const OSMetaClass gOSSetMetaClass;

struct OSSet_IVars {
	/*
	 * [const] Of objects each key's value is the member, and the keys, which cannot change,
	 * only find it. With an app's callbacks the keys are the members, and the values NULL.
	 */
	OSDictionary *members;
};

/* callbacks NULL: of objects. */
OSSet *set_create(const struct element_callbacks *callbacks);
/* Borrowed. */
OSDictionary *set_members(const OSSet *set);
const struct OSDictionary_IVars *set_entries(const OSSet *set);
/* The member of one of its entries. */
const void *set_member(const OSSet *set, const struct dictionary_entry *entry);

#endif
