/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a port share: port.c, port_receive.c. */
#ifndef CLIENT_PORT_PRIVATE_H
#define CLIENT_PORT_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "port.h"
#include "spin.h"

#define FLAG_ID 0u /* of the eventfd, in the epoll set */
#define HUB_ID	UINT64_MAX

/* A connection that the port listens to. */
struct feed {
	struct connection *connection; /* +1 */
	uint64_t id;		       /* in the epoll set */
	uint32_t attached;	       /* times */
	bool fresh;		       /* not drained yet, so not armed */
};

struct port {
	/* Pairs with itself: acquire on the last release, so that the end sees every use. */
	_Atomic uint32_t references;
	unsigned generation; /* [const] of port_table_generation */
	mach_port_t name;    /* [const] */
	int epoll;	     /* [const] */
	int flag;	     /* [const] */
	pthread_mutex_t lock;
	bool closed;  /* [lock] */
	bool raised;  /* [lock] the flag is up */
	bool starved; /* [lock] a delivery was refused: its connection waits to be drained */
	uint32_t send_rights; /* [lock] */
	struct feed *feeds;   /* [lock] */
	uint32_t feed_count;  /* [lock] */
	uint32_t feed_size;   /* [lock] */
	uint64_t last_id;     /* [lock] */
	uint32_t takes;	      /* [lock] since the set was looked at */
	struct spin_backoff spin;
	struct {
		int descriptor;
		void (*drain)(void);
		uint32_t attached; /* times */
		bool fresh;	   /* something there was refused, and there is room again */
	} hub;			   /* [lock] */
	/* [lock] The queue: a ring of `size` messages, `used` of them from `first` on. */
	struct port_message *messages;
	uint32_t first, used, size;
	uint32_t used_by_queues; /* [lock] messages of data queues among them */
};

/* The port that this thread drains connections for. */
extern __thread const struct port *port_gathering;

struct feed *port_find_locked(struct port *port, const struct connection *connection);
/* Takes a feed out and hands its connection's reference to the caller. */
struct connection *port_remove_locked(struct port *port, struct feed *feed);
/* As port_take, of what is in the queue; kIOReturnMessageTooLarge as port_wait. */
IOReturn port_pop(struct port *port, int most, struct port_message *ret_message);

#endif
