/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPENDEXT_MACH_VM_PARAM_H
#define OPENDEXT_MACH_VM_PARAM_H

#include <mach/vm_page_size.h>

#ifndef PAGE_SIZE
#define PAGE_SIZE vm_page_size
#endif
#ifndef PAGE_MASK
#define PAGE_MASK vm_page_mask
#endif
#ifndef PAGE_SHIFT
#define PAGE_SHIFT vm_page_shift
#endif

#endif
