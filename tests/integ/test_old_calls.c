/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of before IOConnectCallMethod, and outputs whose buffer the library makes. */
#include "echo.h"
#include "harness.h"
#include "unit.h"

#include <mach/mach.h>
#include <sys/mman.h>

static struct harness harness;

static io_connect_t
start(void)
{
	harness_start(&harness, (const char *[]){harness_bundle("ECHO_BUNDLE"), NULL});
	return harness_open("Echo", 0);
}

START_TEST(scalars_are_ints)
{
	io_connect_t connect = start();
	int one = 0, two = 0;

	ck_assert_int_eq(IOConnectMethodScalarIScalarO(connect, ECHO_ECHO, 2, 2, 7, -8, &one, &two),
			 0);
	ck_assert_int_eq(one, 7);
	ck_assert_int_eq(two, -8);
	ck_assert_int_eq(IOConnectMethodScalarIScalarO(connect, ECHO_ECHO, 17, 0),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IOConnectMethodScalarIScalarO(connect, 77, 0, 0), kIOReturnUnsupported);
	ck_assert_int_eq(IOServiceClose(connect), 0);
	harness_stop(&harness);
}
END_TEST

START_TEST(structures_go_both_ways)
{
	io_connect_t connect = start();
	char text[] = "to and fro", back[32] = "";
	IOByteCount size = sizeof(back);
	mach_vm_address_t address = 0;
	mach_vm_size_t length = 0;

	ck_assert_int_eq(IOConnectMethodStructureIStructureO(connect, ECHO_ECHO, sizeof(text),
							     &size, text, back),
			 0);
	ck_assert_uint_eq(size, sizeof(text));
	ck_assert_str_eq(back, text);
	/* The scalar arrives: it is what the driver fills its memory with. */
	ck_assert_int_eq(IOConnectMethodScalarIStructureI(connect, ECHO_FILL, 1, 0, 5, text), 0);
	ck_assert_int_eq(IOConnectMapMemory64(connect, 0, mach_task_self(), &address, &length,
					      kIOMapAnywhere),
			 0);
	ck_assert_uint_eq(*(uint8_t *)(uintptr_t)address, 5);
	/* And the structure: this method wants none. */
	ck_assert_int_eq(
		IOConnectMethodScalarIStructureI(connect, ECHO_FILL, 1, sizeof(text), 5, text),
		kIOReturnBadArgument);
	size = sizeof(back);
	ck_assert_int_eq(IOConnectMethodScalarIStructureO(connect, ECHO_ECHO, 0, &size, back), 0);
	ck_assert_uint_eq(size, 0);
	ck_assert_int_eq(IOServiceClose(connect), 0);
	harness_stop(&harness);
}
END_TEST

START_TEST(the_library_makes_the_buffer)
{
	io_connect_t connect = start();
	static const size_t lengths[] = {4097, 12288, 1000001, 16 << 20};
	static char text[4096], too_long[(16 << 20) + 1];
	vm_address_t address = 1;
	size_t size = (size_t)kIOConnectMethodVarOutputSize;

	memset(text, 'x', sizeof(text));
	ck_assert_int_eq(
		IOConnectCallStructMethod(connect, ECHO_ECHO, text, sizeof(text), &address, &size),
		0);
	ck_assert_uint_eq(size, sizeof(text));
	ck_assert_mem_eq((void *)address, text, sizeof(text));
	ck_assert_int_eq(vm_deallocate(mach_task_self(), address, size), 0);
	/* More than travels with an answer: a large input, which the driver sends back as it is. */
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		char *large = malloc(lengths[i]);

		memset(large, (int)i + 1, lengths[i]);
		size = (size_t)kIOConnectMethodVarOutputSize;
		ck_assert_int_eq(IOConnectCallStructMethod(connect, ECHO_BACK, large, lengths[i],
							   &address, &size),
				 0);
		ck_assert_uint_eq(size, lengths[i]);
		ck_assert_mem_eq((void *)address, large, lengths[i]);
		ck_assert_int_eq(vm_deallocate(mach_task_self(), address, size), 0);
		ck_assert_int_eq(madvise((void *)address, 1, MADV_NORMAL), -1);
		free(large);
	}
	size = (size_t)kIOConnectMethodVarOutputSize;
	address = 1;
	ck_assert_int_eq(IOConnectCallStructMethod(connect, ECHO_BACK, too_long, sizeof(too_long),
						   &address, &size),
			 kIOReturnBadArgument);
	ck_assert_uint_eq(address, 1);
	/* Nothing came: no buffer. */
	size = (size_t)kIOConnectMethodVarOutputSize;
	ck_assert_int_eq(IOConnectCallStructMethod(connect, ECHO_ECHO, NULL, 0, &address, &size),
			 0);
	ck_assert_uint_eq(size, 0);
	ck_assert_uint_eq(address, 0);
	/* On an error both are left alone. */
	size = (size_t)kIOConnectMethodVarOutputSize;
	address = 1;
	ck_assert_int_eq(IOConnectCallStructMethod(connect, 77, NULL, 0, &address, &size),
			 kIOReturnUnsupported);
	ck_assert_uint_eq(size, (size_t)kIOConnectMethodVarOutputSize);
	ck_assert_uint_eq(address, 1);
	ck_assert_int_eq(IOServiceClose(connect), 0);
	harness_stop(&harness);
}
END_TEST

START_TEST(a_connection_has_a_class)
{
	io_connect_t connect = start();
	io_service_t service = 0;
	io_name_t name;

	ck_assert_int_eq(IOObjectGetClass(connect, name), 0);
	ck_assert_str_eq(name, "IOUserUserClient");
	ck_assert(IOObjectConformsTo(connect, "IOUserClient"));
	ck_assert(!IOObjectConformsTo(connect, "IOUserService"));
	ck_assert_int_eq(IOConnectGetService(connect, &service), 0);
	ck_assert_int_eq(IOObjectGetClass(service, name), 0);
	ck_assert_str_eq(name, "IOUserService");
	ck_assert_int_eq(IOObjectGetClass(0x77, name), MACH_SEND_INVALID_DEST);
	ck_assert_int_eq(IOServiceClose(connect), 0);
	harness_stop(&harness);
}
END_TEST

UNIT_MAIN("old_calls", scalars_are_ints, structures_go_both_ways, the_library_makes_the_buffer,
	  a_connection_has_a_class)
