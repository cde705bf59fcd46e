/* SPDX-License-Identifier: Apache-2.0 */
/* CreateMapping: where, how much, and with which rights. */
#include "unit.h"

#include "descriptor.h"

#include <sys/mman.h>

#define PAGE page_size()

static IOMemoryDescriptor *
buffer(uint64_t direction, uint64_t capacity)
{
	IOBufferMemoryDescriptor *memory = NULL;

	ck_assert_int_eq(IOBufferMemoryDescriptor_Create(direction, capacity, 0, &memory), 0);
	return (IOMemoryDescriptor *)memory;
}

static char *
at(IOMemoryMap *map)
{
	return (char *)(uintptr_t)IOMemoryMap_GetAddress(map);
}

static void
write_to(void *address)
{
	*(volatile char *)address = 1;
}

static bool
faults(void *address)
{
	return unit_killed_by(unit_child(write_to, address, NULL, 0), SIGSEGV);
}

START_TEST(a_mapping_shows_the_same_pages)
{
	IOMemoryDescriptor *memory = buffer(3, 3 * PAGE);
	char *bytes = memory_address(memory);
	IOMemoryMap *map = NULL;

	ck_assert_int_eq(IOMemoryDescriptor_CreateMapping(memory, 0, 0, 0, 0, 0, &map), 0);
	ck_assert_uint_eq(IOMemoryMap_GetLength(map), 3 * PAGE);
	ck_assert_uint_eq(IOMemoryMap_GetOffset(map), 0);
	ck_assert_ptr_ne(at(map), bytes);
	at(map)[2 * PAGE] = 5;
	ck_assert_int_eq(bytes[2 * PAGE], 5);
	ck_assert(faults(at(map) - 1));
	ck_assert(faults(at(map) + 3 * PAGE));
	OSRelease(map);
	OSRelease(memory);
}
END_TEST

START_TEST(a_range_may_start_at_any_byte)
{
	IOMemoryDescriptor *memory = buffer(3, 3 * PAGE);
	char *bytes = memory_address(memory);
	IOMemoryMap *map = NULL;

	ck_assert_int_eq(IOMemoryDescriptor_CreateMapping(memory, 0, 0, PAGE + 100, 50, 0, &map),
			 0);
	ck_assert_uint_eq(IOMemoryMap_GetLength(map), 50);
	ck_assert_uint_eq(IOMemoryMap_GetOffset(map), PAGE + 100);
	at(map)[49] = 5;
	ck_assert_int_eq(bytes[PAGE + 149], 5);
	OSSafeReleaseNULL(map);
	ck_assert_int_eq(IOMemoryDescriptor_CreateMapping(memory, 0, 0, PAGE + 1, 0, 0, &map), 0);
	ck_assert_uint_eq(IOMemoryMap_GetLength(map), 2 * PAGE - 1);
	OSRelease(map);
	OSRelease(memory);
}
END_TEST

START_TEST(read_only_is_read_only)
{
	IOMemoryDescriptor *memory = buffer(3, PAGE);
	IOMemoryMap *map = NULL;

	ck_assert_int_eq(
		IOMemoryDescriptor_CreateMapping(memory, kIOMemoryMapReadOnly, 0, 0, 0, 0, &map),
		0);
	((char *)memory_address(memory))[0] = 3;
	ck_assert_int_eq(at(map)[0], 3);
	ck_assert(faults(at(map)));
	OSRelease(map);
	OSRelease(memory);
}
END_TEST

START_TEST(own_memory_with_direction_out_is_writable_here)
{
	IOMemoryDescriptor *memory = buffer(kIOMemoryDirectionOut, PAGE);
	IOMemoryMap *map = NULL;

	ck_assert_int_eq(IOMemoryDescriptor_CreateMapping(memory, 0, 0, 0, 0, 0, &map), 0);
	at(map)[0] = 1;
	OSRelease(map);
	OSRelease(memory);
}
END_TEST

START_TEST(a_mapping_keeps_the_pages)
{
	IOMemoryDescriptor *memory = buffer(3, PAGE);
	IOMemoryMap *map = NULL;

	ck_assert_int_eq(IOMemoryDescriptor_CreateMapping(memory, 0, 0, 0, 0, 0, &map), 0);
	((char *)memory_address(memory))[7] = 7;
	OSRelease(memory);
	ck_assert_int_eq(at(map)[7], 7);
	OSRelease(map);
}
END_TEST

