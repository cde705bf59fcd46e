/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The elements of collections: objects, unless an app made its CFArray, CFDictionary or CFSet with
 * callbacks of its own. Where such a collection is taken for one of objects (in a property list)
 * its elements must be objects, as everywhere in CoreFoundation.
 *
 * NULL for the callbacks: elements are objects. A driver's always are.
 */
#ifndef BASE_ELEMENT_H
#define BASE_ELEMENT_H

#include <stdbool.h>

#include <CoreFoundation/CFBase.h>

/* A function that is NULL: nothing is done, elements are equal if their pointers are. */
struct element_callbacks {
	CFAllocatorRef allocator; /* of the collection, handed to retain and release */
	const void *(*retain)(CFAllocatorRef allocator, const void *element);
	void (*release)(CFAllocatorRef allocator, const void *element);
	CFStringRef (*describe)(const void *element);
	Boolean (*equal)(const void *one, const void *other);
	CFHashCode (*hash)(const void *element);
};

/* From any of the public structures, which all begin alike. `with_hash`: whether it has one. */
struct element_callbacks element_callbacks_of(CFAllocatorRef allocator, const void *callbacks,
					      bool with_hash);
/* A copy, which retains the allocator. NULL without memory. */
struct element_callbacks *element_callbacks_copy(const struct element_callbacks *callbacks);
void element_callbacks_free(struct element_callbacks *callbacks);

/* What to keep in the collection: retain may return another pointer. */
const void *element_retain(const struct element_callbacks *callbacks, const void *element);
void element_release(const struct element_callbacks *callbacks, const void *element);
uint64_t element_hash(const struct element_callbacks *callbacks, const void *element);
bool element_equal(const struct element_callbacks *callbacks, const void *one, const void *other);
/* Whether two collections find their elements equal in the same way. */
bool element_compares_alike(const struct element_callbacks *one,
			    const struct element_callbacks *other);

/* The callbacks of collections of objects, for apps that call them. */
const void *element_retain_object(CFAllocatorRef allocator, const void *element);
void element_release_object(CFAllocatorRef allocator, const void *element);

#endif
