/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the libusb backend share: an open device, and what they do for each other. */
#ifndef USB_LIBUSB_DEVICE_H
#define USB_LIBUSB_DEVICE_H

#include <pthread.h>
#include <stdatomic.h>

#include <libusb.h>

#include "backend.h"
#include "backend_libusb.h"

#include <USBDriverKit/AppleUSBDefinitions.h>

struct usb_device {
	libusb_context *context;	  /* [const] */
	libusb_device_handle *handle;	  /* [const] */
	int fd;				  /* [const] usbfs */
	int events;			  /* [const] epoll */
	IOUSBDeviceDescriptor descriptor; /* [const] */
	/* [const] As usbfs gives them: one configuration after the other, as the device sent it. */
	uint8_t *configurations;
	size_t configurations_length; /* [const] */
	uint8_t speed;		      /* [const] */
	bool cuts; /* [const] libusb cuts long bulk transfers into several of usbfs */

	pthread_mutex_t lock;
	struct libusb_transfer **unused; /* [lock] a stack, so that a stream allocates nothing */
	unsigned unused_count, unused_room;

	_Atomic int in_flight; /* transfers; may be too small for a moment, never too large */

	struct usb_transfer *done, **done_tail; /* [reap] */
	unsigned done_count;			/* [reap] in this round */
	bool more;				/* [reap] libusb may have left some of usbfs */
	bool owes;				/* [reap] a look was put off */
	uint64_t last;				/* [reap] ns: when it last ended some */
	bool gone;				/* [reap] */
};

/* libusb_status_of_error, with a line in the debug log about what failed. */
IOReturn libusb_result(int error, const char *what);

/* Another edge of the event descriptor, if the device's file is ready still. */
void libusb_device_look_again(struct usb_device *device);

/* The backend's operations on transfers, libusb_transfer.c. */
IOReturn libusb_transfer_submit(struct usb_device *device, struct usb_transfer *record);
void libusb_transfer_cancel(struct usb_device *device, struct usb_transfer *record);
bool libusb_transfer_reap(struct usb_device *device);
bool libusb_transfer_owes_look(struct usb_device *device);
void libusb_transfer_free_unused(struct usb_device *device);

#endif
