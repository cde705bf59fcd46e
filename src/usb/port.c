/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port: opening and shutting, the device's end, and what all pipes of a device share. See port.h.
 *
 * What has finished is found in port_reap.c. Control requests are in control.c, how the port's
 * threads help the backend in port_work.c.
 */
#include "port.h"

#include <assert.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "packet.h"
#include "pipe.h"
#include "record_transfer.h"

/* Of USB 2.0, table 9-6: the feature of an endpoint. */
#define ENDPOINT_HALT 0
/* How long the shutdown waits for the backend to give transfers back. */
#define SHUT_MSEC 5000

/* --- references --- */

void
usb_port_retain(struct usb_port *port)
{
	atomic_fetch_add_explicit(&port->references, 1, memory_order_relaxed);
}

void
usb_port_release(struct usb_port *port)
{
	/* Pairs with itself: what other holders wrote is seen by the one who frees. */
	if (port == NULL ||
	    atomic_fetch_sub_explicit(&port->references, 1, memory_order_acq_rel) != 1)
		return;
	assert(port->device == NULL);
	recorder_leave(&port->place);
	pthread_cond_destroy(&port->changed);
	pthread_mutex_destroy(&port->lock);
	pthread_mutex_destroy(&port->reap_lock);
	for (unsigned i = 0; i < port->configuration_count; i++)
		free(port->configurations[i]);
	free(port->configurations);
	free(port);
}

/* --- operations --- */

IOReturn
usb_port_claim(struct usb_port *port, uint8_t interface, bool claim)
{
	IOReturn res = kIOReturnNoDevice;

	pthread_mutex_lock(&port->lock);
	/* A release is wanted even after the device has gone: the backend counts. */
	if (port->device != NULL && (!port->is_gone || !claim))
		res = claim ? port->backend->claim(port->device, interface)
			    : port->backend->release(port->device, interface);
	pthread_mutex_unlock(&port->lock);
	return res;
}

/* For who looks on: what the backend's call that follows sends. Then end_request. */
static void
begin_request_locked(struct usb_port *port, struct record_request *record,
		     const IOUSBDeviceRequest *request)
{
	record->began = 0;
	if (!recorder_is_on())
		return;
	*record = (struct record_request){0};
	memcpy(record->transfer.setup, request, sizeof(record->transfer.setup));
	record_request_began_locked(port, record, ++port->last_control);
}

static void
end_request(struct usb_port *port, struct record_request *record, IOReturn status)
{
	if (record->began != 0)
		record_request_ended(port, record, status);
}

IOReturn
usb_port_set_alternate(struct usb_port *port, uint8_t interface, uint8_t alternate)
{
	const IOUSBDeviceRequest request = {
		.bmRequestType = kIOUSBDeviceRequestRecipientInterface,
		.bRequest = kIOUSBDeviceRequestSetInterface,
		.wValue = alternate,
		.wIndex = interface,
	};
	struct record_request record;
	IOReturn res = kIOReturnNoDevice;

	pthread_mutex_lock(&port->lock);
	if (port->device != NULL && !port->is_gone) {
		begin_request_locked(port, &record, &request);
		res = port->backend->set_alternate(port->device, interface, alternate);
		end_request(port, &record, res);
	}
	pthread_mutex_unlock(&port->lock);
	return res;
}

IOReturn
usb_port_set_configuration(struct usb_port *port, uint8_t value)
{
	const IOUSBDeviceRequest request = {
		.bRequest = kIOUSBDeviceRequestSetConfiguration,
		.wValue = value,
	};
	struct record_request record;
	IOReturn res = kIOReturnNoDevice;

	pthread_mutex_lock(&port->lock);
	if (port->device != NULL && !port->is_gone) {
		begin_request_locked(port, &record, &request);
		res = port->backend->set_configuration(port->device, value);
		end_request(port, &record, res);
	}
	if (res == kIOReturnSuccess)
		port->configuration = usb_port_configuration(port, value);
	pthread_mutex_unlock(&port->lock);
	return res;
}

IOReturn
usb_port_clear_halt(struct usb_port *port, uint8_t endpoint)
{
	const IOUSBDeviceRequest request = {
		.bmRequestType = kIOUSBDeviceRequestRecipientEndpoint,
		.bRequest = kIOUSBDeviceRequestClearFeature,
		.wValue = ENDPOINT_HALT,
		.wIndex = endpoint,
	};
	struct record_request record;
	IOReturn res;

	pthread_mutex_lock(&port->lock);
	begin_request_locked(port, &record, &request);
	pthread_mutex_unlock(&port->lock);
	res = port->backend->clear_halt(port->device, endpoint);
	end_request(port, &record, res);
	return res;
}

IOReturn
usb_port_status(struct usb_port *port, uint32_t *ret_status)
{
	if (usb_port_is_gone(port))
		return kIOReturnNoDevice;
	*ret_status = (uint32_t)port->speed << kIOUSBHostPortStatusConnectedSpeedPhase |
		      kIOUSBHostPortStatusPortTypeStandard | kIOUSBHostPortStatusEnabled;
	return kIOReturnSuccess;
}

