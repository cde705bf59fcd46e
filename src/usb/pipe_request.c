/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a transfer, from its submission until it may be answered.
 *
 * After a request has failed for other reasons than its time or an abort, the pipe is halted: all
 * that is behind it is cancelled, and nothing is accepted until ClearStall.
 *
 * Threads: any; `done` comes from the one that reaps. `submitting` is held for submit and cancel of
 * the backend, so transfers go there in the order of the calls. The lock is not held while a new
 * one does, which may be a system call: the thread that reaps meanwhile takes it for each transfer,
 * and `submitting` only if more is to be submitted or cancelled.
 */
#include "pipe_private.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "record_transfer.h"

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
		if (recorder_is_on())
			record_pipe_ended_locked(pipe, request);
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
	request->transfer.actual = request->moved;
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

/* Whether the pipe halts with it. */
static bool
halts(const struct IOUSBHostPipe_IVars *pipe, const struct usb_transfer *transfer)
{
	switch (transfer->status) {
	case kIOReturnSuccess:
	case kIOReturnTimeout:
	case kIOReturnNoDevice:
	case kIOReturnAborted:
		return false;
	default:
		return pipe->type != kIOUSBEndpointTypeIsochronous;
	}
}

/* What the driver is told. */
static void
judge_locked(struct IOUSBHostPipe_IVars *pipe, struct pipe_request *request)
{
	struct usb_transfer *transfer = &request->transfer;

	if (halts(pipe, transfer)) {
		/* Behind the one that failed the device answers the same: not news. */
		if (pipe->halted)
			transfer->status = kIOReturnAborted;
		pipe->halted = true;
		pipe_abort_locked(pipe, kIOReturnAborted);
	} else if (transfer->status == kIOReturnAborted && request->abort_status != 0) {
		transfer->status = request->abort_status;
	}
}

/* What is left of its time in ms; the time begins with the first piece. */
static uint32_t
time_left(struct pipe_request *request)
{
	uint64_t now = clock_now();

	if (request->timeout == 0)
		return 0;
	if (request->deadline == 0)
		request->deadline = now + request->timeout * NSEC_PER_MSEC;
	if (request->deadline < now + NSEC_PER_MSEC)
		return 1; /* 0 would be none */
	return (uint32_t)((request->deadline - now) / NSEC_PER_MSEC);
}

/*
 * It, or as much of what is left of it as the backend takes at once, is about to be given to the
 * backend, which may end it before the submission returns.
 */
static void
begin_piece_locked(struct IOUSBHostPipe_IVars *pipe, struct pipe_request *request)
{
	struct usb_transfer *transfer = &request->transfer;
	uint32_t left = request->length - request->moved, room = pipe->transfer_max;
	bool is_last = left <= room || transfer->packet_count > 0;

	transfer->data = request->data != NULL ? request->data + request->moved : NULL;
	transfer->length = is_last ? left : room;
	transfer->flags = is_last ? request->flags : 0;
	transfer->timeout = is_last && request->moved == 0 ? request->timeout : time_left(request);
	request->state = PIPE_SUBMITTED;
	pipe->submitted++;
	pipe->in_pieces = !is_last;
}

/* The backend has not taken it. */
static void
undo_piece_locked(struct IOUSBHostPipe_IVars *pipe, struct pipe_request *request)
{
	request->state = PIPE_WAITING;
	pipe->submitted--;
	pipe->in_pieces = false;
	pipe->waiting++;
}

static void
wait_for_room_locked(struct IOUSBHostPipe_IVars *pipe)
{
	/* Behind a transfer in pieces it is not room that is missing; the piece's end tells. */
	if (!pipe->in_pieces)
		usb_port_wait_for_room(pipe->port, usb_endpoint_index(pipe->address));
}

/* Submits what waits for room, in order, until there is no more room. [submitting] */
static void
try_locked(struct IOUSBHostPipe_IVars *pipe)
{
	struct pipe_request *request;

	TAILQ_FOREACH(request, &pipe->outstanding, link)
	{
		IOReturn res;

		if (request->state != PIPE_WAITING)
			continue;
		if (pipe->in_pieces)
			return;
		pipe->waiting--;
		begin_piece_locked(pipe, request);
		res = usb_port_submit(pipe->port, &request->transfer);
		if (res == kIOReturnSuccess)
			continue;
		undo_piece_locked(pipe, request);
		if (res == kIOReturnNotReady) {
			wait_for_room_locked(pipe);
			return;
		}
		pipe_drop_locked(pipe, request, res);
	}
}

/* More is to come of the transfer than the piece that the backend has. */
static bool
is_in_pieces(const struct pipe_request *request)
{
	return request->moved + request->transfer.length < request->length;
}

/*
 * A piece is over: on with the next one, in a moment if there is no room (pipe_kick). False: that
 * was all, or the transfer ends here.
 */
