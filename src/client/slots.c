/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots of the call page.
 *
 * Free slots are bits under slot_lock. When there are none, callers queue, and a slot that becomes
 * free is handed to the first of them directly, so that nobody overtakes. A slot whose call ended
 * with the connection is never given back: the host may still write to it.
 *
 * Waiting is in steps, here and in call_page_wait, because neither a futex nor a condition variable
 * notices that the host has gone; each step ends with a look at the socket.
 */
#include "slots.h"

#include <string.h>
#include <time.h>

#include "clock.h"
#include "doorbell.h"
#include "log.h"

#define CALL_FLAGS_OF_REPLY (CALL_KEPT_INPUT | CALL_KEPT_OUTPUT)

struct slot_waiter {
	pthread_cond_t granted;
	struct slot_waiter *next; /* [slot_lock] */
	int slot;		  /* [slot_lock] -1: not yet */
};

static unsigned
take_free_locked(struct connection *connection)
{
	unsigned slot = (unsigned)__builtin_ctzll(connection->free_slots);

	connection->free_slots &= ~(UINT64_C(1) << slot);
	return slot;
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
wait_step_locked(struct connection *connection, struct slot_waiter *waiter)
{
	uint64_t until = clock_now() + CALL_WAIT_STEP;
	const struct timespec time = {
		.tv_sec = (time_t)(until / NSEC_PER_SEC),
		.tv_nsec = (long)(until % NSEC_PER_SEC),
	};

	pthread_cond_timedwait(&waiter->granted, &connection->slot_lock, &time);
}

/* Waits for the slot that somebody hands over. */
static IOReturn
wait_locked(struct connection *connection, unsigned *ret_slot)
{
	struct slot_waiter waiter = {.slot = -1};
	IOReturn status = kIOReturnSuccess;
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&waiter.granted, &attributes);
	pthread_condattr_destroy(&attributes);
	enqueue_locked(connection, &waiter);
	while (waiter.slot < 0 && status == kIOReturnSuccess) {
		wait_step_locked(connection, &waiter);
		connection_check(connection);
		status = connection_pending_status(connection);
	}
	if (waiter.slot < 0)
		dequeue_locked(connection, &waiter);
	pthread_cond_destroy(&waiter.granted);
	if (waiter.slot < 0)
		return status;
	*ret_slot = (unsigned)waiter.slot;
	return kIOReturnSuccess;
}

IOReturn
slot_take(struct connection *connection, unsigned *ret_slot, uint32_t *ret_generation)
{
	IOReturn status = kIOReturnSuccess;

	pthread_mutex_lock(&connection->slot_lock);
	if (connection->free_slots != 0)
		*ret_slot = take_free_locked(connection);
	else
		status = wait_locked(connection, ret_slot);
	if (status == kIOReturnSuccess) {
		uint32_t *generation = &connection->generation[*ret_slot];

		/* PROTOCOL.md 2.2: 31 bits, 0 is skipped. */
		*generation = (*generation + 1) & ~CALL_WAITER;
		if (*generation == 0)
			*generation = 1;
		*ret_generation = *generation;
	}
	pthread_mutex_unlock(&connection->slot_lock);
	return status;
}

void
slot_give_back(struct connection *connection, unsigned slot)
{
	struct slot_waiter *waiter;

	pthread_mutex_lock(&connection->slot_lock);
	waiter = connection->first_waiter;
	if (waiter != NULL) {
		dequeue_locked(connection, waiter);
		waiter->slot = (int)slot;
		pthread_cond_signal(&waiter->granted);
	} else {
		connection->free_slots |= UINT64_C(1) << slot;
	}
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
	if (reply->flags & ~kept)
		return "an answer has known flags, and KEPT only for large structures";
	if (reply->scalar_out_count > request->scalar_out_count)
		return "an answer has no more scalars than there is room for";
	if (reply->structure_out_size > request->structure_out_size)
		return "an answer has no larger structure than there is room for";
	if (reply->zero0 != 0 || reply->zero[0] != 0 || reply->zero[1] != 0 || reply->zero[2] != 0)
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

/* Until the answer is there. The host may have answered and ended right after: look once more. */
static IOReturn
wait_answer(struct connection *connection, unsigned slot, uint32_t generation)
{
	struct call_page_client *client = &connection->client;

	while (!call_page_wait(client, slot, generation, clock_now() + CALL_WAIT_STEP)) {
		connection_check(connection);
		if (connection_pending_status(connection) == kIOReturnSuccess)
			continue;
		if (call_slot_is_answered(&client->page->slot[slot], generation))
			break;
		return connection_pending_status(connection);
	}
	return kIOReturnSuccess;
}

IOReturn
slot_call(struct connection *connection, unsigned slot, const struct call_request *request,
	  struct call_reply *ret_reply, bool *ret_answered)
{
	struct call_page *page = connection->client.page;
	const char *rule;
	IOReturn status;

	*ret_answered = false;
	/*
	 * A sleeping host costs a wake-up anyway, so look whether it is there at all: then this
	 * call is not one in flight when the host ended, but a later one.
	 */
	if (atomic_load_explicit(&page->armed.flag, memory_order_relaxed) != 0 &&
	    !connection_check(connection))
		return MACH_SEND_INVALID_DEST;
	page->slot[slot].request = *request;
	if (call_page_submit(&connection->client, slot))
		doorbell_ring(connection->doorbell);
	status = wait_answer(connection, slot, request->generation);
	if (status != kIOReturnSuccess)
		return status;
	memcpy((void *)ret_reply, (const void *)&page->slot[slot].reply, sizeof(*ret_reply));
	rule = broken_rule(request, ret_reply);
	if (rule != NULL)
		return connection_break(connection, rule);
	*ret_answered = true;
	return ret_reply->status;
}
