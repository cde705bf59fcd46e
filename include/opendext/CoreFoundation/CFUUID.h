/* SPDX-License-Identifier: Apache-2.0 */
/* Universally unique identifiers. */
#ifndef OPENDEXT_COREFOUNDATION_CFUUID_H
#define OPENDEXT_COREFOUNDATION_CFUUID_H

#include <CoreFoundation/CFBase.h>

DEXT_BEGIN_DECLS

typedef const struct __CFUUID *CFUUIDRef;

typedef struct {
	UInt8 byte0, byte1, byte2, byte3, byte4, byte5, byte6, byte7;
	UInt8 byte8, byte9, byte10, byte11, byte12, byte13, byte14, byte15;
} CFUUIDBytes;

/* What CFGetTypeID gives for a UUID. Any thread. */
CFTypeID CFUUIDGetTypeID(void);

/* A random one. NULL without memory. */
CFUUIDRef CFUUIDCreate(CFAllocatorRef allocator);
CFUUIDRef CFUUIDCreateFromUUIDBytes(CFAllocatorRef allocator, CFUUIDBytes bytes);
/* "68753A44-4D6F-1226-9C60-0050E4C00067", in either case; NULL for anything else. */
CFUUIDRef CFUUIDCreateFromString(CFAllocatorRef allocator, CFStringRef string);
/* Never released, for equal bytes the same one. */
CFUUIDRef CFUUIDGetConstantUUIDWithBytes(CFAllocatorRef allocator, UInt8 byte0, UInt8 byte1,
					 UInt8 byte2, UInt8 byte3, UInt8 byte4, UInt8 byte5,
					 UInt8 byte6, UInt8 byte7, UInt8 byte8, UInt8 byte9,
					 UInt8 byte10, UInt8 byte11, UInt8 byte12, UInt8 byte13,
					 UInt8 byte14, UInt8 byte15);
CFUUIDBytes CFUUIDGetUUIDBytes(CFUUIDRef uuid);
/* In capitals; the caller releases it. */
CFStringRef CFUUIDCreateString(CFAllocatorRef allocator, CFUUIDRef uuid);

DEXT_END_DECLS

#endif
