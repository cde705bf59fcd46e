/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What descriptors are made over: a backing is the memory of one IOBufferMemoryDescriptor, of one
 * piece of an app's memory, or of a device (device_memory.h). It is one memfd at birth; a split
 * moves a range of it into a memfd of its own, so a backing is a sorted list of extents, each a
 * range of one file. Descriptors name ranges of backings, never files, and so need not know of
 * splits.
 *
 * Every descriptor and every mapping registers a use for each range that it covers. A backing lives
 * while it has uses.
 */
#ifndef MEMORY_BACKING_H
#define MEMORY_BACKING_H

#include "memfd.h"

#include <DriverKit/IOMemoryDescriptor.h>
#include <pthread.h>
#include <stdatomic.h>

enum memory_handed {
	HANDED_NEVER,
	HANDED_WRITABLE,
	HANDED_READONLY,
};

struct memory_file {
	int fd;
	int readonly_fd; /* [const] a device's, opened for reading; else -1 */
	uint64_t inode;	 /* [const] */
	uint64_t start;	 /* [const] the backing's offset that is byte 0 of the file */
	enum memory_handed handed;
};

struct memory_extent {
	uint64_t offset, length; /* of the backing; together they are all of it, in pages */
	struct memory_file *file;
};

/* A claim on a range of a backing. */
struct memory_use {
	struct memory_backing *backing;
	uint64_t offset, length;	 /* bytes of the backing */
	IOMemoryDescriptor *descriptor;	 /* borrowed: whose part it is; NULL: a mapping's */
	uint32_t begun;			 /* [lock] I/O through the descriptor, and how much of it */
	_Atomic uint32_t ended;		 /* is over; what is not is in flight */
	struct memory_use *next, **link; /* [lock] */
};

struct memory_backing {
	pthread_mutex_t lock;
	void *address;	 /* [const] read-write since birth; NULL: an app's, or a device's */
	uint64_t length; /* [const] bytes; what follows up to the page's end is nobody's */
	bool from_peer;	 /* [const] an app's file: not ours to seal */
	bool readonly;	 /* [const] an app's, for reading */
	bool device;	 /* [const] a device's file: it has no seals, and pages of its own */
	uint64_t charge; /* [const] bytes, budget.h */
	void (*gone)(void *context, uint64_t length); /* [const] see memory_when_gone */
	void *gone_context;			      /* [const] */
	uint64_t gone_length;			      /* [const] */
	struct memory_extent *extents;		      /* [lock] sorted */
	uint32_t extent_count;			      /* [lock] */
	struct memory_use *uses;		      /* [lock] */
};

/* New zeroed memory, mapped; the first use is registered. */
IOReturn backing_create(uint64_t length, struct memory_use *use, IOMemoryDescriptor *descriptor);
/* `length` bytes from `offset` of an app's file, checked; the first use is registered. */
IOReturn backing_create_from_peer_take(int fd, uint64_t offset, uint64_t length, bool readonly,
				       struct memory_use *use, IOMemoryDescriptor *descriptor);
/* A device's memory: all of it, in whole pages. The first use is registered. */
IOReturn backing_create_for_device_take(int fd, int readonly_fd, uint64_t length,
					struct memory_use *use, IOMemoryDescriptor *descriptor);

/* The backing must have a use that stays while this runs. */
void use_add(struct memory_use *use, struct memory_backing *backing, uint64_t offset,
	     uint64_t length, IOMemoryDescriptor *descriptor);
/* The last use takes the backing with it. A use without a backing is none: nothing happens. */
void use_remove(struct memory_use *use);

/* Whether I/O is in flight through the descriptor. */
static inline bool
use_is_busy_locked(const struct memory_use *use)
{
	/* Pairs with memory_io_end: its accesses are before a split. */
	return use->begun != atomic_load_explicit(&use->ended, memory_order_acquire);
}

/* The extent that holds this offset. Needs the lock. */
struct memory_extent *backing_extent_locked(struct memory_backing *backing, uint64_t offset);

/*
 * Moves whole pages, all inside one extent, into a new memfd that takes their place at the same
 * address. Needs the lock; the caller has seen to it that nobody else uses the range.
 */
IOReturn backing_split_locked(struct memory_backing *backing, uint64_t offset, uint64_t length);

#endif
