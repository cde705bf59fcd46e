/* SPDX-License-Identifier: Apache-2.0 */
/* What a driver asks for while its method runs: memory of this process, by address. */
#ifndef CLIENT_QUESTION_H
#define CLIENT_QUESTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <DriverKit/IOReturn.h>

struct call_request;
struct connection;

/*
 * After an answer with CALL_ASKS: sends CLIENT_MEMORY, with a status where the memory is not to be
 * had, and moves request->generation on. The structure is the call's input, which may name memory.
 * kIOReturnIPCError: the host broke a rule, and the connection has ended. kIOReturnTimeout: the
 * deadline (0: there is none) has passed, and the slot is abandoned. Or the connection has ended.
 */
IOReturn question_answer(struct connection *connection, unsigned slot, struct call_request *request,
			 const void *structure, size_t size, uint64_t deadline);

/*
 * The same for a question that came when its caller had gone: nothing is handed out. Does not wait:
 * false if it could not be sent now.
 */
bool question_refuse(struct connection *connection, unsigned slot);

#endif