const IOUSBConfigurationDescriptor *
usb_port_configuration(const struct usb_port *port, uint8_t value)
{
	for (unsigned i = 0; i < port->configuration_count; i++) {
		const IOUSBConfigurationDescriptor *configuration = port->configurations[i];

		if (configuration != NULL && configuration->bConfigurationValue == value)
			return configuration;
	}
	return NULL;
}

/* --- pipes --- */

IOUSBHostPipe *
usb_port_copy_pipe(struct usb_port *port, unsigned index)
{
	IOUSBHostPipe *pipe;

	pthread_mutex_lock(&port->lock);
	pipe = port->pipes[index];
	OSRetain(pipe);
	pthread_mutex_unlock(&port->lock);
	return pipe;
}

void
usb_port_set_pipe(struct usb_port *port, unsigned index, IOUSBHostPipe *pipe)
{
	IOUSBHostPipe *before;

	OSRetain(pipe);
	pthread_mutex_lock(&port->lock);
	before = port->pipes[index];
	port->pipes[index] = pipe;
	pthread_mutex_unlock(&port->lock);
	OSRelease(before);
}

/* --- the device's end --- */

static void
tell_gone(struct loop_timer *timer)
{
	struct usb_port *port =
		(struct usb_port *)((char *)timer - offsetof(struct usb_port, telling));

	port->gone(port->gone_context);
	usb_port_release(port);
}

/*
 * Has it done if it is time to. Not from here: the owner may shut the port in answer to it. Under
 * the lock, so that a shutdown takes back whatever was armed.
 */
static void
tell_unlock(struct usb_port *port)
{
	bool tell = port->is_gone && port->gone != NULL && !port->told_gone;

	port->told_gone |= tell;
	if (tell) {
		usb_port_retain(port);
		port->telling.fired = tell_gone;
		loop_timer_arm(port->loop, &port->telling, clock_now());
	}
	pthread_mutex_unlock(&port->lock);
}

void
usb_port_unplug(struct usb_port *port)
{
	pthread_mutex_lock(&port->lock);
	if (port->device != NULL && port->backend->unplug != NULL)
		port->backend->unplug(port->device);
	pthread_mutex_unlock(&port->lock);
	/* Somebody has seen a real one go. */
	if (port->backend->unplug == NULL)
		usb_port_look(port);
}

bool
usb_port_is_gone(struct usb_port *port)
{
	bool gone;

	pthread_mutex_lock(&port->lock);
	gone = port->is_gone;
	pthread_mutex_unlock(&port->lock);
	return gone;
}

void
usb_port_watch_gone(struct usb_port *port, void (*gone)(void *context), void *context)
{
	pthread_mutex_lock(&port->lock);
	port->gone = gone;
	port->gone_context = context;
	tell_unlock(port);
}

/*
 * The backend has given back all it had. The callbacks are on their queues before the owner is
 * told: a driver's Stop comes behind them.
 */
void
usb_port_go(struct usb_port *port)
{
	pthread_mutex_lock(&port->lock);
	port->is_gone = true;
	pthread_mutex_unlock(&port->lock);
	usb_port_kick_controls(port); /* none of them has a device to wait for */
	for (unsigned i = 0; i < USB_ENDPOINTS; i++) {
		IOUSBHostPipe *pipe = usb_port_copy_pipe(port, i);

		if (pipe != NULL)
			pipe_gone(pipe);
		OSRelease(pipe);
	}
	log_info("usb: the device has gone");
	usb_port_pump(port, false);
	pthread_mutex_lock(&port->lock);
	tell_unlock(port);
}

IOReturn
usb_port_reset(struct usb_port *port)
{
	IOReturn res = kIOReturnNoDevice;

	pthread_mutex_lock(&port->lock);
	if (port->device != NULL && !port->is_gone)
		res = port->backend->reset(port->device);
	pthread_mutex_unlock(&port->lock);
	if (res == kIOReturnSuccess)
		usb_port_go(port);
	return res;
}

/* --- opening and shutting --- */

/* One configuration descriptor, checked and kept; NULL: not sent, or no memory. */
static IOUSBConfigurationDescriptor *
copy_configuration(struct usb_port *port, uint8_t index)
{
	uint16_t length = 0;
	const uint8_t *bytes =
		port->backend->configuration_descriptor(port->device, index, &length);
	IOUSBConfigurationDescriptor *copy;

	if (bytes == NULL || length < sizeof(*copy))
		return NULL;
	copy = malloc(length);
	if (copy == NULL)
		return NULL;
	memcpy(copy, bytes, length);
	if (copy->wTotalLength > length || copy->wTotalLength < sizeof(*copy)) {
		log_info("usb: a configuration descriptor says %u bytes, the device sent %u",
			 copy->wTotalLength, length);
		copy->wTotalLength = length;
	}
	return copy;
}

