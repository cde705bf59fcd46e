/* SPDX-License-Identifier: Apache-2.0 */
/* The virtual FTDI adapter: its packets, its settings, and what its plug does. */
#include "unit.h"

#include <USBDriverKit/AppleUSBDefinitions.h>

#include "vdev.h"

static void *model;

static void
create(const char *text)
{
	struct vdev_spec spec;
	char error[256];

	ck_assert_msg(vdev_spec_parse(text, &spec, error, sizeof(error)) == kIOReturnSuccess, "%s",
		      error);
	model = vdev_ftdi.create(&spec);
	ck_assert_ptr_nonnull(model);
}

static int32_t
request(uint8_t type, uint8_t number, uint16_t value, uint16_t index, void *data, uint16_t length)
{
	const IOUSBDeviceRequest request = {type, number, value, index, length};
	uint8_t setup[8];

	memcpy(setup, &request, sizeof(setup));
	return vdev_ftdi.vendor(model, setup, data);
}

static void
set(uint8_t number, uint16_t value, uint16_t index)
{
	ck_assert_int_eq(request(0x40, number, value, index, NULL, 0), 0);
}

static struct dext_virtual_ftdi
settings(void)
{
	struct dext_virtual_ftdi settings;

	ck_assert_int_eq(
		request(0xc0, DEXT_VIRTUAL_REQUEST_FTDI, 0, 0, &settings, sizeof(settings)),
		sizeof(settings));
	return settings;
}

static bool
send(const void *data, uint32_t length, uint32_t *ret_taken)
{
	return vdev_ftdi.out(model, data, length, true, ret_taken);
}

START_TEST(bytes_come_back_behind_two_of_status)
{
	uint8_t data[100], back[256];
	uint32_t count;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	create("ftdi");
	ck_assert_int_eq(vdev_ftdi.in(model, back, sizeof(back), &count), VDEV_IN_NAK);
	ck_assert(send(data, 100, &count));
	ck_assert_uint_eq(count, 100);
	ck_assert_int_eq(vdev_ftdi.in(model, back, sizeof(back), &count), VDEV_IN_SHORT);
	ck_assert_uint_eq(count, 104);
	ck_assert_uint_eq(back[0], 0x01);
	ck_assert_uint_eq(back[1], 0x60);
	ck_assert_mem_eq(back + 2, data, 62);
	ck_assert_uint_eq(back[64], 0x01);
	ck_assert_mem_eq(back + 66, data + 62, 38);
	ck_assert_int_eq(vdev_ftdi.in(model, back, sizeof(back), &count), VDEV_IN_NAK);
	vdev_ftdi.destroy(model);
}
END_TEST

START_TEST(a_full_packet_is_followed_by_a_short_one)
{
	uint8_t data[62] = {1}, back[256];
	uint32_t count;

	create("ftdi");
	ck_assert(send(data, 62, &count));
	ck_assert_int_eq(vdev_ftdi.in(model, back, sizeof(back), &count), VDEV_IN_SHORT);
	ck_assert_uint_eq(count, 66);
	/* Also where the first fills its transfer. */
	ck_assert(send(data, 62, &count));
	ck_assert_int_eq(vdev_ftdi.in(model, back, 64, &count), VDEV_IN_FILLED);
	ck_assert_int_eq(vdev_ftdi.in(model, back, 64, &count), VDEV_IN_SHORT);
	ck_assert_uint_eq(count, 2);
	ck_assert(send(data, 62, &count));
	ck_assert_int_eq(vdev_ftdi.in(model, back, 63, &count), VDEV_IN_OVERFLOW);
	vdev_ftdi.destroy(model);
}
END_TEST

START_TEST(a_full_adapter_takes_no_more)
{
	static uint8_t data[5000], back[8192];
	uint32_t count;

	create("ftdi");
	ck_assert(!send(data, 5000, &count));
	ck_assert_uint_eq(count, 4096);
	ck_assert(!send(data, 1, &count));
	ck_assert_uint_eq(count, 0);
	ck_assert_int_eq(vdev_ftdi.in(model, back, sizeof(back), &count), VDEV_IN_SHORT);
	ck_assert_uint_eq(count, 4096 + 67 * 2);
	ck_assert(send(data, 4096, &count));
	vdev_ftdi.destroy(model);
}
END_TEST

