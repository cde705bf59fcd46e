/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors wait in a list for a thread that has nothing to close. If there is none, another one
 * is made, up to CLOSERS_MAX; they are not many, because nothing that is sent by an honest peer
 * comes here. When that many are stuck each is nudged: that ends the wait of a TCP socket, not
 * that of FUSE, for which its owner has to be ended. What waits then is closed when it can be.
 */
#include "closing.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "nudge.h"
#include "packet.h"

#define CLOSERS_MAX  32u
#define CLOSER_STACK (256u * 1024) /* a sanitizer has its own there */

static struct {
	pthread_mutex_t lock; /* comes after all others */
	pthread_cond_t more;
	bool begun;
	int *waiting; /* [lock], as all below */
	size_t count, size;
	unsigned idle, threads;
	pthread_t closers[CLOSERS_MAX];
} closing = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

void
closing_begin(void)
{
	nudge_begin();
	closing.begun = true;
}

static void *
closer(void *context)
{
	nudge_accept();
	pthread_mutex_lock(&closing.lock);
	for (;;) {
		int fd;

		while (closing.count == 0) {
			closing.idle++;
			pthread_cond_wait(&closing.more, &closing.lock);
			closing.idle--;
		}
		fd = closing.waiting[--closing.count];
		pthread_mutex_unlock(&closing.lock);
		fd_close(&fd);
		pthread_mutex_lock(&closing.lock);
	}
	return NULL;
}

static bool
start_locked(void)
{
	pthread_attr_t attributes;
	bool started = false;

	if (closing.threads == CLOSERS_MAX || pthread_attr_init(&attributes) != 0)
		return false;
	if (pthread_attr_setstacksize(&attributes, CLOSER_STACK) == 0 &&
	    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0)
		started = pthread_create(&closing.closers[closing.threads], &attributes, closer,
					 NULL) == 0;
	pthread_attr_destroy(&attributes);
	closing.threads += started;
	return started;
}

static bool
append_locked(int fd)
{
	if (closing.count == closing.size) {
		size_t size = closing.size == 0 ? 16 : closing.size * 2;
		int *grown = realloc(closing.waiting, size * sizeof(int));

		if (grown == NULL)
			return false;
		closing.waiting = grown;
		closing.size = size;
	}
	closing.waiting[closing.count++] = fd;
	return true;
}

/* No memory for a number: it stays open rather than block. */
static void
close_aside(int fd)
{
	pthread_mutex_lock(&closing.lock);
	if (!append_locked(fd)) {
		log_error("a descriptor is left open: no memory to have it closed");
	} else if (closing.idle >= closing.count || start_locked()) {
		pthread_cond_signal(&closing.more);
	} else {
		for (unsigned i = 0; i < closing.threads; i++)
			nudge_thread(closing.closers[i]);
	}
	pthread_mutex_unlock(&closing.lock);
}

void
fd_close_foreign(int *fd)
{
	int saved = errno;

	/* Only memory of the kernel's own can be sealed, and is closed in no time. */
	if (*fd < 0 || !closing.begun || fcntl(*fd, F_GET_SEALS) >= 0)
		fd_close(fd);
	else
		close_aside(*fd);
	*fd = -1;
	errno = saved;
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
socket_close_foreign(int *socket)
{
	int saved = errno;

	if (*socket < 0 || !closing.begun || is_read_to_the_end(*socket))
		fd_close(socket);
	else
		close_aside(*socket);
	*socket = -1;
	errno = saved;
}
