/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memfds and their seals: see DESIGN "What holds against a hostile app" in ARCHITECTURE.md.
 */
#ifndef MEMORY_MEMFD_H
#define MEMORY_MEMFD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <DriverKit/IOReturn.h>

struct stat;

/*
 * A new memfd of `size` bytes rounded up to pages, close-on-exec, MFD_NOEXEC_SEAL where the kernel
 * has it, sealed F_SEAL_SHRINK | F_SEAL_GROW.
 */
IOReturn memfd_create_sealed(const char *name, uint64_t size, int *ret_fd);

enum memfd_right {
	MEMFD_WRITABLE, /* seals SEAL: the peer can write and punch holes */
	MEMFD_READONLY, /* seals FUTURE_WRITE and SEAL: only mappings that exist now stay writable
			 */
};

/* The last seals before the descriptor is handed over. Idempotent for the same right. */
IOReturn memfd_seal_for_peer(int fd, enum memfd_right right);

/*
 * Whether a memfd from a peer may be mapped up to `length` bytes: sealed against shrinking, then
 * long enough, no huge pages. kIOReturnBadArgument otherwise, and a log line that says which.
 */
IOReturn memfd_check_peer(int fd, uint64_t length);
/* The same, of one with these seals (F_GET_SEALS; -1: it can have none), and what fstat said. */
IOReturn memfd_check_peer_file(int fd, int seals, uint64_t length, struct stat *ret_about);

/* mmap(MAP_SHARED) with a guard page on each side if asked for; unmap takes the same values. */
IOReturn memfd_map(int fd, uint64_t offset, uint64_t length, bool writable, bool guards,
		   void *fixed_address, void **ret_address);
/* The two steps of memfd_map, to lay several files side by side: inaccessible addresses of our own,
 * then a file, or a duplicate of a mapping of one, over a part of them. A duplicate is as writable
 * as what it is made from, also after FUTURE_WRITE. */
IOReturn memfd_reserve(uint64_t length, bool guards, void *fixed_address, void **ret_address);
IOReturn memfd_map_over(int fd, uint64_t offset, uint64_t length, bool writable, void *address);
IOReturn memfd_duplicate_over(void *from, uint64_t length, void *address);
void memfd_unmap(void *address, uint64_t length, bool guards);

/* MADV_POPULATE_WRITE, or touching each page where the kernel has none of it. */
IOReturn memfd_populate(void *address, uint64_t length);

uint64_t page_size(void);
uint64_t page_round_up(uint64_t length); /* 0 on overflow */
/* Whether this process could have such a range: on 32 bits not every mach_vm_address_t is a
 * pointer. */
bool is_addressable(uint64_t address, uint64_t length);

#endif
