/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scripted device as a backend: the queues of its endpoints, and a thread that does what is due
 * by the clock (delays, time-outs, transfers that are held back when shuffling). All else is done
 * by whoever submits a transfer or adds a step, under the lock. Transfers are handed back by reap
 * only.
 *
 * Shuffling holds each finished transfer back for up to 2 ms, so that those of different endpoints
 * finish in another order; those of one endpoint keep theirs.
 */
#include "kit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "packet.h"
#include "shuffle.h"

#define SHUFFLE_MAX (2 * NSEC_PER_MSEC)

/* The registry starts a host for the device that was plugged in last. */
static struct usb_device *plugged; /* [const] while a host runs */

struct endpoint *
device_endpoint(struct usb_device *device, uint8_t address)
{
	unsigned index = address == 0 ? 0u : 1u + (address & 0x0f) + (address & 0x80 ? 16u : 0u);

	return (address & 0x70) == 0 && index < ENDPOINTS && device->endpoints[index].exists
		       ? &device->endpoints[index]
		       : NULL;
}

/* --- finishing --- */

static void
hand_back_locked(struct usb_device *device, struct usb_transfer *transfer)
{
	const uint64_t one = 1;

	transfer->next = NULL;
	*device->done_tail = transfer;
	device->done_tail = &transfer->next;
	if (write(device->event, &one, sizeof(one)) < 0)
		return; /* it is readable as it is */
}

/* False: not held back. */
static bool
cook_locked(struct usb_device *device, struct endpoint *endpoint, struct usb_transfer *transfer)
{
	uint64_t seed = test_seed(device->test), now = clock_now();
	struct cooked *cooked = seed != 0 ? malloc(sizeof(*cooked)) : NULL, **place;

	if (cooked == NULL)
		return false;
	cooked->transfer = transfer;
	cooked->due = now + shuffle_mix(seed ^ device->finished++) % SHUFFLE_MAX;
	if (cooked->due <= endpoint->last_due)
		cooked->due = endpoint->last_due + 1;
	endpoint->last_due = cooked->due;
	for (place = &device->cooking; *place != NULL && (*place)->due < cooked->due;
	     place = &(*place)->next)
		;
	cooked->next = *place;
	*place = cooked;
	return true;
}

/* Those whose time has come; all, if the device has gone. When the next one is due. */
static uint64_t
serve_locked(struct usb_device *device, uint64_t now)
{
	struct cooked *cooked;

	while ((cooked = device->cooking) != NULL && (device->gone || cooked->due <= now)) {
		device->cooking = cooked->next;
		hand_back_locked(device, cooked->transfer);
		free(cooked);
	}
	return cooked != NULL ? cooked->due : UINT64_MAX;
}

static void
finish_locked(struct usb_device *device, struct endpoint *endpoint, struct pending **link,
	      IOReturn status, uint32_t actual)
{
	struct pending *pending = *link;
	struct usb_transfer *transfer = pending->transfer;

	*link = pending->next;
	if (endpoint->tail == &pending->next)
		endpoint->tail = link;
	free(pending);
	transfer->backend = NULL;
	transfer->status = status;
	transfer->actual = actual;
	if (!cook_locked(device, endpoint, transfer))
		hand_back_locked(device, transfer);
}

void
device_finish_locked(struct usb_device *device, struct endpoint *endpoint, IOReturn status,
		     uint32_t actual)
{
	finish_locked(device, endpoint, &endpoint->head, status, actual);
}

void
device_go_locked(struct usb_device *device)
{
	const uint64_t one = 1;

	device->gone = true;
	for (unsigned i = 0; i < ENDPOINTS; i++)
		while (device->endpoints[i].head != NULL)
			device_finish_locked(device, &device->endpoints[i], kIOReturnNoDevice, 0);
	serve_locked(device, 0);
	if (write(device->event, &one, sizeof(one)) < 0)
		return;
}

/* --- time --- */

static uint64_t
expire_locked(struct usb_device *device, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (unsigned i = 0; i < ENDPOINTS; i++) {
		struct endpoint *endpoint = &device->endpoints[i];
		struct pending **link = &endpoint->head;

		while (*link != NULL) {
			if ((*link)->deadline <= now) {
				finish_locked(device, endpoint, link, kIOReturnTimeout, 0);
				continue;
			}
			if ((*link)->deadline < next)
				next = (*link)->deadline;
			link = &(*link)->next;
		}
	}
	return next;
}