START_TEST(settings_are_what_was_set)
{
	uint8_t latency;

	create("ftdi");
	ck_assert_uint_eq(settings().baud, 0);
	ck_assert_uint_eq(settings().latency, 16);
	set(3, 0x4138, 0);
	ck_assert_uint_eq(settings().baud, 9600);
	set(3, 0xc003, 1); /* 3 7/8 */
	ck_assert_uint_eq(settings().baud, 774194);
	set(3, 0, 0);
	ck_assert_uint_eq(settings().baud, 3000000);
	set(3, 1, 0);
	ck_assert_uint_eq(settings().baud, 2000000);
	set(4, 0x0208, 0);
	ck_assert_uint_eq(settings().format, 0x0208);
	set(2, 0x1311, 0x0400);
	ck_assert_uint_eq(settings().flow, 4);
	set(9, 5, 0);
	ck_assert_int_eq(request(0xc0, 10, 0, 0, &latency, 1), 1);
	ck_assert_uint_eq(latency, 5);
	ck_assert_int_eq(request(0x40, 9, 0, 0, NULL, 0), VDEV_STALL);
	set(0, 0, 0);
	ck_assert_uint_eq(settings().baud, 0);
	ck_assert_uint_eq(settings().resets, 1);
	ck_assert_int_eq(request(0x40, 77, 0, 0, NULL, 0), VDEV_STALL);
	vdev_ftdi.destroy(model);
}
END_TEST

START_TEST(lines_come_back_through_the_plug)
{
	uint8_t lines[2], back[64];
	uint32_t count;

	create("ftdi");
	set(1, 0x0303, 0);
	ck_assert_int_eq(vdev_ftdi.in(model, back, sizeof(back), &count), VDEV_IN_SHORT);
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(back[0], 0xb1);
	set(1, 0x0200, 0); /* RTS off, DTR as it was */
	ck_assert_int_eq(request(0xc0, 5, 0, 0, lines, 2), 2);
	ck_assert_uint_eq(lines[0], 0xa1);
	set(4, 0x4008, 0);
	set(4, 0x4008, 0);
	ck_assert_int_eq(vdev_ftdi.in(model, back, sizeof(back), &count), VDEV_IN_SHORT);
	ck_assert_uint_eq(back[1] & 0x10, 0x10);
	set(4, 0x0008, 0);
	ck_assert_int_eq(vdev_ftdi.in(model, back, sizeof(back), &count), VDEV_IN_SHORT);
	ck_assert_uint_eq(back[1] & 0x10, 0);
	vdev_ftdi.destroy(model);
}
END_TEST

START_TEST(at_another_rate_bytes_are_garbled)
{
	uint8_t back[64];
	uint32_t count;

	create("ftdi,baud=115200");
	set(3, 0x4138, 0);
	ck_assert(send("A", 1, &count));
	ck_assert_int_eq(vdev_ftdi.in(model, back, sizeof(back), &count), VDEV_IN_SHORT);
	ck_assert_uint_eq(back[1] & 0x08, 0x08);
	ck_assert_uint_eq(back[2], (uint8_t) ~'A');
	set(3, 0x001a, 0); /* 115385: near enough */
	ck_assert(send("A", 1, &count));
	ck_assert_int_eq(vdev_ftdi.in(model, back, sizeof(back), &count), VDEV_IN_SHORT);
	ck_assert_uint_eq(back[1] & 0x08, 0);
	ck_assert_uint_eq(back[2], 'A');
	vdev_ftdi.destroy(model);
}
END_TEST

UNIT_MAIN("vdev_ftdi", bytes_come_back_behind_two_of_status,
	  a_full_packet_is_followed_by_a_short_one, a_full_adapter_takes_no_more,
	  settings_are_what_was_set, lines_come_back_through_the_plug,
	  at_another_rate_bytes_are_garbled)
