/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the descriptors of a virtual device: one configuration, one vendor-class interface with two
 * equal alternate settings, a third whose endpoints are isochronous and a fourth where they are
 * interrupt endpoints; the FTDI adapter has the first only, as the real one. Pure functions; any
 * thread.
 */
#include "vdev_descriptors.h"

#include <assert.h>
#include <string.h>

#include <dext_virtual.h>

static const char *const products[] = {
	[VDEV_SINK] = "OpenDext sink",
	[VDEV_SOURCE] = "OpenDext source",
	[VDEV_LOOPBACK] = "OpenDext loopback",
	[VDEV_FTDI] = "OpenDext serial",
};

static const uint16_t product_ids[] = {
	[VDEV_SINK] = DEXT_VIRTUAL_PRODUCT_SINK,
	[VDEV_SOURCE] = DEXT_VIRTUAL_PRODUCT_SOURCE,
	[VDEV_LOOPBACK] = DEXT_VIRTUAL_PRODUCT_LOOPBACK,
	[VDEV_FTDI] = DEXT_VIRTUAL_PRODUCT_FTDI,
};

/* Of the endpoints of each alternate setting. */
static const uint8_t types[] = {
	kIOUSBEndpointTypeBulk,
	kIOUSBEndpointTypeBulk,
	[DEXT_VIRTUAL_SETTING_ISOCHRONOUS] = kIOUSBEndpointTypeIsochronous,
	[DEXT_VIRTUAL_SETTING_INTERRUPT] = kIOUSBEndpointTypeInterrupt,
};

enum { STRING_LANGUAGES, STRING_MANUFACTURER, STRING_PRODUCT, STRING_SERIAL };

static void
append(struct vdev_descriptors *descriptors, const void *bytes, size_t length)
{
	assert(descriptors->configuration_length + length <= VDEV_CONFIGURATION_MAX);
	memcpy(descriptors->configuration + descriptors->configuration_length, bytes, length);
	descriptors->configuration_length += (uint16_t)length;
}

static void
endpoint(const struct vdev_spec *spec, struct vdev_descriptors *descriptors, uint8_t address,
	 uint8_t type)
{
	bool is_bulk = type == kIOUSBEndpointTypeBulk;
	const IOUSBEndpointDescriptor descriptor = {
		.bLength = sizeof(descriptor),
		.bDescriptorType = kIOUSBDescriptorTypeEndpoint,
		.bEndpointAddress = address,
		.bmAttributes = type,
		.wMaxPacketSize = vdev_spec_packet(spec),
		.bInterval = is_bulk ? 0 : 1,
	};
	const IOUSBSuperSpeedEndpointCompanionDescriptor companion = {
		.bLength = sizeof(companion),
		.bDescriptorType = kIOUSBDescriptorTypeSuperSpeedUSBEndpointCompanion,
		.bMaxBurst = is_bulk ? 15 : 0,
		.wBytesPerInterval = is_bulk ? 0 : vdev_spec_packet(spec),
	};

	append(descriptors, &descriptor, sizeof(descriptor));
	if (spec->speed == kIOUSBHostConnectionSpeedSuper)
		append(descriptors, &companion, sizeof(companion));
}

static void
alternate(const struct vdev_spec *spec, struct vdev_descriptors *descriptors, uint8_t setting,
	  uint8_t type)
{
	const IOUSBInterfaceDescriptor interface = {
		.bLength = sizeof(interface),
		.bDescriptorType = kIOUSBDescriptorTypeInterface,
		.bAlternateSetting = setting,
		.bNumEndpoints = vdev_spec_has_out(spec) + vdev_spec_has_in(spec),
		.bInterfaceClass = 0xff,
	};

	append(descriptors, &interface, sizeof(interface));
	if (vdev_spec_has_out(spec))
		endpoint(spec, descriptors, DEXT_VIRTUAL_ENDPOINT_OUT, type);
	if (vdev_spec_has_in(spec))
		endpoint(spec, descriptors, DEXT_VIRTUAL_ENDPOINT_IN, type);
}

void
vdev_descriptors_make(const struct vdev_spec *spec, struct vdev_descriptors *ret_descriptors)
{
	bool is_super = spec->speed == kIOUSBHostConnectionSpeedSuper;
	IOUSBConfigurationDescriptor configuration = {
		.bLength = sizeof(configuration),
		.bDescriptorType = kIOUSBDescriptorTypeConfiguration,
		.bNumInterfaces = 1,
		.bConfigurationValue = 1,
		.bmAttributes = 0x80,
		.MaxPower = is_super ? 12 : 50, /* 100 mA */
	};

	*ret_descriptors = (struct vdev_descriptors){
		.device =
			{
				.bLength = sizeof(IOUSBDeviceDescriptor),
				.bDescriptorType = kIOUSBDescriptorTypeDevice,
				.bcdUSB = is_super ? 0x0320 : 0x0200,
				.bMaxPacketSize0 =
					is_super ? 9 : 64, /* from USB 3 on a power of two */
				.idVendor = spec->kind == VDEV_FTDI ? DEXT_VIRTUAL_VENDOR_FTDI
								    : DEXT_VIRTUAL_VENDOR,
				.idProduct = product_ids[spec->kind],
				.bcdDevice = spec->kind == VDEV_FTDI ? 0x0600 : 0x0100,
				.iManufacturer = STRING_MANUFACTURER,
				.iProduct = STRING_PRODUCT,
				.iSerialNumber = STRING_SERIAL,
				.bNumConfigurations = 1,
			},
	};
	append(ret_descriptors, &configuration, sizeof(configuration));
	alternate(spec, ret_descriptors, 0, kIOUSBEndpointTypeBulk);
	for (uint8_t setting = 1; setting <= vdev_spec_last_setting(spec); setting++)
		alternate(spec, ret_descriptors, setting, types[setting]);
	configuration.wTotalLength = ret_descriptors->configuration_length;
	memcpy(ret_descriptors->configuration, &configuration, sizeof(configuration));
}

size_t
vdev_string_make(const struct vdev_spec *spec, uint8_t index, uint8_t bytes[VDEV_STRING_MAX])
{
	const char *text;
	size_t length = 2;

	switch (index) {
	case STRING_LANGUAGES: /* US English */
		memcpy(bytes, (const uint8_t[]){4, kIOUSBDescriptorTypeString, 0x09, 0x04}, 4);
		return 4;
	case STRING_MANUFACTURER:
		text = "OpenDext";
		break;
	case STRING_PRODUCT:
		text = products[spec->kind];
		break;
	case STRING_SERIAL:
		text = spec->serial;
		break;
	default:
		return 0;
	}
	for (; *text != '\0' && length + 2 <= VDEV_STRING_MAX; text++) {
		bytes[length++] = (uint8_t)*text;
		bytes[length++] = 0;
	}
	bytes[0] = (uint8_t)length;
	bytes[1] = kIOUSBDescriptorTypeString;
	return length;
}
