/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transfers of one connection. Completions of a direction come in the order of the calls, so a
 * direction is two numbers: what was submitted, and what has completed. A completion that is not
 * the next one was lost, doubled or overtaken.
 *
 * A buffer is written again as soon as its completion has come. So if that came while the device
 * still read, the device has seen bytes of two generations, and its hash tells.
 */
#include "stream.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <mach/mach.h>

#define POLL_MSEC 20

struct epoch
epoch_now(const struct ledger *ledger)
{
	return (struct epoch){atomic_load(&ledger->kills), atomic_load(&ledger->unplugs),
			      atomic_load(&ledger->registries)};
}

/* Odd: it is being done. */
static bool
has_changed(uint32_t now, uint32_t before)
{
	return now != before || before % 2 != 0;
}

bool
epoch_killed(const struct ledger *ledger, struct epoch since)
{
	return has_changed(atomic_load(&ledger->kills), since.kills);
}

bool
epoch_unplugged(const struct ledger *ledger, struct epoch since)
{
	return has_changed(atomic_load(&ledger->unplugs), since.unplugs);
}

void
fail(struct ledger *ledger, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(ledger->failure, sizeof(ledger->failure), format, arguments);
	va_end(arguments);
	_exit(3);
}

static void
waited(struct stream *stream, enum wait wait, uint64_t since)
{
	struct ledger *ledger = stream->ledger;

	ledger_waited(&ledger->totals, wait, since);
	if (ledger_now() - since > wait_bounds[wait] * UINT64_C(1000000000))
		fail(ledger, "%s: a wait for %s took %llu ms", stream->spec, wait_names[wait],
		     (unsigned long long)((ledger_now() - since) / 1000000));
}

static bool
is_killed(const struct stream *stream)
{
	return epoch_killed(stream->ledger, stream->epoch);
}

static bool
is_gone(const struct stream *stream)
{
	return epoch_unplugged(stream->ledger, stream->epoch) ||
	       strstr(stream->spec, "unplug-after") != NULL;
}

static uint64_t
under_way(const struct stream *stream)
{
	return stream->ways[0].next - stream->ways[0].done + stream->ways[1].next -
	       stream->ways[1].done;
}

/* True: go on. An end that has a cause is false. */
static bool
goes_on(struct stream *stream, kern_return_t status, const char *what)
{
	bool is_end = status == kIOReturnOffline || status == MACH_SEND_INVALID_DEST;

	if (status == kIOReturnSuccess)
		return true;
	if (is_killed(stream) && is_end) {
		if (!is_gone(stream))
			waited(stream, WAIT_DEATH, atomic_load(&stream->ledger->killed_at));
		return false;
	}
	if (is_gone(stream) && (is_end || status == kIOReturnNoDevice ||
				status == kIOReturnAborted || status == kIOReturnNotReady))
		return false;
	fail(stream->ledger, "%s: %s: 0x%08x, and nobody has killed or unplugged anything",
	     stream->spec, what, (unsigned)status);
}

static kern_return_t
call(struct stream *stream, uint32_t selector, const uint64_t *input, uint32_t count)
{
	uint64_t since = ledger_now();
	kern_return_t status =
		IOConnectCallScalarMethod(stream->connect, selector, input, count, NULL, NULL);

	waited(stream, WAIT_CALL, since);
	return status;
}

/* --- completions --- */

static void
take_out(struct stream *stream, uint64_t number, IOReturn status, uint32_t bytes)
{
	uint32_t length = pattern_length(stream->number, number);
	const uint8_t *buffer = stream->buffers[number % DEPTH];

	if (status == kIOReturnSuccess ? bytes != length : bytes > length)
		fail(stream->ledger, "%s: OUT %llu of %u bytes: 0x%08x with %u", stream->spec,
		     (unsigned long long)number, length, (unsigned)status, bytes);
	pattern_fill(stream->scratch, stream->number, number, length);
	if (memcmp(buffer, stream->scratch, length) != 0)
		fail(stream->ledger, "%s: OUT %llu: somebody wrote into its buffer", stream->spec,
		     (unsigned long long)number);
	if (bytes > 0)
		XXH3_64bits_update(stream->hash, buffer, bytes);
	stream->lengths[number % LENGTHS] = bytes;
	stream->open_end = status != kIOReturnSuccess;
	if (stream->back == number && stream->back_at > bytes)
		fail(stream->ledger, "%s: OUT %llu moved %u bytes, and %llu have come back",
		     stream->spec, (unsigned long long)number, bytes,
		     (unsigned long long)stream->back_at);
}

