/* SPDX-License-Identifier: Apache-2.0 */
/* The hand-over: what an app gets of which memory, and what it can never see. */
#include "unit.h"

#include "descriptor.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define PAGE page_size()

static struct memory_segment segments[kIOMemoryDescriptorMaxSegments];
static uint32_t count;

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

static IOReturn
hand_over(IOMemoryDescriptor *memory, enum memfd_right right)
{
	return memory_hand_over(memory, right, segments, &count);
}

/* Bytes as an app sees them: through the descriptor alone. */
static char
seen(uint32_t segment, uint64_t at)
{
	char byte = -1;

	ck_assert_uint_lt(segment, count);
	ck_assert_int_eq(
		pread(segments[segment].fd, &byte, 1, (off_t)(segments[segment].offset + at)), 1);
	return byte;
}

static uint64_t
file_size(int fd)
{
	struct stat about;

	ck_assert_int_eq(fstat(fd, &about), 0);
	return (uint64_t)about.st_size;
}

START_TEST(a_buffer_is_its_whole_file)
{
	const uint64_t sizes[] = {1, 128, PAGE - 1, PAGE + 1, UINT64_C(129) << 20};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		IOMemoryDescriptor *memory = buffer(sizes[i]);

		((char *)memory_address(memory))[sizes[i] - 1] = 4;
		ck_assert_int_eq(hand_over(memory, MEMFD_WRITABLE), 0);
		ck_assert_uint_eq(count, 1);
		ck_assert_uint_eq(segments[0].offset, 0);
		ck_assert_uint_eq(segments[0].length, sizes[i]);
		ck_assert_ptr_eq(segments[0].address, memory_address(memory));
		ck_assert_int_eq(seen(0, sizes[i] - 1), 4);
		ck_assert_int_ne(fcntl(segments[0].fd, F_GET_SEALS) & F_SEAL_SEAL, 0);
		OSRelease(memory);
	}
}
END_TEST

START_TEST(the_length_is_what_set_length_said)
{
	IOMemoryDescriptor *memory = buffer(2 * PAGE);

	ck_assert_int_eq(
		IOBufferMemoryDescriptor_SetLength((IOBufferMemoryDescriptor *)memory, 100), 0);
	ck_assert_int_eq(hand_over(memory, MEMFD_WRITABLE), 0);
	ck_assert_uint_eq(segments[0].length, 100);
	ck_assert_int_eq(IOBufferMemoryDescriptor_SetLength((IOBufferMemoryDescriptor *)memory, 0),
			 0);
	ck_assert_int_eq(hand_over(memory, MEMFD_WRITABLE), kIOReturnBadArgument);
	OSRelease(memory);
}
END_TEST

START_TEST(the_first_right_is_for_all)
{
	IOMemoryDescriptor *memory = buffer(PAGE), *other = buffer(PAGE);

	ck_assert_int_eq(hand_over(memory, MEMFD_READONLY), 0);
	ck_assert_int_eq(hand_over(memory, MEMFD_READONLY), 0);
	ck_assert_int_eq(hand_over(memory, MEMFD_WRITABLE), kIOReturnNotPermitted);
	ck_assert_int_eq(hand_over(other, MEMFD_WRITABLE), 0);
	ck_assert_int_eq(hand_over(other, MEMFD_READONLY), kIOReturnNotPermitted);
	OSRelease(memory);
	OSRelease(other);
}
END_TEST

START_TEST(read_only_memory_stays_writable_here)
{
	IOMemoryDescriptor *memory = buffer(PAGE);
	IOMemoryMap *map = NULL;
	char *bytes = memory_address(memory);

	ck_assert_int_eq(hand_over(memory, MEMFD_READONLY), 0);
	ck_assert_ptr_eq(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, segments[0].fd, 0),
			 MAP_FAILED);
	bytes[0] = 8;
	ck_assert_int_eq(seen(0, 0), 8);
	ck_assert_int_eq(IOMemoryDescriptor_CreateMapping(memory, 0, 0, 0, 0, 0, &map), 0);
	((char *)(uintptr_t)IOMemoryMap_GetAddress(map))[1] = 9;
	ck_assert_int_eq(seen(0, 1), 9);
	OSRelease(map);
	OSRelease(memory);
}
END_TEST

