/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes. */
#ifndef OPENDEXT_COREFOUNDATION_CFDATA_H
#define OPENDEXT_COREFOUNDATION_CFDATA_H

#include <CoreFoundation/CFBase.h>

DEXT_BEGIN_DECLS

typedef const struct __CFData *CFDataRef;
typedef struct __CFData *CFMutableDataRef;

/* What CFGetTypeID gives for data. Any thread. */
CFTypeID CFDataGetTypeID(void);

/*
 * Copies. NULL without memory and for a negative length. What CFDataCreate... made without Mutable
 * in its name cannot be changed: what tries to does nothing but a log line.
 */
CFDataRef CFDataCreate(CFAllocatorRef allocator, const UInt8 *bytes, CFIndex length);
/*
 * Of these very bytes, which stay valid as long as the data; then they are given back by
 * CFAllocatorDeallocate. kCFAllocatorNull: they stay the app's.
 */
CFDataRef CFDataCreateWithBytesNoCopy(CFAllocatorRef allocator, const UInt8 *bytes, CFIndex length,
				      CFAllocatorRef deallocator);
/* Empty; capacity is how far it may grow, 0: without limit. What would grow past it is refused. */
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
/* Borrowed, for writing, until the length is changed. NULL while it is empty. */
UInt8 *CFDataGetMutableBytePtr(CFMutableDataRef data);
/* What it grows by is 0. */
void CFDataSetLength(CFMutableDataRef data, CFIndex length);
void CFDataIncreaseLength(CFMutableDataRef data, CFIndex extra);
void CFDataReplaceBytes(CFMutableDataRef data, CFRange range, const UInt8 *bytes, CFIndex length);
void CFDataDeleteBytes(CFMutableDataRef data, CFRange range);

typedef CFOptionFlags CFDataSearchFlags;
enum {
	kCFDataSearchBackwards = 1, /* finds the last one */
	kCFDataSearchAnchored = 2,  /* at the beginning of the range, or backwards at its end */
};
/* {kCFNotFound, 0} if it is not in the range. Empty data is nowhere. */
CFRange CFDataFind(CFDataRef data, CFDataRef wanted, CFRange range, CFDataSearchFlags flags);

DEXT_END_DECLS

#endif
