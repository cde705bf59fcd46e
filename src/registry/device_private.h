/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of devices share: device.c (devices, and the virtual ones), device_usb.c (real
 * ones), device_pci.c (PCI functions) and device_nodes.c (what the tree shows of them).
 */
#ifndef REGISTRY_DEVICE_PRIVATE_H
#define REGISTRY_DEVICE_PRIVATE_H

#include "device.h"

#include <stdint.h>

#define DEVICE_DESCRIPTOR	 1
#define CONFIGURATION_DESCRIPTOR 2
#define INTERFACE_DESCRIPTOR	 4
#define DEVICE_DESCRIPTOR_SIZE	 18
#define CONFIGURATION_SIZE	 9
#define INTERFACE_SIZE		 9

static inline unsigned
device_get_le16(const uint8_t *bytes)
{
	return bytes[0] | (unsigned)bytes[1] << 8;
}

/* NULL is nothing to be set. */
static inline bool
device_set_string(OSDictionary *dictionary, const char *key, const char *value)
{
	return value == NULL || OSDictionarySetStringValue(dictionary, key, value);
}

IOReturn device_make(enum device_kind kind, struct device **ret_device);
/* Keeps a copy of the two descriptors, checked for their own length fields. */
IOReturn device_keep(struct device *device, const uint8_t *own, const uint8_t *configuration,
		     size_t length);
/* The next interface descriptor with alternate setting 0; NULL at the end. */
const uint8_t *device_next_interface(const struct device *device, size_t *at);

/* device_pci.c */
IOReturn device_prepare_pci(const struct device *device, struct fd_list *ret_files);
/* What the tree shows of it. False: no memory. */
bool device_set_pci(OSDictionary *properties, const struct device *device);

#endif
