/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CoreFoundation's base functions over OSObject. A type's id is the address of its class, so that
 * the classes of higher layers (run loops) have one as well.
 */
#include <CoreFoundation/CFBase.h>
#include <DriverKit/OSCollections.h>

#include "object.h"

CFTypeRef
CFRetain(CFTypeRef object)
{
	OSRetain(object);
	return object;
}

void
CFRelease(CFTypeRef object)
{
	OSRelease(object);
}

CFTypeID
CFGetTypeID(CFTypeRef object)
{
	return object == NULL ? 0 : (CFTypeID)((const struct OSObject *)object)->metaclass;
}

Boolean
CFEqual(CFTypeRef one, CFTypeRef other)
{
	return OSObjectIsEqual(one, other);
}
