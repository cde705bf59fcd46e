/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into a test: the kernel as it would be if its pages were as large as the environment's
 * LARGE_PAGES says. Whoever asks is told that size. A mapping begins and ends at a multiple of it,
 * and what does not is refused as such a kernel refuses it. Seen are the calls of our libraries and
 * the tests; the C library's own calls for its heap and stacks pass by.
 *
 * What stays as it is: a file's last page, which ends with the processor's page and not with the
 * large one, and ranges that are given to ioctl.
 */
/* Both names of mmap are defined here; where the library runs they are the same. */
#undef _FILE_OFFSET_BITS
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LARGEST_PAGE 65536

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

#define SEEN __attribute__((visibility("default")))

static long (*real_syscall)(long number, ...);
static long (*real_sysconf)(int name);
static unsigned long (*real_getauxval)(unsigned long type);
static size_t page;

/* Other libraries' constructors may come before ours. */
static void
begin(void)
{
	const char *wanted = getenv("LARGE_PAGES");

	if (page != 0)
		return;
	real_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	real_sysconf = (long (*)(int))dlsym(RTLD_NEXT, "sysconf");
	real_getauxval = (unsigned long (*)(unsigned long))dlsym(RTLD_NEXT, "getauxval");
	page = real_getauxval(AT_PAGESZ);
	if (wanted != NULL)
		page = strtoul(wanted, NULL, 10);
	if (page < 4096 || page > LARGEST_PAGE || (page & (page - 1)) != 0)
		abort();
}

static size_t
up(size_t length)
{
	return (length + page - 1) & ~(page - 1);
}

static bool
is_start(const void *address)
{
	begin();
	if ((uintptr_t)address % page == 0)
		return true;
	errno = EINVAL;
	return false;
}

SEEN long
sysconf(int name)
{
	begin();
	return name == _SC_PAGESIZE ? (long)page : real_sysconf(name);
}

SEEN int
getpagesize(void)
{
	begin();
	return (int)page;
}

SEEN unsigned long
getauxval(unsigned long type)
{
	begin();
	return type == AT_PAGESZ ? page : real_getauxval(type);
}

/* --- where mappings may be --- */

static void *
map(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	return (void *)real_syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}

/* Addresses of our own that begin at a large page, with nothing in them. */
static char *
reserve(size_t length)
{
	char *got, *start;

	got = map(NULL, length + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		  0);
	if (got == MAP_FAILED)
		return got;
	start = got + up((uintptr_t)got) - (uintptr_t)got;
	if (start > got)
		real_syscall(SYS_munmap, got, (size_t)(start - got));
	if (start < got + page)
		real_syscall(SYS_munmap, start + length, (size_t)(got + page - start));
	return start;
}

SEEN void *
mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	char *start, *got;

	begin();
	if (length == 0 || length > SIZE_MAX / 2 || offset % (off_t)page != 0) {
		errno = length > SIZE_MAX / 2 ? ENOMEM : EINVAL;
		return MAP_FAILED;
	}
	length = up(length);
	if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE))
		return is_start(address) ? map(address, length, protection, flags, fd, offset)
					 : MAP_FAILED;
	start = reserve(length);
	if (start == MAP_FAILED)
		return start;
	got = map(start, length, protection, flags | MAP_FIXED, fd, offset);
	if (got == MAP_FAILED) {
		int kept = errno;

		real_syscall(SYS_munmap, start, length);
		errno = kept;
	}
	return got;
}

SEEN void *mmap64(void *address, size_t length, int protection, int flags, int fd, off_t offset)
	__attribute__((alias("mmap")));

static void *
move(void *from, size_t old_length, size_t length, int flags, void *to)
{
	char *got;

	if (!is_start(from) || ((flags & MREMAP_FIXED) && !is_start(to)))
		return MAP_FAILED;
	old_length = up(old_length);
	length = up(length);
	if ((flags & MREMAP_FIXED) || !(flags & MREMAP_MAYMOVE) ||
	    (length <= old_length && !(flags & MREMAP_DONTUNMAP)))
		return (void *)real_syscall(SYS_mremap, from, old_length, length, flags, to);
	to = reserve(length);
	if (to == MAP_FAILED)
		return to;
	got = (char *)real_syscall(SYS_mremap, from, old_length, length, flags | MREMAP_FIXED, to);
	if (got == MAP_FAILED) {
		int kept = errno;

		real_syscall(SYS_munmap, to, length);
		errno = kept;
	}
	return got;
}

SEEN void *
mremap(void *from, size_t old_length, size_t length, int flags, ...)
{
	void *to = NULL;
	va_list rest;

	if (flags & MREMAP_FIXED) {
		va_start(rest, flags);
		to = va_arg(rest, void *);
		va_end(rest);
	}
	return move(from, old_length, length, flags, to);
}

SEEN long
syscall(long number, ...)
{
	long value[6];
	va_list rest;

	begin();
	va_start(rest, number);
	for (int i = 0; i < 6; i++)
		value[i] = va_arg(rest, long);
	va_end(rest);
	if (number == SYS_mremap)
		return (long)move((void *)value[0], (size_t)value[1], (size_t)value[2],
				  (int)value[3], (void *)value[4]);
	return real_syscall(number, value[0], value[1], value[2], value[3], value[4], value[5]);
}

/* --- what is done to them --- */

#define RANGE(name, address, length, ...)                                                  \
	return is_start(address)                                                           \
		       ? (int)real_syscall(SYS_##name, address, up(length), ##__VA_ARGS__) \
		       : -1

SEEN int
munmap(void *address, size_t length)
{
	RANGE(munmap, address, length);
}

SEEN int
mprotect(void *address, size_t length, int protection)
{
	RANGE(mprotect, address, length, protection);
}

/* Whether a piece of the large page is there: the C library's own mappings may begin or end in it.
 */
static int
populate(char *at, int advice)
{
	size_t piece = real_getauxval(AT_PAGESZ);

	for (size_t i = 0; i < page; i += piece)
		if (real_syscall(SYS_madvise, at + i, piece, advice) == 0)
			return 0;
	return -1;
}

SEEN int
madvise(void *address, size_t length, int advice)
{
	if (!is_start(address))
		return -1;
	if (real_syscall(SYS_madvise, address, up(length), advice) == 0)
		return 0;
	if (errno == EINVAL || (advice != MADV_POPULATE_READ && advice != MADV_POPULATE_WRITE))
		return -1;
	for (size_t at = 0; at < up(length); at += page)
		if (populate((char *)address + at, advice) < 0)
			return -1;
	return 0;
}

/* A touch brings a piece of a large page here, and all of it there. */
SEEN int
mincore(void *address, size_t length, unsigned char *present)
{
	unsigned char piece[LARGEST_PAGE / 4096];
	size_t pieces;

	if (!is_start(address))
		return -1;
	pieces = page / real_getauxval(AT_PAGESZ);
	for (size_t i = 0; i < up(length) / page; i++) {
		if (real_syscall(SYS_mincore, (char *)address + i * page, page, piece) < 0)
			return -1;
		present[i] = 0;
		for (size_t j = 0; j < pieces; j++)
			present[i] |= piece[j];
	}
	return 0;
}

SEEN int
msync(void *address, size_t length, int flags)
{
	RANGE(msync, address, length, flags);
}
