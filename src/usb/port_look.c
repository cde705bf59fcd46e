/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The look at the device that a reap of the backend has put off (owes_look). The thread that has
 * reaped is left it for when it has slept for some ms, or is woken before that. By then a stream
 * has mostly submitted more, which makes up for it: each look has a number, and a submission that
 * succeeds takes back the one that was due when it began. So a stream's looks cost nothing.
 *
 * A driver that blocks that thread by means of its own puts the look off for as long; then it is
 * the registry that tells of a device that has gone (usb_port_unplug).
 */
#include "port.h"

#include <stddef.h>

bool
usb_port_leave_look(struct usb_port *port)
{
	if (!loop_is_here(port->loop))
		return false;
	if (++port->last_look == 0)
		port->last_look++;
	/* Pairs with the load in usb_port_look_owed: who sees it submits after the reaping. */
	atomic_store_explicit(&port->look_owed, port->last_look, memory_order_release);
	/* Pairs with the exchange in look: either that sees the number, or the look is left anew.
	 */
	if (!atomic_exchange_explicit(&port->look_left, true, memory_order_acq_rel)) {
		usb_port_retain(port);
		loop_defer_long(port->loop, &port->look);
	}
	return true;
}

uint32_t
usb_port_look_owed(struct usb_port *port)
{
	return atomic_load_explicit(&port->look_owed, memory_order_acquire);
}

void
usb_port_no_look(struct usb_port *port, uint32_t owed)
{
	/* Not if another one has become due since. */
	atomic_compare_exchange_strong_explicit(&port->look_owed, &owed, 0, memory_order_relaxed,
						memory_order_relaxed);
}

static void
look(struct loop_task *task)
{
	struct usb_port *port = (struct usb_port *)((char *)task - offsetof(struct usb_port, look));

	atomic_exchange_explicit(&port->look_left, false, memory_order_acq_rel);
	if (atomic_exchange_explicit(&port->look_owed, 0, memory_order_relaxed) != 0)
		usb_port_look(port);
	usb_port_release(port);
}

void
usb_port_init_look(struct usb_port *port)
{
	port->look.run = look;
}
