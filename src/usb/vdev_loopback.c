/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loopback: what goes in at the OUT endpoint comes out at the IN endpoint, packet for packet: a
 * short packet stays a short packet at its place in the stream, a zero-length one too. Between them
 * is a ring of bounded size; OUT is answered NAK while it is full, IN while it holds no whole
 * packet.
 *
 * Positions count bytes of the stream since reset. `ends` are the positions at which a short packet
 * ended; the packets between two of them are full ones, so an IN transfer knows each packet's size
 * from the distance to the next end.
 */
#include <stdlib.h>
#include <string.h>

#include "vdev.h"

#define CAPACITY (256u << 10)
#define ENDS	 4096u /* zero-length packets take no room in the ring, but here */

struct loopback {
	uint64_t head, tail; /* positions: written up to, read up to */
	uint64_t end_head, end_tail;
	uint64_t ends[ENDS];
	uint16_t packet;
	uint8_t ring[CAPACITY];
};

static void *
create(const struct vdev_spec *spec)
{
	struct loopback *loopback = calloc(1, sizeof(*loopback));

	if (loopback != NULL)
		loopback->packet = vdev_spec_packet(spec);
	return loopback;
}

static void
reset(void *model)
{
	struct loopback *loopback = model;

	loopback->head = loopback->tail = 0;
	loopback->end_head = loopback->end_tail = 0;
}

static void
write_ring(struct loopback *loopback, const uint8_t *data, uint32_t length)
{
	uint32_t at = loopback->head % CAPACITY;
	uint32_t first = length < CAPACITY - at ? length : CAPACITY - at;

	if (length == 0)
		return; /* data may be NULL */
	memcpy(loopback->ring + at, data, first);
	memcpy(loopback->ring, data + first, length - first);
	loopback->head += length;
}

static void
read_ring(struct loopback *loopback, uint8_t *data, uint32_t length)
{
	uint32_t at = loopback->tail % CAPACITY;
	uint32_t first = length < CAPACITY - at ? length : CAPACITY - at;

	if (length == 0)
		return;
	memcpy(data, loopback->ring + at, first);
	memcpy(data + first, loopback->ring, length - first);
	loopback->tail += length;
}

static bool
out(void *model, const uint8_t *data, uint32_t length, bool ends, uint32_t *ret_taken)
{
	struct loopback *loopback = model;
	uint32_t room = (uint32_t)(CAPACITY - (loopback->head - loopback->tail));
	bool whole = length <= room && (!ends || loopback->end_head - loopback->end_tail < ENDS);

	if (!whole) {
		uint32_t full = length - length % loopback->packet;

		if (room < full)
			full = room - room % loopback->packet;
		length = full;
	}
	write_ring(loopback, data, length);
	if (whole && ends)
		loopback->ends[loopback->end_head++ % ENDS] = loopback->head;
	*ret_taken = length;
	return whole;
}

static enum vdev_in
in(void *model, uint8_t *data, uint32_t room, uint32_t *ret_given)
{
	struct loopback *loopback = model;
	bool has_end = loopback->end_tail != loopback->end_head;
	uint64_t end = has_end ? loopback->ends[loopback->end_tail % ENDS] : loopback->head;
	uint64_t run = end - loopback->tail;
	uint32_t full = (uint32_t)(run - run % loopback->packet);

	/* As many full packets as there are and fit. */
	if (full > room)
		full = room - room % loopback->packet;
	read_ring(loopback, data, full);
	*ret_given = full;
	run -= full;
	if (full == room && room > 0)
		return VDEV_IN_FILLED; /* a zero-length packet here is the next transfer's */
	if (run >= loopback->packet)
		return VDEV_IN_OVERFLOW;
	if (!has_end)
		return VDEV_IN_NAK;
	if (run > room - full)
		return VDEV_IN_OVERFLOW;
	read_ring(loopback, data + full, (uint32_t)run);
	loopback->end_tail++;
	*ret_given = full + (uint32_t)run;
	return VDEV_IN_SHORT;
}

const struct vdev_model vdev_loopback = {
	.name = "loopback",
	.create = create,
	.destroy = free,
	.reset = reset,
	.out = out,
	.in = in,
};
