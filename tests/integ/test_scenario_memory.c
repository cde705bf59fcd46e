/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of the scenario that are about memory (2, 3, 9, and what a memory type may be), on the
 * test driver Scenario: each statement, for memory of every kind and at odd addresses.
 */
#include "scenario_app.h"
#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <mach/mach.h>
#include <mach/mach_vm.h>

#ifndef F_ADD_SEALS
#define F_ADD_SEALS 1033
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x10
#endif

#define PAGE vm_page_size

enum { DROP, KEEP, KEEP_MAPPED };

static struct app app;

static void
start(void)
{
	app_start(&app, "sink");
	app_open(&app, 0);
}

/* --- row 2: the app's own memory --- */

static unsigned char *
allocate(size_t size)
{
	void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(pages, MAP_FAILED);
	return pages;
}

static unsigned char *
allocate_vm(size_t size)
{
	mach_vm_address_t address = 0;

	ck_assert_int_eq(mach_vm_allocate(mach_task_self(), &address, size, VM_FLAGS_ANYWHERE),
			 kIOReturnSuccess);
	return (unsigned char *)(uintptr_t)address;
}

struct use {
	uint64_t address; /* in the driver */
	uint64_t length;
	uint64_t sum; /* of the bytes, before the driver wrote */
};

static kern_return_t
try_use(const void *input, void *output, size_t size, unsigned keep, unsigned char byte,
	struct use *ret_use)
{
	const uint64_t scalars[2] = {keep, byte};
	size_t output_size = size;
	uint64_t answer[3] = {0};
	uint32_t room = 3;
	kern_return_t status = IOConnectCallMethod(app.connect, SCENARIO_USE, scalars, 2, input,
						   input == NULL ? 0 : size, answer, &room, output,
						   output == NULL ? NULL : &output_size);

	*ret_use = (struct use){answer[0], answer[1], answer[2]};
	if (status == kIOReturnSuccess)
		ck_assert_uint_eq(output_size, size);
	return status;
}

static struct use
use_output(void *memory, size_t size, unsigned keep, unsigned char byte)
{
	struct use use;

	ck_assert_int_eq(try_use(NULL, memory, size, keep, byte, &use), kIOReturnSuccess);
	ck_assert_uint_eq(use.length, size);
	return use;
}

static struct use
use_input(const void *memory, size_t size, unsigned keep)
{
	struct use use;

	ck_assert_int_eq(try_use(memory, NULL, size, keep, 0, &use), kIOReturnSuccess);
	ck_assert_uint_eq(use.length, size);
	return use;
}

static unsigned char
peek(uint64_t offset)
{
	uint64_t byte = 0;

	ck_assert_int_eq(app_call(&app, SCENARIO_PEEK, &offset, 1, &byte, 1), kIOReturnSuccess);
	return (unsigned char)byte;
}

static void
poke(uint64_t offset, unsigned char byte)
{
	app_do(&app, SCENARIO_POKE, offset, byte, 0);
}

static void
expect_bytes(const unsigned char *memory, size_t size, unsigned char byte)
{
	size_t i = 0;

	/* An assertion for each would be a system call for each. */
	while (i < size && memory[i] == byte)
		i++;
	ck_assert_msg(i == size, "byte %zu is %u, not %u", i, i < size ? memory[i] : 0, byte);
}

/* What the driver writes is there when the call returns: every byte, and no other. */
static void
try_what_is_written(unsigned char *pages, size_t room)
{
	const size_t sizes[] = {PAGE + 1, 2 * PAGE, 5 * PAGE - 1, 1 << 20};

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (size_t at = 0; at < PAGE; at += PAGE / 3) {
			unsigned char *memory = pages + PAGE + at;

			ck_assert_uint_le(PAGE + at + sizes[i] + PAGE, room);
			memset(pages, 3, room);
			ck_assert_uint_eq(use_output(memory, sizes[i], DROP, 9).sum, 3 * sizes[i]);
			expect_bytes(memory, sizes[i], 9);
			expect_bytes(pages, PAGE + at, 3);
			expect_bytes(memory + sizes[i], PAGE, 3);
		}
	}
}

