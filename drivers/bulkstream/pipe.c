/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pipe: one endpoint, shared by the streams of all apps that use it.
 *
 * Transfers come back in the order in which they were submitted. When one fails the library halts
 * the endpoint and everything behind it comes back aborted, also what belongs to other apps; an
 * app's abort does the same, since USB can only abort a whole pipe. In both cases the pipe is
 * "draining": nothing is submitted until it is empty. Then the device is asked to clear the halt,
 * and when it has answered, or its time is over, the transfers of those who had no part in it are
 * put back in front of their lists, from the byte where they were cut, and the pipe goes on. The
 * failing app's own transfers are all given up: nothing of a stream may overtake what failed.
 *
 * A transfer holds a reference on its user client from pipe_enqueue to its completion.
 */
#include "stream.h"

#include <stdlib.h>

#define CLEAR_HALT_TYPE 0x02 /* bmRequestType: standard, to an endpoint */

static void
gauge(const struct buffer *buffer, int queued, int in_flight)
{
	struct client *client = buffer->client;
	unsigned way = buffer->direction;

	statistics_add(client, direction[way].queued, queued);
	statistics_add(client, direction[way].in_flight, in_flight);
}

static void
finish(struct stream *stream, struct buffer *buffer, IOReturn status, uint64_t timestamp)
{
	struct pipe *pipe = stream->pipe;
	uint64_t others = pipe->completed - stream->completed - buffer->others_before;

	pipe->completed++;
	stream->completed++;
	stream->underway--;
	statistics_completed(buffer, status, others);
	client_completed(buffer, status, timestamp);
	OSRelease(stream->client->service);
}

/* What waits will never be submitted: the first gets the stream's failure, the others Aborted. */
static void
give_up(struct stream *stream)
{
	IOReturn status = stream->failure;
	struct buffer *buffer;

	while ((buffer = list_take(&stream->waiting)) != NULL) {
		gauge(buffer, -1, 0);
		finish(stream, buffer, status, 0);
		status = kIOReturnAborted;
	}
	stream->failure = kIOReturnAborted;
	if (stream->state == STREAM_ABORTING)
		stream->state = STREAM_OPEN;
}

/* Ends the stream until the app clears it; `first` is what its first waiting transfer gets. */
static void
fail(struct stream *stream, IOReturn first)
{
	stream->state = STREAM_FAILED;
	stream->failure = first;
	stream->pipe->draining = true;
}

static void
put_back_returned(struct pipe *pipe)
{
	struct buffer_list reversed = {0};
	struct buffer *buffer;

	while ((buffer = list_take(&pipe->returned)) != NULL)
		list_prepend(&reversed, buffer);
	while ((buffer = list_take(&reversed)) != NULL)
		list_prepend(&buffer->client->streams[buffer->direction].waiting, buffer);
}

/* The device has answered, or has not: on with the host's end of it. */
static void
finish_clearing(struct pipe *pipe, IOReturn status)
{
	if (status == kIOReturnSuccess)
		status = IOUSBHostPipe_ClearStall(pipe->usb, false);
	if (status == kIOReturnNoDevice)
		pipe->gone = true;
	else if (status != kIOReturnSuccess && status != kIOReturnAborted)
		os_log_error(OS_LOG_DEFAULT, "endpoint 0x%02x cannot be cleared: 0x%08x",
			     pipe->address, (unsigned)status);
	pipe->halted = false;
}

static void
cleared(OSObject *target, OSAction *action, IOReturn status, uint16_t bytes)
{
	struct pipe *pipe = *(struct pipe **)OSAction_GetReference(action);

	pipe->clearing = false;
	if (pipe->usb == NULL) { /* of a setting that is not selected any more */
		free(pipe);
		return;
	}
	finish_clearing(pipe, status);
	pipe_run(pipe);
	driver_finish_stops(pipe->driver);
}

/* The action lives as long as the request: it holds its target, and the target owns the pipe. */
static IOReturn
ask_to_clear(struct pipe *pipe)
{
	OSAction *action = NULL;
	kern_return_t status = IOUSBHostInterface_CreateActionCompleteAsyncDeviceRequest(
		(OSObject *)pipe->driver->service, cleared, sizeof(pipe), &action);

	if (status != kIOReturnSuccess)
		return status;
	*(struct pipe **)OSAction_GetReference(action) = pipe;
	status = IOUSBHostInterface_AsyncDeviceRequest(
		pipe->driver->interface, CLEAR_HALT_TYPE, kIOUSBDeviceRequestClearFeature,
		kIOUSBEndpointFeatureSelectorStall, pipe->address, 0, NULL, action,
		DEXT_BULKSTREAM_CONTROL_MSEC);
	OSRelease(action);
	return status;
}

