/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets of every protocol as their receivers read and check them: header and body are the
 * input's, so are the number of descriptors that come along and the direction.
 */
#include "fuzz.h"

#include "packets.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define FDS_MAX 36u

static int ends[2] = {-1, -1};
static int some_fd;

static void
open_pair(void)
{
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
	some_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	FUZZ_CHECK(some_fd >= 0);
}

static void
send_raw(const void *bytes, size_t length, unsigned fd_count)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	} control = {0};
	struct iovec part = {(void *)(uintptr_t)bytes, length};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	struct cmsghdr *header;

	if (fd_count > 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		for (unsigned i = 0; i < fd_count; i++)
			memcpy(CMSG_DATA(header) + i * sizeof(int), &some_fd, sizeof(int));
	}
	FUZZ_CHECK(sendmsg(ends[0], &message, MSG_DONTWAIT) == (ssize_t)length);
}

/* What a well-behaved sender would have written is left to libFuzzer only where it matters. */
static void
correct(uint8_t *bytes, size_t length, unsigned fd_count, uint8_t how)
{
	struct packet_header header;

	if (length < sizeof(header))
		return;
	memcpy(&header, bytes, sizeof(header));
	if (how & 1)
		header.length = (uint32_t)length;
	if (how & 2)
		header.fd_count = (uint16_t)fd_count;
	memcpy(bytes, &header, sizeof(header));
}

static void
receive(enum packet_direction direction)
{
	static struct packet packet;
	IOReturn status = packet_receive(ends[1], &packet, false);

	FUZZ_CHECK(status != kIOReturnNotReady);
	if (status == kIOReturnSuccess && packets_check(&packet, direction) == kIOReturnSuccess) {
		FUZZ_CHECK(packet.fd_count == packet.header->fd_count);
		FUZZ_CHECK(packet.body_length + sizeof(*packet.header) == packet.header->length);
		if (packet.fd_count > 0)
			close(packet_take_fd(&packet, packet.fd_count - 1));
	}
	packet_close_fds(&packet);
}

/* Both ways of sending, and what the socket says when it is over. */
static void
go_round(void)
{
	static struct packet packet;
	struct packet_header header = {.type = PACKET_ACK};
	static uint8_t body[PACKET_MAX];
	int fds[PACKET_FDS_MAX + 1], pair[2];
	IOReturn status = kIOReturnSuccess;

	for (unsigned i = 0; i <= PACKET_FDS_MAX; i++)
		fds[i] = some_fd;
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	FUZZ_CHECK(packet_receive(pair[1], &packet, false) == kIOReturnNotReady);
	for (unsigned i = 0; i < 1000 && status == kIOReturnSuccess; i++)
		status = packet_send(pair[0], &header, body, 60000, fds, 1, false);
	FUZZ_CHECK(status == kIOReturnBusy);
	FUZZ_CHECK(packet_receive(pair[1], &packet, true) == kIOReturnSuccess);
	packet_close_fds(&packet);
	close(pair[1]);
	FUZZ_CHECK(packet_send(pair[0], &header, NULL, 0, NULL, 0, true) == kIOReturnOffline);
	close(pair[0]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = {data, data + size};
	uint8_t direction = fuzz_u8(&fuzz) % (PACKET_FROM_RECORDER + 1);
	uint8_t fd_count = fuzz_u8(&fuzz), how = fuzz_u8(&fuzz);
	size_t length = 0;
	uint8_t *bytes = fuzz_copy(&fuzz, PACKET_MAX + 100, &length);
	int credentials = how >> 2 & 1; /* come along, which nobody has asked for */

	if (ends[0] < 0) {
		open_pair();
		go_round();
	}
	FUZZ_CHECK(setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &credentials,
			      sizeof(credentials)) == 0);
	correct(bytes, length, fd_count % (FDS_MAX + 1), how);
	send_raw(bytes, length, fd_count % (FDS_MAX + 1));
	receive(direction);
	free(bytes);
	return 0;
}
