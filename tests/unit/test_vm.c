/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is a sealed file from birth. */
#include "unit.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "memfd.h"
#include "sharing.h"

#include <mach/mach.h>
#include <mach/mach_vm.h>

#define PAGE page_size()

static char *
at(mach_vm_address_t address)
{
	return (char *)(uintptr_t)address;
}

START_TEST(memory_is_zero_and_a_sealed_file)
{
	mach_vm_address_t address = 0;
	struct sharing *sharing;

	errno = 55;
	ck_assert_int_eq(
		mach_vm_allocate(mach_task_self(), &address, 3 * PAGE - 2000, VM_FLAGS_ANYWHERE),
		0);
	ck_assert_int_eq(errno, 55);
	for (unsigned i = 0; i < 3 * PAGE; i++)
		ck_assert_int_eq(at(address)[i], 0);
	sharing = sharing_find(at(address) + 5, 3 * PAGE - 3000, NULL);
	ck_assert_ptr_nonnull(sharing);
	ck_assert_int_eq(fcntl(sharing->fd, F_GET_SEALS) &
				 (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
			 F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	ck_assert_int_eq(fcntl(sharing->fd, F_GETFD), FD_CLOEXEC);
	sharing_release(sharing);
	ck_assert_ptr_null(sharing_find(at(address) + 5, 3 * PAGE, NULL));
	ck_assert_ptr_null(sharing_find(at(address) - 1, 2, NULL));
	ck_assert_int_eq(mach_vm_deallocate(mach_task_self(), address, 3 * PAGE - 2000), 0);
	ck_assert_ptr_null(sharing_find(at(address), 1, NULL));
	ck_assert(!unit_is_mapped(at(address)));
}
END_TEST

/* Of 32 bits as of 64: what has no room is refused, and no address is taken for another. */
START_TEST(sizes_and_addresses_have_64_bits)
{
	const uint64_t past = UINT64_C(1) << 32;
	mach_vm_address_t address = 0, small = 0;
	kern_return_t status;

	status = mach_vm_allocate(mach_task_self(), &address, 5 * (past / 4), VM_FLAGS_ANYWHERE);
	ck_assert_int_eq(status, sizeof(void *) == 4 ? KERN_NO_SPACE : KERN_SUCCESS);
	if (status == KERN_SUCCESS) {
		at(address)[5 * (past / 4) - 1] = 'z';
		ck_assert_int_eq(mach_vm_deallocate(mach_task_self(), address, 5 * (past / 4)), 0);
	}
	ck_assert_int_eq(mach_vm_allocate(mach_task_self(), &small, PAGE, VM_FLAGS_ANYWHERE), 0);
	ck_assert_int_eq(mach_vm_deallocate(mach_task_self(), small + past, PAGE),
			 KERN_INVALID_ADDRESS);
	ck_assert_int_eq(mach_vm_deallocate(mach_task_self(), small, PAGE + past),
			 KERN_INVALID_ADDRESS);
	strcpy(at(small), "still there");
	ck_assert_int_eq(mach_vm_deallocate(mach_task_self(), small, PAGE), 0);
}
END_TEST

START_TEST(wrong_arguments_are_refused)
{
	mach_vm_address_t address = 0;

	ck_assert_int_eq(mach_vm_allocate(mach_task_self(), &address, 0, VM_FLAGS_ANYWHERE),
			 KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(mach_vm_allocate(0x55, &address, 1, VM_FLAGS_ANYWHERE),
			 KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(mach_vm_allocate(mach_task_self(), NULL, 1, VM_FLAGS_ANYWHERE),
			 KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(mach_vm_allocate(mach_task_self(), &address, 1, 2), KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(
		mach_vm_allocate(mach_task_self(), &address, UINT64_MAX, VM_FLAGS_ANYWHERE),
		KERN_INVALID_ARGUMENT);
	address = 1;
	ck_assert_int_eq(mach_vm_allocate(mach_task_self(), &address, 1, VM_FLAGS_FIXED),
			 KERN_INVALID_ARGUMENT);
	ck_assert_int_eq(mach_vm_deallocate(mach_task_self(), PAGE, PAGE), KERN_INVALID_ADDRESS);
}
END_TEST

START_TEST(a_fixed_address_must_be_free)
{
	char *place = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	vm_address_t address = (uintptr_t)place;

	place[0] = 'x';
	ck_assert_int_eq(vm_allocate(mach_task_self(), &address, PAGE, VM_FLAGS_FIXED),
			 KERN_NO_SPACE);
	ck_assert_int_eq(place[0], 'x');
	munmap(place, PAGE);
	ck_assert_int_eq(vm_allocate(mach_task_self(), &address, PAGE, VM_FLAGS_FIXED), 0);
	ck_assert_uint_eq(address, (uintptr_t)place);
	ck_assert_int_eq(vm_deallocate(mach_task_self(), address, PAGE), 0);
}
END_TEST

START_TEST(a_part_can_be_given_back)
{
	mach_vm_address_t address;
	struct sharing *left, *right;

	ck_assert_int_eq(mach_vm_allocate(mach_task_self(), &address, 5 * PAGE, VM_FLAGS_ANYWHERE),
			 0);
	strcpy(at(address) + 3 * PAGE, "right");
	ck_assert_int_eq(mach_vm_deallocate(mach_task_self(), address + 2 * PAGE, PAGE), 0);
	ck_assert(!unit_is_mapped(at(address) + 2 * PAGE));
	ck_assert_str_eq(at(address) + 3 * PAGE, "right");
	left = sharing_find(at(address), 2 * PAGE, NULL);
	right = sharing_find(at(address) + 3 * PAGE, 2 * PAGE, NULL);
	ck_assert_ptr_nonnull(left);
	ck_assert_ptr_nonnull(right);
	ck_assert_uint_eq(left->offset, 0);
	ck_assert_uint_eq(right->offset, 3 * PAGE);
	ck_assert_ptr_null(sharing_find(at(address) + PAGE, 2 * PAGE, NULL));
	sharing_release(left);
	sharing_release(right);
	ck_assert_int_eq(mach_vm_deallocate(mach_task_self(), address, 5 * PAGE),
			 KERN_INVALID_ADDRESS);
	ck_assert_int_eq(mach_vm_deallocate(mach_task_self(), address, 2 * PAGE), 0);
	ck_assert_int_eq(mach_vm_deallocate(mach_task_self(), address + 3 * PAGE, 2 * PAGE), 0);
}
END_TEST

/* Giving back at either end needs nothing that may not be there. */
START_TEST(ends_are_given_back_without_descriptors)
{
	struct rlimit none = {0, 0}, files;
	mach_vm_address_t address;
	struct sharing *rest;

	ck_assert_int_eq(mach_vm_allocate(mach_task_self(), &address, 5 * PAGE, VM_FLAGS_ANYWHERE),
			 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	none.rlim_max = files.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	ck_assert_int_eq(mach_vm_deallocate(mach_task_self(), address, PAGE), 0);
	ck_assert_int_eq(mach_vm_deallocate(mach_task_self(), address + 4 * PAGE, PAGE), 0);
	ck_assert_int_eq(mach_vm_deallocate(mach_task_self(), address + 2 * PAGE, PAGE),
			 KERN_RESOURCE_SHORTAGE);
	rest = sharing_find(at(address) + PAGE, 3 * PAGE, NULL);
	ck_assert_ptr_nonnull(rest);
	ck_assert_uint_eq(rest->offset, PAGE);
	ck_assert_uint_eq(rest->length, 3 * PAGE);
	/* Somebody looks at it: then the rest is another entry, or nothing is given back. */
	ck_assert_int_eq(mach_vm_deallocate(mach_task_self(), address + PAGE, PAGE),
			 KERN_RESOURCE_SHORTAGE);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	ck_assert_int_eq(mach_vm_deallocate(mach_task_self(), address + PAGE, PAGE), 0);
	ck_assert_uint_eq(rest->length, 3 * PAGE);
	sharing_release(rest);
	ck_assert_int_eq(mach_vm_deallocate(mach_task_self(), address + 2 * PAGE, 2 * PAGE), 0);
}
END_TEST

static void
change(void *memory)
{
	char *bytes = memory;

	if (strcmp(bytes, "parent") != 0)
		_exit(1);
	strcpy(bytes, "child");
	if (strcmp(bytes, "child") != 0)
		_exit(2);
	if (sharing_find(bytes, 1, NULL) != NULL)
		_exit(3);
	if (mach_vm_deallocate(mach_task_self(), (uintptr_t)bytes, PAGE) != 0)
		_exit(4);
}

START_TEST(a_forked_child_has_its_own)
{
	mach_vm_address_t address;
	struct sharing *sharing;

	ck_assert_int_eq(mach_vm_allocate(mach_task_self(), &address, PAGE, VM_FLAGS_ANYWHERE), 0);
	strcpy(at(address), "parent");
	ck_assert_int_eq(unit_child(change, at(address), NULL, 0), 0);
	ck_assert_str_eq(at(address), "parent");
	sharing = sharing_find(at(address), PAGE, NULL);
	ck_assert_ptr_nonnull(sharing);
	sharing_release(sharing);
}
END_TEST

UNIT_MAIN("vm", memory_is_zero_and_a_sealed_file, sizes_and_addresses_have_64_bits,
	  wrong_arguments_are_refused, a_fixed_address_must_be_free, a_part_can_be_given_back,
	  ends_are_given_back_without_descriptors, a_forked_child_has_its_own)
