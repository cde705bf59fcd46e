/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of IOMemoryDescriptor: a list of segments, each a range of a memfd.
 *
 * A buffer descriptor has one segment, its own memfd, mapped read-write in this process from birth.
 * A window (sub-descriptor) is one range of its parent's segments, a joined descriptor is the
 * segments of its parts. A descriptor brought by an app is one segment that is its app's memfd; one
 * over a device's memory (device_memory.h) is one segment that is the device's file.
 *
 * A segment's file object is shared by all descriptors over it, and is what carries the right with
 * which it was first handed over: that is fixed for all clients (memory_hand_over).
 */
#ifndef MEMORY_DESCRIPTOR_H
#define MEMORY_DESCRIPTOR_H

#include "memfd.h"

#include <DriverKit/IOMemoryDescriptor.h>

struct memory_segment {
	int fd;		 /* borrowed: lives as long as the descriptor */
	uint64_t inode;	 /* of the file */
	uint64_t offset; /* bytes into the file */
	uint64_t length;
	/*
	 * The mapping made at birth, or NULL. After FUTURE_WRITE no new writable mapping can be
	 * made: more of them (joined descriptors, CreateMapping) are duplicates of this one, by
	 * mremap with old size 0.
	 */
	void *address;
};

/*
 * What is needed to map the descriptor elsewhere: seals every file for `right` (at the first
 * hand-over; the other right is kIOReturnNotPermitted from then on) and fills `segments`. For a
 * window that shares its file with other memory: splits it off as DESIGN section 5 says, or
 * kIOReturnBusy / kIOReturnNotAligned with a log line that says what to do.
 * A joined descriptor's files are all checked before the first is sealed, since seals cannot be
 * undone; the limit of 32 counts segments. A split needs that nothing else uses the parent's pages
 * but its birth mapping and this one window: other maps, windows, joined descriptors and I/O make
 * it kIOReturnBusy.
 */
IOReturn memory_hand_over(IOMemoryDescriptor *memory, enum memfd_right right,
			  struct memory_segment segments[kIOMemoryDescriptorMaxSegments],
			  uint32_t *ret_count);

/* Bytes whose pages the first hand-over will make, which takes 0.5 s for a GiB. */
uint64_t memory_unpopulated(const IOMemoryDescriptor *memory);
/* Makes them, without a lock and without a split. Any thread. */
IOReturn memory_populate(const IOMemoryDescriptor *memory);

/*
 * An app's memory, +1: `length` bytes from `offset`, any byte. Takes the descriptor (`fd`) on every
 * path. direction Out: this process only reads it. The seals and size were checked here
 * (memfd_check_peer).
 */
IOReturn memory_create_from_peer_take(int fd, uint64_t offset, uint64_t length, uint64_t direction,
				      IOMemoryDescriptor **ret_memory);
/*
 * Calls `gone` with the descriptor's length when nothing uses the peer's memory any more, neither a
 * descriptor nor a mapping: once, on any thread, perhaps with a descriptor's lock held. Right after
 * the descriptor was made, before anybody else knows it.
 */
void memory_when_gone(IOMemoryDescriptor *memory, void (*gone)(void *context, uint64_t length),
		      void *context);

/*
 * Where the bytes are in this process, contiguous, for as long as the descriptor lives: for devices
 * and synchronous copies. Mapped at first use for what is not a buffer. NULL if the kernel refuses.
 */
void *memory_address(IOMemoryDescriptor *memory);
uint64_t memory_length(IOMemoryDescriptor *memory);
uint64_t memory_direction(IOMemoryDescriptor *memory);
/* The file of the first segment and the offset in it: proof of "the same pages". */
struct memory_segment memory_first_segment(IOMemoryDescriptor *memory);

/*
 * I/O in flight: holds a reference, and while any is held a split is refused, so that what is
 * returned, memory_first_segment, stays true.
 */
struct memory_segment memory_io_begin(IOMemoryDescriptor *memory);
void memory_io_end(IOMemoryDescriptor *memory);

#endif
