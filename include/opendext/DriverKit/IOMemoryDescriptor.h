/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOMemoryDescriptor, IOBufferMemoryDescriptor, IOMemoryMap: memory that can be shared with an app,
 * mapped into this process and handed to a device, always the same pages.
 *
 * A driver makes a buffer with IOBufferMemoryDescriptor_Create and returns it from
 * CopyClientMemoryForType; IOConnectMapMemory64 then maps it into the app.
 */
#ifndef OPENDEXT_DRIVERKIT_IOMEMORYDESCRIPTOR_H
#define OPENDEXT_DRIVERKIT_IOMEMORYDESCRIPTOR_H

#include <DriverKit/OSObject.h>

DEXT_BEGIN_DECLS

typedef struct IOMemoryDescriptor IOMemoryDescriptor;
typedef struct IOBufferMemoryDescriptor IOBufferMemoryDescriptor;
typedef struct IOMemoryMap IOMemoryMap;

extern const OSMetaClass gIOMemoryDescriptorMetaClass;
extern const OSMetaClass gIOBufferMemoryDescriptorMetaClass;
extern const OSMetaClass gIOMemoryMapMetaClass;

/* Which way data moves, seen from the memory: In is written by the device or driver, Out is read by
 * it. */
enum {
	kIOMemoryDirectionNone = 0,
	kIOMemoryDirectionIn = 1,
	kIOMemoryDirectionOut = 2,
	kIOMemoryDirectionOutIn = 3,
	kIOMemoryDirectionInOut = 3,
	kIOMemoryDisableCopyOnWrite = 0x10,
};

/* Options of IOMemoryDescriptor_CreateMapping. */
enum {
	kIOMemoryMapFixedAddress = 0x1,
	kIOMemoryMapReadOnly = 0x2,
	kIOMemoryMapGuardedMask = 0x1c,
	kIOMemoryMapGuardedDefault = 0,
	kIOMemoryMapGuardedNone = 0x4,
	kIOMemoryMapGuardedSmall = 0x8,
	kIOMemoryMapGuardedLarge = 0xc,
	kIOMemoryMapCacheModeDefault = 0,
	kIOMemoryMapCacheModeInhibit = 0x100,
	kIOMemoryMapCacheModeCopyback = 0x200,
	kIOMemoryMapCacheModeWriteThrough = 0x400,
	kIOMemoryMapCacheModeRealTime = 0x800,
};

typedef struct IOAddressSegment {
	uint64_t address;
	uint64_t length;
} IOAddressSegment;

#define kIOMemoryDescriptorMaxSegments 32

/* Bytes that the descriptor describes: exactly what was asked for, not rounded to pages. */
kern_return_t IOMemoryDescriptor_GetLength(IOMemoryDescriptor *memory, uint64_t *length);

/*
 * Maps `length` bytes from `offset` (0: up to the end) into this process, with an inaccessible
 * guard page on each side. The mapping lives as long as the IOMemoryMap, which the caller releases,
 * and the descriptor's pages at least as long. With kIOMemoryMapFixedAddress the mapping is placed
 * at `address`, never over an existing one. A descriptor with direction Out that an app brought
 * gives a read-only mapping. kIOReturnBadArgument: offset + length past the end, an unknown option
 * bit, alignment other than 0. kIOReturnError: the kernel refused. Cache modes other than the
 * default and copyback, which are one here (and of a device's memory inhibit), are refused with
 * kIOReturnUnsupported.
 */
kern_return_t IOMemoryDescriptor_CreateMapping(IOMemoryDescriptor *memory, uint64_t options,
					       uint64_t address, uint64_t offset, uint64_t length,
					       uint64_t alignment, IOMemoryMap **map);

/*
 * A window of `length` bytes from `offset` of another descriptor, on the same pages. `options` is a
 * direction. The parent stays alive as long as the window. kIOReturnBadArgument outside the parent.
 * To hand a window to an app it must start and end on a page boundary, see ARCHITECTURE.md,
 * "Memory".
 */
kern_return_t IOMemoryDescriptor_CreateSubMemoryDescriptor(uint64_t options, uint64_t offset,
							   uint64_t length, IOMemoryDescriptor *of,
							   IOMemoryDescriptor **memory);

/*
 * Several descriptors, one after the other, as one; up to kIOMemoryDescriptorMaxSegments. Each part
 * but the last must be whole pages: kIOReturnNotAligned otherwise. The parts stay alive as long as
 * the whole.
 */
kern_return_t IOMemoryDescriptor_CreateWithMemoryDescriptors(uint64_t options, uint32_t count,
							     IOMemoryDescriptor *const *descriptors,
							     IOMemoryDescriptor **memory);

/*
 * New zeroed memory of its own. `options` is a direction (any other bit: kIOReturnBadArgument).
 * `capacity` in bytes, not 0. `alignment` in bytes: 0 or a power of two up to the page size (the
 * memory is always page aligned); larger: kIOReturnNotAligned. The length is the capacity until
 * SetLength says less.
 */
kern_return_t IOBufferMemoryDescriptor_Create(uint64_t options, uint64_t capacity,
					      uint64_t alignment,
					      IOBufferMemoryDescriptor **memory);
/* Where the creator's own writable mapping is; it lives as long as the descriptor. */
kern_return_t IOBufferMemoryDescriptor_GetAddressRange(IOBufferMemoryDescriptor *memory,
						       IOAddressSegment *range);
/* kIOReturnBadArgument if more than the capacity. */
kern_return_t IOBufferMemoryDescriptor_SetLength(IOBufferMemoryDescriptor *memory, uint64_t length);

/*
 * Where it is mapped in the driver, its bytes, and from which byte of the descriptor on. As long
 * as the map lives; any thread.
 */
uint64_t IOMemoryMap_GetAddress(IOMemoryMap *map);
uint64_t IOMemoryMap_GetLength(IOMemoryMap *map);
uint64_t IOMemoryMap_GetOffset(IOMemoryMap *map);

DEXT_END_DECLS

#endif
