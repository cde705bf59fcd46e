/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPENDEXT_MACH_MACH_INIT_H
#define OPENDEXT_MACH_MACH_INIT_H

#include <dext_cdefs.h>
#include <mach/vm_page_size.h>
#include <mach/vm_types.h>

DEXT_BEGIN_DECLS

extern const mach_port_t mach_task_self_;
#define mach_task_self() mach_task_self_
#define current_task()	 mach_task_self()

/* For IOMainPort, which takes any. */
extern mach_port_t bootstrap_port;

DEXT_END_DECLS

#endif
