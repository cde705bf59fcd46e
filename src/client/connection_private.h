/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a connection, for the files that make it up: connection.c (life), ring.c
 * (completions), slots.c and call.c (calls), map.c (mapped memory), large.c (large structures).
 *
 * Locks of a connection, none of which is held while another is taken but where said: slot_lock;
 * ring_lock (port locks are taken under it); map_lock (held over a whole map call, so slot_lock is
 * taken under it); large_lock (the sharing lock is taken under it).
 */
#ifndef CLIENT_CONNECTION_PRIVATE_H
#define CLIENT_CONNECTION_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "async_table.h"
#include "call_page.h"
#include "connection.h"

struct client_map;
struct packet;
struct packet_header;
struct slot_waiter;

enum connection_state {
	CONNECTION_OPEN,
	CONNECTION_BROKEN, /* the host has gone or broke a rule; mappings stay */
	CONNECTION_CLOSED, /* by the app */
};

struct connection {
	_Atomic uint32_t references;
	_Atomic uint32_t state;
	uint32_t epoch;	  /* [const] fork_epoch() at birth */
	uint64_t service; /* [const] registry id */
	int socket;	  /* [const], as the other two; -1 in a forked child */
	int doorbell;
	int bell;
	struct call_page_client client; /* its lower part: [ring_lock] */
	_Atomic uint64_t checked;	/* clock_recent() of the last look at the socket */
	_Atomic uint64_t timeout;	/* ns that a method has; 0: for ever */
	_Atomic uint32_t sleeps;	/* of callers, until it is watched */
	_Atomic bool watched;		/* its end wakes them: hangups.h */

	pthread_mutex_t slot_lock;
	_Atomic uint64_t free_slots;   /* bits */
	_Atomic uint64_t abandoned;    /* bits: the caller has gone, the answer has not come */
	_Atomic uint32_t slot_waiters; /* written with slot_lock */
	uint32_t generation[CALL_PAGE_SLOTS]; /* [who has the slot] of its last use */
	struct slot_waiter *first_waiter;     /* [slot_lock] */
	struct slot_waiter *last_waiter;      /* [slot_lock] */

	pthread_mutex_t ring_lock;
	struct async_table async;  /* [ring_lock] */
	struct completion stalled; /* [ring_lock] taken out, but its port is full */
	bool has_stalled;	   /* [ring_lock] */

	pthread_mutex_t map_lock;
	struct client_map *maps; /* [map_lock] */
	struct packet *packet;	 /* [map_lock] the last one received */

	struct connection *next; /* [list] all connections of the process */
	struct connection *previous;
};

/* The host's answer to IOServiceOpen: takes the socket on every path. */
IOReturn connection_open_take(int socket, uint64_t service, struct connection **ret_connection);

/*
 * Ends the connection for the app: gives back everything that it holds, tells the host and waits
 * for it, at most a second. Calls in flight return. Once; the references stay.
 */
void connection_close(struct connection *connection);

/* Whether it was opened before a fork and this is the child: then touch nothing of it. */
bool connection_is_inherited(const struct connection *connection);

/* Rings the host, which has something to find besides calls, unless it is awake. */
void connection_ring(struct connection *connection);

/* kIOReturnSuccess, or what a new call on it returns: MACH_SEND_INVALID_DEST. */
IOReturn connection_status(const struct connection *connection);
/* What a call that was in flight returns now: kIOReturnOffline, kIOReturnAborted; success: go on.
 */
IOReturn connection_pending_status(const struct connection *connection);

/* Looks at the socket: false, and the connection is broken, if the host has gone. */
bool connection_check(struct connection *connection);
/* The same of all that are watched. */
void connections_check(void);
/* The host broke a rule: ends it with a log line. Returns kIOReturnIPCError. */
IOReturn connection_break(struct connection *connection, const char *rule);

/*
 * Sends a packet; waits for room in the socket, in steps, until the deadline (0: there is none) or
 * the connection's end. kIOReturnTimeout, the status of connection_pending_status, or that of
 * packet_send.
 */
IOReturn connection_send(struct connection *connection, struct packet_header *header,
			 const void *body, size_t length, const int *fds, unsigned fd_count,
			 uint64_t deadline);

/* How many ns a step of a wait takes, which ends at the deadline, if there is one; without one the
 * clock is not looked at. 0: it is past. */
uint64_t connection_step(uint64_t deadline);
/* The clock_now time at which such a step ends that begins now. */
uint64_t connection_step_end(uint64_t deadline);

/* async registrations, ring.c */
IOReturn ring_register(struct connection *connection, struct port *port, const uint64_t *reference,
		       uint32_t reference_count, uint32_t *ret_index, uint32_t *ret_generation);
/* The same for the notifications of a data queue. */
IOReturn ring_register_queue(struct connection *connection, struct port *port, uint32_t *ret_index,
			     uint32_t *ret_generation);
/* For a call that never reached the host. */
void ring_unregister(struct connection *connection, uint32_t index, uint32_t generation);
void ring_forget_all(struct connection *connection);

/*
 * Around fork. In the child all descriptors of all connections are closed.
 */
void connections_fork_prepare(void);
void connections_fork_parent(void);
void connections_fork_child(void);

#endif
