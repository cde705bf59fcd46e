/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Continuous receive: K transfers of a pool of buffers are always queued, so that a device which
 * sends by itself finds one while the app works on what came before.
 *
 * A buffer of the pool is queued, lent to the app (between its completion and GIVE_BACK), or in the
 * pool's free list. When all are lent the device has to wait: an overrun, counted once until the
 * app gives something back. The first transfer that does not succeed ends the pool; the ones behind
 * it come back aborted, then all buffers are ordinary again. Asked to resume, it takes a stall for
 * the end of that transfer only: those behind it are submitted again as other apps' are (pipe.c).
 */
#include "stream.h"

static void
fill(struct client *client)
{
	struct receive_pool *pool = &client->pool;
	struct stream *stream = &client->streams[DEXT_BULKSTREAM_IN];
	struct buffer *buffer;

	while (pool->queued < pool->depth && stream->state == STREAM_OPEN && !pool->ending &&
	       (buffer = list_take(&pool->free)) != NULL) {
		buffer->offset = 0;
		buffer->length = pool->length;
		buffer->flags = 0;
		buffer->by_ring = false;
		pool->queued++;
		pipe_enqueue(stream, buffer);
	}
}

static void
end(struct client *client)
{
	struct receive_pool *pool = &client->pool;

	for (uint32_t i = 0; i < pool->count; i++) {
		struct buffer *buffer = &client->buffers[pool->first + i];

		buffer->state = BUFFER_FREE;
		buffer->next = NULL;
	}
	*pool = (struct receive_pool){0};
}

static bool
holds(const struct client *client, const struct buffer *buffer)
{
	return buffer->index >= client->pool.first &&
	       buffer->index - client->pool.first < client->pool.count;
}

kern_return_t
receive_start(struct client *client, const uint64_t *input, uint64_t flags)
{
	struct stream *stream = &client->streams[DEXT_BULKSTREAM_IN];
	uint64_t first = input[0], count = input[1], length = input[2], depth = input[3];

	if (stream->pipe == NULL)
		return kIOReturnNotReady;
	if (first >= client->buffer_count || count == 0 || count > client->buffer_count - first ||
	    length == 0 || length > client->buffer_size || depth == 0 || depth > count) {
		os_log_error(
			OS_LOG_DEFAULT,
			"RECEIVE_START: first %llu, count %llu, length %llu, K %llu do not fit "
			"%u buffers of %u bytes",
			(unsigned long long)first, (unsigned long long)count,
			(unsigned long long)length, (unsigned long long)depth, client->buffer_count,
			client->buffer_size);
		return kIOReturnBadArgument;
	}
	if ((flags & ~(uint64_t)DEXT_BULKSTREAM_RESUME) != 0) {
		os_log_error(OS_LOG_DEFAULT, "RECEIVE_START: unknown flags 0x%llx",
			     (unsigned long long)flags);
		return kIOReturnBadArgument;
	}
	if (length % stream->pipe->packet_size != 0)
		return kIOReturnNotAligned;
	if (stream->pipe->gone)
		return kIOReturnNoDevice;
	if (stream->state == STREAM_FAILED)
		return kUSBHostReturnPipeStalled;
	if (client->pool.count != 0 || stream->underway != 0)
		return kIOReturnBusy;
	for (uint64_t i = first; i < first + count; i++)
		if (client->buffers[i].state != BUFFER_FREE)
			return kIOReturnBusy;
	for (uint64_t i = first; i < first + count; i++) {
		kern_return_t status = buffer_prepare(&client->buffers[i]);

		if (status != kIOReturnSuccess)
			return status;
	}
	client->pool = (struct receive_pool){.first = (uint32_t)first,
					     .count = (uint32_t)count,
					     .length = (uint32_t)length,
					     .depth = (uint32_t)depth,
					     .resume = (flags & DEXT_BULKSTREAM_RESUME) != 0};
	for (uint64_t i = first; i < first + count; i++) {
		client->buffers[i].state = BUFFER_POOLED;
		list_append(&client->pool.free, &client->buffers[i]);
	}
	fill(client);
	return kIOReturnSuccess;
}

kern_return_t
receive_give_back(struct client *client, uint64_t index)
{
	struct buffer *buffer;

	if (index >= client->buffer_count)
		return kIOReturnBadArgument;
	buffer = &client->buffers[index];
	if (!holds(client, buffer) || buffer->state != BUFFER_LENT) {
		os_log_error(OS_LOG_DEFAULT, "GIVE_BACK: buffer %llu is not lent to the app",
			     (unsigned long long)index);
		return kIOReturnBadArgument;
	}
	buffer->state = BUFFER_POOLED;
	list_append(&client->pool.free, buffer);
	client->pool.starved = false;
	fill(client);
	return kIOReturnSuccess;
}

kern_return_t
receive_stop(struct client *client)
{
	if (client->pool.count == 0)
		return kIOReturnNotReady;
	client->pool.ending = true;
	if (client->pool.queued == 0)
		end(client);
	else
		pipe_abort(&client->streams[DEXT_BULKSTREAM_IN]);
	return kIOReturnSuccess;
}

bool
receive_resumes(const struct buffer *buffer, IOReturn status)
{
	const struct client *client = buffer->client;

	/* A stream that has failed did so because the endpoint could not be cleared. */
	return status == kUSBHostReturnPipeStalled && client->pool.resume && !client->pool.ending &&
	       buffer->direction == DEXT_BULKSTREAM_IN && holds(client, buffer) &&
	       client->streams[DEXT_BULKSTREAM_IN].state == STREAM_OPEN;
}

bool
receive_completed(struct buffer *buffer, IOReturn status)
{
	struct client *client = buffer->client;
	struct receive_pool *pool = &client->pool;

	if (pool->count == 0 || !holds(client, buffer) || buffer->direction != DEXT_BULKSTREAM_IN)
		return false;
	pool->queued--;
	buffer->state = BUFFER_LENT;
	if (status != kIOReturnSuccess && !receive_resumes(buffer, status))
		pool->ending = true;
	if (pool->ending) {
		if (pool->queued == 0)
			end(client);
		return true;
	}
	fill(client);
	if (pool->queued == 0 && !pool->starved) {
		pool->starved = true;
		statistics_add(client, overruns, 1);
	}
	return true;
}