/* What comes back of a loopback is what was sent, in order. */
static void
compare_back(struct stream *stream, const uint8_t *data, uint32_t left)
{
	while (left > 0) {
		uint32_t length = stream->lengths[stream->back % LENGTHS], part;

		if (stream->back >= stream->ways[DEXT_BULKSTREAM_OUT].next)
			fail(stream->ledger, "%s: %u bytes came back that were not sent",
			     stream->spec, left);
		if (stream->back_at == length) {
			stream->back++;
			stream->back_at = 0;
			continue;
		}
		part = length - (uint32_t)stream->back_at;
		part = part < left ? part : left;
		pattern_fill(stream->scratch, stream->number, stream->back, length);
		if (memcmp(data, stream->scratch + stream->back_at, part) != 0)
			fail(stream->ledger, "%s: wrong bytes of OUT %llu came back, at %llu",
			     stream->spec, (unsigned long long)stream->back,
			     (unsigned long long)stream->back_at);
		stream->back_at += part;
		data += part;
		left -= part;
	}
}

static void
take_in(struct stream *stream, uint64_t number, IOReturn status, uint32_t bytes)
{
	const uint8_t *data = stream->buffers[DEPTH + number % DEPTH];
	uint64_t position = stream->ways[DEXT_BULKSTREAM_IN].bytes;

	if (bytes > SIZE)
		fail(stream->ledger, "%s: IN %llu: %u bytes", stream->spec,
		     (unsigned long long)number, bytes);
	if (stream->ways[DEXT_BULKSTREAM_OUT].there) {
		compare_back(stream, data, bytes);
		return;
	}
	for (uint32_t i = 0; i < bytes; i++)
		if (data[i] != dext_virtual_pattern(position + i))
			fail(stream->ledger, "%s: IN %llu: byte %u of %u is wrong", stream->spec,
			     (unsigned long long)number, i, bytes);
}

static void
count(struct stream *stream, struct way *way, IOReturn status)
{
	struct ledger_totals *totals = &stream->ledger->totals;

	totals->completions++;
	if (status == kIOReturnSuccess) {
		totals->succeeded++;
	} else if (status == kUSBHostReturnPipeStalled && stream->stalls) {
		totals->stalled++;
		way->failed = true;
		stream->unsure = true;
	} else if (status == kIOReturnAborted && (way->failed || way->aborting)) {
		totals->failed++;
	} else if (is_gone(stream) || is_killed(stream)) {
		totals->failed++;
		stream->unsure = true;
	} else {
		fail(stream->ledger, "%s: a transfer ended with 0x%08x", stream->spec,
		     (unsigned)status);
	}
}

