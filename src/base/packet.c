/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets with descriptors. Here a packet's length and descriptor count are made to agree with its
 * header, and descriptors that came with a packet that is refused are closed: nothing above this
 * file can leak one.
 *
 * Any thread; two threads that send on one socket do not mix their packets, since each packet is
 * one sendmsg. What a packet's body means, and acknowledgements, are the protocols' business.
 */
#include "packet.h"

#include "closing.h"
#include "log.h"
#include "status.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * PACKET_FDS_ROOM)];
};

void
fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

/* A socket may be non-blocking although this call is to wait. */
static void
await(int socket, short events)
{
	struct pollfd item = {.fd = socket, .events = events};

	poll(&item, 1, -1);
}

static IOReturn
send_status(int error)
{
	switch (error) {
	case EAGAIN:
		return kIOReturnBusy;
	case EPIPE:
	case ECONNRESET:
	case ENOTCONN:
	case ECONNREFUSED:
		return kIOReturnOffline;
	case ETOOMANYREFS:
	case ENOBUFS:
		return kIOReturnNoResources;
	default:
		return status_from_errno(error, "sendmsg");
	}
}

static void
attach(struct msghdr *message, union control *control, const int *fds, unsigned fd_count)
{
	struct cmsghdr *rights;

	memset(control, 0, sizeof(*control));
	message->msg_control = control->bytes;
	message->msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
	rights = CMSG_FIRSTHDR(message);
	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
	memcpy(CMSG_DATA(rights), fds, sizeof(int) * fd_count);
}

IOReturn
packet_send(int socket, struct packet_header *header, const void *body, size_t length,
	    const int *fds, unsigned fd_count, bool wait)
{
	struct iovec parts[2] = {
		{.iov_base = header, .iov_len = sizeof(*header)},
		{.iov_base = (void *)(uintptr_t)body, .iov_len = length},
	};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = length > 0 ? 2 : 1};
	union control control;

	if (length > PACKET_MAX - sizeof(*header) || fd_count > PACKET_FDS_MAX) {
		log_error("packet_send: %zu bytes and %u descriptors, at most %zu and %u", length,
			  fd_count, PACKET_MAX - sizeof(*header), PACKET_FDS_MAX);
		return kIOReturnBadArgument;
	}
	header->length = (uint32_t)(sizeof(*header) + length);
	header->fd_count = (uint16_t)fd_count;
	if (fd_count > 0)
		attach(&message, &control, fds, fd_count);
	while (sendmsg(socket, &message, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT)) < 0) {
		if (errno == EAGAIN && wait)
			await(socket, POLLOUT);
		else if (errno != EINTR)
			return send_status(errno);
	}
	return kIOReturnSuccess;
}

static IOReturn
receive_status(int error)
{
	switch (error) {
	case EAGAIN:
		return kIOReturnNotReady;
	case ECONNRESET:
	case ENOTCONN:
		return kIOReturnOffline;
	default:
		return status_from_errno(error, "recvmsg");
	}
}

IOReturn
packet_send_text(int socket, const char *text, const int *fds, unsigned fd_count)
{
	struct iovec part = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	union control control;

	assert(fd_count <= PACKET_FDS_MAX);
	if (fd_count > 0)
		attach(&message, &control, fds, fd_count);
	while (sendmsg(socket, &message, MSG_NOSIGNAL) < 0) {
		if (errno != EINTR)
			return send_status(errno);
	}
	return kIOReturnSuccess;
}

/* Takes over each descriptor that arrived, before anything about the packet is judged. */
static void
collect(struct msghdr *message, struct packet *packet)
{
	for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at != NULL;
	     at = CMSG_NXTHDR(message, at)) {
		size_t count;

		if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS)
			continue;
		count = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		/* The kernel was given room for PACKET_FDS_ROOM in all. */
		assert(packet->fd_count + count <= PACKET_FDS_ROOM);
		memcpy(packet->fds + packet->fd_count, CMSG_DATA(at), count * sizeof(int));
		packet->fd_count += (unsigned)count;
	}
}

