/* SPDX-License-Identifier: Apache-2.0 */
/* Structures of more than 4096 bytes: copied, shared, kept, at any address. */
#include "unit.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "connection_private.h"
#include "fake_host.h"
#include "large.h"
#include "maps.h"
#include "memfd.h"
#include "object_table.h"
#include "sharing.h"

#include <mach/mach_vm.h>

#define PAGE	     page_size()
#define LARGEST_PAGE 65536

/* What the driver does with the structures of a call. */
struct script {
	uint32_t flags; /* of the reply: KEPT */
	const char *write;
	IOReturn status;
	/* Left for the test: where the structures are in the host. */
	char *input;
	char *output;
	char *input_page, *output_page; /* the files, from their start */
	uint64_t input_offset, output_offset;
	char seen[64]; /* of the input, from its start */
};

static char *
map_file(int fd, uint64_t offset, uint64_t size, char **ret_page)
{
	void *page;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(memfd_check_peer(fd, offset + size), 0);
	ck_assert_int_eq(fcntl(fd, F_GET_SEALS) & F_SEAL_SEAL, F_SEAL_SEAL);
	ck_assert_int_eq(memfd_map(fd, 0, page_round_up(offset + size), true, false, NULL, &page),
			 0);
	*ret_page = page;
	return *ret_page + offset;
}

static bool
run_script(struct fake_host *host, unsigned slot, const struct call_request *request,
	   struct call_reply *reply)
{
	struct script *script = host->context;
	const struct structures_body *body = &host->structures[slot];

	if (!(request->flags & (CALL_LARGE_INPUT | CALL_LARGE_OUTPUT)))
		return true;
	ck_assert_uint_eq(body->generation, request->generation);
	if (request->flags & CALL_LARGE_INPUT) {
		script->input_offset = body->input_offset;
		script->input = map_file(host->structure_fds[slot][0], body->input_offset,
					 request->structure_in_size, &script->input_page);
		memcpy(script->seen, script->input, sizeof(script->seen));
	}
	if (request->flags & CALL_LARGE_OUTPUT) {
		script->output_offset = body->output_offset;
		script->output = map_file(host->structure_fds[slot][1], body->output_offset,
					  request->structure_out_size, &script->output_page);
		if (script->write != NULL)
			strcpy(script->output, script->write);
		if (script->status == 0)
			reply->structure_out_size = request->structure_out_size;
	}
	reply->flags = script->flags;
	reply->status = script->status;
	return true;
}

static char *
allocate(uint64_t length)
{
	char *pages =
		mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(pages, MAP_FAILED);
	return pages;
}

static io_connect_t
open_with(struct fake_host *host, struct script *script)
{
	fake_host_create(host);
	host->method = run_script;
	host->context = script;
	return fake_host_open(host);
}

/* What the script left is the test's to read afterwards: by the call page too, but not at one
 * address in this process. */
static IOReturn
call(struct fake_host *host, io_connect_t connect, const void *input, size_t input_size,
     void *output, size_t *output_size)
{
	IOReturn status =
		IOConnectCallStructMethod(connect, 0, input, input_size, output, output_size);

	(void)atomic_load(&host->answered);
	return status;
}

START_TEST(a_structure_is_copied_there_and_back)
{
	const size_t sizes[] = {DEXT_STRUCTURE_INLINE_MAX + 1, 4 * PAGE - 1, 4 * PAGE, 4 * PAGE + 1,
				1 << 20};
	struct script script = {.write = "written by the driver"};
	struct fake_host host;
	io_connect_t connect = open_with(&host, &script);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t size = sizes[i], room = size;
		char *input = malloc(size), *output = malloc(size + 1);

		memset(input, 'i', size);
		memset(output, 'o', size + 1);
		ck_assert_int_eq(call(&host, connect, input, size, output, &room), 0);
		ck_assert_uint_eq(room, size);
		ck_assert_mem_eq(script.input, input, size);
		ck_assert_str_eq(output, "written by the driver");
		ck_assert_int_eq(output[size - 1], 'o');
		ck_assert_int_eq(output[size], 'o');
		/* Not kept, so nothing is shared. */
		strcpy(script.output, "later");
		ck_assert_str_eq(output, "written by the driver");
		free(input);
		free(output);
	}
	IOServiceClose(connect);
	fake_host_stop(&host);
}
END_TEST

