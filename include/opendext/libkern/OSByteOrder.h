/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte order: swapping, and reading and writing of either order at any address.
 *
 *	length = OSReadLittleInt16(packet, 2);
 *	header.magic = OSSwapHostToBigInt32(kMagic);
 *
 * The Const forms are constant expressions.
 */
#ifndef OPENDEXT_LIBKERN_OSBYTEORDER_H
#define OPENDEXT_LIBKERN_OSBYTEORDER_H

#include <stdint.h>
#include <string.h>

enum {
	OSUnknownByteOrder,
	OSLittleEndian,
	OSBigEndian,
};

#define OSSwapConstInt16(x) \
	((uint16_t)((((uint16_t)(x)&0xff00u) >> 8) | (((uint16_t)(x)&0x00ffu) << 8)))
#define OSSwapConstInt32(x)                                                                    \
	((uint32_t)((((uint32_t)(x)&0xff000000u) >> 24) | (((uint32_t)(x)&0x00ff0000u) >> 8) | \
		    (((uint32_t)(x)&0x0000ff00u) << 8) | (((uint32_t)(x)&0x000000ffu) << 24)))
#define OSSwapConstInt64(x)                                             \
	((uint64_t)(((uint64_t)OSSwapConstInt32((uint64_t)(x)) << 32) | \
		    OSSwapConstInt32((uint64_t)(x) >> 32)))

#define OSSwapInt16(x) __builtin_bswap16((uint16_t)(x))
#define OSSwapInt32(x) __builtin_bswap32((uint32_t)(x))
#define OSSwapInt64(x) __builtin_bswap64((uint64_t)(x))

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define OSSwapHostToBigConstInt16(x)	OSSwapConstInt16(x)
#define OSSwapHostToBigConstInt32(x)	OSSwapConstInt32(x)
#define OSSwapHostToBigConstInt64(x)	OSSwapConstInt64(x)
#define OSSwapHostToLittleConstInt16(x) ((uint16_t)(x))
#define OSSwapHostToLittleConstInt32(x) ((uint32_t)(x))
#define OSSwapHostToLittleConstInt64(x) ((uint64_t)(x))
#define OSSwapHostToBigInt16(x)		OSSwapInt16(x)
#define OSSwapHostToBigInt32(x)		OSSwapInt32(x)
#define OSSwapHostToBigInt64(x)		OSSwapInt64(x)
#define OSSwapHostToLittleInt16(x)	((uint16_t)(x))
#define OSSwapHostToLittleInt32(x)	((uint32_t)(x))
#define OSSwapHostToLittleInt64(x)	((uint64_t)(x))
#else
#define OSSwapHostToBigConstInt16(x)	((uint16_t)(x))
#define OSSwapHostToBigConstInt32(x)	((uint32_t)(x))
#define OSSwapHostToBigConstInt64(x)	((uint64_t)(x))
#define OSSwapHostToLittleConstInt16(x) OSSwapConstInt16(x)
#define OSSwapHostToLittleConstInt32(x) OSSwapConstInt32(x)
#define OSSwapHostToLittleConstInt64(x) OSSwapConstInt64(x)
#define OSSwapHostToBigInt16(x)		((uint16_t)(x))
#define OSSwapHostToBigInt32(x)		((uint32_t)(x))
#define OSSwapHostToBigInt64(x)		((uint64_t)(x))
#define OSSwapHostToLittleInt16(x)	OSSwapInt16(x)
#define OSSwapHostToLittleInt32(x)	OSSwapInt32(x)
#define OSSwapHostToLittleInt64(x)	OSSwapInt64(x)
#endif

/* The way back is the same. */
#define OSSwapBigToHostConstInt16(x)	OSSwapHostToBigConstInt16(x)
#define OSSwapBigToHostConstInt32(x)	OSSwapHostToBigConstInt32(x)
#define OSSwapBigToHostConstInt64(x)	OSSwapHostToBigConstInt64(x)
#define OSSwapLittleToHostConstInt16(x) OSSwapHostToLittleConstInt16(x)
#define OSSwapLittleToHostConstInt32(x) OSSwapHostToLittleConstInt32(x)
#define OSSwapLittleToHostConstInt64(x) OSSwapHostToLittleConstInt64(x)
#define OSSwapBigToHostInt16(x)		OSSwapHostToBigInt16(x)
#define OSSwapBigToHostInt32(x)		OSSwapHostToBigInt32(x)
#define OSSwapBigToHostInt64(x)		OSSwapHostToBigInt64(x)
#define OSSwapLittleToHostInt16(x)	OSSwapHostToLittleInt16(x)
#define OSSwapLittleToHostInt32(x)	OSSwapHostToLittleInt32(x)
#define OSSwapLittleToHostInt64(x)	OSSwapHostToLittleInt64(x)

static inline int32_t
OSHostByteOrder(void)
{
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? OSLittleEndian : OSBigEndian;
}

/* OSRead...IntN(base, offset) and OSWrite...IntN(base, offset, value): offset in bytes. */
#define DEXT_BYTE_ORDER_ACCESS(bits)                                                      \
	static inline uint##bits##_t OSReadBigInt##bits(const volatile void *base,        \
							uintptr_t offset)                 \
	{                                                                                 \
		uint##bits##_t value;                                                     \
		memcpy(&value, (const uint8_t *)(uintptr_t)base + offset, sizeof(value)); \
		return (uint##bits##_t)OSSwapBigToHostInt##bits(value);                   \
	}                                                                                 \
	static inline uint##bits##_t OSReadLittleInt##bits(const volatile void *base,     \
							   uintptr_t offset)              \
	{                                                                                 \
		uint##bits##_t value;                                                     \
		memcpy(&value, (const uint8_t *)(uintptr_t)base + offset, sizeof(value)); \
		return (uint##bits##_t)OSSwapLittleToHostInt##bits(value);                \
	}                                                                                 \
	static inline void OSWriteBigInt##bits(volatile void *base, uintptr_t offset,     \
					       uint##bits##_t data)                       \
	{                                                                                 \
		uint##bits##_t value = (uint##bits##_t)OSSwapHostToBigInt##bits(data);    \
		memcpy((uint8_t *)(uintptr_t)base + offset, &value, sizeof(value));       \
	}                                                                                 \
	static inline void OSWriteLittleInt##bits(volatile void *base, uintptr_t offset,  \
						  uint##bits##_t data)                    \
	{                                                                                 \
		uint##bits##_t value = (uint##bits##_t)OSSwapHostToLittleInt##bits(data); \
		memcpy((uint8_t *)(uintptr_t)base + offset, &value, sizeof(value));       \
	}

DEXT_BYTE_ORDER_ACCESS(16)
DEXT_BYTE_ORDER_ACCESS(32)
DEXT_BYTE_ORDER_ACCESS(64)

#undef DEXT_BYTE_ORDER_ACCESS

#endif
