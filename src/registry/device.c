/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices, and the virtual ones among them.
 *
 * Virtual devices live in their hosts, which make them from the spec; two hosts on one spec (one
 * drives the device, one its interface) have two separate models. The registry knows what such a
 * device says of itself and nothing more.
 *
 * One thread, the registry's. What comes and goes is in plug.c, real USB devices in device_usb.c,
 * PCI functions in device_pci.c, the nodes in device_nodes.c.
 */
#include "device_private.h"

#include "clock.h"
#include "packet.h"
#include "pci_function.h"
#include "registry.h"
#include "status.h"
#include "vdev_descriptors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VIRTUAL_BUS 0x80u
#define PORTS_MAX   15u /* of a hub: a digit of the location each */

IOReturn
device_make(enum device_kind kind, struct device **ret_device)
{
	struct device *device = calloc(1, sizeof(*device));

	if (device == NULL)
		return kIOReturnNoMemory;
	device->kind = kind;
	device->fd = -1;
	device->record = -1;
	device->session = clock_now();
	*ret_device = device;
	return kIOReturnSuccess;
}

IOReturn
device_keep(struct device *device, const uint8_t *own, const uint8_t *configuration, size_t length)
{
	if (own[0] < DEVICE_DESCRIPTOR_SIZE || own[1] != DEVICE_DESCRIPTOR ||
	    length < CONFIGURATION_SIZE || configuration[1] != CONFIGURATION_DESCRIPTOR ||
	    device_get_le16(configuration + 2) > length)
		return kIOReturnDeviceError;
	device->length = DEVICE_DESCRIPTOR_SIZE + device_get_le16(configuration + 2);
	device->descriptors = malloc(device->length);
	if (device->descriptors == NULL)
		return kIOReturnNoMemory;
	memcpy(device->descriptors, own, DEVICE_DESCRIPTOR_SIZE);
	memcpy(device->descriptors + DEVICE_DESCRIPTOR_SIZE, configuration,
	       device->length - DEVICE_DESCRIPTOR_SIZE);
	return kIOReturnSuccess;
}

const uint8_t *
device_next_interface(const struct device *device, size_t *at)
{
	while (*at + 2 <= device->length) {
		const uint8_t *descriptor = device->descriptors + *at;

		if (descriptor[0] < 2 || descriptor[0] > device->length - *at)
			return NULL;
		*at += descriptor[0];
		if (descriptor[1] == INTERFACE_DESCRIPTOR && descriptor[0] >= INTERFACE_SIZE &&
		    descriptor[3] == 0 && descriptor[2] < INTERFACES_MAX)
			return descriptor;
	}
	return NULL;
}

IOReturn
device_open_resources(struct device **ret_device)
{
	IOReturn status = device_make(DEVICE_RESOURCES, ret_device);

	if (status != kIOReturnSuccess)
		return status;
	(*ret_device)->label = strdup("none");
	return (*ret_device)->label != NULL ? kIOReturnSuccess : kIOReturnNoMemory;
}

/* A string descriptor as text, NULL if there is none; its characters are all ASCII. False: no
 * memory.
 */
static bool
copy_virtual_string(const struct vdev_spec *spec, uint8_t index, char **ret_text)
{
	uint8_t bytes[VDEV_STRING_MAX];
	size_t length = index != 0 ? vdev_string_make(spec, index, bytes) : 0;
	char text[VDEV_STRING_MAX / 2];
	size_t count = 0;

	for (size_t at = 2; at + 1 < length; at += 2)
		text[count++] = (char)bytes[at];
	*ret_text = count > 0 ? strndup(text, count) : NULL;
	return count == 0 || *ret_text != NULL;
}

static void
set_place(struct device *device, unsigned number)
{
	unsigned left = number;

	device->address = number;
	device->location = VIRTUAL_BUS << 24;
	/* As through hubs of 15 ports, the first digit the lowest. */
	for (unsigned shift = 20; left > 0 && shift <= 20; shift -= 4) {
		device->location |= ((left - 1) % PORTS_MAX + 1) << shift;
		left = (left - 1) / PORTS_MAX;
	}
}

/* What the model does not say by its descriptors alone. */
static IOReturn
describe_virtual(struct device *device, const struct vdev_spec *spec, unsigned number)
{
	const uint8_t *own = device->descriptors;

	device->speed = spec->speed;
	set_place(device, number);
	return copy_virtual_string(spec, own[14], &device->vendor) &&
			       copy_virtual_string(spec, own[15], &device->product) &&
			       copy_virtual_string(spec, own[16], &device->serial)
		       ? kIOReturnSuccess
		       : kIOReturnNoMemory;
}

