/* SPDX-License-Identifier: Apache-2.0 */
/* A memfd that is sealed against shrinking stands for a device's file, whose size is fixed too. */
#include "unit.h"

#include "descriptor.h"
#include "device_memory.h"

#include <DriverKit/IOMemoryMap.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t length;

static int
open_again(int fd, int mode)
{
	char path[64];
	int copy;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	copy = open(path, mode | O_CLOEXEC);
	ck_assert_int_ge(copy, 0);
	return copy;
}

/* *ret_fd: the test's own; the descriptor has others. */
static IOMemoryDescriptor *
make(int *ret_fd)
{
	IOMemoryDescriptor *memory = NULL;

	length = 4 * page_size();
	ck_assert_int_eq(memfd_create_sealed("device", length, ret_fd), 0);
	ck_assert_int_eq(memory_create_for_device_take(open_again(*ret_fd, O_RDWR),
						       open_again(*ret_fd, O_RDONLY), length,
						       &memory),
			 0);
	return memory;
}

START_TEST(is_mapped_in_the_driver)
{
	IOMemoryMap *map = NULL;
	uint64_t found = 0;
	char text[8] = "";
	int fd = -1;
	IOMemoryDescriptor *memory = make(&fd);

	ck_assert(memory_is_device(memory));
	ck_assert_int_eq(IOMemoryDescriptor_GetLength(memory, &found), 0);
	ck_assert_uint_eq(found, length);
	ck_assert_int_eq(IOMemoryDescriptor_CreateMapping(memory, kIOMemoryMapCacheModeCopyback, 0,
							  0, 0, 0, &map),
			 kIOReturnUnsupported);
	ck_assert_int_eq(IOMemoryDescriptor_CreateMapping(memory, kIOMemoryMapCacheModeInhibit, 0,
							  page_size() + 2, 16, 0, &map),
			 0);
	strcpy((char *)(uintptr_t)IOMemoryMap_GetAddress(map), "device");
	ck_assert_int_eq(pread(fd, text, 7, (off_t)page_size() + 2), 7);
	ck_assert_str_eq(text, "device");
	OSRelease(map);
	strcpy(memory_address(memory), "DEVICE");
	ck_assert_int_eq(pread(fd, text, 7, 0), 7);
	ck_assert_str_eq(text, "DEVICE");
	OSRelease(memory);
	close(fd);
}
END_TEST

/* The same file twice, without new seals: one app may write, another only read. */
START_TEST(is_handed_over_with_either_right)
{
	struct memory_segment segments[kIOMemoryDescriptorMaxSegments];
	uint32_t count = 0;
	void *address;
	int fd = -1, seals;
	IOMemoryDescriptor *memory = make(&fd);

	seals = fcntl(fd, F_GET_SEALS);
	ck_assert_int_eq(memory_hand_over(memory, MEMFD_READONLY, segments, &count), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(segments[0].length, length);
	ck_assert_uint_eq(segments[0].offset, 0);
	ck_assert_int_eq(fcntl(segments[0].fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	ck_assert_ptr_eq(mmap(NULL, length, PROT_WRITE, MAP_SHARED, segments[0].fd, 0), MAP_FAILED);
	address = mmap(NULL, length, PROT_READ, MAP_SHARED, segments[0].fd, 0);
	ck_assert_ptr_ne(address, MAP_FAILED);
	ck_assert_int_lt(mprotect(address, length, PROT_READ | PROT_WRITE), 0);
	ck_assert_int_eq(errno, EACCES);
	munmap(address, length);
	ck_assert_int_eq(memory_hand_over(memory, MEMFD_WRITABLE, segments, &count), 0);
	ck_assert_int_eq(fcntl(segments[0].fd, F_GETFL) & O_ACCMODE, O_RDWR);
	ck_assert_int_eq(fcntl(fd, F_GET_SEALS), seals);
	OSRelease(memory);
	close(fd);
}
END_TEST

START_TEST(a_part_is_not_handed_over)
{
	struct memory_segment segments[kIOMemoryDescriptorMaxSegments];
	IOMemoryDescriptor *windows[2] = {NULL}, *joined = NULL;
	uint32_t count = 0;
	int fd = -1;
	IOMemoryDescriptor *memory = make(&fd);

	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(IOMemoryDescriptor_CreateSubMemoryDescriptor(
					 kIOMemoryDirectionInOut, i * page_size(),
					 length - page_size(), memory, &windows[i]),
				 0);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(memory_hand_over(windows[i], MEMFD_WRITABLE, segments, &count),
				 kIOReturnNotPermitted);
	ck_assert_int_eq(IOMemoryDescriptor_CreateWithMemoryDescriptors(kIOMemoryDirectionInOut, 2,
									windows, &joined),
			 0);
	ck_assert(memory_is_device(joined));
	ck_assert_int_eq(memory_hand_over(joined, MEMFD_READONLY, segments, &count),
			 kIOReturnNotPermitted);
	OSRelease(joined);
	OSRelease(windows[0]);
	OSRelease(windows[1]);
	ck_assert_int_eq(memory_hand_over(memory, MEMFD_WRITABLE, segments, &count), 0);
	OSRelease(memory);
	close(fd);
}
END_TEST

START_TEST(only_whole_pages)
{
	IOMemoryDescriptor *memory = NULL;
	int fd = -1, before;

	ck_assert_int_eq(memfd_create_sealed("device", page_size(), &fd), 0);
	before = dup(fd);
	close(before);
	ck_assert_int_eq(memory_create_for_device_take(open_again(fd, O_RDWR),
						       open_again(fd, O_RDONLY), 256, &memory),
			 kIOReturnNotAligned);
	ck_assert_int_eq(memory_create_for_device_take(open_again(fd, O_RDWR),
						       open_again(fd, O_RDONLY), 0, &memory),
			 kIOReturnNotAligned);
	ck_assert_int_eq(dup(fd), before); /* both were closed */
	ck_assert_ptr_null(memory);
}
END_TEST

START_TEST(only_the_kernels_own_files_are_devices)
{
	struct stat about;
	int fd = -1;

	ck_assert_int_eq(memfd_create_sealed("device", page_size(), &fd), 0);
	ck_assert(!device_file_is(fd));
	ck_assert(!device_file_is(-1));
	close(fd);
	fd = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fd = open("/sys/power/state", O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		printf("# no file of sysfs can be opened here\n");
		return;
	}
	ck_assert(device_file_is(fd));
	ck_assert_int_eq(fstat(fd, &about), 0);
	ck_assert_int_eq(device_file_check(fd, (uint64_t)about.st_size), 0);
	ck_assert_int_eq(device_file_check(fd, (uint64_t)about.st_size + 1), kIOReturnBadArgument);
	close(fd);
	fd = open("/sys", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(device_file_check(fd, 0), kIOReturnBadArgument);
	close(fd);
}
END_TEST

UNIT_MAIN("device_memory", is_mapped_in_the_driver, is_handed_over_with_either_right,
	  a_part_is_not_handed_over, only_whole_pages, only_the_kernels_own_files_are_devices)
