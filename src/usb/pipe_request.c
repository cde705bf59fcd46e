/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a transfer, from its submission until it may be answered.
 *
 * After a request has failed for other reasons than its time or an abort, the pipe is halted: all
 * that is behind it is cancelled, and nothing is accepted until ClearStall.
 *
 * Threads: any; `done` comes from the one that reaps. The lock is held for submit and cancel of the
 * backend.
 */
#include "pipe_private.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"

/* --- the end of a request --- */

/* Finished ones at the front of `outstanding` may be answered. */
void
pipe_settle_locked(struct IOUSBHostPipe_IVars *pipe)
{
	struct pipe_request *request;

	while ((request = TAILQ_FIRST(&pipe->outstanding)) != NULL &&
	       request->state == PIPE_FINISHED) {
		TAILQ_REMOVE(&pipe->outstanding, request, link);
		request->state = PIPE_RETURNED;
		if (request->action != NULL)
			TAILQ_INSERT_TAIL(&pipe->ready, request, link);
		else
			pthread_cond_broadcast(&pipe->returned);
	}
}

/* Ends one that never reached the backend. */
void
pipe_drop_locked(struct IOUSBHostPipe_IVars *pipe, struct pipe_request *request, IOReturn status)
{
	pipe->waiting--;
	request->state = PIPE_FINISHED;
	request->transfer.status = status;
	request->transfer.actual = 0;
	request->transfer.timestamp = clock_now();
}

/*
 * Asks for the end of all that is outstanding. The newest first: an older one that ends must not
 * let a newer one begin.
 */
void
pipe_abort_locked(struct IOUSBHostPipe_IVars *pipe, IOReturn status)
{
	struct usb_port *port = pipe->port;
	struct pipe_request *request;

	TAILQ_FOREACH_REVERSE(request, &pipe->outstanding, pipe_requests, link)
	{
		if (request->state == PIPE_FINISHED || request->abort_status != 0)
			continue;
		request->abort_status = status;
		if (request->state == PIPE_WAITING)
			pipe_drop_locked(pipe, request, status);
		else
			port->backend->cancel(port->device, &request->transfer);
	}
	pipe_settle_locked(pipe);
}

/* What the driver is told, and whether the pipe halts. */
static void
judge_locked(struct IOUSBHostPipe_IVars *pipe, struct pipe_request *request)
{
	struct usb_transfer *transfer = &request->transfer;

	switch (transfer->status) {
	case kIOReturnSuccess:
	case kIOReturnTimeout:
	case kIOReturnNoDevice:
		return;
	case kIOReturnAborted:
		if (request->abort_status != 0)
			transfer->status = request->abort_status;
		return;
	default:
		/* Behind the one that failed the device answers the same: not news. */
		if (pipe->halted)
			transfer->status = kIOReturnAborted;
		pipe->halted = true;
		pipe_abort_locked(pipe, kIOReturnAborted);
	}
}

/* The backend has finished it; from reap. */
static void
done(struct usb_transfer *transfer)
{
	struct pipe_request *request = (struct pipe_request *)transfer;
	struct IOUSBHostPipe_IVars *pipe = pipe_ivars(request->pipe);
	bool ready, wake;

	pthread_mutex_lock(&pipe->lock);
	pipe->submitted--;
	request->state = PIPE_FINISHED;
	judge_locked(pipe, request);
	pipe_settle_locked(pipe);
	ready = !TAILQ_EMPTY(&pipe->ready);
	wake = pipe->waiters > 0;
	/* With the lock: once it is posted the request, and with it the pipe, may go. */
	if (ready)
		usb_port_pump_later(pipe->port, usb_endpoint_index(pipe->address));
	if (wake)
		queue_wake(pipe->self);
	pthread_mutex_unlock(&pipe->lock);
}

/* --- submission --- */

static IOReturn
check(struct IOUSBHostPipe_IVars *pipe, IOMemoryDescriptor *memory, uint32_t length,
      uint32_t timeout, uint8_t flags)
{
	bool is_in = (pipe->address & kIOUSBEndpointDescriptorDirectionIn) != 0;

	if (memory == NULL && length > 0)
		return pipe_refuse("dataBuffer is NULL, but dataBufferLength is not 0");
	if (memory != NULL && length > memory_length(memory))
		return pipe_refuse("dataBufferLength is more than the descriptor's length");
	if (timeout != 0 && pipe->type == kIOUSBEndpointTypeInterrupt)
		return pipe_refuse("completionTimeoutMs must be 0 on an interrupt pipe");
	if (is_in && (flags & USB_TRANSFER_ZLP) != 0)
		return pipe_refuse("a zero-length packet can only end an OUT transfer");
	if (is_in && length > 0 && memory_direction(memory) == kIOMemoryDirectionOut) {
		log_error("IOUSBHostPipe: an IN transfer into memory that may only be read");
		return kIOReturnNotPermitted;
	}
	return kIOReturnSuccess;
}

/* A record that is not in use, or NULL without memory. */
static struct pipe_request *
take_request(struct IOUSBHostPipe_IVars *pipe)
{
	struct pipe_request *request;

	pthread_mutex_lock(&pipe->lock);
	request = TAILQ_FIRST(&pipe->unused);
	if (request != NULL)
		TAILQ_REMOVE(&pipe->unused, request, link);
	pthread_mutex_unlock(&pipe->lock);
	return request != NULL ? request : malloc(sizeof(*request));
}

static void
give_back(struct IOUSBHostPipe_IVars *pipe, struct pipe_request *request)
{
	pthread_mutex_lock(&pipe->lock);
	TAILQ_INSERT_HEAD(&pipe->unused, request, link);
	pthread_mutex_unlock(&pipe->lock);
}

