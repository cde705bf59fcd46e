/* SPDX-License-Identifier: Apache-2.0 */
/* The old integer names. Those that CoreFoundation has too are the same types there. */
#ifndef OPENDEXT_LIBKERN_OSTYPES_H
#define OPENDEXT_LIBKERN_OSTYPES_H

#include <stdint.h>

typedef unsigned int UInt;
typedef signed int SInt;

typedef uint8_t UInt8;
typedef int8_t SInt8;
typedef uint16_t UInt16;
typedef int16_t SInt16;
typedef uint32_t UInt32;
typedef int32_t SInt32;
typedef uint64_t UInt64;
typedef int64_t SInt64;

typedef SInt32 OSStatus;
typedef UInt64 AbsoluteTime;
typedef UInt32 OptionBits;
typedef unsigned char Boolean;

typedef struct UnsignedWide {
	UInt32 lo;
	UInt32 hi;
} UnsignedWide;

#endif