static void
on_completion(void *refcon, IOReturn result, void **args, uint32_t args_count)
{
	struct stream *stream = refcon;
	uint64_t direction = (uintptr_t)args[DEXT_BULKSTREAM_ARGUMENT_DIRECTION];
	uint64_t buffer = (uintptr_t)args[DEXT_BULKSTREAM_ARGUMENT_BUFFER];
	uint64_t sequence = (uintptr_t)args[DEXT_BULKSTREAM_ARGUMENT_SEQUENCE];
	uint32_t bytes = (uint32_t)(uintptr_t)args[DEXT_BULKSTREAM_ARGUMENT_BYTES];
	struct way *way = &stream->ways[direction % WAYS];

	if (args_count != DEXT_BULKSTREAM_ARGUMENTS || direction >= WAYS || sequence != way->done ||
	    way->done == way->next || buffer != direction * DEPTH + sequence % DEPTH)
		fail(stream->ledger,
		     "%s: a completion of transfer %llu with buffer %llu, direction %llu; %llu is "
		     "next, %llu were submitted",
		     stream->spec, (unsigned long long)sequence, (unsigned long long)buffer,
		     (unsigned long long)direction, (unsigned long long)way->done,
		     (unsigned long long)way->next);
	waited(stream, WAIT_COMPLETION, way->since);
	way->since = ledger_now();
	if (direction == DEXT_BULKSTREAM_OUT)
		take_out(stream, sequence, result, bytes);
	else
		take_in(stream, sequence, result, bytes);
	count(stream, way, result);
	way->bytes += bytes;
	stream->ledger->totals.bytes += bytes;
	way->done++;
	if (direction == DEXT_BULKSTREAM_OUT)
		stream->ledger->completed = way->done;
	else
		stream->ledger->in_completed = way->done;
}

static void
on_control(void *refcon, IOReturn result, void *bytes)
{
	struct stream *stream = refcon;

	stream->controls++;
	stream->control_status = result;
}

/* --- submitting --- */

/* kUSBHostReturnPipeStalled: not submitted, an earlier one has failed. */
static bool
submit(struct stream *stream, unsigned direction)
{
	struct way *way = &stream->ways[direction];
	uint64_t buffer = direction * DEPTH + way->next % DEPTH;
	uint32_t length = pattern_length(stream->number, way->next);
	uint64_t input[4] = {buffer, 0, length, DEXT_BULKSTREAM_ZLP};
	_Atomic uint64_t *submitted = direction == DEXT_BULKSTREAM_OUT
					      ? &stream->ledger->submitted
					      : &stream->ledger->in_submitted;
	kern_return_t status;

	if (way->next == way->done)
		way->since = ledger_now();
	if (direction == DEXT_BULKSTREAM_OUT) {
		pattern_fill(stream->buffers[buffer], stream->number, way->next, length);
		stream->lengths[way->next % LENGTHS] = length;
	} else {
		input[1] = SIZE;
	}
	/* First, since its completion may come before the call returns. */
	way->next++;
	*submitted = way->next;
	status = direction == DEXT_BULKSTREAM_OUT ? call(stream, DEXT_BULKSTREAM_SEND, input, 4)
						  : call(stream, DEXT_BULKSTREAM_RECEIVE, input, 2);
	if (status == kIOReturnSuccess) {
		stream->ledger->totals.transfers++;
		return true;
	}
	way->next--;
	*submitted = way->next;
	if (status == kUSBHostReturnPipeStalled && stream->stalls) {
		way->failed = true;
		return true;
	}
	return goes_on(stream, status, direction == DEXT_BULKSTREAM_OUT ? "SEND" : "RECEIVE");
}

static bool
clear(struct stream *stream, unsigned direction)
{
	struct way *way = &stream->ways[direction];
	uint64_t input[1] = {direction};
	kern_return_t status;

	if (!way->failed || way->next != way->done)
		return true;
	status = call(stream, DEXT_BULKSTREAM_CLEAR_STALL, input, 1);
	if (status == kIOReturnBusy)
		return true; /* the completion is out before the driver has counted it */
	way->failed = false;
	return goes_on(stream, status, "CLEAR_STALL");
}

static bool
submit_all(struct stream *stream, unsigned direction)
{
	struct way *way = &stream->ways[direction];

	/* What has not come back keeps its length. */
	while (way->there && !way->failed && way->next - way->done < DEPTH &&
	       (direction == DEXT_BULKSTREAM_IN || !stream->ways[DEXT_BULKSTREAM_IN].there ||
		way->next - stream->back < LENGTHS - 1))
		if (!submit(stream, direction))
			return false;
	return clear(stream, direction);
}