START_TEST(row_2_output_structure_is_filled_in_any_memory)
{
	size_t room = (1 << 20) + 4 * PAGE;

	start();
	try_what_is_written(allocate(room), room);
	app_stop(&app);
}
END_TEST

START_TEST(row_2_output_structure_is_filled_in_vm_memory)
{
	size_t room = (1 << 20) + 4 * PAGE;

	start();
	try_what_is_written(allocate_vm(room), room);
	app_stop(&app);
}
END_TEST

START_TEST(row_2_output_structure_is_live_in_any_memory)
{
	unsigned char *pages = allocate(5 * PAGE), *memory = pages + 100;
	size_t size = 4 * PAGE;
	struct use use;

	start();
	use = use_output(memory, size, KEEP_MAPPED, 'a');
	/* The mapping is writable; whole pages of the app are the file that it maps. */
	for (size_t page = 1; page < 4; page++) {
		struct place theirs, ours = place_of(pages + page * PAGE);

		ck_assert(place_find(app.host, use.address + page * PAGE, &theirs));
		ck_assert_str_eq(theirs.rights, "rw-s");
		ck_assert_str_eq(ours.rights, "rw-s");
		ck_assert_uint_ne(ours.inode, 0);
		ck_assert_uint_eq(ours.inode, theirs.inode);
	}
	ck_assert_uint_eq(place_of(pages).inode, 0);
	ck_assert_uint_eq(place_of(pages + 4 * PAGE).inode, 0);
	/* Both ways, in each of these pages, first byte and last. */
	for (size_t at = PAGE; at < 4 * PAGE; at += PAGE) {
		poke(at - 100, 'b');
		poke(at + PAGE - 1 - 100, 'c');
		ck_assert_int_eq(pages[at], 'b');
		ck_assert_int_eq(pages[at + PAGE - 1], 'c');
		pages[at + 1] = 'd';
		pages[at + PAGE - 2] = 'e';
		ck_assert_int_eq(peek(at + 1 - 100), 'd');
		ck_assert_int_eq(peek(at + PAGE - 2 - 100), 'e');
	}
	/* The rest of the first and the last page stays the app's own. */
	poke(0, 'f');
	ck_assert_int_eq(memory[0], 'a');
	memory[size - 1] = 'g';
	ck_assert_int_eq(peek(size - 1), 'a');
	ck_assert_int_eq(IOServiceClose(app.connect), kIOReturnSuccess);
	/* The app's memory is its own again, as it was. */
	ck_assert_uint_eq(place_of(pages + PAGE).inode, 0);
	ck_assert_int_eq(pages[PAGE], 'b');
	ck_assert_int_eq(pages[PAGE + 1], 'd');
	app.connect = MACH_PORT_NULL;
	app_stop(&app);
}
END_TEST

START_TEST(row_2_output_structure_is_live_in_vm_memory)
{
	unsigned char *memory = allocate_vm(5 * PAGE) + 100;
	size_t size = 3 * PAGE + 7;
	struct place theirs;
	struct use use;

	start();
	use = use_output(memory, size, KEEP_MAPPED, 'a');
	ck_assert(place_find(app.host, use.address, &theirs));
	ck_assert_str_eq(theirs.rights, "rw-s");
	ck_assert_uint_eq(place_of(memory).inode, theirs.inode);
	/* All of it, the first byte and the last, too. */
	for (size_t at = 0; at < size; at += at + PAGE < size ? PAGE : size - at) {
		poke(at, 'b');
		ck_assert_int_eq(memory[at], 'b');
		memory[at] = 'c';
		ck_assert_int_eq(peek(at), 'c');
	}
	poke(size - 1, 'y');
	ck_assert_int_eq(memory[size - 1], 'y');
	memory[size - 1] = 'z';
	ck_assert_int_eq(peek(size - 1), 'z');
	app_stop(&app);
	ck_assert_int_eq(memory[size - 1], 'z');
}
END_TEST