static IOReturn
refuse(struct packet *packet, const char *rule)
{
	packet_close_fds(packet);
	log_error("packet refused: %s", rule);
	return kIOReturnIPCError;
}

static IOReturn
judge(struct packet *packet, size_t received, int flags)
{
	const struct packet_header *header = packet->header;

	if (flags & MSG_TRUNC)
		return refuse(packet, "longer than the largest packet");
	if (received < sizeof(*header))
		return refuse(packet, "shorter than a header");
	if (header->length != received)
		return refuse(packet, "its length is not what its header says");
	if (header->fd_count > PACKET_FDS_MAX)
		return refuse(packet, "more descriptors than the most of a packet");
	if (packet->fd_count > header->fd_count)
		return refuse(packet, "more descriptors than its header says");
	if (packet->fd_count == header->fd_count)
		return flags & MSG_CTRUNC ? refuse(packet, "more descriptors than its header says")
					  : kIOReturnSuccess;
	if (!(flags & MSG_CTRUNC))
		return refuse(packet, "fewer descriptors than its header says");
	/* The kernel could not install them here: nothing that the peer did. */
	return kIOReturnNoResources;
}

IOReturn
packet_receive(int socket, struct packet *packet, bool wait)
{
	union control control;
	struct iovec part = {.iov_base = packet->buffer, .iov_len = sizeof(packet->buffer)};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t received;

	packet->fd_count = 0;
	packet->header = (struct packet_header *)(void *)packet->buffer;
	packet->body = packet->buffer + sizeof(*packet->header);
	packet->body_length = 0;
	for (;;) {
		message.msg_control = control.bytes;
		/* Not CMSG_SPACE: its padding has room for one descriptor more. */
		message.msg_controllen = CMSG_LEN(sizeof(int) * PACKET_FDS_ROOM);
		received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
		if (received >= 0)
			break;
		if (errno == EAGAIN && wait)
			await(socket, POLLIN);
		else if (errno != EINTR)
			return receive_status(errno);
	}
	collect(&message, packet);
	if (received == 0) { /* the end, or an empty packet, which can carry descriptors */
		packet_close_fds(packet);
		return kIOReturnOffline;
	}
	packet->body_length = (size_t)received < sizeof(*packet->header)
				      ? 0
				      : (size_t)received - sizeof(*packet->header);
	return judge(packet, (size_t)received, message.msg_flags);
}

/* Without room for descriptors the kernel says that there are some, and keeps them. */
static bool
carries_descriptors(int socket)
{
	struct msghdr message = {0};

	return recvmsg(socket, &message, MSG_PEEK | MSG_DONTWAIT) >= 0 &&
	       (message.msg_flags & MSG_CTRUNC) != 0;
}

IOReturn
packet_receive_plain(int socket, struct packet *packet)
{
	if (!carries_descriptors(socket))
		return packet_receive(socket, packet, false);
	packet->fd_count = 0;
	return refuse(packet, "descriptors from who has none to send");
}

int
packet_take_fd(struct packet *packet, unsigned index)
{
	int fd;

	assert(index < packet->fd_count);
	fd = packet->fds[index];
	packet->fds[index] = -1;
	return fd;
}

void
packet_close_fds(struct packet *packet)
{
	for (unsigned i = 0; i < packet->fd_count; i++)
		fd_close_foreign(&packet->fds[i], packet->owner);
	packet->fd_count = 0;
}

int
fd_list_take(struct fd_list *list, unsigned index)
{
	int fd = index < list->count ? list->fds[index] : -1;

	if (fd >= 0)
		list->fds[index] = -1;
	return fd;
}

void
fd_list_close(struct fd_list *list)
{
	for (unsigned i = 0; i < list->count; i++)
		fd_close(&list->fds[i]);
	list->count = 0;
}
