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
 * From `outstanding` on a request holds a reference on the pipe, the action and the memory.
 */
#ifndef USB_PIPE_PRIVATE_H
#define USB_PIPE_PRIVATE_H

#include "action.h"
#include "pipe.h"

enum pipe_state { PIPE_WAITING, PIPE_SUBMITTED, PIPE_FINISHED, PIPE_RETURNED };

struct pipe_request {
	struct usb_transfer transfer; /* first: done() casts */
	struct action_call call;
	TAILQ_ENTRY(pipe_request) link; /* [pipe] */
	IOUSBHostPipe *pipe;
	OSAction *action; /* NULL: somebody waits for it in IO */
	IOMemoryDescriptor *memory;
	uint64_t number;       /* in order of submission, from 1 */
	enum pipe_state state; /* [pipe] */
	IOReturn abort_status; /* [pipe] with which it was aborted; 0: it was not */
	pthread_t thread;      /* [pipe] that runs the callback, if is_running */
	bool is_running;       /* [pipe] */
};

TAILQ_HEAD(pipe_requests, pipe_request);

struct IOUSBHostPipe_IVars {
	struct usb_port *port;			      /* [const] */
	IOUSBStandardEndpointDescriptors descriptors; /* [const] */
	uint8_t address;			      /* [const] */
	uint8_t type;				      /* [const] */
	uint8_t interface;			      /* [const] */
	IOUSBHostPipe *self;			      /* [const] */
	pthread_mutex_t lock;
	pthread_cond_t returned; /* [lock] a request of IO has ended */
	struct pipe_requests outstanding, ready, posted, unused; /* [lock] */
	uint64_t last_number;					 /* [lock] */
	uint64_t entering;  /* [lock] number of the one whose callback may be running inline; 0 */
	unsigned waiting;   /* [lock] outstanding ones that the backend had no room for */
	unsigned submitted; /* [lock] those that the backend has */
	unsigned waiters;   /* [lock] threads in a synchronous abort */
	bool posting;	    /* [lock] */
	bool halted;	    /* [lock] */
	bool closed;	    /* [lock] */
};

static inline struct IOUSBHostPipe_IVars *
pipe_ivars(IOUSBHostPipe *pipe)
{
	return OSObjectIVars(IOUSBHostPipe, pipe);
}

/*
 * Starts a transfer, with an action to be called or, with NULL, somebody who waits for it
 * (pipe_await_take, which is given the request).
 */
IOReturn pipe_begin(IOUSBHostPipe *object, IOMemoryDescriptor *memory, uint32_t length,
		    OSAction *action, uint32_t timeout, uint8_t flags,
		    struct pipe_request **ret_request);
IOReturn pipe_await_take(struct pipe_request *request, uint32_t *ret_actual);

/*
 * Asks for the end of all that is outstanding. The newest first: an older one that ends must not
 * let a newer one begin.
 */
void pipe_abort_locked(struct IOUSBHostPipe_IVars *pipe, IOReturn status);
/* Finished ones at the front of `outstanding` may be answered. */
void pipe_settle_locked(struct IOUSBHostPipe_IVars *pipe);
/* Ends one that never reached the backend. */
void pipe_drop_locked(struct IOUSBHostPipe_IVars *pipe, struct pipe_request *request,
		      IOReturn status);
/* The callback of a request, for its action_call. */
void pipe_deliver(struct action_call *call, OSObject *target, action_function function);
void pipe_called(struct action_call *call);

/* A log line about a caller's mistake; kIOReturnBadArgument. */
IOReturn pipe_refuse(const char *what);
/* Ends the transfers there are, and perhaps accepts no more; wait: for their callbacks, too. */
void pipe_end(struct IOUSBHostPipe_IVars *pipe, IOReturn status, bool close, bool wait);

#endif
