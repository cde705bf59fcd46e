/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The move of pages, and its undo.
 *
 * Plainly copying and mapping over loses what another thread writes in between. So the pages are
 * first taken away from under the app: mremap with MREMAP_DONTUNMAP leaves an empty range behind,
 * and since that range is registered with userfaultfd, a thread that touches it sleeps in its page
 * fault. Then the contents are copied at leisure, the file is mapped over the range, and closing
 * the userfaultfd wakes the sleepers, who find the file.
 *
 * The undo is the same thing for a shared mapping, where taking the pages away does not help, since
 * they are in the page cache: instead writers are held by write protection (userfaultfd, too) while
 * the contents are copied into private pages, which one mremap then puts in the place of the
 * file's. Where the kernel cannot do that, the file is mapped MAP_PRIVATE and each page written
 * once: no write is lost either, but the memory cannot be adopted again.
 *
 * A userfaultfd that also holds system calls which touch the pages (read() into them, say) is to be
 * had with a privilege, or where the machine's owner allows it (vm.unprivileged_userfaultfd). So it
 * is asked for first. UFFD_USER_MODE_ONLY needs no privilege; the price is that such a system call
 * fails with EFAULT during the move.
 */
#include "adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"
#include "maps.h"
#include "memfd.h"
#include "packet.h"
#include "sharing.h"
#include "status.h"

#ifndef UFFD_FEATURE_WP_HUGETLBFS_SHMEM
#define UFFD_FEATURE_WP_HUGETLBFS_SHMEM (1 << 12)
#endif

/* Once: it will be so for each structure that a driver keeps. */
static void
say_missing(int error)
{
	static atomic_bool said;

	status_from_errno(error, "userfaultfd");
	if (!atomic_exchange_explicit(&said, true, memory_order_relaxed))
		log_error("a structure that a driver keeps stays a copy, since userfaultfd cannot "
			  "be had (%s); use memory of mach_vm_allocate, or allow userfaultfd in "
			  "the container's seccomp profile",
			  strerror(error));
}

static IOReturn
open_userfaultfd(uint64_t features, int *ret_fd)
{
	struct uffdio_api api = {.api = UFFD_API, .features = features};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	if (fd < 0) {
		say_missing(errno);
		return kIOReturnUnsupported;
	}
	if (ioctl(fd, UFFDIO_API, &api) < 0) {
		status_from_errno(errno, "UFFDIO_API");
		fd_close(&fd);
		return kIOReturnUnsupported;
	}
	*ret_fd = fd;
	return kIOReturnSuccess;
}

static IOReturn
watch(int fd, const void *address, uint64_t length, uint64_t mode)
{
	struct uffdio_register range = {
		.range = {.start = (uintptr_t)address, .len = length},
		.mode = mode,
	};

	if (ioctl(fd, UFFDIO_REGISTER, &range) < 0)
		return status_from_errno(errno, "UFFDIO_REGISTER");
	return kIOReturnSuccess;
}

/* --- the move --- */

/* Bytes of `now` that are not those of `base` go into `file`. */
static void
merge(char *file, const char *now, const char *base, uint64_t length)
{
	uint64_t step = page_size();

	for (uint64_t at = 0; at < length; at += step) {
		if (memcmp(now + at, base + at, step) == 0)
			continue;
		for (uint64_t i = at; i < at + step; i++)
			if (now[i] != base[i])
				file[i] = now[i];
	}
}

/*
 * Back to where they were, for when the file could not be mapped: by moving them, or, since what is
 * there has no pages and userfaultfd watches it, by filling that from them. A program whose pages
 * are neither here nor there would go on with zeros.
 */
static void
bring_back(int fd, char *away, char *address, uint64_t length)
{
	uint64_t done = 0;

	if (mremap(away, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, address) != MAP_FAILED)
		return;
	status_from_errno(errno, "mremap of pages back to where they were");
	while (done < length) {
		struct uffdio_copy copy = {
			.dst = (uintptr_t)address + done,
			.src = (uintptr_t)away + done,
			.len = length - done,
		};

		if (ioctl(fd, UFFDIO_COPY, &copy) == 0)
			break;
		/* EAGAIN: not all of it at once, or while another thread maps or forks. */
		if (errno != EAGAIN)
			log_abort("no memory to bring back %llu bytes at %p that were to be shared "
				  "(%s)",
				  (unsigned long long)length, (void *)address, strerror(errno));
		if (copy.copy > 0)
			done += (uint64_t)copy.copy;
	}
	munmap(away, length);
}

