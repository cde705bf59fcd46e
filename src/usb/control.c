/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control requests: endpoint 0, which belongs to the port and not to a pipe. Of a synchronous one
 * the caller's thread waits and another thread of the loop finds the end; an asynchronous one ends
 * with an action.
 *
 * All are in one list, with the object on whose behalf they run, so that closing it can end them.
 * In the list come first those that wait for room or that the backend has, in order of submission,
 * then those that have ended, in the order in which they did; a synchronous one leaves the list at
 * its end, an asynchronous one after its callback. The list's lock is the port's, and is also what
 * keeps submit and cancel of endpoint 0 apart.
 *
 * Posting keeps the order although several threads reap: one at a time posts
 * (`posting_controls`), and takes along what others add meanwhile.
 */
#include "action.h"
#include "clock.h"
#include "log.h"
#include "objects.h"
#include "pipe.h"
#include "record_transfer.h"

#include <stdlib.h>
#include <string.h>

enum control_state { CONTROL_WAITING, CONTROL_SUBMITTED, CONTROL_ENDED, CONTROL_POSTED };

struct usb_control {
	struct usb_transfer transfer; /* first: done() casts */
	struct action_call call;
	TAILQ_ENTRY(usb_control) link; /* [port] */
	struct usb_port *port;
	OSObject *owner;	    /* retained by an asynchronous one */
	OSAction *action;	    /* NULL: somebody waits for it */
	IOMemoryDescriptor *memory; /* of an asynchronous one's data stage, or NULL */
	enum control_state state;   /* [port] */
	IOReturn abort_status;	    /* [port] with which it was aborted; 0: it was not */
	uint64_t number;	    /* [port] in order of submission, from 1 */
	uint64_t began;		    /* [port] ns, if that was recorded; else 0 */
	pthread_t thread;	    /* [port] that runs the callback, if is_running */
	bool is_running;	    /* [port] */
};

/* How many have not ended. */
static uint32_t
count_locked(const struct usb_port *port)
{
	struct usb_control *control;
	uint32_t count = 0;

	TAILQ_FOREACH(control, &port->controls, link)
	count += control->state == CONTROL_WAITING || control->state == CONTROL_SUBMITTED;
	return count;
}

/* --- the end of a request --- */

static void
end_locked(struct usb_control *control)
{
	struct usb_port *port = control->port;

	control->state = CONTROL_ENDED;
	TAILQ_REMOVE(&port->controls, control, link);
	if (recorder_is_on())
		record_control_ended_locked(port, &control->transfer, control->number,
					    control->began, count_locked(port));
	if (control->action != NULL) {
		TAILQ_INSERT_TAIL(&port->controls, control, link);
		atomic_fetch_add_explicit(&port->controls_ended, 1, memory_order_relaxed);
	} else {
		pthread_cond_broadcast(&port->changed);
	}
	if (port->control_waiters > 0)
		queue_wake(control->owner);
}

/* Ends one that the backend does not have. */
static void
drop_locked(struct usb_control *control, IOReturn status)
{
	control->transfer.status = status;
	control->transfer.actual = 0;
	control->transfer.timestamp = clock_now();
	end_locked(control);
}

static void
done(struct usb_transfer *transfer)
{
	struct usb_control *control = (struct usb_control *)transfer;
	struct usb_port *port = control->port;

	pthread_mutex_lock(&port->lock);
	if (transfer->status == kIOReturnAborted && control->abort_status != 0)
		transfer->status = control->abort_status;
	end_locked(control);
	pthread_mutex_unlock(&port->lock);
}

static void
deliver(struct action_call *call, OSObject *target, action_function function)
{
	struct usb_control *control =
		(struct usb_control *)((char *)call - offsetof(struct usb_control, call));

	pthread_mutex_lock(&control->port->lock);
	control->thread = pthread_self();
	control->is_running = true;
	pthread_mutex_unlock(&control->port->lock);
	((IOUSBHostDevice_CompleteAsyncDeviceRequest_f)function)(
		target, call->action, control->transfer.status, (uint16_t)control->transfer.actual);
}

static void
let_go(struct usb_control *control)
{
	if (control->memory != NULL)
		memory_io_end(control->memory);
	OSRelease(control->action);
	OSRelease(control->owner);
	usb_port_release(control->port);
	free(control);
}

/* The callback has run, or never will. */
static void
called(struct action_call *call)
{
	struct usb_control *control =
		(struct usb_control *)((char *)call - offsetof(struct usb_control, call));
	struct usb_port *port = control->port;

	pthread_mutex_lock(&port->lock);
	TAILQ_REMOVE(&port->controls, control, link);
	if (port->control_waiters > 0)
		queue_wake(control->owner);
	pthread_mutex_unlock(&port->lock);
	let_go(control);
}