START_TEST(a_window_is_split_off_and_nothing_else_leaves)
{
	IOMemoryDescriptor *parent = buffer(4 * PAGE), *middle = window(parent, PAGE, PAGE);
	char *bytes = memory_address(parent);
	int fd;

	memset(bytes, 1, 4 * PAGE);
	memset(bytes + PAGE, 2, PAGE);
	ck_assert_int_eq(hand_over(middle, MEMFD_WRITABLE), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(segments[0].offset, 0);
	ck_assert_uint_eq(segments[0].length, PAGE);
	ck_assert_uint_eq(file_size(segments[0].fd), PAGE);
	ck_assert_int_eq(seen(0, 0), 2);
	/* The same address here, the same pages there, both ways. */
	ck_assert_ptr_eq(memory_address(middle), bytes + PAGE);
	bytes[PAGE + 1] = 3;
	ck_assert_int_eq(seen(0, 1), 3);
	ck_assert_int_eq(pwrite(segments[0].fd, "\4", 1, 2), 1);
	ck_assert_int_eq(bytes[PAGE + 2], 4);
	ck_assert_int_eq(bytes[PAGE - 1], 1);
	ck_assert_int_eq(bytes[2 * PAGE], 1);
	/* Again is the same file. */
	fd = segments[0].fd;
	ck_assert_int_eq(hand_over(middle, MEMFD_WRITABLE), 0);
	ck_assert_int_eq(segments[0].fd, fd);
	ck_assert_int_eq(memory_first_segment(middle).fd, fd);
	ck_assert_int_eq(hand_over(middle, MEMFD_READONLY), kIOReturnNotPermitted);
	OSRelease(middle);
	OSRelease(parent);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}
END_TEST

START_TEST(windows_side_by_side_have_rights_of_their_own)
{
	IOMemoryDescriptor *parent = buffer(3 * PAGE - 10);
	IOMemoryDescriptor *one = window(parent, 0, PAGE), *two = window(parent, PAGE, PAGE);
	IOMemoryDescriptor *three = window(parent, 2 * PAGE, PAGE - 10);
	char *bytes = memory_address(parent);

	for (int i = 0; i < 3; i++)
		bytes[i * PAGE] = (char)(i + 1);
	ck_assert_int_eq(hand_over(two, MEMFD_READONLY), 0);
	ck_assert_int_eq(seen(0, 0), 2);
	ck_assert_int_eq(hand_over(one, MEMFD_WRITABLE), 0);
	ck_assert_int_eq(seen(0, 0), 1);
	ck_assert_int_eq(hand_over(three, MEMFD_WRITABLE), 0); /* to the parent's last byte */
	ck_assert_int_eq(seen(0, 0), 3);
	ck_assert_uint_eq(segments[0].length, PAGE - 10);
	/* Rights that differ inside the parent: it can go neither way. */
	ck_assert_int_eq(hand_over(parent, MEMFD_WRITABLE), kIOReturnNotPermitted);
	ck_assert_int_eq(hand_over(parent, MEMFD_READONLY), kIOReturnNotPermitted);
	bytes[PAGE] = 7;
	ck_assert_int_eq(hand_over(two, MEMFD_READONLY), 0);
	ck_assert_int_eq(seen(0, 0), 7);
	OSRelease(one);
	OSRelease(two);
	OSRelease(three);
	OSRelease(parent);
}
END_TEST

START_TEST(split_pages_are_gone_from_the_parents_file)
{
	IOMemoryDescriptor *parent = buffer(4 * PAGE), *middle = window(parent, PAGE, PAGE);
	char *bytes = memory_address(parent);
	char old = -1;

	memset(bytes, 5, 4 * PAGE);
	ck_assert_int_eq(hand_over(middle, MEMFD_WRITABLE), 0);
	ck_assert_int_eq(hand_over(parent, MEMFD_WRITABLE), 0);
	ck_assert_uint_eq(count, 3);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_int_eq(seen(i, 0), 5);
	ck_assert_uint_eq(segments[1].length, PAGE);
	ck_assert_uint_eq(segments[2].length, 2 * PAGE);
	ck_assert_int_eq(segments[0].fd, segments[2].fd);
	ck_assert_ptr_eq(segments[1].address, bytes + PAGE);
	ck_assert_int_eq(pread(segments[0].fd, &old, 1, PAGE), 1);
	ck_assert_int_eq(old, 0);
	OSRelease(middle);
	OSRelease(parent);
}
END_TEST

START_TEST(parts_of_pages_are_not_aligned)
{
	IOMemoryDescriptor *parent = buffer(4 * PAGE);
	IOMemoryDescriptor *odd[] = {window(parent, 1, PAGE), window(parent, PAGE, 100),
				     window(parent, PAGE + 8, PAGE - 8), window(parent, 0, 128)};

	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(hand_over(odd[i], MEMFD_WRITABLE), kIOReturnNotAligned);
		OSRelease(odd[i]);
	}
	OSRelease(parent);
}
END_TEST

