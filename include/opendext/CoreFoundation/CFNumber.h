/* SPDX-License-Identifier: Apache-2.0 */
/* Integers and booleans. There are no floating-point numbers in a device's properties. */
#ifndef OPENDEXT_COREFOUNDATION_CFNUMBER_H
#define OPENDEXT_COREFOUNDATION_CFNUMBER_H

#include <CoreFoundation/CFBase.h>

DEXT_BEGIN_DECLS

typedef const struct __CFNumber *CFNumberRef;
typedef const struct __CFBoolean *CFBooleanRef;

typedef enum {
	kCFNumberSInt8Type = 1,
	kCFNumberSInt16Type = 2,
	kCFNumberSInt32Type = 3,
	kCFNumberSInt64Type = 4,
	kCFNumberCharType = 7,
	kCFNumberShortType = 8,
	kCFNumberIntType = 9,
	kCFNumberLongType = 10,
	kCFNumberLongLongType = 11,
	kCFNumberCFIndexType = 14,
} CFNumberType;

CFTypeID CFNumberGetTypeID(void);

/* NULL without memory and for a type that is not in the list above. */
CFNumberRef CFNumberCreate(CFAllocatorRef allocator, CFNumberType type, const void *value);
/*
 * True if *value has the number exactly; else it has its low bits. An unknown type leaves *value
 * alone.
 */
Boolean CFNumberGetValue(CFNumberRef number, CFNumberType type, void *value);

CFTypeID CFBooleanGetTypeID(void);
extern const CFBooleanRef kCFBooleanTrue;
extern const CFBooleanRef kCFBooleanFalse;
Boolean CFBooleanGetValue(CFBooleanRef boolean);

DEXT_END_DECLS

#endif
