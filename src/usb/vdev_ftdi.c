/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An FTDI serial adapter (FT232R) whose line ends in a plug that joins it to itself; see
 * <dext_virtual.h> for what comes back.
 *
 * Every IN packet begins with two bytes of status. A real one sends an empty packet each time that
 * its latency timer ends. This one, which has no clock, does so only when it has news, or when the
 * packet before was a full one: so a transfer never waits with bytes in it.
 */
#include <stdlib.h>
#include <string.h>

#include <USBDriverKit/AppleUSBDefinitions.h>

#include "vdev.h"

#define CAPACITY 4096u
#define STATUS	 2u /* bytes */

/* The first byte of status, whose bit 0 is always there; and the second. */
#define LINE_ALWAYS 0x01u
#define LINE_CTS    0x10u
#define LINE_DSR    0x20u
#define LINE_DCD    0x80u
#define ERROR_FRAME 0x08u
#define ERROR_BREAK 0x10u
#define SENT_ALL    0x60u /* the register is empty, and the transmitter */

#define DTR 0x01u
#define RTS 0x02u

enum request {
	REQUEST_RESET = 0,
	REQUEST_MODEM = 1,
	REQUEST_FLOW = 2,
	REQUEST_BAUD = 3,
	REQUEST_DATA = 4,
	REQUEST_GET_MODEM = 5,
	REQUEST_LATENCY = 9,
	REQUEST_GET_LATENCY = 10,
};

struct ftdi {
	uint32_t other_baud; /* [const] 0: any */
	uint16_t packet;     /* [const] */
	struct dext_virtual_ftdi settings;
	uint8_t errors; /* to be reported */
	bool news;	/* an empty packet is due */
	uint32_t head, tail;
	uint8_t ring[CAPACITY];
};

static void
reset(void *model)
{
	struct ftdi *ftdi = model;

	ftdi->settings = (struct dext_virtual_ftdi){.latency = 16};
	ftdi->errors = 0;
	ftdi->news = false;
	ftdi->head = ftdi->tail = 0;
}

static void *
create(const struct vdev_spec *spec)
{
	struct ftdi *ftdi = calloc(1, sizeof(*ftdi));

	if (ftdi == NULL)
		return NULL;
	ftdi->other_baud = spec->baud;
	ftdi->packet = vdev_spec_packet(spec);
	reset(ftdi);
	return ftdi;
}

static bool
is_garbled(const struct ftdi *ftdi)
{
	uint64_t mine = ftdi->settings.baud, other = ftdi->other_baud;
	uint64_t off = mine > other ? mine - other : other - mine;

	return other != 0 && off * 100 > other * 3;
}

static bool
out(void *model, const uint8_t *data, uint32_t length, bool ends, uint32_t *ret_taken)
{
	struct ftdi *ftdi = model;
	uint32_t room = CAPACITY - (ftdi->head - ftdi->tail);
	uint8_t mask = is_garbled(ftdi) ? 0xff : 0;
	bool all = length <= room;

	(void)ends;
	if (!all)
		length = room - room % ftdi->packet;
	for (uint32_t i = 0; i < length; i++)
		ftdi->ring[ftdi->head++ % CAPACITY] = data[i] ^ mask;
	if (mask != 0 && length > 0)
		ftdi->errors |= ERROR_FRAME;
	*ret_taken = length;
	return all;
}

static void
status(struct ftdi *ftdi, uint8_t bytes[STATUS])
{
	bytes[0] = LINE_ALWAYS;
	if ((ftdi->settings.lines & RTS) != 0)
		bytes[0] |= LINE_CTS;
	if ((ftdi->settings.lines & DTR) != 0)
		bytes[0] |= LINE_DSR | LINE_DCD;
	bytes[1] = SENT_ALL | ftdi->errors;
	ftdi->errors = 0;
}

/* One packet; returns its length. */
static uint32_t
packet(struct ftdi *ftdi, uint8_t *data)
{
	uint32_t length = ftdi->head - ftdi->tail;

	if (length > ftdi->packet - STATUS)
		length = ftdi->packet - STATUS;
	status(ftdi, data);
	for (uint32_t i = 0; i < length; i++)
		data[STATUS + i] = ftdi->ring[ftdi->tail++ % CAPACITY];
	length += STATUS;
	ftdi->news = length == ftdi->packet;
	return length;
}