static struct usb_control *
next_ended_locked(struct usb_port *port)
{
	struct usb_control *control;

	TAILQ_FOREACH(control, &port->controls, link)
	{
		if (control->state == CONTROL_ENDED)
			return control;
	}
	return NULL;
}

void
usb_port_pump_controls(struct usb_port *port)
{
	struct usb_control *control;

	/* Relaxed: who has ended one comes here after that himself. */
	if (atomic_load_explicit(&port->controls_ended, memory_order_relaxed) == 0)
		return;
	usb_port_retain(port); /* the last callback may let go of it */
	pthread_mutex_lock(&port->lock);
	if (!port->posting_controls) {
		port->posting_controls = true;
		while ((control = next_ended_locked(port)) != NULL) {
			control->state = CONTROL_POSTED;
			atomic_fetch_sub_explicit(&port->controls_ended, 1, memory_order_relaxed);
			pthread_mutex_unlock(&port->lock);
			action_post(control->action, &control->call, control->owner, false);
			pthread_mutex_lock(&port->lock);
		}
		port->posting_controls = false;
	}
	pthread_mutex_unlock(&port->lock);
	usb_port_release(port);
}

/* --- submission --- */

/* Whether there is one before it that waits for room. */
static bool
has_waiting_locked(struct usb_port *port)
{
	struct usb_control *control;

	TAILQ_FOREACH(control, &port->controls, link)
	{
		if (control->state == CONTROL_WAITING)
			return true;
	}
	return false;
}

/* Gives it to the backend, or lets it wait for room, behind those that wait already. */
static IOReturn
submit_locked(struct usb_control *control)
{
	struct usb_port *port = control->port;
	struct usb_control *ended = next_ended_locked(port);
	uint64_t time = recorder_is_on() ? clock_now() : 0;
	IOReturn res = kIOReturnNotReady;

	if (port->is_gone || port->device == NULL)
		return kIOReturnNoDevice;
	if (!has_waiting_locked(port))
		res = port->backend->submit(port->device, &control->transfer);
	if (res != kIOReturnSuccess && res != kIOReturnNotReady)
		return res;
	control->state = res == kIOReturnSuccess ? CONTROL_SUBMITTED : CONTROL_WAITING;
	if (ended != NULL)
		TAILQ_INSERT_BEFORE(ended, control, link);
	else
		TAILQ_INSERT_TAIL(&port->controls, control, link);
	control->number = ++port->last_control;
	control->began = time;
	if (time != 0)
		record_control_began_locked(port, &control->transfer, control->number, time,
					    count_locked(port));
	return res;
}

static void
wait_for_room(struct usb_port *port)
{
	usb_port_wait_for_room(port, USB_ENDPOINT_CONTROL);
}

void
usb_port_kick_controls(struct usb_port *port)
{
	struct usb_control *control, *next;
	IOReturn res = kIOReturnSuccess;

	pthread_mutex_lock(&port->lock);
	for (control = TAILQ_FIRST(&port->controls); control != NULL; control = next) {
		next = TAILQ_NEXT(control, link);
		if (control->state != CONTROL_WAITING)
			continue;
		res = port->is_gone || port->device == NULL
			      ? kIOReturnNoDevice
			      : port->backend->submit(port->device, &control->transfer);
		if (res == kIOReturnNotReady)
			break;
		if (res == kIOReturnSuccess)
			control->state = CONTROL_SUBMITTED;
		else
			drop_locked(control, res);
	}
	pthread_mutex_unlock(&port->lock);
	if (res == kIOReturnNotReady)
		wait_for_room(port);
}

static void
fill(struct usb_control *control, struct usb_port *port, const void *owner,
     const IOUSBDeviceRequest *request, uint32_t timeout)
{
	*control = (struct usb_control){
		.port = port,
		.owner = (OSObject *)(uintptr_t)owner,
		.transfer =
			{
				.timeout = timeout,
				.length = request->wLength,
				.memory = {.fd = -1},
				.done = done,
			},
		.call = {.deliver = deliver, .done = called},
	};
	memcpy(control->transfer.setup, request, sizeof(control->transfer.setup));
}

static void
abort_one_locked(struct usb_control *control, IOReturn status)
{
	if (control->state == CONTROL_WAITING) {
		drop_locked(control, status);
	} else if (control->state == CONTROL_SUBMITTED && control->abort_status == 0) {
		control->abort_status = status;
		control->port->backend->cancel(control->port->device, &control->transfer);
	}
}

