/* SPDX-License-Identifier: Apache-2.0 */
/* IN packets out of their status, OUT packets into their frame; see packets.h. */
#include "packets.h"

#include <string.h>

#include "ftdi_serial.h"

#define LINES (FTDI_LINE_CTS | FTDI_LINE_DSR | FTDI_LINE_RI | FTDI_LINE_DCD)

/* SIO's byte: bits 2 to 7 are the length, bit 0 the port. */
#define FRAME_PORT 1u
#define FRAME_MAX  63u

bool
packet_next(const uint8_t *bytes, size_t length, size_t size, size_t *offset,
	    struct packet *ret_packet)
{
	const uint8_t *packet = bytes + *offset;
	size_t left = length - *offset;

	if (left < PACKET_STATUS)
		return false;
	if (left > size)
		left = size;
	*offset += left;
	*ret_packet = (struct packet){
		.lines = packet[0] & LINES,
		.errors = packet[1] & PACKET_ERRORS,
		.empty = (packet[1] & PACKET_EMPTY) != 0,
		.data = packet + PACKET_STATUS,
		.length = left - PACKET_STATUS,
	};
	return true;
}

size_t
packet_payload(size_t length, size_t size)
{
	size_t rest = length % size;

	return length / size * (size - PACKET_STATUS) +
	       (rest > PACKET_STATUS ? rest - PACKET_STATUS : 0);
}

static size_t
frame_payload(size_t size)
{
	return size - 1 < FRAME_MAX ? size - 1 : FRAME_MAX;
}

size_t
packet_framed_length(size_t length, size_t size)
{
	size_t payload = frame_payload(size);

	return length + (length + payload - 1) / payload;
}

void
packet_frame(const uint8_t *data, size_t length, size_t size, uint8_t *framed)
{
	while (length > 0) {
		size_t payload = frame_payload(size);

		if (payload > length)
			payload = length;
		*framed++ = (uint8_t)(payload << 2 | FRAME_PORT);
		memcpy(framed, data, payload);
		framed += payload;
		data += payload;
		length -= payload;
	}
}
