/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets whose last close waits for a peer that never reads: listen_somewhere, then as many as
 * there are to be, up to 100. */
#ifndef TESTS_UNIT_LINGERING_H
#define TESTS_UNIT_LINGERING_H

#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

static int listener;
static struct sockaddr_in place;

static inline void
listen_somewhere(void)
{
	socklen_t length = sizeof(place);

	place = (struct sockaddr_in){.sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&place, length), 0);
	ck_assert_int_eq(listen(listener, 100), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&place, &length), 0);
}

/* *ret_peer is the end that does not read. */
static inline int
lingering(int *ret_peer)
{
	static char bytes[1 << 16];
	const struct linger forever = {.l_onoff = 1, .l_linger = 100000};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&place, sizeof(place)), 0);
	*ret_peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(*ret_peer, 0);
	while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &forever, sizeof(forever)), 0);
	return fd;
}

#endif