static bool
has_session(const void *owner, const IOService *client)
{
	IOUSBHostInterface *interface = OSDynamicCast(IOUSBHostInterface, owner);

	return interface != NULL ? interface_is_open(interface)
				 : device_is_client((IOUSBHostDevice *)(uintptr_t)owner, client);
}

/*
 * A session may have ended between the caller's look at it and the submission. Either its end finds
 * the request in the list, or what is looked at here is the end: both sides write first, and then
 * look, each under a lock. The request itself may be over by now, and freed; its number is not used
 * again.
 */
static void
end_without_session(struct usb_port *port, const void *owner, const IOService *client,
		    uint64_t number)
{
	struct usb_control *control;

	if (has_session(owner, client))
		return;
	pthread_mutex_lock(&port->lock);
	TAILQ_FOREACH(control, &port->controls, link)
	{
		if (control->number == number) {
			abort_one_locked(control, kIOReturnAborted);
			break;
		}
	}
	pthread_mutex_unlock(&port->lock);
	usb_port_pump_controls(port);
}

/* Submits, and waits for the end. */
static IOReturn
run(struct usb_control *control, bool in_session, const IOService *client, uint16_t *ret_actual)
{
	struct usb_port *port = control->port;
	IOReturn res;

	loop_will_wait(port->loop);
	pthread_mutex_lock(&port->lock);
	res = submit_locked(control);
	pthread_mutex_unlock(&port->lock);
	if (res == kIOReturnNotReady)
		wait_for_room(port);
	if (res == kIOReturnSuccess || res == kIOReturnNotReady) {
		if (in_session)
			end_without_session(port, control->owner, client, control->number);
		pthread_mutex_lock(&port->lock);
		while (control->state != CONTROL_ENDED)
			pthread_cond_wait(&port->changed, &port->lock);
		pthread_mutex_unlock(&port->lock);
		res = control->transfer.status;
	}
	loop_did_block(port->loop);
	if (res == kIOReturnSuccess && ret_actual != NULL)
		*ret_actual = (uint16_t)control->transfer.actual;
	return res;
}

IOReturn
usb_port_control_data(struct usb_port *port, const void *owner, const IOUSBDeviceRequest *request,
		      void *data, uint32_t timeout, uint16_t *ret_actual)
{
	struct usb_control control;

	fill(&control, port, owner, request, timeout);
	control.transfer.data = data;
	return run(&control, false, NULL, ret_actual);
}

/* What would change the device behind the framework's back. */
static bool
is_reserved(const IOUSBDeviceRequest *request)
{
	uint8_t recipient = request->bmRequestType & kIOUSBDeviceRequestRecipientMask;
	bool feature = request->bRequest == kIOUSBDeviceRequestClearFeature ||
		       request->bRequest == kIOUSBDeviceRequestSetFeature;

	if ((request->bmRequestType & kIOUSBDeviceRequestTypeMask) != 0)
		return false;
	return request->bRequest == kIOUSBDeviceRequestSetAddress ||
	       request->bRequest == kIOUSBDeviceRequestSetConfiguration ||
	       request->bRequest == kIOUSBDeviceRequestSetInterface ||
	       (feature && recipient == kIOUSBDeviceRequestRecipientEndpoint &&
		request->wValue == kIOUSBEndpointFeatureSelectorStall);
}

/* An interface may end the halt of its own pipe, and reset the host's end by ClearStall. */
static bool
clears_own_halt(struct usb_port *port, const void *owner, const IOUSBDeviceRequest *request)
{
	IOUSBHostInterface *interface = OSDynamicCast(IOUSBHostInterface, owner);
	IOUSBHostPipe *pipe;
	bool owns;

	if (interface == NULL || request->bmRequestType != 0x02 || request->wLength != 0 ||
	    request->bRequest != kIOUSBDeviceRequestClearFeature || request->wIndex > UINT8_MAX ||
	    (request->wIndex & 0x70) != 0)
		return false;
	pipe = usb_port_copy_pipe(port, usb_endpoint_index((uint8_t)request->wIndex));
	owns = pipe != NULL && pipe_interface(pipe) == interface_number(interface);
	OSRelease(pipe);
	return owns;
}

