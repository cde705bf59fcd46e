/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every call that can fail. What none of these stands before is in points.py's list of calls that
 * cannot; a name in neither fails the test `faults_known`, which says what to add.
 *
 * A close that fails has closed, a kill or shutdown that fails has found nobody there any more, a
 * munmap or mprotect that fails has done nothing. Where the same
 * function is used in ways that can fail and in others that cannot, it looks at the arguments.
 */
#include "shim.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libusb.h>
#include <linux/futex.h>
#include <plist/plist.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#define CALLER __builtin_return_address(0)

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif

/* The real one; it is asked for once. */
#define NEXT(name)                                                 \
	({                                                         \
		static __typeof__(&(name)) next;                   \
		if (next == NULL)                                  \
			*(void **)&next = dlsym(RTLD_NEXT, #name); \
		next;                                              \
	})

#define SHOWN __attribute__((visibility("default")))

/* Fails with errno and this value. */
#define CALL_IF(can_fail, type, name, parameters, arguments, failed) \
	SHOWN type name parameters                                   \
	{                                                            \
		int error = fault_here(CALLER, can_fail);            \
                                                                     \
		if (error == 0)                                      \
			return NEXT(name) arguments;                 \
		errno = error;                                       \
		return failed;                                       \
	}
#define CALL(type, name, parameters, arguments, failed) \
	CALL_IF(true, type, name, parameters, arguments, failed)

/* Does it nevertheless: what is to be ended has ended when it cannot be. */
#define DONE(name, parameters, arguments)                                            \
	SHOWN int name parameters                                                    \
	{                                                                            \
		int error = fault_here(CALLER, true), result = NEXT(name) arguments; \
                                                                                     \
		if (error == 0)                                                      \
			return result;                                               \
		errno = error;                                                       \
		return -1;                                                           \
	}

/* Returns the error. */
#define RETURNS(name, parameters, arguments, failed)               \
	SHOWN int name parameters                                  \
	{                                                          \
		int error = fault_here(CALLER, true);              \
                                                                   \
		return error == 0 ? NEXT(name) arguments : failed; \
	}

/* --- memory --- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *address);
void *__libc_memalign(size_t alignment, size_t size);

/* dlsym allocates, so for these there is another way. */
#define ALLOCATION(name, parameters, real)            \
	SHOWN void *name parameters                   \
	{                                             \
		int error = fault_here(CALLER, true); \
		void *made = NULL;                    \
                                                      \
		if (error == 0)                       \
			made = real;                  \
		else                                  \
			errno = error;                \
		fault_allocated(CALLER, made);        \
		return made;                          \
	}
#define ALLOCATED(type, name, parameters, arguments)  \
	SHOWN type name parameters                    \
	{                                             \
		int error = fault_here(CALLER, true); \
		type made = NULL;                     \
                                                      \
		if (error == 0)                       \
			made = NEXT(name) arguments;  \
		else                                  \
			errno = error;                \
		fault_allocated(CALLER, made);        \
		return made;                          \
	}

ALLOCATION(malloc, (size_t size), __libc_malloc(size))
ALLOCATION(calloc, (size_t count, size_t size), __libc_calloc(count, size))
ALLOCATION(aligned_alloc, (size_t alignment, size_t size), __libc_memalign(alignment, size))
ALLOCATED(char *, strdup, (const char *text), (text))
ALLOCATED(char *, strndup, (const char *text, size_t most), (text, most))

static void *
resize(const void *caller, void *old, size_t size, bool fits)
{
	int error = fault_here(caller, true);
	void *made;

	if (error == 0 && !fits)
		error = ENOMEM;
	if (error != 0) {
		errno = error;
		return NULL;
	}
	/* Before, since another thread may get its address. */
	fault_freed(old);
	made = __libc_realloc(old, size);
	fault_allocated(caller, made != NULL || size == 0 ? made : old);
	return made;
}

SHOWN void *
realloc(void *old, size_t size)
{
	return resize(CALLER, old, size, true);
}

SHOWN void *
reallocarray(void *old, size_t count, size_t size)
{
	size_t total = 0;
	bool fits = !__builtin_mul_overflow(count, size, &total);

	return resize(CALLER, old, total, fits);
}

SHOWN void
free(void *address)
{
	fault_freed(address);
	__libc_free(address);
}

SHOWN int
asprintf(char **text, const char *format, ...)
{
	int error = fault_here(CALLER, true), length = -1;
	va_list arguments;

	if (error != 0) {
		errno = error;
		return -1;
	}
	va_start(arguments, format);
	length = vasprintf(text, format, arguments);
	va_end(arguments);
	if (length >= 0)
		fault_allocated(CALLER, *text);
	return length;
}

CALL(void *, mmap, (void *at, size_t size, int rights, int flags, int fd, off_t offset),
     (at, size, rights, flags, fd, offset), MAP_FAILED)
CALL(int, munmap, (void *at, size_t size), (at, size), -1)
CALL(int, mprotect, (void *at, size_t size, int rights), (at, size, rights), -1)
CALL(int, madvise, (void *at, size_t size, int advice), (at, size, advice), -1)
CALL(int, ftruncate, (int fd, off_t size), (fd, size), -1)
CALL(int, fallocate, (int fd, int mode, off_t offset, off_t size), (fd, mode, offset, size), -1)

/* That an argument is none is for a flag that the kernel may not know. */
SHOWN int
memfd_create(const char *name, unsigned flags)
{
	int error = fault_here(CALLER, true);

	if (error == 0)
		return NEXT(memfd_create)(name, flags);
	errno = error == EINVAL && (flags & MFD_NOEXEC_SEAL) == 0 ? ENOMEM : error;
	return -1;
}

SHOWN void *
mremap(void *old, size_t old_size, size_t size, int flags, ...)
{
	int error = fault_here(CALLER, true);
	void *at = NULL;
	va_list arguments;

	if (error != 0) {
		errno = error;
		return MAP_FAILED;
	}
	va_start(arguments, flags);
	if ((flags & MREMAP_FIXED) != 0)
		at = va_arg(arguments, void *);
	va_end(arguments);
	return NEXT(mremap)(old, old_size, size, flags, at);
}

/* --- descriptors --- */

/* Flags of a descriptor that is open can be asked for and set. */
static bool
fcntl_can_fail(int command)
{
	return command != F_GETFL && command != F_SETFL && command != F_GETFD &&
	       command != F_SETFD && command != F_GET_SEALS;
}

SHOWN int
fcntl(int fd, int command, ...)
{
	int error = fault_here(CALLER, fcntl_can_fail(command));
	va_list arguments;
	void *argument;

	if (error != 0) {
		errno = error;
		return -1;
	}
	va_start(arguments, command);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	return NEXT(fcntl)(fd, command, argument);
}

SHOWN int
open(const char *path, int flags, ...)
{
	int error = fault_here(CALLER, true);
	va_list arguments;
	mode_t mode;

	if (error != 0) {
		errno = error;
		return -1;
	}
	va_start(arguments, flags);
	mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	return NEXT(open)(path, flags, mode);
}

SHOWN int
ioctl(int fd, unsigned long request, ...)
{
	int error = fault_here(CALLER, true);
	va_list arguments;
	void *argument;

	if (error != 0) {
		errno = error;
		return -1;
	}
	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	return NEXT(ioctl)(fd, request, argument);
}

SHOWN int
close(int fd)
{
	int error = fault_here(CALLER, true), result = NEXT(close)(fd);

	if (error == 0)
		return result;
	errno = error;
	return -1;
}

CALL(int, dup2, (int fd, int other), (fd, other), -1)

/* The counter of an eventfd or a timer is read and written as a whole, and not in vain. */
static int
of_counter(int error, size_t size)
{
	return error != 0 && size == sizeof(uint64_t) ? EINTR : error;
}

SHOWN ssize_t
read(int fd, void *into, size_t size)
{
	int error = of_counter(fault_here(CALLER, true), size);

	if (error == 0)
		return NEXT(read)(fd, into, size);
	errno = error;
	return -1;
}

SHOWN ssize_t
write(int fd, const void *from, size_t size)
{
	int error = of_counter(fault_here(CALLER, true), size);

	if (error == 0)
		return NEXT(write)(fd, from, size);
	errno = error;
	return -1;
}

CALL(ssize_t, pread, (int fd, void *into, size_t size, off_t at), (fd, into, size, at), -1)
CALL(ssize_t, pwrite, (int fd, const void *from, size_t size, off_t at), (fd, from, size, at), -1)
CALL(off_t, lseek, (int fd, off_t at, int from), (fd, at, from), -1)
CALL(int, fstat, (int fd, struct stat *info), (fd, info), -1)
CALL(int, stat, (const char *path, struct stat *info), (path, info), -1)
CALL(int, fstatat, (int fd, const char *path, struct stat *info, int flags),
     (fd, path, info, flags), -1)
CALL(int, fstatfs, (int fd, struct statfs *info), (fd, info), -1)
CALL(int, statfs, (const char *path, struct statfs *info), (path, info), -1)
CALL(int, access, (const char *path, int mode), (path, mode), -1)
CALL(ssize_t, readlink, (const char *path, char *into, size_t size), (path, into, size), -1)
CALL(char *, realpath, (const char *path, char *into), (path, into), NULL)
CALL(int, mkdir, (const char *path, mode_t mode), (path, mode), -1)
CALL(int, rmdir, (const char *path), (path), -1)
CALL(int, unlink, (const char *path), (path), -1)
CALL(int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags), -1)
CALL(int, chmod, (const char *path, mode_t mode), (path, mode), -1)
CALL(int, flock, (int fd, int operation), (fd, operation), -1)
CALL(int, pipe2, (int ends[2], int flags), (ends, flags), -1)
CALL(int, eventfd, (unsigned value, int flags), (value, flags), -1)
CALL(int, signalfd, (int fd, const sigset_t *mask, int flags), (fd, mask, flags), -1)
CALL(int, timerfd_create, (clockid_t clock, int flags), (clock, flags), -1)
CALL(int, inotify_init1, (int flags), (flags), -1)
CALL(int, inotify_add_watch, (int fd, const char *path, uint32_t mask), (fd, path, mask), -1)
CALL(int, epoll_create1, (int flags), (flags), -1)
CALL(int, epoll_wait, (int fd, struct epoll_event *events, int most, int msec),
     (fd, events, most, msec), -1)
