/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memfds: birth, seals, mappings.
 *
 * A memfd is born with SHRINK and GROW sealed, so its size never changes, and gets its last seals
 * before its first hand-over. Those two say what a peer can do with the descriptor, whatever its
 * access mode is: a descriptor can be reopened through /proc with any mode, seals cannot be taken
 * off. What read-only relies on is that this process has its writable mapping before FUTURE_WRITE
 * and that nobody gets one after.
 *
 * Any thread. A failed seal is an error, never a warning.
 */
#include "memfd.h"

#include "log.h"
#include "packet.h"
#include "status.h"
#include "touch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define SEALS_BIRTH    (F_SEAL_SHRINK | F_SEAL_GROW)
#define SEALS_WRITABLE (SEALS_BIRTH | F_SEAL_SEAL)
#define SEALS_READONLY (SEALS_WRITABLE | F_SEAL_FUTURE_WRITE)
#define SEALS_RIGHT    (SEALS_READONLY | F_SEAL_WRITE)

uint64_t
page_size(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t
page_round_up(uint64_t length)
{
	uint64_t rest = page_size() - 1;

	return length > UINT64_MAX - rest ? 0 : (length + rest) & ~rest;
}

bool
is_addressable(uint64_t address, uint64_t length)
{
	return length <= PTRDIFF_MAX && address <= UINTPTR_MAX - length;
}

static int
new_memfd(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL) /* a kernel before 6.3 */
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd;
}

IOReturn
memfd_create_sealed(const char *name, uint64_t size, int *ret_fd)
{
	uint64_t rounded = page_round_up(size);
	IOReturn status;
	int fd;

	if (rounded == 0 || rounded > INT64_MAX) {
		log_error("memfd_create_sealed: size %llu: not 0, and at most 2^63 - 1",
			  (unsigned long long)size);
		return kIOReturnBadArgument;
	}
	fd = new_memfd(name);
	if (fd < 0)
		return status_from_errno(errno, "memfd_create");
	if (ftruncate(fd, (off_t)rounded) < 0) {
		status = status_from_errno(errno, "ftruncate of a memfd");
		goto fail;
	}
	if (fcntl(fd, F_ADD_SEALS, SEALS_BIRTH) < 0) {
		status = status_from_errno(errno, "sealing a memfd");
		goto fail;
	}
	*ret_fd = fd;
	return kIOReturnSuccess;
fail:
	fd_close(&fd);
	return status;
}

IOReturn
memfd_seal_for_peer(int fd, enum memfd_right right)
{
	int wanted = right == MEMFD_READONLY ? SEALS_READONLY : SEALS_WRITABLE;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0)
		return status_from_errno(errno, "reading the seals of a memfd");
	if ((seals & SEALS_RIGHT) == wanted)
		return kIOReturnSuccess;
	if ((seals & F_SEAL_SEAL) || (seals & SEALS_RIGHT & ~wanted)) {
		log_error("memory that was handed over %s cannot be handed over %s",
			  right == MEMFD_READONLY ? "writable" : "read-only",
			  right == MEMFD_READONLY ? "read-only" : "writable");
		return kIOReturnNotPermitted;
	}
	if (fcntl(fd, F_ADD_SEALS, wanted) < 0)
		return status_from_errno(errno, "sealing a memfd for a peer");
	return kIOReturnSuccess;
}

static IOReturn
refuse(const char *why)
{
	log_error("memory from a peer refused: %s", why);
	return kIOReturnBadArgument;
}

IOReturn
memfd_check_peer(int fd, uint64_t length)
{
	struct stat about;

	/* In this order: seals stay, so a size that is seen after SHRINK was seen is final. */
	return memfd_check_peer_file(fd, fcntl(fd, F_GET_SEALS), length, &about);
}

/* A file of huge pages has blocks of their size; and so may one that is not of hugetlbfs. */
static IOReturn
check_pages(int fd, const struct stat *about)
{
	struct statfs system;

	if (about->st_blksize <= (blksize_t)page_size())
		return kIOReturnSuccess;
	if (fstatfs(fd, &system) < 0)
		return status_from_errno(errno, "fstatfs of a peer's memory");
	if ((uint32_t)system.f_type == HUGETLBFS_MAGIC)
		return refuse("huge pages, which may fault after a hole was punched");
	return kIOReturnSuccess;
}

