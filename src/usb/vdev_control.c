/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endpoint 0 of a virtual device: the standard requests that a host stack sends after enumeration,
 * and the vendor requests of <dext_virtual.h>. Runs on the device's thread. What it does not know
 * it stalls, as a device does.
 */
#include <stdlib.h>
#include <string.h>

#include "vdev.h"

enum { STALL = VDEV_STALL };

struct vdev_counters *
vdev_counters_create(void)
{
	struct vdev_counters *counters = calloc(1, sizeof(*counters));

	if (counters == NULL)
		return NULL;
	counters->hash = XXH3_createState(); /* aligned more strictly than malloc does */
	if (counters->hash == NULL) {
		free(counters);
		return NULL;
	}
	vdev_counters_reset(counters);
	return counters;
}

void
vdev_counters_destroy(struct vdev_counters *counters)
{
	if (counters == NULL)
		return;
	XXH3_freeState(counters->hash);
	free(counters);
}

void
vdev_counters_reset(struct vdev_counters *counters)
{
	memset(&counters->state, 0, sizeof(counters->state));
	XXH3_64bits_reset(counters->hash);
}

static int32_t
answer(uint8_t *data, uint16_t wanted, const void *bytes, size_t length)
{
	if (length > wanted)
		length = wanted;
	if (length > 0)
		memcpy(data, bytes, length);
	return (int32_t)length;
}

static int32_t
descriptor(const struct vdev_spec *spec, const struct vdev_descriptors *descriptors,
	   const IOUSBDeviceRequest *request, uint8_t *data)
{
	uint8_t index = (uint8_t)request->wValue;
	/* With the capability "SuperSpeed USB": no features, full, high and super speed. */
	static const uint8_t bos[] = {5,
				      kIOUSBDescriptorTypeBOS,
				      15,
				      0,
				      1,
				      10,
				      kIOUSBDescriptorTypeDeviceCapability,
				      3,
				      0,
				      0x0e,
				      0,
				      1,
				      0,
				      0,
				      0};
	uint8_t string[VDEV_STRING_MAX];
	size_t length;

	switch (request->wValue >> 8) {
	case kIOUSBDescriptorTypeDevice:
		return answer(data, request->wLength, &descriptors->device,
			      sizeof(descriptors->device));
	case kIOUSBDescriptorTypeConfiguration:
		if (index != 0)
			return STALL;
		return answer(data, request->wLength, descriptors->configuration,
			      descriptors->configuration_length);
	case kIOUSBDescriptorTypeString:
		length = vdev_string_make(spec, index, string);
		return length > 0 ? answer(data, request->wLength, string, length) : STALL;
	case kIOUSBDescriptorTypeBOS:
		if (spec->speed != kIOUSBHostConnectionSpeedSuper)
			return STALL;
		return answer(data, request->wLength, bos, sizeof(bos));
	default:
		return STALL;
	}
}

static int32_t
vendor(const struct vdev_counters *counters, const IOUSBDeviceRequest *request, uint8_t *data,
       struct vdev_effect *effect)
{
	struct dext_virtual_state state = counters->state;

	if (request->wValue != 0 || request->wIndex != 0)
		return STALL;
	if (request->bmRequestType == 0xc0 && request->bRequest == DEXT_VIRTUAL_REQUEST_STATE) {
		state.hash = XXH3_64bits_digest(counters->hash);
		return answer(data, request->wLength, &state, sizeof(state));
	}
	if (request->bmRequestType == 0x40 && request->bRequest == DEXT_VIRTUAL_REQUEST_RESET &&
	    request->wLength == 0) {
		effect->reset = true;
		return 0;
	}
	return STALL;
}

static int32_t
clear_halt(const struct vdev_spec *spec, const IOUSBDeviceRequest *request,
	   struct vdev_effect *effect)
{
	bool there = (request->wIndex == DEXT_VIRTUAL_ENDPOINT_OUT && vdev_spec_has_out(spec)) ||
		     (request->wIndex == DEXT_VIRTUAL_ENDPOINT_IN && vdev_spec_has_in(spec));

	if (!there || request->wValue != kIOUSBEndpointFeatureSelectorStall ||
	    request->wLength != 0)
		return STALL;
	effect->clears = (uint8_t)request->wIndex;
	return 0;
}

int32_t
vdev_control(const struct vdev_spec *spec, const struct vdev_descriptors *descriptors,
	     const struct vdev_counters *counters, uint8_t alternate, const uint8_t setup[8],
	     uint8_t *data, struct vdev_effect *ret_effect)
{
	IOUSBDeviceRequest request;

	_Static_assert(sizeof(request) == 8, "wire");
	memcpy(&request, setup, sizeof(request));
	*ret_effect = (struct vdev_effect){0};
	if ((request.bmRequestType & kIOUSBDeviceRequestTypeMask) == 0x40)
		return vendor(counters, &request, data, ret_effect);
	if (request.bmRequestType == 0x02 && request.bRequest == kIOUSBDeviceRequestClearFeature)
		return clear_halt(spec, &request, ret_effect);
	if (request.bmRequestType == 0x80 && request.bRequest == kIOUSBDeviceRequestGetDescriptor)
		return descriptor(spec, descriptors, &request, data);
	if (request.bmRequestType == 0x80 && request.bRequest == kIOUSBDeviceRequestGetStatus)
		return answer(data, request.wLength, (const uint8_t[]){0, 0}, 2);
	if (request.bmRequestType == 0x80 &&
	    request.bRequest == kIOUSBDeviceRequestGetConfiguration)
		return answer(data, request.wLength, (const uint8_t[]){1}, 1);
	if (request.bmRequestType == 0x81 && request.bRequest == kIOUSBDeviceRequestGetInterface &&
	    request.wIndex == 0)
		return answer(data, request.wLength, &alternate, 1);
	return STALL;
}
