/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual backend: device models in this process. Here: opening and closing one, its
 * configuration and interface. Transfers are in virtual_queue.c, the thread that moves them, one
 * for each device, in virtual_thread.c.
 *
 * Not modelled: the bus's rate, and packets' timing but for the option `latency`.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "log.h"
#include "packet.h"
#include "status.h"
#include "virtual_device.h"

#define VIRTUAL_ADDRESS 1

/* Everything but the thread. */
static void
destroy(struct usb_device *device)
{
	struct entry *entry;

	while ((entry = device->free) != NULL) {
		device->free = entry->next;
		free(entry);
	}
	vdev_line_close(&device->line);
	fd_close(&device->event);
	free(device);
}

static IOReturn
create(const struct vdev_spec *spec, struct usb_device **ret_device)
{
	struct usb_device *device = calloc(1, sizeof(*device));
	IOReturn res;

	if (device == NULL)
		return kIOReturnNoMemory;
	device->done_tail = &device->done;
	device->configuration = 1;
	device->next_deadline = UINT64_MAX;
	for (unsigned i = 0; i < ENDPOINT_COUNT; i++)
		device->endpoints[i].tail = &device->endpoints[i].head;
	device->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (device->event < 0)
		res = status_from_errno(errno, "eventfd of a virtual device");
	else
		res = vdev_line_open(&device->line, spec);
	if (res == kIOReturnSuccess)
		res = virtual_start(device);
	if (res != kIOReturnSuccess) {
		destroy(device);
		return res;
	}
	*ret_device = device;
	return kIOReturnSuccess;
}

static IOReturn
open_device(const char *spec_text, int fd, struct usb_device **ret_device)
{
	struct vdev_spec spec;
	char error[256];
	IOReturn res;

	if (fd >= 0) {
		fd_close(&fd);
		log_error("virtual device: was given a descriptor, but needs a spec only");
		return kIOReturnBadArgument;
	}
	if (spec_text == NULL) {
		log_error("virtual device: there is no spec");
		return kIOReturnBadArgument;
	}
	res = vdev_spec_parse(spec_text, &spec, error, sizeof(error));
	if (res != kIOReturnSuccess) {
		log_error("%s", error);
		return res;
	}
	return create(&spec, ret_device);
}

static void
close_device(struct usb_device *device)
{
	virtual_stop(device);
	assert(device->done == NULL);
	for (unsigned i = 0; i < ENDPOINT_COUNT; i++)
		assert(device->endpoints[i].head == NULL);
	destroy(device);
}

static const uint8_t *
device_descriptor(struct usb_device *device)
{
	return (const uint8_t *)&device->line.descriptors.device;
}

static const uint8_t *
configuration_descriptor(struct usb_device *device, uint8_t index, uint16_t *ret_length)
{
	if (index != 0)
		return NULL;
	*ret_length = device->line.descriptors.configuration_length;
	return device->line.descriptors.configuration;
}

static uint8_t
speed(struct usb_device *device)
{
	return device->line.spec.speed;
}

static uint8_t
address(struct usb_device *device)
{
	(void)device;
	return VIRTUAL_ADDRESS;
}

static uint8_t
configuration(struct usb_device *device)
{
	uint8_t value;

	pthread_mutex_lock(&device->lock);
	value = device->configuration;
	pthread_mutex_unlock(&device->lock);
	return value;
}

/* All that a setting or configuration begins with. */
static void
settle_locked(struct usb_device *device)
{
	device->alternate = 0;
	for (unsigned i = 0; i < ENDPOINT_COUNT; i++)
		device->endpoints[i].halted = false;
}

static IOReturn
set_configuration(struct usb_device *device, uint8_t value)
{
	IOReturn res = kIOReturnSuccess;

	if (value > 1)
		return kIOReturnNotFound;
	pthread_mutex_lock(&device->lock);
	if (device->gone) {
		res = kIOReturnNoDevice;
	} else if (device->claimed) {
		res = kIOReturnExclusiveAccess;
	} else {
		device->configuration = value;
		settle_locked(device);
	}
	pthread_mutex_unlock(&device->lock);
	return res;
}

/* To the host it is another device afterwards. */
static IOReturn
reset(struct usb_device *device)
{
	IOReturn res = kIOReturnSuccess;

	pthread_mutex_lock(&device->lock);
	if (device->gone)
		res = kIOReturnNoDevice;
	else if (device->claimed)
		res = kIOReturnExclusiveAccess;
	else
		virtual_go_locked(device);
	pthread_mutex_unlock(&device->lock);
	return res;
}

static IOReturn
set_claim(struct usb_device *device, uint8_t interface, bool claimed)
{
	IOReturn res = kIOReturnSuccess;

	if (interface != 0)
		return kIOReturnNotFound;
	pthread_mutex_lock(&device->lock);
	if (claimed && device->gone)
		res = kIOReturnNoDevice;
	else if (claimed && device->claimed)
		res = kIOReturnExclusiveAccess;
	else if (claimed && device->configuration == 0)
		res = kIOReturnNotFound;
	else if (!claimed && !device->claimed)
		res = kIOReturnNotOpen;
	else
		device->claimed = claimed;
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
set_alternate(struct usb_device *device, uint8_t interface, uint8_t alternate)
{
	IOReturn res = kIOReturnSuccess;

	if (interface != 0 || alternate > vdev_spec_last_setting(&device->line.spec))
		return kIOReturnNotFound;
	pthread_mutex_lock(&device->lock);
	if (device->gone) {
		res = kIOReturnNoDevice;
	} else if (!device->claimed) {
		res = kIOReturnNotOpen;
	} else {
		settle_locked(device);
		device->alternate = alternate;
	}
	pthread_mutex_unlock(&device->lock);
	return res;
}

static uint32_t
transfer_max(struct usb_device *device)
{
	(void)device;
	return UINT32_MAX;
}

static IOReturn
clear_halt(struct usb_device *device, uint8_t address)
{
	struct endpoint *endpoint = virtual_endpoint(device, address);
	IOReturn res = kIOReturnSuccess;

	if (endpoint == NULL)
		return kIOReturnNotFound;
	pthread_mutex_lock(&device->lock);
	if (device->gone) {
		res = kIOReturnNoDevice;
	} else {
		endpoint->halted = false;
		virtual_poke_locked(device);
	}
	pthread_mutex_unlock(&device->lock);
	return res;
}

/* There is no data toggle: what the device was told is all there is. */
static IOReturn
reset_endpoint(struct usb_device *device, uint8_t address)
{
	IOReturn res;

	if (virtual_endpoint(device, address) == NULL)
		return kIOReturnNotFound;
	pthread_mutex_lock(&device->lock);
	res = device->gone ? kIOReturnNoDevice : kIOReturnSuccess;
	pthread_mutex_unlock(&device->lock);
	return res;
}

/* By the thread: it may be moving a transfer. */
static void
unplug(struct usb_device *device)
{
	pthread_mutex_lock(&device->lock);
	device->unplugged = true;
	virtual_poke_locked(device);
	pthread_mutex_unlock(&device->lock);
}

static int
event_fd(struct usb_device *device)
{
	return device->event;
}

const struct usb_backend usb_backend_virtual = {
	.name = "virtual",
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
	.submit = virtual_submit,
	.cancel = virtual_cancel,
	.clear_halt = clear_halt,
	.reset_endpoint = reset_endpoint,
	.event_fd = event_fd,
	.reap = virtual_reap,
	.work = virtual_work,
	.unplug = unplug,
};
