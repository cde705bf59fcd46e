/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doorbell (eventfd, client to host) and bell pipe (host to client).
 *
 * Who shares an open file with the peer never blocks on it: the host never touches the eventfd, and
 * the write end stays with the host.
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
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "status.h"

#define BYTES_MAX 65536 /* more than the smallest buffer of a socket has room for */

IOReturn
doorbell_create(int *ret_fd)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return status_from_errno(errno, "eventfd");
	*ret_fd = fd;
	return kIOReturnSuccess;
}

void
doorbell_ring(int fd)
{
	static const uint64_t one = 1;
	int kept = errno;

	/* A full counter means that it rings already. Not write(), which is a cancellation point.
	 */
	while (syscall(SYS_write, fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	errno = kept;
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
