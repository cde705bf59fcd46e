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

#define ENEMIES 300u

/* What the attack is on. */
extern uint64_t enemy_service;
extern pid_t enemy_host, enemy_daemon;

/* One attack, one process: so these are everybody's. */
extern struct enemy enemies[ENEMIES];
extern struct packet packet;
extern uint8_t bytes[PACKET_MAX + 4096];

int enemy_registry(void);
IOReturn enemy_send(int socket, uint16_t type, const void *body, size_t length, const int *fds,
		    unsigned count);
/* The same, without descriptors, once there is room for it. */
void enemy_insist(int socket, uint16_t type, const void *body, size_t length);
/* The next packet; false: the other side has hung up, or says nothing. */
bool enemy_receive(int socket, struct packet *into);
/* The host's, or the registry's, end of it. */
void enemy_expect_end(int socket);
/* kIOReturnSuccess, or why it was not opened. */
IOReturn enemy_open(struct enemy *enemy);
void enemy_close(struct enemy *enemy);
struct call_request *enemy_request(struct enemy *enemy, unsigned slot, uint16_t operation,
				   uint64_t selector);
void enemy_submit(struct enemy *enemy, unsigned slot);
/* False: it was not answered within `wait` ns. */
bool enemy_call(struct enemy *enemy, unsigned slot, uint64_t wait);
/* Whether the host still serves it. */
bool enemy_is_served(struct enemy *enemy);

/* Opens enemies[0]. */
void enemy_open_first(void);
/* Its last connection's MEMORY is acknowledged; the descriptor is the caller's. */
IOReturn enemy_map(struct enemy *enemy, uint64_t type, int *ret_fd);
/* A memfd of so many bytes. */
int enemy_memory(size_t length, unsigned seals);
/* Hands the file over as a large output of a method that keeps and maps it. */
IOReturn enemy_give(struct enemy *enemy, int fd, uint64_t size);
/* The same, and closes it. */
IOReturn enemy_hand_over(struct enemy *enemy, int fd, uint64_t size);

#endif
