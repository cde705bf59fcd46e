/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel copies no shared file for a forked child, and a MAP_PRIVATE mapping of one shows what
 * others write to it until its owner writes itself. So the parent copies the file's data into
 * private memory before it forks. The child inherits the copy as all private memory, without
 * copying it again, and moves it over its mappings; the parent gives it up.
 *
 * Whatever is written between the copy and the fork by the driver, or by another thread of the
 * parent, is not in the child: as if that thread had been a little later. A fork without this
 * (vfork, posix_spawn, a clone of the app's own) runs no handlers: such a child shares on.
 */
#include "snapshot.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#include "log.h"
#include "maps.h"
#include "memfd.h"
#include "sharing.h"
#include "status.h"

static bool
read_all(int fd, char *to, off_t from, off_t end)
{
	while (from < end) {
		ssize_t got = pread(fd, to, (size_t)(end - from), from);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		to += got;
		from += got;
	}
	return true;
}

/* Only what was ever written: holes read as zero, as the new memory does. */
static bool
copy_data(const struct sharing *sharing, char *to)
{
	off_t start = (off_t)sharing->offset, end = start + (off_t)sharing->length, at = start;

	while (at < end) {
		off_t data = lseek(sharing->fd, at, SEEK_DATA), hole;

		if (data < 0)
			return errno == ENXIO; /* nothing but a hole up to the end */
		if (data >= end)
			return true;
		hole = lseek(sharing->fd, data, SEEK_HOLE);
		/* The driver may have made a hole of it meanwhile. */
		if (hole <= data)
			hole = data + (off_t)page_size();
		if (hole > end)
			hole = end;
		if (!read_all(sharing->fd, to + (data - start), data, hole))
			return false;
		at = hole;
	}
	return true;
}

void
snapshot_take(struct sharing *sharing)
{
	char *copy = mmap(NULL, sharing->length, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (copy == MAP_FAILED) {
		status_from_errno(errno, "mmap of a child's copy");
	} else if (!copy_data(sharing, copy)) {
		status_from_errno(errno, "reading for a child's copy");
		munmap(copy, sharing->length);
	} else {
		sharing->snapshot = copy;
		return;
	}
	log_error("no copy of %llu bytes that a driver shares for a forked child: it sees them "
		  "change until it writes there itself",
		  (unsigned long long)sharing->length);
}

void
snapshot_drop(struct sharing *sharing)
{
	if (sharing->snapshot != NULL)
		munmap(sharing->snapshot, sharing->length);
	sharing->snapshot = NULL;
}

struct placing {
	const struct sharing *sharing;
	bool moved; /* whether the mappings to deal with are those at other addresses */
};

static bool
is_in_place(const struct sharing *sharing, const char *address, uint64_t offset)
{
	uintptr_t byte_0 = (uintptr_t)sharing->address - (uintptr_t)sharing->offset;

	return (uintptr_t)address - (uintptr_t)offset == byte_0;
}

/* The copy takes the mapping's place; of mappings elsewhere there may be several, so it stays. */
static void
put(const struct placing *placing, char *address, uint64_t from, uint64_t length)
{
	const struct sharing *sharing = placing->sharing;
	char *copy = sharing->snapshot;

	if (copy != NULL)
		copy += from - sharing->offset;
	if (copy != NULL && !placing->moved &&
	    mremap(copy, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, address) != MAP_FAILED)
		return;
	if (copy != NULL && placing->moved &&
	    mmap(address, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0) != MAP_FAILED) {
		memcpy(address, copy, length);
		return;
	}
	mmap(address, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, sharing->fd,
	     (off_t)from);
}

/* A mapping of the file: the part of it that the sharing is about. */
static void
place(const struct maps_part *part, void *context)
{
	const struct placing *placing = context;
	const struct sharing *sharing = placing->sharing;
	uint64_t from = part->offset, to = part->offset + part->length;
	char *address = part->address;

	if (from < sharing->offset) {
		address += sharing->offset - from;
		from = sharing->offset;
	}
	if (to > sharing->offset + sharing->length)
		to = sharing->offset + sharing->length;
	if (from >= to || is_in_place(sharing, address, from) == placing->moved)
		return;
	put(placing, address, from, to - from);
	if (part->protection != (PROT_READ | PROT_WRITE))
		mprotect(address, to - from, part->protection);
}

void
snapshot_place(struct sharing *sharing)
{
	struct placing placing = {.sharing = sharing, .moved = true};

	maps_each_of_file(sharing->fd, place, &placing);
	placing.moved = false;
	maps_each_of_file(sharing->fd, place, &placing);
	snapshot_drop(sharing);
}