/* The last step, if those before have succeeded; takes the device, which may be NULL. */
static IOReturn
name_take(struct device *device, const char *text, IOReturn status, struct device **ret_device,
	  char error[DEVICE_ERROR_MAX])
{
	if (status == kIOReturnSuccess && ((device->spec = strdup(text)) == NULL ||
					   asprintf(&device->label, "virtual:%s", text) < 0)) {
		device->label = NULL;
		status = kIOReturnNoMemory;
	}
	if (status != kIOReturnSuccess) {
		snprintf(error, DEVICE_ERROR_MAX, "virtual device '%.100s': %s", text,
			 status_string(status));
		device_close(device);
		return status;
	}
	*ret_device = device;
	return kIOReturnSuccess;
}

IOReturn
device_open_virtual(const char *text, unsigned number, struct device **ret_device,
		    char error[DEVICE_ERROR_MAX])
{
	struct vdev_descriptors descriptors;
	struct device *device = NULL;
	struct vdev_spec spec;
	IOReturn status = vdev_spec_parse(text, &spec, error, DEVICE_ERROR_MAX);

	if (status != kIOReturnSuccess)
		return status;
	vdev_descriptors_make(&spec, &descriptors);
	status = device_make(DEVICE_VIRTUAL, &device);
	if (status == kIOReturnSuccess)
		status = device_keep(device, (const uint8_t *)&descriptors.device,
				     descriptors.configuration, descriptors.configuration_length);
	if (status == kIOReturnSuccess)
		status = describe_virtual(device, &spec, number);
	return name_take(device, text, status, ret_device, error);
}

IOReturn
device_open_described(const struct registry_device *described, unsigned number,
		      struct device **ret_device, char error[DEVICE_ERROR_MAX])
{
	struct device *device = NULL;
	IOReturn status = device_make(DEVICE_VIRTUAL, &device);

	if (status == kIOReturnSuccess)
		status = device_keep(device, described->device, described->configuration,
				     described->configuration_length);
	if (status == kIOReturnSuccess) {
		device->speed = described->speed;
		set_place(device, number);
	}
	return name_take(device, described->spec, status, ret_device, error);
}

/* --- one that came back --- */

bool
device_describe(const struct device *device, OSDictionary *facts)
{
	OSData *descriptors = OSDataCreate(device->descriptors, device->length);
	bool complete = descriptors != NULL &&
			OSDictionarySetUInt64Value(facts, "Type", device->kind) &&
			OSDictionarySetUInt64Value(facts, "Address", device->address) &&
			OSDictionarySetUInt64Value(facts, "Location", device->location) &&
			OSDictionarySetUInt64Value(facts, "Speed", device->speed) &&
			OSDictionarySetUInt64Value(facts, "Session", device->session) &&
			OSDictionarySetValue(facts, "Descriptors", descriptors) &&
			device_set_string(facts, "Spec", device->spec) &&
			device_set_string(facts, "Vendor", device->vendor) &&
			device_set_string(facts, "Product", device->product) &&
			device_set_string(facts, "Serial", device->serial);

	OSSafeReleaseNULL(descriptors);
	return complete;
}

IOReturn
device_recall_virtual(const OSDictionary *facts, struct device **ret_device)
{
	const char *spec = OSDictionaryGetStringValue(facts, "Spec");
	char error[DEVICE_ERROR_MAX] = "";
	uint64_t number = 0;
	IOReturn status;

	if (spec == NULL || !OSDictionaryGetUInt64Value(facts, "Address", &number))
		return kIOReturnBadArgument;
	status = device_open_virtual(spec, (unsigned)number, ret_device, error);
	if (status == kIOReturnSuccess)
		OSDictionaryGetUInt64Value(facts, "Session", &(*ret_device)->session);
	return status;
}

void
device_close(struct device *device)
{
	if (device == NULL)
		return;
	if (device->fd >= 0)
		device_give_back(device, -1);
	fd_close(&device->fd);
	fd_close(&device->record);
	free(device->ids);
	free(device->kept);
	pci_free(device->pci);
	free(device->descriptors);
	free(device->label);
	free(device->spec);
	free(device->vendor);
	free(device->product);
	free(device->serial);
	free(device->path);
	free(device);
}
