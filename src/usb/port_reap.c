/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reaping: from an event of the device to the callbacks of its pipes. See port.h.
 *
 * One event: reap, which calls `done` of each finished transfer; the pipes take note, no driver
 * code runs. Then the pipes that were noted are pumped: all but the last only append their
 * callbacks to queues, the last may run its first callback here. An event that comes meanwhile
 * brings another thread, which reaps while this one is in a callback, however long that takes; one
 * that comes while this one still reaps leaves word that there is more (base/token.h). So events
 * are edges, and cost no system call to be watched for again.
 *
 * A thread in a submission counts as one that reaps: what ends meanwhile waits for it, and it reaps
 * as soon as its locks are free. Else the thread that is woken would wait for the backend's lock of
 * the very transfer that has ended while its submission has not returned. It is a driver's thread,
 * which has other things to do: after a few times what comes goes on to a thread of the loop.
 */
#include "port.h"

#include <stddef.h>

#include "clock.h"
#include "pipe.h"

/* Room may also come from transfers of other processes, of which no event tells. */
#define RETRY_MSEC 10u
/* How often a thread that has submitted reaps because more has come. */
#define SUBMITTER_REAPS_MAX 16u

/* --- pumping --- */

void
usb_port_pump_later(struct usb_port *port, unsigned index)
{
	const uint32_t bit = UINT32_C(1) << index;

	/* Pairs with take, which looks into the pipe, with its lock, after it has taken the bit. */
	if ((atomic_load_explicit(&port->to_pump, memory_order_relaxed) & bit) == 0)
		atomic_fetch_or_explicit(&port->to_pump, bit, memory_order_relaxed);
}

void
usb_port_wait_for_room(struct usb_port *port, unsigned index)
{
	bool arm;

	/* Relaxed, here and in kick: `retry` finds what a kick has missed. */
	atomic_fetch_or_explicit(&port->waiting, UINT32_C(1) << index, memory_order_relaxed);
	pthread_mutex_lock(&port->lock);
	arm = !port->retry_armed && !port->is_gone;
	port->retry_armed |= arm;
	pthread_mutex_unlock(&port->lock);
	if (!arm)
		return;
	usb_port_retain(port);
	loop_timer_arm(port->loop, &port->retry, clock_now() + RETRY_MSEC * NSEC_PER_MSEC);
}

/* Takes one pipe, +1, that is to be pumped; *ret_more: others are left. NULL: there is none. */
static IOUSBHostPipe *
take(struct usb_port *port, bool *ret_more)
{
	uint32_t set;

	/* Pairs with usb_port_pump_later. */
	while ((set = atomic_load_explicit(&port->to_pump, memory_order_relaxed)) != 0) {
		unsigned index = (unsigned)__builtin_ctz(set);
		const uint32_t bit = UINT32_C(1) << index;
		IOUSBHostPipe *pipe;

		set = atomic_fetch_and_explicit(&port->to_pump, ~bit, memory_order_relaxed);
		*ret_more = (set & ~bit) != 0;
		pipe = (set & bit) != 0 ? usb_port_copy_pipe(port, index) : NULL;
		if (pipe != NULL)
			return pipe;
	}
	return NULL;
}

void
usb_port_pump(struct usb_port *port, bool inline_ok)
{
	IOUSBHostPipe *pipe;
	bool more;

	usb_port_pump_controls(port);
	while ((pipe = take(port, &more)) != NULL) {
		pipe_pump(pipe, inline_ok && !more);
		OSRelease(pipe);
	}
}

static void
kick(struct usb_port *port)
{
	uint32_t waiting = atomic_load_explicit(&port->waiting, memory_order_relaxed);

	if (waiting == 0)
		return;
	waiting = atomic_exchange_explicit(&port->waiting, 0, memory_order_relaxed);
	if ((waiting & UINT32_C(1) << USB_ENDPOINT_CONTROL) != 0)
		usb_port_kick_controls(port);
	for (; waiting != 0; waiting &= waiting - 1) {
		IOUSBHostPipe *pipe = usb_port_copy_pipe(port, (unsigned)__builtin_ctz(waiting));

		if (pipe != NULL)
			pipe_kick(pipe);
		OSRelease(pipe);
	}
}

