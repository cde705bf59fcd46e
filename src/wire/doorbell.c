/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doorbell (eventfd, client to host) and bell pipe (host to client).
 *
 * Who shares an open file with the peer never blocks on it: the host never touches the eventfd, and
 * the write end stays with the host. The client has to write to the eventfd, which the host may
 * have filled and made blocking. So it writes 0: for that there is room at any count, and it is an
 * edge to whoever has the eventfd in an epoll set, if only the count is not 0. The count begins
 * with 1; of a host in which it does not, the client makes it so.
 *
 * The bell pipe is a socket pair, used in one direction. Of a real pipe both ends are one object
 * with one lock, which its reader holds while the kernel copies into the reader's memory; an app
 * that reads into a page which never comes (of its own file system, for instance) would make the
 * host's write wait for ever, O_NONBLOCK or not. A sender on a socket takes no lock that a reader
 * sleeps under.
 */
#include "doorbell.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "status.h"

#define BYTES_MAX 65536 /* more than the smallest buffer of a socket has room for */

IOReturn
doorbell_create(int *ret_fd)
{
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return status_from_errno(errno, "eventfd");
	*ret_fd = fd;
	return kIOReturnSuccess;
}

/* Not write(), which is a cancellation point. */
static void
add(int fd, uint64_t count)
{
	int kept = errno;

	while (syscall(SYS_write, fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
	errno = kept;
}

IOReturn
doorbell_adopt(int fd)
{
	struct pollfd counted = {.fd = fd, .events = POLLIN};
	struct stat about;

	/* Of all that is no file of a file system an eventfd alone can be written and wait. */
	if (fstat(fd, &about) < 0 || (about.st_mode & S_IFMT) != 0)
		return kIOReturnIPCError;
	if (poll(&counted, 1, 0) != 1)
		add(fd, 1);
	return kIOReturnSuccess;
}

void
doorbell_ring(int fd)
{
	add(fd, 0);
}

IOReturn
bell_pipe_create(int *ret_read_end, int *ret_write_end)
{
	static const int smallest = 1; /* a full one has been rung */
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return status_from_errno(errno, "socketpair");
	/* The app can send nothing here, which nobody would read. */
	if (shutdown(ends[1], SHUT_RD) < 0 ||
	    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &smallest, sizeof(smallest)) < 0) {
		IOReturn status = status_from_errno(errno, "socket of a bell");

		close(ends[0]);
		close(ends[1]);
		return status;
	}
	*ret_read_end = ends[0];
	*ret_write_end = ends[1];
	return kIOReturnSuccess;
}

void
bell_pipe_ring(int write_end)
{
	int kept = errno;

	/* EAGAIN: it is full, so it has been rung. EPIPE: nobody is left to hear it. */
	while (send(write_end, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
	errno = kept;
}

/* A pipe can be opened again, and what is opened has its own O_NONBLOCK. */
static IOReturn
reopen_pipe(int *read_end)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", *read_end);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return status_from_errno(errno, "opening a pipe again");
	close(*read_end);
	*read_end = fd;
	return kIOReturnSuccess;
}

IOReturn
bell_pipe_adopt(int *read_end)
{
	int domain;
	socklen_t size = sizeof(domain);

	if (getsockopt(*read_end, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0)
		return domain == AF_UNIX ? kIOReturnSuccess : kIOReturnIPCError;
	return fcntl(*read_end, F_GETPIPE_SZ) > 0 ? reopen_pipe(read_end) : kIOReturnIPCError;
}

/* A host may have made its bell of a real pipe. */
static void
drain_pipe(int read_end)
{
	struct pollfd readable = {.fd = read_end, .events = POLLIN};
	char bytes[256];

	for (unsigned i = 0; i < BYTES_MAX / sizeof(bytes); i++) {
		ssize_t got;

		if (poll(&readable, 1, 0) <= 0 || !(readable.revents & POLLIN))
			break;
		got = read(read_end, bytes, sizeof(bytes));
		if (got == 0 || (got < 0 && errno != EINTR))
			break;
	}
}

void
bell_pipe_drain(int read_end)
{
	char bytes[256];
	int kept = errno;

	/*
	 * Whoever shares the open file, a forked child for instance, may have made it blocking: so
	 * each read says that it does not wait. Bounded, against a host that keeps on writing; what
	 * is left shows up at the next poll.
	 */
	for (unsigned i = 0; i < BYTES_MAX / sizeof(bytes); i++) {
		ssize_t got = recv(read_end, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (got < 0 && errno == ENOTSOCK)
			drain_pipe(read_end);
		if (got < (ssize_t)sizeof(bytes) && !(got < 0 && errno == EINTR))
			break;
	}
	errno = kept;
}
