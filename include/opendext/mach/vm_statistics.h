/* SPDX-License-Identifier: Apache-2.0 */
/* Flags of vm_allocate and mach_vm_allocate. */
#ifndef OPENDEXT_MACH_VM_STATISTICS_H
#define OPENDEXT_MACH_VM_STATISTICS_H

#define VM_FLAGS_FIXED	  0x0000 /* at *address, which must be free */
#define VM_FLAGS_ANYWHERE 0x0001 /* *address is output only */

#endif
