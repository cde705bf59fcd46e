/* SPDX-License-Identifier: Apache-2.0 */
/* Calls over the call page: one request, one answer. */
#ifndef CLIENT_SLOTS_H
#define CLIENT_SLOTS_H

#include "connection_private.h"

/*
 * A free slot, in the order of asking; waits while all are in use. kIOReturnAborted,
 * kIOReturnOffline: the connection ended meanwhile.
 */
IOReturn slot_take(struct connection *connection, uint64_t deadline, unsigned *ret_slot,
		   uint32_t *ret_generation);
/* For a slot that was answered, or never submitted. */
void slot_give_back(struct connection *connection, unsigned slot);

/*
 * Submits the request that was written to the slot and waits for the answer, of which *ret_reply is
 * a checked copy. The status is the reply's, or that of the connection: then the slot is lost with
 * it, and *ret_answered is false. kIOReturnTimeout: after the deadline (0: there is none) the
 * answer has not come; the slot is taken back when it does. MACH_SEND_INVALID_DEST: the host had
 * gone before.
 */
IOReturn slot_call(struct connection *connection, unsigned slot, const struct call_request *request,
		   uint64_t deadline, struct call_reply *ret_reply, bool *ret_answered);

/*
 * The rest of it, for a request that was submitted. An answer with CALL_ASKS is not the last: the
 * caller answers the question, sets request->generation to slot_next_generation and waits again.
 */
IOReturn slot_await(struct connection *connection, unsigned slot,
		    const struct call_request *request, uint64_t deadline,
		    struct call_reply *ret_reply, bool *ret_answered);
/* The caller gives up, with kIOReturnTimeout: the slot is taken back when its answer has come. */
void slot_abandon(struct connection *connection, unsigned slot);
uint32_t slot_next_generation(struct connection *connection, unsigned slot);

#endif
