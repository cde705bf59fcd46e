/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the virtual backend share: a device, the queues of its endpoints, and its
 * thread, which plays the host controller.
 *
 * device->lock guards queues, lists and flags, and is not held while bytes are moved: the transfer
 * that is being moved is `busy`, and nobody but the thread touches it or takes it out. No call
 * leaves these files with the lock held.
 */
#ifndef USB_VIRTUAL_DEVICE_H
#define USB_VIRTUAL_DEVICE_H

#include <pthread.h>

#include "backend.h"
#include "vdev_line.h"

enum { ENDPOINT_OUT, ENDPOINT_IN, ENDPOINT_CONTROL, ENDPOINT_COUNT };

struct entry {
	struct usb_transfer *transfer;
	uint64_t due;	       /* ns: not finished before */
	uint64_t deadline;     /* ns; UINT64_MAX: none */
	struct vdev_plan plan; /* [thread] */
	bool cancelled;	       /* [lock] while busy */
	struct entry *next;
};

struct endpoint {
	struct entry *head, **tail; /* [lock] */
	struct entry *busy;	    /* [lock] the head, while the thread moves it */
	bool halted;		    /* [lock] */
};

struct usb_device {
	struct vdev_line line; /* [thread] but for what is const there */
	pthread_t thread;
	int event; /* readable while `done` is not empty, and once it has gone */

	pthread_mutex_t lock;
	pthread_cond_t work;
	struct endpoint endpoints[ENDPOINT_COUNT];
	struct entry *free;			/* [lock] */
	struct usb_transfer *done, **done_tail; /* [lock] */
	uint64_t next_deadline;			/* [lock] no deadline is sooner; may be too soon */
	uint8_t alternate;			/* [lock] */
	uint8_t configuration;			/* [lock] 0: none */
	bool claimed;				/* [lock] */
	bool gone;				/* [lock] set by the thread */
	bool unplugged;				/* [lock] the thread is to let it go */
	uint64_t goes_at;			/* [lock] it answers nothing, until then; 0 */
	bool stopping;				/* [lock] */
	bool poked;	     /* [lock] something came while the thread did not hold the lock */
	bool serving;	     /* [lock] somebody moves bytes */
	bool helping;	     /* [lock] a helper does, who will reap what is finished */
	bool signalled;	     /* [lock] `event` was written since it was last read */
	uint64_t help_until; /* [lock] the thread leaves what there is to a helper; 0: all of it is
				done */
	bool helpless;	     /* [lock] the thread has waited for help in vain */
	uint64_t helps;	     /* [lock] pieces done by helpers */
	uint64_t patience;   /* [lock] ns: how long the thread waits for one */
	uint64_t wakes_at;   /* [lock] until when the thread sleeps; 0: it does not */
};

/* How much a helper moves, at least, before what it has finished is reaped. */
#define VIRTUAL_PIECE_BYTES (UINT64_C(256) << 10)
/*
 * How long the thread waits for a helper that may have been held up in a driver: after a time in
 * vain, and at most.
 */
#define VIRTUAL_HELP_NSEC     NSEC_PER_MSEC
#define VIRTUAL_HELP_NSEC_MAX (4 * NSEC_PER_MSEC)

/* NULL: the device has no such endpoint. */
struct endpoint *virtual_endpoint(struct usb_device *device, uint8_t address);
/* The transfer is over: to the list of finished ones, and the entry to the free ones. */
void virtual_finish_locked(struct usb_device *device, struct endpoint *endpoint,
			   struct entry *entry, IOReturn status);
/* The device has gone: all that it has ends. */
void virtual_go_locked(struct usb_device *device);
/* There is something for the thread. */
void virtual_poke_locked(struct usb_device *device);

/* The backend's operations on transfers. */
IOReturn virtual_submit(struct usb_device *device, struct usb_transfer *transfer);
void virtual_cancel(struct usb_device *device, struct usb_transfer *transfer);
bool virtual_reap(struct usb_device *device);
bool virtual_work(struct usb_device *device, bool *ret_finished);

/* Makes the lock and the thread, or neither. */
IOReturn virtual_start(struct usb_device *device);
void virtual_stop(struct usb_device *device);

#endif
