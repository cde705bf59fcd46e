/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking through a configuration descriptor and reading endpoint descriptors.
 *
 * All of these are pure functions over memory that the caller holds, and may be called from any
 * thread. They trust wTotalLength and nothing else: each answers NULL rather than a descriptor that
 * does not lie wholly inside it or is shorter than its type demands, so a malformed device ends a
 * walk early and does no more. A NULL argument, where it is not allowed below, gives NULL or 0.
 *
 * Returned pointers are borrowed: they point into the configuration descriptor.
 *
 *	const IOUSBInterfaceDescriptor *interface = IOUSBHostInterface_GetInterfaceDescriptor(...);
 *	const IOUSBEndpointDescriptor *endpoint = NULL;
 *
 *	while ((endpoint = IOUSBGetNextEndpointDescriptor(config, interface,
 *			(const IOUSBDescriptorHeader *)endpoint)) != NULL)
 *		...
 */
#ifndef OPENDEXT_USBDRIVERKIT_APPLEUSBDESCRIPTORPARSING_H
#define OPENDEXT_USBDRIVERKIT_APPLEUSBDESCRIPTORPARSING_H

#include <USBDriverKit/AppleUSBDefinitions.h>

DEXT_BEGIN_DECLS

/* The descriptor after `current`; with NULL the first one after the configuration's own. */
const IOUSBDescriptorHeader *IOUSBGetNextDescriptor(const IOUSBConfigurationDescriptor *config,
						    const IOUSBDescriptorHeader *current);
/* The same, passing over those of another type. */
const IOUSBDescriptorHeader *
IOUSBGetNextDescriptorWithType(const IOUSBConfigurationDescriptor *config,
			       const IOUSBDescriptorHeader *current, uint8_t type);
/*
 * The descriptor after `current` (NULL: after `parent`) that belongs to `parent`: NULL once one of
 * the parent's type has come. An interface association ends at the next one; an endpoint also ends
 * at the next interface.
 */
const IOUSBDescriptorHeader *
IOUSBGetNextAssociatedDescriptor(const IOUSBConfigurationDescriptor *config,
				 const IOUSBDescriptorHeader *parent,
				 const IOUSBDescriptorHeader *current);
const IOUSBDescriptorHeader *
IOUSBGetNextAssociatedDescriptorWithType(const IOUSBConfigurationDescriptor *config,
					 const IOUSBDescriptorHeader *parent,
					 const IOUSBDescriptorHeader *current, uint8_t type);

/* Typed forms. `current` is where to go on, of whatever type; NULL: from the start. */
const IOUSBInterfaceAssociationDescriptor *
IOUSBGetNextInterfaceAssociationDescriptor(const IOUSBConfigurationDescriptor *config,
					   const IOUSBDescriptorHeader *current);
/* Alternate settings of one interface come as descriptors of their own. */
const IOUSBInterfaceDescriptor *
IOUSBGetNextInterfaceDescriptor(const IOUSBConfigurationDescriptor *config,
				const IOUSBDescriptorHeader *current);
/* Endpoints of that one interface and alternate setting. */
const IOUSBEndpointDescriptor *
IOUSBGetNextEndpointDescriptor(const IOUSBConfigurationDescriptor *config,
			       const IOUSBInterfaceDescriptor *interface,
			       const IOUSBDescriptorHeader *current);

/* bEndpointAddress, with the direction bit: what IOUSBHostInterface_CopyPipe wants. */
uint8_t IOUSBGetEndpointAddress(const IOUSBEndpointDescriptor *descriptor);
uint8_t IOUSBGetEndpointNumber(const IOUSBEndpointDescriptor *descriptor);
/* kIOUSBEndpointDirection...; of a control endpoint: Unknown. */
uint8_t IOUSBGetEndpointDirection(const IOUSBEndpointDescriptor *descriptor);
/* kIOUSBEndpointType... */
uint8_t IOUSBGetEndpointType(const IOUSBEndpointDescriptor *descriptor);
/* Bytes in one packet; speed is one of kIOUSBHostConnectionSpeed... */
uint16_t IOUSBGetEndpointMaxPacketSize(uint32_t speed, const IOUSBEndpointDescriptor *descriptor);
/*
 * The service interval of an interrupt or isochronous endpoint in microseconds / 125; 0 for the
 * other types and for an interval that the speed does not allow.
 */
uint32_t IOUSBGetEndpointIntervalMicroframes(uint32_t speed,
					     const IOUSBEndpointDescriptor *descriptor);
/* mA that the device may draw in this configuration. */
uint32_t IOUSBGetConfigurationMaxPowerMilliAmps(uint32_t speed,
						const IOUSBConfigurationDescriptor *config);

DEXT_END_DECLS

#endif
