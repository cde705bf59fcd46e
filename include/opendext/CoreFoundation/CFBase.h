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

#include <CoreFoundation/CFAvailability.h>
#include <MacTypes.h>
#include <dext_cdefs.h>

/* --- what declarations are written with, also those of programs --- */

#ifdef __cplusplus
#define CF_EXTERN_C_BEGIN extern "C" {
#define CF_EXTERN_C_END	  }
#define CF_EXPORT	  extern "C"
#else
#define CF_EXTERN_C_BEGIN
#define CF_EXTERN_C_END
#define CF_EXPORT extern
#endif
#define CF_EXTERN extern
#define CF_INLINE static inline
#define CF_ASSUME_NONNULL_BEGIN
#define CF_ASSUME_NONNULL_END
#define CF_IMPLICIT_BRIDGING_ENABLED
#define CF_IMPLICIT_BRIDGING_DISABLED
#define CF_BRIDGED_TYPE(type)
#define CF_BRIDGED_MUTABLE_TYPE(type)
#define CF_RETURNS_RETAINED
#define CF_RETURNS_NOT_RETAINED
#define CF_RELEASES_ARGUMENT
#define CF_CONSUMED
#define CF_NOESCAPE
#define CF_REFINED_FOR_SWIFT
#define CF_WARN_UNUSED_RESULT		  __attribute__((warn_unused_result))
#define CF_FORMAT_FUNCTION(format, first) /* %@ is no printf conversion */
#define CF_FORMAT_ARGUMENT(format)
#ifndef __clang__ /* which knows these itself */
#ifndef _Nullable
#define _Nullable
#endif
#ifndef _Nonnull
#define _Nonnull
#endif
#ifndef _Null_unspecified
#define _Null_unspecified
#endif
#endif

DEXT_BEGIN_DECLS

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
typedef const struct __CFLocale *CFLocaleRef; /* NULL: there are no locales */

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

/*
 * Allocators: objects are malloced whichever is named; what an app allocates or hands over by
 * ...NoCopy goes by the one it names. Null allocates and frees nothing: for bytes that stay the
 * app's. All others but the app's own are malloc.
 */
extern const CFAllocatorRef kCFAllocatorDefault; /* NULL */
extern const CFAllocatorRef kCFAllocatorSystemDefault;
extern const CFAllocatorRef kCFAllocatorMalloc;
extern const CFAllocatorRef kCFAllocatorMallocZone;
extern const CFAllocatorRef kCFAllocatorNull;
extern const CFAllocatorRef kCFAllocatorUseContext;

typedef const void *(*CFAllocatorRetainCallBack)(const void *info);
typedef void (*CFAllocatorReleaseCallBack)(const void *info);
typedef CFStringRef (*CFAllocatorCopyDescriptionCallBack)(const void *info);
typedef void *(*CFAllocatorAllocateCallBack)(CFIndex size, CFOptionFlags hint, void *info);
typedef void *(*CFAllocatorReallocateCallBack)(void *block, CFIndex size, CFOptionFlags hint,
					       void *info);
typedef void (*CFAllocatorDeallocateCallBack)(void *block, void *info);
typedef CFIndex (*CFAllocatorPreferredSizeCallBack)(CFIndex size, CFOptionFlags hint, void *info);
typedef struct {
	CFIndex version; /* 0 */
	void *info;
	CFAllocatorRetainCallBack retain;
	CFAllocatorReleaseCallBack release;
	CFAllocatorCopyDescriptionCallBack copyDescription; /* never called */
	CFAllocatorAllocateCallBack allocate;
	CFAllocatorReallocateCallBack reallocate;
	CFAllocatorDeallocateCallBack deallocate;
	CFAllocatorPreferredSizeCallBack preferredSize;
} CFAllocatorContext;

/* What CFGetTypeID gives for an allocator. Any thread. */
CFTypeID CFAllocatorGetTypeID(void);
/* kCFAllocatorSystemDefault: of the process, and of every object. */
CFAllocatorRef CFAllocatorGetDefault(void);
CFAllocatorRef CFGetAllocator(CFTypeRef object);
/* NULL without memory, for a context of another version or without an allocate function. */
CFAllocatorRef CFAllocatorCreate(CFAllocatorRef allocator, CFAllocatorContext *context);
/* NULL without memory, and for a size of 0. hint is handed on. */
void *CFAllocatorAllocate(CFAllocatorRef allocator, CFIndex size, CFOptionFlags hint);
/* block NULL: allocates. size 0: frees. NULL: the block is as it was. */
void *CFAllocatorReallocate(CFAllocatorRef allocator, void *block, CFIndex size,
			    CFOptionFlags hint);
void CFAllocatorDeallocate(CFAllocatorRef allocator, void *block);
CFIndex CFAllocatorGetPreferredSizeForSize(CFAllocatorRef allocator, CFIndex size,
					   CFOptionFlags hint);
/* context->version must be 0. */
void CFAllocatorGetContext(CFAllocatorRef allocator, CFAllocatorContext *context);

/* Stands for "no value" in collections, which hold no NULL. */
extern const CFNullRef kCFNull;
CFTypeID CFNullGetTypeID(void);

/* NULL is allowed and does nothing. */
CFTypeRef CFRetain(CFTypeRef object);
void CFRelease(CFTypeRef object);
#define CFMakeCollectable(object) (object) /* there is no collector */

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
/* The name of its class: CFString. `type` is from CFGetTypeID; 0 gives NULL. */
CFStringRef CFCopyTypeIDDescription(CFTypeID type);
/* The description as a line on standard error. */
void CFShow(CFTypeRef object);

DEXT_END_DECLS

#endif