static IOReturn
fill(struct IOUSBHostPipe_IVars *pipe, struct pipe_request *request, IOMemoryDescriptor *memory,
     uint32_t length)
{
	memset(request, 0, sizeof(*request));
	request->pipe = pipe->self;
	request->memory = memory;
	request->call.deliver = pipe_deliver;
	request->call.done = pipe_called;
	request->transfer.endpoint = pipe->address;
	request->transfer.length = length;
	request->transfer.done = done;
	request->transfer.memory.fd = -1;
	if (memory == NULL)
		return kIOReturnSuccess;
	request->transfer.data = memory_address(memory);
	if (request->transfer.data == NULL)
		return kIOReturnNoMemory;
	request->transfer.memory = memory_first_segment(memory);
	return kIOReturnSuccess;
}

static IOReturn
state_locked(const struct IOUSBHostPipe_IVars *pipe)
{
	if (pipe->closed)
		return kIOReturnNotOpen;
	return pipe->halted ? kUSBHostReturnPipeStalled : kIOReturnSuccess;
}

/* Gives it to the backend, or lets it wait for room; behind those that wait already. */
static IOReturn
submit_locked(struct IOUSBHostPipe_IVars *pipe, struct pipe_request *request)
{
	struct usb_port *port = pipe->port;
	IOReturn res = kIOReturnNotReady;

	if (pipe->waiting == 0)
		res = port->backend->submit(port->device, &request->transfer);
	if (res == kIOReturnSuccess) {
		request->state = PIPE_SUBMITTED;
		pipe->submitted++;
	} else if (res == kIOReturnNotReady) {
		request->state = PIPE_WAITING;
		pipe->waiting++;
		usb_port_wait_for_room(port, usb_endpoint_index(pipe->address));
		res = kIOReturnSuccess;
	}
	return res;
}

/* What a request holds is taken before it can finish. */
static void
hold(const struct pipe_request *request)
{
	OSRetain(request->pipe);
	OSRetain(request->action);
	if (request->memory != NULL)
		memory_io_begin(request->memory);
}

static void
let_go(const struct pipe_request *request)
{
	if (request->memory != NULL)
		memory_io_end(request->memory);
	OSRelease(request->action);
	OSRelease(request->pipe);
}

static IOReturn
start(struct IOUSBHostPipe_IVars *pipe, struct pipe_request *request)
{
	IOReturn res;

	hold(request);
	pthread_mutex_lock(&pipe->lock);
	res = state_locked(pipe);
	if (res == kIOReturnSuccess) {
		request->number = ++pipe->last_number;
		TAILQ_INSERT_TAIL(&pipe->outstanding, request, link);
		res = submit_locked(pipe, request);
		if (res != kIOReturnSuccess)
			TAILQ_REMOVE(&pipe->outstanding, request, link);
	}
	pthread_mutex_unlock(&pipe->lock);
	if (res != kIOReturnSuccess)
		let_go(request);
	return res;
}

IOReturn
pipe_begin(IOUSBHostPipe *object, IOMemoryDescriptor *memory, uint32_t length, OSAction *action,
	   uint32_t timeout, uint8_t flags, struct pipe_request **ret_request)
{
	struct IOUSBHostPipe_IVars *pipe = pipe_ivars(object);
	struct pipe_request *request;
	IOReturn res = check(pipe, memory, length, timeout, flags);

	if (res != kIOReturnSuccess)
		return res;
	request = take_request(pipe);
	if (request == NULL)
		return kIOReturnNoMemory;
	res = fill(pipe, request, memory, length);
	request->action = action;
	request->transfer.timeout = timeout;
	request->transfer.flags = flags;
	if (res == kIOReturnSuccess)
		res = start(pipe, request);
	if (res != kIOReturnSuccess)
		give_back(pipe, request);
	else if (ret_request != NULL)
		*ret_request = request;
	return res;
}

IOReturn
pipe_await_take(struct pipe_request *request, uint32_t *ret_actual)
{
	IOUSBHostPipe *object = request->pipe;
	struct IOUSBHostPipe_IVars *pipe = pipe_ivars(object);
	IOReturn res;

	loop_will_block(pipe->port->loop);
	pthread_mutex_lock(&pipe->lock);
	while (request->state != PIPE_RETURNED)
		pthread_cond_wait(&pipe->returned, &pipe->lock);
	pthread_mutex_unlock(&pipe->lock);
	loop_did_block(pipe->port->loop);
	res = request->transfer.status;
	if (ret_actual != NULL)
		*ret_actual = request->transfer.actual;
	if (request->memory != NULL)
		memory_io_end(request->memory);
	give_back(pipe, request);
	OSRelease(object);
	return res;
}

void
pipe_kick(IOUSBHostPipe *object)
{
	struct IOUSBHostPipe_IVars *pipe = pipe_ivars(object);
	struct usb_port *port = pipe->port;
	struct pipe_request *request;
	bool ready;

	pthread_mutex_lock(&pipe->lock);
	TAILQ_FOREACH(request, &pipe->outstanding, link)
	{
		IOReturn res;

		if (request->state != PIPE_WAITING)
			continue;
		res = port->backend->submit(port->device, &request->transfer);
		if (res == kIOReturnNotReady) {
			usb_port_wait_for_room(port, usb_endpoint_index(pipe->address));
			break;
		}
		if (res != kIOReturnSuccess) {
			pipe_drop_locked(pipe, request, res);
			continue;
		}
		pipe->waiting--;
		pipe->submitted++;
		request->state = PIPE_SUBMITTED;
	}
	pipe_settle_locked(pipe);
	ready = !TAILQ_EMPTY(&pipe->ready);
	pthread_mutex_unlock(&pipe->lock);
	if (ready)
		usb_port_pump_later(port, usb_endpoint_index(pipe->address));
}
