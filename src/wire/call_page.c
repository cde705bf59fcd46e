/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The call page and its two directions: calls from client to host, completions from host to client.
 *
 * Every pair of the kind "write mine, then read yours" is seq_cst on both sides: with weaker orders
 *the two reads may both be served before the two writes, and a wake-up is lost. The pairs are
 *
 *	submitted.bits  (client)  against  armed.flag       (host)
 *	tail.index      (host)    against  ring_armed.flag  (client)
 *	head.index      (client)  against  overflow.flag    (host)
 *
 * Nothing here blocks but call_slot_wait, and nothing here makes a system call but the futex. The
 *callers' own counts (`seen`, `head`, `tail`) are never read back from memory that the peer can
 *write.
 */
#include "call_page.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

#define RING_MASK (COMPLETION_RING_MAX - 1)

void
call_page_init(struct call_page *page)
{
	page->header.magic = CALL_PAGE_MAGIC;
	page->header.version = CALL_PAGE_VERSION;
	page->header.slots = CALL_PAGE_SLOTS;
	page->header.ring_entries = COMPLETION_RING_MAX;
	atomic_store_explicit(&page->armed.flag, 1, memory_order_seq_cst);
}

bool
call_page_is_valid(const struct call_page *page)
{
	return page->header.magic == CALL_PAGE_MAGIC && page->header.version == CALL_PAGE_VERSION &&
	       page->header.slots == CALL_PAGE_SLOTS &&
	       page->header.ring_entries == COMPLETION_RING_MAX;
}

bool
call_page_submit(struct call_page *page, unsigned index)
{
	/*
	 * Pairs with the load in call_page_take, which sees the request complete, and, with the
	 * load after it, with call_page_arm: either this side sees the host armed or the host sees
	 * the bit.
	 */
	atomic_fetch_xor_explicit(&page->submitted.bits, UINT64_C(1) << index,
				  memory_order_seq_cst);
	return atomic_load_explicit(&page->armed.flag, memory_order_seq_cst) != 0;
}

uint64_t
call_page_take(struct call_page *page, uint64_t *seen)
{
	/* Pairs with the exchange in call_page_submit. */
	uint64_t bits = atomic_load_explicit(&page->submitted.bits, memory_order_seq_cst);
	uint64_t changed = bits ^ *seen;

	*seen = bits;
	return changed;
}

bool
call_page_arm(struct call_page *page, uint64_t seen)
{
	/* Pairs with call_page_submit: the store must come before the look, or both sides may
	 * sleep. */
	atomic_store_explicit(&page->armed.flag, 1, memory_order_seq_cst);
	return atomic_load_explicit(&page->submitted.bits, memory_order_seq_cst) == seen;
}

void
call_page_disarm(struct call_page *page)
{
	/* A client that still reads 1 rings once too often, no more. */
	atomic_store_explicit(&page->armed.flag, 0, memory_order_relaxed);
}

