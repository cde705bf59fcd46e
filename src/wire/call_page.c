/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The call page and its two directions: calls from client to host, completions from host to client.
 *
 * Every pair of the kind "write mine, then read yours" is seq_cst on both sides: with weaker orders
 * the two reads may both be served before the two writes, and a wake-up is lost. The pairs are
 *
 *	submitted.bits  (client)  against  armed.flag       (host)
 *	tail.index      (host)    against  ring_armed.flag  (client)
 *	head.index      (client)  against  overflow.flag    (host)
 *
 * A host that spins is not armed; a client that it left unanswered rings without being asked, just
 * before it sleeps (call_page_is_left). That needs no order: if the host took the call meanwhile,
 * it was rung in vain.
 *
 * Nothing here blocks but call_slot_wait, and nothing here makes a system call but the futex. The
 * sides' own counts (`seen`, `head`, `tail`) are never read back from memory that the peer can
 * write.
 *
 * The armed words are sequence numbers, and who rings remembers for which one. They have 64 bits
 * and so never come round to a remembered value, at which a ring would be left out.
 */
#include "call_page.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "futex.h"
#include "lines.h"

#define RING_MASK	(COMPLETION_RING_MAX - 1)
#define RING_AHEAD	8u  /* entries */
#define COMPLETION_LINE 64u /* bytes: of a completion, the smallest line */
#define COMPLETION_FIRST \
	((COMPLETION_LINE - offsetof(struct completion, arguments)) / sizeof(uint64_t))
/*
 * How long an awake host may need to take a call, or to look, if it does nothing else. One that
 * moves bytes does so between two pieces of them; for that it is given SPIN_BUDGET, as long as that
 * is not in vain: to be rung for would wake another thread of it, where one has the work.
 */
#define TAKE_TURNS 64u

/* The next value of an armed word: never 0, never the last one. */
static uint64_t
next_sequence(uint64_t *sequence)
{
	return ++*sequence;
}

void
call_page_init(struct call_page_host *host, struct call_page *page)
{
	*host = (struct call_page_host){.page = page};
	page->header.magic = CALL_PAGE_MAGIC;
	page->header.version = CALL_PAGE_VERSION;
	page->header.slots = CALL_PAGE_SLOTS;
	page->header.ring_entries = COMPLETION_RING_MAX;
	call_page_arm(host);
}

bool
call_page_is_valid(const struct call_page *page)
{
	return page->header.magic == CALL_PAGE_MAGIC && page->header.version == CALL_PAGE_VERSION &&
	       page->header.slots == CALL_PAGE_SLOTS &&
	       page->header.ring_entries == COMPLETION_RING_MAX;
}

/* After something was written that the host looks at once it has armed. */
static bool
is_to_ring(struct call_page_client *client)
{
	/* Pairs with the store in call_page_arm, after which the host looks at what was written. */
	uint64_t armed = atomic_load_explicit(&client->page->armed.flag, memory_order_seq_cst);

	if (armed == 0 || armed == atomic_load_explicit(&client->rung, memory_order_relaxed))
		return false;
	/* One thread of ours rings for each arming: it has the bit of all who came before its ring.
	 */
	return atomic_exchange_explicit(&client->rung, armed, memory_order_seq_cst) != armed;
}

/* What a call found in this slot will touch. */
static void
fetch_call(struct call_slot *slot)
{
	lines_will_read(&slot->request, sizeof(slot->request));
	/* Not the answer's first line: see call_slot_will_answer. */
	lines_will_write(slot->reply.scalars, sizeof(slot->reply.scalars));
}

bool
call_page_is_due(const struct call_page_host *host)
{
	/* Only hints, so in no order: whoever acts upon them takes. */
	uint64_t changed = atomic_load_explicit(&host->page->submitted.bits, memory_order_relaxed) ^
			   atomic_load_explicit(&host->seen, memory_order_relaxed);

	if (changed == 0)
		return atomic_load_explicit(&host->page->queued.count, memory_order_relaxed) !=
		       atomic_load_explicit(&host->looked, memory_order_relaxed);
	fetch_call(&host->page->slot[__builtin_ctzll(changed)]);
	return true;
}

