/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two lines of 128 bytes and a half each way: a word that counts, and 16 words of payload. The
 * least that a round trip between two processes can be. In three ways of waiting: spinning, by
 * futex, and the server in epoll on an eventfd that the client writes if the server is armed.
 */
#include "peers.h"

#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WAITER 0x80000000u

struct way {
	_Alignas(128) _Atomic uint32_t count; /* 31 bits; top: who waits for it sleeps */
	_Alignas(128) uint64_t words[16];
};

struct shared {
	struct way there, back;
	_Alignas(128) _Atomic uint32_t armed; /* for which count the server sleeps; 0: for none */
	uint32_t count;			      /* the client's */
};

static void
relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

static void
spin_for(struct way *way, uint32_t count)
{
	while (atomic_load_explicit(&way->count, memory_order_acquire) != count)
		relax();
}

static void
sleep_for(struct way *way, uint32_t count)
{
	uint32_t value;

	while (((value = atomic_load(&way->count)) & ~WAITER) != count)
		if ((value & WAITER) ||
		    atomic_compare_exchange_strong(&way->count, &value, value | WAITER))
			syscall(SYS_futex, &way->count, FUTEX_WAIT, value | WAITER, NULL, NULL, 0);
}

static void
write_words(struct way *way, const uint64_t *words)
{
	for (unsigned i = 0; i < 16; i++)
		way->words[i] = words[i];
}

/* To one who spins: no more than a store, since nobody is to be woken. */
static void
send_plainly(struct way *way, uint32_t count, const uint64_t *words)
{
	write_words(way, words);
	atomic_store_explicit(&way->count, count, memory_order_release);
}

static void
send_words(struct way *way, uint32_t count, const uint64_t *words)
{
	write_words(way, words);
	if (atomic_exchange(&way->count, count) & WAITER)
		syscall(SYS_futex, &way->count, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* How both sides send, and how they wait. */
struct manner {
	void (*send)(struct way *way, uint32_t count, const uint64_t *words);
	void (*await)(struct way *way, uint32_t count);
};

static const struct manner spinning = {send_plainly, spin_for};
static const struct manner sleeping = {send_words, sleep_for};

static void
serve(struct shared *shared, const struct manner *manner)
{
	uint64_t words[16];

	for (uint32_t count = 1;; count = (count + 1) & ~WAITER) {
		manner->await(&shared->there, count);
		for (unsigned i = 0; i < 16; i++)
			words[i] = shared->there.words[i];
		manner->send(&shared->back, count, words);
	}
}

static bool
open_with(void **ret_state, pid_t *ret_server, const struct manner *manner)
{
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED)
		return false;
	*ret_server = fork_server();
	if (*ret_server == 0)
		serve(shared, manner);
	*ret_state = shared;
	return *ret_server > 0;
}

static void
trip(struct shared *shared, const struct manner *manner)
{
	uint64_t words[16] = {1, 2, 3};
	volatile uint64_t got;

	shared->count = (shared->count + 1) & ~WAITER;
	manner->send(&shared->there, shared->count, words);
	manner->await(&shared->back, shared->count);
	for (unsigned i = 0; i < 16; i++)
		got = shared->back.words[i];
	(void)got;
}

/* --- the server in epoll --- */

static int bell, set;

static bool
open_bell(void)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};

	bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	set = epoll_create1(EPOLL_CLOEXEC);
	return bell >= 0 && set >= 0 && epoll_ctl(set, EPOLL_CTL_ADD, bell, &event) == 0;
}

static void
serve_bell(struct shared *shared)
{
	uint64_t words[16];

	for (uint32_t count = 1;; count = (count + 1) & ~WAITER) {
		struct epoll_event event;

		while (atomic_load(&shared->there.count) != count) {
			atomic_store(&shared->armed, count);
			if (atomic_load(&shared->there.count) != count)
				epoll_wait(set, &event, 1, -1);
		}
		atomic_store_explicit(&shared->armed, 0, memory_order_relaxed);
		for (unsigned i = 0; i < 16; i++)
			words[i] = shared->there.words[i];
		send_words(&shared->back, count, words);
	}
}

static bool
open_doorbell(uint64_t argument, void **ret_state, pid_t *ret_server)
{
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED || !open_bell())
		return false;
	*ret_server = fork_server();
	if (*ret_server == 0)
		serve_bell(shared);
	*ret_state = shared;
	return *ret_server > 0;
}

static uint64_t
doorbell_once(void *state)
{
	struct shared *shared = state;
	uint64_t words[16] = {1, 2, 3};
	static const uint64_t one = 1;
	volatile uint64_t got;

	shared->count = (shared->count + 1) & ~WAITER;
	send_words(&shared->there, shared->count, words);
	if (atomic_load(&shared->armed) != 0 && write(bell, &one, sizeof(one)) < 0)
		_exit(1);
	sleep_for(&shared->back, shared->count);
	for (unsigned i = 0; i < 16; i++)
		got = shared->back.words[i];
	(void)got;
	return 0;
}

/* --- */

static bool
open_line(uint64_t argument, void **ret_state, pid_t *ret_server)
{
	return open_with(ret_state, ret_server, &spinning);
}

static uint64_t
line_once(void *state)
{
	trip(state, &spinning);
	return 0;
}

static bool
open_futex(uint64_t argument, void **ret_state, pid_t *ret_server)
{
	return open_with(ret_state, ret_server, &sleeping);
}

static uint64_t
futex_once(void *state)
{
	trip(state, &sleeping);
	return 0;
}

const struct contestant raw_line = {
	.name = "raw cache lines",
	.open = open_line,
	.once = line_once,
	.server_spins = true,
	.batch = 64,
};

const struct contestant raw_futex = {
	.name = "raw futex",
	.open = open_futex,
	.once = futex_once,
	.batch = 16,
};

const struct contestant raw_doorbell = {
	.name = "raw eventfd, epoll and futex",
	.open = open_doorbell,
	.once = doorbell_once,
	.batch = 16,
};
