/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

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

static void
check_edges(int set, int bell)
{
	struct epoll_event event;

	/* What there was before the first ring. */
	epoll_wait(set, &event, 1, 0);
	for (unsigned i = 0; i < 5; i++) {
		ck_assert_int_eq(epoll_wait(set, &event, 1, 0), 0);
		doorbell_ring(bell);
		ck_assert_int_eq(epoll_wait(set, &event, 1, 0), 1);
	}
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
	check_edges(set, bell);
	close(bell);
	close(set);
}
END_TEST

/* One that counts from 0, as another host may make it. */
START_TEST(one_that_began_with_nothing_rings_once_adopted)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int set = epoll_create1(EPOLL_CLOEXEC), bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_ADD, bell, &event), 0);
	ck_assert_int_eq(doorbell_adopt(bell), kIOReturnSuccess);
	check_edges(set, bell);
	close(bell);
	close(set);
}
END_TEST

/* The host shares the open file. */
START_TEST(one_that_is_full_and_blocking_rings)
{
	static const uint64_t rest = UINT64_MAX - 2;
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int set = epoll_create1(EPOLL_CLOEXEC);
	int bell;

	ck_assert_int_eq(doorbell_create(&bell), kIOReturnSuccess);
	ck_assert_int_eq(doorbell_adopt(bell), kIOReturnSuccess);
	ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_ADD, bell, &event), 0);
	ck_assert_int_eq(write(bell, &rest, sizeof(rest)), sizeof(rest));
	ck_assert_int_eq(fcntl(bell, F_SETFL, 0), 0);
	check_edges(set, bell);
	close(bell);
	close(set);
}
END_TEST

START_TEST(what_can_hold_a_writer_up_is_no_doorbell)
{
	int ends[2], pair[2], file = memfd_create("file", MFD_CLOEXEC);

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(doorbell_adopt(ends[1]), kIOReturnIPCError);
	ck_assert_int_eq(doorbell_adopt(pair[0]), kIOReturnIPCError);
	ck_assert_int_eq(doorbell_adopt(file), kIOReturnIPCError);
	ck_assert_int_eq(doorbell_adopt(-1), kIOReturnIPCError);
}
END_TEST

START_TEST(a_full_doorbell_rings_already)
{
	static const uint64_t rest = UINT64_MAX - 2;
	int bell;

	ck_assert_int_eq(doorbell_create(&bell), kIOReturnSuccess);
	ck_assert_int_eq(write(bell, &rest, sizeof(rest)), sizeof(rest));
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

/* As another host may have made it; here one that would block. */
START_TEST(a_real_pipe_is_drained_too)
{
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	for (unsigned count = 1; count <= 1024; count *= 4) {
		for (unsigned i = 0; i < count; i++)
			ck_assert_int_eq(write(ends[1], "", 1), 1);
		errno = 1234;
		bell_pipe_drain(ends[0]);
		ck_assert_int_eq(errno, 1234);
		ck_assert(!is_readable(ends[0]));
	}
	close(ends[0]);
	close(ends[1]);
}
END_TEST

/* The host keeps the read end, too. */
START_TEST(a_real_pipe_is_not_shared_once_adopted)
{
	int ends[2], adopted;
	char byte;

	ck_assert_int_eq(pipe(ends), 0);
	adopted = dup(ends[0]);
	ck_assert_int_eq(bell_pipe_adopt(&adopted), kIOReturnSuccess);
	ck_assert_int_eq(fcntl(ends[0], F_SETFL, 0), 0);
	check_born_closed(adopted);
	ck_assert_int_eq(write(ends[1], "", 1), 1);
	ck_assert(is_readable(adopted));
	/* Between the look and the read it is taken away. */
	ck_assert_int_eq(read(ends[0], &byte, 1), 1);
	ck_assert_int_eq(read(adopted, &byte, 1), -1);
	ck_assert_int_eq(errno, EAGAIN);
	close(adopted);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

START_TEST(what_is_neither_socket_nor_pipe_is_no_bell)
{
	int file = memfd_create("file", MFD_CLOEXEC), other = eventfd(0, EFD_CLOEXEC);
	int network = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), none = -1;

	ck_assert_int_eq(bell_pipe_adopt(&file), kIOReturnIPCError);
	ck_assert_int_eq(bell_pipe_adopt(&other), kIOReturnIPCError);
	ck_assert_int_eq(bell_pipe_adopt(&network), kIOReturnIPCError);
	ck_assert_int_eq(bell_pipe_adopt(&none), kIOReturnIPCError);
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

struct stuck {
	int fd;
	char *page;
};

static void *
read_into(void *context)
{
	struct stuck *stuck = context;

	ck_assert_int_eq(read(stuck->fd, stuck->page, 1), 1);
	return NULL;
}

/*
 * An app that reads into a page which never comes holds whatever lock the kernel reads under. It
 * takes a privilege here, and elsewhere no more than a file system of the app's own.
 */
START_TEST(a_reader_that_is_stuck_does_not_hold_up_the_host)
{
	int fault = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	struct pollfd stuck_now = {.fd = fault, .events = POLLIN};
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register range = {.mode = UFFDIO_REGISTER_MODE_MISSING};
	struct stuck stuck;
	pthread_t thread;
	int ends[2];

	if (fault < 0)
		return; /* no right to stop the kernel itself at a page */
	ck_assert_int_eq(ioctl(fault, UFFDIO_API, &api), 0);
	stuck.page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(stuck.page, MAP_FAILED);
	range.range.start = (uintptr_t)stuck.page;
	range.range.len = 4096;
	ck_assert_int_eq(ioctl(fault, UFFDIO_REGISTER, &range), 0);
	ck_assert_int_eq(bell_pipe_create(&ends[0], &ends[1]), kIOReturnSuccess);
	bell_pipe_ring(ends[1]);
	stuck.fd = ends[0];
	ck_assert_int_eq(pthread_create(&thread, NULL, read_into, &stuck), 0);
	ck_assert_int_eq(poll(&stuck_now, 1, 10000), 1);
	ck_assert_int_eq(stuck_now.revents, POLLIN);
	bell_pipe_ring(ends[1]);
	close(fault);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert(is_readable(ends[0]));
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
	ck_assert(wait.revents & POLLHUP);
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

UNIT_MAIN("doorbell", each_ring_is_an_edge, one_that_began_with_nothing_rings_once_adopted,
	  one_that_is_full_and_blocking_rings, what_can_hold_a_writer_up_is_no_doorbell,
	  a_full_doorbell_rings_already, a_real_pipe_is_not_shared_once_adopted,
	  what_is_neither_socket_nor_pipe_is_no_bell, the_pipe_rings_until_drained,
	  a_real_pipe_is_drained_too, a_full_pipe_rings_already, draining_never_blocks,
	  a_reader_that_is_stuck_does_not_hold_up_the_host, the_ends_of_the_others,
	  without_descriptors_it_says_so)
