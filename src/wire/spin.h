/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When to spin: for a while, instead of sleeping at once, and only where that can help.
 *
 * A peer that last ran on this CPU cannot answer while we spin here; so each side publishes its CPU
 * (spin_cpu) whenever it sends. Elsewhere a spin lasts at most SPIN_BUDGET, which is more than it
 * takes to wake a process on another CPU: with less, a call that found both sides asleep would find
 * them so for ever after. A spin that failed makes the next 1, 2, 4 ... 64 chances go by.
 *
 * An app that waits for the end of a buffer while its host works on it spins for longer: of a
 * stream the next end is due in what the host needs for a buffer, and to be woken for it would cost
 * the host, which is the slower side then, as much as half of that.
 */
#ifndef WIRE_SPIN_H
#define WIRE_SPIN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SPIN_BUDGET (UINT64_C(50) * 1000) /* ns */
/* Of an app that waits for what its host does, while that is seen to be awake. */
#define SPIN_BUDGET_AWAKE (4 * SPIN_BUDGET)
/* Turns between two looks at the clock, which costs as much as one turn. */
#define SPIN_TURNS 16u

/* The CPU of this thread, plus one. 0 stands for a CPU that is not known. */
uint32_t spin_cpu(void);
/* Whether who last ran on `peer` may run while who is on `own` spins. */
static inline bool
spin_is_elsewhere(uint32_t own, uint32_t peer)
{
	return own != 0 && peer != 0 && peer != own;
}

/* Whether both certainly were on one. */
static inline bool
spin_is_here(uint32_t own, uint32_t peer)
{
	return own != 0 && own == peer;
}

/* spin_is_elsewhere, and this thread spins. */
bool spin_can_help(uint32_t peer);

/* Zeroed at first. Threads that share one may lose a step of it, which costs a spin. */
struct spin_backoff {
	_Atomic uint32_t failed; /* the length of the pause after the last failure; 0: none */
	_Atomic uint32_t left;	 /* chances that still go by */
};

/* Whether to spin this time. Relaxed, as in spin_ended: the counts order nothing. */
static inline bool
spin_allowed(struct spin_backoff *backoff)
{
	uint32_t left = atomic_load_explicit(&backoff->left, memory_order_relaxed);

	if (left == 0)
		return true;
	atomic_store_explicit(&backoff->left, left - 1, memory_order_relaxed);
	return false;
}

void spin_ended(struct spin_backoff *backoff, bool worked);

static inline void
spin_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif
