/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One app: its buffers, its two streams, its registered callback, and how it ends.
 *
 * Stop finishes asynchronously: it asks for the end of what the app has underway, and the last
 * transfer that comes back stops the object. Until then the buffers stay where they are, since the
 * device may still touch them.
 */
#include "stream.h"

#include <stdlib.h>

static bool
is_direction(uint64_t direction)
{
	return direction == DEXT_BULKSTREAM_OUT || direction == DEXT_BULKSTREAM_IN;
}

static kern_return_t
check_configuration(struct client *client, const uint64_t *input)
{
	struct driver *driver = client->driver;
	uint64_t interface = input[0], alternate = input[1], count = input[4], size = input[5];

	if (client->buffer_count != 0) {
		os_log_error(OS_LOG_DEFAULT,
			     "CONFIGURE: already configured; close and open the service again");
		return kIOReturnBusy;
	}
	if (interface != DEXT_BULKSTREAM_ANY && interface != driver->interface_number) {
		os_log_error(OS_LOG_DEFAULT, "CONFIGURE: interface %llu; this driver is on %u",
			     (unsigned long long)interface, driver->interface_number);
		return kIOReturnNotFound;
	}
	if (alternate > UINT8_MAX)
		return kIOReturnNotFound;
	if (count == 0 || count > DEXT_BULKSTREAM_BUFFERS_MAX || size == 0 ||
	    size > DEXT_BULKSTREAM_SIZE_MAX) {
		os_log_error(OS_LOG_DEFAULT,
			     "CONFIGURE: %llu buffers of %llu bytes; 1 to %u of 1 to %llu expected",
			     (unsigned long long)count, (unsigned long long)size,
			     DEXT_BULKSTREAM_BUFFERS_MAX,
			     (unsigned long long)DEXT_BULKSTREAM_SIZE_MAX);
		return kIOReturnBadArgument;
	}
	if (count * size > DEXT_BULKSTREAM_BYTES_MAX) {
		os_log_error(OS_LOG_DEFAULT,
			     "CONFIGURE: %llu buffers of %llu bytes are over the limit of %llu "
			     "bytes in all (DEXT_BULKSTREAM_BYTES_MAX)",
			     (unsigned long long)count, (unsigned long long)size,
			     (unsigned long long)DEXT_BULKSTREAM_BYTES_MAX);
		return kIOReturnNoResources;
	}
	return kIOReturnSuccess;
}

static kern_return_t
attach_streams(struct client *client, const uint64_t *wanted)
{
	uint8_t addresses[2] = {0, 0};
	kern_return_t status = kIOReturnSuccess;

	for (unsigned way = 0; way < 2; way++) {
		if (wanted[way] != DEXT_BULKSTREAM_NONE)
			status = driver_find_endpoint(client->driver, wanted[way], way,
						      &addresses[way]);
		if (status != kIOReturnSuccess)
			return status;
	}
	if (addresses[0] == 0 && addresses[1] == 0) {
		os_log_error(OS_LOG_DEFAULT, "CONFIGURE: no bulk endpoint");
		return kIOReturnBadArgument;
	}
	for (unsigned way = 0; way < 2 && status == kIOReturnSuccess; way++)
		if (addresses[way] != 0)
			status = pipe_attach(client->driver, addresses[way], &client->streams[way]);
	if (status != kIOReturnSuccess) {
		pipe_detach(&client->streams[0]);
		pipe_detach(&client->streams[1]);
	}
	return status;
}

kern_return_t
client_configure(struct client *client, const uint64_t *input)
{
	uint32_t count = (uint32_t)input[4];
	struct buffer *buffers;
	kern_return_t status = check_configuration(client, input);

	if (status == kIOReturnSuccess)
		status = driver_select_alternate(client->driver, client, (uint8_t)input[1]);
	if (status != kIOReturnSuccess)
		return status;
	buffers = calloc(count, sizeof(*buffers));
	if (buffers == NULL)
		return kIOReturnNoMemory;
	status = attach_streams(client, &input[2]);
	if (status != kIOReturnSuccess) {
		free(buffers);
		return status;
	}
	for (uint32_t i = 0; i < count; i++) {
		buffers[i].client = client;
		buffers[i].index = i;
	}
	client->buffers = buffers;
	client->buffer_count = count;
	client->buffer_size = (uint32_t)input[5];
	return kIOReturnSuccess;
}