bool
call_page_can_spin(const struct call_page_host *host)
{
	return spin_can_help(
		atomic_load_explicit(&host->page->client_cpu.number, memory_order_relaxed));
}

static void
publish_cpu(struct call_page_client *client)
{
	uint32_t cpu = spin_cpu();

	if (cpu == atomic_load_explicit(&client->cpu, memory_order_relaxed))
		return;
	atomic_store_explicit(&client->cpu, cpu, memory_order_relaxed);
	atomic_store_explicit(&client->page->client_cpu.number, cpu, memory_order_relaxed);
}

bool
call_page_submit(struct call_page_client *client, unsigned index)
{
	struct call_page *page = client->page;

	publish_cpu(client);
	/*
	 * Pairs with the load in call_page_take, which sees the request complete, and, with the
	 * load after it, with call_page_arm: either this side sees the host armed or the host sees
	 * the bit.
	 */
	atomic_fetch_xor_explicit(&page->submitted.bits, UINT64_C(1) << index,
				  memory_order_seq_cst);
	return is_to_ring(client);
}

bool
call_page_arm(struct call_page_host *host)
{
	struct call_page *page = host->page;

	host->is_armed = true;
	/* Pairs with call_page_submit: the store must come before the look, or both sides may
	 * sleep. */
	atomic_store_explicit(&page->armed.flag, next_sequence(&host->sequence),
			      memory_order_seq_cst);
	return atomic_load_explicit(&page->submitted.bits, memory_order_seq_cst) ==
	       atomic_load_explicit(&host->seen, memory_order_relaxed);
}

void
call_slot_answer(struct call_slot *slot, uint32_t generation)
{
	/* Publishes the reply to call_slot_is_answered; the old value says whether the caller
	 * sleeps. */
	uint32_t old = atomic_exchange_explicit(&slot->reply.answered, generation & ~CALL_WAITER,
						memory_order_acq_rel);

	/* The one caller: an app that has thousands sleep there must not have us wake them all. */
	if (old & CALL_WAITER)
		syscall(SYS_FUTEX, &slot->reply.answered, FUTEX_WAKE, 1, NULL, NULL, 0);
}

