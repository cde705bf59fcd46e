/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of address ranges that are sealed memfds of this process. Looked through by calls with
 * large structures, so it is short: one entry for each allocation of mach_vm_allocate and for each
 * structure that a driver kept.
 *
 * An entry is immutable and counted: a call that sends its descriptor holds a reference, and giving
 * back a part of an allocation replaces the entry by what is left of it.
 *
 * After fork the child's ranges are mapped MAP_PRIVATE: it sees what was there at the fork and its
 * writes stay its own. Entries of ranges that the app has unmapped itself are recognised by
 * /proc/self/maps, so that nothing that is there now is replaced.
 */
#include "sharing.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "adopt.h"
#include "fork.h"
#include "maps.h"
#include "packet.h"
#include "status.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sharing *list; /* [lock], with one reference on each */

void
sharing_lock(void)
{
	pthread_mutex_lock(&lock);
}

void
sharing_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

void
sharing_release(struct sharing *sharing)
{
	/* Pairs with itself: the last owner closes what the others used. */
	if (sharing == NULL ||
	    atomic_fetch_sub_explicit(&sharing->references, 1, memory_order_acq_rel) != 1)
		return;
	fd_close(&sharing->fd);
	free(sharing);
}

IOReturn
sharing_add_take_locked(int fd, void *address, uint64_t length, uint64_t offset,
			const struct connection *owner)
{
	struct sharing *sharing = calloc(1, sizeof(*sharing));

	if (sharing == NULL)
		return kIOReturnNoMemory;
	atomic_init(&sharing->references, 1);
	sharing->fd = fd;
	sharing->address = address;
	sharing->length = length;
	sharing->offset = offset;
	sharing->owner = owner;
	sharing->next = list;
	list = sharing;
	return kIOReturnSuccess;
}

IOReturn
sharing_add_take(int fd, void *address, uint64_t length, uint64_t offset,
		 const struct connection *owner)
{
	IOReturn status;

	fork_watch();
	sharing_lock();
	status = sharing_add_take_locked(fd, address, length, offset, owner);
	sharing_unlock();
	return status;
}

void
sharing_drop_first_locked(int *ret_fd)
{
	struct sharing *sharing = list;

	list = sharing->next;
	*ret_fd = sharing->fd;
	free(sharing);
}

/* The list's link to the entry that has the whole range. */
static struct sharing **
find_locked(const void *address, uint64_t length)
{
	for (struct sharing **at = &list; *at != NULL; at = &(*at)->next) {
		uintptr_t from = (uintptr_t)(*at)->address, start = (uintptr_t)address;

		if (start >= from && start - from <= (*at)->length &&
		    length <= (*at)->length - (start - from))
			return at;
	}
	return NULL;
}

struct sharing *
sharing_find(const void *address, uint64_t length)
{
	struct sharing **at, *found = NULL;

	sharing_lock();
	at = find_locked(address, length);
	/* The app may have freed memory that was adopted, and what is there now is another thing.
	 */
	if (at != NULL && (*at)->fd >= 0 &&
	    ((*at)->owner == NULL || maps_is_file((*at)->address, (*at)->length, (*at)->fd))) {
		found = *at;
		/* Under the lock, so the list's reference is there. */
		atomic_fetch_add_explicit(&found->references, 1, memory_order_relaxed);
	}
	sharing_unlock();
	return found;
}

static void
unlink_locked(struct sharing **at)
{
	struct sharing *sharing = *at;

	*at = sharing->next;
	sharing_release(sharing);
}

/* An entry for a part of another's range. */
static IOReturn
add_part_locked(const struct sharing *whole, char *address, uint64_t length)
{
	IOReturn status;
	int fd = -1;

	if (length == 0)
		return kIOReturnSuccess;
	if (whole->fd >= 0) {
		fd = fcntl(whole->fd, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			return status_from_errno(errno, "F_DUPFD_CLOEXEC");
	}
	status = sharing_add_take_locked(fd, address, length,
					 whole->offset + (uint64_t)(address - whole->address),
					 whole->owner);
	if (status != kIOReturnSuccess)
		fd_close(&fd);
	return status;
}

IOReturn
sharing_remove(void *address, uint64_t length)
{
	struct sharing **at, *whole;
	char *start = address;
	uint64_t before, after;
	IOReturn status;

	sharing_lock();
	at = find_locked(address, length);
	if (at == NULL || (*at)->owner != NULL) {
		sharing_unlock();
		return kIOReturnNotFound;
	}
	whole = *at;
	before = (uint64_t)(start - whole->address);
	after = whole->length - before - length;
	status = add_part_locked(whole, whole->address, before);
	if (status == kIOReturnSuccess)
		status = add_part_locked(whole, start + length, after);
	if (status == kIOReturnSuccess) {
		munmap(address, length);
		/* The additions went in at the head: look for the link again. */
		for (at = &list; *at != whole; at = &(*at)->next)
			;
		unlink_locked(at);
	}
	sharing_unlock();
	return status;
}

void
sharing_undo(const struct connection *connection)
{
	sharing_lock();
	for (struct sharing **at = &list; *at != NULL;) {
		if ((*at)->owner != connection) {
			at = &(*at)->next;
			continue;
		}
		adopt_undo(*at);
		unlink_locked(at);
	}
	sharing_unlock();
}

void
sharing_fork_prepare(void)
{
	sharing_lock();
}

void
sharing_fork_parent(void)
{
	sharing_unlock();
}

void
sharing_fork_child(void)
{
	for (struct sharing *at = list; at != NULL; at = at->next) {
		if (at->fd >= 0 && maps_is_file(at->address, at->length, at->fd))
			mmap(at->address, at->length, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_FIXED, at->fd, (off_t)at->offset);
		fd_close(&at->fd);
	}
	sharing_unlock();
}
