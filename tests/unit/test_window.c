/* SPDX-License-Identifier: Apache-2.0 */
/* Windows and joined descriptors: always the same pages. */
#include "unit.h"

#include "descriptor.h"

#define PAGE page_size()

static IOMemoryDescriptor *
buffer(uint64_t capacity)
{
	IOBufferMemoryDescriptor *memory = NULL;

	ck_assert_int_eq(IOBufferMemoryDescriptor_Create(3, capacity, 0, &memory), 0);
	return (IOMemoryDescriptor *)memory;
}

static IOMemoryDescriptor *
window(IOMemoryDescriptor *of, uint64_t offset, uint64_t length)
{
	IOMemoryDescriptor *memory = NULL;

	ck_assert_int_eq(
		IOMemoryDescriptor_CreateSubMemoryDescriptor(3, offset, length, of, &memory), 0);
	return memory;
}

START_TEST(a_window_is_the_same_bytes_and_keeps_its_parent)
{
	IOMemoryDescriptor *parent = buffer(3 * PAGE);
	IOMemoryDescriptor *one = window(parent, 10, 2 * PAGE);
	IOMemoryDescriptor *inner = window(one, PAGE, 5);
	char *bytes = memory_address(parent);

	ck_assert_ptr_eq(memory_address(one), bytes + 10);
	ck_assert_ptr_eq(memory_address(inner), bytes + 10 + PAGE);
	ck_assert_uint_eq(memory_length(inner), 5);
	OSRelease(parent);
	OSRelease(one);
	bytes[PAGE + 10] = 1;
	ck_assert_int_eq(*(char *)memory_address(inner), 1);
	OSRelease(inner);
}
END_TEST

START_TEST(a_window_is_inside)
{
	static const struct {
		uint64_t options, offset, length;
	} cases[] = {{3, 0, 0},		 {3, 0, 101},	     {3, 100, 1},
		     {3, 101, 0},	 {3, 1, UINT64_MAX}, {4, 0, 1},
		     {3, UINT64_MAX, 1}, {3, UINT64_MAX, 2}, {UINT64_MAX, 0, 1}};
	IOMemoryDescriptor *parent = buffer(100), *made = NULL;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_int_eq(
			IOMemoryDescriptor_CreateSubMemoryDescriptor(
				cases[i].options, cases[i].offset, cases[i].length, parent, &made),
			kIOReturnBadArgument);
	ck_assert_int_eq(IOMemoryDescriptor_CreateSubMemoryDescriptor(3, 0, 1, NULL, &made),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IOMemoryDescriptor_CreateSubMemoryDescriptor(3, 0, 1, parent, NULL),
			 kIOReturnBadArgument);
	ck_assert_ptr_null(made);
	ck_assert_int_eq(IOBufferMemoryDescriptor_SetLength((IOBufferMemoryDescriptor *)parent, 50),
			 0);
	ck_assert_int_eq(IOMemoryDescriptor_CreateSubMemoryDescriptor(3, 0, 51, parent, &made),
			 kIOReturnBadArgument);
	OSRelease(parent);
}
END_TEST

