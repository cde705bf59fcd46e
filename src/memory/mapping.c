/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mappings: addresses are reserved first, then each extent is laid over its place in them. Own
 * memory is duplicated from the mapping of its birth where it is to be writable, because a file
 * that was handed over read-only gives nobody a writable mapping any more.
 *
 * A mapping's uses are registered before its pages are looked up: from then on no split can move
 * them.
 */
#include "mapping.h"

#include <assert.h>
#include <stdlib.h>

/* Lays one use's pages from `at` on. */
static IOReturn
lay(const struct memory_use *use, bool writable, char *at)
{
	struct memory_backing *backing = use->backing;
	uint64_t page = page_size(), offset = use->offset - use->offset % page;
	uint64_t end = use->offset + use->length;
	IOReturn status = kIOReturnSuccess;

	pthread_mutex_lock(&backing->lock);
	while (offset < end && status == kIOReturnSuccess) {
		const struct memory_extent *extent = backing_extent_locked(backing, offset);
		uint64_t length = extent->offset + extent->length - offset;

		if (length > end - offset)
			length = end - offset;
		if (writable && backing->address != NULL)
			status =
				memfd_duplicate_over((char *)backing->address + offset, length, at);
		else
			status = memfd_map_over(extent->file->fd, offset - extent->file->start,
						length, writable && !backing->readonly, at);
		at += page_round_up(length);
		offset += page_round_up(length);
	}
	pthread_mutex_unlock(&backing->lock);
	return status;
}

/* A use for each part that the range touches. */
static bool
claim(struct memory_mapping *mapping, const struct memory_use *parts, uint32_t part_count,
      uint64_t offset, uint64_t length)
{
	mapping->uses = calloc(part_count, sizeof(mapping->uses[0]));
	if (mapping->uses == NULL)
		return false;
	for (uint32_t i = 0; i < part_count && length > 0; i++) {
		uint64_t here;

		if (offset >= parts[i].length) {
			offset -= parts[i].length;
			continue;
		}
		here = parts[i].length - offset;
		if (here > length)
			here = length;
		use_add(&mapping->uses[mapping->use_count++], parts[i].backing,
			parts[i].offset + offset, here, NULL);
		offset = 0;
		length -= here;
	}
	assert(length == 0);
	return true;
}

IOReturn
mapping_create(struct memory_mapping *mapping, const struct memory_use *parts, uint32_t part_count,
	       uint64_t offset, uint64_t length, bool writable, bool guards, void *fixed_address)
{
	uint64_t lead, at = 0;
	IOReturn status;
	void *base;

	*mapping = (struct memory_mapping){.length = length, .guards = guards};
	if (!claim(mapping, parts, part_count, offset, length))
		return kIOReturnNoMemory;
	lead = mapping->uses[0].offset % page_size();
	if (fixed_address != NULL)
		fixed_address = (char *)fixed_address - lead; /* refused below unless on a page */
	status = memfd_reserve(lead + length, guards, fixed_address, &base);
	if (status == kIOReturnSuccess) {
		mapping->base = base;
		mapping->address = mapping->base + lead;
	}
	for (uint32_t i = 0; i < mapping->use_count && status == kIOReturnSuccess; i++) {
		status = lay(&mapping->uses[i], writable, mapping->base + at);
		at += (i == 0 ? lead : 0) + mapping->uses[i].length;
	}
	if (status != kIOReturnSuccess)
		mapping_end(mapping);
	return status;
}

void
mapping_end(struct memory_mapping *mapping)
{
	if (mapping->address != NULL)
		memfd_unmap(mapping->base,
			    (uint64_t)((char *)mapping->address - mapping->base) + mapping->length,
			    mapping->guards);
	for (uint32_t i = 0; i < mapping->use_count; i++)
		use_remove(&mapping->uses[i]);
	free(mapping->uses);
	*mapping = (struct memory_mapping){0};
}
