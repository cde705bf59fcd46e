/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots of the call page.
 *
 * Free slots are bits of a word. When there are none, callers queue under slot_lock, and a slot
 * that becomes free is handed to the first of them, so that nobody overtakes. A slot whose call
 * ended with the connection is never given back: the host may still write to it.
 *
 * Waiting is in steps, because neither a futex nor a condition variable notices that the host has
 * gone; each step ends with a look at the socket. Of a connection that is watched (hangups.h) only
 * the wait for a slot is.
 */
#include "slots.h"

#include <string.h>
#include <time.h>

#include "clock.h"
#include "doorbell.h"
#include "hangups.h"
#include "lines.h"
#include "log.h"
#include "question.h"
#include "rare.h"
#include "uncancelled.h"

#define CALL_FLAGS_OF_REPLY (CALL_KEPT_INPUT | CALL_KEPT_OUTPUT)

struct slot_waiter {
	pthread_cond_t granted;
	struct slot_waiter *next; /* [slot_lock] */
	int slot;		  /* [slot_lock] -1: not yet */
};

uint32_t
slot_next_generation(struct connection *connection, unsigned slot)
{
	uint32_t *generation = &connection->generation[slot];

	*generation = call_next_generation(*generation);
	return *generation;
}

/* False: none is free. Pairs with slot_give_back: what was done in the slot before is over. */
static bool
take_free(struct connection *connection, unsigned *ret_slot)
{
	uint64_t free = atomic_load_explicit(&connection->free_slots, memory_order_seq_cst);

	while (free != 0)
		if (atomic_compare_exchange_weak_explicit(&connection->free_slots, &free,
							  free & (free - 1), memory_order_seq_cst,
							  memory_order_seq_cst)) {
			*ret_slot = (unsigned)__builtin_ctzll(free);
			return true;
		}
	return false;
}

static void
enqueue_locked(struct connection *connection, struct slot_waiter *waiter)
{
	if (connection->last_waiter != NULL)
		connection->last_waiter->next = waiter;
	else
		connection->first_waiter = waiter;
	connection->last_waiter = waiter;
}

static void
dequeue_locked(struct connection *connection, struct slot_waiter *waiter)
{
	struct slot_waiter **at = &connection->first_waiter, *before = NULL;

	while (*at != NULL && *at != waiter) {
		before = *at;
		at = &(*at)->next;
	}
	if (*at == NULL)
		return;
	*at = waiter->next;
	if (connection->last_waiter == waiter)
		connection->last_waiter = before;
}

static void
wait_step_locked(struct connection *connection, struct slot_waiter *waiter, uint64_t deadline)
{
	uint64_t until = connection_step_end(deadline);
	const struct timespec time = {
		.tv_sec = (time_t)(until / NSEC_PER_SEC),
		.tv_nsec = (long)(until % NSEC_PER_SEC),
	};

	pthread_cond_timedwait(&waiter->granted, &connection->slot_lock, &time);
}

/* What is free goes to those who wait, in order. */
static void
grant_locked(struct connection *connection)
{
	struct slot_waiter *waiter;
	unsigned slot;

	while ((waiter = connection->first_waiter) != NULL && take_free(connection, &slot)) {
		dequeue_locked(connection, waiter);
		waiter->slot = (int)slot;
		pthread_cond_signal(&waiter->granted);
	}
}

/*
 * Whether the slot, whose caller has gone, is answered for good. A question to it is refused; the
 * answer that follows has the next generation. It may be there already, if the host did not wait;
 * but it asks nothing more before the refusal has come. While that has no room in the socket, the
 * slot stays as it is.
 */
static bool
is_over(struct connection *connection, unsigned slot)
{
	const struct call_slot *from = &connection->client.page->slot[slot];
	uint32_t generation = connection->generation[slot], flags;

	if (call_slot_is_answered(from, call_next_generation(generation)))
		return question_refuse(connection, slot);
	if (!call_slot_is_answered(from, generation))
		return false;
	flags = *(volatile const uint32_t *)&from->reply.flags;
	if (flags != CALL_ASKS && call_slot_is_current(from, generation))
		return true;
	question_refuse(connection, slot);
	return false;
}

