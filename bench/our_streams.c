/* SPDX-License-Identifier: Apache-2.0 */
/* Our side of the streams: an app of bulkstream, with a call for each buffer or through its ring.
 */
#include "ours.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include <IOKit/IOKitLib.h>
#include <bulkstream.h>
#include <dext_iokit.h>
#include <dext_ring.h>
#include <mach/mach.h>

#include "peers/stream_shape.h"

struct stream {
	io_connect_t connect;
	IONotificationPortRef port;
	dext_ring_t *ring; /* NULL: calls */
	const struct dext_bulkstream_statistics *statistics;
	uint8_t **buffers;
	uint64_t size, count, depth, next, done, seen;
	uint64_t sent_at[STREAM_DEPTH_MAX], latency[STREAM_DEPTH_MAX];
	XXH3_state_t *hash;
	void (*wait)(struct stream *stream);
};

static void
ended(struct stream *stream, IOReturn result)
{
	uint64_t place = stream->done % STREAM_DEPTH_MAX;

	if (result != kIOReturnSuccess) {
		fprintf(stderr, "bench: a transfer failed\n");
		_exit(1);
	}
	if (stream->sent_at[place] != 0)
		stream->latency[place] = now_nsec() - stream->sent_at[place];
	stream->done++;
}

static void
on_done(void *refcon, IOReturn result, void **args, uint32_t count)
{
	ended(refcon, result);
}

/* Of the services there are, the one whose device has the endpoints that are asked for. */
static bool
connect_to(struct stream *stream, bool in, pid_t *ret_host)
{
	uint64_t input[6] = {DEXT_BULKSTREAM_ANY,
			     0,
			     in ? DEXT_BULKSTREAM_NONE : DEXT_BULKSTREAM_ANY,
			     in ? DEXT_BULKSTREAM_ANY : DEXT_BULKSTREAM_NONE,
			     stream->count,
			     stream->size};
	io_iterator_t services;
	io_service_t service;
	bool connected = false;

	if (IOServiceGetMatchingServices(kIOMainPortDefault,
					 IOServiceNameMatching(DEXT_BULKSTREAM_SERVICE),
					 &services) != kIOReturnSuccess)
		return false;
	while (!connected && (service = IOIteratorNext(services)) != IO_OBJECT_NULL) {
		if (IOServiceOpen(service, mach_task_self(), 0, &stream->connect) ==
		    kIOReturnSuccess) {
			connected = IOConnectCallScalarMethod(stream->connect,
							      DEXT_BULKSTREAM_CONFIGURE, input, 6,
							      NULL, NULL) == kIOReturnSuccess;
			if (!connected)
				IOServiceClose(stream->connect);
		}
		*ret_host = bench_host_of(service);
		IOObjectRelease(service);
	}
	IOObjectRelease(services);
	return connected;
}

static bool
set_up(struct stream *stream)
{
	uint64_t reference[kIOAsyncCalloutCount] = {0};
	mach_vm_address_t statistics = 0;
	mach_vm_size_t size = 0;

	stream->port = IONotificationPortCreate(kIOMainPortDefault);
	stream->buffers = calloc(stream->count, sizeof(*stream->buffers));
	reference[kIOAsyncCalloutFuncIndex] = (uint64_t)(uintptr_t)on_done;
	reference[kIOAsyncCalloutRefconIndex] = (uint64_t)(uintptr_t)stream;
	if (IOConnectCallAsyncScalarMethod(stream->connect, DEXT_BULKSTREAM_REGISTER,
					   IONotificationPortGetMachPort(stream->port), reference,
					   kIOAsyncCalloutCount, NULL, 0, NULL,
					   NULL) != kIOReturnSuccess)
		return false;
	for (uint64_t i = 0; i < stream->count; i++) {
		mach_vm_address_t address = 0;

		if (IOConnectMapMemory64(stream->connect, (uint32_t)i, mach_task_self(), &address,
					 &size, kIOMapAnywhere) != kIOReturnSuccess)
			return false;
		stream->buffers[i] = (uint8_t *)(uintptr_t)address;
		memset(stream->buffers[i], 0, stream->size);
	}
	if (IOConnectMapMemory64(stream->connect, DEXT_BULKSTREAM_MEMORY_STATISTICS,
				 mach_task_self(), &statistics, &size,
				 kIOMapAnywhere) != kIOReturnSuccess)
		return false;
	stream->statistics = (const void *)(uintptr_t)statistics;
	return true;
}

