/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The script of a device: steps in a row, and the transfers that they are for. Only the first step
 * is taken, with the first transfer of its endpoint; all else waits. The device's lock is held
 * where a name says so.
 */
#include "kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

#define SHOWN 16u /* bytes of a message */

/* --- words --- */

static const char *
show(char text[SHOWN * 3 + 4], const uint8_t *bytes, size_t length)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < length && i < SHOWN; i++)
		used += (size_t)snprintf(text + used, SHOWN * 3 + 4 - used, "%s%02x",
					 i > 0 ? " " : "", bytes[i]);
	if (length > SHOWN)
		snprintf(text + used, SHOWN * 3 + 4 - used, "...");
	return text;
}

static void
describe(const struct step *step, char *text, size_t size)
{
	char bytes[SHOWN * 3 + 4];

	show(bytes, step->bytes, step->length);
	switch (step->kind) {
	case STEP_OUT:
		snprintf(text, size, "step %u, OUT 0x%02x of %zu bytes (%s)", step->number,
			 step->endpoint, step->length, bytes);
		break;
	case STEP_IN:
		snprintf(text, size, "step %u, IN 0x%02x answered by %zu bytes (%s)", step->number,
			 step->endpoint, step->length, bytes);
		break;
	case STEP_CONTROL:
		snprintf(text, size, "step %u, request 0x%02x 0x%02x", step->number, step->setup[0],
			 step->setup[1]);
		break;
	case STEP_STALL:
		snprintf(text, size, "step %u, a stall of 0x%02x", step->number, step->endpoint);
		break;
	case STEP_DELAY:
		snprintf(text, size, "step %u, a delay of %u ms", step->number, step->delay);
		break;
	default:
		snprintf(text, size, "step %u, unplugging", step->number);
	}
}

/* --- taking steps --- */

static void
take_out_locked(struct usb_device *device, struct endpoint *endpoint, const struct step *step)
{
	const struct usb_transfer *transfer = endpoint->head->transfer;
	char expected[SHOWN * 3 + 4], got[SHOWN * 3 + 4];

	if (transfer->length != step->length ||
	    memcmp(transfer->data, step->bytes, step->length) != 0)
		test_fail(device->test,
			  "step %u: OUT 0x%02x: %zu bytes were expected (%s), %u came (%s)",
			  step->number, step->endpoint, step->length,
			  show(expected, step->bytes, step->length), transfer->length,
			  show(got, transfer->data, transfer->length));
	device_finish_locked(device, endpoint, kIOReturnSuccess, transfer->length);
}

static void
take_in_locked(struct usb_device *device, struct endpoint *endpoint, const struct step *step)
{
	struct usb_transfer *transfer = endpoint->head->transfer;
	bool fits = step->length <= transfer->length;
	uint32_t actual = fits ? (uint32_t)step->length : transfer->length;

	if (actual > 0)
		memcpy(transfer->data, step->bytes, actual);
	device_finish_locked(device, endpoint, fits ? kIOReturnSuccess : kIOReturnOverrun, actual);
}

static void
take_control_locked(struct usb_device *device, struct endpoint *endpoint, const struct step *step)
{
	struct usb_transfer *transfer = endpoint->head->transfer;
	uint32_t actual = transfer->length;
	char expected[32], got[32];
	bool in = (step->setup[0] & 0x80) != 0;

	/* The device does not know how much the host would take. */
	if (memcmp(transfer->setup, step->setup, 6) != 0) {
		snprintf(expected, sizeof(expected), "%02x %02x %02x%02x %02x%02x", step->setup[0],
			 step->setup[1], step->setup[3], step->setup[2], step->setup[5],
			 step->setup[4]);
		snprintf(got, sizeof(got), "%02x %02x %02x%02x %02x%02x", transfer->setup[0],
			 transfer->setup[1], transfer->setup[3], transfer->setup[2],
			 transfer->setup[5], transfer->setup[4]);
		test_fail(device->test,
			  "step %u: the request %s was expected, %s came (bmRequestType, "
			  "bRequest, wValue, wIndex)",
			  step->number, expected, got);
		device_finish_locked(device, endpoint, kUSBHostReturnPipeStalled, 0);
		return;
	}
	if (in) {
		actual = step->length < actual ? (uint32_t)step->length : actual;
		if (actual > 0)
			memcpy(transfer->data, step->bytes, actual);
	} else if (transfer->length != step->length ||
		   memcmp(transfer->data, step->bytes, step->length) != 0) {
		test_fail(device->test, "step %u: request 0x%02x 0x%02x: other data came",
			  step->number, step->setup[0], step->setup[1]);
	}
	device_finish_locked(device, endpoint, kIOReturnSuccess, actual);
}

