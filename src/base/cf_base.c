/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CoreFoundation's base functions over OSObject. A type's id is the address of its class, so that
 * the classes of higher layers (run loops) have one as well.
 */
#include <CoreFoundation/CFBase.h>
#include <DriverKit/OSCollections.h>

#include <limits.h>

#include "log.h"
#include "object.h"
#include "os_hash.h"

static const OSMetaClass gCFNullMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "CFNull",
	.superclass = OSTypeID(OSObject),
};

static struct OSObject null = {.metaclass = OSTypeID(CFNull), .references = OBJECT_IMMORTAL};
const CFNullRef kCFNull = (CFNullRef)&null;

CFTypeID
CFNullGetTypeID(void)
{
	return (CFTypeID)OSTypeID(CFNull);
}

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
	return object == NULL ? 0 : (CFTypeID)object_real(object)->metaclass;
}

Boolean
CFEqual(CFTypeRef one, CFTypeRef other)
{
	return OSObjectIsEqual(one, other);
}

CFHashCode
CFHash(CFTypeRef object)
{
	return object_hash(object);
}

CFIndex
CFGetRetainCount(CFTypeRef object)
{
	uint32_t count;

	if (object == NULL) {
		log_error("CFGetRetainCount: object is NULL");
		return 0;
	}
	/* Relaxed: a number to look at, old when it is returned. */
	count = atomic_load_explicit(&object_real(object)->references, memory_order_relaxed);
	return count == OBJECT_IMMORTAL ? LONG_MAX : (CFIndex)count;
}