static uint64_t
copied_of(void *state)
{
	const struct stream *stream = state;

	return stream->statistics->copied;
}

/* As a program does that has a poll loop of its own. */
static void
wait_by_poll(struct stream *stream)
{
	struct pollfd wait = {.fd = IONotificationPortGetFileDescriptor(stream->port),
			      .events = POLLIN};

	if (dext_notification_port_dispatch(stream->port) == 0)
		poll(&wait, 1, 1000);
}

static void
wait_by_mach_msg(struct stream *stream)
{
	struct {
		mach_msg_header_t header;
		uint8_t rest[512];
	} message;

	if (mach_msg(&message.header, MACH_RCV_MSG, 0, sizeof(message),
		     IONotificationPortGetMachPort(stream->port), 0,
		     MACH_PORT_NULL) != MACH_MSG_SUCCESS)
		_exit(1);
	IODispatchCalloutFromMessage(NULL, &message.header, stream->port);
}

/* If it has to sleep, until half of what is underway has come. */
static void
wait_by_ring(struct stream *stream)
{
	struct dext_bulkstream_completion completions[STREAM_DEPTH_MAX];
	uint32_t count = (uint32_t)(stream->next - stream->done + 1) / 2;

	dext_ring_wait_batch(stream->ring, DEXT_RING_ENTRIES, count, UINT64_MAX);
	dext_ring_pop(stream->ring, completions, STREAM_DEPTH_MAX, &count);
	for (uint32_t i = 0; i < count; i++)
		ended(stream, (IOReturn)completions[i].status);
}

static bool
open_with(uint64_t argument, bool in, void (*wait)(struct stream *stream), void **ret_state,
	  pid_t *ret_server)
{
	const struct stream_shape *shape = (const void *)(uintptr_t)argument;
	struct stream *stream = calloc(1, sizeof(*stream));

	if (stream == NULL)
		return false;
	stream->wait = wait;
	stream->size = shape->size;
	stream->count = stream_count(shape);
	stream->depth = stream_depth(shape);
	stream->hash = XXH3_createState();
	XXH3_64bits_reset(stream->hash);
	*ret_state = stream;
	return connect_to(stream, in, ret_server) && set_up(stream);
}

static bool
open_out(uint64_t argument, void **ret_state, pid_t *ret_server)
{
	return open_with(argument, false, wait_by_mach_msg, ret_state, ret_server);
}

static bool
open_by_ring(uint64_t argument, void **ret_state, pid_t *ret_server)
{
	struct stream *stream;

	if (!open_with(argument, false, wait_by_ring, ret_state, ret_server))
		return false;
	stream = *ret_state;
	return dext_ring_create(stream->connect, DEXT_BULKSTREAM_MEMORY_RING, DEXT_RING_ONE_THREAD,
				&stream->ring) == kIOReturnSuccess;
}

/* How often the driver may have had to wake this side. */
static uint64_t
sleeps_of(void *state)
{
	const struct stream *stream = state;
	struct dext_ring_statistics statistics;

	dext_ring_get_statistics(stream->ring, &statistics);
	return statistics.sleeps;
}

static bool
open_by_poll(uint64_t argument, void **ret_state, pid_t *ret_server)
{
	return open_with(argument, false, wait_by_poll, ret_state, ret_server);
}

static bool
open_in(uint64_t argument, void **ret_state, pid_t *ret_server)
{
	return open_with(argument, true, wait_by_mach_msg, ret_state, ret_server);
}

static kern_return_t
push(struct stream *stream, uint32_t selector, uint64_t i)
{
	const struct dext_bulkstream_submission entry = {
		.operation = selector, .buffer = (uint32_t)i, .length = (uint32_t)stream->size};
	uint32_t pushed;

	return dext_ring_push(stream->ring, &entry, 1, &pushed);
}

static kern_return_t
call(struct stream *stream, uint32_t selector, uint64_t i)
{
	uint64_t send[4] = {i, 0, stream->size, 0}, receive[2] = {i, stream->size};
	bool out = selector == DEXT_BULKSTREAM_SEND;

	return IOConnectCallScalarMethod(stream->connect, selector, out ? send : receive,
					 out ? 4 : 2, NULL, NULL);
}