/* All that can be done now. When to come again. */
static uint64_t
work_locked(struct usb_device *device)
{
	uint64_t now = clock_now(), next = UINT64_MAX, due[3];

	due[0] = device->gone ? UINT64_MAX : script_run_locked(device, now);
	due[1] = expire_locked(device, now);
	due[2] = serve_locked(device, now);
	for (unsigned i = 0; i < 3; i++)
		if (due[i] < next)
			next = due[i];
	return next;
}

void
device_unlock(struct usb_device *device)
{
	pthread_cond_broadcast(&device->changed);
	pthread_mutex_unlock(&device->lock);
}

static void *
run(void *context)
{
	struct usb_device *device = context;

	pthread_mutex_lock(&device->lock);
	while (!device->stopping) {
		uint64_t next = work_locked(device);

		/* Those who wait for steps: this thread takes those that need no transfer. */
		pthread_cond_broadcast(&device->changed);
		test_await(&device->changed, &device->lock, next);
	}
	pthread_mutex_unlock(&device->lock);
	return NULL;
}

/* --- the backend --- */

static IOReturn
open_device(const char *spec, int fd, struct usb_device **ret_device)
{
	fd_close(&fd);
	if (plugged == NULL)
		return kIOReturnNoDevice;
	*ret_device = plugged;
	return kIOReturnSuccess;
}

static void
close_device(struct usb_device *device)
{
	pthread_mutex_lock(&device->lock);
	device->claimed = false;
	pthread_mutex_unlock(&device->lock);
}

static const uint8_t *
device_descriptor(struct usb_device *device)
{
	return device->device;
}

static const uint8_t *
configuration_descriptor(struct usb_device *device, uint8_t index, uint16_t *ret_length)
{
	*ret_length = device->configuration_length;
	return index == 0 ? device->configuration : NULL;
}

static uint8_t
speed(struct usb_device *device)
{
	return kIOUSBHostConnectionSpeedHigh;
}

static uint8_t
address(struct usb_device *device)
{
	return 1;
}

static uint8_t
configuration(struct usb_device *device)
{
	uint8_t value;

	pthread_mutex_lock(&device->lock);
	value = device->configured;
	pthread_mutex_unlock(&device->lock);
	return value;
}

static IOReturn
set_configuration(struct usb_device *device, uint8_t value)
{
	IOReturn res = value <= 1 ? kIOReturnSuccess : kIOReturnNotFound;

	pthread_mutex_lock(&device->lock);
	if (device->gone)
		res = kIOReturnNoDevice;
	else if (device->claimed)
		res = kIOReturnExclusiveAccess;
	if (res == kIOReturnSuccess)
		device->configured = value;
	pthread_mutex_unlock(&device->lock);
	return res;
}

/* To the host it is another device afterwards, as of the models. */
static IOReturn
reset(struct usb_device *device)
{
	pthread_mutex_lock(&device->lock);
	device_go_locked(device);
	device_unlock(device);
	return kIOReturnSuccess;
}

static IOReturn
set_claim(struct usb_device *device, uint8_t interface, bool claim)
{
	IOReturn res = kIOReturnSuccess;

	if (interface != 0)
		return kIOReturnNotFound;
	pthread_mutex_lock(&device->lock);
	if (claim && device->gone)
		res = kIOReturnNoDevice;
	else if (claim == device->claimed)
		res = claim ? kIOReturnExclusiveAccess : kIOReturnNotOpen;
	else
		device->claimed = claim;
	pthread_mutex_unlock(&device->lock);
	return res;
}

static IOReturn
claim(struct usb_device *device, uint8_t interface)
{
	return set_claim(device, interface, true);
}

static IOReturn
release(struct usb_device *device, uint8_t interface)
{
	return set_claim(device, interface, false);
}

static IOReturn
clear_halt(struct usb_device *device, uint8_t address)
{
	struct endpoint *endpoint = device_endpoint(device, address);
	bool gone;

	if (endpoint == NULL)
		return kIOReturnNotFound;
	pthread_mutex_lock(&device->lock);
	endpoint->halted = false;
	gone = device->gone;
	device_unlock(device);
	return gone ? kIOReturnNoDevice : kIOReturnSuccess;
}

static IOReturn
set_alternate(struct usb_device *device, uint8_t interface, uint8_t alternate)
{
	if (interface != 0 || alternate != 0)
		return kIOReturnNotFound;
	for (unsigned i = 0; i < 32; i++)
		clear_halt(device, (uint8_t)(i < 16 ? i : 0x80 | (i - 16)));
	return kIOReturnSuccess;
}

static IOReturn
reset_endpoint(struct usb_device *device, uint8_t address)
{
	return device_endpoint(device, address) != NULL ? kIOReturnSuccess : kIOReturnNotFound;
}

static uint32_t
transfer_max(struct usb_device *device)
{
	return UINT32_MAX;
}

