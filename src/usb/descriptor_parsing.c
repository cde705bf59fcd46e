/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walkers and readers of AppleUSBDescriptorParsing.h. Pure functions. A descriptor is given out
 * only if it lies wholly inside wTotalLength and is as long as its type demands, so what a device
 * sends is never read past its end.
 */
#include <stddef.h>

#include <USBDriverKit/AppleUSBDescriptorParsing.h>

/* Descriptors shorter than this are skipped by the typed walkers: their fields would not be there.
 */
static uint8_t
shortest(uint8_t type)
{
	switch (type) {
	case kIOUSBDescriptorTypeInterface:
		return sizeof(IOUSBInterfaceDescriptor);
	case kIOUSBDescriptorTypeEndpoint:
		return sizeof(IOUSBEndpointDescriptor);
	case kIOUSBDescriptorTypeInterfaceAssociation:
		return sizeof(IOUSBInterfaceAssociationDescriptor);
	case kIOUSBDescriptorTypeSuperSpeedUSBEndpointCompanion:
		return sizeof(IOUSBSuperSpeedEndpointCompanionDescriptor);
	default:
		return sizeof(IOUSBDescriptorHeader);
	}
}

const IOUSBDescriptorHeader *
IOUSBGetNextDescriptor(const IOUSBConfigurationDescriptor *config,
		       const IOUSBDescriptorHeader *current)
{
	const uint8_t *start = (const uint8_t *)config, *end, *at;
	const IOUSBDescriptorHeader *next;

	if (config == NULL || config->bLength < sizeof(*config) ||
	    config->wTotalLength < config->bLength)
		return NULL;
	end = start + config->wTotalLength;
	at = current != NULL ? (const uint8_t *)current : start;
	if (at < start || end - at < (ptrdiff_t)sizeof(*next))
		return NULL;
	if (*at < sizeof(*next) || end - at < *at) /* bLength */
		return NULL;
	at += *at;
	if (end - at < (ptrdiff_t)sizeof(*next))
		return NULL;
	next = (const IOUSBDescriptorHeader *)at;
	if (next->bLength < sizeof(*next) || end - at < next->bLength)
		return NULL;
	return next;
}

const IOUSBDescriptorHeader *
IOUSBGetNextDescriptorWithType(const IOUSBConfigurationDescriptor *config,
			       const IOUSBDescriptorHeader *current, uint8_t type)
{
	while ((current = IOUSBGetNextDescriptor(config, current)) != NULL) {
		if (current->bDescriptorType == type && current->bLength >= shortest(type))
			return current;
	}
	return NULL;
}

/* Whether a descriptor of type `next` ends what belongs to one of type `parent`. */
static int
ends(uint8_t parent, uint8_t next)
{
	if (next == parent)
		return 1;
	switch (parent) {
	case kIOUSBDescriptorTypeEndpoint:
		return next == kIOUSBDescriptorTypeInterface ||
		       next == kIOUSBDescriptorTypeInterfaceAssociation;
	case kIOUSBDescriptorTypeInterface:
		return next == kIOUSBDescriptorTypeInterfaceAssociation;
	default:
		return 0;
	}
}

const IOUSBDescriptorHeader *
IOUSBGetNextAssociatedDescriptor(const IOUSBConfigurationDescriptor *config,
				 const IOUSBDescriptorHeader *parent,
				 const IOUSBDescriptorHeader *current)
{
	const IOUSBDescriptorHeader *next;

	if (parent == NULL)
		return NULL;
	next = IOUSBGetNextDescriptor(config, current != NULL ? current : parent);
	if (next == NULL || ends(parent->bDescriptorType, next->bDescriptorType))
		return NULL;
	return next;
}

const IOUSBDescriptorHeader *
IOUSBGetNextAssociatedDescriptorWithType(const IOUSBConfigurationDescriptor *config,
					 const IOUSBDescriptorHeader *parent,
					 const IOUSBDescriptorHeader *current, uint8_t type)
{
	while ((current = IOUSBGetNextAssociatedDescriptor(config, parent, current)) != NULL) {
		if (current->bDescriptorType == type && current->bLength >= shortest(type))
			return current;
	}
	return NULL;
}

