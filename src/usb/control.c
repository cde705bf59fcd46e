/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control requests: endpoint 0, which belongs to the port and not to a pipe. They are synchronous:
 * the caller's thread waits, another thread of the loop finds the end.
 *
 * Those that run are in a list, with the object on whose behalf they run, so that closing it can
 * cancel them. The list's lock is also what keeps submit and cancel of endpoint 0 apart.
 */
#include "log.h"
#include "port.h"

#include <string.h>

struct usb_control {
	struct usb_transfer transfer; /* first: done() casts */
	struct usb_port *port;
	const void *owner;
	bool ended; /* [port] */
	TAILQ_ENTRY(usb_control) link;
};

static void
done(struct usb_transfer *transfer)
{
	struct usb_control *control = (struct usb_control *)transfer;
	struct usb_port *port = control->port;

	/* Out of the list here: it is the list of what the backend has. */
	pthread_mutex_lock(&port->lock);
	TAILQ_REMOVE(&port->controls, control, link);
	control->ended = true;
	pthread_cond_broadcast(&port->changed);
	pthread_mutex_unlock(&port->lock);
}

static IOReturn
run(struct usb_port *port, struct usb_control *control)
{
	IOReturn res;

	control->port = port;
	control->transfer.done = done;
	loop_will_block(port->loop);
	pthread_mutex_lock(&port->lock);
	if (port->is_gone || port->device == NULL)
		res = kIOReturnNoDevice;
	else
		res = port->backend->submit(port->device, &control->transfer);
	if (res == kIOReturnSuccess) {
		TAILQ_INSERT_TAIL(&port->controls, control, link);
		while (!control->ended)
			pthread_cond_wait(&port->changed, &port->lock);
		res = control->transfer.status;
	}
	pthread_mutex_unlock(&port->lock);
	loop_did_block(port->loop);
	/* Not worth a queue of its own; a caller that gets this has thousands of transfers. */
	return res == kIOReturnNotReady ? kIOReturnNoResources : res;
}

IOReturn
usb_port_control_data(struct usb_port *port, const void *owner, const IOUSBDeviceRequest *request,
		      void *data, uint32_t timeout, uint16_t *ret_actual)
{
	struct usb_control control = {
		.owner = owner,
		.transfer =
			{
				.timeout = timeout,
				.data = data,
				.length = request->wLength,
				.memory = {.fd = -1},
			},
	};
	IOReturn res;

	memcpy(control.transfer.setup, request, sizeof(control.transfer.setup));
	res = run(port, &control);
	if (res == kIOReturnSuccess && ret_actual != NULL)
		*ret_actual = (uint16_t)control.transfer.actual;
	return res;
}

/* What would change the device behind the framework's back. */
static bool
is_reserved(const IOUSBDeviceRequest *request)
{
	uint8_t recipient = request->bmRequestType & kIOUSBDeviceRequestRecipientMask;
	bool feature = request->bRequest == kIOUSBDeviceRequestClearFeature ||
		       request->bRequest == kIOUSBDeviceRequestSetFeature;

	if ((request->bmRequestType & kIOUSBDeviceRequestTypeMask) != 0)
		return false;
	return request->bRequest == kIOUSBDeviceRequestSetAddress ||
	       request->bRequest == kIOUSBDeviceRequestSetConfiguration ||
	       request->bRequest == kIOUSBDeviceRequestSetInterface ||
	       (feature && recipient == kIOUSBDeviceRequestRecipientEndpoint &&
		request->wValue == kIOUSBEndpointFeatureSelectorStall);
}

IOReturn
usb_port_control(struct usb_port *port, const void *owner, const IOUSBDeviceRequest *request,
		 IOMemoryDescriptor *memory, uint32_t timeout, uint16_t *ret_actual)
{
	bool is_in = (request->bmRequestType & kIOUSBDeviceRequestDirectionMask) != 0;
	void *data = NULL;
	IOReturn res;

	if (is_reserved(request)) {
		log_error("DeviceRequest: request %u is the framework's own; use "
			  "SelectAlternateSetting "
			  "or ClearStall",
			  request->bRequest);
		return kIOReturnNotPermitted;
	}
	if (request->wLength > 0) {
		if (memory == NULL || request->wLength > memory_length(memory)) {
			log_error("DeviceRequest: wLength is %u, dataBuffer %s", request->wLength,
				  memory == NULL ? "is NULL" : "is shorter");
			return kIOReturnBadArgument;
		}
		if (is_in && memory_direction(memory) == kIOMemoryDirectionOut) {
			log_error("DeviceRequest: dataBuffer may only be read");
			return kIOReturnNotPermitted;
		}
		data = memory_address(memory);
		if (data == NULL)
			return kIOReturnNoMemory;
		memory_io_begin(memory);
	}
	res = usb_port_control_data(port, owner, request, data, timeout, ret_actual);
	if (request->wLength > 0)
		memory_io_end(memory);
	return res;
}

static bool
has_controls(struct usb_port *port, const void *owner)
{
	struct usb_control *control;

	TAILQ_FOREACH(control, &port->controls, link)
	{
		if (control->owner == owner)
			return true;
	}
	return false;
}

void
usb_port_end_controls(struct usb_port *port, const void *owner)
{
	struct usb_control *control;

	loop_will_block(port->loop);
	pthread_mutex_lock(&port->lock);
	TAILQ_FOREACH(control, &port->controls, link)
	{
		if (owner == NULL || control->owner == owner)
			port->backend->cancel(port->device, &control->transfer);
	}
	while (owner != NULL && has_controls(port, owner))
		pthread_cond_wait(&port->changed, &port->lock);
	pthread_mutex_unlock(&port->lock);
	loop_did_block(port->loop);
}
