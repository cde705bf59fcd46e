/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of IOUSBHostDevice and IOUSBHostInterface, for each other and for provider.c. */
#ifndef USB_OBJECTS_H
#define USB_OBJECTS_H

#include "port.h"

/* +1, with an object for each interface of the configuration. Retains the port. */
IOReturn device_create(struct usb_port *port, IOUSBHostDevice **ret_device);
struct usb_port *device_port(IOUSBHostDevice *device);
/* True if it has a session with the device or one of its interfaces. */
bool device_is_client(IOUSBHostDevice *device, const IOService *client);
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
bool interface_is_open(IOUSBHostInterface *interface);
struct usb_port *interface_port(IOUSBHostInterface *interface);
/* Ends the session, whoever has it, as Close does. */
void interface_end(IOUSBHostInterface *interface);
/* There will be no other: it is not one of the device's interfaces any more. */
void interface_retire(IOUSBHostInterface *interface);

/* A log line about a caller's mistake; kIOReturnBadArgument. */
IOReturn device_refuse(const char *what);
IOReturn interface_refuse(const char *what);

/* A copy for IOUSBHostFreeDescriptor; NULL without memory, and of NULL. */
const IOUSBConfigurationDescriptor *
usb_copy_configuration(const IOUSBConfigurationDescriptor *configuration);

#endif
