/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two lines of 128 bytes and a half each way: a word that counts, and 16 words of payload. The
 * least that a round trip between two processes can be.
 */
#include "peers.h"

#include <linux/futex.h>
#include <stdatomic.h>
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
	uint32_t count; /* the client's */
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
send_words(struct way *way, uint32_t count, const uint64_t *words)
{
	for (unsigned i = 0; i < 16; i++)
		way->words[i] = words[i];
	if (atomic_exchange(&way->count, count) & WAITER)
		syscall(SYS_futex, &way->count, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void
serve(struct shared *shared, void (*await)(struct way *way, uint32_t count))
{
	uint64_t words[16];

	for (uint32_t count = 1;; count = (count + 1) & ~WAITER) {
		await(&shared->there, count);
		for (unsigned i = 0; i < 16; i++)
			words[i] = shared->there.words[i];
		send_words(&shared->back, count, words);
	}
}

static bool
open_with(void **ret_state, pid_t *ret_server, void (*await)(struct way *way, uint32_t count))
{
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED)
		return false;
	*ret_server = fork_server();
	if (*ret_server == 0)
		serve(shared, await);
	*ret_state = shared;
	return *ret_server > 0;
}

static void
trip(struct shared *shared, void (*await)(struct way *way, uint32_t count))
{
	uint64_t words[16] = {1, 2, 3};
	volatile uint64_t got;

	shared->count = (shared->count + 1) & ~WAITER;
	send_words(&shared->there, shared->count, words);
	await(&shared->back, shared->count);
	for (unsigned i = 0; i < 16; i++)
		got = shared->back.words[i];
	(void)got;
}

static bool
open_line(uint64_t argument, void **ret_state, pid_t *ret_server)
{
	return open_with(ret_state, ret_server, spin_for);
}

static uint64_t
line_once(void *state)
{
	trip(state, spin_for);
	return 0;
}

static bool
open_futex(uint64_t argument, void **ret_state, pid_t *ret_server)
{
	return open_with(ret_state, ret_server, sleep_for);
}

static uint64_t
futex_once(void *state)
{
	trip(state, sleep_for);
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
