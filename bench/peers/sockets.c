/* SPDX-License-Identifier: Apache-2.0 */
/* A message each way over a socket: plain SEQPACKET, and what vfio-user sends for a region. */
#include "peers.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* The header of vfio-user's messages, and of a region's read or write (spec version 0.9.1). */
struct vfio_header {
	uint16_t id, command;
	uint32_t size, flags, error;
};

struct vfio_region_access {
	uint64_t offset;
	uint32_t region, count;
};

#define REGION_READ  9
#define REGION_WRITE 10
#define FLAG_REPLY   1u

struct region_message {
	struct vfio_header header;
	struct vfio_region_access access;
	uint64_t words[16];
};

/* Both servers wait in epoll, as servers of more than one client do. */
static int
watch(int fd)
{
	struct epoll_event event = {.events = EPOLLIN};
	int epoll = epoll_create1(0);

	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
	return epoll;
}

static void
serve_packets(int fd)
{
	struct epoll_event event;
	uint64_t words[16];
	int epoll = watch(fd);

	while (epoll_wait(epoll, &event, 1, -1) >= 0)
		if (recv(fd, words, sizeof(words), 0) <= 0 ||
		    send(fd, words, sizeof(words), 0) <= 0)
			_exit(0);
	_exit(0);
}

static bool
receive_all(int fd, void *bytes, size_t length)
{
	return recv(fd, bytes, length, MSG_WAITALL) == (ssize_t)length;
}

static void
serve_region(int fd)
{
	struct epoll_event event;
	struct region_message message;
	uint64_t region[16];
	int epoll = watch(fd);

	while (epoll_wait(epoll, &event, 1, -1) >= 0) {
		/* The header first, since it says how long the rest is. */
		if (!receive_all(fd, &message.header, sizeof(message.header)) ||
		    message.header.size < sizeof(message.header) ||
		    message.header.size > sizeof(message) ||
		    !receive_all(fd, &message.access, message.header.size - sizeof(message.header)))
			_exit(0);
		message.header.flags = FLAG_REPLY;
		message.header.size = sizeof(message.header) + sizeof(message.access);
		if (message.header.command == REGION_WRITE) {
			memcpy(region, message.words, sizeof(region));
		} else {
			memcpy(message.words, region, sizeof(region));
			message.header.size = sizeof(message);
		}
		if (send(fd, &message, message.header.size, 0) < 0)
			_exit(0);
	}
	_exit(0);
}

static bool
open_with(int type, void (*serve)(int fd), void **ret_state, pid_t *ret_server)
{
	int ends[2];

	if (socketpair(AF_UNIX, type, 0, ends) < 0)
		return false;
	*ret_server = fork_server();
	if (*ret_server == 0) {
		close(ends[0]);
		serve(ends[1]);
	}
	close(ends[1]);
	*ret_state = (void *)(intptr_t)ends[0];
	return *ret_server > 0;
}

static bool
open_packets(uint64_t argument, void **ret_state, pid_t *ret_server)
{
	return open_with(SOCK_SEQPACKET, serve_packets, ret_state, ret_server);
}

static uint64_t
packets_once(void *state)
{
	uint64_t words[16] = {1, 2, 3};
	int fd = (int)(intptr_t)state;

	if (send(fd, words, sizeof(words), 0) < 0 || recv(fd, words, sizeof(words), 0) < 0)
		_exit(1);
	return 0;
}

static bool
open_region(uint64_t argument, void **ret_state, pid_t *ret_server)
{
	return open_with(SOCK_STREAM, serve_region, ret_state, ret_server);
}

/* One message each way: a write of 16 words. (What comes back is the header: less than ours.) */
static uint64_t
region_once(void *state)
{
	struct region_message message = {
		.header = {.command = REGION_WRITE, .size = sizeof(message)},
		.access = {.count = sizeof(message.words)},
	};
	int fd = (int)(intptr_t)state;

	if (send(fd, &message, sizeof(message), 0) < 0 ||
	    !receive_all(fd, &message, sizeof(message.header) + sizeof(message.access)))
		_exit(1);
	return 0;
}

const struct contestant raw_seqpacket = {
	.name = "SEQPACKET",
	.open = open_packets,
	.once = packets_once,
	.batch = 16,
};

const struct contestant vfio_region = {
	.name = "vfio-user region write",
	.open = open_region,
	.once = region_once,
	.batch = 16,
};
