/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors made of others: a window is a range of one, a joined descriptor is several, one after
 * the other. Both are lists of ranges of the same backings as what they are made of, and retain
 * that.
 */
#include "descriptor_ivars.h"
#include "log.h"
#include "object.h"

static IOReturn
bad(const char *function, const char *what)
{
	log_error("IOMemoryDescriptor_%s: %s", function, what);
	return kIOReturnBadArgument;
}

/* Appends the parts that `length` bytes from `offset` of a descriptor are made of. */
static void
append(IOMemoryDescriptor *memory, IOMemoryDescriptor *of, uint64_t offset, uint64_t length)
{
	struct IOMemoryDescriptor_IVars *ivars = OSObjectIVars(IOMemoryDescriptor, memory);
	const struct IOMemoryDescriptor_IVars *source = OSObjectIVars(IOMemoryDescriptor, of);

	OSRetain(of);
	ivars->parents[ivars->parent_count++] = of;
	ivars->length += length;
	for (uint32_t i = 0; i < source->part_count && length > 0; i++) {
		const struct memory_use *part = &source->parts[i];
		uint64_t here;

		if (offset >= part->length) {
			offset -= part->length;
			continue;
		}
		here = part->length - offset;
		if (here > length)
			here = length;
		use_add(&ivars->parts[ivars->part_count++], part->backing, part->offset + offset,
			here, memory);
		offset = 0;
		length -= here;
	}
}

kern_return_t
IOMemoryDescriptor_CreateSubMemoryDescriptor(uint64_t options, uint64_t offset, uint64_t length,
					     IOMemoryDescriptor *of, IOMemoryDescriptor **memory)
{
	static const char function[] = "CreateSubMemoryDescriptor";
	IOMemoryDescriptor *window;
	uint64_t whole;

	if (of == NULL || memory == NULL)
		return bad(function, of == NULL ? "of is NULL" : "memory is NULL");
	if (options & ~MEMORY_DIRECTIONS)
		return bad(function, "options: a direction and nothing else");
	whole = memory_length(of);
	if (length == 0 || offset > whole || length > whole - offset)
		return bad(function, "offset and length: at least 1 byte, inside the descriptor");
	window = memory_new(OSTypeID(IOMemoryDescriptor),
			    OSObjectIVars(IOMemoryDescriptor, of)->part_count, 1, options);
	if (window == NULL)
		return kIOReturnNoMemory;
	append(window, of, offset, length);
	*memory = window;
	return kIOReturnSuccess;
}

/*
 * Whether a descriptor can be one in a row: its length, or 0 with a log line. Parts can follow one
 * another in memory only where pages end.
 */
static uint64_t
length_in_row(IOMemoryDescriptor *memory, uint32_t index, bool last, IOReturn *ret_status)
{
	uint64_t page = page_size(), length;

	*ret_status = kIOReturnBadArgument;
	length = memory == NULL ? 0 : memory_length(memory);
	if (length == 0) {
		log_error("IOMemoryDescriptor_CreateWithMemoryDescriptors: descriptor %u is %s",
			  index, memory == NULL ? "NULL" : "empty");
		return 0;
	}
	if (OSObjectIVars(IOMemoryDescriptor, memory)->parts[0].offset % page == 0 &&
	    (last || length % page == 0))
		return length;
	log_error("IOMemoryDescriptor_CreateWithMemoryDescriptors: descriptor %u: each but the "
		  "last must be whole pages",
		  index);
	*ret_status = kIOReturnNotAligned;
	return 0;
}

kern_return_t
IOMemoryDescriptor_CreateWithMemoryDescriptors(uint64_t options, uint32_t count,
					       IOMemoryDescriptor *const *descriptors,
					       IOMemoryDescriptor **memory)
{
	static const char function[] = "CreateWithMemoryDescriptors";
	uint64_t lengths[kIOMemoryDescriptorMaxSegments];
	IOMemoryDescriptor *joined;
	uint32_t parts = 0;
	IOReturn status;

	if (descriptors == NULL || memory == NULL)
		return bad(function, memory == NULL ? "memory is NULL" : "descriptors is NULL");
	if (options & ~MEMORY_DIRECTIONS)
		return bad(function, "options: a direction and nothing else");
	if (count == 0 || count > kIOMemoryDescriptorMaxSegments)
		return bad(function, "count: from 1 to 32");
	for (uint32_t i = 0; i < count; i++) {
		lengths[i] = length_in_row(descriptors[i], i, i + 1 == count, &status);
		if (lengths[i] == 0)
			return status;
		parts += OSObjectIVars(IOMemoryDescriptor, descriptors[i])->part_count;
	}
	if (parts > kIOMemoryDescriptorMaxSegments)
		return bad(function, "descriptors: more than 32 segments in all");
	joined = memory_new(OSTypeID(IOMemoryDescriptor), parts, count, options);
	if (joined == NULL)
		return kIOReturnNoMemory;
	for (uint32_t i = 0; i < count; i++)
		append(joined, descriptors[i], 0, lengths[i]);
	*memory = joined;
	return kIOReturnSuccess;
}