const IOUSBInterfaceAssociationDescriptor *
IOUSBGetNextInterfaceAssociationDescriptor(const IOUSBConfigurationDescriptor *config,
					   const IOUSBDescriptorHeader *current)
{
	return (const IOUSBInterfaceAssociationDescriptor *)IOUSBGetNextDescriptorWithType(
		config, current, kIOUSBDescriptorTypeInterfaceAssociation);
}

const IOUSBInterfaceDescriptor *
IOUSBGetNextInterfaceDescriptor(const IOUSBConfigurationDescriptor *config,
				const IOUSBDescriptorHeader *current)
{
	return (const IOUSBInterfaceDescriptor *)IOUSBGetNextDescriptorWithType(
		config, current, kIOUSBDescriptorTypeInterface);
}

const IOUSBEndpointDescriptor *
IOUSBGetNextEndpointDescriptor(const IOUSBConfigurationDescriptor *config,
			       const IOUSBInterfaceDescriptor *interface,
			       const IOUSBDescriptorHeader *current)
{
	return (const IOUSBEndpointDescriptor *)IOUSBGetNextAssociatedDescriptorWithType(
		config, (const IOUSBDescriptorHeader *)interface, current,
		kIOUSBDescriptorTypeEndpoint);
}

uint8_t
IOUSBGetEndpointAddress(const IOUSBEndpointDescriptor *descriptor)
{
	return descriptor != NULL ? descriptor->bEndpointAddress : 0;
}

uint8_t
IOUSBGetEndpointNumber(const IOUSBEndpointDescriptor *descriptor)
{
	return IOUSBGetEndpointAddress(descriptor) & kIOUSBEndpointDescriptorNumber;
}

uint8_t
IOUSBGetEndpointDirection(const IOUSBEndpointDescriptor *descriptor)
{
	if (descriptor == NULL || IOUSBGetEndpointType(descriptor) == kIOUSBEndpointTypeControl)
		return kIOUSBEndpointDirectionUnknown;
	return (descriptor->bEndpointAddress & kIOUSBEndpointDescriptorDirection) != 0
		       ? kIOUSBEndpointDirectionIn
		       : kIOUSBEndpointDirectionOut;
}

uint8_t
IOUSBGetEndpointType(const IOUSBEndpointDescriptor *descriptor)
{
	return descriptor != NULL ? descriptor->bmAttributes & kIOUSBEndpointDescriptorTransferType
				  : 0;
}

uint16_t
IOUSBGetEndpointMaxPacketSize(uint32_t speed, const IOUSBEndpointDescriptor *descriptor)
{
	(void)speed; /* the bits above are packets for each microframe, at every speed that has them
		      */
	return descriptor != NULL ? descriptor->wMaxPacketSize & kIOUSBEndpointDescriptorPacketSize
				  : 0;
}

static int
is_slow(uint32_t speed)
{
	return speed == kIOUSBHostConnectionSpeedFull || speed == kIOUSBHostConnectionSpeedLow;
}

uint32_t
IOUSBGetEndpointIntervalMicroframes(uint32_t speed, const IOUSBEndpointDescriptor *descriptor)
{
	uint8_t type = IOUSBGetEndpointType(descriptor);
	uint8_t interval;

	if (descriptor == NULL ||
	    (type != kIOUSBEndpointTypeInterrupt && type != kIOUSBEndpointTypeIsochronous))
		return 0;
	interval = descriptor->bInterval;
	/* Frames of 1 ms for slow interrupt endpoints, else a power of two. */
	if (is_slow(speed) && type == kIOUSBEndpointTypeInterrupt)
		return interval * 8u;
	if (interval < 1 || interval > 16)
		return 0;
	return (UINT32_C(1) << (interval - 1)) * (is_slow(speed) ? 8u : 1u);
}

uint32_t
IOUSBGetConfigurationMaxPowerMilliAmps(uint32_t speed, const IOUSBConfigurationDescriptor *config)
{
	if (config == NULL)
		return 0;
	return config->MaxPower * (speed >= kIOUSBHostConnectionSpeedSuper ? 8u : 2u);
}
