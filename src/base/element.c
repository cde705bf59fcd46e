/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a collection does with an element: the app's callback, or what is done with objects. The
 * app's functions run on the thread that changes or asks the collection, which is complete at that
 * moment: they may look at it.
 */
#include "element.h"

#include <CoreFoundation/CFDictionary.h>
#include <DriverKit/OSCollections.h>

#include <stdlib.h>

#include "object.h"
#include "os_hash.h"

struct element_callbacks
element_callbacks_of(CFAllocatorRef allocator, const void *callbacks, bool with_hash)
{
	const CFDictionaryKeyCallBacks *from = callbacks;
	struct element_callbacks to = {.allocator = allocator};

	if (from == NULL)
		return to;
	to.retain = from->retain;
	to.release = from->release;
	to.describe = from->copyDescription;
	to.equal = from->equal;
	to.hash = with_hash ? from->hash : NULL;
	return to;
}

struct element_callbacks *
element_callbacks_copy(const struct element_callbacks *callbacks)
{
	struct element_callbacks *copy = malloc(sizeof(*copy));

	if (copy == NULL)
		return NULL;
	*copy = *callbacks;
	CFRetain(copy->allocator);
	return copy;
}

void
element_callbacks_free(struct element_callbacks *callbacks)
{
	if (callbacks != NULL)
		CFRelease(callbacks->allocator);
	free(callbacks);
}

const void *
element_retain(const struct element_callbacks *callbacks, const void *element)
{
	if (callbacks == NULL)
		return CFRetain(element);
	return callbacks->retain == NULL ? element
					 : callbacks->retain(callbacks->allocator, element);
}

void
element_release(const struct element_callbacks *callbacks, const void *element)
{
	if (callbacks == NULL)
		CFRelease(element);
	else if (callbacks->release != NULL)
		callbacks->release(callbacks->allocator, element);
}

uint64_t
element_hash(const struct element_callbacks *callbacks, const void *element)
{
	if (callbacks == NULL)
		return object_hash(element);
	return callbacks->hash == NULL ? (uintptr_t)element : callbacks->hash(element);
}

bool
element_equal(const struct element_callbacks *callbacks, const void *one, const void *other)
{
	if (callbacks == NULL)
		return OSObjectIsEqual(one, other);
	/* A value is equal to itself without being asked, as in CoreFoundation. */
	return one == other || (callbacks->equal != NULL && callbacks->equal(one, other));
}

bool
element_compares_alike(const struct element_callbacks *one, const struct element_callbacks *other)
{
	if (one == NULL || other == NULL)
		return one == other;
	return one->equal == other->equal && one->hash == other->hash;
}

const void *
element_retain_object(CFAllocatorRef allocator, const void *element)
{
	return CFRetain(element);
}

void
element_release_object(CFAllocatorRef allocator, const void *element)
{
	CFRelease(element);
}
