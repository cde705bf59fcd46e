/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port: one open device of a backend and its event source in the loop. It finds finished
 * transfers, hands them to their pipes, and notices that the device has gone. Device, interfaces
 * and pipes hold references; usb_port_shut cuts the cycle.
 *
 * Lock order: pipe's `submitting`, its `lock`, port, backend. No lock is held while a callback of
 * the driver runs.
 */
#ifndef USB_PORT_H
#define USB_PORT_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include <USBDriverKit/USBDriverKit.h>

#include "backend.h"
#include "loop.h"
#include "recorder.h"
#include "token.h"

#define USB_ENDPOINTS	     32u
#define USB_ENDPOINT_CONTROL 0u /* its index; it has no pipe */

struct usb_control;

struct usb_port {
	const struct usb_backend *backend; /* [const] */
	struct usb_device *device;	   /* [const] until shut */
	struct loop *loop;		   /* [const] */
	uint8_t speed, address;		   /* [const] */
	uint32_t transfer_max;		   /* [const] bytes */
	uint16_t bcd_usb;		   /* [const] */
	IOUSBDeviceDescriptor descriptor;  /* [const] */
	/* [const] Own copies by index, wTotalLength checked. */
	IOUSBConfigurationDescriptor **configurations;
	uint8_t configuration_count; /* [const] */
	/* The selected one of these; NULL: none. Changed while no interface is open. */
	const IOUSBConfigurationDescriptor *_Atomic configuration;
	void (*gone)(void *context); /* [lock] NULL: nobody wants to know */
	void *gone_context;	     /* [lock] */

	struct loop_source source;
	struct loop_timer retry;     /* for transfers that the backend had no room for */
	struct loop_timer rest;	     /* reaps what a submitter has left, at once */
	struct loop_timer telling;   /* calls gone, at once; a timer, which can be taken back */
	struct loop_task work;	     /* the backend's work, by a thread that has submitted some */
	_Atomic unsigned work_state; /* enum of port_work.c; +1 unless it is 0 */
	struct loop_task look;	     /* at the device, which reap has put off: port_look.c */
	_Atomic bool look_left;	     /* to a thread; +1 */
	_Atomic uint32_t look_owed;  /* number of the one that is due; 0: none */
	uint32_t last_look;	     /* [reap_lock] */
	_Atomic unsigned references;

	struct token reaper;	   /* of who reaps for events */
	pthread_mutex_t reap_lock; /* one thread reaps, and none after the shutdown */
	bool shut;		   /* [reap_lock] */

	pthread_mutex_t lock;
	pthread_cond_t changed;		     /* [lock] a control request has ended */
	IOUSBHostPipe *pipes[USB_ENDPOINTS]; /* [lock] retained */
	_Atomic uint32_t to_pump;	     /* pipes with finished transfers */
	_Atomic uint32_t waiting;	     /* pipes with transfers that had no room */
	bool retry_armed;		     /* [lock] */
	bool is_gone;			     /* [lock] */
	bool told_gone;			     /* [lock] */
	TAILQ_HEAD(, usb_control) controls;  /* [lock] control.c */
	_Atomic unsigned controls_ended;     /* [lock] to change: those whose callback is due */
	unsigned control_waiters;	     /* [lock] threads that wait for the end of some */
	bool posting_controls;		     /* [lock] */
	struct recorder_place place;	     /* of endpoint 0 */
	uint64_t last_control;		     /* [lock] number of the last one */
};

/* 0 to 31, for an endpoint address. */
static inline unsigned
usb_endpoint_index(uint8_t address)
{
	return (address & 0x0f) | ((address & 0x80) != 0 ? 16 : 0);
}

/* Opens the device; takes `fd` on every path. */
IOReturn usb_port_open_take(const struct usb_backend *backend, const char *spec, int fd,
			    struct loop *loop, struct usb_port **ret_port);
void usb_port_retain(struct usb_port *port);
void usb_port_release(struct usb_port *port);
/* Ends all transfers, without waiting for their callbacks, and closes the device. Once. */
void usb_port_shut(struct usb_port *port);

/*
 * Calls gone(context) once, on a loop thread outside of any handler, when the device has gone; also
 * if it has gone already.
 */
void usb_port_watch_gone(struct usb_port *port, void (*gone)(void *context), void *context);

/*
 * The device goes as if it had been pulled out: what is outstanding ends with an error, then `gone`
 * is called. Any thread, any number of times. Does nothing for a real device.
 */
void usb_port_unplug(struct usb_port *port);
bool usb_port_is_gone(struct usb_port *port);