START_TEST(a_window_of_all_needs_no_split)
{
	IOMemoryDescriptor *parent = buffer(PAGE + 5), *all = window(parent, 0, PAGE + 5);
	IOMemoryDescriptor *most = window(parent, 0, PAGE + 4);

	ck_assert_int_eq(hand_over(most, MEMFD_WRITABLE), kIOReturnNotAligned);
	ck_assert_int_eq(hand_over(all, MEMFD_WRITABLE), 0);
	ck_assert_int_eq(segments[0].fd, memory_first_segment(parent).fd);
	OSRelease(most);
	OSRelease(all);
	OSRelease(parent);
}
END_TEST

/* Each of these holds the split of the second page up; it goes when they are gone. */
START_TEST(whoever_uses_the_pages_holds_a_split_up)
{
	IOMemoryDescriptor *parent = buffer(4 * PAGE), *middle = window(parent, PAGE, PAGE);
	IOMemoryDescriptor *other, *joined = NULL;
	IOMemoryMap *map = NULL;

	ck_assert_int_eq(IOMemoryDescriptor_CreateMapping(parent, 0, 0, 0, 0, 0, &map), 0);
	ck_assert_int_eq(hand_over(middle, MEMFD_WRITABLE), kIOReturnBusy);
	OSSafeReleaseNULL(map);
	ck_assert_int_eq(IOMemoryDescriptor_CreateMapping(middle, 0, 0, 0, 0, 0, &map), 0);
	ck_assert_int_eq(hand_over(middle, MEMFD_WRITABLE), kIOReturnBusy);
	OSSafeReleaseNULL(map);
	memory_io_begin(parent);
	ck_assert_int_eq(hand_over(middle, MEMFD_WRITABLE), kIOReturnBusy);
	memory_io_end(parent);
	memory_io_begin(middle);
	ck_assert_int_eq(hand_over(middle, MEMFD_WRITABLE), kIOReturnBusy);
	memory_io_end(middle);
	other = window(parent, PAGE + 5, 1);
	ck_assert_int_eq(hand_over(middle, MEMFD_WRITABLE), kIOReturnBusy);
	OSRelease(other);
	ck_assert_int_eq(IOMemoryDescriptor_CreateWithMemoryDescriptors(3, 1, &parent, &joined), 0);
	ck_assert_int_eq(hand_over(middle, MEMFD_WRITABLE), kIOReturnBusy);
	OSRelease(joined);
	/* Elsewhere in the parent there may be what there may. */
	other = window(parent, 0, PAGE);
	memory_io_begin(other);
	ck_assert_int_eq(IOMemoryDescriptor_CreateMapping(parent, 0, 0, 2 * PAGE, 0, 0, &map), 0);
	ck_assert_int_eq(hand_over(middle, MEMFD_WRITABLE), 0);
	memory_io_end(other);
	OSRelease(map);
	OSRelease(other);
	OSRelease(middle);
	OSRelease(parent);
}
END_TEST