static void
complain(const struct client *client, const struct transfer_request *request, const char *what)
{
	if (request->quiet)
		return;
	os_log_error(OS_LOG_DEFAULT,
		     "%s: buffer %llu, offset %llu, length %llu, flags 0x%llx; there are %u "
		     "buffers of %u bytes",
		     what, (unsigned long long)request->index, (unsigned long long)request->offset,
		     (unsigned long long)request->length, (unsigned long long)request->flags,
		     client->buffer_count, client->buffer_size);
}

/* The buffer, if a transfer may begin on it. */
static kern_return_t
get_buffer(struct client *client, struct stream *stream, const struct transfer_request *request,
	   struct buffer **ret_buffer)
{
	struct buffer *buffer;

	if (stream->pipe == NULL)
		return kIOReturnNotReady;
	if (request->index >= client->buffer_count) {
		complain(client, request, "there is no such buffer");
		return kIOReturnBadArgument;
	}
	if (stream->pipe->gone)
		return kIOReturnNoDevice;
	if (stream->state == STREAM_FAILED)
		return kUSBHostReturnPipeStalled;
	buffer = &client->buffers[request->index];
	if (buffer->state != BUFFER_FREE)
		return kIOReturnBusy;
	*ret_buffer = buffer;
	return kIOReturnSuccess;
}

static kern_return_t
begin(struct stream *stream, struct buffer *buffer, const struct transfer_request *request,
      uint64_t *ret_sequence)
{
	kern_return_t status = buffer_prepare(buffer);

	if (status != kIOReturnSuccess)
		return status;
	buffer->offset = (uint32_t)request->offset;
	buffer->length = (uint32_t)request->length;
	buffer->flags = (uint32_t)request->flags;
	buffer->by_ring = request->by_ring;
	*ret_sequence = stream->sequence;
	pipe_enqueue(stream, buffer);
	return kIOReturnSuccess;
}

kern_return_t
client_send(struct client *client, const struct transfer_request *request, uint64_t *ret_sequence)
{
	struct stream *stream = &client->streams[DEXT_BULKSTREAM_OUT];
	struct buffer *buffer = NULL;
	kern_return_t status;

	if (request->offset > client->buffer_size ||
	    request->length > client->buffer_size - request->offset ||
	    (request->flags & ~(uint64_t)DEXT_BULKSTREAM_ZLP) != 0) {
		complain(client, request, "SEND");
		return client->buffer_count == 0 ? kIOReturnNotReady : kIOReturnBadArgument;
	}
	status = get_buffer(client, stream, request, &buffer);
	if (status != kIOReturnSuccess)
		return status;
	return begin(stream, buffer, request, ret_sequence);
}

kern_return_t
client_receive(struct client *client, const struct transfer_request *request,
	       uint64_t *ret_sequence)
{
	struct stream *stream = &client->streams[DEXT_BULKSTREAM_IN];
	struct buffer *buffer = NULL;
	kern_return_t status;

	if (stream->pipe == NULL)
		return kIOReturnNotReady;
	if (request->length == 0 || request->length > client->buffer_size || request->offset != 0 ||
	    request->flags != 0) {
		complain(client, request, "RECEIVE");
		return kIOReturnBadArgument;
	}
	if (request->length % stream->pipe->packet_size != 0) {
		complain(client, request, "RECEIVE of something else than whole packets");
		return kIOReturnNotAligned;
	}
	if (client->pool.count != 0)
		return kIOReturnBusy;
	status = get_buffer(client, stream, request, &buffer);
	if (status != kIOReturnSuccess)
		return status;
	return begin(stream, buffer, request, ret_sequence);
}

