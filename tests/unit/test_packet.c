/* SPDX-License-Identifier: Apache-2.0 */
/* Packets: descriptors counted and closed, whatever the peer does. */
#include "unit.h"

#include "packet.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

static int ends[2];
static struct packet packet;

static void
make_ends(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
}

/* What no honest peer sends: any header, any length, any descriptors. */
static void
send_raw(const void *bytes, size_t length, const int *fds, unsigned fd_count)
{
	struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = length};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * 64)] = {0};

	if (fd_count > 0) {
		struct cmsghdr *rights;

		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		rights = CMSG_FIRSTHDR(&message);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(rights), fds, sizeof(int) * fd_count);
	}
	ck_assert_int_eq(sendmsg(ends[0], &message, 0), (ssize_t)length);
}

static void
send_claiming(uint16_t claimed, unsigned fd_count)
{
	struct packet_header header = {.length = sizeof(header), .fd_count = claimed};
	int fds[64];

	for (unsigned i = 0; i < 64; i++)
		fds[i] = STDERR_FILENO;
	send_raw(&header, sizeof(header), fds, fd_count);
}

START_TEST(a_packet_arrives_as_it_was_sent)
{
	struct packet_header header = {.type = 7, .sequence = 99, .status = -5};
	struct stat sent, got;
	int fds[PACKET_FDS_MAX], taken;

	make_ends();
	for (unsigned i = 0; i < PACKET_FDS_MAX; i++)
		fds[i] = i == 5 ? ends[0] : STDERR_FILENO;
	ck_assert_int_eq(packet_send(ends[0], &header, "hello", 6, fds, PACKET_FDS_MAX, true), 0);
	ck_assert_int_eq(packet_receive(ends[1], &packet, true), 0);
	ck_assert_uint_eq(packet.header->length, sizeof(header) + 6);
	ck_assert_uint_eq(packet.header->type, 7);
	ck_assert_uint_eq(packet.header->sequence, 99);
	ck_assert_int_eq(packet.header->status, -5);
	ck_assert_uint_eq(packet.body_length, 6);
	ck_assert_str_eq((const char *)packet.body, "hello");
	ck_assert_uint_eq(packet.fd_count, PACKET_FDS_MAX);
	for (unsigned i = 0; i < PACKET_FDS_MAX; i++)
		ck_assert_int_eq(fcntl(packet.fds[i], F_GETFD), FD_CLOEXEC);
	taken = packet_take_fd(&packet, 5);
	packet_close_fds(&packet);
	fstat(ends[0], &sent);
	ck_assert_int_eq(fstat(taken, &got), 0);
	ck_assert_uint_eq(sent.st_ino, got.st_ino);
	close(taken);
}
END_TEST

START_TEST(the_largest_packet_passes_and_one_more_byte_does_not)
{
	static char body[PACKET_MAX];
	struct packet_header header = {0};
	size_t most = PACKET_MAX - sizeof(header);

	make_ends();
	ck_assert_int_eq(packet_send(ends[0], &header, body, most, NULL, 0, true), 0);
	ck_assert_int_eq(packet_receive(ends[1], &packet, true), 0);
	ck_assert_uint_eq(packet.body_length, most);
	ck_assert_int_eq(packet_send(ends[0], &header, body, most + 1, NULL, 0, true),
			 kIOReturnBadArgument);
	ck_assert_int_eq(packet_send(ends[0], &header, body, 1, ends, PACKET_FDS_MAX + 1, true),
			 kIOReturnBadArgument);
}
END_TEST

START_TEST(nothing_there_and_the_end_are_told_apart)
{
	struct packet_header header = {0};

	make_ends();
	ck_assert_int_eq(packet_receive(ends[1], &packet, false), kIOReturnNotReady);
	ck_assert_int_eq(packet_send(ends[0], &header, NULL, 0, NULL, 0, false), 0);
	fd_close(&ends[0]);
	ck_assert_int_eq(ends[0], -1);
	ck_assert_int_eq(packet_receive(ends[1], &packet, false), 0);
	ck_assert_int_eq(packet_receive(ends[1], &packet, true), kIOReturnOffline);
	ck_assert_int_eq(packet_send(ends[1], &header, NULL, 0, NULL, 0, true), kIOReturnOffline);
}
END_TEST

START_TEST(a_full_socket_is_busy)
{
	struct packet_header header = {0};
	static char body[32768];
	IOReturn status = 0;

	make_ends();
	for (int i = 0; i < 10000 && status == 0; i++)
		status = packet_send(ends[0], &header, body, sizeof(body), NULL, 0, false);
	ck_assert_int_eq(status, kIOReturnBusy);
}
END_TEST

static void *
receive_one(void *context)
{
	static struct packet got;

	*(IOReturn *)context = packet_receive(ends[1], &got, true);
	return NULL;
}

START_TEST(waiting_works_on_a_socket_that_does_not_block)
{
	struct packet_header header = {0};
	IOReturn status = -1;
	pthread_t thread;

	make_ends();
	fcntl(ends[1], F_SETFL, O_NONBLOCK);
	ck_assert_int_eq(pthread_create(&thread, NULL, receive_one, &status), 0);
	ck_assert_int_eq(packet_send(ends[0], &header, NULL, 0, NULL, 0, true), 0);
	pthread_join(thread, NULL);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(other_counts_of_descriptors_are_refused_and_none_leaks)
{
	static const struct {
		uint16_t claimed;
		unsigned sent;
	} cases[] = {{0, 1},   {1, 0},	 {2, 1},   {1, 2},  {33, 32},
		     {33, 34}, {34, 34}, {33, 64}, {0, 64}, {65535, 33}};
	unsigned before;

	make_ends();
	before = unit_count_fds();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		send_claiming(cases[i].claimed, cases[i].sent);
		ck_assert_int_eq(packet_receive(ends[1], &packet, true), kIOReturnIPCError);
		ck_assert_uint_eq(packet.fd_count, 0);
		ck_assert_uint_eq(unit_count_fds(), before);
	}
}
END_TEST

