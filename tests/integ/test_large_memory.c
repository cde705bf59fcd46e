/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large structures in memory of every kind that an app may have, with a real driver that keeps
 * them, also where userfaultfd is refused and with another allocator.
 */
#define UNIT_TIMEOUT_SEC 120 /* a gibibyte of page faults takes some machines 30 s */

#include "echo.h"
#include "harness.h"
#include "places.h"
#include "unit.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

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

static void
stop(io_connect_t connect)
{
	ck_assert_int_eq(IOServiceClose(connect), kIOReturnSuccess);
	harness_stop(&harness);
}

static kern_return_t
keep(io_connect_t connect, const void *input, void *output, size_t size)
{
	uint64_t length = 0;
	uint32_t count = 1;
	size_t room = size;

	return IOConnectCallMethod(connect, ECHO_KEEP, NULL, 0, input, input == NULL ? 0 : size,
				   &length, &count, output, output == NULL ? NULL : &room);
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

/* Of the structure, the first byte that begins a page. */
static size_t
first_page(const char *memory)
{
	return (PAGE - (uintptr_t)memory % PAGE) % PAGE;
}

/* Kept, live where it is `live`, and the app's own with its content after the close. */
static void
use(char *memory, size_t size, bool live)
{
	io_connect_t connect = start();
	size_t at = first_page(memory);

	memset(memory, 'm', size);
	ck_assert_int_eq(keep(connect, NULL, memory, size), kIOReturnSuccess);
	ck_assert_int_eq(peek(connect, size - 1), 'm');
	poke(connect, at, 'd');
	ck_assert_int_eq(memory[at], live ? 'd' : 'm');
	memory[at + 1] = 'a';
	ck_assert_int_eq(peek(connect, at + 1), live ? 'a' : 'm');
	stop(connect);
	ck_assert_int_eq(memory[at], live ? 'd' : 'm');
	ck_assert_int_eq(memory[at + 1], 'a');
	ck_assert_int_eq(memory[size - 1], 'm');
}

START_TEST(malloc_memory_at_odd_addresses_of_odd_lengths)
{
	const size_t sizes[] = {3 * PAGE - 1, 5 * PAGE + 17, 1000003};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t size = sizes[i];
		char *memory = malloc(size + 3), *more;

		use(memory + 3, size, true);
		/* It is the allocator's to do with as with any other. */
		more = realloc(memory, 2 * size);
		ck_assert_ptr_nonnull(more);
		ck_assert_int_eq(more[size + 2], 'm');
		memset(more, 'r', 2 * size);
		free(more);
		memory = calloc(1, size);
		more = memory;
		while (more < memory + size && *more == 0)
			more++;
		ck_assert_ptr_eq(more, memory + size);
		free(memory);
	}
}
END_TEST

START_TEST(files_and_read_only_memory_stay_copies)
{
	FILE *file = tmpfile();
	io_connect_t connect;
	char *memory;

	ck_assert_int_eq(ftruncate(fileno(file), 4 * PAGE), 0);
	memory = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
	use(memory, 4 * PAGE, false);
	ck_assert_int_eq(munmap(memory, 4 * PAGE), 0);
	memory = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fileno(file), 0);
	use(memory, 4 * PAGE, false);
	memory = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memory[PAGE] = 'r';
	ck_assert_int_eq(mprotect(memory, 4 * PAGE, PROT_READ), 0);
	connect = start();
	ck_assert_int_eq(keep(connect, memory, NULL, 4 * PAGE), kIOReturnSuccess);
	ck_assert_int_eq(peek(connect, PAGE), 'r');
	ck_assert_uint_eq(place_of(memory).inode, 0);
	ck_assert_str_eq(place_of(memory).rights, "r--p");
	stop(connect);
	fclose(file);
}
END_TEST

struct writer {
	pthread_t thread;
	_Atomic uint64_t *counters; /* one in each page */
	_Atomic bool stop;
	bool lost;
};

#define COUNTERS 64

