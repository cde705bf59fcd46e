/* SPDX-License-Identifier: Apache-2.0 */
/* One virtual device through its backend's table of operations, with what a test sends to it. */
#ifndef TESTS_UNIT_VIRTUAL_FIXTURE_H
#define TESTS_UNIT_VIRTUAL_FIXTURE_H

#include "unit.h"

#include <poll.h>

#include <USBDriverKit/AppleUSBDefinitions.h>

#include "backend.h"
#include <dext_virtual.h>

#define OUT DEXT_VIRTUAL_ENDPOINT_OUT
#define IN  DEXT_VIRTUAL_ENDPOINT_IN

static const struct usb_backend *const backend = &usb_backend_virtual;
static struct usb_device *device;
static unsigned completions;

static inline void
count(struct usb_transfer *transfer)
{
	const uint8_t endpoint = transfer->endpoint;

	for (; transfer != NULL; transfer = transfer->next) {
		ck_assert_uint_eq(transfer->endpoint, endpoint);
		completions++;
		transfer->flags |= 0x80; /* seen; a second time would be noticed */
	}
}

static inline void
plug(const char *spec)
{
	ck_assert_int_eq(backend->open(spec, -1, &device), kIOReturnSuccess);
	ck_assert_int_eq(backend->claim(device, 0), kIOReturnSuccess);
	completions = 0;
}

static inline IOReturn
submit(struct usb_transfer *transfer, uint8_t endpoint, void *data, uint32_t length)
{
	*transfer = (struct usb_transfer){
		.endpoint = endpoint,
		.data = data,
		.length = length,
		.memory = {.fd = -1},
		.done = count,
		.timeout = transfer->timeout,
		.flags = transfer->flags,
		.helped = transfer->helped,
	};
	return backend->submit(device, transfer);
}

static inline bool
is_done(const struct usb_transfer *transfer)
{
	return (transfer->flags & 0x80) != 0;
}

/* Reaps until the transfer is done; false once the device has gone. */
static inline bool
await(const struct usb_transfer *transfer)
{
	struct pollfd event = {.fd = backend->event_fd(device), .events = POLLIN};
	bool alive = true;

	while (!is_done(transfer)) {
		ck_assert_int_eq(poll(&event, 1, 10000), 1);
		alive = backend->reap(device);
	}
	return alive;
}

static inline IOReturn
transfer(uint8_t endpoint, void *data, uint32_t length, uint32_t *ret_actual)
{
	struct usb_transfer record = {0};

	ck_assert_int_eq(submit(&record, endpoint, data, length), kIOReturnSuccess);
	await(&record);
	*ret_actual = record.actual;
	return record.status;
}

static inline IOReturn
control(uint8_t type, uint8_t request, uint16_t value, void *data, uint16_t length,
	uint32_t *ret_actual)
{
	const IOUSBDeviceRequest setup = {type, request, value, 0, length};
	struct usb_transfer record = {.data = data, .length = length, .done = count};

	memcpy(record.setup, &setup, sizeof(setup));
	ck_assert_int_eq(backend->submit(device, &record), kIOReturnSuccess);
	await(&record);
	*ret_actual = record.actual;
	return record.status;
}

static inline struct dext_virtual_state
state(void)
{
	struct dext_virtual_state answer;
	uint32_t actual;

	ck_assert_int_eq(
		control(0xc0, DEXT_VIRTUAL_REQUEST_STATE, 0, &answer, sizeof(answer), &actual),
		kIOReturnSuccess);
	ck_assert_uint_eq(actual, sizeof(answer));
	return answer;
}

static inline void
unplug(void)
{
	backend->release(device, 0);
	backend->close(device);
}

static uint8_t bytes[1 << 20];

static inline void
fill(void)
{
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 31 + (i >> 8));
}

#endif
