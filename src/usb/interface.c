/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOUSBHostInterface: a session of one client with one interface, its alternate setting, its pipes.
 *
 * The lock guards the session and serialises what changes it; `changing` is set while pipes are
 * closed, which waits for callbacks of the driver and so must not hold the lock.
 */
#include "objects.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "object.h"
#include "pipe.h"

struct IOUSBHostInterface_IVars {
	struct usb_port *port;	 /* [const] */
	IOUSBHostDevice *device; /* [lock] retained; NULL once disbanded */
	uint8_t number;		 /* [const] */
	/* [const] That it is part of; as long as the port lives. */
	const IOUSBConfigurationDescriptor *configuration;
	pthread_mutex_t lock;
	const IOService *client; /* [lock] that has the session; not retained, only compared */
	uint8_t alternate;	 /* [lock] */
	bool changing;		 /* [lock] */
	bool retired;		 /* [lock] another configuration was selected */
};

static bool init(OSObject *object);
static void finish(OSObject *object);

static const OSObjectMethods interface_methods = {
	.size = sizeof(OSObjectMethods),
	.init = init,
	.free = finish,
};

const OSMetaClass gIOUSBHostInterfaceMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "IOUSBHostInterface",
	.superclass = OSTypeID(IOService),
	.ivars_size = sizeof(struct IOUSBHostInterface_IVars),
	.object = &interface_methods,
};

static struct IOUSBHostInterface_IVars *
ivars(IOUSBHostInterface *interface)
{
	return OSObjectIVars(IOUSBHostInterface, interface);
}

static bool
init(OSObject *object)
{
	if (!IOService_init_Impl((IOService *)object))
		return false;
	pthread_mutex_init(&ivars((IOUSBHostInterface *)object)->lock, NULL);
	return true;
}

static void
finish(OSObject *object)
{
	struct IOUSBHostInterface_IVars *interface = ivars((IOUSBHostInterface *)object);

	usb_port_release(interface->port);
	OSRelease(interface->device);
	pthread_mutex_destroy(&interface->lock);
	IOService_free_Impl((IOService *)object);
}

IOReturn
interface_create(struct usb_port *port, IOUSBHostDevice *device, uint8_t number,
		 IOUSBHostInterface **ret_interface)
{
	IOUSBHostInterface *object = object_create(IOUSBHostInterface);
	struct IOUSBHostInterface_IVars *interface;

	if (object == NULL)
		return kIOReturnNoMemory;
	interface = ivars(object);
	usb_port_retain(port);
	interface->port = port;
	OSRetain(device);
	interface->device = device;
	interface->number = number;
	interface->configuration = port->configuration;
	*ret_interface = object;
	return kIOReturnSuccess;
}

void
interface_disband(IOUSBHostInterface *object)
{
	struct IOUSBHostInterface_IVars *interface = ivars(object);
	IOUSBHostDevice *device;

	pthread_mutex_lock(&interface->lock);
	device = interface->device;
	interface->device = NULL;
	interface->client = NULL;
	pthread_mutex_unlock(&interface->lock);
	OSRelease(device);
}

uint8_t
interface_number(IOUSBHostInterface *interface)
{
	return ivars(interface)->number;
}

bool
interface_is_open_for(IOUSBHostInterface *object, const IOService *client)
{
	struct IOUSBHostInterface_IVars *interface = ivars(object);
	bool is_open;

	pthread_mutex_lock(&interface->lock);
	is_open = client != NULL && interface->client == client && !interface->changing;
	pthread_mutex_unlock(&interface->lock);
	return is_open;
}

static IOReturn
refuse(const char *what)
{
	log_error("IOUSBHostInterface: %s", what);
	return kIOReturnBadArgument;
}

/* --- session --- */

kern_return_t
IOUSBHostInterface_Open(IOUSBHostInterface *object, IOService *forClient, uint64_t options,
			uint8_t *arg)
{
	struct IOUSBHostInterface_IVars *interface;
	IOReturn res;

	if (object == NULL || forClient == NULL)
		return refuse("Open: forClient is NULL");
	if (options != 0 || arg != NULL)
		return refuse("Open: options and arg must be 0");
	interface = ivars(object);
	pthread_mutex_lock(&interface->lock);
	if (interface->device == NULL || interface->retired)
		res = kIOReturnNoDevice;
	else if (interface->client != NULL)
		res = kIOReturnExclusiveAccess;
	else
		res = usb_port_claim(interface->port, interface->number, true);
	if (res == kIOReturnSuccess) {
		interface->client = forClient;
		interface->alternate = 0;
	}
	pthread_mutex_unlock(&interface->lock);
	return res;
}

/* Ends all that goes on at the interface's pipes, and takes them out. Not with the lock. */
static void
close_pipes(struct IOUSBHostInterface_IVars *interface)
{
	for (unsigned i = 0; i < USB_ENDPOINTS; i++) {
		IOUSBHostPipe *pipe = usb_port_copy_pipe(interface->port, i);

		if (pipe != NULL && pipe_interface(pipe) == interface->number) {
			pipe_close(pipe);
			usb_port_set_pipe(interface->port, i, NULL);
		}
		OSRelease(pipe);
	}
}

