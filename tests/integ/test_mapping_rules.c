/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of IOConnectMapMemory64 and IOConnectUnmapMemory64, each with a test of its name. */
#include "echo.h"
#include "harness.h"
#include "places.h"
#include "unit.h"

#include <sys/mman.h>

#include <mach/mach.h>

#define PAGE vm_page_size

static struct harness harness;

static io_connect_t
start(void)
{
	harness_start(&harness, (const char *[]){harness_bundle("ECHO_BUNDLE"), NULL});
	return harness_open("Echo", 0);
}

static void
stop(io_connect_t connect)
{
	ck_assert_int_eq(IOServiceClose(connect), kIOReturnSuccess);
	harness_stop(&harness);
}

static kern_return_t
map(io_connect_t connect, IOOptionBits options, mach_vm_address_t *address, mach_vm_size_t *size)
{
	return IOConnectMapMemory64(connect, 0, mach_task_self(), address, size, options);
}

static volatile unsigned char *
bytes(mach_vm_address_t address)
{
	return (volatile unsigned char *)(uintptr_t)address;
}

static mach_vm_address_t
free_range(size_t size)
{
	void *range = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(range, MAP_FAILED);
	ck_assert_int_eq(munmap(range, size), 0);
	return (uintptr_t)range;
}

static void
read_it(void *address)
{
	(void)*(volatile unsigned char *)address;
}

static void
write_it(void *address)
{
	*(volatile unsigned char *)address = 1;
}

static void
expect_gone(mach_vm_address_t address)
{
	struct place place;

	for (mach_vm_address_t at = address; at < address + ECHO_MEMORY_SIZE; at += PAGE)
		ck_assert(!place_find(getpid(), at, &place));
	ck_assert(unit_killed_by(unit_child(read_it, (void *)bytes(address), NULL, 0), SIGSEGV));
}

START_TEST(size_is_exact_and_only_an_output)
{
	io_connect_t connect = start();
	mach_vm_address_t address = 0x777;
	mach_vm_size_t size = 3;

	ck_assert_int_eq(map(connect, kIOMapAnywhere, &address, &size), kIOReturnSuccess);
	ck_assert_uint_eq(size, ECHO_MEMORY_SIZE);
	ck_assert_uint_eq(address % PAGE, 0);
	ck_assert_uint_ne(address, 0);
	stop(connect);
}
END_TEST

