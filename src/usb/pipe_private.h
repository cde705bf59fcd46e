/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the three files of a pipe share: its state, and the records of its transfers.
 *
 * A request is the record of one transfer. It is in one list at a time:
 *
 *	outstanding	in order of submission: waiting for room, with the backend, or finished
 *			behind one that is not
 *	ready		finished, and all before it too: its callback may be posted
 *	posted		its callback is on its queue, or runs
 *	unused		kept for the next transfer, so that a stream allocates nothing
 *
 * A transfer that is longer than the backend takes at once goes in pieces, one after the other;
 * those behind it wait until its last piece is with the backend.
 *
 * From `outstanding` on a request holds a reference on the action and the memory, and as long as
 * there are any of them the pipe holds itself.
 */
#ifndef USB_PIPE_PRIVATE_H
#define USB_PIPE_PRIVATE_H

#include "action.h"
#include "pipe.h"
#include "recorder.h"

enum pipe_state { PIPE_WAITING, PIPE_SUBMITTED, PIPE_FINISHED, PIPE_RETURNED };

struct pipe_request {
	struct usb_transfer transfer; /* first: done() casts */
	struct action_call call;
	TAILQ_ENTRY(pipe_request) link; /* [pipe] */
	IOUSBHostPipe *pipe;
	OSAction *action; /* NULL: somebody waits for it in IO */
	IOMemoryDescriptor *memory;
	IOMemoryDescriptor *frame_list; /* of an isochronous transfer; else NULL */
	bool is_bundled;
	uint32_t slot;		     /* of the ring, if is_bundled */
	struct pipe_request *bundle; /* [pipe] the next one of the same callback */
	uint8_t *data;		     /* of the whole transfer, of which one piece is underway */
	uint32_t length;
	uint32_t moved;	   /* [pipe] by pieces before this one */
	uint64_t deadline; /* [pipe] ns, of all its pieces; 0: none, or not begun */
	uint32_t timeout;
	uint8_t flags;
	uint64_t number;       /* in order of submission, from 1 */
	uint64_t began;	       /* ns, if that was recorded; else 0 */
	enum pipe_state state; /* [pipe] */
	IOReturn abort_status; /* [pipe] with which it was aborted; 0: it was not */
	pthread_t thread;      /* that runs the callback, if is_running */
	_Atomic bool is_running;
};

TAILQ_HEAD(pipe_requests, pipe_request);

struct IOUSBHostPipe_IVars {
	struct usb_port *port;			      /* [const] */
	IOUSBStandardEndpointDescriptors descriptors; /* [const] */
	uint8_t address;			      /* [const] */
	uint8_t type;				      /* [const] */
	uint8_t interface;			      /* [const] */
	uint32_t transfer_max; /* [const] bytes that the backend takes at once */
	IOUSBHostPipe *self;   /* [const] */
	/* Held for the backend's operations on the endpoint: in the order of the calls. */
	pthread_mutex_t submitting;
	pthread_mutex_t lock;
	pthread_cond_t returned; /* [lock] a request of IO has ended */
	struct pipe_requests outstanding, ready, posted, unused; /* [lock] */
	uint64_t last_number;					 /* [submitting, lock] */
	struct recorder_place place;
	/* [lock] to change: number of the one whose callback may be running inline; 0 */
	_Atomic uint64_t entering;
	unsigned held;	    /* [lock] requests that are not unused, which hold the pipe together */
	unsigned waiting;   /* [lock] outstanding ones that the backend had no room for */
	unsigned submitted; /* [lock] those that the backend has */
	bool in_pieces;	    /* [lock] one of which there is more to come has a piece there */
	unsigned waiters;   /* [lock] threads in a synchronous abort */
	IOMemoryDescriptor **ring; /* [lock] NULL: none yet */
	uint32_t ring_size;	   /* [lock] */
	bool posting;		   /* [lock] */
	bool halted;		   /* [submitting, lock] to change */
	bool closed;		   /* [submitting, lock] to change */
};

static inline struct IOUSBHostPipe_IVars *
pipe_ivars(IOUSBHostPipe *pipe)
{
	return OSObjectIVars(IOUSBHostPipe, pipe);
}

/* What a transfer is made of. */
struct pipe_io {
	IOMemoryDescriptor *memory;
	uint32_t length;
	OSAction *action; /* NULL: the caller waits, by pipe_await_take */
	uint32_t timeout;
	uint8_t flags;
	IOMemoryDescriptor *frame_list; /* isochronous transfers */
	struct usb_packet *packets;	/* the same; from malloc, taken on success */
	uint32_t packet_count;
	bool is_bundled;
	uint32_t slot;
};

IOReturn pipe_begin(IOUSBHostPipe *object, const struct pipe_io *io,
		    struct pipe_request **ret_request);
/*
 * The same for 1 to kIOUSBHostPipeBundlingMax, in this order. How many were begun, which are the
 * first of them; *ret_res: why not the next, if not all. `requests` has room for all.
 */
unsigned pipe_begin_all(IOUSBHostPipe *object, const struct pipe_io *ios, unsigned count,
			struct pipe_request **requests, IOReturn *ret_res);
IOReturn pipe_await_take(struct pipe_request *request, uint32_t *ret_actual);

/*
 * Asks for the end of all that is outstanding. The newest first: an older one that ends must not
 * let a newer one begin. [submitting]
 */
void pipe_abort_locked(struct IOUSBHostPipe_IVars *pipe, IOReturn status);
/* Finished ones at the front of `outstanding` may be answered. */
void pipe_settle_locked(struct IOUSBHostPipe_IVars *pipe);
/* Ends one that never reached the backend. [submitting] */
void pipe_drop_locked(struct IOUSBHostPipe_IVars *pipe, struct pipe_request *request,
		      IOReturn status);
/* Lets go of memory and packets. */
void pipe_free_parts(struct pipe_request *request);
/* Writes the results of an isochronous transfer where its caller finds them. */
void pipe_report_frames(const struct pipe_request *request);
/* Calls back for a request and those of its bundle. */
void pipe_deliver_bundle(const struct pipe_request *request, OSObject *target,
			 action_function function);
/* Whether `next` can be told with the same callback as `last`, which is the count-th of its bundle.
 */
bool pipe_bundles_locked(const struct IOUSBHostPipe_IVars *pipe, const struct pipe_request *last,
			 unsigned count, const struct pipe_request *next);
void pipe_free_ring(struct IOUSBHostPipe_IVars *pipe);

/* A request is no longer one of those that hold the pipe. True: the caller releases that. */
bool pipe_put_locked(struct IOUSBHostPipe_IVars *pipe, struct pipe_request *request);

/* The callback of a request, for its action_call. */
void pipe_deliver(struct action_call *call, OSObject *target, action_function function);
void pipe_called(struct action_call *call);

/* A log line about a caller's mistake; kIOReturnBadArgument. */
IOReturn pipe_refuse(const char *what);
/* Ends the transfers there are, and perhaps accepts no more; wait: for their callbacks, too. */
void pipe_end(struct IOUSBHostPipe_IVars *pipe, IOReturn status, bool close, bool wait);

#endif
