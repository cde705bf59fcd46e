/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of an app, named by a pointer, in a real driver: what the driver keeps is shared from then
 * on. */
#include "echo.h"
#include "harness.h"
#include "unit.h"

#include <stdlib.h>
#include <sys/mman.h>

#include <mach/mach.h>
#include <mach/mach_vm.h>

#define PAGE vm_page_size

static struct harness harness;

static io_connect_t
start(void)
{
	harness_start(&harness, (const char *[]){harness_bundle("ECHO_BUNDLE"), NULL});
	return harness_open("Echo", 0);
}

static char *
allocate(size_t size)
{
	char *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(pages, MAP_FAILED);
	return pages;
}

static void
poke(io_connect_t connect, uint64_t offset, char byte)
{
	const uint64_t input[2] = {offset, (unsigned char)byte};

	ck_assert_int_eq(IOConnectCallScalarMethod(connect, ECHO_POKE, input, 2, NULL, NULL),
			 kIOReturnSuccess);
}

static int
peek(io_connect_t connect, uint64_t offset)
{
	uint64_t byte = 0;
	uint32_t count = 1;

	ck_assert_int_eq(IOConnectCallScalarMethod(connect, ECHO_PEEK, &offset, 1, &byte, &count),
			 kIOReturnSuccess);
	return (int)byte;
}

static void
keep_output(io_connect_t connect, void *memory, size_t size)
{
	uint64_t length = 0;
	uint32_t count = 1;
	size_t room = size;

	ck_assert_int_eq(IOConnectCallMethod(connect, ECHO_KEEP, NULL, 0, NULL, 0, &length, &count,
					     memory, &room),
			 kIOReturnSuccess);
	ck_assert_uint_eq(length, size);
	ck_assert_uint_eq(room, size);
}

START_TEST(an_output_structure_is_shared)
{
	io_connect_t connect = start();
	char *pages = allocate(16 * PAGE), *memory = pages + 600;
	size_t size = 14 * PAGE + 5;

	memory[5 * PAGE] = 'a';
	keep_output(connect, memory, size);
	ck_assert_int_eq(peek(connect, 5 * PAGE), 'a');
	poke(connect, 6 * PAGE, 'd');
	ck_assert_int_eq(memory[6 * PAGE], 'd');
	memory[7 * PAGE] = 'b';
	ck_assert_int_eq(peek(connect, 7 * PAGE), 'b');
	ck_assert_int_eq(IOServiceClose(connect), kIOReturnSuccess);
	ck_assert_int_eq(memory[6 * PAGE], 'd');
	harness_stop(&harness);
}
END_TEST

START_TEST(an_input_structure_is_live)
{
	io_connect_t connect = start();
	char *pages = allocate(4 * PAGE);
	uint64_t length = 0;
	uint32_t count = 1;

	pages[PAGE] = '1';
	ck_assert_int_eq(IOConnectCallMethod(connect, ECHO_KEEP, NULL, 0, pages, 4 * PAGE, &length,
					     &count, NULL, NULL),
			 kIOReturnSuccess);
	ck_assert_uint_eq(length, 4 * PAGE);
	ck_assert_int_eq(peek(connect, PAGE), '1');
	pages[PAGE] = '2';
	ck_assert_int_eq(peek(connect, PAGE), '2');
	IOServiceClose(connect);
	harness_stop(&harness);
}
END_TEST

START_TEST(a_write_to_an_input_structure_ends_the_driver)
{
	const uint64_t input[2] = {PAGE, 'x'};
	io_connect_t connect = start();
	char *pages = allocate(4 * PAGE);
	uint64_t length = 0;
	uint32_t count = 1;

	ck_assert_int_eq(IOConnectCallMethod(connect, ECHO_KEEP, NULL, 0, pages, 4 * PAGE, &length,
					     &count, NULL, NULL),
			 kIOReturnSuccess);
	ck_assert_int_eq(IOConnectCallScalarMethod(connect, ECHO_POKE, input, 2, NULL, NULL),
			 kIOReturnOffline);
	ck_assert_int_eq(pages[PAGE], 0);
	harness_forget_crash(&harness);
	IOServiceClose(connect);
	harness_stop(&harness);
}
END_TEST

START_TEST(allocated_memory_is_the_drivers_to_its_last_byte)
{
	io_connect_t connect = start();
	mach_vm_address_t address;
	char *memory;

	ck_assert_int_eq(mach_vm_allocate(mach_task_self(), &address, 1 << 20, VM_FLAGS_ANYWHERE),
			 0);
	memory = (char *)(uintptr_t)address + 77;
	keep_output(connect, memory, 10001);
	poke(connect, 0, 'f');
	poke(connect, 10000, 'l');
	ck_assert_int_eq(memory[0], 'f');
	ck_assert_int_eq(memory[10000], 'l');
	memory[10000] = 'm';
	ck_assert_int_eq(peek(connect, 10000), 'm');
	IOServiceClose(connect);
	ck_assert_int_eq(mach_vm_deallocate(mach_task_self(), address, 1 << 20), 0);
	harness_stop(&harness);
}
END_TEST

START_TEST(what_is_not_kept_is_not_shared)
{
	io_connect_t connect = start();
	char *one = allocate(4 * PAGE), *other = allocate(4 * PAGE);

	keep_output(connect, one, 4 * PAGE);
	keep_output(connect, other, 4 * PAGE); /* and lets the first go */
	poke(connect, PAGE, 'o');
	ck_assert_int_eq(other[PAGE], 'o');
	ck_assert_int_eq(one[PAGE], 0);
	IOServiceClose(connect);
	harness_stop(&harness);
}
END_TEST

/* On macOS, too, the call says so and the app lives. */
START_TEST(memory_that_is_not_there_is_an_error)
{
	io_connect_t connect = start();
	char *pages = allocate(4 * PAGE);
	size_t room = 4 * PAGE;

	ck_assert_int_eq(munmap(pages + 2 * PAGE, PAGE), 0);
	ck_assert_int_eq(
		IOConnectCallStructMethod(connect, ECHO_ECHO, pages + 1, 3 * PAGE, NULL, NULL),
		kIOReturnVMError);
	ck_assert_int_eq(IOConnectCallStructMethod(connect, ECHO_ECHO, (void *)8, 5000, NULL, NULL),
			 kIOReturnVMError);
	ck_assert_int_eq(IOConnectCallStructMethod(connect, ECHO_ECHO, NULL, 0, pages, &room),
			 kIOReturnVMError);
	ck_assert_int_eq(mprotect(pages, PAGE, PROT_READ), 0);
	room = PAGE + 1000;
	ck_assert_int_eq(IOConnectCallStructMethod(connect, ECHO_ECHO, NULL, 0, pages, &room),
			 kIOReturnVMError);
	/* To be read it is good enough. */
	ck_assert_int_ne(
		IOConnectCallStructMethod(connect, ECHO_ECHO, pages, PAGE + 1000, NULL, NULL),
		kIOReturnVMError);
	ck_assert_int_eq(IOServiceClose(connect), kIOReturnSuccess);
	harness_stop(&harness);
}
END_TEST

UNIT_MAIN("large", an_output_structure_is_shared, an_input_structure_is_live,
	  a_write_to_an_input_structure_ends_the_driver,
	  allocated_memory_is_the_drivers_to_its_last_byte, what_is_not_kept_is_not_shared,
	  memory_that_is_not_there_is_an_error)
