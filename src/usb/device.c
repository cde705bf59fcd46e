/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOUSBHostDevice: the device itself: its interfaces, sessions and configuration. Its
 * descriptors are in device_descriptors.c, its requests in device_request.c.
 *
 * The device holds its interfaces and they hold it, so that any of them may be the provider and
 * lead to the others; device_disband ends that.
 */
#include "objects.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "object.h"

#define INTERFACES_MAX 32u

struct interfaces {
	IOUSBHostInterface *list[INTERFACES_MAX]; /* retained */
	unsigned count;
};

struct iterator {
	unsigned next;
	LIST_ENTRY(iterator) link;
};

struct IOUSBHostDevice_IVars {
	struct usb_port *port; /* [const] */
	pthread_mutex_t lock;
	struct interfaces interfaces; /* [lock] none once disbanded */
	const IOService *client;      /* [lock] that has the session; not retained, only compared */
	LIST_HEAD(, iterator) iterators; /* [lock] */
};

static bool init(OSObject *object);
static void finish(OSObject *object);

static const OSObjectMethods device_methods = {
	.size = sizeof(OSObjectMethods),
	.init = init,
	.free = finish,
};

const OSMetaClass gIOUSBHostDeviceMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "IOUSBHostDevice",
	.superclass = OSTypeID(IOService),
	.ivars_size = sizeof(struct IOUSBHostDevice_IVars),
	.object = &device_methods,
};

static struct IOUSBHostDevice_IVars *
ivars(IOUSBHostDevice *device)
{
	return OSObjectIVars(IOUSBHostDevice, device);
}

static bool
init(OSObject *object)
{
	struct IOUSBHostDevice_IVars *device = ivars((IOUSBHostDevice *)object);

	if (!IOService_init_Impl((IOService *)object))
		return false;
	pthread_mutex_init(&device->lock, NULL);
	LIST_INIT(&device->iterators);
	return true;
}

static void
finish(OSObject *object)
{
	struct IOUSBHostDevice_IVars *device = ivars((IOUSBHostDevice *)object);
	struct iterator *iterator;

	while ((iterator = LIST_FIRST(&device->iterators)) != NULL) {
		LIST_REMOVE(iterator, link);
		free(iterator);
	}
	assert(device->interfaces.count == 0);
	usb_port_release(device->port);
	pthread_mutex_destroy(&device->lock);
	IOService_free_Impl((IOService *)object);
}

static IOReturn
refuse(const char *what)
{
	log_error("IOUSBHostDevice: %s", what);
	return kIOReturnBadArgument;
}

/* --- interfaces --- */

static void
release_all(struct interfaces *interfaces)
{
	while (interfaces->count > 0)
		OSRelease(interfaces->list[--interfaces->count]);
}

static bool
has(const struct interfaces *interfaces, uint8_t number)
{
	for (unsigned i = 0; i < interfaces->count; i++) {
		if (interface_number(interfaces->list[i]) == number)
			return true;
	}
	return false;
}

/* An object for each interface of the selected configuration. */
static IOReturn
make_interfaces(IOUSBHostDevice *object, struct interfaces *interfaces)
{
	struct usb_port *port = ivars(object)->port;
	const IOUSBConfigurationDescriptor *configuration = port->configuration;
	const IOUSBInterfaceDescriptor *found = NULL;

	while ((found = IOUSBGetNextInterfaceDescriptor(
			configuration, (const IOUSBDescriptorHeader *)found)) != NULL) {
		uint8_t number = found->bInterfaceNumber;
		IOReturn res;

		if (has(interfaces, number))
			continue; /* another alternate setting */
		if (interfaces->count == INTERFACES_MAX) {
			log_info("usb: interface %u is not shown, the device has more than %u",
				 number, INTERFACES_MAX);
			continue;
		}
		res = interface_create(port, object, number, &interfaces->list[interfaces->count]);
		if (res != kIOReturnSuccess) {
			release_all(interfaces);
			return res;
		}
		interfaces->count++;
	}
	return kIOReturnSuccess;
}

IOReturn
device_create(struct usb_port *port, IOUSBHostDevice **ret_device)
{
	IOUSBHostDevice *object = object_create(IOUSBHostDevice);
	IOReturn res;

	if (object == NULL)
		return kIOReturnNoMemory;
	usb_port_retain(port);
	ivars(object)->port = port;
	res = make_interfaces(object, &ivars(object)->interfaces);
	if (res != kIOReturnSuccess) {
		OSRelease(object);
		return res;
	}
	*ret_device = object;
	return kIOReturnSuccess;
}

