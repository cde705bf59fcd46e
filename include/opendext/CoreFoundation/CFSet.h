/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of CoreFoundation objects, or of whatever an app says by its callbacks: each value once.
 */
#ifndef OPENDEXT_COREFOUNDATION_CFSET_H
#define OPENDEXT_COREFOUNDATION_CFSET_H

#include <CoreFoundation/CFBase.h>

DEXT_BEGIN_DECLS

typedef const struct __CFSet *CFSetRef;
typedef struct __CFSet *CFMutableSetRef;

typedef const void *(*CFSetRetainCallBack)(CFAllocatorRef allocator, const void *value);
typedef void (*CFSetReleaseCallBack)(CFAllocatorRef allocator, const void *value);
typedef CFStringRef (*CFSetCopyDescriptionCallBack)(const void *value);
typedef Boolean (*CFSetEqualCallBack)(const void *one, const void *other);
typedef CFHashCode (*CFSetHashCallBack)(const void *value);
typedef struct {
	CFIndex version;
	CFSetRetainCallBack retain;
	CFSetReleaseCallBack release;
	CFSetCopyDescriptionCallBack copyDescription;
	CFSetEqualCallBack equal;
	CFSetHashCallBack hash;
} CFSetCallBacks;
/*
 * For values that are CoreFoundation objects. Other callbacks, or NULL: as for the keys of a
 * dictionary (CFDictionary.h).
 */
extern const CFSetCallBacks kCFTypeSetCallBacks;
typedef void (*CFSetApplierFunction)(const void *value, void *context);

/* What CFGetTypeID gives for a set. Any thread. */
CFTypeID CFSetGetTypeID(void);

/*
 * NULL without memory, for callbacks of another version than 0, and for NULL among objects. The
 * capacity of a mutable set is only a hint. A set that CFSetCreate or CFSetCreateCopy made cannot
 * be changed: what tries to does nothing but a log line.
 */
CFSetRef CFSetCreate(CFAllocatorRef allocator, const void **values, CFIndex count,
		     const CFSetCallBacks *callbacks);
CFSetRef CFSetCreateCopy(CFAllocatorRef allocator, CFSetRef set);
CFMutableSetRef CFSetCreateMutable(CFAllocatorRef allocator, CFIndex capacity,
				   const CFSetCallBacks *callbacks);
CFMutableSetRef CFSetCreateMutableCopy(CFAllocatorRef allocator, CFIndex capacity, CFSetRef set);

/* Values in it. */
CFIndex CFSetGetCount(CFSetRef set);
/* Whether it is there; values are equal as the callbacks say. */
Boolean CFSetContainsValue(CFSetRef set, const void *value);
/* 1 or 0: values are there once. */
CFIndex CFSetGetCountOfValue(CFSetRef set, const void *value);
/* The member that is equal, borrowed; NULL if there is none. */
const void *CFSetGetValue(CFSetRef set, const void *value);
/* member may be NULL. */
Boolean CFSetGetValueIfPresent(CFSetRef set, const void *value, const void **member);
/* Borrowed; room for CFSetGetCount. In the order of insertion. */
void CFSetGetValues(CFSetRef set, const void **values);
/* The function does not change the set. */
void CFSetApplyFunction(CFSetRef set, CFSetApplierFunction function, void *context);

/* Add keeps the member that is equal, Replace needs one, Set does either. */
void CFSetAddValue(CFMutableSetRef set, const void *value);
void CFSetSetValue(CFMutableSetRef set, const void *value);
void CFSetReplaceValue(CFMutableSetRef set, const void *value);
void CFSetRemoveValue(CFMutableSetRef set, const void *value);
void CFSetRemoveAllValues(CFMutableSetRef set);

DEXT_END_DECLS

#endif
