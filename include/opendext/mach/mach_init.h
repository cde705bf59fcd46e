/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPENDEXT_MACH_MACH_INIT_H
#define OPENDEXT_MACH_MACH_INIT_H

#include <dext_cdefs.h>
#include <mach/vm_types.h>

DEXT_BEGIN_DECLS

extern const mach_port_t mach_task_self_;
#define mach_task_self() mach_task_self_
#define current_task()	 mach_task_self()

/* Set before main. */
extern vm_size_t vm_page_size;
extern vm_size_t vm_page_mask;
extern int vm_page_shift;

DEXT_END_DECLS

#endif
