/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The completion that comes with an asynchronous call: an OSAction that knows its connection and
 * the app's registration there. When its last reference goes, the app is told that the registration
 * is free.
 */
#ifndef DRIVER_COMPLETION_H
#define DRIVER_COMPLETION_H

#include <DriverKit/IOUserClient.h>

struct connection;

/* +1. The registration is alive from now on (connection_register was called for it). */
IOReturn completion_create(IOUserClient *client, struct connection *connection, uint32_t index,
			   uint32_t generation, OSAction **ret_action);
/* IOUserClient_AsyncCompletion after its own checks. */
kern_return_t completion_send(IOUserClient *self, OSAction *action, IOReturn status,
			      const uint64_t *arguments, uint32_t count);
/*
 * The method that it came with has returned success: it is to be completed. Of one that never is,
 * the witness hears. Before the call's own reference goes.
 */
void completion_promise(OSAction *action, uint32_t selector);
/* Tells the app to look, see connection_notify. `action` was made by completion_create. */
void completion_notify(OSAction *action);

#endif
