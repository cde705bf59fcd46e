/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handing memory over to an app: which files it gets, and with which right.
 *
 * Who gets a descriptor of a file sees all of that file. So a file leaves only for a descriptor
 * that covers all of it; what covers only a part is first split off into a file of its own. And a
 * file's right is fixed by the seals of its first hand-over, for all clients.
 *
 * A device's memory is handed over whole or not at all, and has no seals: what is read-only leaves
 * as a file that was opened for reading, which only the device's owner can open again otherwise.
 *
 * All parts are checked before the first is changed, because seals cannot be taken off again.
 * Hand-overs run one at a time; the lock is taken before any backing's.
 */
#include "descriptor_ivars.h"
#include "log.h"

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

static bool
is_made_of(const IOMemoryDescriptor *memory, const IOMemoryDescriptor *other)
{
	const struct IOMemoryDescriptor_IVars *ivars;

	if (memory == other)
		return true;
	ivars = OSObjectIVars(IOMemoryDescriptor, memory);
	for (uint32_t i = 0; i < ivars->parent_count; i++)
		if (is_made_of(ivars->parents[i], other))
			return true;
	return false;
}

static bool
overlaps(uint64_t offset, uint64_t length, uint64_t other, uint64_t other_length)
{
	return offset < other + other_length && other < offset + length;
}

/* The part's range in pages; what follows the backing's last byte counts as covered. */
static struct memory_extent
span_of(const struct memory_use *part)
{
	uint64_t end = part->offset + part->length;

	if (end == part->backing->length)
		end = page_round_up(end);
	return (struct memory_extent){.offset = part->offset, .length = end - part->offset};
}

static bool
is_covered(const struct memory_extent *span, const struct memory_extent *extent)
{
	return extent->offset >= span->offset &&
	       extent->offset + extent->length <= span->offset + span->length;
}

/* Whether all that the file holds lies in the span. Needs the lock. */
static bool
is_whole_locked(const struct memory_backing *backing, const struct memory_extent *span,
		const struct memory_file *file)
{
	for (uint32_t i = 0; i < backing->extent_count; i++)
		if (backing->extents[i].file == file && !is_covered(span, &backing->extents[i]))
			return false;
	return true;
}

/* Whether the span may be split off for `memory`; the log says what stands in the way. */
static IOReturn
check_split_locked(const IOMemoryDescriptor *memory, const struct memory_backing *backing,
		   const struct memory_extent *span, const struct memory_extent *extent)
{
	const char *why = NULL;

	if (span->offset % page_size() != 0 || span->length % page_size() != 0) {
		log_error("handing over a part of a buffer: it must start and end on a page; give "
			  "it a buffer of its own");
		return kIOReturnNotAligned;
	}
	if (extent->file->handed != HANDED_NEVER)
		why = "the whole buffer was handed over before; hand its windows over first";
	else if (!is_covered(extent, span))
		why = "a part of it was split off before; hand over windows that do not overlap";
	for (const struct memory_use *use = backing->uses; use != NULL && why == NULL;
	     use = use->next) {
		if (!overlaps(span->offset, span->length, use->offset, use->length))
			continue;
		if (use->descriptor == NULL)
			why = "the pages are mapped; release the mapping first";
		else if (use_is_busy_locked(use))
			why = "I/O is in flight on the pages; hand over first, use then";
		else if (!is_made_of(memory, use->descriptor))
			why = "another descriptor is made over the same pages; make it afterwards";
	}
	if (why == NULL)
		return kIOReturnSuccess;
	log_error("handing over a part of a buffer: %s", why);
	return kIOReturnBusy;
}

/* Checks one part, and with `change` also splits off what must be. Needs the lock. */
static IOReturn
prepare_locked(const IOMemoryDescriptor *memory, const struct memory_use *part,
	       enum memory_handed wanted, bool change)
{
	struct memory_backing *backing = part->backing;
	struct memory_extent span = span_of(part);

