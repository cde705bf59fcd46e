/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of address ranges that are sealed memfds of this process. Looked through by calls with
 * large structures, so it is short: one entry for each allocation of mach_vm_allocate and for each
 * structure that a driver kept; for the latter, one for each connection over which it was named,
 * all with the same range and file.
 *
 * An entry is immutable and counted: a call that sends its descriptor holds a reference, and giving
 * back a part of an allocation replaces the entry by what is left of it.
 *
 * After a fork the child has private memory in the place of all of it (snapshot.c). Ranges that the
 * app has unmapped itself are recognised by /proc/self/maps, so that nothing that is there now is
 * replaced.
 */
#include "sharing.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adopt.h"
#include "connection_private.h"
#include "fork.h"
#include "maps.h"
#include "packet.h"
#include "snapshot.h"
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

static bool
is_same_file(int fd, int other)
{
	struct stat one, two;

	return fd >= 0 && other >= 0 && fstat(fd, &one) == 0 && fstat(other, &two) == 0 &&
	       one.st_dev == two.st_dev && one.st_ino == two.st_ino;
}

/* Whether both are about the same pages of the same file. */
static bool
is_twin(const struct sharing *one, const struct sharing *other)
{
	return one != other && one->address == other->address && one->length == other->length &&
	       is_same_file(one->fd, other->fd);
}

/* owner NULL: whoever that is. */
static struct sharing *
find_twin_locked(const struct sharing *sharing, const struct connection *owner)
{
	for (struct sharing *at = list; at != NULL; at = at->next)
		if ((owner == NULL || at->owner == owner) && is_twin(at, sharing))
			return at;
	return NULL;
}

static bool
has_twin_before_locked(const struct sharing *sharing)
{
	for (struct sharing *at = list; at != sharing; at = at->next)
		if (is_twin(at, sharing))
			return true;
	return false;
}

/* The entry for the same pages that is this connection's. NULL: it cannot have one. */
static struct sharing *
join_locked(struct sharing *sharing, const struct connection *connection)
{
	struct sharing *twin = find_twin_locked(sharing, connection);
	int fd;

	if (twin != NULL)
		return twin;
	/* Under the lock: a close that comes later finds the entry. */
	if (connection_status(connection) != kIOReturnSuccess)
		return NULL;
	fd = fcntl(sharing->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return NULL;
	if (sharing_add_take_locked(fd, sharing->address, sharing->length, sharing->offset,
				    connection) != kIOReturnSuccess) {
		fd_close(&fd);
		return NULL;
	}
	return list;
}

struct sharing *
sharing_find(const void *address, uint64_t length, const struct connection *connection)
{
	struct sharing **at, *found = NULL;

	sharing_lock();
	at = find_locked(address, length);
	/* The app may have freed memory that was adopted, and what is there now is another thing.
	 */
	if (at != NULL && (*at)->fd >= 0 &&
	    ((*at)->owner == NULL || maps_is_file((*at)->address, (*at)->length, (*at)->fd)))
		found = *at;
	if (found != NULL && connection != NULL && found->owner != NULL &&
	    found->owner != connection)
		found = join_locked(found, connection);
	/* Under the lock, so the list's reference is there. */
	if (found != NULL)
		atomic_fetch_add_explicit(&found->references, 1, memory_order_relaxed);
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

/* For an entry that others are using: what stays of it are new ones. */
static IOReturn
replace_locked(struct sharing *whole, uint64_t before, uint64_t after)
{
	IOReturn status = add_part_locked(whole, whole->address, before);

	if (status != kIOReturnSuccess)
		return status;
	status = add_part_locked(whole, whole->address + whole->length - after, after);
	if (status != kIOReturnSuccess && before > 0)
		unlink_locked(&list); /* the additions go in at the head */
	return status;
}

/*
 * The entry becomes what stays of it, if nobody else looks at it: so that giving back needs no
 * resources, but for a part in the middle. False: all of it goes.
 */
static bool
shrink_locked(struct sharing *whole, uint64_t before, uint64_t after)
{
	if (before > 0) {
		whole->length = before;
	} else if (after > 0) {
		whole->address += whole->length - after;
		whole->offset += whole->length - after;
		whole->length = after;
	}
	return before > 0 || after > 0;
}

IOReturn
sharing_remove(void *address, uint64_t length)
{
	IOReturn status = kIOReturnSuccess;
	struct sharing **at, *whole;
	uint64_t before, after;
	bool alone, stays = false;

	sharing_lock();
	at = find_locked(address, length);
	if (at == NULL || (*at)->owner != NULL) {
		sharing_unlock();
		return kIOReturnNotFound;
	}
	whole = *at;
	before = (uint64_t)((char *)address - whole->address);
	after = whole->length - before - length;
	/* Who finds an entry takes a reference under the lock. */
	alone = atomic_load_explicit(&whole->references, memory_order_acquire) == 1;
	if (!alone)
		status = replace_locked(whole, before, after);
	else if (before > 0)
		status = add_part_locked(whole, whole->address + whole->length - after, after);
	if (status == kIOReturnSuccess) {
		munmap(address, length);
		stays = alone && shrink_locked(whole, before, after);
	}
	if (status == kIOReturnSuccess && !stays) {
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
		if (find_twin_locked(*at, NULL) == NULL)
			adopt_undo(*at);
		unlink_locked(at);
	}
	sharing_unlock();
}

void
sharing_fork_prepare(void)
{
	sharing_lock();
	/* Of pages that are in the list more than once, the first entry has the copy. */
	for (struct sharing *at = list; at != NULL; at = at->next)
		if (at->fd >= 0 && !has_twin_before_locked(at))
			snapshot_take(at);
}

void
sharing_fork_parent(void)
{
	for (struct sharing *at = list; at != NULL; at = at->next)
		snapshot_drop(at);
	sharing_unlock();
}

void
sharing_fork_child(void)
{
	for (struct sharing *at = list; at != NULL; at = at->next) {
		if (at->fd >= 0)
			snapshot_place(at);
		fd_close(&at->fd);
	}
	sharing_unlock();
}
