/* SPDX-License-Identifier: Apache-2.0 */
/* Names for kinds of ports. The only task is mach_task_self(); of the others there are none. */
#ifndef OPENDEXT_MACH_MACH_TYPES_H
#define OPENDEXT_MACH_MACH_TYPES_H

#include <mach/clock_types.h>
#include <mach/kern_return.h>
#include <mach/message.h>
#include <mach/port.h>
#include <mach/vm_prot.h>
#include <mach/vm_statistics.h>
#include <mach/vm_types.h>

typedef mach_port_t task_name_t;
typedef mach_port_t thread_t;
typedef mach_port_t thread_act_t;
typedef mach_port_t host_t;
typedef mach_port_t host_name_t;
typedef mach_port_t clock_serv_t;
typedef mach_port_t semaphore_t;

#endif
