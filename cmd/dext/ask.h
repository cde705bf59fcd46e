/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to a running registry, for subcommands that look at the tree rather than open services.
 */
#ifndef DEXT_ASK_H
#define DEXT_ASK_H

#include <stddef.h>
#include <stdint.h>

#include <DriverKit/OSCollections.h>

struct ask; /* a connection to the registry */

/*
 * Connects to the first registry that accepts: the one of OPENDEXT_RUNTIME_DIR where that is set,
 * else /run/opendext, else XDG_RUNTIME_DIR/opendext. `where` tells which was tried last.
 */
IOReturn ask_open(struct ask **ret_ask, char *where, size_t size);
void ask_close(struct ask *ask);

/* The ids that match, oldest first; the caller frees them. */
IOReturn ask_ids(struct ask *ask, const OSDictionary *matching, uint64_t **ret_ids,
		 size_t *ret_count);
/* The caller releases them. kIOReturnNotFound: it has gone meanwhile. */
IOReturn ask_properties(struct ask *ask, uint64_t id, OSDictionary **ret_properties);

#endif