/* Takes back what was abandoned and is answered by now. Who takes a bit looks at its slot alone. */
RARE static void
reclaim(struct connection *connection)
{
	uint64_t bits = atomic_exchange_explicit(&connection->abandoned, 0, memory_order_seq_cst);
	uint64_t over = 0;

	for (uint64_t left = bits; left != 0; left &= left - 1)
		if (is_over(connection, (unsigned)__builtin_ctzll(left)))
			over |= left & -left;
	atomic_fetch_or_explicit(&connection->abandoned, bits & ~over, memory_order_seq_cst);
	atomic_fetch_or_explicit(&connection->free_slots, over, memory_order_seq_cst);
}

/* Waits for the slot that somebody hands over. */
static IOReturn
wait_locked(struct connection *connection, uint64_t deadline, unsigned *ret_slot)
{
	UNCANCELLED;
	struct slot_waiter waiter = {.slot = -1};
	IOReturn status = kIOReturnSuccess;
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&waiter.granted, &attributes);
	pthread_condattr_destroy(&attributes);
	enqueue_locked(connection, &waiter);
	/* Pairs with slot_give_back: either that sees this waiter or we see its slot. */
	atomic_fetch_add_explicit(&connection->slot_waiters, 1, memory_order_seq_cst);
	grant_locked(connection);
	while (waiter.slot < 0 && status == kIOReturnSuccess) {
		wait_step_locked(connection, &waiter, deadline);
		reclaim(connection);
		grant_locked(connection);
		connection_check(connection);
		status = connection_pending_status(connection);
		if (status == kIOReturnSuccess && waiter.slot < 0 && connection_step(deadline) == 0)
			status = kIOReturnTimeout;
	}
	if (waiter.slot < 0)
		dequeue_locked(connection, &waiter);
	atomic_fetch_sub_explicit(&connection->slot_waiters, 1, memory_order_seq_cst);
	pthread_cond_destroy(&waiter.granted);
	if (waiter.slot < 0)
		return status;
	*ret_slot = (unsigned)waiter.slot;
	return kIOReturnSuccess;
}

RARE static IOReturn
wait_for_slot(struct connection *connection, uint64_t deadline, unsigned *ret_slot)
{
	IOReturn status;

	pthread_mutex_lock(&connection->slot_lock);
	status = wait_locked(connection, deadline, ret_slot);
	pthread_mutex_unlock(&connection->slot_lock);
	return status;
}

IOReturn
slot_take(struct connection *connection, uint64_t deadline, unsigned *ret_slot,
	  uint32_t *ret_generation)
{
	IOReturn status;

	/* Relaxed: what is abandoned now is looked for by a later call. */
	if (atomic_load_explicit(&connection->abandoned, memory_order_relaxed) != 0)
		reclaim(connection);
	/* Relaxed: only so that nobody overtakes those who wait. */
	if (atomic_load_explicit(&connection->slot_waiters, memory_order_relaxed) != 0 ||
	    !take_free(connection, ret_slot)) {
		status = wait_for_slot(connection, deadline, ret_slot);
		if (status != kIOReturnSuccess)
			return status;
	}
	*ret_generation = slot_next_generation(connection, *ret_slot);
	return kIOReturnSuccess;
}

void
slot_give_back(struct connection *connection, unsigned slot)
{
	/* Pairs with take_free, and with wait_locked, which looks for a slot after it was counted.
	 */
	atomic_fetch_or_explicit(&connection->free_slots, UINT64_C(1) << slot,
				 memory_order_seq_cst);
	if (atomic_load_explicit(&connection->slot_waiters, memory_order_seq_cst) == 0)
		return;
	pthread_mutex_lock(&connection->slot_lock);
	grant_locked(connection);
	pthread_mutex_unlock(&connection->slot_lock);
}

