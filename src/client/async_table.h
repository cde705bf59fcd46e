/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The completions that a connection has registered. Only {index, generation} travels; the port and
 * the reference words, which hold the app's function pointers, stay here. An index is used again
 * with the next generation once the host has released it.
 *
 * Not locked: its connection's lock guards it. It holds one reference on each registration's port
 * and keeps the port attached to its connection (port_attach, port_detach: they count).
 */
#ifndef CLIENT_ASYNC_TABLE_H
#define CLIENT_ASYNC_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include <DriverKit/IOReturn.h>

#define ASYNC_REFERENCES_MAX 8u /* kOSAsyncRef64Count */

struct port;

struct async_registration {
	struct port *port;			  /* +1 */
	uint64_t reference[ASYNC_REFERENCES_MAX]; /* as the app gave it, the rest zero */
	uint64_t queue; /* not 0: of a data queue, see struct port_message */
};

struct async_entry;

struct async_table {
	struct async_entry *entries; /* grows up to DEXT_LIMIT_ASYNC */
	uint32_t size;
	uint32_t first_free; /* index + 1; 0: none */
	uint32_t used;
};

/*
 * Takes the registration's port reference on success. kIOReturnNoResources: DEXT_LIMIT_ASYNC is
 * reached. kIOReturnNoMemory.
 */
IOReturn async_table_add(struct async_table *table, const struct async_registration *registration,
			 uint32_t *ret_index, uint32_t *ret_generation);
/* The registration, borrowed; NULL if there is none of that pair. */
const struct async_registration *async_table_get(const struct async_table *table, uint32_t index,
						 uint32_t generation);
/* Hands the registration, with its port reference, back. False if there is none of that pair. */
bool async_table_remove(struct async_table *table, uint32_t index, uint32_t generation,
			struct async_registration *ret_registration);
/* The next registration, any; for the end of a connection. False: the table is empty. */
bool async_table_remove_any(struct async_table *table, struct async_registration *ret_registration);
/* The first from *index on, which goes behind it; NULL: there is none. */
const struct async_registration *async_table_next(const struct async_table *table, uint32_t *index);
void async_table_free(struct async_table *table); /* which must be empty */

#endif
