/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOMemoryDescriptor: what all kinds have in common, and memory that an app brought.
 *
 * Everything but the length and the contiguous mapping is fixed when a creator returns. Any thread.
 * Lock order: a descriptor's lock before a backing's.
 */
#include "descriptor.h"

#include "descriptor_ivars.h"
#include "log.h"
#include "object.h"
#include "packet.h"

#include <assert.h>
#include <stdlib.h>

static bool
IOMemoryDescriptor_init(OSObject *self)
{
	if (!OSObject_init_Impl(self))
		return false;
	pthread_mutex_init(&OSObjectIVars(IOMemoryDescriptor, self)->lock, NULL);
	return true;
}

static void
IOMemoryDescriptor_free(OSObject *self)
{
	struct IOMemoryDescriptor_IVars *ivars = OSObjectIVars(IOMemoryDescriptor, self);

	mapping_end(&ivars->contiguous);
	for (uint32_t i = 0; i < ivars->part_count; i++) {
		assert(ivars->parts[i].backing == NULL || !use_is_busy_locked(&ivars->parts[i]));
		use_remove(&ivars->parts[i]);
	}
	for (uint32_t i = 0; i < ivars->parent_count; i++)
		OSRelease(ivars->parents[i]);
	free(ivars->parts);
	free(ivars->parents);
	pthread_mutex_destroy(&ivars->lock);
	OSObject_free_Impl(self);
}

static const OSObjectMethods object_methods = {
	.size = sizeof(OSObjectMethods),
	.init = IOMemoryDescriptor_init,
	.free = IOMemoryDescriptor_free,
};

const OSMetaClass gIOMemoryDescriptorMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "IOMemoryDescriptor",
	.superclass = OSTypeID(OSObject),
	.ivars_size = sizeof(struct IOMemoryDescriptor_IVars),
	.object = &object_methods,
};

IOMemoryDescriptor *
memory_new(const OSMetaClass *metaclass, uint32_t part_count, uint32_t parent_count,
	   uint64_t direction)
{
	OSObject *object = object_create_of(metaclass);
	struct IOMemoryDescriptor_IVars *ivars;

	if (object == NULL)
		return NULL;
	ivars = OSObjectIVars(IOMemoryDescriptor, object);
	ivars->direction = direction;
	ivars->parts = calloc(part_count, sizeof(ivars->parts[0]));
	ivars->parents = calloc(parent_count > 0 ? parent_count : 1, sizeof(ivars->parents[0]));
	if (ivars->parts == NULL || ivars->parents == NULL) {
		OSRelease(object);
		return NULL;
	}
	return (IOMemoryDescriptor *)object;
}

IOReturn
memory_create_from_peer_take(int fd, uint64_t offset, uint64_t length, uint64_t direction,
			     IOMemoryDescriptor **ret_memory)
{
	IOMemoryDescriptor *memory = memory_new(OSTypeID(IOMemoryDescriptor), 1, 0, direction);
	struct IOMemoryDescriptor_IVars *ivars;
	IOReturn status;

	if (memory == NULL) {
		fd_close(&fd);
		return kIOReturnNoMemory;
	}
	ivars = OSObjectIVars(IOMemoryDescriptor, memory);
	status = backing_create_from_peer_take(
		fd, offset, length, direction == kIOMemoryDirectionOut, &ivars->parts[0], memory);
	if (status != kIOReturnSuccess) {
		OSRelease(memory);
		return status;
	}
	ivars->part_count = 1;
	ivars->length = length;
	*ret_memory = memory;
	return kIOReturnSuccess;
}

void
memory_when_gone(IOMemoryDescriptor *memory, void (*gone)(void *context, uint64_t length),
		 void *context)
{
	struct IOMemoryDescriptor_IVars *ivars = OSObjectIVars(IOMemoryDescriptor, memory);
	struct memory_backing *backing = ivars->parts[0].backing;

	assert(backing->from_peer && backing->gone == NULL);
	backing->gone = gone;
	backing->gone_context = context;
	backing->gone_length = ivars->length;
}