/* What the device says of itself: it is asked for in any state. */
static IOReturn
read_descriptors(struct usb_port *port)
{
	const struct usb_backend *backend = port->backend;
	uint8_t value = backend->configuration(port->device);

	memcpy(&port->descriptor, backend->device_descriptor(port->device),
	       sizeof(port->descriptor));
	port->bcd_usb = port->descriptor.bcdUSB;
	port->speed = backend->speed(port->device);
	port->address = backend->address(port->device);
	port->transfer_max = backend->transfer_max(port->device);
	port->configuration_count = port->descriptor.bNumConfigurations;
	port->configurations = calloc(port->configuration_count + 1u, sizeof(void *));
	if (port->configurations == NULL) {
		port->configuration_count = 0;
		return kIOReturnNoMemory;
	}
	for (unsigned i = 0; i < port->configuration_count; i++)
		port->configurations[i] = copy_configuration(port, (uint8_t)i);
	port->configuration = usb_port_configuration(port, value);
	if (port->configuration == NULL && value != 0) {
		log_error("usb: the device has no descriptor of its configuration %u", value);
		return kIOReturnDeviceError;
	}
	return kIOReturnSuccess;
}

IOReturn
usb_port_open_take(const struct usb_backend *backend, const char *spec, int fd, struct loop *loop,
		   struct usb_port **ret_port)
{
	struct usb_port *port = calloc(1, sizeof(*port));
	IOReturn res;

	if (port == NULL) {
		fd_close(&fd);
		return kIOReturnNoMemory;
	}
	port->backend = backend;
	port->loop = loop;
	usb_port_init_reap(port);
	usb_port_init_work(port);
	usb_port_init_look(port);
	atomic_init(&port->references, 1);
	pthread_mutex_init(&port->reap_lock, NULL);
	pthread_mutex_init(&port->lock, NULL);
	pthread_cond_init(&port->changed, NULL);
	TAILQ_INIT(&port->controls);
	res = backend->open(spec, fd, &port->device);
	if (res == kIOReturnSuccess) {
		res = read_descriptors(port);
		if (res == kIOReturnSuccess)
			res = usb_port_add_source(port);
		if (res != kIOReturnSuccess) {
			backend->close(port->device);
			port->device = NULL;
		}
	}
	if (res != kIOReturnSuccess) {
		usb_port_release(port);
		return res;
	}
	*ret_port = port;
	return kIOReturnSuccess;
}

static bool
is_busy(struct usb_port *port)
{
	bool busy = usb_port_has_controls(port);

	for (unsigned i = 0; i < USB_ENDPOINTS && !busy; i++) {
		IOUSBHostPipe *pipe = usb_port_copy_pipe(port, i);

		busy = pipe != NULL && pipe_is_busy(pipe);
		OSRelease(pipe);
	}
	return busy;
}

/* Gets all transfers back, without the loop: it may have ended, or be this thread's. */
static void
drain(struct usb_port *port)
{
	uint64_t deadline = clock_now() + SHUT_MSEC * NSEC_PER_MSEC;
	struct pollfd event = {.fd = port->backend->event_fd(port->device), .events = POLLIN};

	while (is_busy(port)) {
		if (clock_now() > deadline) {
			log_error("usb: the backend keeps transfers that were cancelled");
			abort();
		}
		poll(&event, 1, 10);
		port->backend->reap(port->device);
	}
}

void
usb_port_shut(struct usb_port *port)
{
	bool armed;

	loop_source_remove(port->loop, &port->source);
	pthread_mutex_lock(&port->lock);
	port->is_gone = true;
	port->told_gone = true; /* the owner knows */
	armed = port->retry_armed;
	pthread_mutex_unlock(&port->lock);
	if (loop_timer_cancel(port->loop, &port->telling))
		usb_port_release(port);
	if (loop_timer_cancel(port->loop, &port->rest))
		usb_port_release(port);
	usb_port_end_controls(port, NULL, kIOReturnAborted, false);
	for (unsigned i = 0; i < USB_ENDPOINTS; i++) {
		IOUSBHostPipe *pipe = usb_port_copy_pipe(port, i);

		if (pipe != NULL)
			pipe_abandon(pipe);
		OSRelease(pipe);
	}
	pthread_mutex_lock(&port->reap_lock);
	assert(!port->shut);
	port->shut = true;
	drain(port);
	pthread_mutex_lock(&port->lock);
	port->backend->close(port->device);
	port->device = NULL;
	pthread_mutex_unlock(&port->lock);
	pthread_mutex_unlock(&port->reap_lock);
	if (armed && loop_timer_cancel(port->loop, &port->retry))
		usb_port_release(port);
	usb_port_pump(port, true);
	for (unsigned i = 0; i < USB_ENDPOINTS; i++)
		usb_port_set_pipe(port, i, NULL);
}
