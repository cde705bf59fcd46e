/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OSBoolean: two objects in static memory that are never freed, so that comparing pointers is
 * comparing values. OSTypeAlloc could make a third; nobody has a reason to.
 */
#include "object.h"

#include <CoreFoundation/CFNumber.h>
#include <DriverKit/OSCollections.h>

struct OSBoolean_IVars {
	bool value; /* [const] */
};

/* As OSMetaClass_alloc lays an instance out. */
struct instance {
	struct OSObject object;
	_Alignas(16) struct OSBoolean_IVars ivars;
};

_Static_assert(offsetof(struct instance, ivars) == sizeof(struct OSObject), "layout of objects");

const OSMetaClass gOSBooleanMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "OSBoolean",
	.superclass = OSTypeID(OSObject),
	.ivars_size = sizeof(struct OSBoolean_IVars),
};

static struct instance instances[2] = {
	{.object = {.metaclass = OSTypeID(OSBoolean), .references = OBJECT_IMMORTAL}},
	{.object = {.metaclass = OSTypeID(OSBoolean), .references = OBJECT_IMMORTAL},
	 .ivars = {.value = true}},
};

OSBoolean *const kOSBooleanFalse = (OSBoolean *)&instances[0];
OSBoolean *const kOSBooleanTrue = (OSBoolean *)&instances[1];

/* Here, because only here are their addresses constants. */
const CFBooleanRef kCFBooleanFalse = (CFBooleanRef)&instances[0];
const CFBooleanRef kCFBooleanTrue = (CFBooleanRef)&instances[1];

bool
OSBooleanGetValue(const OSBoolean *boolean)
{
	return boolean != NULL && OSObjectIVars(OSBoolean, boolean)->value;
}
