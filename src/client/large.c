/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large structures.
 *
 * Memory that is a file of ours already (mach_vm_allocate, or kept by a driver before) is sent as
 * it is. Any other is copied into a fresh memfd before the call, at the same offset in its page as
 * the app's memory, and an output is copied back when the method has returned. If the driver kept
 * the descriptor, the pages that lie wholly in the range are then replaced by the memfd's
 * (adopt.c); the head and the tail stay copies, because the rest of their pages is none of the
 * driver's business: in the file it is zero.
 *
 * The order for a kept output: what the driver wrote is copied back first, as for any output; from
 * that instant on the app's later writes are told from the driver's by comparing with that copy.
 */
#include "large.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "adopt.h"
#include "connection_private.h"
#include "log.h"
#include "maps.h"
#include "memfd.h"
#include "packet.h"
#include "sharing.h"
#include "status.h"
#include "touch.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

/* Bytes of the file: the structure with what is before it in its first page, in whole pages. */
static uint64_t
file_length(const struct large *large)
{
	return page_round_up(large->offset + large->size);
}

/* False: the pages cannot be read, or written. */
static bool
is_usable(const struct large *large)
{
	void *pages = (char *)large->memory - large->offset;
	int advice = large->output ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;

	if (madvise(pages, file_length(large), advice) == 0)
		return true;
	if (errno != EINVAL || madvise(pages, 0, advice) == 0)
		return false;
	/* A kernel before 5.14 knows neither advice. */
	return (large->output ? touch_to_write(pages, file_length(large))
			      : touch_to_read(pages, file_length(large))) == 0;
}

/*
 * A pointer that leads nowhere is an error and not a fault. Pages that another thread's call is
 * adopting are for a moment not there for the kernel, but never with the lock held.
 */
static IOReturn
check_memory(const struct large *large)
{
	bool usable = is_usable(large);

	if (!usable) {
		sharing_lock();
		usable = is_usable(large);
		sharing_unlock();
	}
	if (usable)
		return kIOReturnSuccess;
	log_error("a structure of %zu bytes at %p: not all of that memory can be %s", large->size,
		  large->memory, large->output ? "written" : "read");
	return kIOReturnVMError;
}

static IOReturn
copy_in(struct large *large)
{
	uint64_t length = file_length(large);
	IOReturn status;

	status = memfd_create_sealed("structure", length, &large->fd);
	if (status != kIOReturnSuccess)
		return status;
	/* With the last seal: the driver cannot add any. */
	status = memfd_seal_for_peer(large->fd, MEMFD_WRITABLE);
	if (status == kIOReturnSuccess)
		status = memfd_map(large->fd, 0, length, true, false, NULL, &large->window);
	if (status != kIOReturnSuccess) {
		fd_close(&large->fd);
		return status;
	}
	memcpy((char *)large->window + large->offset, large->memory, large->size);
	return kIOReturnSuccess;
}

IOReturn
large_prepare(struct large *ret_large, const struct connection *connection, void *memory,
	      size_t size, bool output)
{
	struct large large = {.memory = memory, .size = size, .output = output, .fd = -1};
	struct sharing *sharing = sharing_find(memory, size, connection);
	IOReturn status;

	if (sharing != NULL) {
		large.sharing = sharing;
		large.fd = sharing->fd;
		large.offset = sharing->offset + (uint64_t)((char *)memory - sharing->address);
		log_debug("structure of %zu bytes at %p: shared, not copied", size, memory);
	} else {
		large.offset = (uintptr_t)memory % page_size();
		status = check_memory(&large);
		if (status == kIOReturnSuccess)
			status = copy_in(&large);
		if (status != kIOReturnSuccess)
			return status;
		log_debug("structure of %zu bytes at %p: copied", size, memory);
	}
	*ret_large = large;
	return kIOReturnSuccess;
}

/* The pages that are wholly in the structure. False: there are none. */
static bool
whole_pages(const struct large *large, struct adoption *adoption)
{
	uint64_t page = page_size();
	uint64_t from = (large->offset + page - 1) / page * page;
	uint64_t to = (large->offset + large->size) / page * page;

	if (from >= to)
		return false;
	adoption->address = (char *)large->memory + (from - large->offset);
	adoption->length = to - from;
	adoption->offset = from;
	adoption->window = (char *)large->window + from;
	adoption->fd = large->fd;
	return true;
}

static IOReturn
adopt_locked(struct large *large, struct connection *connection, const struct adoption *adoption)
{
	const char *reason = maps_why_not_plain(adoption->address, adoption->length);
	IOReturn status;

	/* Under the lock: a close that comes later finds the pages and undoes it. */
	if (connection_status(connection) != kIOReturnSuccess)
		return MACH_SEND_INVALID_DEST;
	if (reason != NULL) {
		log_info("the driver keeps %zu bytes at %p, which stay a copy: %s", large->size,
			 large->memory, reason);
		return kIOReturnUnsupported;
	}
	/* First, so that nothing can fail once the pages are the file's. */
	status = sharing_add_take_locked(large->fd, adoption->address, adoption->length,
					 adoption->offset, connection);
	if (status != kIOReturnSuccess)
		return status;
	status = adopt_pages(adoption);
	if (status != kIOReturnSuccess)
		sharing_drop_first_locked(&large->fd);
	else
		large->fd = -1;
	return status;
}

static void
adopt(struct large *large, struct connection *connection, struct adoption *adoption)
{
	IOReturn status;

	sharing_lock();
	status = adopt_locked(large, connection, adoption);
	sharing_unlock();
	if (status == kIOReturnSuccess)
		log_debug("structure at %p: %llu bytes at %p are shared with the driver now",
			  large->memory, (unsigned long long)adoption->length,
			  (void *)adoption->address);
	else
		log_info("the driver keeps %zu bytes at %p, which stay a copy: memory of "
			 "mach_vm_allocate is always shared (%s)",
			 large->size, large->memory, status_string(status));
}

static void
copy_out(struct large *large, struct connection *connection, bool kept)
{
	const char *from = (const char *)large->window + large->offset;
	struct adoption adoption;
	char *base = NULL;
	bool pages = kept && whole_pages(large, &adoption);

	if (pages && large->output) {
		base = malloc(large->size);
		pages = base != NULL;
	}
	if (base != NULL) {
		memcpy(base, from, large->size);
		from = base;
		adoption.base = base + (adoption.offset - large->offset);
	} else {
		adoption.base = NULL;
	}
	if (large->output)
		memcpy(large->memory, from, large->size);
	if (pages)
		adopt(large, connection, &adoption);
	free(base);
}

void
large_finish(struct large *large, struct connection *connection, bool answered, bool kept)
{
	if (large->sharing != NULL) {
		sharing_release(large->sharing);
		return;
	}
	if (answered)
		copy_out(large, connection, kept);
	memfd_unmap(large->window, file_length(large), false);
	fd_close(&large->fd);
}
