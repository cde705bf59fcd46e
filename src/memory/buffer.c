/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOBufferMemoryDescriptor: a backing of its own, mapped read-write from birth. Its part is the
 * whole capacity; its length may be less.
 */
#include "descriptor_ivars.h"
#include "log.h"
#include "object.h"

const OSMetaClass gIOBufferMemoryDescriptorMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "IOBufferMemoryDescriptor",
	.superclass = OSTypeID(IOMemoryDescriptor),
};

static IOReturn
bad(const char *function, const char *what)
{
	log_error("IOBufferMemoryDescriptor_%s: %s", function, what);
	return kIOReturnBadArgument;
}

kern_return_t
IOBufferMemoryDescriptor_Create(uint64_t options, uint64_t capacity, uint64_t alignment,
				IOBufferMemoryDescriptor **memory)
{
	struct IOMemoryDescriptor_IVars *ivars;
	IOMemoryDescriptor *made;
	IOReturn status;

	if (memory == NULL)
		return bad("Create", "memory is NULL");
	if (options & ~MEMORY_DIRECTIONS)
		return bad("Create", "options: a direction and nothing else");
	if (capacity == 0 || page_round_up(capacity) == 0)
		return bad("Create", "capacity: at least 1, and no more than there are addresses");
	if (alignment & (alignment - 1))
		return bad("Create", "alignment: 0 or a power of two");
	if (alignment > page_size()) {
		log_error("IOBufferMemoryDescriptor_Create: alignment: at most a page");
		return kIOReturnNotAligned;
	}
	made = memory_new(OSTypeID(IOBufferMemoryDescriptor), 1, 0, options);
	if (made == NULL)
		return kIOReturnNoMemory;
	ivars = OSObjectIVars(IOMemoryDescriptor, made);
	status = backing_create(capacity, &ivars->parts[0], made);
	if (status != kIOReturnSuccess) {
		OSRelease(made);
		return status;
	}
	ivars->part_count = 1;
	ivars->length = capacity;
	*memory = (IOBufferMemoryDescriptor *)made;
	return kIOReturnSuccess;
}

kern_return_t
IOBufferMemoryDescriptor_GetAddressRange(IOBufferMemoryDescriptor *memory, IOAddressSegment *range)
{
	const struct memory_use *part;

	if (memory == NULL || range == NULL)
		return bad("GetAddressRange", memory == NULL ? "memory is NULL" : "range is NULL");
	part = &OSObjectIVars(IOMemoryDescriptor, memory)->parts[0];
	range->address = (uint64_t)(uintptr_t)part->backing->address;
	range->length = part->length;
	return kIOReturnSuccess;
}

kern_return_t
IOBufferMemoryDescriptor_SetLength(IOBufferMemoryDescriptor *memory, uint64_t length)
{
	struct IOMemoryDescriptor_IVars *ivars;

	if (memory == NULL)
		return bad("SetLength", "memory is NULL");
	ivars = OSObjectIVars(IOMemoryDescriptor, memory);
	if (length > ivars->parts[0].length)
		return bad("SetLength", "length: more than the capacity");
	/* Relaxed: as in memory_length. */
	atomic_store_explicit(&ivars->length, length, memory_order_relaxed);
	return kIOReturnSuccess;
}
