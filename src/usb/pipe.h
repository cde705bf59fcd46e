/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of IOUSBHostPipe, for the interface that makes it and the port that drives it. */
#ifndef USB_PIPE_H
#define USB_PIPE_H

#include "port.h"

/* +1; belongs to this interface number. */
IOReturn pipe_create(struct usb_port *port, uint8_t interface,
		     const IOUSBStandardEndpointDescriptors *descriptors, IOUSBHostPipe **ret_pipe);
uint8_t pipe_interface(IOUSBHostPipe *pipe);

/* No more transfers are accepted; ends those there are and waits for their callbacks. */
void pipe_close(IOUSBHostPipe *pipe);
/* The same without waiting, while no callback can be expected any more. */
void pipe_abandon(IOUSBHostPipe *pipe);
/* True while the backend has transfers of it. */
bool pipe_is_busy(IOUSBHostPipe *pipe);

/*
 * Posts the callbacks of finished transfers, in order. inline_ok: the first may run here. Callbacks
 * release what the requests hold; the caller has a reference of its own.
 */
void pipe_pump(IOUSBHostPipe *pipe, bool inline_ok);
/* Submits what the backend had no room for. */
void pipe_kick(IOUSBHostPipe *pipe);
/* The device has gone: what still waits for room ends with kIOReturnNoDevice. */
void pipe_gone(IOUSBHostPipe *pipe);

#endif