/* Begins a change of the session; while it lasts no pipe is made. */
static IOReturn
begin_change(struct IOUSBHostInterface_IVars *interface, const IOService *client)
{
	IOReturn res = kIOReturnNotOpen;

	pthread_mutex_lock(&interface->lock);
	if (interface->client != NULL && (client == NULL || interface->client == client) &&
	    !interface->changing) {
		interface->changing = true;
		res = kIOReturnSuccess;
	}
	pthread_mutex_unlock(&interface->lock);
	return res;
}

static void
end_session(IOUSBHostInterface *object)
{
	struct IOUSBHostInterface_IVars *interface = ivars(object);

	usb_port_end_controls(interface->port, object, kIOReturnAborted, true);
	close_pipes(interface);
	pthread_mutex_lock(&interface->lock);
	usb_port_claim(interface->port, interface->number, false); /* gone with the device if not */
	interface->client = NULL;
	interface->changing = false;
	pthread_mutex_unlock(&interface->lock);
}

void
interface_end(IOUSBHostInterface *object)
{
	if (begin_change(ivars(object), NULL) == kIOReturnSuccess)
		end_session(object);
}

void
interface_retire(IOUSBHostInterface *object)
{
	struct IOUSBHostInterface_IVars *interface = ivars(object);

	pthread_mutex_lock(&interface->lock);
	interface->retired = true;
	pthread_mutex_unlock(&interface->lock);
}

kern_return_t
IOUSBHostInterface_Close(IOUSBHostInterface *object, IOService *forClient, uint64_t options)
{
	struct IOUSBHostInterface_IVars *interface;
	IOReturn res;

	if (object == NULL || forClient == NULL)
		return refuse("Close: forClient is NULL");
	if (options != 0)
		return refuse("Close: options must be 0");
	interface = ivars(object);
	res = begin_change(interface, forClient);
	if (res != kIOReturnSuccess)
		return res;
	end_session(object);
	return kIOReturnSuccess;
}

/* --- descriptors --- */

static const IOUSBInterfaceDescriptor *
find(const IOUSBConfigurationDescriptor *config, uint8_t number, uint8_t alternate)
{
	const IOUSBInterfaceDescriptor *found = NULL;

	while ((found = IOUSBGetNextInterfaceDescriptor(
			config, (const IOUSBDescriptorHeader *)found)) != NULL) {
		if (found->bInterfaceNumber == number && found->bAlternateSetting == alternate)
			return found;
	}
	return NULL;
}

kern_return_t
IOUSBHostInterface_CopyDevice(IOUSBHostInterface *object, IOUSBHostDevice **device)
{
	struct IOUSBHostInterface_IVars *interface;
	IOUSBHostDevice *copy;

	if (object == NULL || device == NULL)
		return refuse("CopyDevice: an argument is NULL");
	interface = ivars(object);
	pthread_mutex_lock(&interface->lock);
	copy = interface->device;
	OSRetain(copy);
	pthread_mutex_unlock(&interface->lock);
	if (copy == NULL)
		return kIOReturnNoDevice;
	*device = copy;
	return kIOReturnSuccess;
}

const IOUSBConfigurationDescriptor *
IOUSBHostInterface_CopyConfigurationDescriptor(IOUSBHostInterface *interface)
{
	if (interface == NULL) {
		refuse("CopyConfigurationDescriptor: interface is NULL");
		return NULL;
	}
	return usb_copy_configuration(ivars(interface)->configuration);
}

const IOUSBInterfaceDescriptor *
IOUSBHostInterface_GetInterfaceDescriptor(IOUSBHostInterface *object,
					  const IOUSBConfigurationDescriptor *config)
{
	struct IOUSBHostInterface_IVars *interface;
	uint8_t alternate;

	if (object == NULL || config == NULL) {
		refuse("GetInterfaceDescriptor: an argument is NULL");
		return NULL;
	}
	interface = ivars(object);
	pthread_mutex_lock(&interface->lock);
	alternate = interface->alternate;
	pthread_mutex_unlock(&interface->lock);
	return find(config, interface->number, alternate);
}

/* --- alternate setting and pipes --- */

kern_return_t
IOUSBHostInterface_SelectAlternateSetting(IOUSBHostInterface *object, uint8_t bAlternateSetting)
{
	struct IOUSBHostInterface_IVars *interface;
	IOReturn res;

	if (object == NULL)
		return refuse("SelectAlternateSetting: interface is NULL");
	interface = ivars(object);
	if (find(interface->configuration, interface->number, bAlternateSetting) == NULL)
		return kIOReturnNotFound;
	res = begin_change(interface, NULL);
	if (res != kIOReturnSuccess)
		return res;
	close_pipes(interface);
	pthread_mutex_lock(&interface->lock);
	res = usb_port_set_alternate(interface->port, interface->number, bAlternateSetting);
	if (res == kIOReturnSuccess)
		interface->alternate = bAlternateSetting;
	interface->changing = false;
	pthread_mutex_unlock(&interface->lock);
	return res;
}

