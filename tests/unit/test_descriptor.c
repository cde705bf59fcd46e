/* SPDX-License-Identifier: Apache-2.0 */
/* What all descriptors have in common, and memory that an app brought. */
#include "unit.h"

#include "descriptor.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define PAGE page_size()

static IOMemoryDescriptor *
buffer(uint64_t capacity)
{
	IOBufferMemoryDescriptor *memory = NULL;

	ck_assert_int_eq(
		IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut, capacity, 0, &memory), 0);
	return (IOMemoryDescriptor *)memory;
}

static int
app_memory(uint64_t size, int seals)
{
	int fd = memfd_create("app", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

START_TEST(null_arguments_are_told)
{
	IOMemoryDescriptor *memory = buffer(1);
	uint64_t length;

	ck_assert_int_eq(IOMemoryDescriptor_GetLength(NULL, &length), kIOReturnBadArgument);
	ck_assert_int_eq(IOMemoryDescriptor_GetLength(memory, NULL), kIOReturnBadArgument);
	OSRelease(memory);
}
END_TEST

START_TEST(first_segment_is_the_file_that_is_mapped)
{
	IOMemoryDescriptor *memory = buffer(3 * PAGE + 5);
	struct memory_segment segment = memory_first_segment(memory);
	unsigned char *bytes = memory_address(memory), seen = 0;

	ck_assert_uint_eq(segment.offset, 0);
	ck_assert_uint_eq(segment.length, 3 * PAGE + 5);
	ck_assert_ptr_eq(segment.address, bytes);
	bytes[PAGE] = 0x77;
	ck_assert_int_eq(pread(segment.fd, &seen, 1, PAGE), 1);
	ck_assert_uint_eq(seen, 0x77);
	OSRelease(memory);
	ck_assert_int_eq(fcntl(segment.fd, F_GETFD), -1); /* closed with the last descriptor */
}
END_TEST

START_TEST(an_apps_memory_is_mapped_from_any_byte)
{
	int fd = app_memory(3 * PAGE, F_SEAL_SHRINK), mine = dup(fd);
	IOMemoryDescriptor *memory = NULL;
	unsigned char seen = 0;
	char *address;

	ck_assert_int_eq(pwrite(mine, "hello", 5, PAGE - 2), 5);
	ck_assert_int_eq(
		memory_create_from_peer_take(fd, PAGE - 2, PAGE, kIOMemoryDirectionIn, &memory), 0);
	ck_assert_uint_eq(memory_length(memory), PAGE);
	ck_assert_uint_eq(memory_direction(memory), kIOMemoryDirectionIn);
	address = memory_address(memory);
	ck_assert_int_eq(memcmp(address, "hello", 5), 0);
	ck_assert_ptr_eq(memory_address(memory), address);
	ck_assert_uint_eq(memory_first_segment(memory).offset, PAGE - 2);
	address[PAGE - 1] = 0x42;
	ck_assert_int_eq(pread(mine, &seen, 1, 2 * PAGE - 3), 1);
	ck_assert_uint_eq(seen, 0x42);
	OSRelease(memory);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}
END_TEST

static void
write_to(void *address)
{
	*(volatile char *)address = 1;
}

START_TEST(an_apps_input_is_only_read)
{
	int fd = app_memory(PAGE, F_SEAL_SHRINK);
	IOMemoryDescriptor *memory = NULL, *window = NULL;
	IOMemoryMap *map = NULL;

	ck_assert_int_eq(memory_create_from_peer_take(fd, 0, 100, kIOMemoryDirectionOut, &memory),
			 0);
	ck_assert(unit_killed_by(unit_child(write_to, memory_address(memory), NULL, 0), SIGSEGV));
	ck_assert_int_eq(IOMemoryDescriptor_CreateMapping(memory, 0, 0, 0, 0, 0, &map), 0);
	ck_assert(unit_killed_by(
		unit_child(write_to, (void *)(uintptr_t)IOMemoryMap_GetAddress(map), NULL, 0),
		SIGSEGV));
	OSSafeReleaseNULL(map);
	/* A window with another direction is no way round that. */
	ck_assert_int_eq(IOMemoryDescriptor_CreateSubMemoryDescriptor(kIOMemoryDirectionInOut, 0,
								      10, memory, &window),
			 0);
	ck_assert_int_eq(IOMemoryDescriptor_CreateMapping(window, 0, 0, 0, 0, 0, &map), 0);
	ck_assert(unit_killed_by(
		unit_child(write_to, (void *)(uintptr_t)IOMemoryMap_GetAddress(map), NULL, 0),
		SIGSEGV));
	OSRelease(map);
	OSRelease(window);
	OSRelease(memory);
}
END_TEST

static void
refused(int fd, uint64_t offset, uint64_t length)
{
	IOMemoryDescriptor *memory = NULL;

	ck_assert_int_eq(
		memory_create_from_peer_take(fd, offset, length, kIOMemoryDirectionIn, &memory),
		kIOReturnBadArgument);
	ck_assert_ptr_null(memory);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1); /* taken on this path too */
}

START_TEST(an_apps_memory_is_checked_and_always_taken)
{
	refused(app_memory(PAGE, 0), 0, PAGE);
	refused(app_memory(PAGE, F_SEAL_SHRINK), 0, PAGE + 1);
	refused(app_memory(PAGE, F_SEAL_SHRINK), 1, PAGE);
	refused(app_memory(PAGE, F_SEAL_SHRINK), UINT64_MAX, 2);
	refused(app_memory(PAGE, F_SEAL_SHRINK), 2, UINT64_MAX);
	refused(app_memory(PAGE, F_SEAL_SHRINK), 0, 0);
}
END_TEST

START_TEST(an_apps_memory_goes_to_no_other_app)
{
	struct memory_segment segments[kIOMemoryDescriptorMaxSegments];
	IOMemoryDescriptor *memory = NULL;
	uint32_t count = 0;

	ck_assert_int_eq(memory_create_from_peer_take(app_memory(PAGE, F_SEAL_SHRINK), 0, PAGE,
						      kIOMemoryDirectionIn, &memory),
			 0);
	ck_assert_int_eq(memory_hand_over(memory, MEMFD_WRITABLE, segments, &count),
			 kIOReturnNotPermitted);
	OSRelease(memory);
}
END_TEST

START_TEST(io_keeps_the_memory)
{
	IOMemoryDescriptor *memory = buffer(PAGE);
	char *bytes = memory_address(memory);

	ck_assert_int_eq(memory_io_begin(memory).fd, memory_first_segment(memory).fd);
	OSRelease(memory);
	bytes[0] = 1; /* still there */
	memory_io_end(memory);
}
END_TEST

UNIT_MAIN("descriptor", null_arguments_are_told, first_segment_is_the_file_that_is_mapped,
	  an_apps_memory_is_mapped_from_any_byte, an_apps_input_is_only_read,
	  an_apps_memory_is_checked_and_always_taken, an_apps_memory_goes_to_no_other_app,
	  io_keeps_the_memory)
