/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OSArray: retained objects in order, or what an app's callbacks make of its CFArray. Whoever
 * changes it does so alone.
 */
#include "os_array.h"

#include "object.h"

#include <stdlib.h>
#include <string.h>

/* A capacity is a hint: one that a peer's number became must not make us allocate gigabytes. */
#define FIRST_CAPACITY_MAX 1024u

static void
OSArray_free(OSObject *self)
{
	struct OSArray_IVars *ivars = OSObjectIVars(OSArray, self);

	for (uint32_t i = 0; i < ivars->count; i++)
		element_release(ivars->callbacks, ivars->values[i]);
	free(ivars->values);
	element_callbacks_free(ivars->callbacks);
	OSObject_free_Impl(self);
}

static const OSObjectMethods object_methods = {
	.size = sizeof(OSObjectMethods),
	.free = OSArray_free,
};

const OSMetaClass gOSArrayMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "OSArray",
	.superclass = OSTypeID(OSObject),
	.ivars_size = sizeof(struct OSArray_IVars),
	.object = &object_methods,
};

static bool
set_capacity(struct OSArray_IVars *ivars, uint32_t capacity)
{
	OSObject **values = reallocarray(ivars->values, capacity, sizeof(values[0]));

	if (values == NULL)
		return false;
	ivars->values = values;
	ivars->capacity = capacity;
	return true;
}

OSArray *
OSArrayCreate(uint32_t capacity)
{
	OSArray *array = object_create(OSArray);

	if (capacity > FIRST_CAPACITY_MAX)
		capacity = FIRST_CAPACITY_MAX;
	if (array != NULL && capacity > 0 &&
	    !set_capacity(OSObjectIVars(OSArray, array), capacity)) {
		OSRelease(array);
		return NULL;
	}
	return array;
}

uint32_t
OSArrayGetCount(const OSArray *array)
{
	return array == NULL ? 0 : OSObjectIVars(OSArray, array)->count;
}

OSObject *
OSArrayGetValue(const OSArray *array, uint32_t index)
{
	struct OSArray_IVars *ivars;

	if (array == NULL)
		return NULL;
	ivars = OSObjectIVars(OSArray, array);
	return index < ivars->count ? ivars->values[index] : NULL;
}

bool
array_insert(OSArray *array, uint32_t index, const void *object)
{
	struct OSArray_IVars *ivars = OSObjectIVars(OSArray, array);

	if (ivars->count == ivars->capacity &&
	    (ivars->count > UINT32_MAX / 2 ||
	     !set_capacity(ivars, ivars->count == 0 ? 4 : ivars->count * 2)))
		return false;
	object = element_retain(ivars->callbacks, object);
	memmove(&ivars->values[index + 1], &ivars->values[index],
		(ivars->count - index) * sizeof(ivars->values[0]));
	ivars->values[index] = (OSObject *)(uintptr_t)object;
	ivars->count++;
	return true;
}

void
array_remove(OSArray *array, uint32_t index)
{
	struct OSArray_IVars *ivars = OSObjectIVars(OSArray, array);
	OSObject *gone = ivars->values[index];

	ivars->count--;
	memmove(&ivars->values[index], &ivars->values[index + 1],
		(ivars->count - index) * sizeof(ivars->values[0]));
	element_release(ivars->callbacks, gone);
}

bool
OSArrayAppendValue(OSArray *array, const void *object)
{
	if (array == NULL || object == NULL)
		return false;
	return array_insert(array, OSArrayGetCount(array), object);
}
