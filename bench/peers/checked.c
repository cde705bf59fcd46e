/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same round trip as in memory.c, by eventfd, epoll and futex, with the checks that two sides
 * need who do not trust each other: slots and generations; what the other side wrote is copied, the
 * copy is checked, and the copy is used. No objects, queues, threads or connections behind it, and
 * nothing for the end of a side.
 */
#include "peers.h"

#include <linux/futex.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WAITER 0x80000000u
#define SLOTS  64
#define WORDS  16u

struct request {
	uint32_t generation; /* 31 bits */
	uint16_t operation, flags;
	uint64_t selector;
	uint32_t in, out; /* words */
	uint64_t zero[4];
	uint64_t words[WORDS];
};

struct reply {
	_Atomic uint32_t answered; /* generation; top: who waits for it sleeps */
	int32_t status;
	uint32_t count, flags;
	uint64_t zero[4];
	uint64_t words[WORDS];
};

struct shared {
	_Alignas(128) _Atomic uint64_t submitted; /* a bit of each slot, flipped */
	_Alignas(128) _Atomic uint64_t armed;	  /* for which sleep the server is armed; 0: none */
	struct {
		_Alignas(128) struct request request;
		_Alignas(128) struct reply reply;
	} slots[SLOTS];
};

static struct {
	struct shared *shared;
	int bell;
	uint64_t rung;
	_Atomic uint64_t free;
	uint32_t generations[SLOTS];
} client = {.free = UINT64_MAX};

/* The copy is what is checked: no read of shared memory is repeated after this. */
static void
copied(void)
{
	__asm__ volatile("" ::: "memory");
}

/* --- the server --- */

static bool
is_good_request(const struct request *request)
{
	return (request->generation & ~WAITER) != 0 && request->operation == 1 &&
	       request->flags == 0 && request->in <= WORDS && request->out <= WORDS &&
	       (request->zero[0] | request->zero[1] | request->zero[2] | request->zero[3]) == 0;
}

static int32_t
method(const struct request *request, uint64_t *out, uint32_t *ret_count)
{
	if (request->selector != 0 || request->in != WORDS || request->out != WORDS)
		return -1;
	memcpy(out, request->words, sizeof(request->words));
	*ret_count = WORDS;
	return 0;
}

/* What a driver is called by. */
static int32_t (*volatile called)(const struct request *request, uint64_t *out,
				  uint32_t *ret_count) = method;

static void
answer(struct shared *shared, unsigned slot)
{
	const struct request *from = &shared->slots[slot].request;
	struct reply *reply = &shared->slots[slot].reply;
	uint64_t words[WORDS] = {0};
	struct request request;
	uint32_t count = 0;

	memcpy(&request, from, offsetof(struct request, words));
	copied();
	if (!is_good_request(&request))
		_exit(1);
	memcpy(request.words, from->words, request.in * sizeof(request.words[0]));
	copied();
	reply->status = called(&request, words, &count);
	if (count > request.out)
		_exit(1);
	memcpy(reply->words, words, count * sizeof(words[0]));
	reply->count = count;
	reply->flags = 0;
	if (atomic_exchange(&reply->answered, request.generation & ~WAITER) & WAITER)
		syscall(SYS_futex, &reply->answered, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void
serve(struct shared *shared, int set)
{
	uint64_t seen = 0, sleeps = 0;
	struct epoll_event event;

	for (;;) {
		uint64_t bits = atomic_load(&shared->submitted), changed = bits ^ seen;

		if (changed == 0) {
			atomic_store(&shared->armed, ++sleeps);
			if (atomic_load(&shared->submitted) == seen &&
			    epoll_wait(set, &event, 1, -1) < 0)
				_exit(0);
			atomic_store_explicit(&shared->armed, 0, memory_order_relaxed);
			continue;
		}
		seen = bits;
		for (; changed != 0; changed &= changed - 1)
			answer(shared, (unsigned)__builtin_ctzll(changed));
	}
}

/* --- the client --- */

static bool
open_checked(uint64_t argument, void **ret_state, pid_t *ret_server)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int set = epoll_create1(EPOLL_CLOEXEC);

	client.bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	client.shared = mmap(NULL, sizeof(*client.shared), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (client.shared == MAP_FAILED || set < 0 || client.bell < 0 ||
	    epoll_ctl(set, EPOLL_CTL_ADD, client.bell, &event) < 0)
		return false;
	*ret_server = fork_server();
	if (*ret_server == 0)
		serve(client.shared, set);
	*ret_state = NULL;
	return *ret_server > 0;
}

static unsigned
take_slot(void)
{
	uint64_t bits = atomic_load(&client.free);

	while (!atomic_compare_exchange_weak(&client.free, &bits, bits & (bits - 1)))
		;
	return (unsigned)__builtin_ctzll(bits);
}

static void
submit(unsigned slot)
{
	static const uint64_t one = 1;
	uint64_t armed;

	atomic_fetch_xor(&client.shared->submitted, UINT64_C(1) << slot);
	armed = atomic_load(&client.shared->armed);
	if (armed == 0 || armed == client.rung)
		return;
	client.rung = armed;
	if (write(client.bell, &one, sizeof(one)) < 0)
		_exit(1);
}

static void
await(_Atomic uint32_t *answered, uint32_t generation)
{
	uint32_t value;

	while (((value = atomic_load(answered)) & ~WAITER) != generation)
		if ((value & WAITER) ||
		    atomic_compare_exchange_strong(answered, &value, value | WAITER))
			syscall(SYS_futex, answered, FUTEX_WAIT, value | WAITER, NULL, NULL, 0);
}

static bool
is_good_reply(const struct reply *reply)
{
	return reply->status == 0 && reply->flags == 0 && reply->count <= WORDS &&
	       (reply->zero[0] | reply->zero[1] | reply->zero[2] | reply->zero[3]) == 0;
}

static uint64_t
checked_once(void *state)
{
	struct request request = {.operation = 1, .in = WORDS, .out = WORDS, .words = {1, 2, 3}};
	unsigned slot = take_slot();
	const struct reply *from = &client.shared->slots[slot].reply;
	struct reply reply;
	volatile uint64_t got;

	request.generation = client.generations[slot] = (client.generations[slot] + 1) & ~WAITER;
	memcpy(&client.shared->slots[slot].request, &request, sizeof(request));
	submit(slot);
	await(&client.shared->slots[slot].reply.answered, request.generation);
	memcpy((void *)&reply, (const void *)from, offsetof(struct reply, words));
	copied();
	if (!is_good_reply(&reply))
		_exit(1);
	memcpy(reply.words, from->words, reply.count * sizeof(reply.words[0]));
	atomic_fetch_or(&client.free, UINT64_C(1) << slot);
	for (unsigned i = 0; i < reply.count; i++)
		got = reply.words[i];
	(void)got;
	return 0;
}

const struct contestant raw_checked = {
	.name = "checked eventfd, epoll and futex",
	.open = open_checked,
	.once = checked_once,
	.batch = 16,
};