/* False: what it is for is not there, or *wake has not come. */
static bool
take_locked(struct usb_device *device, struct step *step, uint64_t now, uint64_t *wake)
{
	struct endpoint *endpoint = device_endpoint(device, step->endpoint);

	if (step->kind == STEP_UNPLUG) {
		device_go_locked(device);
		return true;
	}
	if (step->kind == STEP_DELAY) {
		if (step->begun == 0)
			step->begun = now;
		*wake = step->begun + step->delay * NSEC_PER_MSEC;
		return *wake <= now;
	}
	if (endpoint->head == NULL)
		return false;
	if (step->kind == STEP_STALL) {
		endpoint->halted = step->endpoint != 0;
		device_finish_locked(device, endpoint, kUSBHostReturnPipeStalled, 0);
	} else if (step->kind == STEP_OUT) {
		take_out_locked(device, endpoint, step);
	} else if (step->kind == STEP_IN) {
		take_in_locked(device, endpoint, step);
	} else {
		take_control_locked(device, endpoint, step);
	}
	return true;
}

static void
take_steps_locked(struct usb_device *device, uint64_t now, uint64_t *wake)
{
	struct step *step;

	*wake = UINT64_MAX;
	while ((step = device->steps) != NULL && !device->gone &&
	       take_locked(device, step, now, wake)) {
		device->steps = step->next;
		if (device->steps == NULL)
			device->steps_tail = &device->steps;
		free(step);
		*wake = UINT64_MAX;
	}
}

/* --- what needs no step, and what has none --- */

static void
answer_standard_locked(struct usb_device *device)
{
	struct endpoint *control = &device->endpoints[0];
	IOReturn status;
	uint32_t actual;

	while (control->head != NULL &&
	       descriptors_answer_locked(device, control->head->transfer, &status, &actual))
		device_finish_locked(device, control, status, actual);
}

static bool
has_step_locked(const struct usb_device *device, uint8_t address)
{
	for (const struct step *step = device->steps; step != NULL; step = step->next)
		if (step->kind != STEP_DELAY && step->endpoint == address)
			return true;
	return false;
}

/* *wake: when the first of them has waited for too long. */
static void
refuse_locked(struct usb_device *device, uint64_t now, uint64_t *wake)
{
	for (unsigned i = 0; i < ENDPOINTS; i++) {
		struct endpoint *endpoint = &device->endpoints[i];
		const struct usb_transfer *transfer;
		char bytes[SHOWN * 3 + 4];
		uint64_t until;

		while (endpoint->halted && endpoint->head != NULL)
			device_finish_locked(device, endpoint, kUSBHostReturnPipeStalled, 0);
		if (endpoint->head == NULL)
			continue;
		transfer = endpoint->head->transfer;
		if ((transfer->endpoint & 0x80) != 0 || has_step_locked(device, transfer->endpoint))
			continue;
		until = endpoint->head->since + STEP_PATIENCE;
		if (until > now) {
			*wake = until < *wake ? until : *wake;
			continue;
		}
		if (i == 0)
			test_fail(device->test, "a request came that is no step: %s",
				  show(bytes, transfer->setup, 8));
		else
			test_fail(device->test, "OUT 0x%02x: %u bytes came that are no step (%s)",
				  transfer->endpoint, transfer->length,
				  show(bytes, transfer->data, transfer->length));
		device_finish_locked(device, endpoint, kUSBHostReturnPipeStalled, 0);
	}
}

