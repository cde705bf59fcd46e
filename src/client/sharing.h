/* SPDX-License-Identifier: Apache-2.0 */
/*
 * App memory that is a sealed memfd, so that a driver can map it: all allocations of
 * mach_vm_allocate, and the pages of large structures that a driver kept.
 */
#ifndef CLIENT_SHARING_H
#define CLIENT_SHARING_H

#include <stdbool.h>
#include <stdint.h>

#include <DriverKit/IOReturn.h>

struct connection;

/* A file behind a range of addresses. Its fields do not change while somebody has a reference of
 * his own, but around a fork. */
struct sharing {
	_Atomic uint32_t references;
	int fd;		 /* -1: the range is private memory by now (in a forked child) */
	char *address;	 /* of the file's byte `offset` */
	uint64_t length; /* whole pages */
	uint64_t offset;
	const struct connection
		*owner;	      /* of adopted pages, not retained; NULL: of mach_vm_allocate */
	void *snapshot;	      /* [sharing lock] during a fork: snapshot.h */
	struct sharing *next; /* [sharing lock] */
};

/*
 * Remembers that the range is mapped from the file, which it takes on success. kIOReturnNoMemory.
 */
IOReturn sharing_add_take(int fd, void *address, uint64_t length, uint64_t offset,
			  const struct connection *owner);
IOReturn sharing_add_take_locked(int fd, void *address, uint64_t length, uint64_t offset,
				 const struct connection *owner);
/* Takes the entry that was added last out again and hands its descriptor back. */
void sharing_drop_first_locked(int *ret_fd);
/*
 * The sharing that has the whole range, retained; NULL if there is none. Pages that another
 * connection adopted become this connection's as well, so that they stay shared until both have
 * closed. connection NULL: nobody's.
 */
struct sharing *sharing_find(const void *address, uint64_t length,
			     const struct connection *connection);
void sharing_release(struct sharing *sharing); /* NULL is allowed */

/*
 * Unmaps whole pages of allocations (owner NULL) and forgets them; parts stay shared.
 * kIOReturnNotFound: the range is not wholly in one allocation.
 */
IOReturn sharing_remove(void *address, uint64_t length);

/* Gives the pages that only this connection adopted private memory of the same content. */
void sharing_undo(const struct connection *connection);

/* Nobody shares, unshares or forks meanwhile. A leaf lock. */
void sharing_lock(void);
void sharing_unlock(void);

/* Around fork. The child's ranges become private memory with what was there at the fork: neither
 * side sees what the other writes from then on. */
void sharing_fork_prepare(void);
void sharing_fork_parent(void);
void sharing_fork_child(void);

#endif
