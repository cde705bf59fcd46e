/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port: what a notification port and a mach receive right are inside. Messages for it wait in its
 * queue, in the order of their delivery; they come out of the completion rings of the connections
 * that are attached to it.
 *
 *	port_create, port_name -> an app's mach_port_t -> port_copy
 *	port_attach, port_deliver, port_detach: by connections, with their ring lock held
 *	port_descriptor, port_take, port_wait: by whoever receives
 *	port_close: the receive right ends; what is delivered later is dropped
 *
 * Whoever takes messages out of a port first drains that port's connections, and a drain gives each
 * completion to the port that it was registered with. So several ports on a connection and several
 * threads on a port each get theirs whoever did the work.
 *
 * A port does not survive fork: in the child its name is unknown and every call on it does nothing.
 */
#ifndef CLIENT_PORT_H
#define CLIENT_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "async_table.h"
#include "bounds.h"

#include <DriverKit/IOReturn.h>
#include <mach/port.h>

struct connection;
struct port;

/* A completion, or the news of a notification, on its way to the app. */
struct port_message {
	uint32_t type;	    /* k...NotificationType; 0: a completion */
	mach_port_t sender; /* of a notification: its name */
	uint64_t reference[ASYNC_REFERENCES_MAX];
	/* Not 0: a data queue's, by this number; a bare header with nothing to call. */
	uint64_t queue;
	IOReturn result; /* of a completion; of news of a service: which */
	uint32_t count;	 /* arguments, at most DEXT_SCALARS_MAX */
	uint64_t arguments[DEXT_SCALARS_MAX];
};

/* kIOReturnNoMemory, kIOReturnNoResources: out of descriptors or names. */
IOReturn port_create(struct port **ret_port);
struct port *port_retain(struct port *port);
void port_release(struct port *port);
/* The receive right ends: the name is free, queued messages are gone, waiters return. */
void port_close(struct port *port);

/* Whether this process is a child of the one that made it; then every call here does nothing. */
bool port_is_inherited(const struct port *port);

mach_port_t port_name(const struct port *port);
/* The port of a name, with a reference; NULL if there is none. */
struct port *port_copy(mach_port_t name);

/*
 * Listens to the connection until it was detached as often as attached, or it has ended. The port
 * retains it meanwhile. Neither blocks, drains, or calls the app. kIOReturnNoMemory,
 * kIOReturnNoResources; kIOReturnNotReady: the port is closed.
 */
IOReturn port_attach(struct port *port, struct connection *connection);
void port_detach(struct port *port, struct connection *connection);
/* Whoever receives next drains it, if it is attached, as if its bell had rung. */
void port_come_again(struct port *port, const struct connection *connection);

/*
 * Appends a message. One for a closed port is dropped, successfully; so is a data queue's while the
 * last one of the same queue waits: whoever takes that one looks at the queue after it.
 * kIOReturnOverrun: DEXT_LIMIT_COMPLETIONS messages wait already, nobody takes them;
 * kIOReturnNoMemory. After these two the connection keeps the message, and leaves its ring unarmed;
 * the port drains it again once it has room.
 */
IOReturn port_deliver(struct port *port, const struct port_message *message);

/* Takes out what a notification put there. */
void port_withdraw(struct port *port, mach_port_t sender);

/*
 * Listens to one more source of messages, which all ports share: while `hub` is readable, whoever
 * receives calls `drain`, which may deliver to any port and returns without having waited. Until it
 * was detached as often as attached. kIOReturnNotReady: the port is closed. kIOReturnNoResources:
 * too many ports, which is the kernel's limit (path_limits in fs/eventpoll.c).
 */
IOReturn port_attach_hub(struct port *port, int hub, void (*drain)(void));
void port_detach_hub(struct port *port);

/* Readable while there may be something to take, for poll. Borrowed, until the last release. */
int port_descriptor(const struct port *port);
/*
 * Takes the oldest message, drains the connections if there is none. kIOReturnNotReady: none.
 * kIOReturnAborted: the port was closed. Never blocks.
 */
IOReturn port_take(struct port *port, struct port_message *ret_message);
/*
 * The same, but waits until `deadline` (clock_now time; UINT64_MAX: for ever): kIOReturnTimeout.
 * kIOReturnMessageTooLarge: the oldest has more arguments than `most` (-1: it has more than news of
 * an iterator, which are a head alone; -2: whatever it has); it stays, and *ret_message is a copy
 * of it.
 */
IOReturn port_wait(struct port *port, uint64_t deadline, int most,
		   struct port_message *ret_message);

/* Send rights that the app added to the name, only counted. False: there is none to remove. */
void port_add_send_right(struct port *port);
bool port_remove_send_right(struct port *port);

#endif
