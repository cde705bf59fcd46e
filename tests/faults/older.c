/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for a system that is older, or another one: loaded behind the shim (calls.c), it does
 * not know what our fallbacks are for. A kernel takes an address that may not be replaced as a
 * hint, and has neither MADV_POPULATE_READ, MFD_NOEXEC_SEAL nor SO_PEERPIDFD; shared memory is in
 * huge pages, so its files' blocks are; the C library keeps no list of robust mutexes, by which
 * other threads' stacks are found; and a host makes its bell of a real pipe.
 */
/* The names as they are: the shim asks for those. */
#undef _FILE_OFFSET_BITS
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SHOWN	  __attribute__((visibility("default")))
#define HUGE_PAGE (2 << 20)
#define NEXT(name)                                                 \
	({                                                         \
		static __typeof__(&(name)) next;                   \
		if (next == NULL)                                  \
			*(void **)&next = dlsym(RTLD_NEXT, #name); \
		next;                                              \
	})

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

static int
fail(int error)
{
	errno = error;
	return -1;
}

/* --- memory --- */

SHOWN void *
mmap(void *at, size_t size, int rights, int flags, int fd, off_t offset)
{
	return NEXT(mmap)(at, size, rights, flags & ~(MAP_FIXED_NOREPLACE & ~MAP_FIXED), fd,
			  offset);
}

SHOWN int
madvise(void *at, size_t size, int advice)
{
	if (advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE)
		return fail(EINVAL);
	return NEXT(madvise)(at, size, advice);
}

SHOWN int
memfd_create(const char *name, unsigned flags)
{
	return (flags & MFD_NOEXEC_SEAL) != 0 ? fail(EINVAL) : NEXT(memfd_create)(name, flags);
}

SHOWN int
fstat(int fd, struct stat *info)
{
	int result = NEXT(fstat)(fd, info);

	if (result == 0 && fcntl(fd, F_GET_SEALS) >= 0)
		info->st_blksize = HUGE_PAGE;
	return result;
}

/* --- processes and threads --- */

SHOWN int
getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
	if (level == SOL_SOCKET && name == SO_PEERPIDFD)
		return fail(ENOPROTOOPT);
	return NEXT(getsockopt)(fd, level, name, value, size);
}

SHOWN long
syscall(long number, ...)
{
	unsigned long arguments[6];
	va_list list;

	va_start(list, number);
	for (unsigned i = 0; i < 6; i++)
		arguments[i] = va_arg(list, unsigned long);
	va_end(list);
	if (number == SYS_get_robust_list) {
		*(void **)arguments[1] = NULL;
		return 0;
	}
	return NEXT(syscall)(number, arguments[0], arguments[1], arguments[2], arguments[3],
			     arguments[4], arguments[5]);
}

/* --- bells --- */

SHOWN int
socketpair(int domain, int type, int protocol, int ends[2])
{
	if ((type & (SOCK_STREAM | SOCK_SEQPACKET)) != SOCK_STREAM)
		return NEXT(socketpair)(domain, type, protocol, ends);
	return pipe2(ends, O_CLOEXEC | O_NONBLOCK);
}

static int
unless_pipe(int result)
{
	return result < 0 && errno == ENOTSOCK ? 0 : result;
}

SHOWN int
shutdown(int fd, int how)
{
	return unless_pipe(NEXT(shutdown)(fd, how));
}

SHOWN int
setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	return unless_pipe(NEXT(setsockopt)(fd, level, name, value, size));
}

SHOWN ssize_t
send(int fd, const void *from, size_t size, int flags)
{
	ssize_t sent = NEXT(send)(fd, from, size, flags);

	return sent < 0 && errno == ENOTSOCK ? write(fd, from, size) : sent;
}
