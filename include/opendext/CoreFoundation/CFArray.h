/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays of CoreFoundation objects. */
#ifndef OPENDEXT_COREFOUNDATION_CFARRAY_H
#define OPENDEXT_COREFOUNDATION_CFARRAY_H

#include <CoreFoundation/CFBase.h>

DEXT_BEGIN_DECLS

typedef const struct __CFArray *CFArrayRef;
typedef struct __CFArray *CFMutableArrayRef;

/* Retain, release and equality of the values. Opaque: only kCFTypeArrayCallBacks is accepted. */
typedef struct {
	CFIndex version;
} CFArrayCallBacks;
extern const CFArrayCallBacks kCFTypeArrayCallBacks;

CFTypeID CFArrayGetTypeID(void);

/* NULL without memory and for other callbacks. The capacity of a mutable array is only a hint. */
CFArrayRef CFArrayCreate(CFAllocatorRef allocator, const void **values, CFIndex count,
			 const CFArrayCallBacks *callbacks);
CFMutableArrayRef CFArrayCreateMutable(CFAllocatorRef allocator, CFIndex capacity,
				       const CFArrayCallBacks *callbacks);
CFIndex CFArrayGetCount(CFArrayRef array);
/* Borrowed; NULL past the end. */
const void *CFArrayGetValueAtIndex(CFArrayRef array, CFIndex index);
void CFArrayAppendValue(CFMutableArrayRef array, const void *value);

DEXT_END_DECLS

#endif
