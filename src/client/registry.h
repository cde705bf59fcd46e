/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry, as an app sees it: look-ups and opens over one socket, which is connected at the
 * first use and again whenever it broke. Any thread; requests take their turn.
 */
#ifndef CLIENT_REGISTRY_H
#define CLIENT_REGISTRY_H

#include "packets.h"
#include "registry_names.h"

#include <stddef.h>
#include <stdint.h>

#include <DriverKit/OSCollections.h>

/*
 * The oldest service that matches. kIOReturnNotFound: none. kIOReturnNotReady: no registry can be
 * reached, a few seconds after asking for one that is being restarted.
 */
IOReturn registry_lookup(OSDictionary *matching, uint64_t *ret_id);
/* All of them, oldest first; none is success. The caller frees *ret_ids, which may be NULL. */
IOReturn registry_lookup_all(OSDictionary *matching, uint64_t **ret_ids, size_t *ret_count);
/* The entries that stand in that relation to this one; the same. */
IOReturn registry_entries(uint64_t id, enum plane plane, enum entry_relation relation,
			  uint64_t **ret_ids, size_t *ret_count);
/* What an entry is (PROTOCOL.md 4); the caller releases it. */
IOReturn registry_describe(uint64_t id, enum plane plane, OSDictionary **ret_description);
/* The properties of a service; the caller releases them. kIOReturnNotFound: it has gone. */
IOReturn registry_copy_properties(uint64_t id, OSDictionary **ret_properties);
/* The app's end of a new connection to the service's host; the first packet on it is READY. */
IOReturn registry_open(uint64_t id, uint32_t type, int *ret_socket);

/* Says in the log why there is none; what an app gets to see: kIOReturnNotReady, or `status`. */
IOReturn registry_unreachable(IOReturn status);

/* In a forked child: forgets the socket, without locks. */
void registry_fork_child(void);

#endif