START_TEST(what_is_beside_the_structure_is_not_given_away)
{
	struct script script = {0};
	struct fake_host host;
	io_connect_t connect = open_with(&host, &script);
	char *pages = allocate(4 * PAGE);

	memset(pages, 's', 4 * PAGE);
	memset(pages + 100, 'i', 2 * PAGE);
	ck_assert_int_eq(call(&host, connect, pages + 100, 2 * PAGE, NULL, NULL), 0);
	ck_assert_uint_eq(script.input_offset, 100);
	for (unsigned i = 0; i < 100; i++)
		ck_assert_int_eq(script.input_page[i], 0);
	for (unsigned i = 2 * PAGE + 100; i < 3 * PAGE; i++)
		ck_assert_int_eq(script.input_page[i], 0);
	IOServiceClose(connect);
	fake_host_stop(&host);
}
END_TEST

START_TEST(a_kept_output_is_shared_both_ways)
{
	struct script script = {.flags = CALL_KEPT_OUTPUT, .write = "in the call"};
	struct fake_host host;
	io_connect_t connect = open_with(&host, &script);
	char *pages = allocate(8 * PAGE);
	size_t size = 8 * PAGE;

	strcpy(pages + 5 * PAGE, "of the app");
	ck_assert_int_eq(call(&host, connect, NULL, 0, pages, &size), 0);
	ck_assert_str_eq(pages, "in the call");
	ck_assert_str_eq(script.output + 5 * PAGE, "of the app");
	strcpy(script.output + 2 * PAGE, "from then on");
	ck_assert_str_eq(pages + 2 * PAGE, "from then on");
	strcpy(pages + 3 * PAGE, "live");
	ck_assert_str_eq(script.output + 3 * PAGE, "live");
	ck_assert_int_eq(IOServiceClose(connect), 0);
	/* After the close the memory is the app's alone, with its content. */
	ck_assert_str_eq(pages + 2 * PAGE, "from then on");
	strcpy(script.output + 2 * PAGE, "too late");
	ck_assert_str_eq(pages + 2 * PAGE, "from then on");
	ck_assert_ptr_null(maps_why_not_plain(pages, 8 * PAGE));
	fake_host_stop(&host);
}
END_TEST

START_TEST(a_kept_input_is_live_for_the_driver)
{
	struct script script = {.flags = CALL_KEPT_INPUT};
	struct fake_host host;
	io_connect_t connect = open_with(&host, &script);
	char *pages = allocate(4 * PAGE);

	strcpy(pages + PAGE, "first");
	ck_assert_int_eq(call(&host, connect, pages, 4 * PAGE, NULL, NULL), 0);
	ck_assert_str_eq(script.input + PAGE, "first");
	strcpy(pages + PAGE, "second");
	ck_assert_str_eq(script.input + PAGE, "second");
	IOServiceClose(connect);
	fake_host_stop(&host);
}
END_TEST

START_TEST(odd_addresses_share_their_whole_pages)
{
	struct script script = {.flags = CALL_KEPT_OUTPUT};
	struct fake_host host;
	io_connect_t connect = open_with(&host, &script);
	char *pages = allocate(6 * PAGE), *memory = pages + 1000;
	size_t size = 4 * PAGE;

	memset(pages, 's', 6 * PAGE);
	ck_assert_int_eq(call(&host, connect, NULL, 0, memory, &size), 0);
	/* Page 1 begins a page less 1000 bytes into the structure; pages 1 to 3 are wholly in it.
	 */
	strcpy(script.output + PAGE - 1000, "page 1");
	ck_assert_str_eq(pages + PAGE, "page 1");
	strcpy(pages + 4 * PAGE - 8, "page 3");
	ck_assert_str_eq(script.output + 3 * PAGE - 8 + (PAGE - 1000), "page 3");
	/* Head and tail stay copies, and the neighbours what they were. */
	strcpy(script.output, "head");
	ck_assert_int_eq(memory[0], 's');
	strcpy(script.output + size - 5, "tail");
	ck_assert_int_eq(memory[size - 2], 's');
	ck_assert_int_eq(pages[999], 's');
	ck_assert_int_eq(memory[size], 's');
	IOServiceClose(connect);
	ck_assert_str_eq(pages + PAGE, "page 1");
	fake_host_stop(&host);
}
END_TEST