static void
check_bounds(struct stream *stream)
{
	for (unsigned i = 0; i < WAYS; i++) {
		struct way *way = &stream->ways[i];

		/* A loopback that has nothing to give back lets its receives wait. */
		if (i == DEXT_BULKSTREAM_IN && !way->aborting &&
		    stream->ways[DEXT_BULKSTREAM_OUT].there)
			way->since = ledger_now();
		if (way->next != way->done && !is_killed(stream))
			waited(stream, WAIT_COMPLETION, way->since);
	}
}

static bool
take(struct stream *stream)
{
	struct pollfd wait = {.fd = IONotificationPortGetFileDescriptor(stream->port),
			      .events = POLLIN};
	kern_return_t status;

	if (dext_notification_port_dispatch(stream->port) > 0)
		return true;
	if (poll(&wait, 1, POLL_MSEC) > 0 && dext_notification_port_dispatch(stream->port) > 0)
		return true;
	check_bounds(stream);
	/* Nothing has come: is it still there? */
	status = call(stream, DEXT_BULKSTREAM_QUERY, NULL, 0);
	return goes_on(stream, status, "QUERY");
}

bool
stream_turn(struct stream *stream, bool submits)
{
	for (unsigned i = 0; submits && i < WAYS; i++)
		if (!submit_all(stream, i))
			return false;
	return take(stream);
}

/* --- what the device has seen --- */

static bool
control(struct stream *stream, uint8_t type, uint8_t request, uint16_t length)
{
	uint64_t input[6] = {type, request, 0, 0, length, STATE};
	uint64_t reference[kIOAsyncCalloutCount] = {0};
	uint32_t before = stream->controls;
	uint64_t since = ledger_now();
	kern_return_t status;

	reference[kIOAsyncCalloutFuncIndex] = (uint64_t)(uintptr_t)on_control;
	reference[kIOAsyncCalloutRefconIndex] = (uint64_t)(uintptr_t)stream;
	status = IOConnectCallAsyncScalarMethod(stream->connect, DEXT_BULKSTREAM_CONTROL,
						IONotificationPortGetMachPort(stream->control_port),
						reference, kIOAsyncCalloutCount, input, 6, NULL,
						NULL);
	if (!goes_on(stream, status, "CONTROL"))
		return false;
	while (stream->controls == before) {
		struct pollfd wait = {
			.fd = IONotificationPortGetFileDescriptor(stream->control_port),
			.events = POLLIN};

		poll(&wait, 1, POLL_MSEC);
		if (dext_notification_port_dispatch(stream->control_port) > 0)
			continue;
		waited(stream, WAIT_COMPLETION, since);
		status = call(stream, DEXT_BULKSTREAM_QUERY, NULL, 0);
		if (!goes_on(stream, status, "QUERY, for a control request"))
			return false;
	}
	return goes_on(stream, stream->control_status, "a control request");
}

static bool
get_state(struct stream *stream, struct dext_virtual_state *ret_state)
{
	if (!control(stream, 0xc0, DEXT_VIRTUAL_REQUEST_STATE, sizeof(*ret_state)))
		return false;
	memcpy(ret_state, stream->buffers[STATE], sizeof(*ret_state));
	return true;
}

/* Everything that the device has taken are the first bytes of what the last app had sent. */
static void
compare_inherited(struct stream *stream, const struct dext_virtual_state *state)
{
	struct ledger *ledger = stream->ledger;
	uint64_t number, at = 0, last = ledger->stream;

	XXH3_64bits_reset(stream->hash);
	for (number = 0; at < state->out_bytes && number <= ledger->submitted; number++) {
		uint32_t length = pattern_length(last, number);

		if (length > state->out_bytes - at) {
			pattern_fill(stream->scratch, last, number, length);
			length = (uint32_t)(state->out_bytes - at);
		} else {
			pattern_fill(stream->scratch, last, number, length);
		}
		XXH3_64bits_update(stream->hash, stream->scratch, length);
		at += length;
	}
	if (at != state->out_bytes || number < ledger->completed ||
	    state->out_transfers < ledger->completed)
		fail(ledger,
		     "%s: of an app that was killed %llu transfers had completed, of %llu; the "
		     "device has seen %llu bytes, %llu transfers",
		     stream->spec, (unsigned long long)ledger->completed,
		     (unsigned long long)ledger->submitted, (unsigned long long)state->out_bytes,
		     (unsigned long long)state->out_transfers);
	if (XXH3_64bits_digest(stream->hash) != state->hash)
		fail(ledger, "%s: of an app that was killed the device has seen wrong bytes",
		     stream->spec);
	ledger->totals.inherited++;
}