START_TEST(wrong_lengths_are_refused)
{
	struct {
		struct packet_header header;
		char body[8];
	} bytes = {0};
	static char large[PACKET_MAX + 100];
	int fd = STDERR_FILENO;
	unsigned before;

	make_ends();
	before = unit_count_fds();
	bytes.header.length = sizeof(bytes) - 1;
	send_raw(&bytes, sizeof(bytes), NULL, 0);
	ck_assert_int_eq(packet_receive(ends[1], &packet, true), kIOReturnIPCError);
	bytes.header.length = sizeof(bytes) + 1;
	send_raw(&bytes, sizeof(bytes), NULL, 0);
	ck_assert_int_eq(packet_receive(ends[1], &packet, true), kIOReturnIPCError);
	send_raw(&bytes, sizeof(bytes.header) - 1, &fd, 1);
	ck_assert_int_eq(packet_receive(ends[1], &packet, true), kIOReturnIPCError);
	((struct packet_header *)(void *)large)->length = PACKET_MAX;
	send_raw(large, sizeof(large), NULL, 0);
	ck_assert_int_eq(packet_receive(ends[1], &packet, true), kIOReturnIPCError);
	send_raw(&bytes, 0, &fd, 1); /* an empty packet with a descriptor */
	ck_assert_int_eq(packet_receive(ends[1], &packet, true), kIOReturnOffline);
	ck_assert_uint_eq(unit_count_fds(), before);
}
END_TEST

/* They never come here, and are in the socket until it is closed. */
START_TEST(who_has_none_to_send_sends_none)
{
	struct packet_header header = {.type = 7};
	int fd = dup(STDERR_FILENO), next;

	make_ends();
	ck_assert_int_eq(packet_receive_plain(ends[1], &packet), kIOReturnNotReady);
	ck_assert_int_eq(packet_send(ends[0], &header, "abc", 3, NULL, 0, true), 0);
	ck_assert_int_eq(packet_receive_plain(ends[1], &packet), 0);
	ck_assert_uint_eq(packet.header->type, 7);
	ck_assert_mem_eq(packet.body, "abc", 3);
	ck_assert_int_eq(packet_send(ends[0], &header, "abc", 3, &fd, 1, true), 0);
	ck_assert_int_eq(packet_receive_plain(ends[1], &packet), kIOReturnIPCError);
	ck_assert_uint_eq(packet.fd_count, 0);
	next = dup(fd);
	ck_assert_int_eq(next, fd > ends[1] ? fd + 1 : ends[1] + 1);
	close(ends[0]);
	ck_assert_int_eq(packet_receive_plain(ends[1], &packet), kIOReturnIPCError);
	close(ends[1]);
	close(fd);
	close(next);
}
END_TEST

START_TEST(running_out_of_descriptors_keeps_the_packet)
{
	struct packet_header header = {.type = 3};
	struct rlimit limit, before;
	int fds[4] = {STDERR_FILENO, STDERR_FILENO, STDERR_FILENO, STDERR_FILENO};
	int highest;

	make_ends();
	ck_assert_int_eq(packet_send(ends[0], &header, "x", 1, fds, 4, true), 0);
	highest = dup(STDERR_FILENO);
	close(highest);
	getrlimit(RLIMIT_NOFILE, &before);
	limit = before;
	limit.rlim_cur = (rlim_t)highest + 2; /* two of the four */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(packet_receive(ends[1], &packet, true), kIOReturnNoResources);
	ck_assert_uint_eq(packet.header->type, 3);
	ck_assert_uint_eq(packet.header->fd_count, 4);
	ck_assert_uint_eq(packet.body_length, 1);
	ck_assert_uint_eq(packet.fd_count, 2);
	packet_close_fds(&packet);
	/* The connection goes on. */
	ck_assert_int_eq(packet_send(ends[0], &header, NULL, 0, fds, 1, true), 0);
	ck_assert_int_eq(packet_receive(ends[1], &packet, true), 0);
	packet_close_fds(&packet);
	setrlimit(RLIMIT_NOFILE, &before);
}
END_TEST

START_TEST(text_goes_with_descriptors)
{
	const int fds[2] = {STDERR_FILENO, STDERR_FILENO};
	char text[16] = "";
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(fds))];
	struct iovec part = {.iov_base = text, .iov_len = sizeof(text)};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
	ck_assert_int_eq(packet_send_text(ends[0], "READY=1", fds, 2), kIOReturnSuccess);
	ck_assert_int_eq(recvmsg(ends[1], &message, MSG_CMSG_CLOEXEC), 7);
	ck_assert_str_eq(text, "READY=1");
	ck_assert_uint_eq(CMSG_FIRSTHDR(&message)->cmsg_len, CMSG_LEN(sizeof(fds)));
	close(ends[1]);
	ck_assert_int_eq(packet_send_text(ends[0], "READY=1", NULL, 0), kIOReturnOffline);
}
END_TEST

UNIT_MAIN("packet", a_packet_arrives_as_it_was_sent, who_has_none_to_send_sends_none,
	  the_largest_packet_passes_and_one_more_byte_does_not,
	  nothing_there_and_the_end_are_told_apart, a_full_socket_is_busy,
	  waiting_works_on_a_socket_that_does_not_block,
	  other_counts_of_descriptors_are_refused_and_none_leaks, wrong_lengths_are_refused,
	  running_out_of_descriptors_keeps_the_packet, text_goes_with_descriptors)