CALL(int, poll, (struct pollfd * fds, nfds_t count, int msec), (fds, count, msec), -1)
/* What is in the set is there, so it can be changed and taken out. */
CALL_IF(operation == EPOLL_CTL_ADD, int, epoll_ctl,
	(int fd, int operation, int other, struct epoll_event *event),
	(fd, operation, other, event), -1)

/* --- sockets --- */

CALL(int, socket, (int domain, int type, int protocol), (domain, type, protocol), -1)
CALL(int, socketpair, (int domain, int type, int protocol, int ends[2]),
     (domain, type, protocol, ends), -1)
CALL(int, connect, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size),
     -1)
CALL(int, bind, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size), -1)
CALL(int, listen, (int fd, int backlog), (fd, backlog), -1)
CALL(int, accept4, (int fd, struct sockaddr *address, socklen_t *size, int flags),
     (fd, address, size, flags), -1)
CALL(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags), -1)
CALL(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags), -1)
CALL(ssize_t, send, (int fd, const void *from, size_t size, int flags), (fd, from, size, flags), -1)
CALL(ssize_t, recv, (int fd, void *into, size_t size, int flags), (fd, into, size, flags), -1)
CALL(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *size),
     (fd, level, name, value, size), -1)
CALL(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t size),
     (fd, level, name, value, size), -1)