kern_return_t
client_abort(struct client *client, uint64_t direction)
{
	if (!is_direction(direction))
		return kIOReturnBadArgument;
	if (client->streams[direction].pipe == NULL)
		return kIOReturnNotReady;
	if (direction == DEXT_BULKSTREAM_IN && client->pool.count != 0)
		return receive_stop(client);
	pipe_abort(&client->streams[direction]);
	return kIOReturnSuccess;
}

kern_return_t
client_clear_stall(struct client *client, uint64_t direction)
{
	struct stream *stream;

	if (!is_direction(direction))
		return kIOReturnBadArgument;
	stream = &client->streams[direction];
	if (stream->pipe == NULL)
		return kIOReturnNotReady;
	if (stream->pipe->gone)
		return kIOReturnNoDevice;
	if (stream->underway != 0 || ring_is_full(client))
		return kIOReturnBusy;
	stream->state = STREAM_OPEN;
	return kIOReturnSuccess;
}

static void
complete_at_port(struct client *client, const struct buffer *buffer, IOReturn status,
		 uint64_t timestamp)
{
	uint64_t arguments[DEXT_BULKSTREAM_ARGUMENTS] = {
		[DEXT_BULKSTREAM_ARGUMENT_DIRECTION] = buffer->direction,
		[DEXT_BULKSTREAM_ARGUMENT_BUFFER] = buffer->index,
		[DEXT_BULKSTREAM_ARGUMENT_STATUS] = (uint32_t)status,
		[DEXT_BULKSTREAM_ARGUMENT_BYTES] = buffer->moved,
		[DEXT_BULKSTREAM_ARGUMENT_TIMESTAMP] = timestamp,
		[DEXT_BULKSTREAM_ARGUMENT_SEQUENCE] = buffer->sequence,
	};

	if (client->completion == NULL)
		return;
	status = IOUserClient_AsyncCompletion((IOUserClient *)client->service, client->completion,
					      status, arguments, DEXT_BULKSTREAM_ARGUMENTS);
	if (status != kIOReturnSuccess)
		os_log_error(OS_LOG_DEFAULT, "a completion cannot be sent: 0x%08x",
			     (unsigned)status);
}

void
client_completed(struct buffer *buffer, IOReturn status, uint64_t timestamp)
{
	struct client *client = buffer->client;
	/* Before the next transfer of a pool, which may be of this very buffer. */
	const struct buffer ended = *buffer;

	if (!receive_completed(buffer, status))
		buffer->state = BUFFER_FREE;
	if (ended.by_ring)
		ring_completed(client, &(struct dext_bulkstream_completion){
					       .direction = ended.direction,
					       .buffer = ended.index,
					       .status = (uint32_t)status,
					       .bytes = ended.moved,
					       .timestamp = timestamp,
					       .sequence = ended.sequence,
				       });
	else
		complete_at_port(client, &ended, status, timestamp);
}

static void
release_buffers(struct client *client)
{
	for (uint32_t i = 0; i < client->buffer_count; i++)
		buffer_release(&client->buffers[i]);
	free(client->buffers);
	client->buffers = NULL;
	client->buffer_count = 0;
}

void
client_finish_stop(struct client *client)
{
	IOService *provider = client->provider;

	if (!client->stopping || client->stopped || client->streams[0].underway != 0 ||
	    client->streams[1].underway != 0 || client->requests != 0)
		return;
	client->stopped = true;
	client->provider = NULL;
	pipe_detach(&client->streams[0]);
	pipe_detach(&client->streams[1]);
	ring_stop(client);
	OSSafeReleaseNULL(client->completion);
	release_buffers(client);
	/* Last: who sees in the statistics that it has gone sees that all it held has. */
	driver_remove_client(client->driver, client);
	(void)IOService_Stop_Impl((IOService *)client->service, provider);
	OSRelease(provider);
	OSRelease(client->service);
}