static enum vdev_in
in(void *model, uint8_t *data, uint32_t room, uint32_t *ret_given)
{
	struct ftdi *ftdi = model;
	uint32_t given = 0, length;

	*ret_given = 0;
	while (given < room) {
		uint32_t left = ftdi->head - ftdi->tail + STATUS;

		if (left == STATUS && !ftdi->news)
			return VDEV_IN_NAK;
		if ((left < ftdi->packet ? left : ftdi->packet) > room - given)
			return VDEV_IN_OVERFLOW;
		length = packet(ftdi, data + given);
		given += length;
		*ret_given = given;
		if (length < ftdi->packet)
			return VDEV_IN_SHORT;
	}
	return room > 0 ? VDEV_IN_FILLED : VDEV_IN_NAK;
}

/* As in FTDI's note on baud rates: a whole part, eighths by a code, and two special divisors. */
static uint32_t
decode_baud(uint16_t value, uint16_t index)
{
	static const uint8_t eighths[] = {0, 4, 2, 1, 3, 5, 6, 7};
	uint32_t divisor = (value & 0x3fffu) * 8 + eighths[value >> 14 | (index & 1) << 2];

	if (divisor == 0)
		divisor = 8;
	else if (divisor == 8)
		divisor = 12;
	return (24000000 + divisor / 2) / divisor;
}

static int32_t
set(struct ftdi *ftdi, const IOUSBDeviceRequest *request)
{
	struct dext_virtual_ftdi *settings = &ftdi->settings;
	uint8_t which = (uint8_t)(request->wValue >> 8), lines = (uint8_t)request->wValue;
	uint32_t resets = settings->resets;

	switch (request->bRequest) {
	case REQUEST_RESET:
		if (request->wValue > 2)
			return VDEV_STALL;
		if (request->wValue == 0)
			reset(ftdi);
		if (request->wValue == 1)
			ftdi->tail = ftdi->head;
		settings->resets = resets + (request->wValue == 0);
		return 0;
	case REQUEST_MODEM:
		settings->lines = (uint8_t)((settings->lines & ~which) | (lines & which));
		break;
	case REQUEST_FLOW:
		settings->flow = (uint8_t)(request->wIndex >> 8);
		return 0;
	case REQUEST_BAUD:
		settings->baud = decode_baud(request->wValue, request->wIndex);
		return 0;
	case REQUEST_DATA:
		if (((settings->format ^ request->wValue) & request->wValue & 1u << 14) != 0)
			ftdi->errors |= ERROR_BREAK;
		settings->format = request->wValue;
		break;
	case REQUEST_LATENCY:
		settings->latency = (uint8_t)request->wValue;
		return request->wValue > 0 && request->wValue < 256 ? 0 : VDEV_STALL;
	default:
		return VDEV_STALL;
	}
	ftdi->news = true; /* of its lines, or of a break */
	return 0;
}

static int32_t
answer(uint8_t *data, uint16_t wanted, const void *bytes, uint16_t length)
{
	if (length > wanted)
		length = wanted;
	if (length > 0)
		memcpy(data, bytes, length);
	return length;
}

static int32_t
get(struct ftdi *ftdi, const IOUSBDeviceRequest *request, uint8_t *data)
{
	uint8_t bytes[STATUS], errors = ftdi->errors;

	switch (request->bRequest) {
	case REQUEST_GET_MODEM:
		status(ftdi, bytes);
		ftdi->errors = errors; /* the packets report it */
		return answer(data, request->wLength, bytes, sizeof(bytes));
	case REQUEST_GET_LATENCY:
		return answer(data, request->wLength, &ftdi->settings.latency, 1);
	case DEXT_VIRTUAL_REQUEST_FTDI:
		return answer(data, request->wLength, &ftdi->settings, sizeof(ftdi->settings));
	case DEXT_VIRTUAL_REQUEST_STATE:
		return VDEV_NOT_MINE;
	default:
		return VDEV_STALL;
	}
}

static int32_t
vendor(void *model, const uint8_t setup[8], uint8_t *data)
{
	IOUSBDeviceRequest request;

	_Static_assert(sizeof(struct dext_virtual_ftdi) == 16, "wire");
	memcpy(&request, setup, sizeof(request));
	if (request.bmRequestType == 0xc0)
		return get(model, &request, data);
	if (request.bmRequestType == 0x40 && request.wLength == 0)
		return set(model, &request);
	return VDEV_STALL;
}

const struct vdev_model vdev_ftdi = {
	.name = "ftdi",
	.create = create,
	.destroy = free,
	.reset = reset,
	.out = out,
	.in = in,
	.vendor = vendor,
};
