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
 * Writes the request to the slot and submits it. MACH_SEND_INVALID_DEST: the host had gone before,
 * and the slot is lost with the connection.
 */
IOReturn slot_submit(struct connection *connection, unsigned slot,
		     const struct call_request *request);

/*
 * Waits for the answer to it, of which *ret_reply is a checked copy, but for the scalars
 * (slot_copy_scalars). The status is the reply's, or that of the connection: then the slot is lost
 * with it, and *ret_answered is false. kIOReturnTimeout: after the deadline (0: there is none) the
 * answer has not come; the slot is taken back when it does.
 *
 * An answer with CALL_ASKS is not the last: the caller answers the question, sets
 * request->generation to slot_next_generation and waits again.
 */
IOReturn slot_await(struct connection *connection, unsigned slot,
		    const struct call_request *request, uint64_t deadline,
		    struct call_reply *ret_reply, bool *ret_answered);
/* Both, for a call that no question is asked of. */
IOReturn slot_call(struct connection *connection, unsigned slot, const struct call_request *request,
		   uint64_t deadline, struct call_reply *ret_reply, bool *ret_answered);
/* Those of a last answer, of which *reply is the copy. Before the slot is given back. */
void slot_copy_scalars(const struct connection *connection, unsigned slot,
		       const struct call_reply *reply, uint64_t *ret_scalars);
/* The caller gives up, with kIOReturnTimeout: the slot is taken back when its answer has come. */
void slot_abandon(struct connection *connection, unsigned slot);
uint32_t slot_next_generation(struct connection *connection, unsigned slot);

#endif
