/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events and counters of pipes and of endpoint 0, and the bytes of transfers for the capture: those
 * of an OUT transfer as they are when it begins, those of an IN transfer when it has ended.
 *
 * A transfer that goes to the backend in pieces is one here. What the kernel sends for us, such as
 * SET_INTERFACE, is a control request as those that a driver makes.
 */
#include "record_transfer.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"

struct transfer {
	const struct usb_transfer *transfer;
	const void *data; /* of the whole */
	uint64_t id;
	uint64_t began; /* 0: not known */
	bool is_in;
};

/* Packets and bytes into the capture; the event alone, if there is no memory. */
static void
write_packets(const struct trace_place *place, struct trace_event *event,
	      const struct usb_transfer *transfer, const void *data, uint32_t length)
{
	size_t size = transfer->packet_count * sizeof(struct trace_packet);
	struct trace_packet *packets = malloc(size + length);
	uint32_t offset = 0;

	if (packets == NULL) {
		recorder_write_bytes(place, event, NULL, 0);
		return;
	}
	for (uint32_t i = 0; i < transfer->packet_count; i++) {
		const struct usb_packet *packet = &transfer->packets[i];
		bool ended = event->kind == TRACE_TRANSFER_ENDED;

		packets[i] = (struct trace_packet){
			.status = ended ? packet->status : kIOReturnSuccess,
			.offset = offset,
			.length = ended ? packet->actual : packet->length,
		};
		offset += packet->length;
	}
	if (length > 0)
		memcpy((char *)packets + size, data, length);
	event->flags |= TRACE_HAS_PACKETS;
	recorder_write_bytes(place, event, packets, (uint32_t)size + length);
	free(packets);
}

/* Into both files; with as many of the bytes as are wanted. */
static void
write_event(const struct trace_place *place, struct trace_event *event,
	    const struct usb_transfer *transfer, const void *data, uint32_t length)
{
	bool wanted;
	uint32_t snap = recorder_snap(&wanted);

	recorder_write(place, event);
	if (!wanted)
		return;
	if (data == NULL)
		length = 0;
	if (length > snap)
		length = snap;
	if (transfer->packet_count > 0 && transfer->packet_count <= TRACE_PACKETS_MAX)
		write_packets(place, event, transfer, data, length);
	else
		recorder_write_bytes(place, event, data, length);
}

static uint64_t
value_of(const struct usb_transfer *transfer)
{
	uint64_t value;

	if (transfer->packet_count > 0)
		return transfer->packet_count;
	memcpy(&value, transfer->setup, sizeof(value));
	return value;
}

/* Up to the end of the last bytes that came: an isochronous one may have gaps before them. */
static uint32_t
reach_of(const struct usb_transfer *transfer)
{
	uint32_t offset = 0, reach = 0;

	if (transfer->packet_count == 0)
		return transfer->actual;
	for (uint32_t i = 0; i < transfer->packet_count; i++) {
		if (transfer->packets[i].actual > 0)
			reach = offset + transfer->packets[i].actual;
		offset += transfer->packets[i].length;
	}
	return reach;
}

static void
begin(struct trace_place *place, const struct transfer *what, uint32_t length)
{
	struct trace_event event = {
		.kind = TRACE_TRANSFER_BEGAN,
		.time = what->began,
		.id = what->id,
		.detail = what->transfer->endpoint,
		.length = length,
		.value = value_of(what->transfer),
	};

	recorder_add(&place->began, 1);
	write_event(place, &event, what->transfer, what->is_in ? NULL : what->data, length);
}

static void
end(struct trace_place *place, const struct transfer *what, uint32_t length)
{
	const struct usb_transfer *transfer = what->transfer;
	uint64_t now = transfer->timestamp != 0 ? transfer->timestamp : clock_now();
	uint64_t spent = what->began != 0 && now > what->began ? now - what->began : 0;
	struct trace_event event = {
		.kind = TRACE_TRANSFER_ENDED,
		.time = now,
		.id = what->id,
		.detail = transfer->endpoint,
		.length = length,
		.actual = transfer->actual,
		.status = transfer->status,
		.spent = recorder_saturated(spent),
		.flags = what->began == 0 ? TRACE_RUNS_BEFORE : 0,
		.value = value_of(transfer),
	};

	recorder_count_end(place, transfer->status != kIOReturnSuccess, transfer->actual, spent);
	write_event(place, &event, transfer, what->is_in ? what->data : NULL, reach_of(transfer));
}

