/* SPDX-License-Identifier: Apache-2.0 */
/* The count of copied payload: what copies adds to it, what shares does not. */
#include "unit.h"

#include "copied.h"
#include "descriptor.h"

#include <DriverKit/dext_memory.h>

#define PAGE page_size()

START_TEST(a_copy_counts)
{
	const uint64_t before = dext_bytes_copied();
	char to[5] = "";

	payload_copy(to, "four", 5);
	ck_assert_str_eq(to, "four");
	ck_assert_uint_eq(dext_bytes_copied(), before + 5);
}
END_TEST

START_TEST(mapping_and_handing_over_copy_nothing)
{
	struct memory_segment segments[kIOMemoryDescriptorMaxSegments];
	const uint64_t before = dext_bytes_copied();
	IOBufferMemoryDescriptor *buffer;
	IOMemoryMap *map;
	uint32_t count;

	ck_assert_int_eq(
		IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut, 4 * PAGE, 0, &buffer),
		kIOReturnSuccess);
	ck_assert_int_eq(
		IOMemoryDescriptor_CreateMapping((IOMemoryDescriptor *)buffer, 0, 0, 0, 0, 0, &map),
		kIOReturnSuccess);
	ck_assert_int_eq(
		memory_hand_over((IOMemoryDescriptor *)buffer, MEMFD_WRITABLE, segments, &count),
		kIOReturnSuccess);
	ck_assert_uint_eq(dext_bytes_copied(), before);
	OSRelease(map);
	OSRelease(buffer);
}
END_TEST

START_TEST(splitting_a_window_off_counts_its_pages)
{
	struct memory_segment segments[kIOMemoryDescriptorMaxSegments];
	const uint64_t before = dext_bytes_copied();
	IOBufferMemoryDescriptor *buffer;
	IOMemoryDescriptor *window;
	uint32_t count;

	ck_assert_int_eq(
		IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut, 4 * PAGE, 0, &buffer),
		kIOReturnSuccess);
	ck_assert_int_eq(IOMemoryDescriptor_CreateSubMemoryDescriptor(
				 kIOMemoryDirectionInOut, PAGE, 2 * PAGE,
				 (IOMemoryDescriptor *)buffer, &window),
			 kIOReturnSuccess);
	ck_assert_int_eq(memory_hand_over(window, MEMFD_WRITABLE, segments, &count),
			 kIOReturnSuccess);
	ck_assert_uint_eq(dext_bytes_copied(), before + 2 * PAGE);
	OSRelease(window);
	OSRelease(buffer);
}
END_TEST

UNIT_MAIN("copied", a_copy_counts, mapping_and_handing_over_copy_nothing,
	  splitting_a_window_off_counts_its_pages)