/* The pipe at this endpoint, +1, or NULL. */
IOUSBHostPipe *usb_port_copy_pipe(struct usb_port *port, unsigned index);
/* Puts a pipe in (retained) or, with NULL, takes the one there out. */
void usb_port_set_pipe(struct usb_port *port, unsigned index, IOUSBHostPipe *pipe);

/* The backend's operations; kIOReturnNoDevice once the device has gone or the port is shut. */
IOReturn usb_port_claim(struct usb_port *port, uint8_t interface, bool claim);
IOReturn usb_port_set_alternate(struct usb_port *port, uint8_t interface, uint8_t alternate);
/* No interface is claimed, by us. */
IOReturn usb_port_set_configuration(struct usb_port *port, uint8_t value);
/* [of the endpoint's pipe] Blocks on the device, which is open. */
IOReturn usb_port_clear_halt(struct usb_port *port, uint8_t endpoint);
/* On success the device has gone, as far as this port is concerned. */
IOReturn usb_port_reset(struct usb_port *port);
/* kIOUSBHostPortStatus...; kIOReturnNoDevice. */
IOReturn usb_port_status(struct usb_port *port, uint32_t *ret_status);
/* By bConfigurationValue; NULL: there is none. */
const IOUSBConfigurationDescriptor *usb_port_configuration(const struct usb_port *port,
							   uint8_t value);

/*
 * From a pipe: gives a transfer to the backend, and on a thread of the loop also has it help the
 * backend when it is back from the driver's code.
 */
IOReturn usb_port_submit(struct usb_port *port, struct usb_transfer *transfer);
/*
 * From a pipe, around a submission: what ends meanwhile is reaped by this thread, after it, unless
 * the backend wants help. True: usb_port_let_events follows, soon and with no lock held; it runs no
 * callback of a target that has a queue.
 */
bool usb_port_hold_events(struct usb_port *port);
void usb_port_let_events(struct usb_port *port);
void usb_port_init_work(struct usb_port *port);
/* Any thread, no lock held: looks for what has finished, and whether the device has gone. */
void usb_port_look(struct usb_port *port);
/* Leaves the look that the backend has put off to this thread. False: it cannot. [reap_lock] */
bool usb_port_leave_look(struct usb_port *port);
/* Around a submission: one that succeeds says what the look was for. */
uint32_t usb_port_look_owed(struct usb_port *port);
void usb_port_no_look(struct usb_port *port, uint32_t owed);
void usb_port_init_look(struct usb_port *port);
/* After reaping, no lock held: the device has gone; transfers have finished. */
void usb_port_go(struct usb_port *port);
void usb_port_reaped(struct usb_port *port);
/* Posts the callbacks of all that has been reaped; inline_ok: the last may run here. */
void usb_port_pump(struct usb_port *port, bool inline_ok);
void usb_port_init_reap(struct usb_port *port);
/* Has the loop reap whenever the backend says that there is something. */
IOReturn usb_port_add_source(struct usb_port *port);

/* From a pipe, in `done` of a transfer: post its callbacks when reaping is over. */
void usb_port_pump_later(struct usb_port *port, unsigned index);
/* From a pipe: the backend had no room; pipe_kick is called when there may be. The same for
 * USB_ENDPOINT_CONTROL and usb_port_kick_controls. */
void usb_port_wait_for_room(struct usb_port *port, unsigned index);

/*
 * A control request for `owner`, an interface, or a device with which `client` has a session;
 * returns when it has ended. A session that ends meanwhile ends it, kIOReturnAborted. Blocks.
 */
IOReturn usb_port_control(struct usb_port *port, const void *owner, const IOService *client,
			  const IOUSBDeviceRequest *request, IOMemoryDescriptor *memory,
			  uint32_t timeout, uint16_t *ret_actual);
/* The same into plain memory, in no session. */
IOReturn usb_port_control_data(struct usb_port *port, const void *owner,
			       const IOUSBDeviceRequest *request, void *data, uint32_t timeout,
			       uint16_t *ret_actual);
/* The same with an action, of one of the types CompleteAsyncDeviceRequest; returns at once. */
IOReturn usb_port_control_async(struct usb_port *port, OSObject *owner, const IOService *client,
				const IOUSBDeviceRequest *request, IOMemoryDescriptor *memory,
				uint32_t timeout, OSAction *action);
/*
 * Ends the owner's control requests with this status. wait: returns after their callbacks, of which
 * those that belong on a queue of this thread run nested. owner NULL: everybody's; never waits.
 */
void usb_port_end_controls(struct usb_port *port, const void *owner, IOReturn status, bool wait);
/* True while the backend has some. */
bool usb_port_has_controls(struct usb_port *port);
/* From the port: submits what waits for room; posts the callbacks of those that have ended. */
void usb_port_kick_controls(struct usb_port *port);
void usb_port_pump_controls(struct usb_port *port);

#endif
