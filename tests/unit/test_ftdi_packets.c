/* SPDX-License-Identifier: Apache-2.0 */
/* The status in front of each packet of an FTDI chip, and the oldest chip's frames. */
#include "unit.h"

#include "ftdi_serial.h"
#include "packets.h"

static void
expect(const uint8_t *bytes, size_t length, size_t size, size_t *offset, const char *data)
{
	struct packet packet;

	ck_assert(packet_next(bytes, length, size, offset, &packet));
	ck_assert_uint_eq(packet.length, strlen(data));
	ck_assert_mem_eq(packet.data, data, packet.length);
}

START_TEST(each_packet_loses_its_status)
{
	const uint8_t bytes[] = {1,   0x60, 'a', 'b', 'c', 'd', 'e',  'f',  0xb1, 0x0c,
				 'g', 'h',  'i', 'j', 'k', 'l', 0x01, 0x60, 'm'};
	struct packet packet;
	size_t offset = 0;

	expect(bytes, sizeof(bytes), 8, &offset, "abcdef");
	expect(bytes, sizeof(bytes), 8, &offset, "ghijkl");
	expect(bytes, sizeof(bytes), 8, &offset, "m");
	ck_assert(!packet_next(bytes, sizeof(bytes), 8, &offset, &packet));
	offset = 8;
	ck_assert(packet_next(bytes, sizeof(bytes), 8, &offset, &packet));
	ck_assert_uint_eq(packet.lines, FTDI_LINE_CTS | FTDI_LINE_DSR | FTDI_LINE_DCD);
	ck_assert_uint_eq(packet.errors, FTDI_EVENT_PARITY | FTDI_EVENT_FRAMING);
	ck_assert(!packet.empty);
}
END_TEST

START_TEST(packets_without_bytes_and_cut_ones)
{
	const uint8_t bytes[] = {1, 0x40, 1};
	struct packet packet;
	size_t offset = 0;

	ck_assert(!packet_next(bytes, 0, 64, &offset, &packet));
	ck_assert(!packet_next(bytes, 1, 64, &offset, &packet));
	ck_assert_uint_eq(offset, 0);
	ck_assert(packet_next(bytes, 2, 64, &offset, &packet));
	ck_assert_uint_eq(packet.length, 0);
	ck_assert(packet.empty);
	/* A whole packet, then one with half of its status. */
	offset = 0;
	ck_assert(packet_next(bytes, 3, 2, &offset, &packet));
	ck_assert(!packet_next(bytes, 3, 2, &offset, &packet));
}
END_TEST

START_TEST(payload_of_a_transfer)
{
	ck_assert_uint_eq(packet_payload(4096, 64), 64 * 62);
	ck_assert_uint_eq(packet_payload(4096, 512), 8 * 510);
	ck_assert_uint_eq(packet_payload(0, 64), 0);
	ck_assert_uint_eq(packet_payload(2, 64), 0);
	ck_assert_uint_eq(packet_payload(64 + 1, 64), 62);
	ck_assert_uint_eq(packet_payload(64 + 3, 64), 63);
}
END_TEST

START_TEST(frames_of_the_oldest_chip)
{
	uint8_t data[130], framed[133];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	ck_assert_uint_eq(packet_framed_length(1, 64), 2);
	ck_assert_uint_eq(packet_framed_length(63, 64), 64);
	ck_assert_uint_eq(packet_framed_length(64, 64), 66);
	ck_assert_uint_eq(packet_framed_length(130, 64), 133);
	packet_frame(data, sizeof(data), 64, framed);
	ck_assert_uint_eq(framed[0], 63 << 2 | 1);
	ck_assert_mem_eq(framed + 1, data, 63);
	ck_assert_uint_eq(framed[64], 63 << 2 | 1);
	ck_assert_mem_eq(framed + 65, data + 63, 63);
	ck_assert_uint_eq(framed[128], 4 << 2 | 1);
	ck_assert_mem_eq(framed + 129, data + 126, 4);
}
END_TEST

UNIT_MAIN("ftdi_packets", each_packet_loses_its_status, packets_without_bytes_and_cut_ones,
	  payload_of_a_transfer, frames_of_the_oldest_chip)
