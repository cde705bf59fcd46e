/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, whole and real, and booleans. */
#ifndef OPENDEXT_COREFOUNDATION_CFNUMBER_H
#define OPENDEXT_COREFOUNDATION_CFNUMBER_H

#include <CoreFoundation/CFBase.h>

DEXT_BEGIN_DECLS

typedef const struct __CFNumber *CFNumberRef;
typedef const struct __CFBoolean *CFBooleanRef;

typedef CFIndex CFNumberType;
enum {
	kCFNumberSInt8Type = 1,
	kCFNumberSInt16Type = 2,
	kCFNumberSInt32Type = 3,
	kCFNumberSInt64Type = 4,
	kCFNumberFloat32Type = 5,
	kCFNumberFloat64Type = 6,
	kCFNumberCharType = 7,
	kCFNumberShortType = 8,
	kCFNumberIntType = 9,
	kCFNumberLongType = 10,
	kCFNumberLongLongType = 11,
	kCFNumberFloatType = 12,
	kCFNumberDoubleType = 13,
	kCFNumberCFIndexType = 14,
	kCFNumberNSIntegerType = 15,
	kCFNumberCGFloatType = 16,
	kCFNumberMaxType = 16,
};

/* What CFGetTypeID gives for a number. Any thread. */
CFTypeID CFNumberGetTypeID(void);

/* NULL without memory and for a type that is not in the list above. */
CFNumberRef CFNumberCreate(CFAllocatorRef allocator, CFNumberType type, const void *value);
/*
 * True if *value has the number exactly; else it has the low bits of an integer, or the nearest
 * that its type can say. An unknown type leaves *value alone.
 */
Boolean CFNumberGetValue(CFNumberRef number, CFNumberType type, void *value);
/* A type of fixed width that holds it, no narrower than the one it was made with. */
CFNumberType CFNumberGetType(CFNumberRef number);
CFIndex CFNumberGetByteSize(CFNumberRef number); /* of that type */
Boolean CFNumberIsFloatType(CFNumberRef number);
/* By value, whatever the types. context is not used. */
CFComparisonResult CFNumberCompare(CFNumberRef number, CFNumberRef other, void *context);

/* What CFGetTypeID gives for a boolean. Any thread. */
CFTypeID CFBooleanGetTypeID(void);
extern const CFBooleanRef kCFBooleanTrue;
extern const CFBooleanRef kCFBooleanFalse;
/* Whether it is kCFBooleanTrue. */
Boolean CFBooleanGetValue(CFBooleanRef boolean);

DEXT_END_DECLS

#endif
