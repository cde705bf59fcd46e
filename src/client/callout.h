/* SPDX-License-Identifier: Apache-2.0 */
/* Calling the app back: the one place where a reference word becomes a function. */
#ifndef CLIENT_CALLOUT_H
#define CLIENT_CALLOUT_H

#include "port.h"

#include <mach/message.h>

/* Calls the function that the message names; one without is dropped with a log line. */
void callout_run(const struct port_message *message);

/* The longest message, and its trailer. */
#define CALLOUT_MESSAGE_MAX 228u

/* Writes the message as mach_msg hands it out; returns its bytes. */
mach_msg_size_t callout_encode(const struct port_message *message, mach_port_t port,
			       uint8_t ret_bytes[static CALLOUT_MESSAGE_MAX]);
/* How many arguments a message of so many bytes has room for; -1: a head alone; -2: not even that.
 */
int callout_room(mach_msg_size_t size);
/* And back. False: it is none, or its size does not fit. The bytes need no alignment. */
bool callout_decode(const void *bytes, struct port_message *ret_message);

#endif