/* --- pipes --- */

static void
describe_pipe(const void *object, struct trace_owner *owner)
{
	const struct IOUSBHostPipe_IVars *pipe = object;

	owner->kind = TRACE_PIPE;
	owner->endpoint = pipe->address;
	owner->transfers = pipe->type;
	owner->interface = pipe->interface;
	owner->address = pipe->port->address;
	owner->speed = pipe->port->speed;
}

static struct trace_place *
pipe_place(struct IOUSBHostPipe_IVars *pipe)
{
	return recorder_find(&pipe->place, describe_pipe, pipe);
}

static void
set_gauges(struct trace_place *place, const struct IOUSBHostPipe_IVars *pipe)
{
	atomic_store_explicit(&place->in_flight, pipe->submitted + pipe->waiting,
			      memory_order_relaxed);
	atomic_store_explicit(&place->waiting, pipe->waiting, memory_order_relaxed);
}

static struct transfer
of_request(const struct IOUSBHostPipe_IVars *pipe, const struct pipe_request *request)
{
	return (struct transfer){
		.transfer = &request->transfer,
		.data = request->data,
		.id = request->number,
		.began = request->began,
		.is_in = (pipe->address & kIOUSBEndpointDescriptorDirectionIn) != 0,
	};
}

void
record_pipe_began_locked(struct IOUSBHostPipe_IVars *pipe, struct pipe_request *request)
{
	struct trace_place *place = pipe_place(pipe);
	struct transfer what;

	if (place == NULL)
		return;
	request->began = clock_now();
	what = of_request(pipe, request);
	begin(place, &what, request->length);
	set_gauges(place, pipe);
}

void
record_pipe_ended_locked(struct IOUSBHostPipe_IVars *pipe, const struct pipe_request *request)
{
	struct trace_place *place = pipe_place(pipe);
	struct transfer what = of_request(pipe, request);

	if (place == NULL)
		return;
	end(place, &what, request->length);
	set_gauges(place, pipe);
}

/* --- endpoint 0 --- */

static void
describe_control(const void *object, struct trace_owner *owner)
{
	const struct usb_port *port = object;

	owner->kind = TRACE_PIPE;
	owner->transfers = kIOUSBEndpointTypeControl;
	owner->address = port->address;
	owner->speed = port->speed;
}

static struct transfer
of_control(const struct usb_transfer *transfer, uint64_t id, uint64_t began)
{
	return (struct transfer){
		.transfer = transfer,
		.data = transfer->data,
		.id = id,
		.began = began,
		.is_in = (transfer->setup[0] & kIOUSBDeviceRequestDirectionMask) != 0,
	};
}

void
record_control_began_locked(struct usb_port *port, const struct usb_transfer *transfer, uint64_t id,
			    uint64_t time, uint32_t under_way)
{
	struct trace_place *place = recorder_find(&port->place, describe_control, port);
	struct transfer what = of_control(transfer, id, time);

	if (place == NULL)
		return;
	begin(place, &what, transfer->length);
	atomic_store_explicit(&place->in_flight, under_way, memory_order_relaxed);
}

void
record_control_ended_locked(struct usb_port *port, const struct usb_transfer *transfer, uint64_t id,
			    uint64_t began, uint32_t under_way)
{
	struct trace_place *place = recorder_find(&port->place, describe_control, port);
	struct transfer what = of_control(transfer, id, began);

	if (place == NULL)
		return;
	end(place, &what, transfer->length);
	atomic_store_explicit(&place->in_flight, under_way, memory_order_relaxed);
}

void
record_request_began_locked(struct usb_port *port, struct record_request *record, uint64_t id)
{
	struct trace_place *place = recorder_find(&port->place, describe_control, port);
	struct transfer what;

	if (place == NULL)
		return;
	record->id = id;
	record->began = clock_now();
	what = of_control(&record->transfer, id, record->began);
	begin(place, &what, 0);
}

void
record_request_ended(struct usb_port *port, struct record_request *record, IOReturn status)
{
	struct trace_place *place = recorder_find(&port->place, describe_control, port);
	struct transfer what = of_control(&record->transfer, record->id, record->began);

	record->transfer.status = status;
	if (place != NULL)
		end(place, &what, 0);
}
