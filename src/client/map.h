/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's memory that a connection has mapped into this process. */
#ifndef CLIENT_MAP_H
#define CLIENT_MAP_H

struct connection;

/* Unmaps all of it; map_lock is held. */
void map_remove_all_locked(struct connection *connection);
/* The same in a forked child, which inherited the mappings and takes no lock. */
void map_forget_inherited(struct connection *connection);

#endif
