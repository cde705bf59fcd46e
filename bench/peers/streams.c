/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streaming without a driver: buffers from a pool, oldest first, each written whole by one side and
 * read whole by the other, so many underway. Once through a ring in one process, which is what a
 * program has that runs its USB stack itself; once copied through a socket to a daemon.
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
	size_t size;
	unsigned count, depth;
	bool shares_cpu; /* the two threads are on one */
	XXH3_state_t *hash;
	uint64_t next, seen;
	uint64_t sent_at[STREAM_DEPTH_MAX];
	_Alignas(128) _Atomic uint64_t sent;
	_Alignas(128) _Atomic uint64_t done;
};

static uint8_t *
buffer_of(const struct thread_state *state, uint64_t number)
{
	return state->pool + number % state->count * state->size;
}

/* The other side: takes each buffer in turn. */
static void *
serve(struct thread_state *state, void (*use)(struct thread_state *state, uint64_t number))
{
	pin(0, server_cpu);
	for (uint64_t i = 0;; i++) {
		unsigned turns = 0;

		while (atomic_load_explicit(&state->sent, memory_order_acquire) == i)
			stream_wait(state->shares_cpu, &turns);
		use(state, i);
		atomic_store_explicit(&state->done, i + 1, memory_order_release);
	}
	return NULL;
}

static void
hash_one(struct thread_state *state, uint64_t number)
{
	XXH3_64bits_update(state->hash, buffer_of(state, number), state->size);
}

/* The pattern of the virtual source: 64-bit words that count. */
static void
fill_one(struct thread_state *state, uint64_t number)
{
	uint64_t *words = (uint64_t *)(void *)buffer_of(state, number);

	for (size_t i = 0; i < state->size / sizeof(*words); i++)
		words[i] = number * (state->size / sizeof(*words)) + i;
}

static void *
be_sink(void *context)
{
	return serve(context, hash_one);
}

static void *
be_source(void *context)
{
	return serve(context, fill_one);
}

static bool
open_thread(uint64_t argument, void **ret_state, pid_t *ret_server, void *(*run)(void *context))
{
	const struct stream_shape *shape = (const void *)(uintptr_t)argument;
	struct thread_state *state = aligned_alloc(128, sizeof(*state));
	pthread_t thread;

	if (state == NULL)
		return false;
	memset(state, 0, sizeof(*state));
	state->size = shape->size;
	state->count = stream_count(shape);
	state->depth = stream_depth(shape);
	state->shares_cpu = server_cpu == 0;
	state->hash = XXH3_createState();
	XXH3_64bits_reset(state->hash);
	state->pool = mmap(NULL, state->count * state->size, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	*ret_state = state;
	*ret_server = 0;
	return state->pool != MAP_FAILED && pthread_create(&thread, NULL, run, state) == 0;
}

static bool
open_sink(uint64_t argument, void **ret_state, pid_t *ret_server)
{
	return open_thread(argument, ret_state, ret_server, be_sink);
}

static bool
open_source(uint64_t argument, void **ret_state, pid_t *ret_server)
{
	return open_thread(argument, ret_state, ret_server, be_source);
}

static void
await(struct thread_state *state, uint64_t count)
{
	unsigned turns = 0;

	while (atomic_load_explicit(&state->done, memory_order_acquire) < count)
		stream_wait(state->shares_cpu, &turns);
}

static void
give(struct thread_state *state)
{
	state->next++;
	atomic_store_explicit(&state->sent, state->next, memory_order_release);
}

static uint64_t
out_once(void *context)
{
	struct thread_state *state = context;

	if (state->next >= state->depth)
		await(state, state->next - state->depth + 1);
	memset(buffer_of(state, state->next), (int)state->next, state->size);
	give(state);
	return 0;
}

/* From a buffer's sending until its sender finds it done. */
static uint64_t
latency_once(void *context)
{
	struct thread_state *state = context;
	uint64_t *sent_at;

	memset(buffer_of(state, state->next), (int)state->next, state->size);
	state->sent_at[state->next % STREAM_DEPTH_MAX] = now_nsec();
	give(state);
	if (state->next - state->seen < state->depth)
		return 1; /* the first ones, before so many are underway */
	await(state, state->seen + 1);
	sent_at = &state->sent_at[state->seen++ % STREAM_DEPTH_MAX];
	return now_nsec() - *sent_at;
}

static uint64_t
in_once(void *context)
{
	struct thread_state *state = context;

	while (state->next - state->seen < state->depth)
		give(state);
	await(state, state->seen + 1);
	hash_one(state, state->seen++);
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
	const struct stream_shape *shape = (const void *)(uintptr_t)argument;
	struct socket_state *state = calloc(1, sizeof(*state));
	int ends[2], room = 4 << 20;

	if (state == NULL || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		return false;
	setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	*ret_server = fork_server();
	if (*ret_server == 0) {
		close(ends[0]);
		hash_socket(ends[1], shape->size);
	}
	close(ends[1]);
	state->fd = ends[0];
	state->size = shape->size;
	state->count = stream_count(shape);
	state->pool = malloc(state->count * state->size);
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
	.open = open_sink,
	.once = out_once,
	.server_spins = true,
	.batch = 16,
};

const struct contestant thread_latency = {
	.name = "one process, two threads, a ring",
	.open = open_sink,
	.once = latency_once,
	.server_spins = true,
	.batch = 1,
};

const struct contestant thread_in_stream = {
	.name = "one process, two threads, a ring",
	.open = open_source,
	.once = in_once,
	.server_spins = true,
	.batch = 16,
};

const struct contestant socket_stream = {
	.name = "copied through a stream socket",
	.open = open_socket,
	.once = socket_once,
	.batch = 16,
};
