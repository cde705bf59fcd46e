/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An open connection to a user client: the socket, the call page, the mapped memory, and the
 * completion ring, which is what ports are concerned with.
 *
 * A port that waits has each attached connection's bell (connection_bell) in its epoll set and
 * calls connection_drain when it is readable or has hung up: that reads the pipe, disarms, empties
 * the ring into the ports (port_deliver, to whichever port each completion was registered with,
 * from whichever thread drains), arms, and looks again. So after it returned true the next entry
 * makes the bell readable. A port drains its connections once itself before it first sleeps.
 *
 * A thread that is awake may take from the ring without all that (connection_take): it neither
 * reads the bell nor arms, so whatever the bell has to say stays there for the next drain.
 *
 * Lock order: connection, then port: port_attach, port_detach and port_deliver are called with the
 * connection's ring lock held, so no port lock may be held by a caller of connection_drain.
 */
#ifndef CLIENT_CONNECTION_H
#define CLIENT_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <IOKit/IOTypes.h>
#include <mach/kern_return.h>

struct connection;

void connection_retain(struct connection *connection);
void connection_release(struct connection *connection);

/*
 * The descriptor to poll: readable after the host has put a completion into an armed ring, hung up
 * when the host has gone. Borrowed; open for as long as the connection is retained and this process
 * is no forked child.
 */
int connection_bell(const struct connection *connection);

/* The registry id of the service that it is to. */
uint64_t connection_service(const struct connection *connection);
/*
 * This process's connections to a service (0: to any), each with a reference, in an array that the
 * caller frees. NULL, and 0 of them, without memory.
 */
struct connection **connections_copy(uint64_t service, size_t *ret_count);

/*
 * Delivers what is in the ring and arms it. False: the connection has ended and everything was
 * delivered; take its bell out of the epoll set. Any thread, never blocks.
 */
bool connection_drain(struct connection *connection);

/* Whether there seems to be something in the ring. Any thread; a hint that the host may falsify. */
bool connection_is_due(const struct connection *connection);
/* For how long looking again and again helps, instead of sleeping, in ns; 0: not. Any thread. */
uint64_t connection_spin_budget(const struct connection *connection);
/*
 * Delivers what is in the ring and makes no system call for it. False: there was nothing, or it
 * takes a drain to see why. Any thread, never blocks; a connection of this process.
 */
bool connection_take(struct connection *connection);

#endif
