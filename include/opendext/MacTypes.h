/* SPDX-License-Identifier: Apache-2.0 */
/* The oldest of the shared types. CoreFoundation has them all. */
#ifndef OPENDEXT_MACTYPES_H
#define OPENDEXT_MACTYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <TargetConditionals.h>
#include <libkern/OSTypes.h>

#ifndef NULL
#define NULL 0
#endif
#ifndef nil
#define nil NULL
#endif

typedef int16_t OSErr;
typedef uint32_t FourCharCode;
typedef FourCharCode OSType;
typedef FourCharCode ResType;
typedef int32_t Fixed;
typedef int32_t Fract;
typedef float Float32;
typedef double Float64;
typedef unsigned char *StringPtr;
typedef const unsigned char *ConstStringPtr;
typedef unsigned char Str255[256];
typedef unsigned char Str63[64];
typedef unsigned char Str31[32];
typedef const unsigned char *ConstStr255Param;
typedef uint16_t UniChar;
typedef unsigned long UniCharCount;
typedef uint32_t UTF32Char;
typedef uint16_t UTF16Char;
typedef uint8_t UTF8Char;
typedef UInt8 Byte;
typedef SInt8 SignedByte;
typedef char *Ptr;
typedef Ptr *Handle;
typedef long Size;
typedef unsigned long ItemCount;
typedef unsigned long ByteCount;
typedef ByteCount ByteOffset;
typedef UInt32 PBVersion;

enum {
	noErr = 0,
};
enum {
	kNilOptions = 0,
	kVariableLengthArray = 1,
	kUnknownType = 0x3f3f3f3f, /* "????" */
};

#endif
