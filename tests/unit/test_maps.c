/* SPDX-License-Identifier: Apache-2.0 */
/* Which memory may be replaced by a shared file, and which must not. */
#include "unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "maps.h"
#include "memfd.h"
#include "packet.h"

#define PAGE	     page_size()
#define LARGEST_PAGE 65536

static char in_bss[4 * LARGEST_PAGE] __attribute__((aligned(LARGEST_PAGE)));

static char *
map(uint64_t length, int protection)
{
	char *address = mmap(NULL, length, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(address, MAP_FAILED);
	return address;
}

START_TEST(ordinary_memory_is_plain)
{
	char *big = aligned_alloc(PAGE, 1 << 20), *small;

	ck_assert_ptr_null(maps_why_not_plain(map(4 * PAGE, PROT_READ | PROT_WRITE), 4 * PAGE));
	ck_assert_ptr_null(maps_why_not_plain(big, 1 << 20));
	ck_assert_ptr_null(maps_why_not_plain(in_bss, sizeof(in_bss)));
	small = aligned_alloc(PAGE, 2 * PAGE); /* the heap, where the allocator has one */
	ck_assert_ptr_null(maps_why_not_plain(small, 2 * PAGE));
	free(small);
	free(big);
}
END_TEST

START_TEST(other_memory_is_not)
{
	char *pages = map(4 * PAGE, PROT_READ | PROT_WRITE), *shared;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	ck_assert_ptr_nonnull(maps_why_not_plain(map(PAGE, PROT_READ), PAGE));
	ck_assert_ptr_nonnull(
		maps_why_not_plain(map(PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) + PAGE, 1 << 30));
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_nonnull(maps_why_not_plain(shared, PAGE));
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ck_assert_ptr_nonnull(maps_why_not_plain(shared, PAGE));
	/* One bad page in the middle, one hole. */
	ck_assert_int_eq(mprotect(pages + PAGE, PAGE, PROT_READ), 0);
	ck_assert_ptr_nonnull(maps_why_not_plain(pages, 4 * PAGE));
	ck_assert_ptr_null(maps_why_not_plain(pages + 2 * PAGE, 2 * PAGE));
	ck_assert_int_eq(munmap(pages + 2 * PAGE, PAGE), 0);
	ck_assert_ptr_nonnull(maps_why_not_plain(pages + 2 * PAGE, 2 * PAGE));
	close(fd);
}
END_TEST

/* The stack and what was loaded are this process's, too. */
START_TEST(what_others_can_write_is_not_private)
{
	static const char constant[100] = "constant";
	char on_stack[100] = "", *pages = map(3 * PAGE, PROT_READ | PROT_WRITE), *shared;

	ck_assert(maps_is_private(on_stack, sizeof(on_stack)));
	ck_assert(maps_is_private(constant, sizeof(constant)));
	ck_assert(maps_is_private(in_bss + 1, sizeof(in_bss) - 1));
	ck_assert(maps_is_private(pages, 3 * PAGE));
	shared = mmap(pages + PAGE, PAGE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	ck_assert_ptr_eq(shared, pages + PAGE);
	ck_assert(!maps_is_private(shared + 8, 16));
	ck_assert(!maps_is_private(shared - 1, 2));
	ck_assert(maps_is_private(shared - 1, 1));
	ck_assert(maps_is_private(shared + PAGE, PAGE));
	ck_assert_int_eq(munmap(shared + PAGE, PAGE), 0);
	ck_assert(!maps_is_private(shared + PAGE, 1));
	ck_assert(!maps_is_private((void *)(UINTPTR_MAX - 7), 16));
}
END_TEST

/* By system call: sanitizers make nothing of mlock. */
START_TEST(locked_memory_is_not)
{
	char *pages = map(4 * PAGE, PROT_READ | PROT_WRITE);

	if (syscall(SYS_mlock, pages + PAGE, PAGE) != 0) {
		ck_assert_int_eq(errno, EPERM); /* not allowed here: nothing to see */
		return;
	}
	ck_assert_str_eq(maps_why_not_plain(pages, 4 * PAGE), "it is locked");
	ck_assert_ptr_null(maps_why_not_plain(pages + 2 * PAGE, 2 * PAGE));
	syscall(SYS_munlock, pages + PAGE, PAGE);
	ck_assert_ptr_null(maps_why_not_plain(pages, 4 * PAGE));
}
END_TEST

static char *
page_of(char *address)
{
	return (char *)((uintptr_t)address & ~(uintptr_t)(PAGE - 1));
}

/* Runs on a thread of its own, and looks at its stack from there and, while it waits, from the
 * first thread. */
struct thread_case {
	char *pages;
	const char *own_view;
	pthread_barrier_t there, done;
};

static void *
look_at_own_stack(void *argument)
{
	struct thread_case *thread = argument;
	char buffer[8 * LARGEST_PAGE];

	memset(buffer, 1, sizeof(buffer));
	thread->pages = page_of(buffer + 2 * PAGE);
	thread->own_view = maps_why_not_plain(thread->pages, 4 * PAGE);
	pthread_barrier_wait(&thread->there);
	pthread_barrier_wait(&thread->done);
	return NULL;
}

#ifdef __GLIBC__
#define STACKS_HAVE_ENDS true
#else /* of musl's one sees where they begin */
#define STACKS_HAVE_ENDS false
#endif

START_TEST(stacks_are_not)
{
	char buffer[8 * LARGEST_PAGE], *above, *below;
	struct thread_case thread;
	pthread_attr_t attributes;
	pthread_t id;

	memset(buffer, 1, sizeof(buffer));
	ck_assert_ptr_nonnull(maps_why_not_plain(page_of(buffer + 2 * PAGE), 4 * PAGE));
	/* Neighbours of a stack, which the kernel may put into one mapping with it. */
	above = map(1 << 20, PROT_READ | PROT_WRITE);
	pthread_barrier_init(&thread.there, NULL, 2);
	pthread_barrier_init(&thread.done, NULL, 2);
	pthread_attr_init(&attributes); /* musl's stacks are small */
	pthread_attr_setstacksize(&attributes, 2 * sizeof(buffer));
	ck_assert_int_eq(pthread_create(&id, &attributes, look_at_own_stack, &thread), 0);
	pthread_attr_destroy(&attributes);
	pthread_barrier_wait(&thread.there);
	below = map(1 << 20, PROT_READ | PROT_WRITE);
	ck_assert_ptr_nonnull(thread.own_view);
	ck_assert_ptr_nonnull(maps_why_not_plain(thread.pages, 4 * PAGE));
	if (STACKS_HAVE_ENDS)
		ck_assert_ptr_null(maps_why_not_plain(above, 1 << 20));
	ck_assert_ptr_null(maps_why_not_plain(below, 1 << 20));
	pthread_barrier_wait(&thread.done);
	pthread_join(id, NULL);
}
END_TEST

START_TEST(a_file_is_recognised)
{
	char *address;
	void *mapped;
	int fd, other;

	ck_assert_int_eq(memfd_create_sealed("one", 4 * PAGE, &fd), 0);
	ck_assert_int_eq(memfd_create_sealed("other", 4 * PAGE, &other), 0);
	ck_assert_int_eq(memfd_map(fd, 0, 4 * PAGE, true, false, NULL, &mapped), 0);
	address = mapped;
	ck_assert(maps_is_file(address, 4 * PAGE, fd));
	ck_assert(maps_is_file(address + PAGE, PAGE, fd));
	ck_assert(!maps_is_file(address, 4 * PAGE, other));
	ck_assert_ptr_ne(mmap(address + PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
			      fd, PAGE),
			 MAP_FAILED);
	ck_assert(!maps_is_file(address, 4 * PAGE, fd));
	ck_assert_int_eq(munmap(address, PAGE), 0);
	ck_assert(!maps_is_file(address, PAGE, fd));
	fd_close(&fd);
	fd_close(&other);
}
END_TEST

UNIT_MAIN("maps", what_others_can_write_is_not_private, ordinary_memory_is_plain,
	  other_memory_is_not, locked_memory_is_not, stacks_are_not, a_file_is_recognised)
