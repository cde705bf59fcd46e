/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a transfer, from its submission until it may be answered.
 *
 * After a request has failed for other reasons than its time or an abort, the pipe is halted: all
 * that is behind it is cancelled, and nothing is accepted until ClearStall.
 *
 * Threads: any; `done` comes from the one that reaps. `submitting` is held for submit and cancel of
 * the backend, so transfers go there in the order of the calls, those of a bundle in a row. The
 * lock is not held while a new one does, which may be a system call: the thread that reaps
 * meanwhile takes it for all that have ended one after the other, and `submitting` only if more is
 * to be submitted or cancelled.
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

/* What these look at does not change while the backend has them. */
static bool
any_submits(const struct IOUSBHostPipe_IVars *pipe, const struct usb_transfer *transfer)
{
	for (; transfer != NULL; transfer = transfer->next)
		if (is_in_pieces((const struct pipe_request *)transfer) || halts(pipe, transfer))
			return true;
	return false;
}

static void
finish_locked(struct IOUSBHostPipe_IVars *pipe, struct pipe_request *request)
{
	pipe->submitted--;
	if (go_on_locked(pipe, request))
		return;
	request->transfer.actual += request->moved;
	request->state = PIPE_FINISHED;
	judge_locked(pipe, request);
}

/* The backend has finished them; from reap. */
static void
done(struct usb_transfer *transfer)
{
	struct IOUSBHostPipe_IVars *pipe = pipe_ivars(((struct pipe_request *)transfer)->pipe);
	bool submits = any_submits(pipe, transfer);
	struct usb_transfer *next;
	bool ready, wake;

	if (submits)
		pthread_mutex_lock(&pipe->submitting);
	pthread_mutex_lock(&pipe->lock);
	for (; transfer != NULL; transfer = next) {
		next = transfer->next; /* which is the backend's if more is submitted of it */
		finish_locked(pipe, (struct pipe_request *)transfer);
	}
	pipe_settle_locked(pipe);
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

/*
 * Appends as many as may be. Those that are to go to the backend are begun: *ret_begun, the first
 * ones; the others wait, as those do that wait already. *ret_res: why the next one was not taken.
 */
static unsigned
append_all(struct IOUSBHostPipe_IVars *pipe, const struct pipe_io *ios, const struct place *places,
	   unsigned count, struct pipe_request **requests, unsigned *ret_begun, IOReturn *ret_res)
{
	unsigned taken;
	bool waits = false;

	*ret_begun = 0;
	*ret_res = kIOReturnSuccess;
	pthread_mutex_lock(&pipe->lock);
	for (taken = 0; taken < count; taken++) {
		*ret_res = append_locked(pipe, &ios[taken], &places[taken], &requests[taken]);
		if (*ret_res != kIOReturnSuccess)
			break;
		waits = pipe->waiting > 0 || pipe->in_pieces;
		if (!waits)
			begin_piece_locked(pipe, requests[taken]);
		pipe->waiting += waits;
		*ret_begun += !waits;
	}
	if (waits)
		wait_for_room_locked(pipe);
	pthread_mutex_unlock(&pipe->lock);
	return taken;
}

/*
 * The backend has not taken the request `from`. Those behind it have not been given to it: they
 * wait for room with it; or none of them was taken. How many were.
 */
static unsigned
give_up_on(struct IOUSBHostPipe_IVars *pipe, struct pipe_request **requests, unsigned from,
	   unsigned begun, unsigned taken, IOReturn why)
{
	pthread_mutex_lock(&pipe->lock);
	for (unsigned i = from; i < begun; i++)
		undo_piece_locked(pipe, requests[i]);
	if (why == kIOReturnNotReady)
		wait_for_room_locked(pipe);
	else
		while (taken > from)
			take_back_locked(pipe, requests[--taken], why);
	pthread_mutex_unlock(&pipe->lock);
	return taken;
}

/*
 * Gives them to the backend, or lets them wait for room, behind those that wait already: as many
 * of them as were taken, and why not the next. [submitting]
 */
static unsigned
start(struct IOUSBHostPipe_IVars *pipe, const struct pipe_io *ios, const struct place *places,
      unsigned count, struct pipe_request **requests, IOReturn *ret_res)
{
	unsigned begun, taken;

	taken = append_all(pipe, ios, places, count, requests, &begun, ret_res);
	for (unsigned i = 0; i < begun; i++) {
		IOReturn res = usb_port_submit(pipe->port, &requests[i]->transfer);

		if (res == kIOReturnSuccess)
			continue; /* and it may be over already */
		if (res != kIOReturnNotReady)
			*ret_res = res;
		return give_up_on(pipe, requests, i, begun, taken, res);
	}
	return taken;
}

unsigned
pipe_begin_all(IOUSBHostPipe *object, const struct pipe_io *ios, unsigned count,
	       struct pipe_request **requests, IOReturn *ret_res)
{
	struct IOUSBHostPipe_IVars *pipe = pipe_ivars(object);
	struct place places[kIOUSBHostPipeBundlingMax];
	IOReturn res = kIOReturnSuccess;
	unsigned held, taken;
	bool holds;

	for (held = 0; held < count; held++) {
		res = check(pipe, &ios[held]);
		if (res == kIOReturnSuccess)
			res = hold(&ios[held], &places[held]);
		if (res != kIOReturnSuccess)
			break;
	}
	*ret_res = res;
	if (held == 0)
		return 0;
	pthread_mutex_lock(&pipe->submitting);
	holds = usb_port_hold_events(pipe->port);
	taken = start(pipe, ios, places, held, requests, &res);
	pthread_mutex_unlock(&pipe->submitting);
	if (holds)
		usb_port_let_events(pipe->port);
	if (taken < held)
		*ret_res = res;
	for (unsigned i = taken; i < held; i++)
		let_go(&ios[i]);
	return taken;
}

IOReturn
pipe_begin(IOUSBHostPipe *object, const struct pipe_io *io, struct pipe_request **ret_request)
{
	struct pipe_request *request;
	IOReturn res;

	if (pipe_begin_all(object, io, 1, &request, &res) == 0)
		return res;
	if (ret_request != NULL)
		*ret_request = request;
	return kIOReturnSuccess;
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