START_TEST(a_structure_without_a_whole_page_stays_a_copy)
{
	struct script script = {.flags = CALL_KEPT_OUTPUT, .write = "in the call"};
	struct fake_host host;
	io_connect_t connect = open_with(&host, &script);
	char *pages = allocate(4 * PAGE), *memory = pages + 1;
	size_t size = PAGE + 1;

	ck_assert_int_eq(call(&host, connect, NULL, 0, memory, &size), 0);
	ck_assert_str_eq(memory, "in the call");
	ck_assert_ptr_null(sharing_find(pages + PAGE, 1, NULL));
	strcpy(script.output, "later");
	ck_assert_str_eq(memory, "in the call");
	IOServiceClose(connect);
	fake_host_stop(&host);
}
END_TEST

START_TEST(stack_locked_and_file_memory_stay_copies)
{
	struct script script = {.flags = CALL_KEPT_OUTPUT, .write = "in the call"};
	struct fake_host host;
	io_connect_t connect = open_with(&host, &script);
	char on_stack[4 * LARGEST_PAGE], *shared, *locked = allocate(4 * PAGE), *cases[3];
	size_t size;

	shared = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cases[0] = on_stack;
	cases[1] = shared;
	cases[2] = syscall(SYS_mlock, locked, PAGE) == 0 ? locked : on_stack;
	for (unsigned i = 0; i < 3; i++) {
		size = 4 * PAGE;
		memset(cases[i], 0, size);
		ck_assert_int_eq(call(&host, connect, NULL, 0, cases[i], &size), 0);
		ck_assert_str_eq(cases[i], "in the call");
		strcpy(script.output + PAGE, "later");
		ck_assert_str_eq(cases[i] + PAGE, "");
	}
	IOServiceClose(connect);
	ck_assert_str_eq(on_stack, "in the call");
	fake_host_stop(&host);
}
END_TEST

START_TEST(allocated_memory_is_never_copied)
{
	struct script script = {.write = "straight"};
	struct fake_host host;
	io_connect_t connect = open_with(&host, &script);
	mach_vm_address_t address;
	size_t size = 2 * PAGE;
	char *memory;

	ck_assert_int_eq(mach_vm_allocate(mach_task_self(), &address, 4 * PAGE, VM_FLAGS_ANYWHERE),
			 0);
	memory = (char *)(uintptr_t)address + 123;
	ck_assert_int_eq(call(&host, connect, NULL, 0, memory, &size), 0);
	ck_assert_uint_eq(script.output_offset, 123);
	ck_assert_str_eq(memory, "straight");
	/* Shared whether or not it was kept, up to the last byte, and after the close. */
	strcpy(script.output + 2 * PAGE - 4, "end");
	ck_assert_str_eq(memory + 2 * PAGE - 4, "end");
	IOServiceClose(connect);
	strcpy(memory, "still");
	ck_assert_str_eq(script.output, "still");
	fake_host_stop(&host);
}
END_TEST

START_TEST(shared_memory_is_shared_again)
{
	struct script script = {.flags = CALL_KEPT_OUTPUT};
	struct fake_host host;
	io_connect_t connect = open_with(&host, &script);
	char *pages = allocate(4 * PAGE), *first;
	size_t size = 4 * PAGE;

	ck_assert_int_eq(call(&host, connect, NULL, 0, pages, &size), 0);
	first = script.output;
	ck_assert_int_eq(call(&host, connect, NULL, 0, pages, &size), 0);
	strcpy(pages, "both");
	ck_assert_str_eq(first, "both");
	ck_assert_str_eq(script.output, "both");
	IOServiceClose(connect);
	/* And once more over a new connection. */
	fake_host_stop(&host);
	connect = open_with(&host, &script);
	ck_assert_int_eq(call(&host, connect, NULL, 0, pages, &size), 0);
	strcpy(pages, "again");
	ck_assert_str_eq(script.output, "again");
	ck_assert_str_eq(first, "both");
	IOServiceClose(connect);
	fake_host_stop(&host);
}
END_TEST

