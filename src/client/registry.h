/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry, as an app sees it: look-ups and opens over one socket, which is connected at the
 * first use and again whenever it broke. Any thread; requests take their turn.
 */
#ifndef CLIENT_REGISTRY_H
#define CLIENT_REGISTRY_H

#include <stdint.h>

#include <DriverKit/OSCollections.h>

/*
 * The oldest service that matches. kIOReturnNotFound: none. kIOReturnNotReady: no registry can be
 * reached, a few seconds after asking for one that is being restarted.
 */
IOReturn registry_lookup(OSDictionary *matching, uint64_t *ret_id);
/* The properties of a service; the caller releases them. kIOReturnNotFound: it has gone. */
IOReturn registry_copy_properties(uint64_t id, OSDictionary **ret_properties);
/* The app's end of a new connection to the service's host; the first packet on it is READY. */
IOReturn registry_open(uint64_t id, uint32_t type, int *ret_socket);

/* In a forked child: forgets the socket, without locks. */
void registry_fork_child(void);

#endif
