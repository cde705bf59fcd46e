/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries one way to another process. Once through a ring in shared memory with nothing to it: one
 * producer, one consumer, both spin for ever, entries are made and read in place, and a side looks
 * at the other's position only when what it saw last is used up. Once as messages of a socket, one
 * for each call.
 */
#include "peers.h"

#include "ring_entry.h"

#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

struct raw_ring {
	_Alignas(128) _Atomic uint64_t tail;
	_Alignas(128) _Atomic uint64_t head;
	_Alignas(128) struct ring_entry entries[RING_CAPACITY];
};

struct producer {
	struct raw_ring *ring;
	uint64_t tail, head; /* head: as it was seen last */
	unsigned batch;
};

static struct producer producer;

static inline void
relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

static void
check(const struct ring_entry *entry, uint64_t number)
{
	if (ring_entry_is(entry, number))
		return;
	fprintf(stderr, "bench: an entry is not what was sent\n");
	_exit(1);
}

static void
consume(struct raw_ring *ring)
{
	uint64_t head = 0;

	for (;;) {
		uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);

		if (tail == head) {
			relax();
			continue;
		}
		if (tail > head + RING_BATCH_MAX)
			tail = head + RING_BATCH_MAX;
		for (; head < tail; head++)
			check(&ring->entries[head % RING_CAPACITY], head);
		atomic_store_explicit(&ring->head, head, memory_order_release);
	}
}

static bool
open_ring(uint64_t argument, void **ret_state, pid_t *ret_server)
{
	struct raw_ring *ring = mmap(NULL, sizeof(*ring), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (ring == MAP_FAILED)
		return false;
	*ret_server = fork_server();
	if (*ret_server == 0)
		consume(ring);
	producer.ring = ring;
	producer.batch = (unsigned)argument;
	*ret_state = &producer;
	return *ret_server > 0;
}

static void
produce(struct producer *own)
{
	uint64_t end = own->tail + own->batch;

	while (end - own->head > RING_CAPACITY) {
		own->head = atomic_load_explicit(&own->ring->head, memory_order_acquire);
		if (end - own->head > RING_CAPACITY)
			relax();
	}
	for (; own->tail < end; own->tail++)
		ring_entry_write(&own->ring->entries[own->tail % RING_CAPACITY], own->tail);
	atomic_store_explicit(&own->ring->tail, end, memory_order_release);
}

static uint64_t
ring_once(void *state)
{
	struct producer *own = state;

	for (unsigned i = 0; i < RING_TURN; i += own->batch)
		produce(own);
	return 0;
}

static void
receive(int fd)
{
	struct ring_entry entry;

	for (uint64_t number = 0; recv(fd, &entry, sizeof(entry), 0) == sizeof(entry); number++)
		check(&entry, number);
	_exit(0);
}

static bool
open_messages(uint64_t argument, void **ret_state, pid_t *ret_server)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) < 0)
		return false;
	*ret_server = fork_server();
	if (*ret_server == 0) {
		close(ends[0]);
		receive(ends[1]);
	}
	close(ends[1]);
	*ret_state = (void *)(intptr_t)ends[0];
	return *ret_server > 0;
}

static uint64_t
messages_once(void *state)
{
	static uint64_t number;
	struct ring_entry entry;
	int fd = (int)(intptr_t)state;

	for (unsigned i = 0; i < RING_TURN; i++) {
		ring_entry_write(&entry, number++);
		if (send(fd, &entry, sizeof(entry), 0) < 0)
			_exit(1);
	}
	return 0;
}

const struct contestant raw_ring = {
	.name = "a raw ring that spins",
	.open = open_ring,
	.once = ring_once,
	.server_spins = true,
	.batch = 16,
};

const struct contestant raw_messages = {
	.name = "SEQPACKET, a message for each",
	.open = open_messages,
	.once = messages_once,
	.batch = 16,
};
