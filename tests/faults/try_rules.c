/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An app that breaks the rules, by what it sends itself, and a host that does: who breaks them is
 * cut off, and nobody else notices.
 */
#include "attempt.h"
#include "echo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <mach/mach.h>

#define DESCRIPTORS_MAX 256
#define PACKETS		3

/* No packet, with a descriptor that takes somebody to close it. */
static void
send_nonsense(int fd, int foreign)
{
	static char text[] = "nonsense";
	struct iovec part = {.iov_base = text, .iov_len = sizeof(text)};
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &foreign, sizeof(int));
	sendmsg(fd, &message, MSG_NOSIGNAL);
}

/* --- to the registry --- */

static bool
is_cut_off(int fd)
{
	char byte;

	return recv(fd, &byte, sizeof(byte), 0) <= 0;
}

static bool
foreign(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), ends[2];
	bool well = attempt_with("Echo", NULL);

	snprintf(address.sun_path, sizeof(address.sun_path), "%.90s/registry",
		 getenv("OPENDEXT_RUNTIME_DIR"));
	CHECK(fd >= 0 && pipe(ends) == 0);
	if (well) {
		well = attempt_had("the registry",
				   connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
		for (unsigned i = 0; well && i < PACKETS; i++)
			send_nonsense(fd, ends[0]);
		CHECK(!well || is_cut_off(fd));
	}
	close(fd);
	close(ends[0]);
	close(ends[1]);
	return well && attempt_with("Echo", NULL);
}

/* --- to a host --- */

static bool
is_packet_socket(int fd)
{
	socklen_t size = sizeof(int);
	int type = 0;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

/* The sockets that have come since; one was there before if `before` says so. */
static unsigned
find_new(const bool before[DESCRIPTORS_MAX], int found[DESCRIPTORS_MAX])
{
	unsigned count = 0;

	for (int fd = 0; fd < DESCRIPTORS_MAX; fd++)
		if (!before[fd] && is_packet_socket(fd))
			found[count++] = fd;
	return count;
}

static bool
break_rules(struct link *link)
{
	bool before[DESCRIPTORS_MAX];
	int found[DESCRIPTORS_MAX];
	uint64_t in = 7, out = 0;
	uint32_t room = 1;
	unsigned count;
	int ends[2];

	for (int fd = 0; fd < DESCRIPTORS_MAX; fd++)
		before[fd] = is_packet_socket(fd);
	if (!link_open(link, "Echo"))
		return false;
	count = find_new(before, found);
	CHECK(count > 0 && pipe(ends) == 0);
	for (unsigned i = 0; i < count * PACKETS; i++)
		send_nonsense(found[i % count], ends[0]);
	close(ends[0]);
	close(ends[1]);
	/* It may have been in time; the end comes. */
	for (uint64_t began = attempt_msec(); attempt_waits(began);)
		if (IOConnectCallScalarMethod(link->connect, ECHO_ECHO, &in, 1, &out, &room) !=
		    kIOReturnSuccess)
			return true;
	return attempt_had("the connection's end", false);
}

static bool
broken(void)
{
	struct link link = {0};
	bool well = attempt_with("Echo", NULL) && break_rules(&link);

	link_close(&link);
	return well && attempt_with("Echo", NULL);
}

/* --- from a host --- */

static bool
map_nonsense(io_connect_t connect)
{
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;

	TRY(IOConnectCallScalarMethod(connect, ECHO_NONSENSE, NULL, 0, NULL, NULL));
	CHECK(IOConnectMapMemory64(connect, 0, mach_task_self(), &address, &size, kIOMapAnywhere) !=
	      kIOReturnSuccess);
	return true;
}

static bool
nonsense(void)
{
	return attempt_with("Echo", map_nonsense) && attempt_with("Echo", NULL);
}

const struct scenario scenarios_rules[] = {
	{"foreign", foreign},
	{"broken", broken},
	{"nonsense", nonsense},
	{NULL},
};