START_TEST(a_joined_one_is_its_parts_in_a_row)
{
	IOMemoryDescriptor *first = buffer(PAGE), *second = buffer(4 * PAGE), *last = buffer(7);
	IOMemoryDescriptor *middle = window(second, PAGE, 2 * PAGE), *joined = NULL, *across;
	IOMemoryDescriptor *parts[] = {first, middle, last};
	IOMemoryMap *map = NULL;
	char *bytes, *there;

	ck_assert_int_eq(IOMemoryDescriptor_CreateWithMemoryDescriptors(3, 3, parts, &joined), 0);
	ck_assert_uint_eq(memory_length(joined), 3 * PAGE + 7);
	bytes = memory_address(joined);
	ck_assert_ptr_nonnull(bytes);
	ck_assert_ptr_eq(memory_address(joined), bytes);
	((char *)memory_address(first))[PAGE - 1] = 1;
	((char *)memory_address(second))[PAGE] = 2;
	((char *)memory_address(last))[6] = 3;
	ck_assert_int_eq(bytes[PAGE - 1], 1);
	ck_assert_int_eq(bytes[PAGE], 2);
	ck_assert_int_eq(bytes[3 * PAGE + 6], 3);
	/* A window and a mapping of it over the seams. */
	across = window(joined, PAGE - 1, 2 * PAGE + 2);
	ck_assert_int_eq(*(char *)memory_address(across), 1);
	ck_assert_int_eq(IOMemoryDescriptor_CreateMapping(across, 0, 0, 1, 0, 0, &map), 0);
	there = (char *)(uintptr_t)IOMemoryMap_GetAddress(map);
	ck_assert_int_eq(there[0], 2);
	there[2 * PAGE] = 9;
	ck_assert_int_eq(*(char *)memory_address(last), 9);
	for (int i = 0; i < 3; i++)
		OSRelease(parts[i]);
	OSRelease(second);
	ck_assert_int_eq(bytes[PAGE], 2);
	OSRelease(map);
	OSRelease(across);
	OSRelease(joined);
}
END_TEST

START_TEST(joining_after_a_read_only_hand_over_still_maps_writable)
{
	struct memory_segment segments[kIOMemoryDescriptorMaxSegments];
	IOMemoryDescriptor *parts[] = {buffer(PAGE), buffer(PAGE)}, *joined = NULL;
	uint32_t count = 0;
	char *bytes;

	ck_assert_int_eq(memory_hand_over(parts[0], MEMFD_READONLY, segments, &count), 0);
	ck_assert_int_eq(IOMemoryDescriptor_CreateWithMemoryDescriptors(3, 2, parts, &joined), 0);
	bytes = memory_address(joined);
	ck_assert_ptr_nonnull(bytes);
	bytes[3] = 3;
	ck_assert_int_eq(((char *)memory_address(parts[0]))[3], 3);
	OSRelease(parts[0]);
	OSRelease(parts[1]);
	OSRelease(joined);
}
END_TEST

START_TEST(joining_arguments)
{
	IOMemoryDescriptor *odd = buffer(PAGE + 1), *whole = buffer(PAGE), *joined = NULL;
	IOMemoryDescriptor *unaligned = window(odd, 1, PAGE);
	IOMemoryDescriptor *many[33];

	for (int i = 0; i < 33; i++)
		many[i] = whole;
	ck_assert_int_eq(IOMemoryDescriptor_CreateWithMemoryDescriptors(
				 3, 2, (IOMemoryDescriptor *[]){odd, whole}, &joined),
			 kIOReturnNotAligned);
	ck_assert_int_eq(IOMemoryDescriptor_CreateWithMemoryDescriptors(
				 3, 2, (IOMemoryDescriptor *[]){whole, unaligned}, &joined),
			 kIOReturnNotAligned);
	ck_assert_int_eq(IOMemoryDescriptor_CreateWithMemoryDescriptors(
				 3, 2, (IOMemoryDescriptor *[]){whole, NULL}, &joined),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IOMemoryDescriptor_CreateWithMemoryDescriptors(3, 0, many, &joined),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IOMemoryDescriptor_CreateWithMemoryDescriptors(3, 33, many, &joined),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IOMemoryDescriptor_CreateWithMemoryDescriptors(8, 1, many, &joined),
			 kIOReturnBadArgument);
	ck_assert_ptr_null(joined);
	ck_assert_int_eq(IOMemoryDescriptor_CreateWithMemoryDescriptors(3, 32, many, &joined), 0);
	OSSafeReleaseNULL(joined);
	ck_assert_int_eq(IOMemoryDescriptor_CreateWithMemoryDescriptors(
				 3, 2, (IOMemoryDescriptor *[]){whole, odd}, &joined),
			 0);
	OSRelease(joined);
	OSRelease(unaligned);
	OSRelease(odd);
	OSRelease(whole);
}
END_TEST

UNIT_MAIN("window", a_window_is_the_same_bytes_and_keeps_its_parent, a_window_is_inside,
	  a_joined_one_is_its_parts_in_a_row,
	  joining_after_a_read_only_hand_over_still_maps_writable, joining_arguments)
