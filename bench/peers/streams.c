/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streaming without a driver: buffers from a pool of 8 MiB, oldest first, each written whole by one
 * side and hashed whole by the other, 8 underway. Once through a ring in one process, which is what
 * a program has that runs its USB stack itself; once copied through a socket to a daemon.
 */
#include "peers.h"

#include "stream_shape.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xxhash.h>

struct thread_state {
	uint8_t *pool;
	size_t size, count;
	size_t next;
	_Alignas(128) _Atomic uint64_t sent;
	_Alignas(128) _Atomic uint64_t done;
};

static void *
hash_buffers(void *context)
{
	struct thread_state *state = context;
	XXH3_state_t *hash = XXH3_createState();

	XXH3_64bits_reset(hash);
	pin(0, server_cpu);
	for (size_t i = 0;; i++) {
		unsigned turns = 0;

		while (atomic_load_explicit(&state->sent, memory_order_acquire) == i)
			stream_wait(&turns);
		XXH3_64bits_update(hash, state->pool + i % state->count * state->size, state->size);
		atomic_store_explicit(&state->done, i + 1, memory_order_release);
	}
	return NULL;
}

static bool
open_thread(uint64_t argument, void **ret_state, pid_t *ret_server)
{
	struct thread_state *state = aligned_alloc(128, sizeof(*state));
	pthread_t thread;

	if (state == NULL)
		return false;
	memset(state, 0, sizeof(*state));
	state->size = argument;
	state->count = STREAM_POOL / argument;
	state->pool = mmap(NULL, STREAM_POOL, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	*ret_state = state;
	*ret_server = 0;
	return state->pool != MAP_FAILED && pthread_create(&thread, NULL, hash_buffers, state) == 0;
}

static uint64_t
thread_once(void *context)
{
	struct thread_state *state = context;
	unsigned turns = 0;

	while (state->next - atomic_load_explicit(&state->done, memory_order_acquire) >=
	       STREAM_DEPTH)
		stream_wait(&turns);
	memset(state->pool + state->next % state->count * state->size, (int)state->next,
	       state->size);
	state->next++;
	atomic_store_explicit(&state->sent, state->next, memory_order_release);
	return 0;
}

struct socket_state {
	uint8_t *pool;
	size_t size, count, next;
	int fd;
};

static void
hash_socket(int fd, size_t size)
{
	XXH3_state_t *hash = XXH3_createState();
	uint8_t *bytes = malloc(size);

	XXH3_64bits_reset(hash);
	for (;;) {
		ssize_t got = recv(fd, bytes, size, MSG_WAITALL);

		if (got <= 0)
			_exit(0);
		XXH3_64bits_update(hash, bytes, (size_t)got);
	}
}

static bool
open_socket(uint64_t argument, void **ret_state, pid_t *ret_server)
{
	struct socket_state *state = calloc(1, sizeof(*state));
	int ends[2], room = 4 << 20;

	if (state == NULL || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		return false;
	setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	*ret_server = fork_server();
	if (*ret_server == 0) {
		close(ends[0]);
		hash_socket(ends[1], argument);
	}
	close(ends[1]);
	state->fd = ends[0];
	state->size = argument;
	state->count = STREAM_POOL / argument;
	state->pool = malloc(STREAM_POOL);
	*ret_state = state;
	return state->pool != NULL && *ret_server > 0;
}

static uint64_t
socket_once(void *context)
{
	struct socket_state *state = context;
	uint8_t *buffer = state->pool + state->next % state->count * state->size;

	memset(buffer, (int)state->next++, state->size);
	for (size_t at = 0; at < state->size;) {
		ssize_t sent = send(state->fd, buffer + at, state->size - at, 0);

		if (sent <= 0)
			_exit(1);
		at += (size_t)sent;
	}
	return 0;
}

const struct contestant thread_stream = {
	.name = "one process, two threads, a ring",
	.open = open_thread,
	.once = thread_once,
	.server_spins = true,
	.batch = 16,
};

const struct contestant socket_stream = {
	.name = "copied through a stream socket",
	.open = open_socket,
	.once = socket_once,
	.batch = 16,
};