static void *
write_on(void *argument)
{
	struct writer *writer = argument;

	for (uint64_t round = 1; !atomic_load(&writer->stop); round++)
		for (size_t i = 0; i < COUNTERS; i++) {
			_Atomic uint64_t *counter = writer->counters + i * (PAGE / 8);

			writer->lost |= atomic_load(counter) != round - 1;
			atomic_store(counter, round);
		}
	return NULL;
}

START_TEST(a_buffer_that_another_thread_writes_during_the_call)
{
	io_connect_t connect = start();

	for (unsigned i = 0; i < 20; i++) {
		char *memory = mmap(NULL, COUNTERS * PAGE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		struct writer writer = {.counters = (_Atomic uint64_t *)(void *)memory};

		ck_assert_int_eq(pthread_create(&writer.thread, NULL, write_on, &writer), 0);
		while (atomic_load(writer.counters) == 0)
			sched_yield();
		ck_assert_int_eq(keep(connect, memory, NULL, COUNTERS * PAGE), kIOReturnSuccess);
		atomic_store(&writer.stop, true);
		pthread_join(writer.thread, NULL);
		ck_assert(!writer.lost);
		/* What it wrote last is what the driver sees. */
		ck_assert_int_eq(peek(connect, (COUNTERS - 1) * PAGE),
				 memory[(COUNTERS - 1) * PAGE] & 0xff);
	}
	stop(connect);
}
END_TEST

static void
refuse_userfaultfd(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_userfaultfd, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = 4, .filter = filter};

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

START_TEST(where_userfaultfd_is_refused_malloc_memory_stays_a_copy)
{
	char *memory = malloc(8 * PAGE);
	mach_vm_address_t address = 0;

	refuse_userfaultfd();
	use(memory, 8 * PAGE, false);
	free(memory);
	ck_assert_int_eq(mach_vm_allocate(mach_task_self(), &address, 8 * PAGE, VM_FLAGS_ANYWHERE),
			 0);
	use((char *)(uintptr_t)address, 8 * PAGE, true);
}
END_TEST

/* As much as a machine with 4 GiB to spare has room for: there, in the file, and in the copy. */
START_TEST(a_gibibyte)
{
	size_t size = (size_t)1 << 30;
	long spare = sysconf(_SC_AVPHYS_PAGES) / 1024 * (sysconf(_SC_PAGESIZE) / 1024);
	char *memory;

#ifdef __SANITIZE_ADDRESS__
	spare = 0;
#endif
	if (spare < 4096) {
		fprintf(stderr, "a_gibibyte: not tried, a sanitizer or less than 4 GiB free\n");
		return;
	}
	memory = malloc(size);
	use(memory, size, true);
	free(memory);
}
END_TEST

/* This program again, with jemalloc in the place of the C library's. */
START_TEST(with_jemalloc_as_the_allocator)
{
	static const char library[] = "libjemalloc.so.2";
	char *const arguments[] = {(char *)(uintptr_t) "/proc/self/exe", NULL};
	int status = -1;
	pid_t pid;

#ifdef __SANITIZE_ADDRESS__
	fprintf(stderr, "with_jemalloc_as_the_allocator: not tried, a sanitizer has its own\n");
	return;
#endif
	pid = fork();
	if (pid == 0) {
		setenv("LD_PRELOAD", library, 1);
		setenv("CK_RUN_CASE", "malloc_memory_at_odd_addresses_of_odd_lengths", 1);
		setenv("CK_TAP_LOG_FILE_NAME", "/dev/null", 1);
		execv(arguments[0], arguments);
		_exit(127);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

UNIT_MAIN("large memory", malloc_memory_at_odd_addresses_of_odd_lengths,
	  files_and_read_only_memory_stay_copies,
	  a_buffer_that_another_thread_writes_during_the_call,
	  where_userfaultfd_is_refused_malloc_memory_stays_a_copy, a_gibibyte,
	  with_jemalloc_as_the_allocator)