/* PROTOCOL.md 2.2, "Answers": NULL, or the rule that the reply breaks. */
static const char *
broken_rule(const struct call_request *request, const struct call_reply *reply)
{
	uint32_t kept = 0;

	if (request->flags & CALL_LARGE_INPUT)
		kept |= CALL_KEPT_INPUT;
	if (request->flags & CALL_LARGE_OUTPUT)
		kept |= CALL_KEPT_OUTPUT;
	/* One layout or none. */
	if (request->operation == CALL_MAP && reply->status == kIOReturnSuccess) {
		if (reply->flags == CALL_QUEUE_CLASSIC || reply->flags == CALL_QUEUE_DISPATCH)
			kept |= reply->flags;
		else if (reply->flags & CALL_QUEUE_RING)
			kept |= CALL_QUEUE_RING | CALL_QUEUE_RING_SHAPE;
	}
	if (reply->flags == CALL_ASKS) {
		if (request->operation != CALL_METHOD || reply->status != 0 ||
		    reply->scalar_out_count != 0 || reply->structure_out_size != 0)
			return "a question is asked of a method call, and has nothing of an answer";
		return NULL;
	}
	if (reply->flags & ~kept)
		return "an answer has known flags, KEPT only for large structures, and one QUEUE "
		       "for a map call";
	if (reply->scalar_out_count > request->scalar_out_count)
		return "an answer has no more scalars than there is room for";
	if (reply->structure_out_size > request->structure_out_size)
		return "an answer has no larger structure than there is room for";
	if ((reply->zero0 | reply->zero[0] | reply->zero[1] | reply->zero[2]) != 0)
		return "the padding of an answer is zero";
	if (reply->map_read_only > 1)
		return "map_read_only is 0 or 1";
	if (request->operation != CALL_MAP && (reply->map_length != 0 || reply->map_read_only != 0))
		return "only the answer to a map call has a length";
	if (reply->status == kIOReturnSuccess) {
		if ((request->flags & CALL_LARGE_OUTPUT) &&
		    !(request->flags & CALL_VARIABLE_OUTPUT) &&
		    reply->structure_out_size != request->structure_out_size)
			return "a large output structure keeps its size";
		return NULL;
	}
	if (reply->scalar_out_count != 0 || reply->structure_out_size != 0 ||
	    reply->map_length != 0 || reply->map_read_only != 0)
		return "an error has no output";
	return NULL;
}

/*
 * What a call returns that will not be answered any more: one that the host never looked at was not
 * in flight when the host ended, but came later.
 */
static IOReturn
unanswered(struct connection *connection, unsigned slot)
{
	IOReturn status = connection_pending_status(connection);

	if (status == kIOReturnOffline && !call_page_is_taken(&connection->client, slot))
		return MACH_SEND_INVALID_DEST;
	return status;
}

void
slot_abandon(struct connection *connection, unsigned slot)
{
	/* From here on the slot is reclaim's. */
	atomic_fetch_or_explicit(&connection->abandoned, UINT64_C(1) << slot, memory_order_seq_cst);
}

/* When a sleep ends for which there is no answer. 0: never. */
static uint64_t
sleep_end(struct connection *connection, uint64_t deadline)
{
	uint32_t sleeps;

	/* Relaxed: whoever sees it sleeps on a connection that was watched before. */
	if (atomic_load_explicit(&connection->watched, memory_order_relaxed))
		return deadline;
	/* Relaxed: of two that count at once both may come to the number. */
	sleeps = atomic_load_explicit(&connection->sleeps, memory_order_relaxed) + 1;
	atomic_store_explicit(&connection->sleeps, sleeps, memory_order_relaxed);
	if (sleeps == HANGUPS_AFTER)
		hangups_watch(connection);
	return connection_step_end(deadline);
}

/* Until the answer is there. The host may have answered and ended right after: look once more. */
RARE static IOReturn
sleep_for_answer(struct connection *connection, unsigned slot, uint32_t generation,
		 uint64_t deadline)
{
	struct call_page_client *client = &connection->client;

	if (call_page_is_left(client, slot))
		doorbell_ring(connection->doorbell);
	while (!call_page_sleep(client, slot, generation, sleep_end(connection, deadline))) {
		connection_check(connection);
		if (connection_pending_status(connection) == kIOReturnSuccess &&
		    connection_step(deadline) != 0)
			continue;
		if (call_slot_is_answered(&client->page->slot[slot], generation))
			break;
		if (connection_pending_status(connection) != kIOReturnSuccess)
			return unanswered(connection, slot);
		slot_abandon(connection, slot);
		return kIOReturnTimeout;
	}
	return kIOReturnSuccess;
}