	for (uint32_t i = 0; i < backing->extent_count; i++) {
		const struct memory_extent *extent = &backing->extents[i];
		IOReturn status;

		if (!overlaps(span.offset, span.length, extent->offset, extent->length))
			continue;
		if (is_whole_locked(backing, &span, extent->file)) {
			if (extent->file->handed == HANDED_NEVER || extent->file->handed == wanted)
				continue;
			log_error("memory was handed over %s before, and so it is for all clients "
				  "and types; who has another right gets another buffer",
				  wanted == HANDED_READONLY ? "writable" : "read-only");
			return kIOReturnNotPermitted;
		}
		status = check_split_locked(memory, backing, &span, extent);
		if (status == kIOReturnSuccess && change)
			status = backing_split_locked(backing, span.offset, span.length);
		return status; /* the span was inside this extent: no other has a part of it */
	}
	return kIOReturnSuccess;
}

static IOReturn
check_device(const struct memory_use *part)
{
	if (part->offset == 0 && part->length == part->backing->length)
		return kIOReturnSuccess;
	log_error("handing over a part of a device's memory: its file shows all of it, so only the "
		  "whole can be handed over");
	return kIOReturnNotPermitted;
}

static IOReturn
prepare(const IOMemoryDescriptor *memory, enum memory_handed wanted, bool change)
{
	struct IOMemoryDescriptor_IVars *ivars = OSObjectIVars(IOMemoryDescriptor, memory);
	IOReturn status = kIOReturnSuccess;

	for (uint32_t i = 0; i < ivars->part_count && status == kIOReturnSuccess; i++) {
		struct memory_backing *backing = ivars->parts[i].backing;

		if (backing->from_peer) {
			log_error("memory that an app brought cannot be handed over to an app");
			return kIOReturnNotPermitted;
		}
		if (backing->device) {
			status = check_device(&ivars->parts[i]);
			continue;
		}
		pthread_mutex_lock(&backing->lock);
		status = prepare_locked(memory, &ivars->parts[i], wanted, change);
		pthread_mutex_unlock(&backing->lock);
	}
	return status;
}

/* Appends the segments of the first `length` bytes of a part. Needs the lock. */
static bool
list_locked(const struct memory_use *part, uint64_t length, bool readonly,
	    struct memory_segment *segments, uint32_t *count)
{
	struct memory_backing *backing = part->backing;
	uint64_t offset = part->offset;

	while (length > 0) {
		const struct memory_extent *extent = backing_extent_locked(backing, offset);
		uint64_t here = extent->offset + extent->length - offset;

		if (*count == kIOMemoryDescriptorMaxSegments)
			return false;
		if (here > length)
			here = length;
		segments[(*count)++] = (struct memory_segment){
			.fd = readonly && backing->device ? extent->file->readonly_fd
							  : extent->file->fd,
			.inode = extent->file->inode,
			.offset = offset - extent->file->start,
			.length = here,
			.address =
				backing->address != NULL ? (char *)backing->address + offset : NULL,
		};
		offset += here;
		length -= here;
	}
	return true;
}

static IOReturn
list(const IOMemoryDescriptor *memory, uint64_t length, bool readonly,
     struct memory_segment *segments, uint32_t *ret_count)
{
	struct IOMemoryDescriptor_IVars *ivars = OSObjectIVars(IOMemoryDescriptor, memory);
	uint32_t count = 0;
	bool fits = true;

	for (uint32_t i = 0; i < ivars->part_count && length > 0 && fits; i++) {
		const struct memory_use *part = &ivars->parts[i];
		uint64_t here = part->length < length ? part->length : length;

		pthread_mutex_lock(&part->backing->lock);
		fits = list_locked(part, here, readonly, segments, &count);
		pthread_mutex_unlock(&part->backing->lock);
		length -= here;
	}
	if (!fits) {
		log_error("handing over memory of more than %d segments",
			  kIOMemoryDescriptorMaxSegments);
		return kIOReturnNoResources;
	}
	*ret_count = count;
	return kIOReturnSuccess;
}

static bool
is_new_locked(const struct memory_use *part)
{
	const struct memory_backing *backing = part->backing;
	struct memory_extent span = span_of(part);

	for (uint32_t i = 0; i < backing->extent_count; i++)
		if (backing->extents[i].file->handed == HANDED_NEVER &&
		    overlaps(span.offset, span.length, backing->extents[i].offset,
			     backing->extents[i].length))
			return true;
	return false;
}

