/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors of every kind that is no memory, and memory that is not what it should be. */
#include "attacks.h"
#include "echo.h"
#include "slow_files.h"

#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#define KINDS_MAX 32u
#define LINGERING 40u /* more than there are threads that close */

/* Wherever descriptors are taken: both close them. Some the kernel does not send. */
static void
send_to_both(int fd)
{
	int registry = enemy_registry();
	bool is_sent = enemy_send(registry, PACKET_LOOKUP, bytes, 40, &fd, 1) == 0;

	if (is_sent)
		enemy_expect_end(registry);
	close(registry);
	NEED(!is_sent || enemy_hand_over(&enemies[0], fd, 8192) != kIOReturnSuccess);
}

static int
io_uring(void)
{
	struct io_uring_params parameters = {0};

	return (int)syscall(SYS_io_uring_setup, 4, &parameters);
}

/* Watched by itself through another one: the kernel has a depth for that. */
static int
epoll_of_epoll(void)
{
	int outer = epoll_create1(EPOLL_CLOEXEC), inner = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN};

	NEED(outer >= 0 && epoll_ctl(outer, EPOLL_CTL_ADD, inner, &event) == 0);
	close(inner);
	return outer;
}

static int
unlinked_file(void)
{
	char path[] = "/tmp/hostile-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	NEED(fd >= 0 && ftruncate(fd, INT64_C(1) << 40) == 0 && unlink(path) == 0);
	return fd;
}

/* What a kernel has not got is -1, and left out. */
void
wrong_kinds(void)
{
	sigset_t none;
	int kinds[KINDS_MAX], pair[2], pipes[2];
	unsigned count = 0;

	enemy_open_first();
	sigemptyset(&none);
	NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	NEED(pipe2(pipes, O_CLOEXEC) == 0);
	kinds[count++] = open("/", O_DIRECTORY | O_CLOEXEC);
	kinds[count++] = open("/", O_PATH | O_CLOEXEC);
	kinds[count++] = open("/dev/zero", O_RDWR | O_CLOEXEC);
	kinds[count++] = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	kinds[count++] = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	kinds[count++] = unlinked_file();
	kinds[count++] = pair[0];
	kinds[count++] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	kinds[count++] = dup(enemies[0].socket); /* its own connection */
	kinds[count++] = pipes[0];
	kinds[count++] = pipes[1];
	kinds[count++] = eventfd(0, EFD_CLOEXEC);
	kinds[count++] = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	kinds[count++] = signalfd(-1, &none, SFD_CLOEXEC);
	kinds[count++] = inotify_init1(IN_CLOEXEC);
	kinds[count++] = epoll_of_epoll();
	kinds[count++] = (int)syscall(SYS_pidfd_open, getpid(), 0);
	kinds[count++] = io_uring();
	kinds[count++] = (int)syscall(SYS_userfaultfd, UFFD_USER_MODE_ONLY | O_CLOEXEC);
#ifdef SYS_memfd_secret
	kinds[count++] = (int)syscall(SYS_memfd_secret, 0);
#endif
	kinds[count++] = memfd_create("hostile", MFD_CLOEXEC | MFD_HUGETLB | MFD_ALLOW_SEALING);
	kinds[count++] = enemy_memory(8192, 0);				   /* not sealed */
	kinds[count++] = enemy_memory(8192, F_SEAL_GROW);		   /* the other one */
	kinds[count++] = enemy_memory(4096, F_SEAL_SHRINK);		   /* too short */
	kinds[count++] = enemy_memory(0, F_SEAL_SHRINK);		   /* of nothing */
	kinds[count++] = enemy_memory(8192, F_SEAL_SHRINK | F_SEAL_WRITE); /* not to be written */
	NEED(count <= KINDS_MAX);
	for (unsigned i = 0; i < count; i++)
		if (kinds[i] >= 0)
			send_to_both(kinds[i]);
	close(pair[1]);
	NEED(enemy_is_served(&enemies[0]));
}