static IOReturn
submit(struct usb_device *device, struct usb_transfer *transfer)
{
	struct endpoint *endpoint = device_endpoint(device, transfer->endpoint);
	struct pending *pending;
	IOReturn res = kIOReturnSuccess;
	uint64_t now = clock_now();

	if (endpoint == NULL)
		return kIOReturnNotFound;
	if (transfer->packet_count > 0)
		return kIOReturnUnsupported;
	pending = calloc(1, sizeof(*pending));
	if (pending == NULL)
		return kIOReturnNoMemory;
	pending->transfer = transfer;
	pending->since = now;
	pending->deadline =
		transfer->timeout != 0 ? now + transfer->timeout * NSEC_PER_MSEC : UINT64_MAX;
	pthread_mutex_lock(&device->lock);
	if (device->gone)
		res = kIOReturnNoDevice;
	else if (transfer->endpoint != 0 && !device->claimed)
		res = kIOReturnNotOpen;
	if (res == kIOReturnSuccess) {
		transfer->backend = pending;
		transfer->actual = 0;
		*endpoint->tail = pending;
		endpoint->tail = &pending->next;
		work_locked(device);
	} else {
		free(pending);
	}
	device_unlock(device);
	return res;
}

static void
cancel(struct usb_device *device, struct usb_transfer *transfer)
{
	struct endpoint *endpoint = device_endpoint(device, transfer->endpoint);
	struct pending **link = &endpoint->head;

	pthread_mutex_lock(&device->lock);
	while (*link != NULL && (*link)->transfer != transfer)
		link = &(*link)->next;
	if (*link != NULL)
		finish_locked(device, endpoint, link, kIOReturnAborted, 0);
	device_unlock(device);
}

static int
event_fd(struct usb_device *device)
{
	return device->event;
}

static bool
reap(struct usb_device *device)
{
	struct usb_transfer *transfer, *next;
	uint64_t count;
	bool gone;

	pthread_mutex_lock(&device->lock);
	if (read(device->event, &count, sizeof(count)) < 0 && errno != EAGAIN)
		abort();
	transfer = device->done;
	device->done = NULL;
	device->done_tail = &device->done;
	gone = device->gone;
	pthread_mutex_unlock(&device->lock);
	for (; transfer != NULL; transfer = next) {
		next = transfer->next;
		transfer->timestamp = clock_now();
		transfer->done(transfer);
	}
	return !gone;
}

static void
unplug(struct usb_device *device)
{
	pthread_mutex_lock(&device->lock);
	if (!device->gone)
		device_go_locked(device);
	device_unlock(device);
}

const struct usb_backend device_backend = {
	.name = "test",
	.open = open_device,
	.close = close_device,
	.device_descriptor = device_descriptor,
	.configuration_descriptor = configuration_descriptor,
	.speed = speed,
	.address = address,
	.configuration = configuration,
	.set_configuration = set_configuration,
	.reset = reset,
	.claim = claim,
	.release = release,
	.set_alternate = set_alternate,
	.transfer_max = transfer_max,
	.submit = submit,
	.cancel = cancel,
	.clear_halt = clear_halt,
	.reset_endpoint = reset_endpoint,
	.event_fd = event_fd,
	.reap = reap,
	.unplug = unplug,
};

/* --- its life --- */

static void
free_device(struct usb_device *device)
{
	struct step *step;

	while ((step = device->steps) != NULL) {
		device->steps = step->next;
		free(step);
	}
	pthread_cond_destroy(&device->changed);
	pthread_mutex_destroy(&device->lock);
	fd_close(&device->event);
	free(device);
}

struct usb_device *
device_create(dext_test *test, const dext_test_usb *usb)
{
	struct usb_device *device = calloc(1, sizeof(*device));
	pthread_condattr_t monotonic;

	if (device == NULL)
		return NULL;
	device->test = test;
	device->configured = 1;
	device->done_tail = &device->done;
	device->steps_tail = &device->steps;
	for (unsigned i = 0; i < ENDPOINTS; i++)
		device->endpoints[i].tail = &device->endpoints[i].head;
	pthread_mutex_init(&device->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&device->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	device->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!descriptors_make(device, usb) || device->event < 0 ||
	    pthread_create(&device->thread, NULL, run, device) != 0) {
		free_device(device);
		return NULL;
	}
	plugged = device;
	return device;
}

void
device_destroy(struct usb_device *device)
{
	pthread_mutex_lock(&device->lock);
	device->stopping = true;
	device_unlock(device);
	pthread_join(device->thread, NULL);
	plugged = plugged == device ? NULL : plugged;
	free_device(device);
}
