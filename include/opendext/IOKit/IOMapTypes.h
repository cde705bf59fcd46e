/* SPDX-License-Identifier: Apache-2.0 */
/* Options of IOConnectMapMemory64, and cache modes. */
#ifndef OPENDEXT_IOKIT_IOMAPTYPES_H
#define OPENDEXT_IOKIT_IOMAPTYPES_H

enum {
	kIODefaultMemoryType = 0,
	kIODefaultCache = 0,
	kIOInhibitCache = 1,
	kIOWriteThruCache = 2,
	kIOCopybackCache = 3,
	kIOWriteCombineCache = 4,
	kIOCopybackInnerCache = 5,
	kIOPostedWrite = 6,
	kIORealTimeCache = 7,
	kIOPostedReordered = 8,
	kIOPostedCombinedReordered = 9,
	kIOMapAnywhere = 1,
	kIOMapCacheMask = 0xf00,
	kIOMapCacheShift = 8,
	kIOMapDefaultCache = 0,
	kIOMapInhibitCache = 0x100,
	kIOMapWriteThruCache = 0x200,
	kIOMapCopybackCache = 0x300,
	kIOMapWriteCombineCache = 0x400,
	kIOMapCopybackInnerCache = 0x500,
	kIOMapPostedWrite = 0x600,
	kIOMapRealTimeCache = 0x700,
	kIOMapPostedReordered = 0x800,
	kIOMapPostedCombinedReordered = 0x900,
	kIOMapUserOptionsMask = 0xfff,
	kIOMapReadOnly = 0x1000,
	kIOMapStatic = 0x1000000,
	kIOMapReference = 0x2000000,
	kIOMapUnique = 0x4000000,
	kIOMap64Bit = 0x8000000,
	kIOMapPrefault = 0x10000000,
	kIOMapOverwrite = 0x20000000,
	kIOMapGuardedSmall = 0x40000000,
};

#define kIOMapGuardedMask  0xc0000000u
#define kIOMapGuardedLarge 0x80000000u

#endif