static void
compare(struct stream *stream, const struct dext_virtual_state *state)
{
	const struct way *out = &stream->ways[DEXT_BULKSTREAM_OUT];
	const struct way *in = &stream->ways[DEXT_BULKSTREAM_IN];

	if (state->out_bytes != out->bytes || state->in_bytes != in->bytes)
		fail(stream->ledger,
		     "%s: the device has seen %llu and given %llu bytes, the app %llu and %llu",
		     stream->spec, (unsigned long long)state->out_bytes,
		     (unsigned long long)state->in_bytes, (unsigned long long)out->bytes,
		     (unsigned long long)in->bytes);
	if (XXH3_64bits_digest(stream->hash) != state->hash)
		fail(stream->ledger, "%s: the device has seen wrong bytes", stream->spec);
	stream->ledger->totals.compared++;
}

static bool
has_all_back(const struct stream *stream)
{
	const struct way *in = &stream->ways[DEXT_BULKSTREAM_IN];
	const struct way *out = &stream->ways[DEXT_BULKSTREAM_OUT];

	return !in->there || !out->there || in->failed || stream->open_end ||
	       in->bytes == out->bytes;
}

bool
stream_settle(struct stream *stream)
{
	struct way *out = &stream->ways[DEXT_BULKSTREAM_OUT],
		   *in = &stream->ways[DEXT_BULKSTREAM_IN];
	const uint64_t abort_in[1] = {DEXT_BULKSTREAM_IN};
	struct dext_virtual_state state;
	uint64_t since = ledger_now();

	while (out->next != out->done || !has_all_back(stream)) {
		if (!submit_all(stream, DEXT_BULKSTREAM_IN) || !take(stream))
			return false;
		waited(stream, WAIT_COMPLETION, since);
	}
	if (in->there) {
		in->aborting = true;
		if (!goes_on(stream, call(stream, DEXT_BULKSTREAM_ABORT, abort_in, 1), "ABORT"))
			return false;
	}
	while (in->next != in->done)
		if (!take(stream))
			return false;
	while (in->failed || out->failed)
		if (!clear(stream, DEXT_BULKSTREAM_IN) || !clear(stream, DEXT_BULKSTREAM_OUT))
			return false;
	in->aborting = false;
	if (!get_state(stream, &state))
		return false;
	compare(stream, &state);
	return true;
}

/* --- the connection --- */

static bool
map_all(struct stream *stream)
{
	for (uint32_t i = 0; i < BUFFERS; i++) {
		mach_vm_address_t address = 0;
		mach_vm_size_t size = 0;
		kern_return_t status = IOConnectMapMemory64(stream->connect, i, mach_task_self(),
							    &address, &size, kIOMapAnywhere);

		if (!goes_on(stream, status, "IOConnectMapMemory64"))
			return false;
		stream->buffers[i] = (uint8_t *)(uintptr_t)address;
	}
	return true;
}