/* *ret_data: where the data stage is in this process, or NULL if there is none. */
static IOReturn
check(struct usb_port *port, const void *owner, const IOUSBDeviceRequest *request,
      IOMemoryDescriptor *memory, void **ret_data)
{
	bool is_in = (request->bmRequestType & kIOUSBDeviceRequestDirectionMask) != 0;

	if (is_reserved(request) && !clears_own_halt(port, owner, request)) {
		log_error("DeviceRequest: request %u is the framework's own; use SetConfiguration, "
			  "SelectAlternateSetting or ClearStall",
			  request->bRequest);
		return kIOReturnNotPermitted;
	}
	*ret_data = NULL;
	if (request->wLength == 0)
		return kIOReturnSuccess;
	if (memory == NULL || request->wLength > memory_length(memory)) {
		log_error("DeviceRequest: wLength is %u, dataBuffer %s", request->wLength,
			  memory == NULL ? "is NULL" : "is shorter");
		return kIOReturnBadArgument;
	}
	if (is_in && memory_direction(memory) == kIOMemoryDirectionOut) {
		log_error("DeviceRequest: dataBuffer may only be read");
		return kIOReturnNotPermitted;
	}
	*ret_data = memory_address(memory);
	return *ret_data != NULL ? kIOReturnSuccess : kIOReturnNoMemory;
}

IOReturn
usb_port_control(struct usb_port *port, const void *owner, const IOService *client,
		 const IOUSBDeviceRequest *request, IOMemoryDescriptor *memory, uint32_t timeout,
		 uint16_t *ret_actual)
{
	struct usb_control control;
	void *data;
	IOReturn res = check(port, owner, request, memory, &data);

	if (res != kIOReturnSuccess)
		return res;
	if (data != NULL)
		memory_io_begin(memory);
	fill(&control, port, owner, request, timeout);
	control.transfer.data = data;
	res = run(&control, true, client, ret_actual);
	if (data != NULL)
		memory_io_end(memory);
	return res;
}

IOReturn
usb_port_control_async(struct usb_port *port, OSObject *owner, const IOService *client,
		       const IOUSBDeviceRequest *request, IOMemoryDescriptor *memory,
		       uint32_t timeout, OSAction *action)
{
	struct usb_control *control;
	uint64_t number;
	void *data;
	IOReturn res = check(port, owner, request, memory, &data);

	if (res != kIOReturnSuccess)
		return res;
	control = malloc(sizeof(*control));
	if (control == NULL)
		return kIOReturnNoMemory;
	fill(control, port, owner, request, timeout);
	control->transfer.data = data;
	/* What it holds is taken before it can end. */
	control->action = action;
	control->memory = data != NULL ? memory : NULL;
	OSRetain(action);
	OSRetain(owner);
	usb_port_retain(port);
	if (control->memory != NULL)
		memory_io_begin(memory);
	pthread_mutex_lock(&port->lock);
	res = submit_locked(control);
	number = control->number;
	pthread_mutex_unlock(&port->lock);
	if (res == kIOReturnNotReady) {
		wait_for_room(port);
		res = kIOReturnSuccess;
	} else if (res != kIOReturnSuccess) {
		let_go(control);
	}
	if (res == kIOReturnSuccess)
		end_without_session(port, owner, client, number);
	return res;
}

/* --- ending --- */

static void
abort_locked(struct usb_port *port, const void *owner, IOReturn status)
{
	struct usb_control *control, *next;

	for (control = TAILQ_FIRST(&port->controls); control != NULL; control = next) {
		next = TAILQ_NEXT(control, link);
		if (owner == NULL || control->owner == owner)
			abort_one_locked(control, status);
	}
}

struct drain {
	struct usb_port *port;
	const void *owner;
};

static bool
is_drained(void *context)
{
	const struct drain *drain = context;
	struct usb_port *port = drain->port;
	struct usb_control *control;
	bool drained = true;

	/* Whoever reaped them may be in a callback that waits for us. */
	usb_port_pump_controls(port);
	pthread_mutex_lock(&port->lock);
	TAILQ_FOREACH(control, &port->controls, link)
	{
		bool mine = control->is_running && pthread_equal(control->thread, pthread_self());

		/* The callback that we are called from cannot end before we do. */
		drained &= control->owner != drain->owner || mine;
	}
	pthread_mutex_unlock(&port->lock);
	return drained;
}

void
usb_port_end_controls(struct usb_port *port, const void *owner, IOReturn status, bool wait)
{
	struct drain drain = {port, owner};

	pthread_mutex_lock(&port->lock);
	abort_locked(port, owner, status);
	port->control_waiters += wait;
	pthread_mutex_unlock(&port->lock);
	usb_port_pump_controls(port);
	if (!wait)
		return;
	queue_wait(owner, is_drained, &drain);
	pthread_mutex_lock(&port->lock);
	port->control_waiters--;
	pthread_mutex_unlock(&port->lock);
}

bool
usb_port_has_controls(struct usb_port *port)
{
	struct usb_control *control;
	bool found = false;

	pthread_mutex_lock(&port->lock);
	TAILQ_FOREACH(control, &port->controls, link)
	found |= control->state == CONTROL_SUBMITTED;
	pthread_mutex_unlock(&port->lock);
	return found;
}