uint64_t
memory_length(IOMemoryDescriptor *memory)
{
	/* Relaxed: a length stands for itself. */
	return atomic_load_explicit(&OSObjectIVars(IOMemoryDescriptor, memory)->length,
				    memory_order_relaxed);
}

uint64_t
memory_direction(IOMemoryDescriptor *memory)
{
	return OSObjectIVars(IOMemoryDescriptor, memory)->direction;
}

kern_return_t
IOMemoryDescriptor_GetLength(IOMemoryDescriptor *memory, uint64_t *length)
{
	if (memory == NULL || length == NULL) {
		log_error("IOMemoryDescriptor_GetLength: %s is NULL",
			  memory == NULL ? "memory" : "length");
		return kIOReturnBadArgument;
	}
	*length = memory_length(memory);
	return kIOReturnSuccess;
}

void *
memory_address(IOMemoryDescriptor *memory)
{
	struct IOMemoryDescriptor_IVars *ivars = OSObjectIVars(IOMemoryDescriptor, memory);
	const struct memory_use *first = &ivars->parts[0];
	uint64_t length = 0;
	void *address;

	if (ivars->part_count == 1 && first->backing->address != NULL)
		return (char *)first->backing->address + first->offset;
	for (uint32_t i = 0; i < ivars->part_count; i++)
		length += ivars->parts[i].length;
	pthread_mutex_lock(&ivars->lock);
	if (ivars->contiguous.address == NULL)
		mapping_create(&ivars->contiguous, ivars->parts, ivars->part_count, 0, length, true,
			       true, NULL);
	address = ivars->contiguous.address;
	pthread_mutex_unlock(&ivars->lock);
	return address;
}

static struct memory_segment
segment_locked(const struct memory_use *first)
{
	struct memory_backing *backing = first->backing;
	const struct memory_extent *extent = backing_extent_locked(backing, first->offset);
	struct memory_segment segment;

	segment.fd = extent->file->fd;
	segment.inode = extent->file->inode;
	segment.offset = first->offset - extent->file->start;
	segment.length = extent->offset + extent->length - first->offset;
	if (segment.length > first->length)
		segment.length = first->length;
	segment.address =
		backing->address == NULL ? NULL : (char *)backing->address + first->offset;
	return segment;
}

struct memory_segment
memory_first_segment(IOMemoryDescriptor *memory)
{
	const struct memory_use *first = &OSObjectIVars(IOMemoryDescriptor, memory)->parts[0];
	struct memory_segment segment;

	pthread_mutex_lock(&first->backing->lock);
	segment = segment_locked(first);
	pthread_mutex_unlock(&first->backing->lock);
	return segment;
}

/* With the lock: whoever splits the part off sees it in flight, or has done so before. */
static struct memory_segment
begin_part(struct memory_use *part)
{
	struct memory_segment segment;

	pthread_mutex_lock(&part->backing->lock);
	part->begun++;
	segment = segment_locked(part);
	pthread_mutex_unlock(&part->backing->lock);
	return segment;
}

struct memory_segment
memory_io_begin(IOMemoryDescriptor *memory)
{
	struct IOMemoryDescriptor_IVars *ivars = OSObjectIVars(IOMemoryDescriptor, memory);
	struct memory_segment first = {.fd = -1};

	OSRetain(memory);
	for (uint32_t i = 0; i < ivars->part_count; i++) {
		struct memory_segment segment = begin_part(&ivars->parts[i]);

		if (i == 0)
			first = segment;
	}
	return first;
}

void
memory_io_end(IOMemoryDescriptor *memory)
{
	struct IOMemoryDescriptor_IVars *ivars = OSObjectIVars(IOMemoryDescriptor, memory);

	/* Pairs with use_is_busy_locked. */
	for (uint32_t i = 0; i < ivars->part_count; i++)
		atomic_fetch_add_explicit(&ivars->parts[i].ended, 1, memory_order_release);
	OSRelease(memory);
}