static bool
configure(struct stream *stream)
{
	uint64_t input[6] = {DEXT_BULKSTREAM_ANY, 0,	   DEXT_BULKSTREAM_ANY,
			     DEXT_BULKSTREAM_ANY, BUFFERS, SIZE};
	uint64_t output[4], reference[kIOAsyncCalloutCount] = {0};
	uint32_t room = 4;
	kern_return_t status;

	status = IOConnectCallScalarMethod(stream->connect, DEXT_BULKSTREAM_CONFIGURE, input, 6,
					   output, &room);
	if (!goes_on(stream, status, "CONFIGURE"))
		return false;
	stream->ways[DEXT_BULKSTREAM_OUT].there = output[0] != 0;
	stream->ways[DEXT_BULKSTREAM_IN].there = output[1] != 0;
	reference[kIOAsyncCalloutFuncIndex] = (uint64_t)(uintptr_t)on_completion;
	reference[kIOAsyncCalloutRefconIndex] = (uint64_t)(uintptr_t)stream;
	status = IOConnectCallAsyncScalarMethod(stream->connect, DEXT_BULKSTREAM_REGISTER,
						IONotificationPortGetMachPort(stream->port),
						reference, kIOAsyncCalloutCount, NULL, 0, NULL,
						NULL);
	return goes_on(stream, status, "REGISTER");
}

static bool
inherit(struct stream *stream)
{
	struct ledger *ledger = stream->ledger;
	struct dext_virtual_state state;

	if (!get_state(stream, &state))
		return false;
	if (ledger->stream != 0 && !has_changed(stream->epoch.kills, ledger->stream_kills) &&
	    !has_changed(stream->epoch.unplugs, ledger->stream_unplugs))
		compare_inherited(stream, &state);
	ledger->stream = 0;
	if (!control(stream, 0x40, DEXT_VIRTUAL_REQUEST_RESET, 0))
		return false;
	XXH3_64bits_reset(stream->hash);
	ledger->submitted = ledger->completed = 0;
	ledger->in_submitted = ledger->in_completed = 0;
	ledger->stream_kills = stream->epoch.kills;
	ledger->stream_unplugs = stream->epoch.unplugs;
	/* A device that stalls has seen what does not follow from the numbers. */
	ledger->stream = stream->stalls ? 0 : stream->number;
	return true;
}

bool
stream_begin(struct stream *stream, io_connect_t connect)
{
	stream->connect = connect;
	stream->stalls = strstr(stream->spec, "stall-every") != NULL;
	stream->port = IONotificationPortCreate(kIOMainPortDefault);
	stream->control_port = IONotificationPortCreate(kIOMainPortDefault);
	stream->hash = XXH3_createState();
	XXH3_64bits_reset(stream->hash);
	return configure(stream) && map_all(stream) && inherit(stream);
}

/* The device has gone and its host lives: each transfer ends, once. */
static void
take_rest(struct stream *stream)
{
	uint64_t since = ledger_now();

	while (under_way(stream) > 0 && !is_killed(stream)) {
		struct pollfd wait = {.fd = IONotificationPortGetFileDescriptor(stream->port),
				      .events = POLLIN};

		waited(stream, WAIT_GONE, since);
		if (dext_notification_port_dispatch(stream->port) == 0)
			poll(&wait, 1, POLL_MSEC);
	}
	ledger_waited(&stream->ledger->totals, WAIT_GONE, since);
}

void
stream_end(struct stream *stream)
{
	struct ledger *ledger = stream->ledger;
	uint64_t since;

	if (is_gone(stream))
		take_rest(stream);
	while (dext_notification_port_dispatch(stream->port) > 0)
		;
	if (under_way(stream) > 0 && !is_killed(stream))
		fail(ledger, "%s: %llu transfers have not ended", stream->spec,
		     (unsigned long long)under_way(stream));
	ledger->totals.lost += under_way(stream);
	if (is_killed(stream) || is_gone(stream) || stream->unsure || under_way(stream) > 0)
		ledger->stream = 0;
	ledger->host = 0;
	since = ledger_now();
	IOServiceClose(stream->connect);
	waited(stream, WAIT_CLOSE, since);
	IONotificationPortDestroy(stream->port);
	IONotificationPortDestroy(stream->control_port);
	XXH3_freeState(stream->hash);
	ledger->stream = 0;
	ledger->submitted = ledger->completed = ledger->in_submitted = ledger->in_completed = 0;
	ledger->totals.ends++;
}