DONE(shutdown, (int fd, int how), (fd, how))

/* --- processes and threads --- */

CALL(pid_t, fork, (void), (), -1)
CALL(int, execv, (const char *path, char *const arguments[]), (path, arguments), -1)
CALL(pid_t, waitpid, (pid_t pid, int *status, int options), (pid, status, options), -1)
CALL(int, waitid, (idtype_t type, id_t id, siginfo_t *info, int options), (type, id, info, options),
     -1)
DONE(kill, (pid_t pid, int signal), (pid, signal))
CALL(int, pidfd_open, (pid_t pid, unsigned flags), (pid, flags), -1)
DONE(pidfd_send_signal, (int fd, int signal, siginfo_t *info, unsigned flags),
     (fd, signal, info, flags))
CALL(int, setpgid, (pid_t pid, pid_t group), (pid, group), -1)
CALL(int, sched_getcpu, (void), (), -1)
CALL(int, setrlimit, (__rlimit_resource_t resource, const struct rlimit *limit), (resource, limit),
     -1)
CALL(int, nanosleep, (const struct timespec *length, struct timespec *rest), (length, rest), -1)
CALL(ssize_t, getrandom, (void *into, size_t size, unsigned flags), (into, size, flags), -1)
CALL(int, sem_clockwait, (sem_t * semaphore, clockid_t clock, const struct timespec *until),
     (semaphore, clock, until), -1)
