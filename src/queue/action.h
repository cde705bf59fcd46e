/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of OSAction, and how a framework layer makes and calls one.
 *
 * The typed creators (IOUSBHostPipe_CreateActionCompleteAsyncIO, ...) pass the callback's address
 * as a generic function and a type, a static string such as "IOUSBHostPipe::CompleteAsyncIO". A
 * layer that is given an action checks the type with action_check, then, when the event has come,
 * posts it: an action_call that the layer embeds in its own record, whose `deliver` casts the
 * function back and calls it.
 */
#ifndef QUEUE_ACTION_H
#define QUEUE_ACTION_H

#include "queue.h"

#include <DriverKit/OSAction.h>

typedef void (*action_function)(void);

IOReturn action_create(OSObject *target, const char *type, action_function function,
		       size_t reference_size, OSAction **ret_action);

/*
 * The same for a subclass of OSAction, by which a layer adds instance variables; its free ends with
 * that of gOSActionMetaClass's table.
 */
IOReturn action_create_of(const OSMetaClass *metaclass, OSObject *target, const char *type,
			  action_function function, size_t reference_size, OSAction **ret_action);

/* kIOReturnBadArgument with a log line naming both types unless the action is of this type. */
IOReturn action_check(OSAction *action, const char *type);

struct action_call {
	struct work work; /* private */
	OSAction *action; /* [call] retained while posted */
	/* Calls the function; runs on the target's queue. Not called once the action is cancelled.
	 */
	void (*deliver)(struct action_call *call, OSObject *target, action_function function);
	/* Called exactly once after deliver, or instead of it; the record may be freed here. */
	void (*done)(struct action_call *call);
	struct action_call *next; /* of action_post_all_take; NULL: the last one */
};

/*
 * Retains the action until done. inline_ok: as queue_run, else queue_post. The caller holds no
 * lock. A target whose service has stopped counts as cancelled: only done is called.
 */
void action_post(OSAction *action, struct action_call *call, const void *tag, bool inline_ok);
/* The same; takes a reference to the action. */
void action_post_take(OSAction *action, struct action_call *call, const void *tag, bool inline_ok);
/*
 * The same for several, linked by `next` and in this order, whose actions the caller has set; not
 * inline. Those that go to the same queue go there at once.
 */
void action_post_all_take(struct action_call *calls, const void *tag);

bool action_is_cancelled(OSAction *action);
/* The queue on which the action's callbacks run, +1, or NULL if the target has none (then: inline).
 */
IODispatchQueue *action_copy_queue(OSAction *action);

/*
 * Another process's hold on an action (a client's completion), not that of a pipe or timer of this
 * one: when the last hold ends the aborted handler is posted, once in the action's life.
 */
void action_hold(OSAction *action);
void action_unhold(OSAction *action);

#endif
