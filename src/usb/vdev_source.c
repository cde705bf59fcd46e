/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The source: an endless stream of full packets with the pattern of dext_virtual_pattern. Its next
 * packet is always a full one, so a transfer that is no multiple of the packet size overflows.
 */
#include <stdlib.h>
#include <string.h>

#include "vdev.h"

struct source {
	uint64_t position;
	uint16_t packet;
};

static void *
create(const struct vdev_spec *spec)
{
	struct source *source = calloc(1, sizeof(*source));

	if (source != NULL)
		source->packet = vdev_spec_packet(spec);
	return source;
}

static void
reset(void *model)
{
	struct source *source = model;

	source->position = 0;
}

static void
fill(uint8_t *data, uint64_t position, uint32_t length)
{
	for (; length > 0 && position % 8 != 0; length--)
		*data++ = dext_virtual_pattern(position++);
	for (; length >= 8; length -= 8, position += 8, data += 8) {
		uint64_t word = position / 8;

		memcpy(data, &word, sizeof(word));
	}
	for (; length > 0; length--)
		*data++ = dext_virtual_pattern(position++);
}

static enum vdev_in
in(void *model, uint8_t *data, uint32_t room, uint32_t *ret_given)
{
	struct source *source = model;
	uint32_t given = room - room % source->packet;

	fill(data, source->position, given);
	source->position += given;
	*ret_given = given;
	return given == room && room > 0 ? VDEV_IN_FILLED : VDEV_IN_OVERFLOW;
}

static void
in_short(void *model, uint8_t *data, uint32_t length)
{
	struct source *source = model;

	fill(data, source->position, length);
	source->position += length;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the pattern is little-endian");

const struct vdev_model vdev_source = {
	.name = "source",
	.create = create,
	.destroy = free,
	.reset = reset,
	.in = in,
	.in_short = in_short,
};
