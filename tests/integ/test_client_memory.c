/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of an app that a driver names by address: SEMANTICS of CreateMemoryDescriptorFromClient.
 */
#include "echo.h"
#include "harness.h"
#include "unit.h"

#include <stdint.h>
#include <sys/mman.h>

#include <mach/mach.h>
#include <mach/mach_vm.h>

#define PAGE vm_page_size

#define DIRECTION 3u	/* kIOMemoryDirectionInOut */
#define SHARED	  0x13u /* and kIOMemoryDisableCopyOnWrite */

struct segment {
	uint64_t address, length;
};

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

static struct segment
segment_of(const void *memory, uint64_t length)
{
	return (struct segment){(uintptr_t)memory, length};
}

static kern_return_t
name(io_connect_t connect, uint64_t options, const struct segment *segments, size_t count,
     uint64_t *ret_length)
{
	uint32_t room = 1;

	return IOConnectCallMethod(connect, ECHO_CLIENT_MEMORY, &options, 1, segments,
				   count * sizeof(*segments), ret_length, &room, NULL, NULL);
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
poke(io_connect_t connect, uint64_t offset, char byte)
{
	const uint64_t input[2] = {offset, (unsigned char)byte};

	ck_assert_int_eq(IOConnectCallScalarMethod(connect, ECHO_POKE, input, 2, NULL, NULL),
			 kIOReturnSuccess);
}

static char *
allocate_vm(size_t size)
{
	mach_vm_address_t address = 0;

	ck_assert_int_eq(mach_vm_allocate(mach_task_self(), &address, size, VM_FLAGS_ANYWHERE), 0);
	return (char *)(uintptr_t)address;
}

/* At odd addresses, of odd lengths, from the stack and the heap, one after the other. */
START_TEST(named_memory_is_copied)
{
	io_connect_t connect = start();
	char on_stack[100], *heap = malloc(10000);
	const struct segment segments[] = {segment_of(on_stack + 3, 50),
					   segment_of(heap + 1, 9001)};
	uint64_t length = 0;

	memset(on_stack, 's', sizeof(on_stack));
	memset(heap, 'h', 10000);
	heap[9001] = 'l';
	ck_assert_int_eq(name(connect, DIRECTION, segments, 2, &length), kIOReturnSuccess);
	ck_assert_uint_eq(length, 9051);
	ck_assert_int_eq(peek(connect, 0), 's');
	ck_assert_int_eq(peek(connect, 49), 's');
	ck_assert_int_eq(peek(connect, 50), 'h');
	ck_assert_int_eq(peek(connect, 9050), 'l');
	/* Copy-on-write: neither side sees the other's writes. */
	heap[1] = 'a';
	ck_assert_int_eq(peek(connect, 50), 'h');
	poke(connect, 51, 'd');
	ck_assert_int_eq(heap[2], 'h');
	free(heap);
	stop(connect);
}
END_TEST

START_TEST(without_copy_on_write_it_is_the_memory)
{
	io_connect_t connect = start();
	char *one = allocate_vm(4 * PAGE), *other = allocate_vm(PAGE);
	const struct segment segments[] = {segment_of(one + PAGE, 2 * PAGE),
					   segment_of(other, 100)};
	struct segment in_between = segment_of(one + 5, 3);
	uint64_t length = 0;

	ck_assert_int_eq(name(connect, SHARED, segments, 2, &length), kIOReturnSuccess);
	ck_assert_uint_eq(length, 2 * PAGE + 100);
	one[PAGE] = 'a';
	other[99] = 'b';
	ck_assert_int_eq(peek(connect, 0), 'a');
	ck_assert_int_eq(peek(connect, 2 * PAGE + 99), 'b');
	poke(connect, 2 * PAGE, 'd');
	ck_assert_int_eq(other[0], 'd');
	ck_assert_int_eq(name(connect, SHARED, &in_between, 1, &length), kIOReturnSuccess);
	poke(connect, 2, 'e');
	ck_assert_int_eq(one[7], 'e');
	/* Without the option the same memory is a copy. */
	ck_assert_int_eq(name(connect, DIRECTION, segments, 2, &length), kIOReturnSuccess);
	poke(connect, 0, 'x');
	ck_assert_int_eq(one[PAGE], 'a');
	stop(connect);
}
END_TEST

START_TEST(up_to_32_segments)
{
	io_connect_t connect = start();
	char *memory = allocate_vm(33 * PAGE);
	struct segment segments[33];
	uint64_t length = 0;

	for (unsigned i = 0; i < 33; i++) {
		memory[i * PAGE] = (char)(i + 1);
		segments[i] = segment_of(memory + (size_t)i * PAGE, PAGE);
	}
	ck_assert_int_eq(name(connect, SHARED, segments, 32, &length), kIOReturnSuccess);
	ck_assert_uint_eq(length, 32 * PAGE);
	for (unsigned i = 0; i < 32; i++)
		ck_assert_int_eq(peek(connect, (uint64_t)i * PAGE), (int)i + 1);
	ck_assert_int_eq(name(connect, SHARED, segments, 33, &length), kIOReturnBadArgument);
	ck_assert_int_eq(name(connect, SHARED | 0x100, segments, 1, &length), kIOReturnBadArgument);
	segments[1].length = 0;
	ck_assert_int_eq(name(connect, SHARED, segments, 2, &length), kIOReturnBadArgument);
	stop(connect);
}
END_TEST

/* The driver asks for what the call does not name. */
START_TEST(a_driver_does_not_get_what_nobody_named)
{
	io_connect_t connect = start();
	char *secret = malloc(PAGE), *shared = allocate_vm(2 * PAGE);
	struct segment segment = segment_of(secret, 100);
	uint64_t input[3] = {DIRECTION, (uintptr_t)secret, 100}, length = 0;
	uint32_t room = 1;

	memset(secret, 's', PAGE);
	ck_assert_int_eq(
		IOConnectCallScalarMethod(connect, ECHO_CLIENT_RANGE, input, 3, &length, &room),
		kIOReturnSuccess);
	/* Shared it is never, whoever names it. */
	ck_assert_int_eq(name(connect, SHARED, &segment, 1, &length), kIOReturnNotPermitted);
	/* Nor is what is beside memory that is shared. */
	segment = segment_of(shared, 2 * PAGE + 1);
	ck_assert_int_eq(name(connect, SHARED, &segment, 1, &length), kIOReturnNotPermitted);
	/* The structure names another address than the driver asks for. */
	input[0] = ECHO_CLIENT_BESIDE | DIRECTION;
	room = 1;
	ck_assert_int_eq(
		IOConnectCallScalarMethod(connect, ECHO_CLIENT_RANGE, input, 3, &length, &room),
		kIOReturnNotPermitted);
	input[1] = (uintptr_t)shared;
	room = 1;
	ck_assert_int_eq(
		IOConnectCallScalarMethod(connect, ECHO_CLIENT_RANGE, input, 3, &length, &room),
		kIOReturnSuccess);
	free(secret);
	stop(connect);
}
END_TEST

START_TEST(memory_that_is_not_there)
{
	io_connect_t connect = start();
	char *gone =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct segment segment = segment_of(gone, 2 * PAGE);
	uint64_t length = 0;

	ck_assert_int_eq(munmap(gone + PAGE, PAGE), 0);
	ck_assert_int_eq(name(connect, DIRECTION, &segment, 1, &length), kIOReturnVMError);
	segment.length = UINT64_C(3) << 30;
	ck_assert_int_eq(name(connect, DIRECTION, &segment, 1, &length), kIOReturnNoResources);
	/* The connection is as good as before. */
	segment.length = PAGE;
	ck_assert_int_eq(name(connect, DIRECTION, &segment, 1, &length), kIOReturnSuccess);
	stop(connect);
}
END_TEST

UNIT_MAIN("client memory", named_memory_is_copied, without_copy_on_write_it_is_the_memory,
	  up_to_32_segments, a_driver_does_not_get_what_nobody_named, memory_that_is_not_there)
