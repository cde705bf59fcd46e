/* SPDX-License-Identifier: Apache-2.0 */
/* The size of a page, set before main, and rounding to it. */
#ifndef OPENDEXT_MACH_VM_PAGE_SIZE_H
#define OPENDEXT_MACH_VM_PAGE_SIZE_H

#include <dext_cdefs.h>
#include <mach/vm_types.h>

DEXT_BEGIN_DECLS

extern vm_size_t vm_page_size;
extern vm_size_t vm_page_mask;
extern int vm_page_shift;

#define trunc_page(address)	    ((address) & ~vm_page_mask)
#define round_page(address)	    trunc_page((address) + vm_page_mask)
#define mach_vm_trunc_page(address) ((mach_vm_offset_t)(address) & ~(mach_vm_offset_t)vm_page_mask)
#define mach_vm_round_page(address) mach_vm_trunc_page((mach_vm_offset_t)(address) + vm_page_mask)

DEXT_END_DECLS

#endif
