/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tree shows of a device: a node for it, with what tells it from others, and below that
 * one for each interface. One thread, the registry's.
 */
#include "device_private.h"

#include "plane.h"

#include <USBDriverKit/AppleUSBDefinitions.h>

/* The old family counted from the slowest; 0 is low speed. */
static uint64_t
old_speed(uint8_t speed)
{
	if (speed == kIOUSBHostConnectionSpeedLow)
		return 0;
	return speed <= kIOUSBHostConnectionSpeedFull ? 1 : speed - 1u;
}

static bool
set_string(OSDictionary *properties, const char *key, const char *other_key, const char *value)
{
	return device_set_string(properties, key, value) &&
	       device_set_string(properties, other_key, value);
}

/* Only on the device's own node: from elsewhere they are found through the parents. */
static bool
set_identity(OSDictionary *properties, const struct device *device)
{
	const uint8_t *own = device->descriptors;

	if (own == NULL)
		return true;
	return set_string(properties, "USB Vendor Name", "kUSBVendorString", device->vendor) &&
	       set_string(properties, "USB Product Name", "kUSBProductString", device->product) &&
	       set_string(properties, "USB Serial Number", "kUSBSerialNumberString",
			  device->serial) &&
	       (device->product == NULL ||
		OSDictionarySetStringValue(properties, "IORegistryEntryName", device->product)) &&
	       OSDictionarySetUInt64Value(properties, "sessionID", device->session) &&
	       OSDictionarySetUInt64Value(properties, "USB Address", device->address) &&
	       OSDictionarySetUInt64Value(properties, "USBSpeed", device->speed) &&
	       OSDictionarySetUInt64Value(properties, "Device Speed", old_speed(device->speed)) &&
	       OSDictionarySetUInt64Value(properties, "bcdUSB", device_get_le16(own + 2)) &&
	       OSDictionarySetUInt64Value(properties, "bMaxPacketSize0", own[7]) &&
	       OSDictionarySetUInt64Value(properties, "iManufacturer", own[14]) &&
	       OSDictionarySetUInt64Value(properties, "iProduct", own[15]) &&
	       OSDictionarySetUInt64Value(properties, "iSerialNumber", own[16]) &&
	       OSDictionarySetUInt64Value(properties, "bNumConfigurations", own[17]);
}

static bool
set_device(OSDictionary *properties, const struct device *device)
{
	const uint8_t *own = device->descriptors;

	if (own == NULL)
		return true;
	return OSDictionarySetUInt64Value(properties, "idVendor", device_get_le16(own + 8)) &&
	       OSDictionarySetUInt64Value(properties, "idProduct", device_get_le16(own + 10)) &&
	       OSDictionarySetUInt64Value(properties, "bcdDevice", device_get_le16(own + 12)) &&
	       OSDictionarySetUInt64Value(properties, "bDeviceClass", own[4]) &&
	       OSDictionarySetUInt64Value(properties, "bDeviceSubClass", own[5]) &&
	       OSDictionarySetUInt64Value(properties, "bDeviceProtocol", own[6]) &&
	       OSDictionarySetUInt64Value(properties, "locationID", device->location);
}

/* The caller releases it; NULL without memory. */
static OSDictionary *
make_properties(const struct device *device, const uint8_t *interface)
{
	OSDictionary *properties = OSDictionaryCreate(16);
	bool complete;

	if (properties == NULL)
		return NULL;
	complete = OSDictionarySetStringValue(properties, "dext_device", device->label) &&
		   set_device(properties, device) &&
		   (device->pci == NULL || device_set_pci(properties, device)) &&
		   (interface != NULL || set_identity(properties, device));
	if (complete && interface != NULL) {
		unsigned value = device->descriptors[DEVICE_DESCRIPTOR_SIZE + 5];

		complete =
			OSDictionarySetUInt64Value(properties, "bConfigurationValue", value) &&
			OSDictionarySetUInt64Value(properties, "bInterfaceNumber", interface[2]) &&
			OSDictionarySetUInt64Value(properties, "bAlternateSetting", interface[3]) &&
			OSDictionarySetUInt64Value(properties, "bNumEndpoints", interface[4]) &&
			OSDictionarySetUInt64Value(properties, "bInterfaceClass", interface[5]) &&
			OSDictionarySetUInt64Value(properties, "bInterfaceSubClass",
						   interface[6]) &&
			OSDictionarySetUInt64Value(properties, "bInterfaceProtocol", interface[7]);
	}
	if (!complete)
		OSSafeReleaseNULL(properties);
	return properties;
}

/* NULL: the tree has none. */
static struct entry *
find_root(const struct tree *tree)
{
	return tree->first != NULL && plane_is_root(tree->first) ? tree->first : NULL;
}

static IOReturn
add_node(struct device *device, struct tree *tree, uint64_t id, const uint8_t *interface,
	 struct entry **ret_entry)
{
	static const char *const classes[] = {
		[DEVICE_RESOURCES] = "IOUserResources",
		[DEVICE_VIRTUAL] = "IOUSBHostDevice",
		[DEVICE_USB] = "IOUSBHostDevice",
		[DEVICE_PCI] = "IOPCIDevice",
	};
	const char *class_name = interface != NULL ? "IOUSBHostInterface" : classes[device->kind];
	OSDictionary *properties = make_properties(device, interface);
	IOReturn status;

	if (properties == NULL)
		return kIOReturnNoMemory;
	status = tree_add(tree, id, class_name, properties,
			  device->node != NULL ? device->node : find_root(tree), NULL, ret_entry);
	OSRelease(properties);
	return status;
}

/* 0: a new one. */
static uint64_t
get_id(const struct device *device, unsigned index)
{
	return index < device->id_count ? device->ids[index] : 0;
}

IOReturn
device_publish(struct device *device, struct tree *tree)
{
	const uint8_t *interface;
	struct entry *node = NULL;
	unsigned count = 0;
	IOReturn status;
	size_t at = DEVICE_DESCRIPTOR_SIZE;

	status = add_node(device, tree, get_id(device, count++), NULL, &device->node);
	while (status == kIOReturnSuccess &&
	       (interface = device_next_interface(device, &at)) != NULL)
		status = add_node(device, tree, get_id(device, count++), interface, &node);
	return status;
}
