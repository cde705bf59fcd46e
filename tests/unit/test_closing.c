/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closing what a peer chose: a socket that lingers, whose peer never reads, so that the last close
 * of it takes for ever. A function that waited for it would not return.
 */
#include "unit.h"

#include "bounds.h"
#include "closing.h"
#include "lingering.h"
#include "packet.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MORE_THAN_CLOSERS 100
#define ENEMY		  1000u /* users */
#define SOMEBODY	  1001u

static bool
any_is_open(const int *numbers, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (fcntl(numbers[i], F_GETFD) >= 0)
			return true;
	return false;
}

START_TEST(a_socket_that_lingers_is_closed_by_somebody_else)
{
	int peer, fd;

	listen_somewhere();
	closing_begin();
	fd = lingering(&peer);
	fd_close_foreign(&fd, ENEMY);
	ck_assert_int_eq(fd, -1);
	close(peer);
}
END_TEST

/* Each of them gets stuck, and lets go of its thread when others wait; no peer has read. */
START_TEST(many_of_them_are_closed_all_the_same)
{
	int peers[MORE_THAN_CLOSERS], numbers[MORE_THAN_CLOSERS], fd;
	sigset_t all;

	/* As the threads of a loop are. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);

	listen_somewhere();
	closing_begin();
	for (unsigned i = 0; i < MORE_THAN_CLOSERS; i++)
		numbers[i] = lingering(&peers[i]);
	for (unsigned i = 0; i < MORE_THAN_CLOSERS; i++) {
		fd = numbers[i];
		fd_close_foreign(&fd, ENEMY);
	}
	while (any_is_open(numbers, MORE_THAN_CLOSERS)) {
		fd = eventfd(0, EFD_CLOEXEC);
		/* Not under a number that is looked at. */
		numbers[0] = fcntl(fd, F_DUPFD_CLOEXEC, 1000);
		close(fd);
		fd_close_foreign(&numbers[0], ENEMY);
	}
	for (unsigned i = 0; i < MORE_THAN_CLOSERS; i++)
		close(peers[i]);
}
END_TEST

static void
close_lingering(int *ret_peer)
{
	int fd = lingering(ret_peer);

	fd_close_foreign(&fd, ENEMY);
}

static void
await_closed(int number)
{
	for (unsigned i = 0; i < 10000 && fcntl(number, F_GETFD) >= 0; i++)
		poll(NULL, 0, 1);
	ck_assert_int_lt(fcntl(number, F_GETFD), 0);
}

/* Nothing ends these waits but their peers, as with FUSE. */
START_TEST(one_user_does_not_hold_up_another)
{
	int peers[DEXT_LIMIT_CLOSING_USER], fd = eventfd(0, EFD_CLOEXEC), number = fd;

	listen_somewhere();
	closing_begin();
	signal(SIGURG, SIG_IGN);
	for (unsigned i = 0; i < DEXT_LIMIT_CLOSING_USER; i++) {
		ck_assert(closing_has_room(ENEMY));
		close_lingering(&peers[i]);
	}
	ck_assert(!closing_has_room(ENEMY));
	ck_assert(closing_has_room(SOMEBODY));
	fd_close_foreign(&fd, SOMEBODY);
	await_closed(number);
	/* All of these are closed after all. */
	for (unsigned i = 0; i < DEXT_LIMIT_CLOSING_USER; i++)
		close(peers[i]);
	for (unsigned i = 0; i < 10000 && !closing_has_room(ENEMY); i++)
		poll(NULL, 0, 1);
	ck_assert(closing_has_room(ENEMY));
	fd = number = eventfd(0, EFD_CLOEXEC);
	fd_close_foreign(&fd, ENEMY);
	await_closed(number);
}
END_TEST

START_TEST(memory_is_closed_at_once)
{
	int fd = memfd_create("closing", MFD_CLOEXEC), number = fd;

	closing_begin();
	fd_close_foreign(&fd, ENEMY);
	ck_assert_int_lt(fcntl(number, F_GETFD), 0);
	fd_close_foreign(&fd, ENEMY); /* there is none */
}
END_TEST

static _Atomic uint64_t counted;

static void
count(uint64_t value)
{
	atomic_fetch_add(&counted, value);
}