/* The descriptor is what counts; the mapping may go. */
START_TEST(row_2_keeping_the_descriptor_is_enough)
{
	unsigned char *memory = allocate(4 * PAGE);

	start();
	use_output(memory, 4 * PAGE, KEEP, 'a');
	ck_assert_uint_ne(place_of(memory).inode, 0);
	poke(PAGE, 'b');
	ck_assert_int_eq(memory[PAGE], 'b');
	app_stop(&app);
}
END_TEST

START_TEST(row_2_not_kept_is_not_live)
{
	unsigned char *memory = allocate(4 * PAGE), *other = allocate(4 * PAGE);

	start();
	use_output(memory, 4 * PAGE, DROP, 'a');
	use_input(other, 4 * PAGE, DROP);
	/* The app's own pages; nobody else has them. */
	for (size_t at = 0; at < 4 * PAGE; at += PAGE) {
		ck_assert_uint_eq(place_of(memory + at).inode, 0);
		ck_assert_str_eq(place_of(memory + at).rights, "rw-p");
		ck_assert_uint_eq(place_of(other + at).inode, 0);
	}
	ck_assert_int_eq(app_call(&app, SCENARIO_POKE, (const uint64_t[]){0, 'b'}, 2, NULL, 0),
			 kIOReturnNotReady);
	app_stop(&app);
}
END_TEST

/* Up to 4096 bytes are no memory but a message. */
START_TEST(row_2_only_over_4096_bytes)
{
	unsigned char *memory = allocate(2 * PAGE);
	struct use use;

	start();
	ck_assert_int_eq(try_use(NULL, memory, 4096, KEEP, 'a', &use), kIOReturnBadArgument);
	ck_assert_int_eq(try_use(memory, NULL, 4096, KEEP, 'a', &use), kIOReturnBadArgument);
	use_output(memory, 4097, KEEP, 'a');
	use_input(memory, 4097, KEEP);
	app_stop(&app);
}
END_TEST

static void
try_input(unsigned char *memory, size_t size, size_t live_from, size_t live_to)
{
	struct place theirs;
	struct use use;

	start();
	memset(memory, 1, size);
	memory[0] = 7;
	memory[size - 1] = 8;
	use = use_input(memory, size, KEEP_MAPPED);
	ck_assert_uint_eq(use.sum, size - 2 + 7 + 8);
	for (size_t at = 0; at < size; at += PAGE) {
		ck_assert(place_find(app.host, use.address + at, &theirs));
		ck_assert_str_eq(theirs.rights, "r--s");
	}
	for (size_t at = live_from; at < live_to; at += PAGE / 2) {
		memory[at] = 'i';
		ck_assert_int_eq(peek(at), 'i');
	}
	memory[live_to - 1] = 'j';
	ck_assert_int_eq(peek(live_to - 1), 'j');
	app_stop(&app);
}

START_TEST(row_2_input_structure_is_live_and_read_only_in_any_memory)
{
	unsigned char *pages = allocate(5 * PAGE);

	/* From the second page's start to the last whole one's end. */
	try_input(pages + 96, 4 * PAGE, PAGE - 96, 4 * PAGE - 96);
}
END_TEST

START_TEST(row_2_input_structure_is_live_and_read_only_in_vm_memory)
{
	try_input(allocate_vm(5 * PAGE) + 96, 3 * PAGE + 5, 0, 3 * PAGE + 5);
}
END_TEST

START_TEST(row_2_a_write_to_an_input_structure_faults)
{
	unsigned char *memory = allocate(4 * PAGE);

	for (unsigned kind = 0; kind < 2; kind++) {
		start();
		memory = kind == 0 ? allocate(4 * PAGE) : allocate_vm(4 * PAGE);
		use_input(memory, 4 * PAGE, KEEP);
		ck_assert_int_eq(
			app_call(&app, SCENARIO_POKE, (const uint64_t[]){PAGE, 'x'}, 2, NULL, 0),
			kIOReturnOffline);
		ck_assert_int_eq(memory[PAGE], 0);
		harness_wait_log(&app.harness, "wrote to an app's input structure");
		harness_wait_log(&app.harness, "pass as the output structure");
		harness_forget_crash(&app.harness);
		IOServiceClose(app.connect);
		harness_stop(&app.harness);
	}
}
END_TEST

