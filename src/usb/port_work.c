/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How threads of the loop help a backend that has a thread of its own (the virtual one): whoever
 * has submitted a transfer does the backend's work, piece by piece, as soon as it is back from the
 * driver's code, and reaps what that finishes. So a transfer costs no switch to another thread and
 * none back.
 *
 * One thread has the work at a time (work_state): one that submits something meanwhile leaves word.
 * It is not held while callbacks run, nor is any lock. A thread that is left the work and then
 * blocks in its driver's method is not waited for: that is the backend's business.
 */
#include "port.h"

#include <stddef.h>

enum { WORK_NONE, WORK_DUE, WORK_RUNNING, WORK_AGAIN };

/* Leaves the work to this thread, unless another has it, which sees what was submitted before. */
static void
work_later(struct usb_port *port)
{
	unsigned state = WORK_NONE;

	/* Pairs with the changes in work. */
	while (!atomic_compare_exchange_weak_explicit(&port->work_state, &state,
						      state == WORK_NONE      ? WORK_DUE
						      : state == WORK_RUNNING ? WORK_AGAIN
									      : state,
						      memory_order_acq_rel, memory_order_relaxed))
		;
	if (state != WORK_NONE)
		return;
	usb_port_retain(port);
	loop_defer(port->loop, &port->work);
}

/* A piece of it, and the reaping. False: there is nothing to reap. */
static bool
do_work(struct usb_port *port, bool *ret_more)
{
	bool finished = false, alive = true;

	*ret_more = false;
	pthread_mutex_lock(&port->reap_lock);
	if (!port->shut) {
		*ret_more = port->backend->work(port->device, &finished);
		if (finished)
			alive = port->backend->reap(port->device);
	}
	pthread_mutex_unlock(&port->reap_lock);
	if (!alive && !usb_port_is_gone(port))
		usb_port_go(port);
	return finished;
}

static void
work(struct loop_task *task)
{
	struct usb_port *port = (struct usb_port *)((char *)task - offsetof(struct usb_port, work));
	unsigned state = WORK_RUNNING;
	bool more, finished;

	/* Pairs with work_later, as the change below: what it submitted is seen here. */
	atomic_exchange_explicit(&port->work_state, WORK_RUNNING, memory_order_acq_rel);
	finished = do_work(port, &more);
	/* Before the callbacks, which may block. */
	if (!more)
		more = !atomic_compare_exchange_strong_explicit(&port->work_state, &state,
								WORK_NONE, memory_order_acq_rel,
								memory_order_relaxed);
	if (more) {
		atomic_exchange_explicit(&port->work_state, WORK_DUE, memory_order_acq_rel);
		usb_port_retain(port);
		loop_defer(port->loop, &port->work);
	}
	if (finished)
		usb_port_reaped(port);
	usb_port_release(port);
}

IOReturn
usb_port_submit(struct usb_port *port, struct usb_transfer *transfer)
{
	uint32_t owed = usb_port_look_owed(port);
	IOReturn res;

	transfer->helped = port->backend->work != NULL && loop_is_here(port->loop);
	res = port->backend->submit(port->device, transfer);
	if (res != kIOReturnSuccess)
		return res;
	if (transfer->helped)
		work_later(port);
	if (owed != 0)
		usb_port_no_look(port, owed);
	return res;
}

void
usb_port_init_work(struct usb_port *port)
{
	port->work.run = work;
}
