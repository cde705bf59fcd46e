/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPENDEXT_MACH_VM_TYPES_H
#define OPENDEXT_MACH_VM_TYPES_H

#include <stdint.h>

#include <mach/port.h>

typedef uintptr_t vm_offset_t;
typedef uintptr_t vm_address_t;
typedef uintptr_t vm_size_t;

typedef uint64_t mach_vm_address_t;
typedef uint64_t mach_vm_offset_t;
typedef uint64_t mach_vm_size_t;

#endif
