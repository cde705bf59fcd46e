/* SPDX-License-Identifier: Apache-2.0 */
/* OSData: bytes that can grow. Whoever appends does so alone; the bytes may move then. */
#include "os_data.h"

#include "object.h"

#include <stdlib.h>
#include <string.h>

static void
OSData_free(OSObject *self)
{
	struct OSData_IVars *ivars = OSObjectIVars(OSData, self);

	if (ivars->foreign)
		CFAllocatorDeallocate(ivars->deallocator, ivars->bytes);
	else
		free(ivars->bytes);
	CFRelease(ivars->deallocator);
	OSObject_free_Impl(self);
}

static const OSObjectMethods object_methods = {
	.size = sizeof(OSObjectMethods),
	.free = OSData_free,
};

const OSMetaClass gOSDataMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "OSData",
	.superclass = OSTypeID(OSObject),
	.ivars_size = sizeof(struct OSData_IVars),
	.object = &object_methods,
};

OSData *
OSDataCreate(const void *bytes, size_t length)
{
	OSData *data;

	if (bytes == NULL && length > 0)
		return NULL;
	data = object_create(OSData);
	if (data != NULL && !OSDataAppendBytes(data, bytes, length)) {
		OSRelease(data);
		return NULL;
	}
	return data;
}

const void *
OSDataGetBytesPtr(const OSData *data)
{
	return data == NULL ? NULL : OSObjectIVars(OSData, data)->bytes;
}

size_t
OSDataGetLength(const OSData *data)
{
	return data == NULL ? 0 : OSObjectIVars(OSData, data)->length;
}

static bool
make_room(struct OSData_IVars *ivars, size_t needed)
{
	size_t capacity = ivars->capacity;
	uint8_t *bytes;

	if (needed <= capacity)
		return true;
	/* By half as much again when it grows, exactly when it is made. */
	if (capacity > 0 && capacity + capacity / 2 > needed)
		needed = capacity + capacity / 2;
	bytes = realloc(ivars->bytes, needed);
	if (bytes == NULL)
		return false;
	ivars->bytes = bytes;
	ivars->capacity = needed;
	return true;
}

bool
OSDataAppendBytes(OSData *data, const void *bytes, size_t length)
{
	struct OSData_IVars *ivars;

	if (data == NULL || (bytes == NULL && length > 0))
		return false;
	ivars = OSObjectIVars(OSData, data);
	if (length == 0)
		return true;
	if (length > SIZE_MAX / 2 - ivars->length || !make_room(ivars, ivars->length + length))
		return false;
	memcpy(ivars->bytes + ivars->length, bytes, length);
	ivars->length += length;
	return true;
}