uint64_t
script_run_locked(struct usb_device *device, uint64_t now)
{
	uint64_t wake;

	answer_standard_locked(device);
	/* First: a halted endpoint takes no step. */
	for (unsigned i = 1; i < ENDPOINTS; i++)
		while (device->endpoints[i].halted && device->endpoints[i].head != NULL)
			device_finish_locked(device, &device->endpoints[i],
					     kUSBHostReturnPipeStalled, 0);
	take_steps_locked(device, now, &wake);
	answer_standard_locked(device);
	refuse_locked(device, now, &wake);
	return wake;
}

void
script_end(struct usb_device *device)
{
	char text[160];

	pthread_mutex_lock(&device->lock);
	if (device->steps != NULL) {
		describe(device->steps, text, sizeof(text));
		test_fail(device->test,
			  "the script of the device is not at its end: %s, was not taken", text);
	}
	device_unlock(device);
}

/* --- the public functions --- */

static void
add(dext_test_device *public, const struct step *like, const void *bytes)
{
	struct usb_device *device = (struct usb_device *)public;
	struct step *step;

	if (device == NULL)
		return;
	step = malloc(sizeof(*step) + like->length);
	if (step == NULL || device_endpoint(device, like->endpoint) == NULL) {
		free(step);
		test_fail(device->test, "a step: %s",
			  step == NULL ? "out of memory" : "the device has no such endpoint");
		return;
	}
	*step = *like;
	if (bytes != NULL && like->length > 0)
		memcpy(step->bytes, bytes, like->length);
	pthread_mutex_lock(&device->lock);
	step->number = ++device->step_count;
	*device->steps_tail = step;
	device->steps_tail = &step->next;
	/* The thread takes it, which looks at all that waits. */
	device_unlock(device);
}

void
dext_test_expect_out(dext_test_device *device, uint8_t endpoint, const void *bytes, size_t length)
{
	add(device, &(struct step){.kind = STEP_OUT, .endpoint = endpoint, .length = length},
	    bytes);
}

void
dext_test_answer_in(dext_test_device *device, uint8_t endpoint, const void *bytes, size_t length)
{
	add(device, &(struct step){.kind = STEP_IN, .endpoint = endpoint, .length = length}, bytes);
}

void
dext_test_expect_control(dext_test_device *device, uint8_t bmRequestType, uint8_t bRequest,
			 uint16_t wValue, uint16_t wIndex, const void *bytes, size_t length)
{
	add(device,
	    &(struct step){.kind = STEP_CONTROL,
			   .setup = {bmRequestType, bRequest, (uint8_t)wValue,
				     (uint8_t)(wValue >> 8), (uint8_t)wIndex,
				     (uint8_t)(wIndex >> 8)},
			   .length = length},
	    bytes);
}

void
dext_test_stall(dext_test_device *device, uint8_t endpoint)
{
	add(device, &(struct step){.kind = STEP_STALL, .endpoint = endpoint}, NULL);
}

void
dext_test_delay(dext_test_device *device, unsigned milliseconds)
{
	add(device, &(struct step){.kind = STEP_DELAY, .delay = milliseconds}, NULL);
}

void
dext_test_unplug(dext_test_device *device)
{
	add(device, &(struct step){.kind = STEP_UNPLUG}, NULL);
}

bool
dext_test_wait(dext_test_device *public)
{
	struct usb_device *device = (struct usb_device *)public;
	uint64_t deadline;
	char text[160];
	bool all;

	if (device == NULL)
		return false;
	deadline = test_deadline(device->test);
	pthread_mutex_lock(&device->lock);
	while (device->steps != NULL && !device->gone &&
	       test_await(&device->changed, &device->lock, deadline))
		;
	all = device->steps == NULL;
	if (!all) {
		describe(device->steps, text, sizeof(text));
		test_fail(device->test, "%s: %s", text,
			  device->gone ? "the device has gone" : "it did not come in time");
	}
	device_unlock(device);
	return all;
}
