/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events and counters of connections: they are opened and closed, calls begin and end, completions
 * are sent.
 *
 * A call that began before the recording is recorded when it ends, without how long it took. What
 * is under way is counted from the beginning of the recording on.
 */
#include "record_client.h"

#include <string.h>

#include "clock.h"

static void
describe(const void *object, struct trace_owner *owner)
{
	const struct connection *c = object;

	owner->kind = TRACE_CLIENT;
	owner->pid = c->who.pid;
	owner->uid = c->who.uid;
	owner->type = c->who.type;
	memcpy(owner->name, c->class_name, sizeof(owner->name));
}

static void
set_now(_Atomic uint32_t *gauge, uint64_t value)
{
	atomic_store_explicit(gauge, recorder_saturated(value), memory_order_relaxed);
}

static struct trace_place *
place_of(struct connection *c)
{
	return recorder_find(&c->place, describe, c);
}

void
record_opened(struct connection *c)
{
	struct trace_event event = {.kind = TRACE_OPENED, .value = c->who.type};

	recorder_write(place_of(c), &event);
}

void
record_closed(struct connection *c)
{
	struct trace_event event = {.kind = TRACE_CLOSED};

	recorder_write(place_of(c), &event);
}

/* Slot and generation: not used again before another 2^31 calls of this slot. */
static uint64_t
id_of(const struct call *call)
{
	return (uint64_t)call->generation * CALL_PAGE_SLOTS + call->slot;
}

void
record_call_began(struct call *call)
{
	struct trace_place *place = place_of(call->connection);
	const struct call_request *request = &call->request;
	struct trace_event event = {
		.kind = TRACE_CALL_BEGAN,
		.id = id_of(call),
		.value = request->selector,
		.detail = (uint8_t)request->operation,
		.count = (uint8_t)request->scalar_in_count,
		.length = recorder_saturated(request->structure_in_size),
		.actual = recorder_saturated(request->structure_out_size),
	};

	if (place == NULL)
		return;
	event.time = clock_now();
	call->began = event.time;
	call->ran = 0;
	call->recording = recorder_number();
	recorder_add(&place->began, 1);
	atomic_fetch_add_explicit(&place->in_flight, 1, memory_order_relaxed);
	recorder_write(place, &event);
}

void
record_call_runs(struct call *call)
{
	call->ran = clock_now();
}

void
record_call_ended(struct call *call, const struct call_reply *reply)
{
	struct trace_place *place = place_of(call->connection);
	const struct call_request *request = &call->request;
	bool failed = reply->status != kIOReturnSuccess;
	uint64_t size = failed ? 0 : reply->structure_out_size, spent = 0;
	struct trace_event event = {
		.kind = TRACE_CALL_ENDED,
		.id = id_of(call),
		.value = request->selector,
		.detail = (uint8_t)request->operation,
		.count = (uint8_t)reply->scalar_out_count,
		.status = reply->status,
		.length = recorder_saturated(request->structure_out_size),
		.actual = recorder_saturated(size),
	};

	if (place == NULL)
		return;
	event.time = clock_now();
	if (call->recording == recorder_number()) {
		uint64_t waited = call->ran != 0 ? call->ran - call->began : 0;

		spent = event.time - call->began;
		event.waited = recorder_saturated(waited);
		recorder_add(&place->waited, waited);
		atomic_fetch_sub_explicit(&place->in_flight, 1, memory_order_relaxed);
	} else {
		event.flags = TRACE_RUNS_BEFORE;
	}
	call->recording = 0;
	event.spent = recorder_saturated(spent);
	recorder_count_end(place, failed, request->structure_in_size + size, spent);
	recorder_write(place, &event);
}

void
record_completion_locked(struct connection *c, const struct completion *entry)
{
	struct trace_place *place = place_of(c);
	struct trace_event event = {
		.kind = TRACE_COMPLETION,
		.id = entry->index,
		.status = entry->status,
		.count = (uint8_t)entry->count,
		.waited = recorder_saturated(c->waiting_calls),
	};

	if (place == NULL)
		return;
	recorder_add(&place->completions, 1);
	set_now(&place->waiting, c->waiting_calls);
	recorder_write(place, &event);
}

void
record_drained_locked(struct connection *c)
{
	struct trace_place *place = place_of(c);

	if (place != NULL)
		set_now(&place->waiting, c->waiting_calls);
}

void
record_maps_locked(struct connection *c)
{
	struct trace_place *place = place_of(c);

	if (place == NULL)
		return;
	set_now(&place->buffers, c->maps.count);
	atomic_store_explicit(&place->mapped_bytes, c->maps.bytes, memory_order_relaxed);
}

void
record_registrations_locked(struct connection *c)
{
	struct trace_place *place = place_of(c);

	if (place != NULL)
		set_now(&place->registrations, c->alive);
}

void
record_kept_locked(struct connection *c)
{
	struct trace_place *place = place_of(c);

	if (place != NULL)
		atomic_store_explicit(&place->kept_bytes, c->peer_bytes, memory_order_relaxed);
}

static void
record_what_it_has(struct connection *c)
{
	pthread_mutex_lock(&c->maps.lock);
	record_maps_locked(c);
	pthread_mutex_unlock(&c->maps.lock);
	pthread_mutex_lock(&c->ring_lock);
	record_registrations_locked(c);
	record_drained_locked(c);
	pthread_mutex_unlock(&c->ring_lock);
	pthread_mutex_lock(&c->lock);
	record_kept_locked(c);
	pthread_mutex_unlock(&c->lock);
}

void
record_connections(void)
{
	connections_each(record_what_it_has);
}

void
record_entries(const void *connection, const struct mapped_move *move)
{
	static const uint8_t kinds[2][2] = {
		{TRACE_DATA_GIVEN, TRACE_DATA_TAKEN},
		{TRACE_RING_GIVEN, TRACE_RING_TAKEN},
	};
	struct trace_place *place = place_of((struct connection *)(uintptr_t)connection);
	struct trace_event event = {
		.kind = kinds[move->is_ring][move->taken],
		.length = move->is_ring ? move->count : move->size,
	};

	if (place == NULL)
		return;
	recorder_add(&place->entries[move->taken ? 0 : 1], move->count);
	recorder_write(place, &event);
}