IOReturn
memfd_check_peer_file(int fd, int seals, uint64_t length, struct stat *ret_about)
{
	struct stat about;
	IOReturn status;

	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return refuse("not a memfd that is sealed against shrinking");
	if (fstat(fd, &about) < 0)
		return status_from_errno(errno, "fstat of a peer's memory");
	if (about.st_size < 0 || (uint64_t)about.st_size < length)
		return refuse("the file is shorter than the memory it is to hold");
	status = check_pages(fd, &about);
	if (status == kIOReturnSuccess)
		*ret_about = about;
	return status;
}

/* An inaccessible range of its own, at `at` or anywhere, never over another mapping. */
static void *
reserve(void *at, uint64_t length)
{
	void *got = mmap(at, length, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
				 (at != NULL ? MAP_FIXED_NOREPLACE : 0),
			 -1, 0);

	if (got != MAP_FAILED && at != NULL && got != at) { /* a kernel without NOREPLACE */
		munmap(got, length);
		errno = EEXIST;
		return MAP_FAILED;
	}
	return got;
}

IOReturn
memfd_reserve(uint64_t length, bool guards, void *fixed_address, void **ret_address)
{
	uint64_t size = page_round_up(length), guard = guards ? page_size() : 0;
	uintptr_t fixed = (uintptr_t)fixed_address;
	char *start;

	if (size == 0 || size > INT64_MAX || fixed % page_size() != 0 ||
	    (fixed != 0 && fixed <= guard))
		return kIOReturnBadArgument;
	if (!is_addressable(0, size + 2 * guard)) {
		log_error("mapping %llu bytes: a process of 32 bits has no such addresses",
			  (unsigned long long)length);
		return kIOReturnNoSpace;
	}
	start = reserve(fixed == 0 ? NULL : (void *)(fixed - (uintptr_t)guard), size + 2 * guard);
	if (start == MAP_FAILED)
		return status_from_errno(errno, "reserving addresses");
	*ret_address = start + guard;
	return kIOReturnSuccess;
}

IOReturn
memfd_map_over(int fd, uint64_t offset, uint64_t length, bool writable, void *address)
{
	if (mmap(address, page_round_up(length), PROT_READ | (writable ? PROT_WRITE : 0),
		 MAP_SHARED | MAP_FIXED, fd, (off_t)offset) == MAP_FAILED)
		return status_from_errno(errno, "mapping a memfd");
	return kIOReturnSuccess;
}

IOReturn
memfd_duplicate_over(void *from, uint64_t length, void *address)
{
	if (mremap(from, 0, page_round_up(length), MREMAP_MAYMOVE | MREMAP_FIXED, address) ==
	    MAP_FAILED)
		return status_from_errno(errno, "duplicating a mapping");
	return kIOReturnSuccess;
}

IOReturn
memfd_map(int fd, uint64_t offset, uint64_t length, bool writable, bool guards, void *fixed_address,
	  void **ret_address)
{
	void *address;
	IOReturn status;

	if (offset % page_size() != 0 || offset > INT64_MAX)
		return kIOReturnBadArgument;
	status = memfd_reserve(length, guards, fixed_address, &address);
	if (status != kIOReturnSuccess)
		return status;
	status = memfd_map_over(fd, offset, length, writable, address);
	if (status != kIOReturnSuccess) {
		memfd_unmap(address, length, guards);
		return status;
	}
	*ret_address = address;
	return kIOReturnSuccess;
}

void
memfd_unmap(void *address, uint64_t length, bool guards)
{
	uint64_t guard = guards ? page_size() : 0;

	munmap((char *)address - guard, page_round_up(length) + 2 * guard);
}

IOReturn
memfd_populate(void *address, uint64_t length)
{
	uint64_t size = page_round_up(length);
	int status;

	for (;;) {
		if (madvise(address, size, MADV_POPULATE_WRITE) == 0)
			return kIOReturnSuccess;
		if (errno == EINVAL)
			break; /* a kernel before 5.14 */
		if (errno != EAGAIN && errno != EINTR)
			return status_from_errno(errno, "populating memory");
	}
	status = touch_to_write(address, size);
	return status == 0 ? kIOReturnSuccess : status_from_errno(status, "populating memory");
}
