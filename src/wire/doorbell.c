/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doorbell (eventfd, client to host) and bell pipe (host to client).
 *
 * Who shares an open file with the peer never blocks on it: the host never touches the eventfd, and
 * the pipe's write end stays with the host, so that its O_NONBLOCK cannot be taken off from
 * outside.
 */
#include "doorbell.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "status.h"

#define PIPE_BYTES 65536 /* that Linux gives to a pipe */

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

	/* A full counter means that it rings already. */
	while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	errno = kept;
}

IOReturn
bell_pipe_create(int *ret_read_end, int *ret_write_end)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return status_from_errno(errno, "pipe2");
	*ret_read_end = ends[0];
	*ret_write_end = ends[1];
	return kIOReturnSuccess;
}

void
bell_pipe_ring(int write_end)
{
	int kept = errno;

	/*
	 * EAGAIN: the pipe is full, so it has been rung. EPIPE: nobody is left to hear it; the
	 * signal that comes with it is ignored in a host.
	 */
	while (write(write_end, "", 1) < 0 && errno == EINTR)
		;
	errno = kept;
}

void
bell_pipe_drain(int read_end)
{
	struct pollfd readable = {.fd = read_end, .events = POLLIN};
	char bytes[256];
	int kept = errno;

	/*
	 * Whoever shares the open file, a forked child for instance, may have made it blocking: so
	 * each read is asked for first. Bounded by what a pipe can hold, against a host that keeps
	 * on writing; what is left shows up at the next poll.
	 */
	for (unsigned i = 0; i < PIPE_BYTES / sizeof(bytes); i++) {
		ssize_t got;

		if (poll(&readable, 1, 0) <= 0 || !(readable.revents & POLLIN))
			break;
		got = read(read_end, bytes, sizeof(bytes));
		if (got == 0 || (got < 0 && errno != EINTR))
			break;
	}
	errno = kept;
}