struct usb_port *
device_port(IOUSBHostDevice *device)
{
	return ivars(device)->port;
}

IOUSBHostInterface *
device_interface(IOUSBHostDevice *object, uint8_t number)
{
	struct IOUSBHostDevice_IVars *device = ivars(object);
	IOUSBHostInterface *found = NULL;

	pthread_mutex_lock(&device->lock);
	for (unsigned i = 0; i < device->interfaces.count && found == NULL; i++) {
		if (interface_number(device->interfaces.list[i]) == number)
			found = device->interfaces.list[i];
	}
	pthread_mutex_unlock(&device->lock);
	return found;
}

void
device_disband(IOUSBHostDevice *object)
{
	struct IOUSBHostDevice_IVars *device = ivars(object);
	struct interfaces interfaces;

	/* The interfaces may have held the last reference. */
	OSRetain(object);
	pthread_mutex_lock(&device->lock);
	interfaces = device->interfaces;
	device->interfaces.count = 0;
	device->client = NULL;
	pthread_mutex_unlock(&device->lock);
	for (unsigned i = 0; i < interfaces.count; i++)
		interface_disband(interfaces.list[i]);
	release_all(&interfaces);
	OSRelease(object);
}

static struct iterator *
find_iterator_locked(struct IOUSBHostDevice_IVars *device, uintptr_t ref)
{
	struct iterator *iterator;

	LIST_FOREACH(iterator, &device->iterators, link)
	{
		if ((uintptr_t)iterator == ref)
			return iterator;
	}
	return NULL;
}

kern_return_t
IOUSBHostDevice_CreateInterfaceIterator(IOUSBHostDevice *object, uintptr_t *ref)
{
	struct IOUSBHostDevice_IVars *device;
	struct iterator *iterator;

	if (object == NULL || ref == NULL)
		return refuse("CreateInterfaceIterator: an argument is NULL");
	iterator = calloc(1, sizeof(*iterator));
	if (iterator == NULL)
		return kIOReturnNoMemory;
	device = ivars(object);
	pthread_mutex_lock(&device->lock);
	LIST_INSERT_HEAD(&device->iterators, iterator, link);
	pthread_mutex_unlock(&device->lock);
	*ref = (uintptr_t)iterator;
	return kIOReturnSuccess;
}

kern_return_t
IOUSBHostDevice_CopyInterface(IOUSBHostDevice *object, uintptr_t ref,
			      IOUSBHostInterface **interface)
{
	struct IOUSBHostDevice_IVars *device;
	struct iterator *iterator;

	if (object == NULL || interface == NULL)
		return refuse("CopyInterface: an argument is NULL");
	device = ivars(object);
	pthread_mutex_lock(&device->lock);
	iterator = find_iterator_locked(device, ref);
	if (iterator != NULL) {
		*interface = iterator->next < device->interfaces.count
				     ? device->interfaces.list[iterator->next++]
				     : NULL;
		OSRetain(*interface);
	}
	pthread_mutex_unlock(&device->lock);
	return iterator != NULL ? kIOReturnSuccess : refuse("CopyInterface: ref is no iterator");
}

kern_return_t
IOUSBHostDevice_DestroyInterfaceIterator(IOUSBHostDevice *object, uintptr_t ref)
{
	struct IOUSBHostDevice_IVars *device;
	struct iterator *iterator;

	if (object == NULL)
		return refuse("DestroyInterfaceIterator: device is NULL");
	device = ivars(object);
	pthread_mutex_lock(&device->lock);
	iterator = find_iterator_locked(device, ref);
	if (iterator != NULL)
		LIST_REMOVE(iterator, link);
	pthread_mutex_unlock(&device->lock);
	if (iterator == NULL)
		return refuse("DestroyInterfaceIterator: ref is no iterator");
	free(iterator);
	return kIOReturnSuccess;
}

/* --- session --- */

kern_return_t
IOUSBHostDevice_Open(IOUSBHostDevice *object, IOService *forClient, uint64_t options, uintptr_t arg)
{
	struct IOUSBHostDevice_IVars *device;
	IOReturn res = kIOReturnSuccess;

	if (object == NULL || forClient == NULL)
		return refuse("Open: forClient is NULL");
	if (options != 0 || arg != 0)
		return refuse("Open: options and arg must be 0");
	device = ivars(object);
	pthread_mutex_lock(&device->lock);
	if (device->client != NULL)
		res = kIOReturnExclusiveAccess;
	else
		device->client = forClient;
	pthread_mutex_unlock(&device->lock);
	return res;
}

