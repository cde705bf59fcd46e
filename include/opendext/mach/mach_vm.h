/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zeroed memory that a driver can share without a copy: pass its address to
 * IOConnectCallStructMethod (more than 4096 bytes) and the driver's descriptor is these very pages.
 */
#ifndef OPENDEXT_MACH_MACH_VM_H
#define OPENDEXT_MACH_MACH_VM_H

#include <dext_cdefs.h>
#include <mach/kern_return.h>
#include <mach/vm_statistics.h>
#include <mach/vm_types.h>

DEXT_BEGIN_DECLS

/*
 * `size` is rounded up to pages. KERN_INVALID_ARGUMENT: size 0, an unknown flag, a task other than
 * mach_task_self(), or a fixed address that is no multiple of a page. KERN_NO_SPACE: the fixed
 * address is taken. KERN_RESOURCE_SHORTAGE: no memory or descriptors.
 */
kern_return_t mach_vm_allocate(vm_map_t target, mach_vm_address_t *address, mach_vm_size_t size,
			       int flags);

/*
 * Gives back whole pages of an allocation, all of it or a part. KERN_INVALID_ADDRESS: the range is
 * not memory of one mach_vm_allocate.
 */
kern_return_t mach_vm_deallocate(vm_map_t target, mach_vm_address_t address, mach_vm_size_t size);

DEXT_END_DECLS

#endif
