/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moves packets between transfers and a model; see vdev_line.h. Runs on the device's thread,
 * without a lock. Straight from and to the transfer's memory; the one copy is that of a packet that
 * is to be corrupted on its way out, because the sender's memory must stay as it is.
 */
#include "vdev_line.h"

#include <string.h>

#define PACKET_MAX_BYTES 1024u

static const struct vdev_model *const models[] = {
	[VDEV_SINK] = &vdev_sink,
	[VDEV_SOURCE] = &vdev_source,
	[VDEV_LOOPBACK] = &vdev_loopback,
	[VDEV_FTDI] = &vdev_ftdi,
};

IOReturn
vdev_line_open(struct vdev_line *line, const struct vdev_spec *spec)
{
	*line = (struct vdev_line){
		.spec = *spec,
		.ops = models[spec->kind],
		.packet = vdev_spec_packet(spec),
	};
	vdev_descriptors_make(spec, &line->descriptors);
	line->model = line->ops->create(spec);
	line->counters = vdev_counters_create();
	if (line->model != NULL && line->counters != NULL)
		return kIOReturnSuccess;
	vdev_line_close(line);
	return kIOReturnNoMemory;
}

void
vdev_line_close(struct vdev_line *line)
{
	if (line->model != NULL)
		line->ops->destroy(line->model);
	line->model = NULL;
	vdev_counters_destroy(line->counters);
	line->counters = NULL;
}

static bool
is_in(const struct usb_transfer *transfer)
{
	return (transfer->endpoint & kIOUSBEndpointDescriptorDirectionIn) != 0;
}

static bool
is_nth(uint64_t number, uint64_t every)
{
	return every != 0 && number % every == 0;
}

/* Decides at its first packet what will happen to a transfer. */
static void
decide(struct vdev_line *line, const struct usb_transfer *transfer, struct vdev_plan *plan)
{
	uint64_t number = is_in(transfer) ? ++line->started_in : ++line->started_out;
	uint32_t half = transfer->length / 2;

	plan->started = true;
	plan->corrupt = is_nth(number, line->spec.corrupt_every) && transfer->length > 0;
	if (is_nth(number, line->spec.stall_every)) {
		plan->fault = VDEV_FAULT_STALL;
		plan->limit = half - half % line->packet;
	} else if (is_nth(number, line->spec.short_every) && transfer->length > 0) {
		plan->fault = VDEV_FAULT_SHORT;
		plan->limit = half > 0 && half % line->packet == 0 ? half - 1 : half;
	}
}

enum verdict { MOVE, NAK, GONE };

/* How much of `length` bytes may move now, in whole packets unless it is all of it. */
static enum verdict
allow(struct vdev_line *line, uint32_t *length)
{
	uint64_t nak = line->spec.nak_after, unplug = line->spec.unplug_after;
	uint32_t first = *length < line->packet ? *length : line->packet;
	uint64_t left;

	if (line->moved >= nak || first > nak - line->moved)
		return NAK;
	if (line->moved >= unplug || first > unplug - line->moved)
		return GONE;
	left = (nak < unplug ? nak : unplug) - line->moved;
	if (left > VDEV_STEP_MAX)
		left = VDEV_STEP_MAX;
	if (*length > left)
		*length = (uint32_t)(left - left % line->packet);
	return MOVE;
}

static void
count_out(struct vdev_line *line, const uint8_t *data, uint32_t length)
{
	if (length > 0)
		XXH3_64bits_update(line->counters->hash, data, length);
	line->counters->state.out_bytes += length;
	line->moved += length;
}

static void
remember(struct vdev_line *line, const struct usb_transfer *transfer)
{
	line->counters->state.last_address = (uintptr_t)transfer->data;
	line->counters->state.last_inode = transfer->memory.inode;
}

/* One step of an OUT transfer. True if it is over, with its status. */
static bool
move_out(struct vdev_line *line, struct usb_transfer *transfer, const struct vdev_plan *plan,
	 uint32_t length, IOReturn *ret_status)
{
	const uint8_t *data = transfer->data;
	uint32_t left = transfer->length - transfer->actual, taken;
	bool is_last = length == left && plan->fault != VDEV_FAULT_STALL, ends, all;
	uint8_t corrupted[PACKET_MAX_BYTES];

	if (data != NULL)
		data += transfer->actual;
	if (plan->corrupt && transfer->actual == 0) {
		/* Only the first packet, from here: the app's memory must stay as it is. */
		if (length > line->packet) {
			length = line->packet;
			is_last = false;
		}
		memcpy(corrupted, data, length);
		corrupted[0] ^= 0xff;
		data = corrupted;
	}
	ends = is_last && (transfer->length % line->packet != 0 || transfer->length == 0 ||
			   (transfer->flags & USB_TRANSFER_ZLP) != 0);
	all = line->ops->out(line->model, data, length, ends, &taken);
	count_out(line, data, taken);
	transfer->actual += taken;
	*ret_status = kIOReturnSuccess;
	return all && is_last;
}

static bool
move_in(struct vdev_line *line, struct usb_transfer *transfer, const struct vdev_plan *plan,
	uint32_t length, IOReturn *ret_status)
{
	uint8_t *data = transfer->data;
	uint32_t given = length;
	enum vdev_in result = VDEV_IN_SHORT;

	if (data != NULL)
		data += transfer->actual;
	if (plan->fault != VDEV_FAULT_SHORT)
		result = line->ops->in(line->model, data, length, &given);
	else if (transfer->actual + length < plan->limit)
		result = line->ops->in(line->model, data, length, &given);
	else
		line->ops->in_short(line->model, data, length);
	if (plan->corrupt && transfer->actual == 0 && given > 0)
		data[0] ^= 0xff;
	transfer->actual += given;
	line->counters->state.in_bytes += given;
	line->moved += given;
	*ret_status = result == VDEV_IN_OVERFLOW ? kIOReturnOverrun : kIOReturnSuccess;
	return result == VDEV_IN_SHORT || result == VDEV_IN_OVERFLOW ||
	       (result == VDEV_IN_FILLED && transfer->actual == transfer->length);
}

