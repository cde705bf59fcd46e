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

OSSet *
set_create(void)
{
	OSSet *set = object_create(OSSet);

	if (set == NULL)
		return NULL;
	OSObjectIVars(OSSet, set)->members = OSDictionaryCreate(0);
	if (OSObjectIVars(OSSet, set)->members == NULL)
		OSSafeReleaseNULL(set);
	return set;
}

OSDictionary *
set_members(const OSSet *set)
{
	return OSObjectIVars(OSSet, set)->members;
}
