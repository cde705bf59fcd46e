/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of IODispatchSource: its state, and handlers.
 *
 * A kind of source has one source_handler for each of its callbacks, in its instance variables
 * (source_handler_init), and fires it whenever there is something to call it for: from any thread,
 * as often as it likes, with no lock held. One call of a handler is posted at a time; what fires
 * while it waits or while the source is disabled is one call later on.
 */
#ifndef QUEUE_SOURCE_H
#define QUEUE_SOURCE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "action.h"

#include <DriverKit/IODispatchSource.h>

struct source_handler {
	struct action_call call;
	IODispatchSource *source; /* [const] not retained */
	const char *type;	  /* [const] of its actions */
	/* [const] Calls the function, on the target's queue. */
	void (*deliver)(struct source_handler *handler, OSObject *target, OSAction *action,
			action_function function);
	struct source_handler *next; /* [const] of the source */
	OSAction *_Atomic action;    /* [source's lock] to change or use: +1 or NULL */
	bool wanted;		     /* [source's lock] something has come that was not delivered */
	bool posted;		     /* [source's lock] the call is on its way */
	bool reached;		     /* [the call on its way] the target's queue took it */
};

struct source_cancel {
	void *context;
	void (*function)(void *context);
	struct source_cancel *next;
};

struct IODispatchSource_IVars {
	pthread_mutex_t lock;
	IODispatchQueue *queue;		 /* [const] +1 as given, NULL before */
	struct source_handler *handlers; /* [const] */
	bool disabled;			 /* [lock] */
	bool cancelled;			 /* [lock] */
	unsigned in_flight;		 /* [lock] handlers that run now */
	struct source_cancel *cancels;	 /* [lock] of Cancel, not called yet, oldest first */
	/* [const] What the kind does at Cancel, and to look for work; may be NULL. No lock held. */
	void (*cancel)(IODispatchSource *source);
	void (*check)(IODispatchSource *source, bool synchronous);
	struct mapped_source *mapped; /* [const] of the kind; NULL: it has no memory to map */
};

/* A source of that class, +1. kIOReturnNoMemory. */
IOReturn source_create(const OSMetaClass *metaclass, IODispatchQueue *queue,
		       IODispatchSource **ret_source);
/* What a kind's free ends with. */
void source_free(OSObject *source);

void source_handler_init(IODispatchSource *source, struct source_handler *handler, const char *type,
			 void (*deliver)(struct source_handler *handler, OSObject *target,
					 OSAction *action, action_function function));
/* kIOReturnBadArgument: of another type; kIOReturnUnsupported: the source is cancelled. */
IOReturn source_handler_set(struct source_handler *handler, OSAction *action);
/* +1. kIOReturnNotFound. */
IOReturn source_handler_copy(struct source_handler *handler, OSAction **ret_action);
bool source_handler_is_set(struct source_handler *handler);
/* inline_ok: in this thread if the queue of the handler's target is idle. */
void source_handler_fire(struct source_handler *handler, bool inline_ok);

bool source_is_cancelled(IODispatchSource *source);

#endif
