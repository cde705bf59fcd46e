/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CoreFoundation, as much of it as a user-client app touches. Its objects are the collections that
 * the rest of OpenDext uses: a CFNumber is an OSNumber under its other name.
 *
 * Create and Copy return a reference that the caller gives up with CFRelease; Get returns a
 * borrowed object. Any thread may retain and release; a collection that is being changed belongs to
 * one thread.
 */
#ifndef OPENDEXT_COREFOUNDATION_CFBASE_H
#define OPENDEXT_COREFOUNDATION_CFBASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dext_cdefs.h>

DEXT_BEGIN_DECLS

typedef unsigned char Boolean;
typedef uint8_t UInt8;
typedef int8_t SInt8;
typedef uint16_t UInt16;
typedef int16_t SInt16;
typedef uint32_t UInt32;
typedef int32_t SInt32;
typedef uint64_t UInt64;
typedef int64_t SInt64;
typedef uint16_t UniChar;
typedef uint32_t UTF32Char;
typedef float Float32;
typedef double Float64;
typedef SInt32 OSStatus;
typedef SInt16 OSErr;
typedef unsigned char *StringPtr;
typedef const unsigned char *ConstStringPtr;

typedef unsigned long CFTypeID;
typedef unsigned long CFOptionFlags;
typedef unsigned long CFHashCode;
typedef signed long CFIndex;

#ifndef TRUE
#define TRUE 1
#endif
#ifndef FALSE
#define FALSE 0
#endif

typedef const void *CFTypeRef;
typedef const void *CFPropertyListRef;
typedef const struct __CFString *CFStringRef;
typedef struct __CFString *CFMutableStringRef;
typedef const struct __CFAllocator *CFAllocatorRef;
typedef const struct __CFNull *CFNullRef;

#define kCFNotFound ((CFIndex)-1)

typedef CFIndex CFComparisonResult;
enum {
	kCFCompareLessThan = -1,
	kCFCompareEqualTo = 0,
	kCFCompareGreaterThan = 1,
};
typedef CFComparisonResult (*CFComparatorFunction)(const void *one, const void *other,
						   void *context);

typedef struct {
	CFIndex location;
	CFIndex length;
} CFRange;

static inline CFRange
CFRangeMake(CFIndex location, CFIndex length)
{
	CFRange range;

	range.location = location;
	range.length = length;
	return range;
}

/* The only allocator there is: malloc. Whichever is given, it is the one that is used. */
#define kCFAllocatorDefault	  ((CFAllocatorRef)NULL)
#define kCFAllocatorSystemDefault ((CFAllocatorRef)NULL)
#define kCFAllocatorMalloc	  ((CFAllocatorRef)NULL)

/* Stands for "no value" in collections, which hold no NULL. */
extern const CFNullRef kCFNull;
CFTypeID CFNullGetTypeID(void);

/* NULL is allowed and does nothing. */
CFTypeRef CFRetain(CFTypeRef object);
void CFRelease(CFTypeRef object);

/* Which type the object is of: compare with CFStringGetTypeID() and its siblings. */
CFTypeID CFGetTypeID(CFTypeRef object);
/* Same type and same value, deep for collections. Numbers are equal whatever their widths. */
Boolean CFEqual(CFTypeRef one, CFTypeRef other);
/* The same for what is equal, in this process. */
CFHashCode CFHash(CFTypeRef object);
/* For tests and curiosity; of what is never freed, LONG_MAX. */
CFIndex CFGetRetainCount(CFTypeRef object);

/* The object in words, as %@ has it: for people, not for programs. The caller releases it. */
CFStringRef CFCopyDescription(CFTypeRef object);
/* The name of its class. `type` is from CFGetTypeID; 0 gives NULL. */
CFStringRef CFCopyTypeIDDescription(CFTypeID type);
/* The description as a line on standard error. */
void CFShow(CFTypeRef object);

DEXT_END_DECLS

#endif