/* --- row 3: the driver's memory --- */

START_TEST(row_3_every_type_has_its_own_memory_of_its_size)
{
	static const uint64_t expected[SCENARIO_BUFFERS] = SCENARIO_BUFFER_SIZES;
	unsigned char *buffers[SCENARIO_BUFFERS];

	start();
	for (unsigned i = 0; i < SCENARIO_BUFFERS; i++) {
		buffers[i] = app_map(&app, i, expected[i]);
		ck_assert_str_eq(place_of(buffers[i]).rights, "rw-s");
		for (unsigned j = 0; j < i; j++)
			ck_assert_uint_ne(place_of(buffers[i]).inode, place_of(buffers[j]).inode);
		expect_bytes(buffers[i], expected[i], 0);
		/* Both see the same bytes, the first and the last. */
		buffers[i][0] = 'f';
		ck_assert_uint_eq(app_read(&app, i, 0), 'f');
		app_do(&app, SCENARIO_WRITE, i, expected[i] - 1, 'l');
		ck_assert_uint_eq(buffers[i][expected[i] - 1], 'l');
		memset(buffers[i], (int)i + 1, expected[i]);
	}
	for (unsigned i = 0; i < SCENARIO_BUFFERS; i++)
		expect_bytes(buffers[i], expected[i], (unsigned char)(i + 1));
	app_stop(&app);
}
END_TEST

START_TEST(row_3_the_same_type_is_the_same_memory)
{
	static const uint64_t expected[SCENARIO_BUFFERS] = SCENARIO_BUFFER_SIZES;
	mach_vm_address_t elsewhere;
	mach_vm_size_t size = 0;
	unsigned char *first;
	uint64_t inode;

	start();
	for (unsigned i = 0; i < SCENARIO_BUFFERS; i++) {
		first = app_map(&app, i, expected[i]);
		inode = place_of(first).inode;
		first[0] = 'o';
		ck_assert_ptr_eq(app_map(&app, i, expected[i]), first);
		/* At a place of the app's choice, too. */
		elsewhere = (uintptr_t)allocate(2 << 20);
		ck_assert_int_eq(munmap((void *)(uintptr_t)elsewhere, 2 << 20), 0);
		ck_assert_int_eq(IOConnectMapMemory64(app.connect, i, mach_task_self(), &elsewhere,
						      &size, 0),
				 kIOReturnSuccess);
		ck_assert_uint_eq(size, expected[i]);
		ck_assert_uint_eq(place_of((void *)(uintptr_t)elsewhere).inode, inode);
		ck_assert_int_eq(*(unsigned char *)(uintptr_t)elsewhere, 'o');
		((unsigned char *)(uintptr_t)elsewhere)[1] = 'e';
		ck_assert_int_eq(first[1], 'e');
		/* Unmapped and mapped again, it is still that. */
		ck_assert_int_eq(
			IOConnectUnmapMemory64(app.connect, i, mach_task_self(), (uintptr_t)first),
			kIOReturnSuccess);
		first = app_map(&app, i, expected[i]);
		ck_assert_uint_eq(place_of(first).inode, inode);
		ck_assert_int_eq(first[0], 'o');
	}
	app_stop(&app);
}
END_TEST

START_TEST(row_3_a_type_that_is_not_there)
{
	mach_vm_address_t address = 0x1234;
	mach_vm_size_t size = 5678;

	start();
	ck_assert_int_eq(IOConnectMapMemory64(app.connect, SCENARIO_PARENT, mach_task_self(),
					      &address, &size, kIOMapAnywhere),
			 kIOReturnBadArgument);
	ck_assert_uint_eq(address, 0x1234);
	ck_assert_uint_eq(size, 5678);
	app_stop(&app);
}
END_TEST

/* --- memory that is no buffer of its own --- */