CALL(int, sigaltstack, (const stack_t *stack, stack_t *old), (stack, old), -1)
CALL(int, sigtimedwait, (const sigset_t *set, siginfo_t *info, const struct timespec *most),
     (set, info, most), -1)
CALL(struct passwd *, getpwnam, (const char *name), (name), NULL)
CALL(struct passwd *, getpwuid, (uid_t uid), (uid), NULL)
CALL(struct group *, getgrnam, (const char *name), (name), NULL)
RETURNS(clock_nanosleep,
	(clockid_t clock, int flags, const struct timespec *until, struct timespec *rest),
	(clock, flags, until, rest), error)
RETURNS(pthread_create,
	(pthread_t * thread, const pthread_attr_t *attributes, void *(*run)(void *), void *context),
	(thread, attributes, run, context), error)
RETURNS(pthread_getattr_np, (pthread_t thread, pthread_attr_t *attributes), (thread, attributes),
	error)
RETURNS(pthread_key_create, (pthread_key_t * key, void (*destroy)(void *)), (key, destroy), error)
RETURNS(pthread_setspecific, (pthread_key_t key, const void *value), (key, value), error)

SHOWN int
prctl(int option, ...)
{
	int error = fault_here(CALLER, true);
	unsigned long arguments[4];
	va_list list;

	if (error != 0) {
		errno = error;
		return -1;
	}
	va_start(list, option);
	for (unsigned i = 0; i < 4; i++)
		arguments[i] = va_arg(list, unsigned long);
	va_end(list);
	return NEXT(prctl)(option, arguments[0], arguments[1], arguments[2], arguments[3]);
}

/* Waking a futex, asking for one's own thread. */
static bool
syscall_can_fail(long number, unsigned long operation)
{
	unsigned command = (unsigned)operation & FUTEX_CMD_MASK;

	if (number == SYS_gettid || number == SYS_tgkill)
		return false;
	return number != SYS_futex || command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET;
}

SHOWN long
syscall(long number, ...)
{
	unsigned long arguments[6];
	va_list list;
	int error;

	va_start(list, number);
	for (unsigned i = 0; i < 6; i++)
		arguments[i] = va_arg(list, unsigned long);
	va_end(list);
	error = fault_here(CALLER, syscall_can_fail(number, arguments[1]));
	if (error == 0)
		return NEXT(syscall)(number, arguments[0], arguments[1], arguments[2], arguments[3],
				     arguments[4], arguments[5]);
	if (number == SYS_read || number == SYS_write)
		errno = of_counter(error, arguments[2]);
	else
		errno = number == SYS_futex ? EINTR : error;
	return -1;
}

/* --- stdio --- */

