/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backings: their files, extents and uses, and the split.
 *
 * Invariants: extents are sorted and cover the backing without a hole; all extents of a file lie in
 * one backing; each page of an own backing is at `address` plus its offset, whichever file it is
 * in. After a split the pages that moved are gone from the old file, so that whoever gets that one
 * later does not see them.
 *
 * Any thread, under the backing's lock. When a range may be split is decided in handover.c.
 */
#include "backing.h"

#include "budget.h"
#include "closing.h"
#include "copied.h"
#include "log.h"
#include "packet.h"
#include "status.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct memory_file *
file_new_take(int fd, uint64_t start)
{
	struct memory_file *file = calloc(1, sizeof(*file));
	struct stat about;

	if (file == NULL) {
		fd_close(&fd);
		return NULL;
	}
	file->fd = fd;
	file->readonly_fd = -1;
	file->start = start;
	if (fstat(fd, &about) == 0)
		file->inode = about.st_ino;
	return file;
}

/* `charge` is given back when its pages are. */
static void
file_free(struct memory_file *file, uint64_t charge)
{
	if (file == NULL)
		return;
	/* The last close of much memory takes long: not on a driver's queue. */
	fd_close_foreign_then(&file->fd, CLOSING_NOBODY, budget_give, charge);
	fd_close(&file->readonly_fd);
	free(file);
}

/* Frees each file once: the last extent of a file takes it along. */
static void
backing_free(struct memory_backing *backing)
{
	/* First, so that the pages are given back by whoever closes the files. */
	if (backing->address != NULL)
		memfd_unmap(backing->address, backing->length, true);
	for (uint32_t i = 0; i < backing->extent_count; i++) {
		bool last = true;

		for (uint32_t j = i + 1; j < backing->extent_count; j++)
			last = last && backing->extents[j].file != backing->extents[i].file;
		if (last)
			file_free(backing->extents[i].file,
				  i + 1 == backing->extent_count ? backing->charge : 0);
	}
	if (backing->gone != NULL)
		backing->gone(backing->gone_context, backing->gone_length);
	free(backing->extents);
	pthread_mutex_destroy(&backing->lock);
	free(backing);
}

static struct memory_backing *
backing_new_take(int fd, uint64_t length)
{
	struct memory_backing *backing = calloc(1, sizeof(*backing));
	struct memory_extent *extent = calloc(1, sizeof(*extent));
	struct memory_file *file = file_new_take(fd, 0);

	if (backing == NULL || extent == NULL || file == NULL) {
		file_free(file, 0);
		free(extent);
		free(backing);
		return NULL;
	}
	extent->length = page_round_up(length);
	extent->file = file;
	backing->extents = extent;
	backing->extent_count = 1;
	backing->length = length;
	pthread_mutex_init(&backing->lock, NULL);
	return backing;
}

/* Frees the backing if there is no room for it. */
static IOReturn
charge_take(struct memory_backing *backing, uint64_t bytes)
{
	if (!budget_take(bytes)) {
		backing_free(backing);
		return kIOReturnNoResources;
	}
	backing->charge = bytes;
	return kIOReturnSuccess;
}

IOReturn
backing_create(uint64_t length, struct memory_use *use, IOMemoryDescriptor *descriptor)
{
	struct memory_backing *backing;
	IOReturn status;
	int fd;

	status = memfd_create_sealed("opendext", length, &fd);
	if (status != kIOReturnSuccess)
		return status;
	backing = backing_new_take(fd, length);
	if (backing == NULL)
		return kIOReturnNoMemory;
	status = charge_take(backing, page_round_up(length));
	if (status != kIOReturnSuccess)
		return status;
	status = memfd_map(fd, 0, length, true, true, NULL, &backing->address);
	if (status != kIOReturnSuccess) {
		backing_free(backing);
		return status;
	}
	use_add(use, backing, 0, length, descriptor);
	return kIOReturnSuccess;
}

IOReturn
backing_create_from_peer_take(int fd, uint64_t offset, uint64_t length, bool readonly,
			      struct memory_use *use, IOMemoryDescriptor *descriptor)
{
	struct memory_backing *backing;
	IOReturn status = kIOReturnBadArgument;

	if (length == 0 || offset > INT64_MAX || length > INT64_MAX - offset)
		log_error("memory from a peer refused: offset and length are no range of a file");
	else
		status = memfd_check_peer(fd, offset + length);
	if (status != kIOReturnSuccess) {
		fd_close(&fd);
		return status;
	}
	backing = backing_new_take(fd, offset + length);
	if (backing == NULL)
		return kIOReturnNoMemory;
	status = charge_take(backing, page_round_up(offset % page_size() + length));
	if (status != kIOReturnSuccess)
		return status;
	backing->from_peer = true;
	backing->readonly = readonly;
	use_add(use, backing, offset, length, descriptor);
	return kIOReturnSuccess;
}

