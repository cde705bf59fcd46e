/* SPDX-License-Identifier: Apache-2.0 */
/* IOBufferMemoryDescriptor: any size, exact lengths, arguments. */
#include "unit.h"

#include "budget.h"
#include "descriptor.h"
#include "memfd.h"
#include "said.h"

#include <DriverKit/IOBufferMemoryDescriptor.h>

START_TEST(sizes_from_a_byte_to_129_mib)
{
	static const uint64_t sizes[] = {
		1, 128, 4095, 4096, 4097, UINT64_C(1) << 20, UINT64_C(129) << 20};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		IOBufferMemoryDescriptor *memory = NULL;
		IOAddressSegment range = {0};
		uint64_t length = 0;
		char *bytes;

		ck_assert_int_eq(IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut, sizes[i],
								 8, &memory),
				 0);
		ck_assert_int_eq(
			IOMemoryDescriptor_GetLength((IOMemoryDescriptor *)memory, &length), 0);
		ck_assert_uint_eq(length, sizes[i]);
		ck_assert_int_eq(IOBufferMemoryDescriptor_GetAddressRange(memory, &range), 0);
		ck_assert_uint_eq(range.length, sizes[i]);
		ck_assert_uint_eq(range.address % page_size(), 0);
		bytes = (char *)(uintptr_t)range.address;
		ck_assert_ptr_eq(memory_address((IOMemoryDescriptor *)memory), bytes);
		ck_assert_int_eq(bytes[0], 0);
		ck_assert_int_eq(bytes[sizes[i] - 1], 0);
		bytes[0] = bytes[sizes[i] - 1] = 9;
		OSRelease(memory);
	}
}
END_TEST

START_TEST(arguments)
{
	IOBufferMemoryDescriptor *memory = NULL;
	IOAddressSegment range;

	ck_assert_int_eq(IOBufferMemoryDescriptor_Create(3, 1, 0, NULL), kIOReturnBadArgument);
	ck_assert_int_eq(IOBufferMemoryDescriptor_Create(4, 1, 0, &memory), kIOReturnBadArgument);
	ck_assert_int_eq(IOBufferMemoryDescriptor_Create(UINT64_C(1) << 32, 1, 0, &memory),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IOBufferMemoryDescriptor_Create(3, 0, 0, &memory), kIOReturnBadArgument);
	ck_assert_int_eq(IOBufferMemoryDescriptor_Create(3, UINT64_MAX, 0, &memory),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IOBufferMemoryDescriptor_Create(3, 1, 3, &memory), kIOReturnBadArgument);
	ck_assert_int_eq(IOBufferMemoryDescriptor_Create(3, 1, page_size() * 2, &memory),
			 kIOReturnNotAligned);
	ck_assert_ptr_null(memory);
	ck_assert_int_ne(IOBufferMemoryDescriptor_Create(3, UINT64_C(1) << 62, 0, &memory), 0);
	ck_assert_int_eq(IOBufferMemoryDescriptor_Create(3, 1, page_size(), &memory), 0);
	ck_assert_int_eq(IOBufferMemoryDescriptor_GetAddressRange(memory, NULL),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IOBufferMemoryDescriptor_GetAddressRange(NULL, &range),
			 kIOReturnBadArgument);
	OSRelease(memory);
}
END_TEST

START_TEST(the_length_is_up_to_the_capacity)
{
	IOBufferMemoryDescriptor *memory = NULL;

	ck_assert_int_eq(IOBufferMemoryDescriptor_Create(3, 5000, 0, &memory), 0);
	ck_assert_int_eq(IOBufferMemoryDescriptor_SetLength(memory, 5001), kIOReturnBadArgument);
	ck_assert_uint_eq(memory_length((IOMemoryDescriptor *)memory), 5000);
	ck_assert_int_eq(IOBufferMemoryDescriptor_SetLength(memory, 7), 0);
	ck_assert_uint_eq(memory_length((IOMemoryDescriptor *)memory), 7);
	ck_assert_int_eq(IOBufferMemoryDescriptor_SetLength(memory, 5000), 0);
	ck_assert_int_eq(IOBufferMemoryDescriptor_SetLength(NULL, 1), kIOReturnBadArgument);
	OSRelease(memory);
}
END_TEST

START_TEST(a_budget_is_kept)
{
	enum { PAGES = 4 };
	IOBufferMemoryDescriptor *memory = NULL, *other = NULL;
	IOMemoryDescriptor *theirs = NULL;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	int fd;

	budget_set(PAGES * page);
	said_listen();
	ck_assert_int_eq(IOBufferMemoryDescriptor_Create(3, PAGES * page + 1, 0, &memory),
			 kIOReturnNoResources);
	said_expect("dextd --memory-max");
	ck_assert_int_eq(IOBufferMemoryDescriptor_Create(3, (PAGES - 1) * page, 0, &memory), 0);
	/* An app's memory counts in the pages that can be touched. */
	ck_assert_int_eq(memfd_create_sealed("theirs", 2 * page, &fd), 0);
	ck_assert_int_eq(memory_create_from_peer_take(dup(fd), page - 1, 2, 3, &theirs),
			 kIOReturnNoResources);
	ck_assert_int_eq(memory_create_from_peer_take(dup(fd), page, page, 3, &theirs), 0);
	ck_assert_int_eq(IOBufferMemoryDescriptor_Create(3, 1, 0, &other), kIOReturnNoResources);
	OSRelease(theirs);
	ck_assert_int_eq(IOBufferMemoryDescriptor_Create(3, 1, 0, &other), 0);
	OSRelease(other);
	OSRelease(memory);
	ck_assert_int_eq(IOBufferMemoryDescriptor_Create(3, PAGES * page, 0, &memory), 0);
	OSRelease(memory);
	budget_set(0);
	close(fd);
}
END_TEST

START_TEST(out_of_descriptors_is_an_error)
{
	IOBufferMemoryDescriptor *memory = NULL;
	struct rlimit limit, before;
	IOReturn status;

	getrlimit(RLIMIT_NOFILE, &before);
	limit = before;
	limit.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &limit);
	status = IOBufferMemoryDescriptor_Create(3, 1, 0, &memory);
	setrlimit(RLIMIT_NOFILE, &before); /* a leak checker needs descriptors at exit */
	ck_assert_int_eq(status, kIOReturnNoResources);
	ck_assert_ptr_null(memory);
}
END_TEST

UNIT_MAIN("buffer", sizes_from_a_byte_to_129_mib, arguments, the_length_is_up_to_the_capacity,
	  a_budget_is_kept, out_of_descriptors_is_an_error)