void
call_slot_withdraw(struct call_slot *slot)
{
	/* Before the reply's next words: pairs with call_slot_is_current. */
	uint32_t old = atomic_exchange_explicit(&slot->reply.answered, 0, memory_order_seq_cst);

	/* Who sleeps for the next answer is woken by it. */
	if (old & CALL_WAITER)
		atomic_fetch_or_explicit(&slot->reply.answered, CALL_WAITER, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
}

bool
call_slot_is_current(const struct call_slot *slot, uint32_t generation)
{
	/* After the copy of the reply: pairs with the fence in call_slot_withdraw. Without it a
	 * copy may be of two replies. */
	atomic_thread_fence(memory_order_acquire);
	return call_slot_is_answered(slot, generation);
}

static bool
is_host_elsewhere(const struct call_page_client *client)
{
	return spin_can_help(
		atomic_load_explicit(&client->page->host_cpu.number, memory_order_relaxed));
}

static bool
spin_on(struct call_page_client *client, const struct call_slot *slot, uint32_t generation)
{
	uint64_t end = 0, now;
	bool answered;

	for (unsigned turn = 1; !(answered = call_slot_is_answered(slot, generation)); turn++) {
		spin_relax();
		if (turn % SPIN_TURNS != 0)
			continue;
		now = clock_now();
		if (end == 0)
			end = now + SPIN_BUDGET;
		if (!is_host_elsewhere(client) || now >= end)
			break;
	}
	spin_ended(&client->spin, answered);
	return answered;
}

bool
call_page_spin(struct call_page_client *client, unsigned index, uint32_t generation)
{
	const struct call_slot *slot = &client->page->slot[index];

	/* This thread has just submitted, so it is where that was said to be from. */
	if (!spin_is_elsewhere(
		    atomic_load_explicit(&client->cpu, memory_order_relaxed),
		    atomic_load_explicit(&client->page->host_cpu.number, memory_order_relaxed)) ||
	    !spin_allowed(&client->spin))
		return call_slot_is_answered(slot, generation);
	return spin_on(client, slot, generation);
}

bool
call_page_is_taken(const struct call_page_client *client, unsigned index)
{
	const struct call_page *page = client->page;
	/* The slot's bit of `submitted` stays as it is until the answer. */
	uint64_t bits = atomic_load_explicit(&page->submitted.bits, memory_order_relaxed);

	/* Pairs with the store in call_page_take: some thread of the host will answer. */
	bits ^= atomic_load_explicit(&page->taken.bits, memory_order_acquire);
	return (bits >> index & 1) == 0;
}

/*
 * Whether the host, which is awake, is given more time. *end: until when, once that is longer than
 * TAKE_TURNS; 0 at first.
 */
static bool
is_given_time(struct call_page_client *client, unsigned turn, uint64_t *end)
{
	uint64_t now;

	if (!is_host_elsewhere(client))
		return false;
	if (turn < TAKE_TURNS || turn % SPIN_TURNS != 0)
		return true;
	now = clock_now();
	if (*end == 0 && spin_allowed(&client->taking))
		*end = now + SPIN_BUDGET;
	if (now < *end)
		return true;
	if (*end != 0)
		spin_ended(&client->taking, false);
	return false;
}

static void
came_in_time(struct call_page_client *client, uint64_t end)
{
	if (end != 0)
		spin_ended(&client->taking, true);
}

bool
call_page_is_left(struct call_page_client *client, unsigned index)
{
	const struct call_page *page = client->page;
	uint64_t end = 0;

	/*
	 * Armed: it was rung for, by this thread or by one before it, or the host armed after our
	 * submission and saw it when it looked again.
	 */
	for (unsigned turn = 0; !call_page_is_taken(client, index); turn++) {
		if (atomic_load_explicit(&page->armed.flag, memory_order_relaxed) != 0)
			return false;
		if (!is_given_time(client, turn, &end))
			return true;
		spin_relax();
	}
	came_in_time(client, end);
	return false;
}

bool
call_page_tell(struct call_page_client *client)
{
	struct call_page *page = client->page;
	uint64_t end = 0;
	uint32_t mine;

	publish_cpu(client);
	/* Pairs with call_page_will_look, after which the host sees what was written before. */
	mine = atomic_fetch_add_explicit(&page->queued.count, 1, memory_order_seq_cst) + 1;
	if (is_to_ring(client))
		return true;
	/* Nobody sleeps after this: so a host that is awake is seen to look, or rung. */
	for (unsigned turn = 0;
	     (int32_t)(atomic_load_explicit(&page->looked.count, memory_order_relaxed) - mine) < 0;
	     turn++) {
		/* As in call_page_is_left. */
		if (atomic_load_explicit(&page->armed.flag, memory_order_relaxed) != 0)
			return false;
		if (!is_given_time(client, turn, &end))
			return true;
		spin_relax();
	}
	came_in_time(client, end);
	return false;
}

/* While the slot is unanswered, or for no reason. */
static void
sleep_on(struct call_page_client *client, struct call_slot *slot, uint32_t generation,
	 uint64_t until)
{
	uint32_t value = atomic_load_explicit(&slot->reply.answered, memory_order_relaxed);
	const struct timespec end = {
		.tv_sec = (time_t)(until / NSEC_PER_SEC),
		.tv_nsec = (long)(until % NSEC_PER_SEC),
	};

	if (((value ^ generation) & ~CALL_WAITER) == 0)
		return;
	/* Pairs with the exchange in call_slot_answer: it either returns this bit or makes us fail.
	 */
	if (!(value & CALL_WAITER) && !atomic_compare_exchange_strong_explicit(
					      &slot->reply.answered, &value, value | CALL_WAITER,
					      memory_order_seq_cst, memory_order_relaxed))
		return;
	/* Pairs with call_page_wake, which takes the bit away after it has said so. */
	if (atomic_load_explicit(&client->over, memory_order_seq_cst))
		return;
	/* Until a time, and not for one: so the kernel does not look at the clock. */
	syscall(SYS_FUTEX, &slot->reply.answered, FUTEX_WAIT_BITSET, value | CALL_WAITER,
		until != 0 ? &end : NULL, NULL, FUTEX_BITSET_MATCH_ANY);
}

bool
call_page_sleep(struct call_page_client *client, unsigned index, uint32_t generation,
		uint64_t until)
{
	struct call_slot *slot = &client->page->slot[index];
	int kept = errno;

	sleep_on(client, slot, generation, until);
	errno = kept;
	return call_slot_is_answered(slot, generation);
}

void
call_page_wake(struct call_page_client *client)
{
	/*
	 * Pairs with sleep_on: it sees this, or its bit is taken away and the word is not what it
	 * sleeps on. The host writes that word, too: so who has no bit there is woken all the same.
	 */
	atomic_store_explicit(&client->over, true, memory_order_seq_cst);
	for (unsigned i = 0; i < CALL_PAGE_SLOTS; i++) {
		_Atomic uint32_t *answered = &client->page->slot[i].reply.answered;

		atomic_fetch_and_explicit(answered, ~CALL_WAITER, memory_order_seq_cst);
		syscall(SYS_FUTEX, answered, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	}
}

bool
call_page_wait(struct call_page_client *client, unsigned index, uint32_t generation,
	       uint64_t deadline)
{
	const struct call_slot *slot = &client->page->slot[index];
	bool answered;

	while (!(answered = call_slot_is_answered(slot, generation))) {
		if (clock_now() >= deadline)
			break;
		call_page_sleep(client, index, generation, deadline);
	}
	return answered;
}

IOReturn
completion_ring_pop(struct call_page_client *client, struct completion *ret_entry, bool *ret_ring)
{
	struct call_page *page = client->page;
	/* Pairs with the store in completion_ring_push. */
	uint32_t left =
		atomic_load_explicit(&page->tail.index, memory_order_seq_cst) - client->head;
	const struct completion *entry;
	uint64_t overflow;

	*ret_ring = false;
	if (left == 0)
		return kIOReturnUnderrun;
	if (left > COMPLETION_RING_MAX)
		return kIOReturnIPCError;
	entry = &page->ring[client->head & RING_MASK];
	/* Its first line has what most of them say. The last one nobody writes. */
	memcpy(ret_entry, entry, COMPLETION_LINE);
	if (ret_entry->count > COMPLETION_FIRST)
		memcpy(&ret_entry->arguments[COMPLETION_FIRST], &entry->arguments[COMPLETION_FIRST],
		       sizeof(entry->arguments) - COMPLETION_FIRST * sizeof(entry->arguments[0]));
	memcpy(ret_entry->zero, entry->zero, sizeof(entry->zero));
	client->head += 1;
	/* Pairs with completion_ring_await_room: either the host sees the room or we see its flag.
	 */
	atomic_store_explicit(&page->head.index, client->head, memory_order_seq_cst);
	overflow = atomic_load_explicit(&page->overflow.flag, memory_order_seq_cst);
	if (overflow != 0 && overflow != client->room_rung && left - 1 <= COMPLETION_RING_MAX / 2) {
		client->room_rung = overflow;
		*ret_ring = true;
	}
	return kIOReturnSuccess;
}

bool
completion_ring_is_due(const struct call_page_client *client)
{
	const struct call_page *page = client->page;

	/* Only a hint, so in no order: whoever acts upon it pops. */
	return atomic_load_explicit(&page->tail.index, memory_order_relaxed) !=
	       atomic_load_explicit(&page->head.index, memory_order_relaxed);
}

bool
completion_ring_can_spin(const struct call_page_client *client)
{
	return is_host_elsewhere(client);
}

uint64_t
completion_ring_budget(const struct call_page_client *client)
{
	if (!is_host_elsewhere(client))
		return 0;
	/* Only a hint, so in no order. A host that sleeps has armed the page. */
	return atomic_load_explicit(&client->page->armed.flag, memory_order_relaxed) == 0
		       ? SPIN_BUDGET_AWAKE
		       : SPIN_BUDGET;
}

bool
completion_ring_arm(struct call_page_client *client)
{
	struct call_page *page = client->page;

	/* Pairs with completion_ring_push: either the host sees the flag or we see its entry. */
	atomic_store_explicit(&page->ring_armed.flag, next_sequence(&client->sequence),
			      memory_order_seq_cst);
	return atomic_load_explicit(&page->tail.index, memory_order_seq_cst) == client->head;
}

void
completion_ring_disarm(struct call_page_client *client)
{
	/* A host that still reads the old value writes one byte too much into the pipe, no more. */
	atomic_store_explicit(&client->page->ring_armed.flag, 0, memory_order_relaxed);
}

uint32_t
completion_ring_used(const struct call_page_host *host)
{
	/* Pairs with the store in completion_ring_pop: what was read may be overwritten. */
	return host->tail - atomic_load_explicit(&host->page->head.index, memory_order_seq_cst);
}

IOReturn
completion_ring_push(struct call_page_host *host, const struct completion *entry, bool *ret_wake)
{
	struct call_page *page = host->page;
	uint64_t armed;

	*ret_wake = false;
	/* The head's line comes from the client's CPU: once for a ring's worth, not for each entry.
	 */
	if (host->tail - host->head >= COMPLETION_RING_MAX)
		host->head = host->tail - completion_ring_used(host);
	if (host->tail - host->head > COMPLETION_RING_MAX)
		return kIOReturnIPCError;
	if (host->tail - host->head == COMPLETION_RING_MAX)
		return kIOReturnOverrun;
	/* What the client has read is fetched back while the ones before it are written. */
	lines_will_write(&page->ring[(host->tail + RING_AHEAD) & RING_MASK], COMPLETION_LINE);
	/* No more than it says: the lines behind that stay in both sides' caches. */
	memcpy(&page->ring[host->tail & RING_MASK], entry,
	       offsetof(struct completion, arguments) + entry->count * sizeof(entry->arguments[0]));
	host->tail += 1;
	/* Pairs with completion_ring_pop and, with the load after it, with completion_ring_arm. */
	atomic_store_explicit(&page->tail.index, host->tail, memory_order_seq_cst);
	armed = atomic_load_explicit(&page->ring_armed.flag, memory_order_seq_cst);
	if (armed != 0 && armed != host->rung) {
		host->rung = armed;
		*ret_wake = true;
	}
	return kIOReturnSuccess;
}

bool
completion_ring_await_room(struct call_page_host *host)
{
	uint32_t count;

	/*
	 * Pairs with the load of overflow in completion_ring_pop; the look must come after the
	 * store. At most half a ring of entries left means that the client may have passed the
	 * point where it rings; a count that cannot be true is for the next push to find.
	 */
	atomic_store_explicit(&host->page->overflow.flag, next_sequence(&host->room_sequence),
			      memory_order_seq_cst);
	count = completion_ring_used(host);
	return count > COMPLETION_RING_MAX / 2 && count <= COMPLETION_RING_MAX;
}

void
completion_ring_room_found(struct call_page_host *host)
{
	/* A client that still reads the old value rings the doorbell once too often, no more. */
	atomic_store_explicit(&host->page->overflow.flag, 0, memory_order_relaxed);
}