IOReturn
backing_create_for_device_take(int fd, int readonly_fd, uint64_t length, struct memory_use *use,
			       IOMemoryDescriptor *descriptor)
{
	struct memory_backing *backing = backing_new_take(fd, length);

	if (backing == NULL) {
		fd_close(&readonly_fd);
		return kIOReturnNoMemory;
	}
	backing->device = true;
	backing->extents[0].file->readonly_fd = readonly_fd;
	use_add(use, backing, 0, length, descriptor);
	return kIOReturnSuccess;
}

void
use_add(struct memory_use *use, struct memory_backing *backing, uint64_t offset, uint64_t length,
	IOMemoryDescriptor *descriptor)
{
	assert(offset <= backing->length && length <= backing->length - offset);
	*use = (struct memory_use){
		.backing = backing, .offset = offset, .length = length, .descriptor = descriptor};
	pthread_mutex_lock(&backing->lock);
	use->next = backing->uses;
	use->link = &backing->uses;
	if (use->next != NULL)
		use->next->link = &use->next;
	backing->uses = use;
	pthread_mutex_unlock(&backing->lock);
}

void
use_remove(struct memory_use *use)
{
	struct memory_backing *backing = use->backing;
	bool last;

	if (backing == NULL)
		return;
	pthread_mutex_lock(&backing->lock);
	*use->link = use->next;
	if (use->next != NULL)
		use->next->link = use->link;
	last = backing->uses == NULL;
	pthread_mutex_unlock(&backing->lock);
	use->backing = NULL;
	if (last)
		backing_free(backing);
}

struct memory_extent *
backing_extent_locked(struct memory_backing *backing, uint64_t offset)
{
	for (uint32_t i = 0; i < backing->extent_count; i++)
		if (offset - backing->extents[i].offset < backing->extents[i].length)
			return &backing->extents[i];
	assert(!"an offset past the backing");
	return NULL;
}

/* Copies by pwrite rather than through a second mapping: there is none to be left behind. */
static IOReturn
fill(int fd, const char *bytes, uint64_t length)
{
	for (uint64_t done = 0; done < length;) {
		ssize_t wrote = pwrite(fd, bytes + done, length - done, (off_t)done);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			return status_from_errno(wrote < 0 ? errno : EIO, "filling a memfd");
		done += (uint64_t)wrote;
	}
	payload_copied(length);
	return kIOReturnSuccess;
}

/* Room for two extents more; the array may move. */
static bool
make_room(struct memory_backing *backing)
{
	struct memory_extent *extents =
		reallocarray(backing->extents, backing->extent_count + 2, sizeof(extents[0]));

	if (extents != NULL)
		backing->extents = extents;
	return extents != NULL;
}

/* Replaces the middle of `old`, which make_room has left room for, by an extent of `file`. */
static void
cut(struct memory_backing *backing, struct memory_extent *old, struct memory_extent middle)
{
	struct memory_extent before = *old, after = *old, pieces[3];
	uint32_t index = (uint32_t)(old - backing->extents), count = 0;

	before.length = middle.offset - old->offset;
	after.offset = middle.offset + middle.length;
	after.length = old->offset + old->length - after.offset;
	if (before.length > 0)
		pieces[count++] = before;
	pieces[count++] = middle;
	if (after.length > 0)
		pieces[count++] = after;
	memmove(old + count, old + 1, (backing->extent_count - index - 1) * sizeof(*old));
	memcpy(old, pieces, count * sizeof(pieces[0]));
	backing->extent_count += count - 1;
}

IOReturn
backing_split_locked(struct memory_backing *backing, uint64_t offset, uint64_t length)
{
	uint64_t size = page_round_up(length);
	char *address = (char *)backing->address + offset;
	struct memory_extent *extent;
	struct memory_file *file;
	IOReturn status;
	int fd;

	status = memfd_create_sealed("opendext", size, &fd);
	if (status != kIOReturnSuccess)
		return status;
	file = file_new_take(fd, offset);
	if (file == NULL || !make_room(backing)) {
		file_free(file, 0);
		return kIOReturnNoMemory;
	}
	extent = backing_extent_locked(backing, offset);
	assert(offset % page_size() == 0 && size <= extent->offset + extent->length - offset);
	status = fill(fd, address, size);
	if (status == kIOReturnSuccess)
		status = memfd_map_over(fd, 0, size, true, address);
	if (status != kIOReturnSuccess) {
		file_free(file, 0);
		return status;
	}
	/*
	 * The range is in the new file from here on. Whoever gets the old file must not find it
	 * there, and there is no way back once it is mapped over.
	 */
	while (fallocate(extent->file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 (off_t)(offset - extent->file->start), (off_t)size) < 0)
		if (errno != EINTR)
			log_abort("pages that were split off stay in their old file: %m");
	cut(backing, extent,
	    (struct memory_extent){.offset = offset, .length = size, .file = file});
	return kIOReturnSuccess;
}