uint64_t
memory_unpopulated(const IOMemoryDescriptor *memory)
{
	struct IOMemoryDescriptor_IVars *ivars = OSObjectIVars(IOMemoryDescriptor, memory);
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < ivars->part_count; i++) {
		const struct memory_use *part = &ivars->parts[i];

		pthread_mutex_lock(&part->backing->lock);
		if (part->backing->address != NULL && is_new_locked(part))
			bytes += part->length;
		pthread_mutex_unlock(&part->backing->lock);
	}
	return bytes;
}

/*
 * Gives the memory its pages, with no lock held: of much memory that takes long enough for other
 * apps to notice. What is split off afterwards gets its pages when it is sealed.
 */
IOReturn
memory_populate(const IOMemoryDescriptor *memory)
{
	struct IOMemoryDescriptor_IVars *ivars = OSObjectIVars(IOMemoryDescriptor, memory);
	IOReturn status = kIOReturnSuccess;

	for (uint32_t i = 0; i < ivars->part_count && status == kIOReturnSuccess; i++) {
		const struct memory_use *part = &ivars->parts[i];
		uint64_t in_page = part->offset % page_size();
		bool is_new;

		pthread_mutex_lock(&part->backing->lock);
		is_new = part->backing->address != NULL && is_new_locked(part);
		pthread_mutex_unlock(&part->backing->lock);
		if (is_new)
			status = memfd_populate((char *)part->backing->address + part->offset -
							in_page,
						part->length + in_page);
	}
	return status;
}

/* Seals the files of a part that have not left yet. Needs the lock. */
static IOReturn
seal_locked(const struct memory_use *part, enum memfd_right right, enum memory_handed wanted)
{
	struct memory_backing *backing = part->backing;
	struct memory_extent span = span_of(part);

	for (uint32_t i = 0; i < backing->extent_count; i++) {
		const struct memory_extent *extent = &backing->extents[i];
		IOReturn status;

		if (extent->file->handed == wanted ||
		    !overlaps(span.offset, span.length, extent->offset, extent->length))
			continue;
		status = memfd_populate((char *)backing->address + extent->offset, extent->length);
		if (status == kIOReturnSuccess)
			status = memfd_seal_for_peer(extent->file->fd, right);
		if (status != kIOReturnSuccess)
			return status;
		extent->file->handed = wanted;
	}
	return kIOReturnSuccess;
}

static IOReturn
seal(const IOMemoryDescriptor *memory, enum memfd_right right, enum memory_handed wanted)
{
	struct IOMemoryDescriptor_IVars *ivars = OSObjectIVars(IOMemoryDescriptor, memory);
	IOReturn status = kIOReturnSuccess;

	for (uint32_t i = 0; i < ivars->part_count && status == kIOReturnSuccess; i++) {
		struct memory_backing *backing = ivars->parts[i].backing;

		if (backing->device)
			continue;
		pthread_mutex_lock(&backing->lock);
		status = seal_locked(&ivars->parts[i], right, wanted);
		pthread_mutex_unlock(&backing->lock);
	}
	return status;
}

IOReturn
memory_hand_over(IOMemoryDescriptor *memory, enum memfd_right right,
		 struct memory_segment segments[kIOMemoryDescriptorMaxSegments],
		 uint32_t *ret_count)
{
	enum memory_handed wanted = right == MEMFD_READONLY ? HANDED_READONLY : HANDED_WRITABLE;
	uint64_t length = memory_length(memory);
	uint32_t count = 0;
	IOReturn status;

	if (length == 0) {
		log_error("handing over memory of length 0");
		return kIOReturnBadArgument;
	}
	status = memory_populate(memory);
	if (status != kIOReturnSuccess)
		return status;
	pthread_mutex_lock(&one_at_a_time);
	status = prepare(memory, wanted, false);
	if (status == kIOReturnSuccess)
		status = prepare(memory, wanted, true);
	if (status == kIOReturnSuccess)
		status = list(memory, length, right == MEMFD_READONLY, segments, &count);
	if (status == kIOReturnSuccess)
		status = seal(memory, right, wanted);
	pthread_mutex_unlock(&one_at_a_time);
	if (status == kIOReturnSuccess)
		*ret_count = count;
	return status;
}
