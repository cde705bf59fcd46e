/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI functions as devices of the registry: what the tree shows of them, and what a host gets. Real
 * ones only. One thread, the registry's.
 */
#include "device_private.h"

#include "log.h"
#include "pci_function.h"
#include "status.h"

#include <stdio.h>
#include <stdlib.h>

IOReturn
device_open_pci(const char *root, const char *address, struct device **ret_device)
{
	struct device *device = NULL;
	IOReturn status = device_make(DEVICE_PCI, &device);

	if (status != kIOReturnSuccess)
		return status;
	status = pci_read(root, address, &device->pci);
	if (status == kIOReturnSuccess && asprintf(&device->label, "pci:%s", address) < 0) {
		device->label = NULL;
		status = kIOReturnNoMemory;
	}
	if (status != kIOReturnSuccess) {
		device_close(device);
		return status;
	}
	device->location = device->pci->domain << 16 | device->pci->bus << 8 |
			   device->pci->device << 3 | device->pci->function;
	*ret_device = device;
	return kIOReturnSuccess;
}

IOReturn
device_prepare_pci(const struct device *device, struct fd_list *ret_files)
{
	char error[PCI_ERROR_MAX] = "";
	IOReturn status = pci_open(device->pci, ret_files, error);

	if (status != kIOReturnSuccess)
		log_error("%s", error);
	else if (!pci_has_iommu(device->pci))
		log_info("%s: no IOMMU stands between it and the machine's memory; its bus "
			 "mastering is off, and stays so unless the device has a way of its own to "
			 "turn it on",
			 device->label);
	return status;
}

/* --- properties --- */

/* As macOS has them: four bytes, the lowest first. */
static bool
set_data(OSDictionary *properties, const char *key, uint32_t value)
{
	uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
			    (uint8_t)(value >> 24)};
	OSData *data = OSDataCreate(bytes, sizeof(bytes));
	bool set = data != NULL && OSDictionarySetValue(properties, key, data);

	OSSafeReleaseNULL(data);
	return set;
}

bool
device_set_pci(OSDictionary *properties, const struct device *device)
{
	const struct pci_function *pci = device->pci;
	char name[32], place[32];

	snprintf(name, sizeof(name), "pci%x,%x", pci->vendor_id, pci->device_id);
	snprintf(place, sizeof(place), "%u:%u:%u", pci->bus, pci->device, pci->function);
	return set_data(properties, "vendor-id", pci->vendor_id) &&
	       set_data(properties, "device-id", pci->device_id) &&
	       set_data(properties, "class-code", pci->class_code) &&
	       set_data(properties, "revision-id", pci->revision) &&
	       set_data(properties, "subsystem-vendor-id", pci->subsystem_vendor_id) &&
	       set_data(properties, "subsystem-id", pci->subsystem_id) &&
	       OSDictionarySetStringValue(properties, "IOName", name) &&
	       OSDictionarySetStringValue(properties, "IORegistryEntryName", name) &&
	       OSDictionarySetStringValue(properties, "pcidebug", place);
}

static bool
append_bar(OSArray *list, const struct pci_function *pci, unsigned number)
{
	OSDictionary *bar = OSDictionaryCreate(4);
	bool complete = bar != NULL && OSDictionarySetUInt64Value(bar, "Number", number) &&
			OSDictionarySetUInt64Value(bar, "Type", pci->bars[number].type) &&
			OSDictionarySetUInt64Value(bar, "Size", pci->bars[number].size) &&
			OSDictionarySetUInt64Value(bar, "Files", pci_bar_is_usable(pci, number)) &&
			OSArrayAppendValue(list, bar);

	OSSafeReleaseNULL(bar);
	return complete;
}

bool
device_describe_pci(OSDictionary *described, const struct device *device)
{
	OSArray *list = OSArrayCreate(PCI_BARS);
	bool complete = list != NULL;

	for (unsigned i = 0; i < PCI_BARS && complete; i++) {
		if (device->pci->bars[i].size > 0)
			complete = append_bar(list, device->pci, i);
	}
	complete = complete && OSDictionarySetStringValue(described, "Backend", "pci") &&
		   OSDictionarySetUInt64Value(described, "Place", device->location) &&
		   OSDictionarySetValue(described, "Properties", device->node->properties) &&
		   OSDictionarySetValue(described, "BARs", list);
	OSSafeReleaseNULL(list);
	return complete;
}
