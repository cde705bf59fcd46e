/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOUSBHostDevice: the device itself: its interfaces, its descriptors, its control requests.
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

#define INTERFACES_MAX	  32u
#define STRING_TIMEOUT_MS 1000u

struct iterator {
	unsigned next;
	LIST_ENTRY(iterator) link;
};

struct IOUSBHostDevice_IVars {
	struct usb_port *port; /* [const] */
	pthread_mutex_t lock;
	IOUSBHostInterface *interfaces[INTERFACES_MAX]; /* [lock] retained */
	unsigned count;					/* [lock] 0 once disbanded */
	const IOService *client; /* [lock] that has the session; not retained, only compared */
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
	assert(device->count == 0);
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

static IOReturn
add_interface(IOUSBHostDevice *object, uint8_t number)
{
	struct IOUSBHostDevice_IVars *device = ivars(object);
	IOReturn res;

	if (device_interface(object, number) != NULL)
		return kIOReturnSuccess; /* another alternate setting */
	if (device->count == INTERFACES_MAX) {
		log_info("usb: interface %u is not shown, the device has more than %u", number,
			 INTERFACES_MAX);
		return kIOReturnSuccess;
	}
	res = interface_create(device->port, object, number, &device->interfaces[device->count]);
	if (res == kIOReturnSuccess)
		device->count++;
	return res;
}

IOReturn
device_create(struct usb_port *port, IOUSBHostDevice **ret_device)
{
	const IOUSBInterfaceDescriptor *found = NULL;
	IOUSBHostDevice *object = object_create(IOUSBHostDevice);
	IOReturn res = kIOReturnSuccess;

	if (object == NULL)
		return kIOReturnNoMemory;
	usb_port_retain(port);
	ivars(object)->port = port;
	while (res == kIOReturnSuccess &&
	       (found = IOUSBGetNextInterfaceDescriptor(
			port->configuration, (const IOUSBDescriptorHeader *)found)) != NULL)
		res = add_interface(object, found->bInterfaceNumber);
	if (res != kIOReturnSuccess) {
		device_disband(object);
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
	for (unsigned i = 0; i < device->count && found == NULL; i++) {
		if (interface_number(device->interfaces[i]) == number)
			found = device->interfaces[i];
	}
	pthread_mutex_unlock(&device->lock);
	return found;
}

void
device_disband(IOUSBHostDevice *object)
{
	struct IOUSBHostDevice_IVars *device = ivars(object);
	unsigned count;

	/* The interfaces may have held the last reference. */
	OSRetain(object);
	pthread_mutex_lock(&device->lock);
	count = device->count;
	device->count = 0;
	device->client = NULL;
	pthread_mutex_unlock(&device->lock);
	for (unsigned i = 0; i < count; i++) {
		interface_disband(device->interfaces[i]);
		OSRelease(device->interfaces[i]);
	}
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
		*interface = iterator->next < device->count ? device->interfaces[iterator->next++]
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
		usb_port_end_controls(device->port, object);
	return res;
}

static bool
is_client(struct IOUSBHostDevice_IVars *device, const IOService *client)
{
	bool found;

	pthread_mutex_lock(&device->lock);
	found = client != NULL && device->client == client;
	for (unsigned i = 0; i < device->count && !found; i++)
		found = interface_is_open_for(device->interfaces[i], client);
	pthread_mutex_unlock(&device->lock);
	return found;
}

kern_return_t
IOUSBHostDevice_DeviceRequest(IOUSBHostDevice *object, IOService *forClient, uint8_t bmRequestType,
			      uint8_t bRequest, uint16_t wValue, uint16_t wIndex, uint16_t wLength,
			      IOMemoryDescriptor *dataBuffer, uint16_t *bytesTransferred,
			      uint32_t completionTimeoutMs)
{
	const IOUSBDeviceRequest request = {bmRequestType, bRequest, wValue, wIndex, wLength};

	if (object == NULL)
		return refuse("DeviceRequest: device is NULL");
	if (!is_client(ivars(object), forClient))
		return kIOReturnNotOpen;
	return usb_port_control(ivars(object)->port, object, &request, dataBuffer,
				completionTimeoutMs, bytesTransferred);
}

/* --- descriptors --- */

static const void *
copy(const void *bytes, size_t length)
{
	void *duplicate = malloc(length);

	if (duplicate != NULL)
		memcpy(duplicate, bytes, length);
	return duplicate;
}

const IOUSBConfigurationDescriptor *
usb_copy_configuration(const struct usb_port *port)
{
	return copy(port->configuration, port->configuration->wTotalLength);
}

const IOUSBDeviceDescriptor *
IOUSBHostDevice_CopyDeviceDescriptor(IOUSBHostDevice *device)
{
	if (device == NULL) {
		refuse("CopyDeviceDescriptor: device is NULL");
		return NULL;
	}
	return copy(&ivars(device)->port->descriptor, sizeof(IOUSBDeviceDescriptor));
}

const IOUSBConfigurationDescriptor *
IOUSBHostDevice_CopyConfigurationDescriptor(IOUSBHostDevice *device, uint8_t index)
{
	if (device == NULL) {
		refuse("CopyConfigurationDescriptor: device is NULL");
		return NULL;
	}
	return index == 0 ? usb_copy_configuration(ivars(device)->port) : NULL;
}

const IOUSBConfigurationDescriptor *
IOUSBHostDevice_CopyConfigurationDescriptorForClient(IOUSBHostDevice *device, IOService *forClient)
{
	(void)forClient;
	return IOUSBHostDevice_CopyConfigurationDescriptor(device, 0);
}

static bool
get_string(IOUSBHostDevice *object, uint8_t index, uint16_t language, uint8_t bytes[255],
	   uint16_t *ret_length)
{
	const IOUSBDeviceRequest request = {
		.bmRequestType = 0x80,
		.bRequest = kIOUSBDeviceRequestGetDescriptor,
		.wValue = (uint16_t)(kIOUSBDescriptorTypeString << 8 | index),
		.wIndex = language,
		.wLength = 255,
	};
	IOReturn res = usb_port_control_data(ivars(object)->port, object, &request, bytes,
					     STRING_TIMEOUT_MS, ret_length);

	return res == kIOReturnSuccess && *ret_length >= 2 && bytes[0] >= 2 &&
	       bytes[0] <= *ret_length && bytes[1] == kIOUSBDescriptorTypeString;
}

const IOUSBStringDescriptor *
IOUSBHostDevice_CopyStringDescriptor(IOUSBHostDevice *device, uint8_t index)
{
	uint8_t bytes[255];
	uint16_t length, language = 0;

	if (device == NULL) {
		refuse("CopyStringDescriptor: device is NULL");
		return NULL;
	}
	if (index != 0) {
		if (!get_string(device, 0, 0, bytes, &length) || bytes[0] < 4)
			return NULL;
		language = (uint16_t)(bytes[2] | bytes[3] << 8);
	}
	if (!get_string(device, index, language, bytes, &length))
		return NULL;
	return copy(bytes, bytes[0]);
}

void
IOUSBHostFreeDescriptor(const void *descriptor)
{
	free((void *)(uintptr_t)descriptor);
}

/* --- the rest --- */

kern_return_t
IOUSBHostDevice_GetSpeed(IOUSBHostDevice *device, uint8_t *speed)
{
	if (device == NULL || speed == NULL)
		return refuse("GetSpeed: an argument is NULL");
	*speed = ivars(device)->port->speed;
	return kIOReturnSuccess;
}

kern_return_t
IOUSBHostDevice_CreateIOBuffer(IOUSBHostDevice *device, uint64_t options, uint64_t capacity,
			       IOBufferMemoryDescriptor **buffer)
{
	if (device == NULL)
		return refuse("CreateIOBuffer: device is NULL");
	return IOBufferMemoryDescriptor_Create(options, capacity, 0, buffer);
}