/* Not ClearStall(true), which waits for the device: the driver's queue is everybody's. */
static void
begin_clearing(struct pipe *pipe)
{
	kern_return_t status = ask_to_clear(pipe);

	if (status == kIOReturnSuccess)
		pipe->clearing = true;
	else
		finish_clearing(pipe, status);
}

static void
drained(struct pipe *pipe)
{
	pipe->draining = false;
	pipe->halted = false;
	put_back_returned(pipe);
	for (struct stream *stream = pipe->streams; stream != NULL; stream = stream->next) {
		if (pipe->gone && stream->state == STREAM_OPEN && stream->waiting.count > 0) {
			stream->state = STREAM_FAILED;
			stream->failure = kIOReturnNoDevice;
		}
		if (stream->state != STREAM_OPEN)
			give_up(stream);
	}
}

static void
completed(OSObject *target, OSAction *action, IOReturn status, uint32_t actual, uint64_t timestamp)
{
	struct buffer *buffer = *(struct buffer **)OSAction_GetReference(action);
	struct stream *stream = &buffer->client->streams[buffer->direction];
	struct driver *driver = buffer->client->driver;
	struct pipe *pipe = stream->pipe;

	gauge(buffer, 0, -1);
	pipe->in_flight--;
	if (--stream->in_flight == 0)
		scheduler_to_back(stream);
	buffer->moved += actual;
	if (status == kIOReturnAborted && buffer->length != 0 && buffer->moved == buffer->length &&
	    (buffer->flags & DEXT_BULKSTREAM_ZLP) == 0)
		status = kIOReturnSuccess; /* all of it had gone before the abort came */
	if (status == kIOReturnNoDevice)
		pipe->gone = true;
	if (status == kIOReturnAborted && pipe->draining && stream->state == STREAM_OPEN) {
		buffer->state = BUFFER_WAITING;
		gauge(buffer, 1, 0);
		list_append(&pipe->returned, buffer);
	} else {
		if (status != kIOReturnSuccess && status != kIOReturnAborted &&
		    status != kIOReturnTimeout) {
			if (receive_resumes(buffer, status))
				pipe->draining = true;
			else
				fail(stream, kIOReturnAborted);
			pipe->halted = true;
		}
		finish(stream, buffer, status, timestamp);
	}
	pipe_run(pipe);
	driver_finish_stops(driver);
}

static kern_return_t
make_action(struct buffer *buffer)
{
	OSObject *target = (OSObject *)buffer->client->driver->service;
	kern_return_t status;

	if (buffer->action != NULL)
		return kIOReturnSuccess;
	status = IOUSBHostPipe_CreateActionCompleteAsyncIO(
		target, completed, sizeof(struct buffer *), &buffer->action);
	if (status == kIOReturnSuccess)
		*(struct buffer **)OSAction_GetReference(buffer->action) = buffer;
	return status;
}

static kern_return_t
start(struct pipe *pipe, struct buffer *buffer)
{
	uint32_t length = buffer->length - buffer->moved;
	IOMemoryDescriptor *view = NULL;
	kern_return_t status = make_action(buffer);

	if (status == kIOReturnSuccess && length != 0)
		status = buffer_copy_view(buffer, buffer->offset + buffer->moved, length, &view);
	if (status != kIOReturnSuccess)
		return status;
	if ((buffer->flags & DEXT_BULKSTREAM_ZLP) != 0 && length != 0)
		status = dext_usb_pipe_async_io_zlp(pipe->usb, view, length, buffer->action, 0);
	else
		status = IOUSBHostPipe_AsyncIO(pipe->usb, view, length, buffer->action, 0);
	OSSafeReleaseNULL(view);
	return status;
}

static void
submit(struct stream *stream)
{
	struct pipe *pipe = stream->pipe;
	struct buffer *buffer = list_take(&stream->waiting);
	kern_return_t status = start(pipe, buffer);

	if (status == kIOReturnSuccess) {
		buffer->state = BUFFER_IN_FLIGHT;
		gauge(buffer, -1, 1);
		stream->in_flight++;
		pipe->in_flight++;
		scheduler_to_back(stream);
		return;
	}
	list_prepend(&stream->waiting, buffer);
	if (status == kUSBHostReturnPipeStalled && pipe->in_flight > 0) {
		/* By one of those before it, whose completion is on its way: whoever's it is. */
		pipe->draining = true;
		pipe->halted = true;
		return;
	}
	/* It completes with this status when its turn in the order has come. */
	fail(stream, status);
	if (status == kIOReturnNoDevice || status == kIOReturnNotOpen)
		pipe->gone = true;
	else
		pipe->halted = status == kUSBHostReturnPipeStalled;
}

