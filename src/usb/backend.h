/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a USB backend does: the table between the provider (IOUSBHostDevice, ...Interface, ...Pipe)
 * and a real or virtual device. One usb_device is one open device; it lives in one host.
 *
 * Threads: operations may be called from any thread, but for one endpoint one at a time (the pipe's
 * `submitting` is held). The backend reports finished transfers only from reap(), which the
 * provider calls when event_fd is readable, perhaps before a submission has returned; it never
 * calls the provider from a thread of its own.
 */
#ifndef USB_BACKEND_H
#define USB_BACKEND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <DriverKit/IOReturn.h>

#include "descriptor.h"

struct usb_device;

/* One packet of an isochronous transfer; its bytes follow those of the one before. */
struct usb_packet {
	uint32_t length;
	/* Results. */
	uint32_t actual;
	IOReturn status;
};

enum usb_transfer_flags {
	USB_TRANSFER_ZLP = 1 << 0, /* end with a zero-length packet if the last one is full */
};

/*
 * One transfer, embedded in the provider's record. Between submit and done it belongs to the
 * backend. The data are the descriptor's own pages: no copy is made of them above the kernel.
 */
struct usb_transfer {
	uint8_t endpoint; /* address, direction bit included; 0 for a control transfer */
	uint8_t flags;
	uint32_t timeout; /* ms; 0: none */
	void *data;	  /* in this process; a control transfer's data stage */
	uint32_t length;
	uint8_t setup[8];	    /* control transfers, as on the wire */
	struct usb_packet *packets; /* isochronous transfers; they add up to `length` */
	uint32_t packet_count;	    /* 0: not isochronous */
	struct memory_segment
		memory; /* the file behind `data`; fd -1 if it is not a descriptor's */
	bool helped;	/* its caller will call work() soon */
	/* Results, valid in done. */
	IOReturn status;
	uint32_t actual;
	uint64_t timestamp; /* clock_now when it was reaped */
	/*
	 * Called from reap, exactly once for each successful submit: for one, or for several of one
	 * endpoint, in the order in which they ended and linked by `next`. Those of endpoint 0 come
	 * one by one.
	 */
	void (*done)(struct usb_transfer *transfer);
	struct usb_transfer *next; /* NULL: the last one that is done now */
	/* Private to the backend, as `next` is before that. */
	struct usb_device *owner;
	void *backend;
	_Atomic bool cancelled; /* somebody has asked for its end */
};

struct usb_backend {
	const char *name;
	/*
	 * `spec`: of a virtual device. `fd`: an open usbfs file of a real one, which the backend
	 * takes on every path; else -1.
	 */
	IOReturn (*open)(const char *spec, int fd, struct usb_device **ret_device);
	/* No transfer is outstanding and every interface is released. */
	void (*close)(struct usb_device *device);

	/* Standard descriptors, as the device sends them; borrowed, as long as the device is open.
	 */
	const uint8_t *(*device_descriptor)(struct usb_device *device);
	/* By index; NULL: not sent. */
	const uint8_t *(*configuration_descriptor)(struct usb_device *device, uint8_t index,
						   uint16_t *ret_length);
	uint8_t (*speed)(struct usb_device *device); /* of kIOUSBHostConnectionSpeed... */
	uint8_t (*address)(struct usb_device *device);
	/* bConfigurationValue of the selected configuration; 0: none. */
	uint8_t (*configuration)(struct usb_device *device);

	/* No interface is claimed. kIOReturnExclusiveAccess: by us; somebody else has one. */
	IOReturn (*set_configuration)(struct usb_device *device, uint8_t value);
	/*
	 * No transfer is outstanding. Afterwards only release and close are called.
	 * kIOReturnExclusiveAccess as above.
	 */
	IOReturn (*reset)(struct usb_device *device);

	IOReturn (*claim)(struct usb_device *device, uint8_t interface);
	IOReturn (*release)(struct usb_device *device, uint8_t interface);
	IOReturn (*set_alternate)(struct usb_device *device, uint8_t interface, uint8_t alternate);

	/* Longer transfers never find room; a multiple of every packet size. */
	uint32_t (*transfer_max)(struct usb_device *device);
	/* kIOReturnNotReady: the kernel has no room now; submit again after the next done. */
	IOReturn (*submit)(struct usb_device *device, struct usb_transfer *transfer);
	/* Asks for the end of a transfer; done still comes, by then with kIOReturnAborted unless it
	 * was faster. */
	void (*cancel)(struct usb_device *device, struct usb_transfer *transfer);
	/* Tells the device, and resets the host's end of the endpoint. Blocks on the device. */
	IOReturn (*clear_halt)(struct usb_device *device, uint8_t endpoint);
	/* Only the host's end: the device has been told. */
	IOReturn (*reset_endpoint)(struct usb_device *device, uint8_t endpoint);

	/* Readable when reap has something to do, with an edge for whatever comes after a reap;
	 * borrowed. */
	int (*event_fd)(struct usb_device *device);
	/* Never blocks. Calls done for all that has finished. False once the device has gone and
	 * all is reaped. */
	bool (*reap)(struct usb_device *device);
	/*
	 * Whether the last reap has put off a look at whether the device has gone, of which no
	 * event will tell: the next one looks, and is due within some ms, unless a submission that
	 * begins later than that reap succeeds. NULL: it puts nothing off.
	 */
	bool (*owes_look)(struct usb_device *device);
	/*
	 * Lends the backend this thread: does a piece of what its own thread would do. True: there
	 * is more. *ret_finished: there is something to reap, of which event_fd may not tell. Never
	 * blocks. NULL: the backend needs no help.
	 */
	bool (*work)(struct usb_device *device, bool *ret_finished);
	/*
	 * Pulls the device out: every transfer ends with an error, by reap. Returns at once. NULL:
	 * a device that only people can pull out.
	 */
	void (*unplug)(struct usb_device *device);
};

extern const struct usb_backend usb_backend_virtual;
extern const struct usb_backend usb_backend_libusb;

#endif