static bool
go_on_locked(struct IOUSBHostPipe_IVars *pipe, struct pipe_request *request)
{
	struct usb_transfer *transfer = &request->transfer;

	if (!is_in_pieces(request))
		return false;
	pipe->in_pieces = false;
	/* What waits behind it has its turn when it is over, or its last piece is with the backend.
	 */
	wait_for_room_locked(pipe);
	if (transfer->status != kIOReturnSuccess || transfer->actual < transfer->length)
		return false;
	if (request->abort_status != 0 || pipe->halted) {
		transfer->status = kIOReturnAborted; /* of the whole */
		return false;
	}
	request->moved += transfer->actual;
	request->state = PIPE_WAITING;
	pipe->waiting++;
	try_locked(pipe);
	return true;
}

/* The backend has finished it; from reap. */
static void
done(struct usb_transfer *transfer)
{
	struct pipe_request *request = (struct pipe_request *)transfer;
	struct IOUSBHostPipe_IVars *pipe = pipe_ivars(request->pipe);
	/* What these look at does not change while the backend has it. */
	bool submits = is_in_pieces(request) || halts(pipe, transfer);
	bool ready, wake;

	if (submits)
		pthread_mutex_lock(&pipe->submitting);
	pthread_mutex_lock(&pipe->lock);
	pipe->submitted--;
	if (!go_on_locked(pipe, request)) {
		transfer->actual += request->moved;
		request->state = PIPE_FINISHED;
		judge_locked(pipe, request);
		pipe_settle_locked(pipe);
	}
	ready = !TAILQ_EMPTY(&pipe->ready);
	wake = pipe->waiters > 0;
	/* With the lock: once it is posted the request, and with it the pipe, may go. */
	if (ready)
		usb_port_pump_later(pipe->port, usb_endpoint_index(pipe->address));
	if (wake)
		queue_wake(pipe->self);
	pthread_mutex_unlock(&pipe->lock);
	if (submits)
		pthread_mutex_unlock(&pipe->submitting);
}

/* --- submission --- */

/* Where a transfer's bytes are. */
struct place {
	uint8_t *address; /* NULL: there is no memory */
	struct memory_segment first;
};

