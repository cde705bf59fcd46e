/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>

#include "doorbell.h"

static bool
is_readable(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	return poll(&wait, 1, 0) == 1 && (wait.revents & POLLIN);
}

static void
check_born_closed(int fd)
{
	ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
}

/* As the host has it: edge-triggered and never read. */
START_TEST(each_ring_is_an_edge)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int set = epoll_create1(EPOLL_CLOEXEC);
	int bell;

	ck_assert_int_eq(doorbell_create(&bell), kIOReturnSuccess);
	check_born_closed(bell);
	ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_ADD, bell, &event), 0);
	ck_assert_int_eq(epoll_wait(set, &event, 1, 0), 0);
	for (unsigned i = 0; i < 5; i++) {
		doorbell_ring(bell);
		ck_assert_int_eq(epoll_wait(set, &event, 1, 0), 1);
		ck_assert_int_eq(epoll_wait(set, &event, 1, 0), 0);
	}
	close(bell);
	close(set);
}
END_TEST

START_TEST(a_full_doorbell_rings_already)
{
	static const uint64_t full = UINT64_MAX - 1;
	int bell;

	ck_assert_int_eq(doorbell_create(&bell), kIOReturnSuccess);
	ck_assert_int_eq(write(bell, &full, sizeof(full)), sizeof(full));
	errno = 1234;
	doorbell_ring(bell);
	ck_assert_int_eq(errno, 1234);
	ck_assert(is_readable(bell));
	close(bell);
}
END_TEST

START_TEST(the_pipe_rings_until_drained)
{
	int ends[2];

	ck_assert_int_eq(bell_pipe_create(&ends[0], &ends[1]), kIOReturnSuccess);
	check_born_closed(ends[0]);
	check_born_closed(ends[1]);
	ck_assert(!is_readable(ends[0]));
	errno = 1234;
	bell_pipe_drain(ends[0]);
	ck_assert_int_eq(errno, 1234);
	/* Around the size of a read. */
	for (unsigned count = 1; count <= 1024; count *= 4) {
		for (unsigned i = 0; i < count; i++)
			bell_pipe_ring(ends[1]);
		ck_assert(is_readable(ends[0]));
		bell_pipe_drain(ends[0]);
		ck_assert(!is_readable(ends[0]));
	}
	close(ends[0]);
	close(ends[1]);
}
END_TEST

START_TEST(a_full_pipe_rings_already)
{
	int ends[2];

	ck_assert_int_eq(bell_pipe_create(&ends[0], &ends[1]), kIOReturnSuccess);
	errno = 1234;
	for (unsigned i = 0; i < 70000; i++)
		bell_pipe_ring(ends[1]);
	ck_assert_int_eq(errno, 1234);
	bell_pipe_drain(ends[0]);
	ck_assert(!is_readable(ends[0]));
	bell_pipe_ring(ends[1]);
	ck_assert(is_readable(ends[0]));
	close(ends[0]);
	close(ends[1]);
}
END_TEST

/* What a forked child of the app can do to the open file that it shares. */
START_TEST(draining_never_blocks)
{
	int ends[2];

	ck_assert_int_eq(bell_pipe_create(&ends[0], &ends[1]), kIOReturnSuccess);
	ck_assert_int_eq(fcntl(ends[0], F_SETFL, 0), 0);
	bell_pipe_drain(ends[0]);
	for (unsigned i = 0; i < 256; i++)
		bell_pipe_ring(ends[1]);
	bell_pipe_drain(ends[0]);
	ck_assert(!is_readable(ends[0]));
	close(ends[0]);
	close(ends[1]);
}
END_TEST

START_TEST(the_ends_of_the_others)
{
	struct pollfd wait = {.events = POLLIN};
	int ends[2];

	/* The host has gone: what it rang is still there, then the hang-up shows. */
	ck_assert_int_eq(bell_pipe_create(&ends[0], &ends[1]), kIOReturnSuccess);
	bell_pipe_ring(ends[1]);
	close(ends[1]);
	ck_assert(is_readable(ends[0]));
	bell_pipe_drain(ends[0]);
	wait.fd = ends[0];
	ck_assert_int_eq(poll(&wait, 1, 0), 1);
	ck_assert_int_eq(wait.revents, POLLHUP);
	bell_pipe_drain(ends[0]);
	close(ends[0]);
	/* The app has gone. */
	signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(bell_pipe_create(&ends[0], &ends[1]), kIOReturnSuccess);
	close(ends[0]);
	errno = 1234;
	bell_pipe_ring(ends[1]);
	ck_assert_int_eq(errno, 1234);
	close(ends[1]);
}
END_TEST

START_TEST(without_descriptors_it_says_so)
{
	struct rlimit few, all;
	int fd = -5, other = -6;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &all), 0);
	few = all;
	few.rlim_cur = 3;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	ck_assert_int_ne(doorbell_create(&fd), kIOReturnSuccess);
	ck_assert_int_ne(bell_pipe_create(&fd, &other), kIOReturnSuccess);
	ck_assert_int_eq(fd, -5);
	ck_assert_int_eq(other, -6);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &all), 0);
}
END_TEST

UNIT_MAIN("doorbell", each_ring_is_an_edge, a_full_doorbell_rings_already,
	  the_pipe_rings_until_drained, a_full_pipe_rings_already, draining_never_blocks,
	  the_ends_of_the_others, without_descriptors_it_says_so)
