/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers that apps hold as mach_port_t. One flat space, as on macOS; the low two bits tell
 * whose table a name is looked up in, so that a port is never taken for a service.
 */
#ifndef CLIENT_NAMES_H
#define CLIENT_NAMES_H

#include <mach/port.h>

enum name_kind {
	NAME_TASK = 2,	 /* mach_task_self, the main port and the bootstrap port */
	NAME_OBJECT = 1, /* services, connections, iterators: object_table.h */
	NAME_PORT = 3,	 /* receive rights: port.h */
};

#define NAME_KIND_MASK	   3u
#define NAME_KIND_BITS	   2
#define NAME_TASK_SELF	   0x102u
#define NAME_MAIN	   0x202u
#define NAME_BOOTSTRAP	   0x302u
#define name_kind_of(name) ((name)&NAME_KIND_MASK)

#endif
