/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors wait in a list for a thread that has nothing to close. If there is none, another one
 * is made, up to CLOSERS_MAX; they are not many, because nothing that is sent by an honest peer
 * comes here. Of one user a quarter of them is busy at most, so that others' are closed whatever
 * one user sends. When one has to wait all threads are nudged: that ends the wait of a TCP socket,
 * not that of FUSE, for which its owner has to be ended. What waits then is closed when it can be.
 */
#include "closing.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bounds.h"
#include "log.h"
#include "nudge.h"
#include "packet.h"

#define CLOSERS_MAX  32u
#define CLOSERS_USER (CLOSERS_MAX / 4)
#define CLOSER_STACK (256u * 1024)	       /* a sanitizer has its own there */
#define BLOCKS_MAX   (UINT64_C(16) << 20 >> 9) /* whose pages are given back in a millisecond */

struct foreign {
	int fd;
	uint32_t owner;
	void (*then)(uint64_t value); /* NULL: nothing is to be done */
	uint64_t value;
};

static struct {
	pthread_mutex_t lock; /* comes after all others */
	pthread_cond_t more;
	bool begun;
	struct foreign *waiting; /* [lock], as all below */
	size_t count, size;
	unsigned idle, threads;
	pthread_t closers[CLOSERS_MAX];
	struct foreign busy[CLOSERS_MAX]; /* what each has; fd -1: nothing */
} closing = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

void
closing_begin(void)
{
	nudge_begin();
	closing.begun = true;
}

static unsigned
busy_with_locked(uint32_t owner)
{
	unsigned busy = 0;

	for (unsigned i = 0; i < closing.threads; i++)
		busy += closing.busy[i].fd >= 0 && closing.busy[i].owner == owner;
	return busy;
}

/* One whose owner has a thread left. False: there is none. */
static bool
take_locked(struct foreign *ret_foreign)
{
	for (size_t i = closing.count; i > 0; i--) {
		if (busy_with_locked(closing.waiting[i - 1].owner) >= CLOSERS_USER)
			continue;
		*ret_foreign = closing.waiting[i - 1];
		closing.waiting[i - 1] = closing.waiting[--closing.count];
		return true;
	}
	return false;
}

/* Those that a thread may take. */
static size_t
count_due_locked(void)
{
	size_t due = 0;

	for (size_t i = 0; i < closing.count; i++)
		due += busy_with_locked(closing.waiting[i].owner) < CLOSERS_USER;
	return due;
}

static void *
closer(void *context)
{
	struct foreign *mine = context;

	nudge_accept();
	pthread_mutex_lock(&closing.lock);
	for (;;) {
		void (*then)(uint64_t value);
		int fd;

		while (!take_locked(mine)) {
			closing.idle++;
			pthread_cond_wait(&closing.more, &closing.lock);
			closing.idle--;
		}
		fd = mine->fd;
		then = mine->then;
		pthread_mutex_unlock(&closing.lock);
		fd_close(&fd);
		if (then != NULL)
			then(mine->value);
		pthread_mutex_lock(&closing.lock);
		mine->fd = -1;
	}
	return NULL;
}

static bool
start_locked(void)
{
	struct foreign *mine = &closing.busy[closing.threads];
	pthread_attr_t attributes;
	bool started = false;

	if (closing.threads == CLOSERS_MAX || pthread_attr_init(&attributes) != 0)
		return false;
	mine->fd = -1;
	if (pthread_attr_setstacksize(&attributes, CLOSER_STACK) == 0 &&
	    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0)
		started = pthread_create(&closing.closers[closing.threads], &attributes, closer,
					 mine) == 0;
	pthread_attr_destroy(&attributes);
	closing.threads += started;
	return started;
}

static bool
append_locked(const struct foreign *foreign)
{
	if (closing.count == closing.size) {
		size_t size = closing.size == 0 ? 16 : closing.size * 2;
		struct foreign *grown = realloc(closing.waiting, size * sizeof(*grown));

		if (grown == NULL)
			return false;
		closing.waiting = grown;
		closing.size = size;
	}
	closing.waiting[closing.count++] = *foreign;
	return true;
}

/* No memory for a number: it stays open rather than block. */
static void
close_aside(const struct foreign *foreign)
{
	uint32_t owner = foreign->owner;

	pthread_mutex_lock(&closing.lock);
	if (!append_locked(foreign)) {
		log_error("a descriptor is left open: no memory to have it closed");
	} else if (busy_with_locked(owner) < CLOSERS_USER &&
		   (closing.idle >= count_due_locked() || start_locked())) {
		pthread_cond_signal(&closing.more);
	} else {
		for (unsigned i = 0; i < closing.threads; i++)
			nudge_thread(closing.closers[i]);
	}
	pthread_mutex_unlock(&closing.lock);
}

/* Only memory of the kernel's own can be sealed. Of much of it the last close takes its time. */
static bool
is_closed_at_once(int fd)
{
	struct stat about;

	return fcntl(fd, F_GET_SEALS) >= 0 && fstat(fd, &about) == 0 &&
	       (uint64_t)about.st_blocks <= BLOCKS_MAX;
}

void
fd_close_foreign_then(int *fd, uint32_t owner, void (*then)(uint64_t value), uint64_t value)
{
	const struct foreign foreign = {*fd, owner, then, value};
	int saved = errno;

	if (*fd < 0 || !closing.begun || is_closed_at_once(*fd)) {
		fd_close(fd);
		if (then != NULL)
			then(value);
	} else {
		close_aside(&foreign);
	}
	*fd = -1;
	errno = saved;
}

void
fd_close_foreign(int *fd, uint32_t owner)
{
	fd_close_foreign_then(fd, owner, NULL, 0);
}

/* Nothing can come any more. */
static bool
is_read_to_the_end(int socket)
{
	struct msghdr message = {0};

	if (shutdown(socket, SHUT_RD) < 0)
		return errno == ENOTCONN;
	if (recvmsg(socket, &message, MSG_PEEK | MSG_DONTWAIT) < 0)
		return errno == EAGAIN || errno == ECONNRESET;
	/* Of a packet there would be bytes, or descriptors, that found no room. */
	return message.msg_flags == 0;
}

void
socket_close_foreign(int *socket, uint32_t owner)
{
	int saved = errno;

	if (*socket < 0 || !closing.begun || is_read_to_the_end(*socket)) {
		fd_close(socket);
	} else {
		/* It may take time, or memory that is not there: the peer does not wait. */
		shutdown(*socket, SHUT_RDWR);
		close_aside(&(struct foreign){.fd = *socket, .owner = owner});
	}
	*socket = -1;
	errno = saved;
}

bool
closing_has_room(uint32_t owner)
{
	unsigned count;

	pthread_mutex_lock(&closing.lock);
	count = busy_with_locked(owner);
	for (size_t i = 0; i < closing.count; i++)
		count += closing.waiting[i].owner == owner;
	pthread_mutex_unlock(&closing.lock);
	return count < DEXT_LIMIT_CLOSING_USER;
}