/* As a stream looks after an error. */
static void
spoil(FILE *stream, int error)
{
	stream->_flags |= 0x20;
	errno = error;
}

CALL(FILE *, fdopen, (int fd, const char *mode), (fd, mode), NULL)
CALL(FILE *, fopen, (const char *path, const char *mode), (path, mode), NULL)
CALL(FILE *, open_memstream, (char **text, size_t *size), (text, size), NULL)
CALL(DIR *, opendir, (const char *path), (path), NULL)
CALL(struct dirent *, readdir, (DIR * folder), (folder), NULL)

SHOWN int
fclose(FILE *stream)
{
	int error = fault_here(CALLER, true), result = NEXT(fclose)(stream);

	if (error == 0)
		return result;
	errno = error;
	return EOF;
}

SHOWN char *
fgets(char *into, int size, FILE *stream)
{
	int error = fault_here(CALLER, true);

	if (error == 0)
		return NEXT(fgets)(into, size, stream);
	spoil(stream, error);
	return NULL;
}

SHOWN int
fscanf(FILE *stream, const char *format, ...)
{
	int error = fault_here(CALLER, true), count = EOF;
	va_list arguments;

	if (error != 0) {
		spoil(stream, error);
		return EOF;
	}
	va_start(arguments, format);
	count = vfscanf(stream, format, arguments);
	va_end(arguments);
	return count;
}

SHOWN int
fputs(const char *text, FILE *stream)
{
	int error = fault_here(CALLER, true);

	if (error == 0)
		return NEXT(fputs)(text, stream);
	spoil(stream, error);
	return EOF;
}

SHOWN int
fputc(int byte, FILE *stream)
{
	int error = fault_here(CALLER, true);

	if (error == 0)
		return NEXT(fputc)(byte, stream);
	spoil(stream, error);
	return EOF;
}

SHOWN size_t
fwrite(const void *from, size_t size, size_t count, FILE *stream)
{
	int error = fault_here(CALLER, true);

	if (error == 0)
		return NEXT(fwrite)(from, size, count, stream);
	spoil(stream, error);
	return 0;
}

SHOWN int
fprintf(FILE *stream, const char *format, ...)
{
	int error = fault_here(CALLER, true), count = -1;
	va_list arguments;

	if (error != 0) {
		spoil(stream, error);
		return -1;
	}
	va_start(arguments, format);
	count = vfprintf(stream, format, arguments);
	va_end(arguments);
	return count;
}

SHOWN int
vfprintf(FILE *stream, const char *format, va_list arguments)
{
	int error = fault_here(CALLER, true);

	if (error == 0)
		return NEXT(vfprintf)(stream, format, arguments);
	spoil(stream, error);
	return -1;
}

SHOWN int
dprintf(int fd, const char *format, ...)
{
	int error = fault_here(CALLER, true), count = -1;
	va_list arguments;

	if (error != 0) {
		errno = error;
		return -1;
	}
	va_start(arguments, format);
	count = vdprintf(fd, format, arguments);
	va_end(arguments);
	return count;
}

/* --- libraries --- */

SHOWN void *
dlopen(const char *path, int flags)
{
	int error = fault_here(CALLER, true);

	/* So dlerror has something to say. */
	return NEXT(dlopen)(error == 0 ? path : "/nonexistent/because of a fault", flags);
}

CALL(XXH3_state_t *, XXH3_createState, (void), (), NULL)
CALL(plist_t, plist_new_dict, (void), (), NULL)
CALL(plist_t, plist_new_array, (void), (), NULL)
CALL(plist_t, plist_new_string, (const char *value), (value), NULL)
CALL(plist_t, plist_new_bool, (uint8_t value), (value), NULL)
CALL(plist_t, plist_new_uint, (uint64_t value), (value), NULL)
CALL(plist_t, plist_new_real, (double value), (value), NULL)
CALL(plist_t, plist_new_data, (const char *value, uint64_t size), (value, size), NULL)
CALL(plist_t, plist_new_date, (int32_t sec, int32_t usec), (sec, usec), NULL)