START_TEST(a_fixed_address_is_never_over_an_existing_mapping)
{
	io_connect_t connect = start();
	mach_vm_address_t address = free_range(4 * PAGE), occupied;
	mach_vm_address_t last = address + (ECHO_MEMORY_SIZE - 1) / PAGE * PAGE;
	mach_vm_size_t size = 0;
	unsigned char *mine = mmap((void *)bytes(last), PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	ck_assert_uint_eq((uintptr_t)mine, last);
	mine[0] = 'm';
	/* The last of its pages is in the way. */
	occupied = address;
	ck_assert_int_eq(map(connect, 0, &occupied, &size), kIOReturnBadArgument);
	ck_assert_int_eq(mine[0], 'm');
	occupied = address + 1;
	ck_assert_int_eq(map(connect, 0, &occupied, &size), kIOReturnBadArgument);
	occupied = 0;
	ck_assert_int_eq(map(connect, 0, &occupied, &size), kIOReturnBadArgument);
	ck_assert_int_eq(munmap(mine, PAGE), 0);
	occupied = address;
	ck_assert_int_eq(map(connect, 0, &occupied, &size), kIOReturnSuccess);
	ck_assert_uint_eq(occupied, address);
	/* Its own mapping is one, too. */
	ck_assert_int_eq(map(connect, 0, &occupied, &size), kIOReturnBadArgument);
	stop(connect);
}
END_TEST

START_TEST(the_same_type_twice_is_one_mapping_that_one_unmap_removes)
{
	io_connect_t connect = start();
	mach_vm_address_t first = 0, second = 0;
	mach_vm_size_t size = 0;

	ck_assert_int_eq(map(connect, kIOMapAnywhere, &first, &size), kIOReturnSuccess);
	ck_assert_int_eq(map(connect, kIOMapAnywhere, &second, &size), kIOReturnSuccess);
	ck_assert_uint_eq(first, second);
	ck_assert_int_eq(IOConnectUnmapMemory64(connect, 0, mach_task_self(), first),
			 kIOReturnSuccess);
	expect_gone(first);
	ck_assert_int_eq(IOConnectUnmapMemory64(connect, 0, mach_task_self(), first),
			 kIOReturnBadArgument);
	stop(connect);
}
END_TEST

START_TEST(an_unmap_is_by_type_and_address)
{
	io_connect_t connect = start();
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;

	ck_assert_int_eq(map(connect, kIOMapAnywhere, &address, &size), kIOReturnSuccess);
	ck_assert_int_eq(IOConnectUnmapMemory64(connect, 1, mach_task_self(), address),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IOConnectUnmapMemory64(connect, 0, mach_task_self(), address + PAGE),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IOConnectUnmapMemory64(connect, 0, mach_task_self() + 1, address),
			 kIOReturnBadArgument);
	bytes(address)[0] = 1;
	ck_assert_int_eq(IOConnectUnmapMemory64(connect, 0, mach_task_self(), address),
			 kIOReturnSuccess);
	expect_gone(address);
	stop(connect);
}
END_TEST

START_TEST(the_app_may_ask_for_read_only)
{
	io_connect_t connect = start();
	mach_vm_address_t address = 0, writable = 0;
	const uint64_t byte = 'f';
	mach_vm_size_t size = 0;

	ck_assert_int_eq(map(connect, kIOMapAnywhere | kIOMapReadOnly, &address, &size),
			 kIOReturnSuccess);
	ck_assert_int_eq(IOConnectCallScalarMethod(connect, ECHO_FILL, &byte, 1, NULL, NULL),
			 kIOReturnSuccess);
	ck_assert_int_eq(bytes(address)[ECHO_MEMORY_SIZE - 1], 'f');
	ck_assert(unit_killed_by(unit_child(write_it, (void *)bytes(address), NULL, 0), SIGSEGV));
	/* It fixes nothing: the same memory may be had writable beside it. */
	ck_assert_int_eq(map(connect, kIOMapAnywhere, &writable, &size), kIOReturnSuccess);
	ck_assert_uint_ne(address, writable);
	bytes(writable)[0] = 'w';
	ck_assert_int_eq(bytes(address)[0], 'w');
	stop(connect);
}
END_TEST

START_TEST(cache_modes_are_refused_or_honoured)
{
	io_connect_t connect = start();
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;

	for (IOOptionBits mode = 0; mode <= kIOMapCacheMask; mode += kIOMapInhibitCache) {
		bool honoured = mode == kIOMapDefaultCache || mode == kIOMapCopybackCache;

		ck_assert_int_eq(map(connect, kIOMapAnywhere | mode, &address, &size),
				 honoured ? kIOReturnSuccess : kIOReturnBadArgument);
	}
	stop(connect);
}
END_TEST

START_TEST(another_task_is_refused)
{
	io_connect_t connect = start();
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;

	ck_assert_int_eq(IOConnectMapMemory64(connect, 0, mach_task_self() + 1, &address, &size,
					      kIOMapAnywhere),
			 kIOReturnBadArgument);
	ck_assert_int_eq(
		IOConnectMapMemory64(connect, 0, MACH_PORT_NULL, &address, &size, kIOMapAnywhere),
		kIOReturnBadArgument);
	ck_assert_uint_eq(address, 0);
	stop(connect);
}
END_TEST

START_TEST(any_failure_is_a_bad_argument)
{
	io_connect_t connect = start();
	mach_vm_address_t address = 0x1000;
	mach_vm_size_t size = 5;

	ck_assert_int_eq(IOConnectMapMemory64(connect, 99, mach_task_self(), &address, &size,
					      kIOMapAnywhere),
			 kIOReturnBadArgument);
	ck_assert_int_eq(map(connect, kIOMapAnywhere | kIOMapOverwrite, &address, &size),
			 kIOReturnBadArgument);
	ck_assert_int_eq(map(connect, kIOMapAnywhere, NULL, &size), kIOReturnBadArgument);
	ck_assert_int_eq(map(connect, kIOMapAnywhere, &address, NULL), kIOReturnBadArgument);
	ck_assert_uint_eq(address, 0x1000);
	ck_assert_uint_eq(size, 5);
	stop(connect);
}
END_TEST

START_TEST(after_the_driver_died_memory_stays_until_the_close)
{
	io_connect_t connect = start();
	mach_vm_address_t address = 0, more = 0;
	mach_vm_size_t size = 0;

	ck_assert_int_eq(map(connect, kIOMapAnywhere, &address, &size), kIOReturnSuccess);
	bytes(address)[7] = 'k';
	ck_assert_int_eq(IOConnectCallScalarMethod(connect, ECHO_CRASH, NULL, 0, NULL, NULL),
			 kIOReturnOffline);
	ck_assert_int_eq(map(connect, kIOMapAnywhere, &more, &size), MACH_SEND_INVALID_DEST);
	ck_assert_uint_eq(more, 0);
	ck_assert_int_eq(bytes(address)[7], 'k');
	bytes(address)[7] = 'l';
	ck_assert_int_eq(bytes(address)[7], 'l');
	harness_forget_crash(&harness);
	ck_assert_int_eq(IOServiceClose(connect), kIOReturnSuccess);
	expect_gone(address);
	harness_stop(&harness);
}
END_TEST

UNIT_MAIN("mapping rules", size_is_exact_and_only_an_output,
	  a_fixed_address_is_never_over_an_existing_mapping,
	  the_same_type_twice_is_one_mapping_that_one_unmap_removes,
	  an_unmap_is_by_type_and_address, the_app_may_ask_for_read_only,
	  cache_modes_are_refused_or_honoured, another_task_is_refused,
	  any_failure_is_a_bad_argument, after_the_driver_died_memory_stays_until_the_close)
