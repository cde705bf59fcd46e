/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays of CoreFoundation objects, or of whatever an app says by its callbacks. */
#ifndef OPENDEXT_COREFOUNDATION_CFARRAY_H
#define OPENDEXT_COREFOUNDATION_CFARRAY_H

#include <CoreFoundation/CFBase.h>

DEXT_BEGIN_DECLS

typedef const struct __CFArray *CFArrayRef;
typedef struct __CFArray *CFMutableArrayRef;

typedef const void *(*CFArrayRetainCallBack)(CFAllocatorRef allocator, const void *value);
typedef void (*CFArrayReleaseCallBack)(CFAllocatorRef allocator, const void *value);
typedef CFStringRef (*CFArrayCopyDescriptionCallBack)(const void *value);
typedef Boolean (*CFArrayEqualCallBack)(const void *one, const void *other);
typedef struct {
	CFIndex version;
	CFArrayRetainCallBack retain;
	CFArrayReleaseCallBack release;
	CFArrayCopyDescriptionCallBack copyDescription;
	CFArrayEqualCallBack equal;
} CFArrayCallBacks;
/*
 * For values that are CoreFoundation objects, which are not NULL. NULL for the callbacks, or NULL
 * functions in them: values are any pointers, NULL too, which are neither retained nor released,
 * and equal if they are the same. Functions of the app's own are called with the array's allocator;
 * what retain returns is what is kept.
 */
extern const CFArrayCallBacks kCFTypeArrayCallBacks;
typedef void (*CFArrayApplierFunction)(const void *value, void *context);

/* What CFGetTypeID gives for an array. Any thread. */
CFTypeID CFArrayGetTypeID(void);

/*
 * NULL without memory, for callbacks of another version than 0, and for NULL among objects. The
 * capacity of a mutable array is only a hint. An array that CFArrayCreate or CFArrayCreateCopy made
 * cannot be changed: what tries to does nothing but a log line.
 */
CFArrayRef CFArrayCreate(CFAllocatorRef allocator, const void **values, CFIndex count,
			 const CFArrayCallBacks *callbacks);
CFMutableArrayRef CFArrayCreateMutable(CFAllocatorRef allocator, CFIndex capacity,
				       const CFArrayCallBacks *callbacks);
CFIndex CFArrayGetCount(CFArrayRef array);
/* Borrowed; NULL past the end. */
const void *CFArrayGetValueAtIndex(CFArrayRef array, CFIndex index);
/* The same values with the same callbacks; of an array, not of what it holds. */
CFArrayRef CFArrayCreateCopy(CFAllocatorRef allocator, CFArrayRef array);
/* The capacity is only a hint. */
CFMutableArrayRef CFArrayCreateMutableCopy(CFAllocatorRef allocator, CFIndex capacity,
					   CFArrayRef array);

/*
 * A range past the end is that of no value, with a log line. Values are equal as the callbacks say:
 * objects as in CFEqual.
 */
void CFArrayGetValues(CFArrayRef array, CFRange range, const void **values);
Boolean CFArrayContainsValue(CFArrayRef array, CFRange range, const void *value);
CFIndex CFArrayGetCountOfValue(CFArrayRef array, CFRange range, const void *value);
/* kCFNotFound if it is not there. */
CFIndex CFArrayGetFirstIndexOfValue(CFArrayRef array, CFRange range, const void *value);
CFIndex CFArrayGetLastIndexOfValue(CFArrayRef array, CFRange range, const void *value);
/* In a range that is sorted: the index of the first that is not less than the value. */
CFIndex CFArrayBSearchValues(CFArrayRef array, CFRange range, const void *value,
			     CFComparatorFunction comparator, void *context);
void CFArrayApplyFunction(CFArrayRef array, CFRange range, CFArrayApplierFunction function,
			  void *context);

/* At the end, kept as the callbacks say. One thread at a time changes an array. */
void CFArrayAppendValue(CFMutableArrayRef array, const void *value);
/* The values of a range of another one, in their order. */
void CFArrayAppendArray(CFMutableArrayRef array, CFArrayRef appended, CFRange range);
/* index up to the count. */
void CFArrayInsertValueAtIndex(CFMutableArrayRef array, CFIndex index, const void *value);
/* index up to the count, where it appends. */
void CFArraySetValueAtIndex(CFMutableArrayRef array, CFIndex index, const void *value);
void CFArrayRemoveValueAtIndex(CFMutableArrayRef array, CFIndex index);
void CFArrayRemoveAllValues(CFMutableArrayRef array);
void CFArrayExchangeValuesAtIndices(CFMutableArrayRef array, CFIndex one, CFIndex other);
/* count values in the place of a range's. */
void CFArrayReplaceValues(CFMutableArrayRef array, CFRange range, const void **values,
			  CFIndex count);
/* Equal values keep their order. */
void CFArraySortValues(CFMutableArrayRef array, CFRange range, CFComparatorFunction comparator,
		       void *context);

DEXT_END_DECLS

#endif
