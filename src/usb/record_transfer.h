/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is recorded of transfers: driver/recorder.h. Only if recorder_is_on(), with the lock that
 * guards the transfer, so that of each the end comes behind the beginning.
 */
#ifndef USB_RECORD_TRANSFER_H
#define USB_RECORD_TRANSFER_H

#include "pipe_private.h"
#include "recorder.h"

/* It is about to be submitted; its data are what they are now. [pipe] */
void record_pipe_began_locked(struct IOUSBHostPipe_IVars *pipe, struct pipe_request *request);
/* Its status is what the driver is told. [pipe] */
void record_pipe_ended_locked(struct IOUSBHostPipe_IVars *pipe, const struct pipe_request *request);

/* A control request, of which `under_way` have not ended, this one included. [port] */
void record_control_began_locked(struct usb_port *port, const struct usb_transfer *transfer,
				 uint64_t id, uint64_t time, uint32_t under_way);
/* The same without it. began 0: it is not known when. */
void record_control_ended_locked(struct usb_port *port, const struct usb_transfer *transfer,
				 uint64_t id, uint64_t began, uint32_t under_way);

/*
 * A request without data that the kernel sends for us, in a call of the backend. [port] The end in
 * the same thread, with or without the lock.
 */
struct record_request {
	struct usb_transfer transfer; /* its setup */
	uint64_t id, began;	      /* 0: the beginning was not recorded */
};
void record_request_began_locked(struct usb_port *port, struct record_request *record, uint64_t id);
void record_request_ended(struct usb_port *port, struct record_request *record, IOReturn status);

#endif