/* Its last close takes a quarter of a second for each GiB. */
START_TEST(much_memory_is_closed_by_somebody_else)
{
	enum { SIZE = 64 << 20 };
	int fd = memfd_create("closing", MFD_CLOEXEC), number = fd, peer, stuck;

	listen_somewhere();
	closing_begin();
	ck_assert_int_eq(ftruncate(fd, SIZE), 0);
	fd_close_foreign_then(&fd, ENEMY, count, 3);
	ck_assert_int_lt(fcntl(number, F_GETFD), 0);
	ck_assert_uint_eq(atomic_load(&counted), 3);
	/* With pages: it waits behind what keeps this user's closers. */
	signal(SIGURG, SIG_IGN);
	for (unsigned i = 0; i < DEXT_LIMIT_CLOSING_USER; i++)
		close_lingering(&peer);
	fd = stuck = memfd_create("closing", MFD_CLOEXEC);
	ck_assert_int_eq(fallocate(fd, 0, 0, SIZE), 0);
	fd_close_foreign_then(&fd, ENEMY, count, 4);
	ck_assert_int_eq(fd, -1);
	ck_assert_int_ge(fcntl(stuck, F_GETFD), 0);
	ck_assert_uint_eq(atomic_load(&counted), 3);
	/* Another user's has its turn. */
	fd = memfd_create("closing", MFD_CLOEXEC);
	ck_assert_int_eq(fallocate(fd, 0, 0, SIZE), 0);
	fd_close_foreign_then(&fd, SOMEBODY, count, 5);
	for (unsigned i = 0; i < 10000 && atomic_load(&counted) != 8; i++)
		poll(NULL, 0, 1);
	ck_assert_uint_eq(atomic_load(&counted), 8);
}
END_TEST

START_TEST(a_socket_with_such_a_one_in_an_unread_packet)
{
	struct packet_header header = {.type = 1};
	int ends[2], peer, fd;

	listen_somewhere();
	closing_begin();
	fd = lingering(&peer);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	ck_assert_int_eq(packet_send(ends[0], &header, NULL, 0, &fd, 1, true), 0);
	close(fd);
	socket_close_foreign(&ends[1], ENEMY);
	ck_assert_int_eq(ends[1], -1);
	/* Nothing can be sent after it any more. */
	ck_assert_int_ne(packet_send(ends[0], &header, NULL, 0, NULL, 0, true), 0);
	close(ends[0]);
	close(peer);
}
END_TEST

/* Without the C library: musl's does not take so many descriptors. */
static long
send_raw(int socket, const struct msghdr *message)
{
	return syscall(SYS_sendmsg, socket, message, 0);
}

/* The kernel closes what finds no room, and the receiver waits for that. */
START_TEST(a_packet_with_more_of_them_than_any_may_have)
{
	struct packet_header header = {.length = sizeof(header), .type = 1};
	struct iovec part = {.iov_base = &header, .iov_len = sizeof(header)};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int) * PACKET_FDS_ROOM)];
	} control;
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes)};
	static struct packet packet;
	int ends[2], peer, fd, fds[PACKET_FDS_ROOM];

	listen_somewhere();
	closing_begin();
	fd = lingering(&peer);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	for (unsigned i = 0; i < PACKET_FDS_ROOM; i++)
		fds[i] = i < PACKET_FDS_MAX ? ends[0] : fd;
	memset(&control, 0, sizeof(control));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(&control.header), fds, sizeof(fds));
	ck_assert_int_eq(send_raw(ends[0], &message), sizeof(header));
	close(fd);
	/* One that carries as many as there can be, and no byte. */
	part.iov_len = 0;
	fd = lingering(&fds[0]);
	memcpy(CMSG_DATA(&control.header) + sizeof(int) * (PACKET_FDS_ROOM - 1), &fd, sizeof(fd));
	for (unsigned i = 0; i < PACKET_FDS_ROOM - 1; i++)
		memcpy(CMSG_DATA(&control.header) + sizeof(int) * i, &ends[0], sizeof(fd));
	ck_assert_int_eq(send_raw(ends[0], &message), 0);
	close(fd);
	packet.owner = ENEMY;
	ck_assert_int_eq(packet_receive(ends[1], &packet, false), kIOReturnIPCError);
	ck_assert_int_eq(packet_receive(ends[1], &packet, false), kIOReturnOffline);
	close(ends[0]);
	close(ends[1]);
	close(peer);
	close(fds[0]);
}
END_TEST

START_TEST(a_socket_that_was_read_is_closed_at_once)
{
	int ends[2], number;

	closing_begin();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	number = ends[1];
	socket_close_foreign(&ends[1], ENEMY);
	ck_assert_int_lt(fcntl(number, F_GETFD), 0);
	number = ends[0]; /* its peer has gone */
	socket_close_foreign(&ends[0], ENEMY);
	ck_assert_int_lt(fcntl(number, F_GETFD), 0);
}
END_TEST

/* An app's library makes no threads: there it is an ordinary close. */
START_TEST(a_process_that_serves_nobody_closes_by_itself)
{
	int fd = eventfd(0, EFD_CLOEXEC), number = fd;

	fd_close_foreign(&fd, ENEMY);
	ck_assert_int_lt(fcntl(number, F_GETFD), 0);
}
END_TEST

UNIT_MAIN("closing", a_socket_that_lingers_is_closed_by_somebody_else,
	  many_of_them_are_closed_all_the_same, one_user_does_not_hold_up_another,
	  memory_is_closed_at_once, much_memory_is_closed_by_somebody_else,
	  a_socket_with_such_a_one_in_an_unread_packet,
	  a_packet_with_more_of_them_than_any_may_have, a_socket_that_was_read_is_closed_at_once,
	  a_process_that_serves_nobody_closes_by_itself)
