/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptors of a virtual device, as it sends them. Nothing of the device needs to run. */
#ifndef USB_VDEV_DESCRIPTORS_H
#define USB_VDEV_DESCRIPTORS_H

#include "vdev_spec.h"

#include <USBDriverKit/AppleUSBDefinitions.h>

#define VDEV_CONFIGURATION_MAX 192u
#define VDEV_STRING_MAX	       64u

struct vdev_descriptors {
	IOUSBDeviceDescriptor device;
	uint16_t configuration_length;
	uint8_t configuration[VDEV_CONFIGURATION_MAX];
};

void vdev_descriptors_make(const struct vdev_spec *spec, struct vdev_descriptors *ret_descriptors);
/* String descriptor `index` (0: the languages); returns its length, 0 if there is none. */
size_t vdev_string_make(const struct vdev_spec *spec, uint8_t index,
			uint8_t bytes[VDEV_STRING_MAX]);

#endif