/* They leave what they should have made as it was. */
#define MAKES(name, parameters, arguments)         \
	SHOWN void name parameters                 \
	{                                          \
		if (fault_here(CALLER, true) == 0) \
			NEXT(name) arguments;      \
	}

MAKES(plist_to_xml, (plist_t plist, char **text, uint32_t *size), (plist, text, size))
MAKES(plist_to_bin, (plist_t plist, char **bytes, uint32_t *size), (plist, bytes, size))
MAKES(plist_from_xml, (const char *text, uint32_t size, plist_t *plist), (text, size, plist))
MAKES(plist_from_bin, (const char *bytes, uint32_t size, plist_t *plist), (bytes, size, plist))
MAKES(plist_dict_new_iter, (plist_t node, plist_dict_iter *iterator), (node, iterator))
MAKES(plist_array_new_iter, (plist_t node, plist_array_iter *iterator), (node, iterator))

CALL(scmp_filter_ctx, seccomp_init, (uint32_t action), (action), NULL)
RETURNS(seccomp_load, (const scmp_filter_ctx filter), (filter), -error)
RETURNS(seccomp_rule_add_array,
	(scmp_filter_ctx filter, uint32_t action, int number, unsigned count,
	 const struct scmp_arg_cmp *arguments),
	(filter, action, number, count, arguments), -error)

SHOWN int
seccomp_rule_add(scmp_filter_ctx filter, uint32_t action, int number, unsigned count, ...)
{
	int error = fault_here(CALLER, true);

	/* Without conditions is how it is used. */
	return error != 0 ? -error : NEXT(seccomp_rule_add_array)(filter, action, number, 0, NULL);
}

CALL(struct libusb_transfer *, libusb_alloc_transfer, (int packets), (packets), NULL)
RETURNS(libusb_init, (libusb_context * *context), (context), LIBUSB_ERROR_NO_MEM)
RETURNS(libusb_wrap_sys_device,
	(libusb_context * context, intptr_t fd, libusb_device_handle **device),
	(context, fd, device), LIBUSB_ERROR_NO_MEM)
RETURNS(libusb_claim_interface, (libusb_device_handle * device, int number), (device, number),
	LIBUSB_ERROR_OTHER)
RETURNS(libusb_release_interface, (libusb_device_handle * device, int number), (device, number),
	LIBUSB_ERROR_IO)
RETURNS(libusb_clear_halt, (libusb_device_handle * device, unsigned char endpoint),
	(device, endpoint), LIBUSB_ERROR_IO)
RETURNS(libusb_set_configuration, (libusb_device_handle * device, int number), (device, number),
	LIBUSB_ERROR_IO)
RETURNS(libusb_get_configuration, (libusb_device_handle * device, int *number), (device, number),
	LIBUSB_ERROR_IO)
RETURNS(libusb_set_interface_alt_setting,
	(libusb_device_handle * device, int number, int alternate), (device, number, alternate),
	LIBUSB_ERROR_IO)
RETURNS(libusb_submit_transfer, (struct libusb_transfer * transfer), (transfer),
	LIBUSB_ERROR_NO_MEM)

/* What is not to be found has ended. */
SHOWN int
libusb_cancel_transfer(struct libusb_transfer *transfer)
{
	int error = fault_here(CALLER, true), result = NEXT(libusb_cancel_transfer)(transfer);

	return error == 0 ? result : LIBUSB_ERROR_NOT_FOUND;
}

RETURNS(libusb_handle_events_timeout, (libusb_context * context, struct timeval *most),
	(context, most), LIBUSB_ERROR_INTERRUPTED)
CALL(const struct libusb_pollfd **, libusb_get_pollfds, (libusb_context * context), (context), NULL)

SHOWN int
libusb_set_option(libusb_context *context, enum libusb_option option, ...)
{
	/* Those without an argument are how it is used. */
	return fault_here(CALLER, true) != 0 ? LIBUSB_ERROR_NOT_SUPPORTED
					     : NEXT(libusb_set_option)(context, option);
}
