/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mach_vm_allocate: memory that is a sealed memfd from birth, so that a driver to which a call
 * names it maps these very pages. Each allocation is a file of its own: whoever gets the descriptor
 * of one sees all of it and nothing else.
 */
#include <errno.h>
#include <sys/mman.h>

#include "errno_kept.h"
#include "log.h"
#include "memfd.h"
#include "names.h"
#include "packet.h"
#include "sharing.h"
#include "status.h"
#include "uncancelled.h"

#include <mach/mach_vm.h>
#include <mach/vm_map.h>

static kern_return_t
map_at(int fd, uint64_t length, void *fixed, void **ret_address)
{
	void *address = mmap(fixed, length, PROT_READ | PROT_WRITE,
			     MAP_SHARED | (fixed != NULL ? MAP_FIXED_NOREPLACE : 0), fd, 0);

	if (address == MAP_FAILED) {
		status_from_errno(errno, "mmap of mach_vm_allocate");
		return errno == EEXIST || fixed != NULL ? KERN_NO_SPACE : KERN_RESOURCE_SHORTAGE;
	}
	if (fixed != NULL && address != fixed) { /* a kernel that does not know NOREPLACE */
		munmap(address, length);
		return KERN_NO_SPACE;
	}
	*ret_address = address;
	return KERN_SUCCESS;
}

/* With checked arguments; `length` is whole pages. */
static kern_return_t
allocate(uint64_t length, void *fixed, void **ret_address)
{
	kern_return_t status;
	void *address;
	int fd;

	if (memfd_create_sealed("mach_vm_allocate", length, &fd) != kIOReturnSuccess)
		return KERN_RESOURCE_SHORTAGE;
	/* The last seal as well: a driver that gets the descriptor cannot add any. */
	if (memfd_seal_for_peer(fd, MEMFD_WRITABLE) != kIOReturnSuccess) {
		fd_close(&fd);
		return KERN_FAILURE;
	}
	status = map_at(fd, length, fixed, &address);
	if (status != KERN_SUCCESS) {
		fd_close(&fd);
		return status;
	}
	if (sharing_add_take(fd, address, length, 0, NULL) != kIOReturnSuccess) {
		munmap(address, length);
		fd_close(&fd);
		return KERN_RESOURCE_SHORTAGE;
	}
	*ret_address = address;
	return KERN_SUCCESS;
}

kern_return_t
mach_vm_allocate(vm_map_t target, mach_vm_address_t *address, mach_vm_size_t size, int flags)
{
	ERRNO_KEPT;
	UNCANCELLED;
	uint64_t length = page_round_up(size);
	kern_return_t status;
	void *fixed = NULL, *got;

	if (address == NULL || length == 0 || target != NAME_TASK_SELF ||
	    (flags & ~VM_FLAGS_ANYWHERE) != 0) {
		log_error("mach_vm_allocate: an address to fill, a size that is not 0, "
			  "mach_task_self() and no unknown flags are needed");
		return KERN_INVALID_ARGUMENT;
	}
	if (!(flags & VM_FLAGS_ANYWHERE)) {
		if (*address == 0 || *address % page_size() != 0 || !is_addressable(*address, 0)) {
			log_error("mach_vm_allocate: a fixed address must be the start of a page");
			return KERN_INVALID_ARGUMENT;
		}
		fixed = (void *)(uintptr_t)*address;
	}
	if (!is_addressable((uintptr_t)fixed, length)) {
		log_error(
			"mach_vm_allocate: %llu bytes: a process of 32 bits has no such addresses",
			(unsigned long long)size);
		return KERN_NO_SPACE;
	}
	status = allocate(length, fixed, &got);
	if (status == KERN_SUCCESS)
		*address = (uintptr_t)got;
	return status;
}

kern_return_t
mach_vm_deallocate(vm_map_t target, mach_vm_address_t address, mach_vm_size_t size)
{
	ERRNO_KEPT;
	UNCANCELLED;
	uint64_t length = page_round_up(size);
	IOReturn status;

	if (target != NAME_TASK_SELF)
		return KERN_INVALID_ARGUMENT;
	if (size == 0)
		return KERN_SUCCESS;
	if (length == 0 || address % page_size() != 0 || !is_addressable(address, length))
		return KERN_INVALID_ADDRESS;
	status = sharing_remove((void *)(uintptr_t)address, length);
	if (status == kIOReturnSuccess)
		return KERN_SUCCESS;
	log_error("mach_vm_deallocate: 0x%llx, %llu bytes: %s", (unsigned long long)address,
		  (unsigned long long)length,
		  status == kIOReturnNotFound ? "not memory of one mach_vm_allocate"
					      : status_string(status));
	return status == kIOReturnNotFound ? KERN_INVALID_ADDRESS : KERN_RESOURCE_SHORTAGE;
}

kern_return_t
vm_allocate(vm_map_t target, vm_address_t *address, vm_size_t size, int flags)
{
	mach_vm_address_t got;
	kern_return_t status;

	if (address == NULL)
		return KERN_INVALID_ARGUMENT;
	got = *address;
	status = mach_vm_allocate(target, &got, size, flags);
	if (status == KERN_SUCCESS)
		*address = (vm_address_t)got;
	return status;
}

kern_return_t
vm_deallocate(vm_map_t target, vm_address_t address, vm_size_t size)
{
	return mach_vm_deallocate(target, address, size);
}
