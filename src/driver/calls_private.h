/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of calls share. In the order in which a call meets them:
 *
 *	calls.c		the doorbell, who scans, what is taken from the page
 *	call_request.c	what may be asked for, structures and completions
 *	call_run.c	batches on their queues, methods, answers
 */
#ifndef DRIVER_CALLS_PRIVATE_H
#define DRIVER_CALLS_PRIVATE_H

#include "connection.h"

/* Calls that one scan has brought, in their order. */
struct batch {
	struct call *first;
	struct call **end;
	bool mixed; /* also calls that are no methods, or came too late for the user client */
};

static inline void
batch_append(struct batch *batch, struct call *call)
{
	if (batch->first == NULL)
		batch->end = &batch->first;
	call->next = NULL;
	*batch->end = call;
	batch->end = &call->next;
	batch->mixed |= call->client == NULL || call->request.operation != CALL_METHOD;
}

/* The user client's, +1 each; `others` is not if it is the same. */
struct queues {
	IODispatchQueue *methods, *others;
};

/* calls.c */
/*
 * Before the last answer of a batch, if the app runs on this CPU, where the answer may put it in
 * this thread's place at once: then its next call is found by this thread, and no other one is
 * woken for it. True: calls_look_after_hold is due right after the answer.
 */
bool calls_hold(struct connection *connection);
void calls_look_after_hold(struct connection *connection);

/* call_request.c */
/* The rule of PROTOCOL.md, "Call page", that the request breaks, or NULL. */
const char *call_broken_rule(const struct call_request *request);
/* The inline input structure, into the slot's own object if nobody has kept it. */
IOReturn call_copy_structure(struct call *call);
/* *ret_rule: the rule that was broken; else it is left alone. */
IOReturn call_make_completion(struct call *call, const char **ret_rule);

/* call_run.c */
/*
 * Methods on their queue, the others on the Default one; nothing waits for a method's end. Releases
 * the queues.
 */
void calls_start(struct batch *batch, const struct queues *queues);

#endif
