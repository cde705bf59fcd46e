/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of this process's ports. A name is used again only after 65,536 others had its place,
 * so a stale one is found out.
 */
#ifndef CLIENT_PORT_TABLE_H
#define CLIENT_PORT_TABLE_H

#include <stdbool.h>

#include <DriverKit/IOReturn.h>
#include <mach/port.h>

struct port;

/*
 * How often this process was forked off another that had ports already: a port of another
 * generation is its parent's, and nobody touches its lock or its descriptors' sets.
 */
unsigned port_table_generation(void);

/* Takes a reference of its own. kIOReturnNoMemory; kIOReturnNoResources: no name is free. */
IOReturn port_table_add(struct port *port, mach_port_t *ret_name);
/* Gives that reference up. False: somebody else did already. */
bool port_table_remove(mach_port_t name);
/* The port of that name, with a reference; NULL if there is none, or it is the parent's. */
struct port *port_table_copy(mach_port_t name);

#endif
