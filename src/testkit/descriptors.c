/* SPDX-License-Identifier: Apache-2.0 */
/* What a scripted device says of itself, and the standard requests to it. */
#include "kit.h"

#include <string.h>

#define PACKET 512u

static void
append(struct usb_device *device, const void *bytes, size_t length)
{
	memcpy(device->configuration + device->configuration_length, bytes, length);
	device->configuration_length += (uint16_t)length;
}

static bool
add_endpoint(struct usb_device *device, const dext_test_endpoint *described)
{
	struct endpoint *endpoint = &device->endpoints[1 + (described->address & 0x0f) +
						       (described->address & 0x80 ? 16 : 0)];
	const IOUSBEndpointDescriptor descriptor = {
		.bLength = sizeof(descriptor),
		.bDescriptorType = kIOUSBDescriptorTypeEndpoint,
		.bEndpointAddress = described->address,
		.bmAttributes = described->type != 0 ? described->type : kIOUSBEndpointTypeBulk,
		.wMaxPacketSize = described->packet != 0 ? described->packet : PACKET,
		.bInterval = described->type == kIOUSBEndpointTypeInterrupt,
	};

	if ((described->address & 0x70) != 0 || (described->address & 0x0f) == 0 ||
	    endpoint->exists ||
	    (descriptor.bmAttributes != kIOUSBEndpointTypeBulk &&
	     descriptor.bmAttributes != kIOUSBEndpointTypeInterrupt))
		return false;
	endpoint->exists = true;
	append(device, &descriptor, sizeof(descriptor));
	return true;
}

static void
make_device(struct usb_device *device, const dext_test_usb *usb)
{
	const IOUSBDeviceDescriptor descriptor = {
		.bLength = sizeof(descriptor),
		.bDescriptorType = kIOUSBDescriptorTypeDevice,
		.bcdUSB = 0x0200,
		.bMaxPacketSize0 = 64,
		.idVendor = usb->vendor,
		.idProduct = usb->product,
		.bcdDevice = 0x0100,
		.bNumConfigurations = 1,
	};

	_Static_assert(sizeof(descriptor) == sizeof(device->device), "wire");
	memcpy(device->device, &descriptor, sizeof(descriptor));
}

bool
descriptors_make(struct usb_device *device, const dext_test_usb *usb)
{
	IOUSBConfigurationDescriptor configuration = {
		.bLength = sizeof(configuration),
		.bDescriptorType = kIOUSBDescriptorTypeConfiguration,
		.bNumInterfaces = 1,
		.bConfigurationValue = 1,
		.bmAttributes = 0x80,
		.MaxPower = 50,
	};
	IOUSBInterfaceDescriptor interface = {
		.bLength = sizeof(interface),
		.bDescriptorType = kIOUSBDescriptorTypeInterface,
		.bInterfaceClass = usb->interface_class != 0 ? usb->interface_class : 0xff,
		.bInterfaceSubClass = usb->interface_subclass,
		.bInterfaceProtocol = usb->interface_protocol,
	};
	unsigned count = 0;

	while (count < DEXT_TEST_ENDPOINTS_MAX && usb->endpoints[count].address != 0)
		count++;
	interface.bNumEndpoints = (uint8_t)count;
	make_device(device, usb);
	append(device, &configuration, sizeof(configuration));
	append(device, &interface, sizeof(interface));
	for (unsigned i = 0; i < count; i++)
		if (!add_endpoint(device, &usb->endpoints[i]))
			return false;
	configuration.wTotalLength = device->configuration_length;
	memcpy(device->configuration, &configuration, sizeof(configuration));
	device->endpoints[0].exists = true;
	return true;
}

static IOReturn
answer(struct usb_transfer *transfer, const void *bytes, size_t length, uint32_t *ret_actual)
{
	*ret_actual = transfer->length < length ? transfer->length : (uint32_t)length;
	memcpy(transfer->data, bytes, *ret_actual);
	return kIOReturnSuccess;
}

static IOReturn
get_descriptor(struct usb_device *device, uint16_t value, struct usb_transfer *transfer,
	       uint32_t *ret_actual)
{
	if (value == kIOUSBDescriptorTypeDevice << 8)
		return answer(transfer, device->device, sizeof(device->device), ret_actual);
	if (value == kIOUSBDescriptorTypeConfiguration << 8)
		return answer(transfer, device->configuration, device->configuration_length,
			      ret_actual);
	return kUSBHostReturnPipeStalled;
}

bool
descriptors_answer_locked(struct usb_device *device, struct usb_transfer *transfer,
			  IOReturn *ret_status, uint32_t *ret_actual)
{
	IOUSBDeviceRequest request;
	struct endpoint *endpoint;

	memcpy(&request, transfer->setup, sizeof(request));
	if ((request.bmRequestType & 0x60) != 0)
		return false;
	*ret_status = kUSBHostReturnPipeStalled;
	*ret_actual = 0;
	if (request.bRequest == kIOUSBDeviceRequestGetDescriptor && request.bmRequestType == 0x80) {
		*ret_status = get_descriptor(device, request.wValue, transfer, ret_actual);
	} else if (request.bRequest == kIOUSBDeviceRequestGetStatus) {
		*ret_status = answer(transfer, (const uint8_t[]){0, 0}, 2, ret_actual);
	} else if (request.bRequest == kIOUSBDeviceRequestGetConfiguration) {
		*ret_status = answer(transfer, &device->configured, 1, ret_actual);
	} else if (request.bRequest == kIOUSBDeviceRequestGetInterface) {
		*ret_status = answer(transfer, (const uint8_t[]){0}, 1, ret_actual);
	} else if (request.bRequest == kIOUSBDeviceRequestClearFeature &&
		   request.bmRequestType == 0x02) {
		endpoint = device_endpoint(device, (uint8_t)request.wIndex);
		if (endpoint != NULL) {
			endpoint->halted = false;
			*ret_status = kIOReturnSuccess;
		}
	}
	return true;
}
