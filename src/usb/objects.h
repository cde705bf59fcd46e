/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of IOUSBHostDevice and IOUSBHostInterface, for each other and for provider.c. */
#ifndef USB_OBJECTS_H
#define USB_OBJECTS_H

#include "port.h"

/* +1, with an object for each interface of the configuration. Retains the port. */
IOReturn device_create(struct usb_port *port, IOUSBHostDevice **ret_device);
struct usb_port *device_port(IOUSBHostDevice *device);
/* The interface of this number, borrowed, or NULL. */
IOUSBHostInterface *device_interface(IOUSBHostDevice *device, uint8_t number);
/*
 * The device's objects let go of each other; without that they hold one another for ever. They can
 * be called still, and answer that nothing is open.
 */
void device_disband(IOUSBHostDevice *device);

IOReturn interface_create(struct usb_port *port, IOUSBHostDevice *device, uint8_t number,
			  IOUSBHostInterface **ret_interface);
void interface_disband(IOUSBHostInterface *interface);
uint8_t interface_number(IOUSBHostInterface *interface);
bool interface_is_open_for(IOUSBHostInterface *interface, const IOService *client);

/* Copies of descriptors, for IOUSBHostFreeDescriptor; NULL without memory. */
const IOUSBConfigurationDescriptor *usb_copy_configuration(const struct usb_port *port);

#endif
