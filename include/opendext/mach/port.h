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

#define MACH_PORT_NULL	      ((mach_port_t)0)
#define MACH_PORT_DEAD	      ((mach_port_t)~0)
#define TASK_NULL	      ((task_t)0)
#define MACH_PORT_VALID(name) ((name) != MACH_PORT_NULL && (name) != MACH_PORT_DEAD)

#endif
