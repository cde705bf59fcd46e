/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data queues among the memory that this process has mapped, by address: an app's IODataQueue
 * functions get a pointer and nothing else.
 */
#ifndef CLIENT_QUEUES_H
#define CLIENT_QUEUES_H

#include <stdbool.h>
#include <stdint.h>

#include "data_queue.h"
#include "shared_ring.h"

struct connection;

/* What is known of a queue, from the mapping alone. */
struct queue_ends {
	struct data_queue queue;
	struct connection *connection; /* +1, or NULL: memory of the app's own */
	bool read_only;		       /* nothing can be put in or taken out */
	bool linked;		       /* the host knows it as a queue: it is to be rung */
	bool overran;		       /* the last Enqueue found no room */
};

/*
 * Memory of a connection; layout: CALL_QUEUE_x, or 0 if the host does not know it as a queue, which
 * it may be all the same. kIOReturnNoMemory.
 */
IOReturn queues_add(struct connection *connection, void *address, uint64_t length, bool read_only,
		    uint32_t layout);
void queues_remove(void *address);

/*
 * The queue at an address that the app names. Memory that is not of a connection is taken to be a
 * classic queue of the app's own, and its queueSize to be true. kIOReturnError: there can be no
 * queue; MACH_SEND_INVALID_DEST: it is of a connection that the process was forked away from.
 */
IOReturn queues_find(void *address, struct queue_ends *ret_ends);
/* The shape of the rings there. kIOReturnUnsupported: it is none that can be written. */
IOReturn queues_find_ring(void *address, struct shared_ring_shape *ret_shape);
void queue_ends_release(struct queue_ends *ends);
/* What the next queues_find says of `overran`. */
void queues_set_overran(const struct queue_ends *ends, bool overran);

/* Around fork. */
void queues_fork_prepare(void);
void queues_fork_done(void);

#endif
