/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes. */
#ifndef OPENDEXT_COREFOUNDATION_CFDATA_H
#define OPENDEXT_COREFOUNDATION_CFDATA_H

#include <CoreFoundation/CFBase.h>

DEXT_BEGIN_DECLS

typedef const struct __CFData *CFDataRef;
typedef struct __CFData *CFMutableDataRef;

CFTypeID CFDataGetTypeID(void);

/* Copies. NULL without memory and for a negative length. */
CFDataRef CFDataCreate(CFAllocatorRef allocator, const UInt8 *bytes, CFIndex length);
/* Empty; capacity is how far it may grow, 0: without limit. Only 0 is accepted. */
CFMutableDataRef CFDataCreateMutable(CFAllocatorRef allocator, CFIndex capacity);
/* The same bytes in memory of their own. */
CFDataRef CFDataCreateCopy(CFAllocatorRef allocator, CFDataRef data);
CFMutableDataRef CFDataCreateMutableCopy(CFAllocatorRef allocator, CFIndex capacity,
					 CFDataRef data);
CFIndex CFDataGetLength(CFDataRef data);
/* Borrowed, valid until the data is changed or released. */
const UInt8 *CFDataGetBytePtr(CFDataRef data);
/* A range past the end copies nothing. */
void CFDataGetBytes(CFDataRef data, CFRange range, UInt8 *buffer);
void CFDataAppendBytes(CFMutableDataRef data, const UInt8 *bytes, CFIndex length);
/* Borrowed, for writing. */
UInt8 *CFDataGetMutableBytePtr(CFMutableDataRef data);
/* What it grows by is 0. */
void CFDataSetLength(CFMutableDataRef data, CFIndex length);
void CFDataIncreaseLength(CFMutableDataRef data, CFIndex extra);

DEXT_END_DECLS

#endif