static IOReturn
wait_answer(struct connection *connection, unsigned slot, uint32_t generation, uint64_t deadline)
{
	struct call_page_client *client = &connection->client;

	if (call_page_spin(client, slot, generation))
		return kIOReturnSuccess;
	return sleep_for_answer(connection, slot, generation, deadline);
}

/*
 * Whether the host is there, for a call that has to wake it up: one after the host's end returns at
 * once then. Asked once for each tick of the clock; a call that comes in the tick of the host's end
 * finds it after a step. Not asked of a connection that is watched, whose callers are woken.
 */
RARE static bool
is_host_there(struct connection *connection)
{
	uint64_t now = clock_recent();

	/* Relaxed: a time, of which any that some thread wrote will do. */
	if (atomic_load_explicit(&connection->checked, memory_order_relaxed) == now)
		return true;
	if (!connection_check(connection))
		return false;
	atomic_store_explicit(&connection->checked, now, memory_order_relaxed);
	return true;
}

IOReturn
slot_submit(struct connection *connection, unsigned slot, const struct call_request *request)
{
	struct call_page *page = connection->client.page;

	if (atomic_load_explicit(&page->armed.flag, memory_order_relaxed) != 0 &&
	    !atomic_load_explicit(&connection->watched, memory_order_relaxed) &&
	    !is_host_there(connection))
		return MACH_SEND_INVALID_DEST;
	memcpy(&page->slot[slot].request, request,
	       CALL_SIZE(struct call_request, request->scalar_in_count));
	if (call_page_submit(&connection->client, slot))
		doorbell_ring(connection->doorbell);
	return kIOReturnSuccess;
}

static void
copy_reply(const struct call_reply *from, struct call_reply *ret_reply)
{
	memcpy((void *)ret_reply, (const void *)from, offsetof(struct call_reply, scalars));
	/* The copy is what is checked, and nothing of it is read once more. */
	__asm__ volatile("" ::: "memory");
}

IOReturn
slot_await(struct connection *connection, unsigned slot, const struct call_request *request,
	   uint64_t deadline, struct call_reply *ret_reply, bool *ret_answered)
{
	struct call_slot *from = &connection->client.page->slot[slot];
	const char *rule;
	IOReturn status = wait_answer(connection, slot, request->generation, deadline);

	*ret_answered = false;
	if (status != kIOReturnSuccess)
		return status;
	copy_reply(&from->reply, ret_reply);
	if (!call_slot_is_current(from, request->generation)) {
		/* Only questions are taken back. */
		memset((void *)ret_reply, 0, offsetof(struct call_reply, scalars));
		ret_reply->flags = CALL_ASKS;
	}
	rule = broken_rule(request, ret_reply);
	if (rule != NULL)
		return connection_break(connection, rule);
	*ret_answered = true;
	/* The host has its copy, and the next call will be in this slot, too. */
	lines_will_write(&from->request, CALL_SIZE(struct call_request, request->scalar_in_count));
	return ret_reply->status;
}

IOReturn
slot_call(struct connection *connection, unsigned slot, const struct call_request *request,
	  uint64_t deadline, struct call_reply *ret_reply, bool *ret_answered)
{
	IOReturn status = slot_submit(connection, slot, request);

	*ret_answered = false;
	if (status != kIOReturnSuccess)
		return status;
	return slot_await(connection, slot, request, deadline, ret_reply, ret_answered);
}

void
slot_copy_scalars(const struct connection *connection, unsigned slot,
		  const struct call_reply *reply, uint64_t *ret_scalars)
{
	const struct call_reply *from = &connection->client.page->slot[slot].reply;

	/* Only questions are taken back: these are of the answer that was copied. */
	memcpy(ret_scalars, (const void *)from->scalars,
	       reply->scalar_out_count * sizeof(from->scalars[0]));
}
