/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOMemoryMap: a mapping as an object. It retains its descriptor, so that "the driver still has a
 * mapping" is seen as "the driver still holds the memory". Constant after creation; any thread.
 */
#include "descriptor_ivars.h"
#include "device_memory.h"
#include "log.h"
#include "object.h"
#include "readonly.h"

#define CACHE_MODES                                                     \
	(kIOMemoryMapCacheModeInhibit | kIOMemoryMapCacheModeCopyback | \
	 kIOMemoryMapCacheModeWriteThrough | kIOMemoryMapCacheModeRealTime)

struct IOMemoryMap_IVars {
	IOMemoryDescriptor *memory; /* retained */
	struct memory_mapping mapping;
	uint64_t offset;
	bool lent; /* an app's memory that this process may only read */
};

static void
IOMemoryMap_free(OSObject *self)
{
	struct IOMemoryMap_IVars *ivars = OSObjectIVars(IOMemoryMap, self);

	if (ivars->lent)
		readonly_remove(ivars->mapping.address);
	mapping_end(&ivars->mapping);
	OSRelease(ivars->memory);
	OSObject_free_Impl(self);
}

static const OSObjectMethods object_methods = {
	.size = sizeof(OSObjectMethods),
	.free = IOMemoryMap_free,
};

const OSMetaClass gIOMemoryMapMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "IOMemoryMap",
	.superclass = OSTypeID(OSObject),
	.ivars_size = sizeof(struct IOMemoryMap_IVars),
	.object = &object_methods,
};

static IOReturn
bad(const char *what)
{
	log_error("IOMemoryDescriptor_CreateMapping: %s", what);
	return kIOReturnBadArgument;
}

/* A device's memory is not cached, everything else is. */
static IOReturn
check_cache(uint64_t cache, const IOMemoryDescriptor *memory)
{
	bool device = memory_is_device(memory);

	if (cache == kIOMemoryMapCacheModeDefault ||
	    cache == (device ? kIOMemoryMapCacheModeInhibit : kIOMemoryMapCacheModeCopyback))
		return kIOReturnSuccess;
	log_error("IOMemoryDescriptor_CreateMapping: options: no cache mode but the default and "
		  "%s, which are one",
		  device ? "inhibit" : "copyback");
	return kIOReturnUnsupported;
}

static IOReturn
check_options(uint64_t options, const IOMemoryDescriptor *memory)
{
	uint64_t known = kIOMemoryMapFixedAddress | kIOMemoryMapReadOnly | kIOMemoryMapGuardedMask |
			 CACHE_MODES;
	uint64_t guard = options & kIOMemoryMapGuardedMask, cache = options & CACHE_MODES;

	if ((options & ~known) || guard > kIOMemoryMapGuardedLarge || (cache & (cache - 1)))
		return bad("options: an unknown bit or mode");
	return check_cache(cache, memory);
}

kern_return_t
IOMemoryDescriptor_CreateMapping(IOMemoryDescriptor *memory, uint64_t options, uint64_t address,
				 uint64_t offset, uint64_t length, uint64_t alignment,
				 IOMemoryMap **map)
{
	bool guards = (options & kIOMemoryMapGuardedMask) != kIOMemoryMapGuardedNone;
	bool fixed = (options & kIOMemoryMapFixedAddress) != 0;
	struct IOMemoryDescriptor_IVars *source;
	struct IOMemoryMap_IVars *ivars;
	IOMemoryMap *made;
	IOReturn status;
	uint64_t whole;

	if (memory == NULL || map == NULL)
		return bad(memory == NULL ? "memory is NULL" : "map is NULL");
	status = check_options(options, memory);
	if (status != kIOReturnSuccess)
		return status;
	if (alignment != 0)
		return bad("alignment: must be 0");
	if (fixed && address == 0)
		return bad("address: 0 with kIOMemoryMapFixedAddress");
	whole = memory_length(memory);
	if (offset >= whole || length > whole - offset)
		return bad("offset and length: at least 1 byte, inside the descriptor");
	made = object_create(IOMemoryMap);
	if (made == NULL)
		return kIOReturnNoMemory;
	ivars = OSObjectIVars(IOMemoryMap, made);
	source = OSObjectIVars(IOMemoryDescriptor, memory);
	OSRetain(memory);
	ivars->memory = memory;
	ivars->offset = offset;
	status = mapping_create(&ivars->mapping, source->parts, source->part_count, offset,
				length == 0 ? whole - offset : length,
				!(options & kIOMemoryMapReadOnly), guards,
				fixed ? (void *)(uintptr_t)address : NULL);
	if (status != kIOReturnSuccess) {
		log_error("IOMemoryDescriptor_CreateMapping: the kernel refused%s",
			  fixed ? " (is something mapped at that address?)" : "");
		OSRelease(made);
		return kIOReturnError;
	}
	ivars->lent = source->parts[0].backing->readonly;
	if (ivars->lent)
		readonly_add(ivars->mapping.address, ivars->mapping.length);
	*map = made;
	return kIOReturnSuccess;
}

uint64_t
IOMemoryMap_GetAddress(IOMemoryMap *map)
{
	return (uint64_t)(uintptr_t)OSObjectIVars(IOMemoryMap, map)->mapping.address;
}

uint64_t
IOMemoryMap_GetLength(IOMemoryMap *map)
{
	return OSObjectIVars(IOMemoryMap, map)->mapping.length;
}

uint64_t
IOMemoryMap_GetOffset(IOMemoryMap *map)
{
	return OSObjectIVars(IOMemoryMap, map)->offset;
}