/* The last close of such a one waits until its peer has read, for as long as its owner has said. */
static int
lingering(int listener, const struct sockaddr_in *place)
{
	const struct linger long_time = {.l_onoff = 1, .l_linger = 100000};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	NEED(connect(fd, (const struct sockaddr *)place, sizeof(*place)) == 0);
	NEED(accept4(listener, NULL, NULL, SOCK_CLOEXEC) >= 0);
	while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	NEED(setsockopt(fd, SOL_SOCKET, SO_LINGER, &long_time, sizeof(long_time)) == 0);
	return fd;
}

/* Its own close may be the one that waits: in a thread, which nobody waits for. */
static void *
close_it(void *context)
{
	close((int)(intptr_t)context);
	return NULL;
}

void
files_that_linger(void)
{
	struct sockaddr_in place = {.sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t length = sizeof(place);

	NEED(bind(listener, (struct sockaddr *)&place, length) == 0);
	NEED(listen(listener, LINGERING) == 0);
	NEED(getsockname(listener, (struct sockaddr *)&place, &length) == 0);
	enemy_open_first();
	for (unsigned i = 0; i < LINGERING; i++) {
		int fd = lingering(listener, &place), registry = enemy_registry();
		pthread_t thread;

		if (i % 2 == 0)
			enemy_send(registry, PACKET_LOOKUP, bytes, 40, &fd, 1);
		else
			enemy_send(enemies[0].socket, PACKET_STRUCTURES, bytes,
				   sizeof(struct structures_body), &fd, 1);
		NEED(pthread_create(&thread, NULL, close_it, (void *)(intptr_t)fd) == 0);
		enemy_expect_end(i % 2 == 0 ? registry : enemies[0].socket);
		close(registry);
		if (i % 2 != 0) {
			enemy_close(&enemies[0]);
			enemy_open_first();
		}
	}
	NEED(enemy_is_served(&enemies[0]));
}

/* Each close of such a one waits until its file system answers, which is this process. */
void
files_of_its_own(void)
{
	enemy_open_first();
	for (unsigned i = 0; i < LINGERING; i++) {
		int registry = enemy_registry();

		enemy_send(registry, PACKET_LOOKUP, bytes, 40, &slow_file, 1);
		enemy_expect_end(registry);
		close(registry);
		NEED(enemy_give(&enemies[0], slow_file, 8192) != kIOReturnSuccess);
	}
	NEED(enemy_is_served(&enemies[0]));
}

/*
 * More of them than may wait to be closed, and more again on other connections: each ends when it
 * has sent too much, those after the first at once, so that they do not add up.
 */
void
many_files_of_its_own(void)
{
	const struct structures_body one = {.generation = 1, .flags = STRUCTURES_OUTPUT};
	int fds[PACKET_FDS_MAX];

	for (unsigned i = 0; i < PACKET_FDS_MAX; i++)
		fds[i] = slow_file;
	enemy_open_first();
	for (unsigned slot = 0; slot < CALL_PAGE_SLOTS; slot++) {
		const struct structures_body body = {
			.slot = slot,
			.generation = 1,
			.flags = STRUCTURES_INPUT | STRUCTURES_OUTPUT,
		};

		enemy_send(enemies[0].socket, PACKET_STRUCTURES, &body, sizeof(body), fds, 2);
	}
	enemy_expect_end(enemies[0].socket);
	for (unsigned i = 0; i < LINGERING; i++) {
		enemy_close(&enemies[0]);
		enemy_open_first();
		enemy_send(enemies[0].socket, PACKET_STRUCTURES, &one, sizeof(one), fds, 1);
		enemy_expect_end(enemies[0].socket);
	}
	/* None of these comes into the registry. */
	for (unsigned i = 0; i < LINGERING; i++) {
		int registry = enemy_registry();

		enemy_send(registry, PACKET_LOOKUP, bytes, 40, fds, PACKET_FDS_MAX);
		enemy_expect_end(registry);
		close(registry);
	}
}

/* --- memory that is there or not --- */

static void *
read_into(void *memory)
{
	(void)!read(enemies[0].bell, memory, 4096);
	return NULL;
}

static int fault = -1;

void
fault_prepare(void)
{
	fault = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (fault < 0)
		attack_is_not_here(
			"this user may not have a userfaultfd of the kernel's own faults");
}

/*
 * Nobody answers for these pages. The enemy reads its bell into them, so that the kernel waits for
 * them on its behalf, and hands the same memory over to the host, which has a mapping of its own.
 */
void
memory_that_does_not_come(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register range = {.mode = UFFDIO_REGISTER_MODE_MISSING};
	int fd = enemy_memory(65536, F_SEAL_SHRINK);
	void *memory = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct call_request *request;
	pthread_t thread;

	NEED(memory != MAP_FAILED && ioctl(fault, UFFDIO_API, &api) == 0);
	range.range.start = (uintptr_t)memory;
	range.range.len = 65536;
	NEED(ioctl(fault, UFFDIO_REGISTER, &range) == 0);
	enemy_open_first();
	NEED(pthread_create(&thread, NULL, read_into, memory) == 0);
	NEED(enemy_hand_over(&enemies[0], fd, 65536) == kIOReturnSuccess);
	/* Completions that the bell rings for. */
	for (unsigned i = 0; i < 100; i++) {
		atomic_store(&enemies[0].page.page->ring_armed.flag, i + 1);
		request = enemy_request(&enemies[0], 0, CALL_METHOD, ECHO_COMPLETE);
		request->flags = CALL_ASYNC;
		request->async_index = i;
		request->async_generation = 1;
		NEED(enemy_call(&enemies[0], 0, ENEMY_WAIT));
	}
	NEED(enemy_is_served(&enemies[0]));
}

/* 512 GiB that are not there: refused, and nothing of them made. */
void
sparse_file(void)
{
	enemy_open_first();
	NEED(enemy_hand_over(&enemies[0], enemy_memory(UINT64_C(512) << 30, F_SEAL_SHRINK),
			     UINT64_C(512) << 30) != kIOReturnSuccess);
	NEED(enemy_is_served(&enemies[0]));
}

void
truncates(void)
{
	int fd = enemy_memory(65536, F_SEAL_SHRINK), kept = dup(fd);

	enemy_open_first();
	NEED(enemy_hand_over(&enemies[0], fd, 65536) == kIOReturnSuccess);
	NEED(ftruncate(kept, 0) < 0 && errno == EPERM);
	NEED(fallocate(kept, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 65536) == 0);
	NEED(enemy_is_served(&enemies[0]));
}

static _Atomic bool cutting;

static void *
cut(void *context)
{
	int fd = *(const int *)context;

	while (atomic_load(&cutting))
		NEED(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 65536) == 0);
	return NULL;
}

/* The driver copies the structure while its pages go and come. */
void
cuts_holes(void)
{
	int fd = enemy_memory(65536, F_SEAL_SHRINK);
	pthread_t thread;

	enemy_open_first();
	atomic_store(&cutting, true);
	NEED(pthread_create(&thread, NULL, cut, &fd) == 0);
	for (unsigned i = 0; i < 200; i++) {
		struct call_request *request =
			enemy_request(&enemies[0], 0, CALL_METHOD, ECHO_BACK);
		const struct structures_body body = {
			.slot = 0,
			.generation = request->generation,
			.flags = STRUCTURES_INPUT | STRUCTURES_OUTPUT,
		};
		const int both[] = {fd, fd};

		NEED(enemy_send(enemies[0].socket, PACKET_STRUCTURES, &body, sizeof(body), both,
				2) == 0);
		request->flags = CALL_LARGE_INPUT | CALL_LARGE_OUTPUT;
		request->structure_in_size = request->structure_out_size = 65536;
		NEED(enemy_call(&enemies[0], 0, ENEMY_WAIT));
	}
	atomic_store(&cutting, false);
	pthread_join(thread, NULL);
	NEED(enemy_is_served(&enemies[0]));
}