START_TEST(a_parent_that_left_is_not_split)
{
	IOMemoryDescriptor *parent = buffer(2 * PAGE), *half = window(parent, 0, PAGE);

	ck_assert_int_eq(hand_over(parent, MEMFD_WRITABLE), 0);
	ck_assert_int_eq(hand_over(half, MEMFD_WRITABLE), kIOReturnBusy);
	OSRelease(half);
	OSRelease(parent);
}
END_TEST

START_TEST(overlapping_splits_are_refused)
{
	IOMemoryDescriptor *parent = buffer(4 * PAGE), *one = window(parent, 0, 2 * PAGE), *two;

	ck_assert_int_eq(hand_over(one, MEMFD_WRITABLE), 0);
	two = window(parent, PAGE, 2 * PAGE);
	ck_assert_int_eq(hand_over(two, MEMFD_WRITABLE), kIOReturnBusy);
	OSRelease(two);
	two = window(parent, PAGE, PAGE);
	ck_assert_int_eq(hand_over(two, MEMFD_WRITABLE), kIOReturnBusy);
	OSRelease(two);
	OSRelease(one);
	/* A new window over what was split off gets the same file. */
	one = window(parent, 0, 2 * PAGE);
	ck_assert_int_eq(hand_over(one, MEMFD_WRITABLE), 0);
	OSRelease(one);
	OSRelease(parent);
	/* Also where what was split off lies behind, and nobody has a descriptor of it any more. */
	parent = buffer(4 * PAGE);
	one = window(parent, 2 * PAGE, 2 * PAGE);
	ck_assert_int_eq(hand_over(one, MEMFD_WRITABLE), 0);
	OSRelease(one);
	two = window(parent, PAGE, 2 * PAGE);
	ck_assert_int_eq(hand_over(two, MEMFD_WRITABLE), kIOReturnBusy);
	OSRelease(two);
	OSRelease(parent);
}
END_TEST

START_TEST(a_joined_one_is_a_file_for_each_part)
{
	IOMemoryDescriptor *parts[] = {buffer(PAGE), buffer(2 * PAGE), buffer(100)};
	IOMemoryDescriptor *joined = NULL;

	ck_assert_int_eq(IOMemoryDescriptor_CreateWithMemoryDescriptors(3, 3, parts, &joined), 0);
	((char *)memory_address(joined))[3 * PAGE] = 6;
	ck_assert_int_eq(hand_over(joined, MEMFD_READONLY), 0);
	ck_assert_uint_eq(count, 3);
	ck_assert_uint_eq(segments[1].length, 2 * PAGE);
	ck_assert_uint_eq(segments[2].length, 100);
	ck_assert_int_eq(seen(2, 0), 6);
	ck_assert_int_eq(hand_over(parts[1], MEMFD_WRITABLE), kIOReturnNotPermitted);
	ck_assert_int_eq(hand_over(parts[1], MEMFD_READONLY), 0);
	for (int i = 0; i < 3; i++)
		OSRelease(parts[i]);
	OSRelease(joined);
}
END_TEST

START_TEST(nothing_is_sealed_when_a_later_part_cannot_be)
{
	IOMemoryDescriptor *parts[] = {buffer(PAGE), buffer(PAGE)}, *joined = NULL;

	ck_assert_int_eq(hand_over(parts[1], MEMFD_WRITABLE), 0);
	ck_assert_int_eq(IOMemoryDescriptor_CreateWithMemoryDescriptors(3, 2, parts, &joined), 0);
	ck_assert_int_eq(hand_over(joined, MEMFD_READONLY), kIOReturnNotPermitted);
	ck_assert_int_eq(hand_over(parts[0], MEMFD_WRITABLE), 0); /* was left as it was */
	OSRelease(joined);
	OSRelease(parts[0]);
	OSRelease(parts[1]);
}
END_TEST

