/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An app that speaks bytes to a real registry and a real host, and keeps no rule that it does not
 * want to. What it needs for an attack must work (NEED); what becomes of the attack is for who
 * started the program to judge.
 */
#ifndef TESTS_HOSTILE_ENEMY_H
#define TESTS_HOSTILE_ENEMY_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "call_page.h"
#include "clock.h"
#include "doorbell.h"
#include "packets.h"

#define NEED(condition)                                                                      \
	do {                                                                                 \
		if (!(condition)) {                                                          \
			fprintf(stderr, "%s:%d: hostile: cannot: %s (errno %d)\n", __FILE__, \
				__LINE__, #condition, errno);                                \
			exit(3);                                                             \
		}                                                                            \
	} while (0)

#define ENEMY_WAIT (10 * NSEC_PER_SEC)

struct enemy {
	int socket, doorbell, bell;
	struct call_page_client page;
	uint32_t generations[CALL_PAGE_SLOTS];
};

static uint64_t enemy_service;

static inline int
enemy_registry(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%.80s/%s",
		 getenv("OPENDEXT_RUNTIME_DIR"), REGISTRY_SOCKET_NAME);
	NEED(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

static inline IOReturn
enemy_send(int socket, uint16_t type, const void *body, size_t length, const int *fds,
	   unsigned count)
{
	struct packet_header header = {.type = type, .sequence = 7};

	return packet_send(socket, &header, body, length, fds, count, false);
}

/* The next packet; false: the other side has hung up, or says nothing. */
static inline bool
enemy_receive(int socket, struct packet *packet)
{
	struct pollfd item = {.fd = socket, .events = POLLIN};

	return poll(&item, 1, 10000) == 1 &&
	       packet_receive(socket, packet, false) == kIOReturnSuccess;
}

/* The host's, or the registry's, end of it. */
static inline void
enemy_expect_end(int socket)
{
	static struct packet packet;

	while (enemy_receive(socket, &packet))
		packet_close_fds(&packet);
}

/* kIOReturnSuccess, or why it was not opened. */
static inline IOReturn
enemy_open(struct enemy *enemy)
{
	static struct packet packet;
	struct open_body body = {.id = enemy_service, .version = PROTOCOL_VERSION};
	int registry = enemy_registry();
	IOReturn status;

	memset(enemy, 0, sizeof(*enemy));
	NEED(enemy_send(registry, PACKET_OPEN, &body, sizeof(body), NULL, 0) == 0);
	NEED(enemy_receive(registry, &packet));
	status = packet.header->status;
	close(registry);
	if (status != kIOReturnSuccess)
		return status;
	enemy->socket = packet_take_fd(&packet, 0);
	if (!enemy_receive(enemy->socket, &packet))
		return kIOReturnOffline;
	status = packet.header->status;
	if (status != kIOReturnSuccess) {
		close(enemy->socket);
		return status;
	}
	enemy->page.page = mmap(NULL, sizeof(struct call_page), PROT_READ | PROT_WRITE, MAP_SHARED,
				packet.fds[0], 0);
	NEED(enemy->page.page != MAP_FAILED);
	close(packet_take_fd(&packet, 0));
	enemy->doorbell = packet_take_fd(&packet, 1);
	enemy->bell = packet_take_fd(&packet, 2);
	return kIOReturnSuccess;
}

static inline void
enemy_close(struct enemy *enemy)
{
	close(enemy->socket);
	close(enemy->doorbell);
	close(enemy->bell);
	munmap(enemy->page.page, sizeof(struct call_page));
}

static inline struct call_request *
enemy_request(struct enemy *enemy, unsigned slot, uint16_t operation, uint64_t selector)
{
	struct call_request *request = &enemy->page.page->slot[slot].request;

	memset(request, 0, sizeof(*request));
	request->generation = ++enemy->generations[slot];
	request->operation = operation;
	request->selector = selector;
	return request;
}

static inline void
enemy_submit(struct enemy *enemy, unsigned slot)
{
	if (call_page_submit(&enemy->page, slot))
		doorbell_ring(enemy->doorbell);
}

/* False: it was not answered within `wait` ns. */
static inline bool
enemy_call(struct enemy *enemy, unsigned slot, uint64_t wait)
{
	uint64_t deadline = clock_now() + wait;

	enemy_submit(enemy, slot);
	while (!call_page_wait(&enemy->page, slot, enemy->generations[slot],
			       clock_now() + NSEC_PER_MSEC)) {
		struct pollfd item = {.fd = enemy->socket, .events = POLLRDHUP};

		if (poll(&item, 1, 0) == 1 || clock_now() > deadline)
			return false;
		doorbell_ring(enemy->doorbell);
	}
	return true;
}

/* Whether the host still serves it. */
static inline bool
enemy_is_served(struct enemy *enemy)
{
	struct call_request *request = enemy_request(enemy, 63, CALL_METHOD, 0);

	request->scalar_in_count = request->scalar_out_count = 1;
	request->scalars[0] = 5;
	return enemy_call(enemy, 63, ENEMY_WAIT) &&
	       enemy->page.page->slot[63].reply.scalars[0] == 5;
}

#endif