/* With the range registered: others sleep from the first line to the caller's close. */
static IOReturn
move(int fd, const struct adoption *adoption)
{
	uint64_t length = adoption->length;
	/* Its fifth argument is looked at although nothing is fixed, and the C library leaves it
	 * out. */
	char *away = (char *)syscall(SYS_mremap, adoption->address, (size_t)length, (size_t)length,
				     MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	IOReturn status;

	if (away == MAP_FAILED)
		return status_from_errno(errno, "mremap of pages to be shared");
	if (adoption->base != NULL)
		merge(adoption->window, away, adoption->base, length);
	else
		memcpy(adoption->window, away, length);
	if (mmap(adoption->address, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 adoption->fd, (off_t)adoption->offset) == MAP_FAILED) {
		status = status_from_errno(errno, "mmap over pages to be shared");
		bring_back(fd, away, adoption->address, length);
		return status;
	}
	munmap(away, length);
	return kIOReturnSuccess;
}

IOReturn
adopt_pages(const struct adoption *adoption)
{
	IOReturn status;
	int fd;

	status = open_userfaultfd(0, &fd);
	if (status != kIOReturnSuccess)
		return status;
	status = watch(fd, adoption->address, adoption->length, UFFDIO_REGISTER_MODE_MISSING);
	if (status == kIOReturnSuccess)
		status = move(fd, adoption);
	fd_close(&fd);
	return status;
}

/* --- the undo --- */

static IOReturn
protect(int fd, const struct sharing *sharing)
{
	struct uffdio_writeprotect range = {
		.range = {.start = (uintptr_t)sharing->address, .len = sharing->length},
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};

	if (ioctl(fd, UFFDIO_WRITEPROTECT, &range) < 0)
		return status_from_errno(errno, "UFFDIO_WRITEPROTECT");
	return kIOReturnSuccess;
}

static IOReturn
replace(int fd, const struct sharing *sharing)
{
	uint64_t length = sharing->length;
	char *copy = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	IOReturn status = kIOReturnSuccess;

	if (copy == MAP_FAILED)
		return status_from_errno(errno, "mmap of private pages");
	if (watch(fd, sharing->address, length, UFFDIO_REGISTER_MODE_WP) != kIOReturnSuccess ||
	    protect(fd, sharing) != kIOReturnSuccess)
		status = kIOReturnUnsupported;
	if (status == kIOReturnSuccess) {
		memcpy(copy, sharing->address, length);
		if (mremap(copy, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, sharing->address) ==
		    MAP_FAILED)
			status = status_from_errno(errno, "mremap of private pages");
	}
	if (status != kIOReturnSuccess)
		munmap(copy, length);
	return status;
}

static void
detach(const struct sharing *sharing)
{
	if (mmap(sharing->address, sharing->length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
		 sharing->fd, (off_t)sharing->offset) == MAP_FAILED) {
		status_from_errno(errno, "mmap of pages that were shared");
		return;
	}
	if (memfd_populate(sharing->address, sharing->length) != kIOReturnSuccess)
		log_error("no memory to take %llu bytes back from a driver",
			  (unsigned long long)sharing->length);
}

void
adopt_undo(const struct sharing *sharing)
{
	IOReturn status;
	int fd;

	if (!maps_is_file(sharing->address, sharing->length, sharing->fd)) {
		log_info("memory at %p was freed while a driver still shared it",
			 (const void *)sharing->address);
		return;
	}
	status = open_userfaultfd(UFFD_FEATURE_WP_HUGETLBFS_SHMEM, &fd);
	if (status == kIOReturnSuccess) {
		status = replace(fd, sharing);
		fd_close(&fd);
	}
	if (status != kIOReturnSuccess)
		detach(sharing);
}