START_TEST(nothing_is_split_when_a_later_part_cannot_be)
{
	IOMemoryDescriptor *parent = buffer(2 * PAGE), *half = window(parent, PAGE, PAGE);
	IOMemoryDescriptor *parts[] = {half, buffer(PAGE)}, *joined = NULL;

	ck_assert_int_eq(hand_over(parts[1], MEMFD_WRITABLE), 0);
	ck_assert_int_eq(IOMemoryDescriptor_CreateWithMemoryDescriptors(3, 2, parts, &joined), 0);
	ck_assert_int_eq(hand_over(joined, MEMFD_READONLY), kIOReturnNotPermitted);
	ck_assert_int_eq(memory_first_segment(half).fd, memory_first_segment(parent).fd);
	OSRelease(joined);
	OSRelease(half);
	OSRelease(parent);
	OSRelease(parts[1]);
}
END_TEST

START_TEST(a_joined_window_is_split_unless_it_is_mapped)
{
	IOMemoryDescriptor *whole = buffer(PAGE), *parent = buffer(3 * PAGE);
	IOMemoryDescriptor *middle = window(parent, PAGE, PAGE), *joined = NULL;
	IOMemoryDescriptor *parts[] = {whole, middle};

	ck_assert_int_eq(IOMemoryDescriptor_CreateWithMemoryDescriptors(3, 2, parts, &joined), 0);
	ck_assert_ptr_nonnull(memory_address(joined));
	ck_assert_int_eq(hand_over(joined, MEMFD_WRITABLE), kIOReturnBusy);
	OSSafeReleaseNULL(joined);
	ck_assert_int_eq(IOMemoryDescriptor_CreateWithMemoryDescriptors(3, 2, parts, &joined), 0);
	ck_assert_int_eq(hand_over(joined, MEMFD_WRITABLE), 0);
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(file_size(segments[1].fd), PAGE);
	((char *)memory_address(parent))[PAGE] = 11;
	ck_assert_int_eq(seen(1, 0), 11);
	ck_assert_int_eq(((char *)memory_address(joined))[PAGE], 11);
	OSRelease(joined);
	OSRelease(middle);
	OSRelease(parent);
	OSRelease(whole);
}
END_TEST

START_TEST(more_than_32_segments_are_too_many)
{
	IOMemoryDescriptor *parent = buffer(40 * PAGE), *pieces[20];

	for (uint32_t i = 0; i < 20; i++) {
		pieces[i] = window(parent, i * 2 * PAGE, PAGE);
		ck_assert_int_eq(hand_over(pieces[i], MEMFD_WRITABLE), 0);
	}
	ck_assert_int_eq(hand_over(parent, MEMFD_WRITABLE), kIOReturnNoResources);
	for (uint32_t i = 0; i < 20; i++)
		OSRelease(pieces[i]);
	OSRelease(parent);
}
END_TEST

UNIT_MAIN("handover", a_buffer_is_its_whole_file, the_length_is_what_set_length_said,
	  the_first_right_is_for_all, read_only_memory_stays_writable_here,
	  a_window_is_split_off_and_nothing_else_leaves,
	  windows_side_by_side_have_rights_of_their_own, split_pages_are_gone_from_the_parents_file,
	  parts_of_pages_are_not_aligned, a_window_of_all_needs_no_split,
	  whoever_uses_the_pages_holds_a_split_up, a_parent_that_left_is_not_split,
	  overlapping_splits_are_refused, a_joined_one_is_a_file_for_each_part,
	  nothing_is_sealed_when_a_later_part_cannot_be,
	  nothing_is_split_when_a_later_part_cannot_be,
	  a_joined_window_is_split_unless_it_is_mapped, more_than_32_segments_are_too_many)
