/* SPDX-License-Identifier: Apache-2.0 */
/* OSSet over OSDictionary, which finds keys of every class. Whoever changes it does so alone. */
#include "os_set.h"

#include "object.h"

static void
OSSet_free(OSObject *self)
{
	OSRelease(OSObjectIVars(OSSet, self)->members);
	OSObject_free_Impl(self);
}

static const OSObjectMethods object_methods = {
	.size = sizeof(OSObjectMethods),
	.free = OSSet_free,
};

const OSMetaClass gOSSetMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "OSSet",
	.superclass = OSTypeID(OSObject),
	.ivars_size = sizeof(struct OSSet_IVars),
	.object = &object_methods,
};

/* Dictionaries for sets own their callbacks; the values are none. */
static bool
set_callbacks(OSDictionary *members, const struct element_callbacks *callbacks)
{
	struct OSDictionary_IVars *ivars = OSObjectIVars(OSDictionary, members);

	if (callbacks == NULL)
		return true;
	ivars->key_callbacks = element_callbacks_copy(callbacks);
	ivars->value_callbacks = element_callbacks_copy(&(struct element_callbacks){0});
	return ivars->key_callbacks != NULL && ivars->value_callbacks != NULL;
}

OSSet *
set_create(const struct element_callbacks *callbacks)
{
	OSSet *set = object_create(OSSet);
	OSDictionary *members = set == NULL ? NULL : OSDictionaryCreate(0);

	if (set == NULL)
		return NULL;
	OSObjectIVars(OSSet, set)->members = members;
	if (members == NULL || !set_callbacks(members, callbacks))
		OSSafeReleaseNULL(set);
	return set;
}

OSDictionary *
set_members(const OSSet *set)
{
	return OSObjectIVars(OSSet, set)->members;
}

const struct OSDictionary_IVars *
set_entries(const OSSet *set)
{
	return OSObjectIVars(OSDictionary, set_members(set));
}

const void *
set_member(const OSSet *set, const struct dictionary_entry *entry)
{
	return set_entries(set)->key_callbacks == NULL ? entry->value : entry->key;
}