void
pipe_run(struct pipe *pipe)
{
	if (pipe->running)
		return;
	pipe->running = true;
	for (;;) {
		struct stream *stream;

		if (pipe->draining) {
			if (pipe->in_flight != 0 || pipe->clearing)
				break;
			if (pipe->halted && !pipe->gone)
				begin_clearing(pipe);
			else
				drained(pipe);
			continue;
		}
		stream = scheduler_next(pipe);
		if (stream == NULL || pipe->in_flight >= scheduler_depth(pipe))
			break;
		submit(stream);
	}
	pipe->running = false;
}

void
pipe_enqueue(struct stream *stream, struct buffer *buffer)
{
	struct pipe *pipe = stream->pipe;

	if (stream->underway == 0)
		scheduler_to_back(stream);
	buffer->state = BUFFER_WAITING;
	buffer->direction = stream->direction;
	buffer->moved = 0;
	buffer->sequence = stream->sequence++;
	buffer->alone = stream->underway == 0;
	buffer->others_before = pipe->completed - stream->completed;
	stream->underway++;
	OSRetain(stream->client->service);
	list_append(&stream->waiting, buffer);
	gauge(buffer, 1, 0);
	pipe_run(pipe);
}

void
pipe_abort(struct stream *stream)
{
	struct pipe *pipe = stream->pipe;
	kern_return_t status;

	if (pipe == NULL || stream->underway == 0)
		return;
	if (stream->state == STREAM_OPEN) {
		stream->state = STREAM_ABORTING;
		stream->failure = kIOReturnAborted;
	}
	if (stream->in_flight > 0) {
		pipe->draining = true;
		status = IOUSBHostPipe_Abort(pipe->usb, kIOUSBAbortAsynchronous, kIOReturnAborted,
					     (IOService *)pipe->driver->service);
		if (status != kIOReturnSuccess)
			os_log_error(OS_LOG_DEFAULT, "endpoint 0x%02x cannot be aborted: 0x%08x",
				     pipe->address, (unsigned)status);
	} else if (!pipe->draining) {
		give_up(stream);
	}
	pipe_run(pipe);
}

static struct pipe *
find(struct driver *driver, uint8_t address)
{
	struct pipe *pipe = driver->pipes;

	while (pipe != NULL && pipe->address != address)
		pipe = pipe->next;
	return pipe;
}

static kern_return_t
create(struct driver *driver, uint8_t address, struct pipe **ret_pipe)
{
	struct pipe *pipe = calloc(1, sizeof(*pipe));
	IOUSBStandardEndpointDescriptors descriptors = {0};
	uint8_t speed = 0;
	kern_return_t status;

	if (pipe == NULL)
		return kIOReturnNoMemory;
	status = IOUSBHostInterface_CopyPipe(driver->interface, address, &pipe->usb);
	if (status == kIOReturnSuccess)
		status = IOUSBHostPipe_GetSpeed(pipe->usb, &speed);
	if (status == kIOReturnSuccess)
		status = IOUSBHostPipe_GetDescriptors(pipe->usb, &descriptors,
						      kIOUSBGetEndpointDescriptorCurrent);
	if (status != kIOReturnSuccess) {
		OSSafeReleaseNULL(pipe->usb);
		free(pipe);
		return status;
	}
	pipe->driver = driver;
	pipe->address = address;
	pipe->packet_size = IOUSBGetEndpointMaxPacketSize(speed, &descriptors.descriptor);
	pipe->next = driver->pipes;
	driver->pipes = pipe;
	*ret_pipe = pipe;
	return kIOReturnSuccess;
}

kern_return_t
pipe_attach(struct driver *driver, uint8_t address, struct stream *stream)
{
	struct pipe *pipe = find(driver, address);
	kern_return_t status = kIOReturnSuccess;

	if (pipe == NULL)
		status = create(driver, address, &pipe);
	if (status != kIOReturnSuccess)
		return status;
	stream->pipe = pipe;
	stream->next = pipe->streams;
	pipe->streams = stream;
	pipe->stream_count++;
	return kIOReturnSuccess;
}

void
pipe_detach(struct stream *stream)
{
	struct stream **link;

	if (stream->pipe == NULL)
		return;
	for (link = &stream->pipe->streams; *link != stream; link = &(*link)->next)
		;
	*link = stream->next;
	stream->pipe->stream_count--;
	stream->pipe = NULL;
}

void
pipe_free_all(struct driver *driver)
{
	struct pipe *pipe;

	while ((pipe = driver->pipes) != NULL) {
		driver->pipes = pipe->next;
		OSSafeReleaseNULL(pipe->usb);
		if (!pipe->clearing) /* or it goes with the end of that */
			free(pipe);
	}
}