void
call_slot_answer(struct call_slot *slot, uint32_t generation)
{
	/* Publishes the reply to call_slot_is_answered; the old value says whether the caller
	 * sleeps. */
	uint32_t old = atomic_exchange_explicit(&slot->reply.answered, generation & ~CALL_WAITER,
						memory_order_acq_rel);

	if (old & CALL_WAITER)
		syscall(SYS_futex, &slot->reply.answered, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

bool
call_slot_is_answered(struct call_slot *slot, uint32_t generation)
{
	/* Pairs with the exchange in call_slot_answer. */
	uint32_t answered = atomic_load_explicit(&slot->reply.answered, memory_order_acquire);

	return ((answered ^ generation) & ~CALL_WAITER) == 0;
}

bool
call_slot_wait(struct call_slot *slot, uint32_t generation, uint64_t deadline)
{
	int kept = errno;
	bool answered;

	while (!(answered = call_slot_is_answered(slot, generation))) {
		uint32_t value = atomic_load_explicit(&slot->reply.answered, memory_order_relaxed);
		uint64_t now = clock_now();
		struct timespec left;

		if (now >= deadline)
			break;
		if (((value ^ generation) & ~CALL_WAITER) == 0)
			continue;
		/* Pairs with the exchange in call_slot_answer: it either returns this bit or makes
		 * us fail. */
		if (!(value & CALL_WAITER) &&
		    !atomic_compare_exchange_strong_explicit(
			    &slot->reply.answered, &value, value | CALL_WAITER,
			    memory_order_acq_rel, memory_order_relaxed))
			continue;
		left.tv_sec = (time_t)((deadline - now) / NSEC_PER_SEC);
		left.tv_nsec = (long)((deadline - now) % NSEC_PER_SEC);
		syscall(SYS_futex, &slot->reply.answered, FUTEX_WAIT, value | CALL_WAITER, &left,
			NULL, 0);
	}
	errno = kept;
	return answered;
}

IOReturn
completion_ring_pop(struct call_page *page, uint32_t *head, struct completion *ret_entry,
		    bool *ret_ring)
{
	/* Pairs with the store in completion_ring_push. */
	uint32_t tail = atomic_load_explicit(&page->tail.index, memory_order_seq_cst);

	*ret_ring = false;
	if (tail == *head)
		return kIOReturnUnderrun;
	if (tail - *head > COMPLETION_RING_MAX)
		return kIOReturnIPCError;
	*ret_entry = page->ring[*head & RING_MASK];
	*head += 1;
	/* Pairs with completion_ring_await_room: either the host sees the room or we see its flag.
	 */
	atomic_store_explicit(&page->head.index, *head, memory_order_seq_cst);
	*ret_ring = atomic_load_explicit(&page->overflow.flag, memory_order_seq_cst) != 0;
	return kIOReturnSuccess;
}

bool
completion_ring_arm(struct call_page *page, uint32_t head)
{
	/* Pairs with completion_ring_push: either the host sees the flag or we see its entry. */
	atomic_store_explicit(&page->ring_armed.flag, 1, memory_order_seq_cst);
	return atomic_load_explicit(&page->tail.index, memory_order_seq_cst) == head;
}

void
completion_ring_disarm(struct call_page *page)
{
	/* A host that still reads 1 writes one byte too much into the pipe, no more. */
	atomic_store_explicit(&page->ring_armed.flag, 0, memory_order_relaxed);
}

/* Room in the ring, or -1 if the client's count cannot be true. */
static int64_t
room(struct call_page *page, uint32_t tail)
{
	/* Pairs with the store in completion_ring_pop: what was read may be overwritten. */
	uint32_t used = tail - atomic_load_explicit(&page->head.index, memory_order_seq_cst);

	return used > COMPLETION_RING_MAX ? -1 : (int64_t)COMPLETION_RING_MAX - used;
}

IOReturn
completion_ring_push(struct call_page *page, uint32_t *tail, const struct completion *entry,
		     bool *ret_wake)
{
	int64_t left = room(page, *tail);

	*ret_wake = false;
	if (left < 0)
		return kIOReturnIPCError;
	if (left == 0)
		return kIOReturnOverrun;
	page->ring[*tail & RING_MASK] = *entry;
	*tail += 1;
	/* Pairs with completion_ring_pop and, with the load after it, with completion_ring_arm. */
	atomic_store_explicit(&page->tail.index, *tail, memory_order_seq_cst);
	*ret_wake = atomic_load_explicit(&page->ring_armed.flag, memory_order_seq_cst) != 0;
	return kIOReturnSuccess;
}

bool
completion_ring_await_room(struct call_page *page, uint32_t tail)
{
	/* Pairs with the load of overflow in completion_ring_pop; the look must come after the
	 * store. */
	atomic_store_explicit(&page->overflow.flag, 1, memory_order_seq_cst);
	return room(page, tail) == 0;
}

void
completion_ring_room_found(struct call_page *page)
{
	/* A client that still reads 1 rings the doorbell once too often, no more. */
	atomic_store_explicit(&page->overflow.flag, 0, memory_order_relaxed);
}