/* A planned stall does not come if the transfer ended before it. */
static void
count_end(struct vdev_line *line, const struct usb_transfer *transfer, const struct vdev_plan *plan,
	  const struct vdev_outcome *outcome)
{
	struct dext_virtual_state *state = &line->counters->state;

	state->faults += outcome->gone;
	if (!outcome->over)
		return;
	state->faults += plan->fault == VDEV_FAULT_SHORT || outcome->halts;
	state->faults += plan->corrupt;
	if (outcome->status != kIOReturnSuccess)
		return;
	if (is_in(transfer))
		state->in_transfers++;
	else
		state->out_transfers++;
}

static void
move(struct vdev_line *line, struct usb_transfer *transfer, struct vdev_plan *plan,
     struct vdev_outcome *outcome)
{
	uint32_t before = transfer->actual, length;

	if (plan->fault == VDEV_FAULT_STALL && before == plan->limit) {
		*outcome = (struct vdev_outcome){
			.over = true,
			.halts = true,
			.status = kUSBHostReturnPipeStalled,
		};
		return;
	}
	length = plan->fault == VDEV_FAULT_NONE ? transfer->length - before : plan->limit - before;
	switch (allow(line, &length)) {
	case NAK:
		return;
	case GONE:
		outcome->gone = true;
		return;
	case MOVE:
		break;
	}
	outcome->over = is_in(transfer) ? move_in(line, transfer, plan, length, &outcome->status)
					: move_out(line, transfer, plan, length, &outcome->status);
	outcome->progress = transfer->actual != before;
	outcome->gone = line->moved >= line->spec.unplug_after;
	if (!is_in(transfer) && outcome->over)
		remember(line, transfer);
}

void
vdev_line_bulk(struct vdev_line *line, struct usb_transfer *transfer, struct vdev_plan *plan,
	       struct vdev_outcome *ret_outcome)
{
	struct vdev_outcome outcome = {0};

	if (!plan->started)
		decide(line, transfer, plan);
	move(line, transfer, plan, &outcome);
	count_end(line, transfer, plan, &outcome);
	*ret_outcome = outcome;
}

/* One packet; there are no retries, so what finds no room is lost. */
static void
move_packet(struct vdev_line *line, bool in, uint8_t *data, struct usb_packet *packet)
{
	uint32_t length = packet->length, moved = 0;
	bool ends = length == 0 || length % line->packet != 0;

	packet->status = kIOReturnSuccess;
	if (in) {
		if (line->ops->in(line->model, data, length, &moved) == VDEV_IN_OVERFLOW)
			packet->status = kIOReturnOverrun;
		line->counters->state.in_bytes += moved;
		line->moved += moved;
	} else {
		line->ops->out(line->model, data, length, ends, &moved);
		count_out(line, data, moved);
		moved = length;
	}
	packet->actual = moved;
}

void
vdev_line_isochronous(struct vdev_line *line, struct usb_transfer *transfer,
		      struct vdev_outcome *ret_outcome)
{
	uint8_t *data = transfer->data;
	uint32_t i;

	for (i = 0; i < transfer->packet_count && line->moved < line->spec.unplug_after; i++) {
		move_packet(line, is_in(transfer), data, &transfer->packets[i]);
		transfer->actual += transfer->packets[i].actual;
		data += transfer->packets[i].length;
	}
	*ret_outcome = (struct vdev_outcome){
		.over = i == transfer->packet_count,
		.progress = true,
		.gone = line->moved >= line->spec.unplug_after,
	};
	for (; i < transfer->packet_count; i++)
		transfer->packets[i].status = kIOReturnNoDevice;
	if (!ret_outcome->over)
		return;
	if (is_in(transfer))
		line->counters->state.in_transfers++;
	else
		line->counters->state.out_transfers++;
}

/* What nak-control is about. */
static bool
is_ignored(const struct vdev_line *line, const uint8_t setup[8])
{
	return line->spec.nak_control &&
	       ((setup[0] & kIOUSBDeviceRequestTypeMask) == 0x40 ||
		(setup[0] == 0x02 && setup[1] == kIOUSBDeviceRequestClearFeature));
}

static int32_t
model_request(struct vdev_line *line, struct usb_transfer *transfer)
{
	if (line->ops->vendor == NULL || (transfer->setup[0] & kIOUSBDeviceRequestTypeMask) != 0x40)
		return VDEV_NOT_MINE;
	return line->ops->vendor(line->model, transfer->setup, transfer->data);
}

void
vdev_line_control(struct vdev_line *line, struct usb_transfer *transfer, uint8_t alternate,
		  struct vdev_outcome *ret_outcome)
{
	struct vdev_effect effect = {0};
	int32_t moved;

	*ret_outcome = (struct vdev_outcome){0};
	if (is_ignored(line, transfer->setup))
		return;
	moved = model_request(line, transfer);
	if (moved == VDEV_NOT_MINE)
		moved = vdev_control(&line->spec, &line->descriptors, line->counters, alternate,
				     transfer->setup, transfer->data, &effect);
	if (effect.reset) {
		line->ops->reset(line->model);
		vdev_counters_reset(line->counters);
	}
	transfer->actual = moved >= 0 ? (uint32_t)moved : 0;
	*ret_outcome = (struct vdev_outcome){
		.over = true,
		.clears = effect.clears,
		.status = moved >= 0 ? kIOReturnSuccess : kUSBHostReturnPipeStalled,
	};
}