static bool
collect(const struct IOUSBHostInterface_IVars *interface, uint8_t address,
	IOUSBStandardEndpointDescriptors *ret_descriptors)
{
	const IOUSBConfigurationDescriptor *config = interface->configuration;
	const IOUSBInterfaceDescriptor *setting =
		find(config, interface->number, interface->alternate);
	const IOUSBDescriptorHeader *endpoint = NULL, *companion;

	do {
		endpoint = (const IOUSBDescriptorHeader *)IOUSBGetNextEndpointDescriptor(
			config, setting, endpoint);
	} while (endpoint != NULL &&
		 ((const IOUSBEndpointDescriptor *)endpoint)->bEndpointAddress != address);
	if (endpoint == NULL)
		return false;
	memset(ret_descriptors, 0, sizeof(*ret_descriptors));
	ret_descriptors->bcdUSB = interface->port->bcd_usb;
	memcpy(&ret_descriptors->descriptor, endpoint, sizeof(ret_descriptors->descriptor));
	companion = IOUSBGetNextAssociatedDescriptorWithType(
		config, endpoint, NULL, kIOUSBDescriptorTypeSuperSpeedUSBEndpointCompanion);
	if (companion != NULL)
		memcpy(&ret_descriptors->ssCompanionDescriptor, companion,
		       sizeof(ret_descriptors->ssCompanionDescriptor));
	return true;
}

static IOReturn
copy_pipe_locked(struct IOUSBHostInterface_IVars *interface, uint8_t address,
		 IOUSBHostPipe **ret_pipe)
{
	unsigned index = usb_endpoint_index(address);
	IOUSBStandardEndpointDescriptors descriptors;
	IOUSBHostPipe *pipe;
	uint8_t type;
	IOReturn res;

	if (interface->client == NULL || interface->changing)
		return kIOReturnNotOpen;
	if (!collect(interface, address, &descriptors))
		return kIOReturnNotFound;
	type = IOUSBGetEndpointType(&descriptors.descriptor);
	if (type == kIOUSBEndpointTypeControl)
		return kIOReturnUnsupported;
	pipe = usb_port_copy_pipe(interface->port, index);
	if (pipe == NULL) {
		res = pipe_create(interface->port, interface->number, &descriptors, &pipe);
		if (res != kIOReturnSuccess)
			return res;
		usb_port_set_pipe(interface->port, index, pipe);
	}
	*ret_pipe = pipe;
	return kIOReturnSuccess;
}

/* No error: a driver may look whether there is one. */
static void
say_which(const struct IOUSBHostInterface_IVars *interface, uint8_t alternate, uint8_t address)
{
	const IOUSBConfigurationDescriptor *config = interface->configuration;
	const IOUSBInterfaceDescriptor *setting = find(config, interface->number, alternate);
	const IOUSBEndpointDescriptor *endpoint = NULL;
	char list[32 * sizeof(" 0x00")] = "";
	size_t used = 0;

	while (used + sizeof(" 0x00") <= sizeof(list) &&
	       (endpoint = IOUSBGetNextEndpointDescriptor(
			config, setting, (const IOUSBDescriptorHeader *)endpoint)) != NULL)
		used += (size_t)snprintf(list + used, sizeof(list) - used, " 0x%02x",
					 IOUSBGetEndpointAddress(endpoint));
	log_info("IOUSBHostInterface %u: CopyPipe: setting %u has no endpoint 0x%02x, but%s",
		 interface->number, alternate, address, used > 0 ? list : " none at all");
}

kern_return_t
IOUSBHostInterface_CopyPipe(IOUSBHostInterface *object, uint8_t address, IOUSBHostPipe **pipe)
{
	struct IOUSBHostInterface_IVars *interface;
	uint8_t alternate;
	IOReturn res;

	if (object == NULL || pipe == NULL)
		return refuse("CopyPipe: an argument is NULL");
	interface = ivars(object);
	pthread_mutex_lock(&interface->lock);
	alternate = interface->alternate;
	res = copy_pipe_locked(interface, address, pipe);
	pthread_mutex_unlock(&interface->lock);
	if (res == kIOReturnNotFound)
		say_which(interface, alternate, address);
	else if (res == kIOReturnNotOpen)
		log_error("IOUSBHostInterface %u: CopyPipe: it is not open; "
			  "IOUSBHostInterface_Open comes first",
			  interface->number);
	return res;
}

/* --- for interface_request.c --- */

struct usb_port *
interface_port(IOUSBHostInterface *interface)
{
	return ivars(interface)->port;
}

bool
interface_is_open(IOUSBHostInterface *object)
{
	struct IOUSBHostInterface_IVars *interface = ivars(object);
	bool is_open;

	pthread_mutex_lock(&interface->lock);
	is_open = interface->client != NULL && !interface->changing;
	pthread_mutex_unlock(&interface->lock);
	return is_open;
}

IOReturn
interface_refuse(const char *what)
{
	return refuse(what);
}
