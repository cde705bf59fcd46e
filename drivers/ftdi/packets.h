/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packets of an FTDI chip. Pure functions.
 *
 * Every IN packet begins with two bytes of status, also an empty one, which comes each time that
 * the latency timer ends. A transfer of several packets has the two in each of them. The oldest
 * chip wants one byte in front of each OUT packet.
 */
#ifndef FTDI_PACKETS_H
#define FTDI_PACKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_STATUS 2u /* bytes in front of each IN packet */

/* The first byte of status is of FTDI_LINE_...; of the second: */
#define PACKET_ERRORS 0x1eu /* FTDI_EVENT_... */
#define PACKET_EMPTY  0x40u /* all that was sent has left the chip */

struct packet {
	uint8_t lines;	/* of FTDI_LINE_... */
	uint8_t errors; /* of FTDI_EVENT_... */
	bool empty;
	const uint8_t *data;
	size_t length;
};

/*
 * Takes the next packet out of a transfer's bytes, of which packets are `size` long but for the
 * last. False: there is none, or one that is too short for its status.
 */
bool packet_next(const uint8_t *bytes, size_t length, size_t size, size_t *offset,
		 struct packet *ret_packet);

/* Bytes without status in a transfer of so many. */
size_t packet_payload(size_t length, size_t size);

/* SIO: the bytes of a transfer that carries so many, and that transfer itself. */
size_t packet_framed_length(size_t length, size_t size);
void packet_frame(const uint8_t *data, size_t length, size_t size, uint8_t *framed);

#endif