kern_return_t
IOUSBHostDevice_Close(IOUSBHostDevice *object, IOService *forClient, uint64_t options)
{
	struct IOUSBHostDevice_IVars *device;
	IOReturn res = kIOReturnNotOpen;

	if (object == NULL || forClient == NULL)
		return refuse("Close: forClient is NULL");
	if (options != 0)
		return refuse("Close: options must be 0");
	device = ivars(object);
	pthread_mutex_lock(&device->lock);
	if (device->client == forClient) {
		device->client = NULL;
		res = kIOReturnSuccess;
	}
	pthread_mutex_unlock(&device->lock);
	if (res == kIOReturnSuccess)
		usb_port_end_controls(device->port, object, kIOReturnAborted, true);
	return res;
}

bool
device_is_client(IOUSBHostDevice *object, const IOService *client)
{
	struct IOUSBHostDevice_IVars *device = ivars(object);
	bool found;

	pthread_mutex_lock(&device->lock);
	found = client != NULL && device->client == client;
	for (unsigned i = 0; i < device->interfaces.count && !found; i++)
		found = interface_is_open_for(device->interfaces.list[i], client);
	pthread_mutex_unlock(&device->lock);
	return found;
}

/* --- configuration and reset --- */

/* The interfaces there are, each +1; kIOReturnNotOpen without a session. */
static IOReturn
copy_interfaces(struct IOUSBHostDevice_IVars *device, struct interfaces *ret_interfaces)
{
	IOReturn res = kIOReturnNotOpen;

	pthread_mutex_lock(&device->lock);
	if (device->client != NULL) {
		*ret_interfaces = device->interfaces;
		for (unsigned i = 0; i < ret_interfaces->count; i++)
			OSRetain(ret_interfaces->list[i]);
		res = kIOReturnSuccess;
	}
	pthread_mutex_unlock(&device->lock);
	return res;
}

/* Ends the sessions with all interfaces. */
static IOReturn
end_sessions(struct IOUSBHostDevice_IVars *device)
{
	struct interfaces interfaces;
	IOReturn res = copy_interfaces(device, &interfaces);

	if (res != kIOReturnSuccess)
		return res;
	for (unsigned i = 0; i < interfaces.count; i++)
		interface_end(interfaces.list[i]);
	release_all(&interfaces);
	return kIOReturnSuccess;
}

/* Interface objects for the configuration that is selected now, in place of those there were. */
static IOReturn
replace_interfaces(IOUSBHostDevice *object)
{
	struct IOUSBHostDevice_IVars *device = ivars(object);
	struct interfaces before, after = {0};
	IOReturn res = make_interfaces(object, &after);

	if (res != kIOReturnSuccess)
		return res;
	pthread_mutex_lock(&device->lock);
	before = device->interfaces;
	device->interfaces = after;
	pthread_mutex_unlock(&device->lock);
	for (unsigned i = 0; i < before.count; i++)
		interface_retire(before.list[i]);
	/* They lead to the device still, but nothing leads to them. */
	release_all(&before);
	return kIOReturnSuccess;
}

kern_return_t
IOUSBHostDevice_SetConfiguration(IOUSBHostDevice *object, uint8_t bConfigurationValue,
				 bool matchInterfaces)
{
	struct IOUSBHostDevice_IVars *device;
	IOReturn res;

	if (object == NULL)
		return refuse("SetConfiguration: device is NULL");
	if (matchInterfaces)
		return kIOReturnUnsupported;
	device = ivars(object);
	if (bConfigurationValue != 0 &&
	    usb_port_configuration(device->port, bConfigurationValue) == NULL)
		return kIOReturnNotFound;
	res = end_sessions(device);
	if (res == kIOReturnSuccess)
		res = usb_port_set_configuration(device->port, bConfigurationValue);
	if (res == kIOReturnSuccess)
		res = replace_interfaces(object);
	return res;
}

kern_return_t
IOUSBHostDevice_Reset(IOUSBHostDevice *object)
{
	struct IOUSBHostDevice_IVars *device;
	IOReturn res;

	if (object == NULL)
		return refuse("Reset: device is NULL");
	device = ivars(object);
	res = end_sessions(device);
	if (res != kIOReturnSuccess)
		return res;
	usb_port_end_controls(device->port, object, kIOReturnAborted, true);
	return usb_port_reset(device->port);
}

IOReturn
device_refuse(const char *what)
{
	return refuse(what);
}