static void
retry(struct loop_timer *timer)
{
	struct usb_port *port =
		(struct usb_port *)((char *)timer - offsetof(struct usb_port, retry));

	pthread_mutex_lock(&port->lock);
	port->retry_armed = false;
	pthread_mutex_unlock(&port->lock);
	kick(port);
	usb_port_pump(port, true);
	usb_port_release(port);
}

/* --- events --- */

static bool
owes_look(const struct usb_port *port)
{
	return port->backend->owes_look != NULL && port->backend->owes_look(port->device);
}

/* False: there is nothing to reap any more, or the port was shut. */
static bool
reap(struct usb_port *port)
{
	bool alive = false, ended = false;

	pthread_mutex_lock(&port->reap_lock);
	if (!port->shut) {
		do {
			alive = port->backend->reap(port->device);
		} while (alive && owes_look(port) && !usb_port_leave_look(port));
		ended = !alive;
	}
	pthread_mutex_unlock(&port->reap_lock);
	if (ended && !usb_port_is_gone(port))
		usb_port_go(port);
	return alive;
}

void
usb_port_reaped(struct usb_port *port)
{
	kick(port);
	usb_port_pump(port, true);
}

/* By the one that has the token. inline_ok: the last callback may run here. False: once more. */
static bool
reap_once(struct usb_port *port, bool inline_ok)
{
	bool over;

	if (reap(port))
		kick(port);
	over = token_give_back(&port->reaper);
	/* With more to reap no callback may keep this thread. */
	usb_port_pump(port, inline_ok && over);
	return over;
}

static void
reap_all(struct usb_port *port, bool inline_ok)
{
	usb_port_retain(port);
	while (!reap_once(port, inline_ok))
		;
	usb_port_release(port);
}

/* For the one that had the token, and was left word. */
static void
reap_rest(struct loop_timer *timer)
{
	struct usb_port *port =
		(struct usb_port *)((char *)timer - offsetof(struct usb_port, rest));

	reap_all(port, true);
	usb_port_release(port);
}

/* False: the port is being shut, and no event comes any more. */
static bool
leave_rest(struct usb_port *port)
{
	bool left;

	pthread_mutex_lock(&port->lock);
	left = !port->is_gone;
	if (left) {
		usb_port_retain(port);
		loop_timer_arm(port->loop, &port->rest, clock_now());
	}
	pthread_mutex_unlock(&port->lock);
	return left;
}

static void
reap_some(struct usb_port *port)
{
	bool over = false;

	usb_port_retain(port);
	for (unsigned i = 0; i < SUBMITTER_REAPS_MAX && !over; i++)
		over = reap_once(port, false);
	if (!over && !leave_rest(port))
		reap_all(port, false);
	usb_port_release(port);
}

static struct usb_port *
port_of_source(struct loop_source *source)
{
	return (struct usb_port *)((char *)source - offsetof(struct usb_port, source));
}

static void
handle(struct loop_source *source, uint32_t events)
{
	struct usb_port *port = port_of_source(source);

	(void)events;
	if (token_take(&port->reaper))
		reap_all(port, true);
}

void
usb_port_look(struct usb_port *port)
{
	if (token_take(&port->reaper))
		reap_all(port, false);
}

bool
usb_port_hold_events(struct usb_port *port)
{
	/* One that reaps already goes on. */
	return port->backend->work == NULL && token_take_if_nobodys(&port->reaper);
}

void
usb_port_let_events(struct usb_port *port)
{
	if (!token_give_back(&port->reaper))
		reap_some(port);
}

static void
removed(struct loop_source *source)
{
	usb_port_release(port_of_source(source));
}

void
usb_port_init_reap(struct usb_port *port)
{
	port->retry.fired = retry;
	port->rest.fired = reap_rest;
}

IOReturn
usb_port_add_source(struct usb_port *port)
{
	IOReturn res;

	port->source = (struct loop_source){
		.fd = port->backend->event_fd(port->device),
		.events = EPOLLIN | EPOLLET,
		.handler = handle,
		.removed = removed,
	};
	usb_port_retain(port);
	res = loop_source_add(port->loop, &port->source);
	if (res != kIOReturnSuccess)
		usb_port_release(port);
	return res;
}