static void
transfer(struct stream *stream, uint32_t selector)
{
	uint64_t i = stream->next++ % stream->count;

	if ((stream->ring != NULL ? push(stream, selector, i) : call(stream, selector, i)) !=
	    kIOReturnSuccess) {
		fprintf(stderr, "bench: a transfer was refused\n");
		_exit(1);
	}
}

static void
fill(struct stream *stream)
{
	memset(stream->buffers[stream->next % stream->count], (int)stream->next, stream->size);
}

static uint64_t
out_once(void *state)
{
	struct stream *stream = state;

	while (stream->next - stream->done >= stream->depth)
		stream->wait(stream);
	fill(stream);
	transfer(stream, DEXT_BULKSTREAM_SEND);
	return 0;
}

static uint64_t
latency_once(void *state)
{
	struct stream *stream = state;

	fill(stream);
	stream->sent_at[stream->next % STREAM_DEPTH_MAX] = now_nsec();
	transfer(stream, DEXT_BULKSTREAM_SEND);
	if (stream->next - stream->seen < stream->depth)
		return 1; /* the first ones, before so many are underway */
	while (stream->done == stream->seen)
		stream->wait(stream);
	return stream->latency[stream->seen++ % STREAM_DEPTH_MAX];
}

static uint64_t
in_once(void *state)
{
	struct stream *stream = state;

	while (stream->next - stream->seen < stream->depth)
		transfer(stream, DEXT_BULKSTREAM_RECEIVE);
	while (stream->done == stream->seen)
		stream->wait(stream);
	XXH3_64bits_update(stream->hash, stream->buffers[stream->seen++ % stream->count],
			   stream->size);
	return 0;
}

static void
send_whole(struct stream *stream)
{
	transfer(stream, DEXT_BULKSTREAM_SEND);
	while (stream->done < stream->next)
		stream->wait(stream);
}

/*
 * The call alone; nothing else is underway. After a call that does nothing, so that both sides are
 * awake whatever the buffer before it took.
 */
static uint64_t
send_of(struct stream *stream, uint64_t size)
{
	uint64_t out = DEXT_BULKSTREAM_OUT, whole = stream->size, begun, spent;

	IOConnectCallScalarMethod(stream->connect, DEXT_BULKSTREAM_CLEAR_STALL, &out, 1, NULL,
				  NULL);
	stream->size = size;
	begun = now_nsec();
	transfer(stream, DEXT_BULKSTREAM_SEND);
	spent = now_nsec() - begun;
	while (stream->done < stream->next)
		stream->wait(stream);
	stream->size = whole;
	return spent;
}

/*
 * The virtual device hashes what it is sent on the host's CPU, so a large buffer leaves nothing of
 * the host's own in that CPU's caches. So that this counts for neither, as much has been hashed
 * since the last send that counts, whatever the size of that: two buffers.
 */
static uint64_t
send_once(void *state)
{
	struct stream *stream = state;

	send_whole(stream);
	return send_of(stream, stream->size);
}

static uint64_t
small_send_once(void *state)
{
	send_whole(state);
	send_whole(state);
	return send_of(state, 4096);
}

const struct contestant our_stream = {
	.name = "bulkstream", .open = open_out, .once = out_once, .copied = copied_of, .batch = 16};
const struct contestant our_stream_by_poll = {
	.name = "bulkstream, poll", .open = open_by_poll, .once = out_once, .batch = 16};
const struct contestant our_ring_stream = {.name = "bulkstream, ring",
					   .open = open_by_ring,
					   .once = out_once,
					   .wakes = sleeps_of,
					   .copied = copied_of,
					   .batch = 16};
const struct contestant our_latency = {
	.name = "bulkstream, latency", .open = open_out, .once = latency_once, .batch = 1};
const struct contestant our_in_stream = {
	.name = "bulkstream, IN", .open = open_in, .once = in_once, .batch = 16};
const struct contestant our_send = {
	.name = "a buffer of this size", .open = open_out, .once = send_once, .batch = 4};
const struct contestant our_small_send = {
	.name = "a buffer of 4 KiB", .open = open_out, .once = small_send_once, .batch = 4};