START_TEST(memory_that_was_freed_meanwhile_is_left_alone)
{
	struct script script = {.flags = CALL_KEPT_OUTPUT};
	struct fake_host host;
	io_connect_t connect = open_with(&host, &script);
	char *pages = allocate(4 * PAGE);
	size_t size = 4 * PAGE;

	ck_assert_int_eq(call(&host, connect, NULL, 0, pages, &size), 0);
	munmap(pages, 4 * PAGE);
	ck_assert_ptr_eq(mmap(pages, 4 * PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
			 pages);
	strcpy(pages, "other");
	ck_assert_int_eq(call(&host, connect, NULL, 0, pages, &size), 0);
	ck_assert_str_eq(script.output, "other");
	IOServiceClose(connect);
	ck_assert_str_eq(pages, "other");
	fake_host_stop(&host);
}
END_TEST

START_TEST(an_error_still_brings_the_output)
{
	struct script script = {.write = "before the error", .status = kIOReturnBusy};
	struct fake_host host;
	io_connect_t connect = open_with(&host, &script);
	char *memory = calloc(1, 8192);
	size_t size = 8192;

	ck_assert_int_eq(call(&host, connect, NULL, 0, memory, &size), kIOReturnBusy);
	ck_assert_str_eq(memory, "before the error");
	ck_assert_uint_eq(size, 8192);
	free(memory);
	IOServiceClose(connect);
	fake_host_stop(&host);
}
END_TEST

static void
child_writes(void *memory)
{
	if (strcmp(memory, "parent") != 0)
		_exit(1);
	strcpy(memory, "child");
}

START_TEST(a_forked_child_writes_its_own_copy)
{
	struct script script = {.flags = CALL_KEPT_OUTPUT};
	struct fake_host host;
	io_connect_t connect = open_with(&host, &script);
	char *pages = allocate(4 * PAGE);
	size_t size = 4 * PAGE;

	ck_assert_int_eq(call(&host, connect, NULL, 0, pages, &size), 0);
	strcpy(pages, "parent");
	ck_assert_int_eq(unit_child(child_writes, pages, NULL, 0), 0);
	ck_assert_str_eq(pages, "parent");
	ck_assert_str_eq(script.output, "parent");
	strcpy(script.output, "live");
	ck_assert_str_eq(pages, "live");
	IOServiceClose(connect);
	fake_host_stop(&host);
}
END_TEST

/* Forks, writes as parent and as driver, and then has the child look. */
static void
expect_a_child_of_its_own(char *pages, char *driver)
{
	int ends[2], status = -1;
	char byte;
	pid_t pid;

	strcpy(pages, "at the fork");
	strcpy(pages + PAGE, "at the fork");
	ck_assert_int_eq(pipe(ends), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (read(ends[0], &byte, 1) != 1)
			_exit(1);
		if (strcmp(pages, "at the fork") != 0 || strcmp(pages + PAGE, "at the fork") != 0)
			_exit(2);
		strcpy(pages, "child");
		_exit(strcmp(pages + PAGE, "at the fork") == 0 ? 0 : 3);
	}
	strcpy(pages, "parent");
	strcpy(driver + PAGE, "driver");
	ck_assert_int_eq(write(ends[1], "", 1), 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_str_eq(pages, "parent");
	ck_assert_str_eq(driver, "parent");
	ck_assert_str_eq(pages + PAGE, "driver");
	close(ends[0]);
	close(ends[1]);
}

START_TEST(after_a_fork_neither_side_sees_the_others_writes)
{
	struct script script = {.flags = CALL_KEPT_OUTPUT};
	struct fake_host host;
	io_connect_t connect = open_with(&host, &script);
	char *pages = allocate(4 * PAGE);
	mach_vm_address_t address;
	size_t size = 4 * PAGE;

	ck_assert_int_eq(call(&host, connect, NULL, 0, pages, &size), 0);
	expect_a_child_of_its_own(pages, script.output);
	expect_a_child_of_its_own(pages, script.output);
	ck_assert_int_eq(mach_vm_allocate(mach_task_self(), &address, size, VM_FLAGS_ANYWHERE), 0);
	pages = (char *)(uintptr_t)address;
	ck_assert_int_eq(call(&host, connect, NULL, 0, pages, &size), 0);
	expect_a_child_of_its_own(pages, script.output);
	IOServiceClose(connect);
	fake_host_stop(&host);
}
END_TEST

/* The app has done with its addresses what it may do. */
START_TEST(a_fork_finds_what_the_app_moved_cut_and_protected)
{
	struct script script = {.flags = CALL_KEPT_OUTPUT};
	struct fake_host host;
	io_connect_t connect = open_with(&host, &script);
	char *pages = allocate(8 * PAGE), *elsewhere = allocate(2 * PAGE);
	size_t size = 8 * PAGE;

	ck_assert_int_eq(call(&host, connect, NULL, 0, pages, &size), 0);
	ck_assert_int_eq(munmap(pages, PAGE), 0);
	expect_a_child_of_its_own(pages + 2 * PAGE, script.output + 2 * PAGE);
	ck_assert_int_eq(mprotect(pages + 7 * PAGE, PAGE, PROT_READ), 0);
	expect_a_child_of_its_own(pages + 2 * PAGE, script.output + 2 * PAGE);
	ck_assert_ptr_eq(mremap(pages + 5 * PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
				elsewhere),
			 elsewhere);
	expect_a_child_of_its_own(elsewhere, script.output + 5 * PAGE);
	expect_a_child_of_its_own(pages + 2 * PAGE, script.output + 2 * PAGE);
	IOServiceClose(connect);
	fake_host_stop(&host);
}
END_TEST

START_TEST(memory_of_two_connections_is_shared_until_both_have_closed)
{
	struct script scripts[2] = {{.flags = CALL_KEPT_OUTPUT}, {.flags = CALL_KEPT_OUTPUT}};
	struct fake_host hosts[2];
	io_connect_t connects[2];
	size_t size = 4 * PAGE;

	/* Whichever closes first. */
	for (unsigned first = 0; first < 2; first++) {
		char *pages = allocate(4 * PAGE);

		for (unsigned i = 0; i < 2; i++) {
			connects[i] = open_with(&hosts[i], &scripts[i]);
			ck_assert_int_eq(call(&hosts[i], connects[i], NULL, 0, pages, &size), 0);
		}
		expect_a_child_of_its_own(pages, scripts[1].output);
		ck_assert_int_eq(IOServiceClose(connects[first]), 0);
		strcpy(pages, "to the other");
		ck_assert_str_eq(scripts[!first].output, "to the other");
		strcpy(scripts[!first].output + PAGE, "from the other");
		ck_assert_str_eq(pages + PAGE, "from the other");
		ck_assert_int_eq(IOServiceClose(connects[!first]), 0);
		ck_assert_ptr_null(maps_why_not_plain(pages, 4 * PAGE));
		ck_assert_str_eq(pages + PAGE, "from the other");
		fake_host_stop(&hosts[0]);
		fake_host_stop(&hosts[1]);
	}
}
END_TEST

/* One thread has the answer, and another closes before the first has done what there is to do. */
START_TEST(a_close_between_the_answer_and_the_sharing)
{
	struct script script = {0};
	struct connection *connection;
	struct fake_host host;
	io_connect_t connect = open_with(&host, &script);
	char *pages = allocate(4 * PAGE);
	struct large large;

	connection = object_copy_connection(connect);
	strcpy(pages, "of the app");
	ck_assert_int_eq(large_prepare(&large, connection, pages, 4 * PAGE, true),
			 kIOReturnSuccess);
	ck_assert_int_eq(IOServiceClose(connect), 0);
	large_finish(&large, connection, true, true);
	/* Nobody would undo it. */
	ck_assert_ptr_null(sharing_find(pages, 4 * PAGE, NULL));
	ck_assert_ptr_null(maps_why_not_plain(pages, 4 * PAGE));
	ck_assert_str_eq(pages, "of the app");
	connection_release(connection);
	fake_host_stop(&host);
}
END_TEST

START_TEST(no_descriptor_is_left)
{
	struct script script = {.flags = CALL_KEPT_OUTPUT | CALL_KEPT_INPUT};
	struct fake_host host;
	io_connect_t connect = open_with(&host, &script);
	char *input = allocate(4 * PAGE), *output = allocate(4 * PAGE);
	size_t size = 4 * PAGE;
	int before, after;

	/* The host's fds of the last call in slot 0 stay open on its side. */
	ck_assert_int_eq(call(&host, connect, input, size, output, &size), 0);
	before = dup(0);
	for (unsigned i = 0; i < 20; i++)
		ck_assert_int_eq(call(&host, connect, input, size, output, &size), 0);
	after = dup(0);
	ck_assert_int_eq(after, before + 1);
	IOServiceClose(connect);
	fake_host_stop(&host);
}
END_TEST

UNIT_MAIN("client large", a_structure_is_copied_there_and_back,
	  what_is_beside_the_structure_is_not_given_away, a_kept_output_is_shared_both_ways,
	  a_kept_input_is_live_for_the_driver, odd_addresses_share_their_whole_pages,
	  a_structure_without_a_whole_page_stays_a_copy, stack_locked_and_file_memory_stay_copies,
	  allocated_memory_is_never_copied, shared_memory_is_shared_again,
	  memory_that_was_freed_meanwhile_is_left_alone, an_error_still_brings_the_output,
	  a_forked_child_writes_its_own_copy, after_a_fork_neither_side_sees_the_others_writes,
	  a_fork_finds_what_the_app_moved_cut_and_protected,
	  memory_of_two_connections_is_shared_until_both_have_closed,
	  a_close_between_the_answer_and_the_sharing, no_descriptor_is_left)