static IOReturn
check(struct IOUSBHostPipe_IVars *pipe, const struct pipe_io *io)
{
	IOMemoryDescriptor *memory = io->memory;
	uint32_t length = io->length, timeout = io->timeout;
	uint8_t flags = io->flags;
	bool is_in = (pipe->address & kIOUSBEndpointDescriptorDirectionIn) != 0;

	if ((pipe->type == kIOUSBEndpointTypeIsochronous) != (io->packet_count > 0))
		return pipe_refuse("an isochronous pipe, and no other, takes IsochIO");
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

/* A record that is not in use, zeroed but for its link; or NULL without memory. */
static struct pipe_request *
take_request_locked(struct IOUSBHostPipe_IVars *pipe)
{
	struct pipe_request *request = TAILQ_FIRST(&pipe->unused);

	if (request == NULL)
		return malloc(sizeof(*request));
	TAILQ_REMOVE(&pipe->unused, request, link);
	return request;
}

bool
pipe_put_locked(struct IOUSBHostPipe_IVars *pipe, struct pipe_request *request)
{
	TAILQ_INSERT_HEAD(&pipe->unused, request, link);
	return --pipe->held == 0;
}

static void
fill(struct IOUSBHostPipe_IVars *pipe, struct pipe_request *request, const struct pipe_io *io,
     const struct place *place)
{
	*request = (struct pipe_request){
		.transfer =
			{
				.endpoint = pipe->address,
				.packets = io->packets,
				.packet_count = io->packet_count,
				.memory = place->first,
				.done = done,
			},
		.call = {.deliver = pipe_deliver, .done = pipe_called},
		.pipe = pipe->self,
		.action = io->action,
		.memory = io->memory,
		.frame_list = io->frame_list,
		.is_bundled = io->is_bundled,
		.slot = io->slot,
		.data = place->address,
		.length = io->length,
		.timeout = io->timeout,
		.flags = io->flags,
		.number = ++pipe->last_number,
	};
}

static IOReturn
state_locked(const struct IOUSBHostPipe_IVars *pipe)
{
	if (pipe->closed)
		return kIOReturnNotOpen;
	if (!pipe->halted)
		return kIOReturnSuccess;
	/* What fails first when a device goes may be anything. */
	return usb_port_is_gone(pipe->port) ? kIOReturnNoDevice : kUSBHostReturnPipeStalled;
}

/* What a request holds is taken before it can finish. */
static IOReturn
hold(const struct pipe_io *io, struct place *ret_place)
{
	*ret_place = (struct place){.first.fd = -1};
	if (io->memory != NULL) {
		ret_place->address = memory_address(io->memory);
		if (ret_place->address == NULL)
			return kIOReturnNoMemory;
		ret_place->first = memory_io_begin(io->memory);
	}
	if (io->frame_list != NULL)
		memory_io_begin(io->frame_list);
	OSRetain(io->action);
	return kIOReturnSuccess;
}

static void
end_memory(IOMemoryDescriptor *memory, IOMemoryDescriptor *frame_list)
{
	if (memory != NULL)
		memory_io_end(memory);
	if (frame_list != NULL)
		memory_io_end(frame_list);
}

void
pipe_free_parts(struct pipe_request *request)
{
	end_memory(request->memory, request->frame_list);
	free(request->transfer.packets);
}

/* The packets stay the caller's. */
static void
let_go(const struct pipe_io *io)
{
	end_memory(io->memory, io->frame_list);
	OSRelease(io->action);
}

/* A request of these, at the end of those that are outstanding. */
static IOReturn
append_locked(struct IOUSBHostPipe_IVars *pipe, const struct pipe_io *io, const struct place *place,
	      struct pipe_request **ret_request)
{
	IOReturn res = state_locked(pipe);
	struct pipe_request *request;

	if (res != kIOReturnSuccess)
		return res;
	request = take_request_locked(pipe);
	if (request == NULL)
		return kIOReturnNoMemory;
	fill(pipe, request, io, place);
	TAILQ_INSERT_TAIL(&pipe->outstanding, request, link);
	if (pipe->held++ == 0)
		OSRetain(pipe->self);
	if (recorder_is_on())
		record_pipe_began_locked(pipe, request);
	*ret_request = request;
	return kIOReturnSuccess;
}

/* The backend refuses it: who called is told. */
static void
take_back_locked(struct IOUSBHostPipe_IVars *pipe, struct pipe_request *request, IOReturn status)
{
	pipe_drop_locked(pipe, request, status);
	TAILQ_REMOVE(&pipe->outstanding, request, link);
	if (recorder_is_on())
		record_pipe_ended_locked(pipe, request);
	/* Not the last reference: the caller has one. */
	if (pipe_put_locked(pipe, request))
		OSRelease(pipe->self);
}

/* Gives it to the backend, or lets it wait for room, behind those that wait already. [submitting]
 */
static IOReturn
start(struct IOUSBHostPipe_IVars *pipe, const struct pipe_io *io, const struct place *place,
      struct pipe_request **ret_request)
{
	struct pipe_request *request;
	bool waits = false;
	IOReturn res;

	pthread_mutex_lock(&pipe->lock);
	res = append_locked(pipe, io, place, &request);
	if (res == kIOReturnSuccess) {
		waits = pipe->waiting > 0 || pipe->in_pieces;
		if (!waits)
			begin_piece_locked(pipe, request);
		else
			wait_for_room_locked(pipe);
		pipe->waiting += waits;
	}
	pthread_mutex_unlock(&pipe->lock);
	if (res != kIOReturnSuccess)
		return res;
	*ret_request = request;
	if (waits)
		return kIOReturnSuccess;
	res = usb_port_submit(pipe->port, &request->transfer);
	if (res == kIOReturnSuccess)
		return kIOReturnSuccess; /* and it may be over already */
	pthread_mutex_lock(&pipe->lock);
	undo_piece_locked(pipe, request);
	if (res == kIOReturnNotReady) {
		wait_for_room_locked(pipe);
		res = kIOReturnSuccess;
	} else {
		take_back_locked(pipe, request, res);
	}
	pthread_mutex_unlock(&pipe->lock);
	return res;
}

IOReturn
pipe_begin(IOUSBHostPipe *object, const struct pipe_io *io, struct pipe_request **ret_request)
{
	struct IOUSBHostPipe_IVars *pipe = pipe_ivars(object);
	struct pipe_request *request;
	struct place place;
	IOReturn res = check(pipe, io);
	bool holds;

	if (res == kIOReturnSuccess)
		res = hold(io, &place);
	if (res != kIOReturnSuccess)
		return res;
	pthread_mutex_lock(&pipe->submitting);
	holds = usb_port_hold_events(pipe->port);
	res = start(pipe, io, &place, &request);
	pthread_mutex_unlock(&pipe->submitting);
	if (holds)
		usb_port_let_events(pipe->port);
	if (res != kIOReturnSuccess)
		let_go(io);
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
	bool last;

	loop_will_wait(pipe->port->loop);
	pthread_mutex_lock(&pipe->lock);
	while (request->state != PIPE_RETURNED)
		pthread_cond_wait(&pipe->returned, &pipe->lock);
	pthread_mutex_unlock(&pipe->lock);
	loop_did_block(pipe->port->loop);
	res = request->transfer.status;
	if (ret_actual != NULL)
		*ret_actual = request->transfer.actual;
	if (request->frame_list != NULL)
		pipe_report_frames(request);
	pipe_free_parts(request);
	pthread_mutex_lock(&pipe->lock);
	last = pipe_put_locked(pipe, request);
	pthread_mutex_unlock(&pipe->lock);
	if (last)
		OSRelease(object);
	return res;
}

void
pipe_kick(IOUSBHostPipe *object)
{
	struct IOUSBHostPipe_IVars *pipe = pipe_ivars(object);
	bool ready;

	pthread_mutex_lock(&pipe->submitting);
	pthread_mutex_lock(&pipe->lock);
	try_locked(pipe);
	pipe_settle_locked(pipe);
	ready = !TAILQ_EMPTY(&pipe->ready);
	pthread_mutex_unlock(&pipe->lock);
	pthread_mutex_unlock(&pipe->submitting);
	if (ready)
		usb_port_pump_later(pipe->port, usb_endpoint_index(pipe->address));
}
