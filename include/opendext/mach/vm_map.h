/* SPDX-License-Identifier: Apache-2.0 */
/* vm_allocate and vm_deallocate: mach_vm_allocate and mach_vm_deallocate with native sizes. */
#ifndef OPENDEXT_MACH_VM_MAP_H
#define OPENDEXT_MACH_VM_MAP_H

#include <dext_cdefs.h>
#include <mach/kern_return.h>
#include <mach/vm_statistics.h>
#include <mach/vm_types.h>

DEXT_BEGIN_DECLS

/* Ownership, units and errors are those of mach_vm_allocate and mach_vm_deallocate. */
kern_return_t vm_allocate(vm_map_t target, vm_address_t *address, vm_size_t size, int flags);
kern_return_t vm_deallocate(vm_map_t target, vm_address_t address, vm_size_t size);

DEXT_END_DECLS

#endif
