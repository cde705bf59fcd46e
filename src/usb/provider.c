/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the provider that a host's START describes: opens the device by the backend named there,
 * and gives out the device's object or that of one interface.
 *
 * There is one provider in a host. It is closed once, after the driver has stopped.
 */
#include "provider.h"

#include <inttypes.h>
#include <string.h>

#include "log.h"
#include "objects.h"

/* The device of a provider, +1, or NULL. */
static IOUSBHostDevice *
device_of(IOService *provider)
{
	IOUSBHostInterface *interface = OSDynamicCast(IOUSBHostInterface, provider);
	IOUSBHostDevice *device = OSDynamicCast(IOUSBHostDevice, provider);

	if (interface != NULL &&
	    IOUSBHostInterface_CopyDevice(interface, &device) == kIOReturnSuccess)
		return device;
	OSRetain(device);
	return device;
}

/* What "virtual" stands for. [const] while a host runs */
static const struct usb_backend *virtual_backend = &usb_backend_virtual;

void
usb_provider_set_virtual(const struct usb_backend *backend)
{
	virtual_backend = backend != NULL ? backend : &usb_backend_virtual;
}

static void
gone(void *provider)
{
	host_provider_gone(provider);
}

static IOReturn
choose_backend(OSDictionary *start, const struct usb_backend **ret_backend, const char **ret_spec)
{
	OSDictionary *device = OSDynamicCast(OSDictionary, OSDictionaryGetValue(start, "Device"));
	const char *name;

	if (device == NULL) {
		log_error("usb: START has no Device dictionary");
		return kIOReturnBadArgument;
	}
	name = OSDictionaryGetStringValue(device, "Backend");
	*ret_spec = OSDictionaryGetStringValue(device, "Spec");
	if (name != NULL && strcmp(name, "virtual") == 0) {
		*ret_backend = virtual_backend;
	} else if (name != NULL && strcmp(name, "usb") == 0) {
		*ret_backend = &usb_backend_libusb;
	} else {
		log_error("usb: Backend in START's Device is neither \"virtual\" nor \"usb\"");
		return kIOReturnBadArgument;
	}
	return kIOReturnSuccess;
}

/* The object that the driver gets, +1. */
static IOReturn
choose_provider(OSDictionary *start, IOUSBHostDevice *device, IOService **ret_provider)
{
	IOService *provider = (IOService *)device;
	uint64_t number;

	if (OSDictionaryGetUInt64Value(start, "InterfaceNumber", &number)) {
		provider = NULL;
		if (number <= UINT8_MAX)
			provider = (IOService *)device_interface(device, (uint8_t)number);
		if (provider == NULL) {
			log_error("usb: the device has no interface %" PRIu64, number);
			return kIOReturnNotFound;
		}
	}
	OSRetain(provider);
	*ret_provider = provider;
	return kIOReturnSuccess;
}

static IOReturn
create(OSDictionary *start, struct fd_list *files, struct loop *loop, IOService **ret_provider)
{
	const struct usb_backend *backend;
	IOUSBHostDevice *device = NULL;
	struct usb_port *port;
	const char *spec;
	IOReturn res = choose_backend(start, &backend, &spec);

	if (res == kIOReturnSuccess)
		res = usb_port_open_take(backend, spec, fd_list_take(files, 0), loop, &port);
	if (res != kIOReturnSuccess)
		return res;
	res = device_create(port, &device);
	if (res == kIOReturnSuccess)
		res = choose_provider(start, device, ret_provider);
	if (res == kIOReturnSuccess) {
		usb_port_watch_gone(port, gone, *ret_provider);
	} else {
		usb_port_shut(port);
		if (device != NULL)
			device_disband(device);
	}
	OSRelease(device);
	usb_port_release(port);
	return res;
}

static void
unplug(IOService *provider)
{
	IOUSBHostDevice *device = device_of(provider);

	/* NULL: closed meanwhile. */
	if (device != NULL)
		usb_port_unplug(device_port(device));
	OSRelease(device);
}

static void
close_provider(IOService *provider)
{
	IOUSBHostDevice *device = device_of(provider);

	if (device == NULL) {
		log_error("usb: close of a %s", OSObject_GetClassName(provider));
		return;
	}
	/* Where the driver has ended before it could be told, the registry is to know all the same.
	 */
	if (usb_port_is_gone(device_port(device)))
		host_provider_gone(provider);
	usb_port_shut(device_port(device));
	device_disband(device);
	OSRelease(device);
}

const struct host_provider usb_host_provider = {
	.create = create,
	.close = close_provider,
	.unplug = unplug,
};
