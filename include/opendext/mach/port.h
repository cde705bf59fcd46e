/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Port names: how an app holds services, connections and ports. A number of this process and no
 * other.
 */
#ifndef OPENDEXT_MACH_PORT_H
#define OPENDEXT_MACH_PORT_H

#include <stdint.h>

#include <mach/boolean.h>
#include <mach/kern_return.h>

typedef unsigned int natural_t;
typedef int integer_t;
typedef natural_t mach_port_t;
typedef natural_t mach_port_name_t;
typedef mach_port_t task_t;
typedef mach_port_t task_port_t;
typedef mach_port_t vm_map_t;
typedef mach_port_t ipc_space_t;
typedef mach_port_name_t *mach_port_name_array_t;
typedef mach_port_t *mach_port_array_t;
typedef natural_t mach_port_right_t;
typedef natural_t mach_port_type_t;
typedef natural_t mach_port_urefs_t;
typedef integer_t mach_port_delta_t;
typedef natural_t mach_port_seqno_t;
typedef natural_t mach_port_mscount_t;
typedef natural_t mach_port_msgcount_t;

/* Of these only send and receive rights are there. */
#define MACH_PORT_RIGHT_SEND	  ((mach_port_right_t)0)
#define MACH_PORT_RIGHT_RECEIVE	  ((mach_port_right_t)1)
#define MACH_PORT_RIGHT_SEND_ONCE ((mach_port_right_t)2)
#define MACH_PORT_RIGHT_PORT_SET  ((mach_port_right_t)3)
#define MACH_PORT_RIGHT_DEAD_NAME ((mach_port_right_t)4)

#define MACH_PORT_NULL	      ((mach_port_t)0)
#define MACH_PORT_DEAD	      ((mach_port_t)~0)
#define TASK_NULL	      ((task_t)0)
#define MACH_PORT_VALID(name) ((name) != MACH_PORT_NULL && (name) != MACH_PORT_DEAD)

#endif
