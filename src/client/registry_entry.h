/* SPDX-License-Identifier: Apache-2.0 */
/* What the files with the registry's public functions share. */
#ifndef CLIENT_REGISTRY_ENTRY_H
#define CLIENT_REGISTRY_ENTRY_H

#include "packets.h"
#include "registry_names.h"

#include <IOKit/IOTypes.h>

/* The id of an entry's name; if it is none, a log line and object_refusal. */
IOReturn entry_get(const char *function, io_registry_entry_t entry, uint64_t *ret_id);
/* A name for an iterator over what stands in that relation to the entry. */
IOReturn entry_iterate(uint64_t id, enum plane plane, enum entry_relation relation,
		       io_iterator_t *ret_name);

#endif