START_TEST(a_window_is_mapped_and_nothing_around_it)
{
	unsigned char *window;
	struct place place;
	uint64_t inode;

	start();
	app_do(&app, SCENARIO_WRITE, SCENARIO_PARENT, 0, 's'); /* a secret beside the window */
	app_do(&app, SCENARIO_WRITE, SCENARIO_PARENT, SCENARIO_WINDOW_OFFSET, 'w');
	window = app_map(&app, SCENARIO_WINDOW, SCENARIO_WINDOW_SIZE);
	ck_assert_int_eq(window[0], 'w');
	window[SCENARIO_WINDOW_SIZE - 1] = 'x';
	ck_assert_uint_eq(
		app_read(&app, SCENARIO_PARENT, SCENARIO_WINDOW_OFFSET + SCENARIO_WINDOW_SIZE - 1),
		'x');
	app_do(&app, SCENARIO_WRITE, SCENARIO_WINDOW, 17, 'y');
	ck_assert_int_eq(window[17], 'y');
	/* The file that the app has is the window alone. */
	place = place_of(window);
	inode = place.inode;
	ck_assert_uint_eq(place.offset, 0);
	ck_assert_uint_eq(place.end - place.start, SCENARIO_WINDOW_SIZE);
	ck_assert_uint_eq(app_read(&app, SCENARIO_PARENT, 0), 's');
	ck_assert_ptr_eq(app_map(&app, SCENARIO_WINDOW, SCENARIO_WINDOW_SIZE), window);
	ck_assert_uint_eq(place_of(window).inode, inode);
	app_stop(&app);
}
END_TEST

START_TEST(joined_descriptors_are_mapped_in_a_row)
{
	uint64_t size = SCENARIO_JOINED_FIRST + SCENARIO_JOINED_SECOND;
	unsigned char *joined;

	start();
	joined = app_map(&app, SCENARIO_JOINED, size);
	expect_bytes(joined, size, 0);
	memset(joined, 'j', size);
	ck_assert_uint_eq(app_read(&app, SCENARIO_JOINED, 0), 'j');
	ck_assert_uint_eq(app_read(&app, SCENARIO_JOINED, SCENARIO_JOINED_FIRST - 1), 'j');
	ck_assert_uint_eq(app_read(&app, SCENARIO_JOINED, SCENARIO_JOINED_FIRST), 'j');
	ck_assert_uint_eq(app_read(&app, SCENARIO_JOINED, size - 1), 'j');
	app_do(&app, SCENARIO_WRITE, SCENARIO_JOINED, SCENARIO_JOINED_FIRST - 1, 'k');
	app_do(&app, SCENARIO_WRITE, SCENARIO_JOINED, SCENARIO_JOINED_FIRST, 'l');
	ck_assert_int_eq(joined[SCENARIO_JOINED_FIRST - 1], 'k');
	ck_assert_int_eq(joined[SCENARIO_JOINED_FIRST], 'l');
	ck_assert_uint_ne(place_of(joined).inode, place_of(joined + SCENARIO_JOINED_FIRST).inode);
	ck_assert_ptr_eq(app_map(&app, SCENARIO_JOINED, size), joined);
	app_stop(&app);
}
END_TEST

/* --- row 9: read-only, and the kernel keeps it so --- */

static void
write_it(void *memory)
{
	*(volatile unsigned char *)memory = 'w';
}

static void
read_it(void *memory)
{
	volatile unsigned char byte = *(volatile unsigned char *)memory;

	(void)byte;
}

START_TEST(row_9_whoever_writes_dies)
{
	unsigned char *memory;

	start();
	app_do(&app, SCENARIO_WRITE, SCENARIO_READONLY, 0, 'a');
	memory = app_map(&app, SCENARIO_READONLY, SCENARIO_READONLY_SIZE);
	ck_assert_str_eq(place_of(memory).rights, "r--s");
	ck_assert_int_eq(memory[0], 'a');
	ck_assert_int_eq(unit_child(read_it, memory, NULL, 0), 0);
	ck_assert(unit_killed_by(unit_child(write_it, memory, NULL, 0), SIGSEGV));
	ck_assert(unit_killed_by(unit_child(write_it, memory + SCENARIO_READONLY_SIZE - 1, NULL, 0),
				 SIGSEGV));
	/* Live. */
	app_do(&app, SCENARIO_WRITE, SCENARIO_READONLY, 0, 'b');
	app_do(&app, SCENARIO_WRITE, SCENARIO_READONLY, SCENARIO_READONLY_SIZE - 1, 'c');
	ck_assert_int_eq(memory[0], 'b');
	ck_assert_int_eq(memory[SCENARIO_READONLY_SIZE - 1], 'c');
	app_stop(&app);
}
END_TEST