START_TEST(a_fixed_address_is_taken_and_never_replaces)
{
	IOMemoryDescriptor *memory = buffer(3, PAGE), *window = NULL;
	IOMemoryMap *map = NULL, *second = NULL;
	char *place = mmap(NULL, 8 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t address = (uint64_t)(uintptr_t)place + 4 * PAGE;

	ck_assert_ptr_ne(place, MAP_FAILED);
	ck_assert_int_eq(IOMemoryDescriptor_CreateMapping(memory, kIOMemoryMapFixedAddress, address,
							  0, 0, 0, &map),
			 kIOReturnError);
	munmap(place, 8 * PAGE);
	ck_assert_int_eq(IOMemoryDescriptor_CreateMapping(memory, kIOMemoryMapFixedAddress, address,
							  0, 0, 0, &map),
			 0);
	ck_assert_uint_eq(IOMemoryMap_GetAddress(map), address);
	ck_assert_int_eq(IOMemoryDescriptor_CreateMapping(memory, kIOMemoryMapFixedAddress, address,
							  0, 0, 0, &second),
			 kIOReturnError);
	ck_assert_int_eq(IOMemoryDescriptor_CreateMapping(memory, kIOMemoryMapFixedAddress, 12345,
							  0, 0, 0, &second),
			 kIOReturnError);
	ck_assert_int_eq(IOMemoryDescriptor_CreateMapping(memory, kIOMemoryMapFixedAddress, 0, 0, 0,
							  0, &second),
			 kIOReturnBadArgument);
	OSSafeReleaseNULL(map);
	/* The address is of the first byte, so it must be as far into a page. */
	ck_assert_int_eq(IOMemoryDescriptor_CreateSubMemoryDescriptor(3, 16, 16, memory, &window),
			 0);
	ck_assert_int_eq(IOMemoryDescriptor_CreateMapping(window, kIOMemoryMapFixedAddress, address,
							  0, 0, 0, &map),
			 kIOReturnError);
	ck_assert_int_eq(IOMemoryDescriptor_CreateMapping(window, kIOMemoryMapFixedAddress,
							  address + 16, 0, 0, 0, &map),
			 0);
	OSRelease(map);
	OSRelease(window);
	OSRelease(memory);
}
END_TEST

START_TEST(arguments)
{
	const struct {
		uint64_t options, offset, length, alignment;
		IOReturn expected;
	} cases[] = {
		{0, PAGE, 0, 0, kIOReturnBadArgument},
		{0, PAGE + 1, 0, 0, kIOReturnBadArgument},
		{0, 1, PAGE, 0, kIOReturnBadArgument},
		{0, UINT64_MAX, 2, 0, kIOReturnBadArgument},
		{0, 2, UINT64_MAX, 0, kIOReturnBadArgument},
		{0, 0, 0, 1, kIOReturnBadArgument},
		{0x20, 0, 0, 0, kIOReturnBadArgument},
		{0x10, 0, 0, 0, kIOReturnBadArgument},
		{UINT64_C(1) << 63, 0, 0, 0, kIOReturnBadArgument},
		{kIOMemoryMapCacheModeInhibit | kIOMemoryMapCacheModeCopyback, 0, 0, 0,
		 kIOReturnBadArgument},
		{kIOMemoryMapCacheModeInhibit, 0, 0, 0, kIOReturnUnsupported},
		{kIOMemoryMapCacheModeRealTime, 0, 0, 0, kIOReturnUnsupported},
		{kIOMemoryMapCacheModeWriteThrough, 0, 0, 0, kIOReturnUnsupported},
		{kIOMemoryMapCacheModeCopyback, 0, 0, 0, 0},
		{kIOMemoryMapGuardedNone, 0, 0, 0, 0},
		{kIOMemoryMapGuardedSmall, 0, 0, 0, 0},
		{kIOMemoryMapGuardedLarge, 0, 0, 0, 0},
	};
	IOMemoryDescriptor *memory = buffer(3, PAGE);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		IOMemoryMap *map = NULL;

		ck_assert_int_eq(IOMemoryDescriptor_CreateMapping(memory, cases[i].options, 0,
								  cases[i].offset, cases[i].length,
								  cases[i].alignment, &map),
				 cases[i].expected);
		ck_assert_int_eq(map != NULL, cases[i].expected == 0);
		OSRelease(map);
	}
	ck_assert_int_eq(IOMemoryDescriptor_CreateMapping(memory, 0, 0, 0, 0, 0, NULL),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IOMemoryDescriptor_CreateMapping(NULL, 0, 0, 0, 0, 0, NULL),
			 kIOReturnBadArgument);
	OSRelease(memory);
}
END_TEST

UNIT_MAIN("map", a_mapping_shows_the_same_pages, a_range_may_start_at_any_byte,
	  read_only_is_read_only, own_memory_with_direction_out_is_writable_here,
	  a_mapping_keeps_the_pages, a_fixed_address_is_taken_and_never_replaces, arguments)
