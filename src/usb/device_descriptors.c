/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptors of an IOUSBHostDevice: copies of what the port has read, and those that the
 * device is asked for. What a device answers is checked: its length lies in what came, its type is
 * the one that was asked for. Any thread.
 */
#include "objects.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"

#define DESCRIPTOR_TIMEOUT_MS 1000u
#define STRING_MAX	      255u

static const void *
copy(const void *bytes, size_t length)
{
	void *duplicate = malloc(length);

	if (duplicate != NULL)
		memcpy(duplicate, bytes, length);
	return duplicate;
}

static const void *
refuse(const char *what)
{
	device_refuse(what);
	return NULL;
}

/* --- what was read when the device was opened --- */

const IOUSBConfigurationDescriptor *
usb_copy_configuration(const IOUSBConfigurationDescriptor *configuration)
{
	return configuration != NULL ? copy(configuration, configuration->wTotalLength) : NULL;
}

const IOUSBDeviceDescriptor *
IOUSBHostDevice_CopyDeviceDescriptor(IOUSBHostDevice *device)
{
	if (device == NULL)
		return refuse("CopyDeviceDescriptor: device is NULL");
	return copy(&device_port(device)->descriptor, sizeof(IOUSBDeviceDescriptor));
}

const IOUSBConfigurationDescriptor *
IOUSBHostDevice_CopyConfigurationDescriptor(IOUSBHostDevice *device, uint8_t index)
{
	const struct usb_port *port;

	if (device == NULL)
		return refuse("CopyConfigurationDescriptor: device is NULL");
	port = device_port(device);
	return index < port->configuration_count
		       ? usb_copy_configuration(port->configurations[index])
		       : NULL;
}

const IOUSBConfigurationDescriptor *
IOUSBHostDevice_CopyConfigurationDescriptorForClient(IOUSBHostDevice *device, IOService *forClient)
{
	(void)forClient;
	if (device == NULL)
		return refuse("CopyConfigurationDescriptor: device is NULL");
	return usb_copy_configuration(device_port(device)->configuration);
}

const IOUSBConfigurationDescriptor *
IOUSBHostDevice_CopyConfigurationDescriptorWithValue(IOUSBHostDevice *device,
						     uint8_t configurationValue)
{
	if (device == NULL)
		return refuse("CopyConfigurationDescriptorWithValue: device is NULL");
	return usb_copy_configuration(
		usb_port_configuration(device_port(device), configurationValue));
}

void
IOUSBHostFreeDescriptor(const void *descriptor)
{
	free((void *)(uintptr_t)descriptor);
}

/* --- what the device is asked for --- */

/* Up to *length bytes; false: it did not send a descriptor of this type. */
static bool
get(IOUSBHostDevice *device, const IOUSBDeviceRequest *request, uint8_t *bytes,
    uint16_t *ret_length)
{
	IOReturn res = usb_port_control_data(device_port(device), device, request, bytes,
					     DESCRIPTOR_TIMEOUT_MS, ret_length);

	return res == kIOReturnSuccess && *ret_length >= sizeof(IOUSBDescriptorHeader) &&
	       bytes[0] >= sizeof(IOUSBDescriptorHeader) && bytes[1] == request->wValue >> 8;
}

static bool
get_standard(IOUSBHostDevice *device, uint8_t type, uint8_t index, uint16_t language,
	     uint8_t *bytes, uint16_t *length)
{
	const IOUSBDeviceRequest request = {
		.bmRequestType = 0x80,
		.bRequest = kIOUSBDeviceRequestGetDescriptor,
		.wValue = (uint16_t)(type << 8 | index),
		.wIndex = language,
		.wLength = *length,
	};

	return get(device, &request, bytes, length);
}

const IOUSBStringDescriptor *
IOUSBHostDevice_CopyStringDescriptorWithLanguage(IOUSBHostDevice *device, uint8_t index,
						 uint16_t languageID)
{
	uint8_t bytes[STRING_MAX];
	uint16_t length = sizeof(bytes);

	if (device == NULL)
		return refuse("CopyStringDescriptor: device is NULL");
	if (!get_standard(device, kIOUSBDescriptorTypeString, index, languageID, bytes, &length) ||
	    bytes[0] > length)
		return NULL;
	return copy(bytes, bytes[0]);
}

const IOUSBStringDescriptor *
IOUSBHostDevice_CopyStringDescriptor(IOUSBHostDevice *device, uint8_t index)
{
	const IOUSBStringDescriptor *languages =
		IOUSBHostDevice_CopyStringDescriptorWithLanguage(device, 0, 0);
	const IOUSBStringDescriptor *string = languages;

	if (languages == NULL || index == 0)
		return languages;
	string = NULL;
	if (languages->bLength >= sizeof(*languages) + 2)
		string = IOUSBHostDevice_CopyStringDescriptorWithLanguage(
			device, index,
			(uint16_t)(languages->bString[0] | languages->bString[1] << 8));
	IOUSBHostFreeDescriptor(languages);
	return string;
}

const IOUSBBOSDescriptor *
IOUSBHostDevice_CopyCapabilityDescriptors(IOUSBHostDevice *device)
{
	IOUSBBOSDescriptor head;
	uint16_t length = sizeof(head);
	uint8_t *bytes;

	if (device == NULL)
		return refuse("CopyCapabilityDescriptors: device is NULL");
	if (!get_standard(device, kIOUSBDescriptorTypeBOS, 0, 0, (uint8_t *)&head, &length) ||
	    length < sizeof(head) || head.wTotalLength < sizeof(head))
		return NULL;
	length = head.wTotalLength;
	bytes = malloc(length);
	if (bytes == NULL)
		return NULL;
	/* All of it, and the same again. */
	if (!get_standard(device, kIOUSBDescriptorTypeBOS, 0, 0, bytes, &length) ||
	    length < head.wTotalLength || memcmp(bytes, &head, sizeof(head)) != 0) {
		free(bytes);
		return NULL;
	}
	return (const IOUSBBOSDescriptor *)bytes;
}

const IOUSBDescriptorHeader *
IOUSBHostDevice_CopyDescriptor(IOUSBHostDevice *device, uint8_t type, uint16_t *length,
			       uint8_t index, uint16_t languageID, uint8_t requestType,
			       uint8_t requestRecipient)
{
	IOUSBDeviceRequest request = {
		.bRequest = kIOUSBDeviceRequestGetDescriptor,
		.wValue = (uint16_t)(type << 8 | index),
		.wIndex = languageID,
	};
	uint16_t got;
	uint8_t *bytes;

	if (device == NULL || length == NULL || *length < sizeof(IOUSBDescriptorHeader))
		return refuse("CopyDescriptor: device is NULL, or less than 2 bytes are wanted");
	if (requestType > kIOUSBDeviceRequestTypeVendor ||
	    requestRecipient > kIOUSBDeviceRequestRecipientOther)
		return refuse("CopyDescriptor: unknown requestType or requestRecipient");
	request.bmRequestType =
		(uint8_t)(0x80 | requestType << kIOUSBDeviceRequestTypePhase | requestRecipient);
	request.wLength = *length;
	bytes = malloc(*length);
	if (bytes == NULL)
		return NULL;
	if (!get(device, &request, bytes, &got)) {
		free(bytes);
		return NULL;
	}
	*length = got;
	return (const IOUSBDescriptorHeader *)bytes;
}