/* The descriptor of the file `inode` in the host, opened by its path; with all the rights there
 * are. */
static int
open_again(uint64_t inode)
{
	const struct dirent *entry;
	struct stat about;
	char path[300];
	int found = -1;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)app.host);
	folder = opendir(path);
	ck_assert_ptr_nonnull(folder);
	while (found < 0 && (entry = readdir(folder)) != NULL) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%.20s", (int)app.host, entry->d_name);
		if (stat(path, &about) == 0 && about.st_ino == inode && S_ISREG(about.st_mode))
			found = open(path, O_RDWR | O_CLOEXEC);
	}
	closedir(folder);
	return found;
}

/* Not by changing the mapping, nor by another one, nor by a write to the file. */
START_TEST(row_9_no_way_to_write)
{
	unsigned char *memory;
	int fd;

	start();
	app_do(&app, SCENARIO_WRITE, SCENARIO_READONLY, 0, 'a');
	memory = app_map(&app, SCENARIO_READONLY, SCENARIO_READONLY_SIZE);
	ck_assert_int_lt(mprotect(memory, PAGE, PROT_READ | PROT_WRITE), 0);
	ck_assert_int_eq(errno, EACCES);
	ck_assert_str_eq(place_of(memory).rights, "r--s");
	fd = open_again(place_of(memory).inode);
	ck_assert_int_ge(fd, 0);
	ck_assert_ptr_eq(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_lt(pwrite(fd, "w", 1, 0), 0);
	ck_assert_int_lt(ftruncate(fd, 0), 0);
	ck_assert_int_lt(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
	ck_assert_int_lt(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE), 0);
	close(fd);
	ck_assert_int_eq(memory[0], 'a');
	app_do(&app, SCENARIO_WRITE, SCENARIO_READONLY, 0, 'b');
	ck_assert_int_eq(memory[0], 'b');
	app_stop(&app);
}
END_TEST

/* What is writable keeps its size and its seals: an app cannot kill the driver by truncating. */
START_TEST(row_9_writable_memory_keeps_its_size)
{
	unsigned char *memory;
	int fd;

	start();
	memory = app_map(&app, 3, 65536);
	fd = open_again(place_of(memory).inode);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_lt(ftruncate(fd, 0), 0);
	ck_assert_int_lt(ftruncate(fd, 1 << 20), 0);
	ck_assert_int_lt(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
	close(fd);
	app_do(&app, SCENARIO_WRITE, 3, 65535, 'z');
	ck_assert_int_eq(memory[65535], 'z');
	app_stop(&app);
}
END_TEST

UNIT_MAIN("scenario_memory", row_2_output_structure_is_filled_in_any_memory,
	  row_2_output_structure_is_filled_in_vm_memory,
	  row_2_output_structure_is_live_in_any_memory, row_2_output_structure_is_live_in_vm_memory,
	  row_2_keeping_the_descriptor_is_enough, row_2_not_kept_is_not_live,
	  row_2_only_over_4096_bytes, row_2_input_structure_is_live_and_read_only_in_any_memory,
	  row_2_input_structure_is_live_and_read_only_in_vm_memory,
	  row_2_a_write_to_an_input_structure_faults,
	  row_3_every_type_has_its_own_memory_of_its_size, row_3_the_same_type_is_the_same_memory,
	  row_3_a_type_that_is_not_there, a_window_is_mapped_and_nothing_around_it,
	  joined_descriptors_are_mapped_in_a_row, row_9_whoever_writes_dies, row_9_no_way_to_write,
	  row_9_writable_memory_keeps_its_size)
