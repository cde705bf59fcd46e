/* SPDX-License-Identifier: Apache-2.0 */
/* Byte order under CoreFoundation's names. */
#ifndef OPENDEXT_COREFOUNDATION_CFBYTEORDER_H
#define OPENDEXT_COREFOUNDATION_CFBYTEORDER_H

#include <CoreFoundation/CFBase.h>
#include <libkern/OSByteOrder.h>

typedef CFIndex CFByteOrder;
enum {
	CFByteOrderUnknown = OSUnknownByteOrder,
	CFByteOrderLittleEndian = OSLittleEndian,
	CFByteOrderBigEndian = OSBigEndian,
};

static inline CFByteOrder
CFByteOrderGetCurrent(void)
{
	return OSHostByteOrder();
}

/* CFSwapInt32, CFSwapInt32BigToHost, CFSwapInt32HostToBig, ... for 16, 32 and 64 bits. */
#define DEXT_CF_SWAP(bits)                                                             \
	static inline uint##bits##_t CFSwapInt##bits(uint##bits##_t arg)               \
	{                                                                              \
		return OSSwapInt##bits(arg);                                           \
	}                                                                              \
	static inline uint##bits##_t CFSwapInt##bits##BigToHost(uint##bits##_t arg)    \
	{                                                                              \
		return OSSwapBigToHostInt##bits(arg);                                  \
	}                                                                              \
	static inline uint##bits##_t CFSwapInt##bits##HostToBig(uint##bits##_t arg)    \
	{                                                                              \
		return OSSwapHostToBigInt##bits(arg);                                  \
	}                                                                              \
	static inline uint##bits##_t CFSwapInt##bits##LittleToHost(uint##bits##_t arg) \
	{                                                                              \
		return OSSwapLittleToHostInt##bits(arg);                               \
	}                                                                              \
	static inline uint##bits##_t CFSwapInt##bits##HostToLittle(uint##bits##_t arg) \
	{                                                                              \
		return OSSwapHostToLittleInt##bits(arg);                               \
	}

DEXT_CF_SWAP(16)
DEXT_CF_SWAP(32)
DEXT_CF_SWAP(64)

#undef DEXT_CF_SWAP

#endif
