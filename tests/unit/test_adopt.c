/* SPDX-License-Identifier: Apache-2.0 */
/* Pages become a file's and private again, while other threads write to them. */
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

#include "adopt.h"
#include "clock.h"
#include "maps.h"
#include "memfd.h"
#include "packet.h"
#include "sharing.h"

/* Rounds of threads that wait for each other are as many as a busy machine gives in this time. */
#define ENOUGH_NSEC (10 * NSEC_PER_SEC)

struct pages {
	char *address;
	uint64_t length;
	int fd;
	char *window;
};

static void
create(struct pages *pages, uint64_t length)
{
	pages->length = length;
	pages->address =
		mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(pages->address, MAP_FAILED);
	ck_assert_int_eq(memfd_create_sealed("pages", length, &pages->fd), 0);
	ck_assert_int_eq(
		memfd_map(pages->fd, 0, length, true, false, NULL, (void **)&pages->window), 0);
}

static struct adoption
adoption_of(const struct pages *pages, const char *base)
{
	return (struct adoption){
		.address = pages->address,
		.length = pages->length,
		.fd = pages->fd,
		.window = pages->window,
		.base = base,
	};
}

START_TEST(pages_become_the_files)
{
	struct pages pages;
	struct adoption adoption;

	create(&pages, 8 * page_size());
	adoption = adoption_of(&pages, NULL);
	strcpy(pages.address + 4000, "before");
	ck_assert_ptr_null(maps_why_not_plain(pages.address, pages.length));
	ck_assert_int_eq(adopt_pages(&adoption), 0);
	ck_assert(maps_is_file(pages.address, pages.length, pages.fd));
	ck_assert_str_eq(pages.address + 4000, "before");
	ck_assert_str_eq(pages.window + 4000, "before");
	strcpy(pages.window + 9000, "to the app");
	ck_assert_str_eq(pages.address + 9000, "to the app");
	strcpy(pages.address + 20000, "to the driver");
	ck_assert_str_eq(pages.window + 20000, "to the driver");
}
END_TEST

START_TEST(the_undo_makes_them_private_and_adoptable)
{
	struct sharing sharing = {0};
	struct adoption adoption;
	struct pages pages;

	create(&pages, 4 * page_size());
	adoption = adoption_of(&pages, NULL);
	strcpy(pages.address, "content");
	ck_assert_int_eq(adopt_pages(&adoption), 0);
	sharing.fd = pages.fd;
	sharing.address = pages.address;
	sharing.length = pages.length;
	adopt_undo(&sharing);
	ck_assert_str_eq(pages.address, "content");
	ck_assert(!maps_is_file(pages.address, pages.length, pages.fd));
	strcpy(pages.window, "of the file");
	ck_assert_str_eq(pages.address, "content");
	ck_assert_ptr_null(maps_why_not_plain(pages.address, pages.length));
	ck_assert_int_eq(adopt_pages(&adoption), 0);
	ck_assert_str_eq(pages.window, "content");
}
END_TEST

START_TEST(the_undo_leaves_alone_what_is_there_by_now)
{
	struct sharing sharing = {0};
	struct adoption adoption;
	struct pages pages;

	create(&pages, page_size());
	adoption = adoption_of(&pages, NULL);
	ck_assert_int_eq(adopt_pages(&adoption), 0);
	munmap(pages.address, pages.length);
	ck_assert_ptr_eq(mmap(pages.address, pages.length, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
			 pages.address);
	strcpy(pages.address, "another");
	sharing.fd = pages.fd;
	sharing.address = pages.address;
	sharing.length = pages.length;
	adopt_undo(&sharing);
	ck_assert_str_eq(pages.address, "another");
}
END_TEST

START_TEST(only_what_the_app_wrote_since_goes_into_the_file)
{
	struct adoption adoption;
	struct pages pages;
	char *base;

	create(&pages, 2 * page_size());
	memset(pages.address, 'a', pages.length);
	base = malloc(pages.length);
	memcpy(base, pages.address, pages.length);
	memset(pages.window, 'a', pages.length);
	adoption = adoption_of(&pages, base);
	pages.address[100] = 'A'; /* the app, after the copy */
	pages.window[101] = 'D';  /* the driver, after the copy */
	pages.window[5000] = 'D';
	ck_assert_int_eq(adopt_pages(&adoption), 0);
	ck_assert_int_eq(pages.address[100], 'A');
	ck_assert_int_eq(pages.address[101], 'D');
	ck_assert_int_eq(pages.address[5000], 'D');
	ck_assert_int_eq(pages.address[99], 'a');
	free(base);
}
END_TEST

/* A thread that counts up in each page, as fast as it can: a lost write makes a count fall back. */
struct writer {
	pthread_t thread;
	_Atomic uint64_t *counters; /* one in each page */
	unsigned count;
	unsigned stride;
	_Atomic bool stop;
	_Atomic uint64_t rounds;
	bool lost;
};

static void *
write_on(void *argument)
{
	struct writer *writer = argument;

	for (uint64_t round = 1; !atomic_load(&writer->stop); round++) {
		for (unsigned i = 0; i < writer->count; i++) {
			_Atomic uint64_t *counter = writer->counters + (size_t)i * writer->stride;

			if (atomic_load_explicit(counter, memory_order_relaxed) != round - 1)
				writer->lost = true;
			atomic_store_explicit(counter, round, memory_order_relaxed);
		}
		atomic_store(&writer->rounds, round);
	}
	return NULL;
}

START_TEST(no_write_of_another_thread_is_lost)
{
	struct sharing sharing = {0};
	struct writer writer = {.count = 64, .stride = (unsigned)(page_size() / 8)};
	struct adoption adoption;
	struct pages pages;
	uint64_t seen = 0, enough = clock_now() + ENOUGH_NSEC;

	create(&pages, 64 * page_size());
	adoption = adoption_of(&pages, NULL);
	sharing.fd = pages.fd;
	sharing.address = pages.address;
	sharing.length = pages.length;
	writer.counters = (_Atomic uint64_t *)(void *)(pages.address + 8 * sizeof(uint64_t));
	ck_assert_int_eq(pthread_create(&writer.thread, NULL, write_on, &writer), 0);
	for (unsigned i = 0; i < 200 && clock_now() < enough; i++) {
		while (atomic_load(&writer.rounds) == seen)
			sched_yield();
		seen = atomic_load(&writer.rounds);
		ck_assert_int_eq(adopt_pages(&adoption), 0);
		while (atomic_load(&writer.rounds) == seen)
			sched_yield();
		seen = atomic_load(&writer.rounds);
		adopt_undo(&sharing);
		ck_assert(!maps_is_file(pages.address, pages.length, pages.fd));
	}
	atomic_store(&writer.stop, true);
	pthread_join(writer.thread, NULL);
	ck_assert(!writer.lost);
}
END_TEST

/* A thread that reads into the pages and writes from them by system calls. */
struct caller {
	pthread_t thread;
	char *pages;
	_Atomic bool stop;
	_Atomic uint64_t rounds;
	_Atomic uint64_t failures;
	int ends[2];
};

static void *
call_on(void *argument)
{
	struct caller *caller = argument;

	while (!atomic_load(&caller->stop)) {
		char *page = caller->pages + page_size() * (atomic_load(&caller->rounds) % 64);

		if (write(caller->ends[1], page, 64) != 64 ||
		    read(caller->ends[0], page + 64, 64) != 64) {
			atomic_fetch_add(&caller->failures, 1);
			break;
		}
		atomic_fetch_add(&caller->rounds, 1);
	}
	return NULL;
}

/* Where the kernel gives a userfaultfd that holds them; else they may fail, as the header says. */
START_TEST(system_calls_wait_for_the_move)
{
	int whole = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	struct caller caller = {0};
	struct sharing sharing = {0};
	struct adoption adoption;
	struct pages pages;
	uint64_t seen = 0, enough = clock_now() + ENOUGH_NSEC;

	create(&pages, 8 << 20); /* milliseconds to copy */
	adoption = adoption_of(&pages, NULL);
	sharing.fd = pages.fd;
	sharing.address = caller.pages = pages.address;
	sharing.length = pages.length;
	ck_assert_int_eq(pipe(caller.ends), 0);
	ck_assert_int_eq(pthread_create(&caller.thread, NULL, call_on, &caller), 0);
	for (unsigned i = 0; i < 20 && whole >= 0 && clock_now() < enough; i++) {
		while (atomic_load(&caller.rounds) == seen && atomic_load(&caller.failures) == 0)
			sched_yield();
		seen = atomic_load(&caller.rounds);
		ck_assert_int_eq(adopt_pages(&adoption), 0);
		adopt_undo(&sharing);
	}
	atomic_store(&caller.stop, true);
	pthread_join(caller.thread, NULL);
	ck_assert_uint_eq(atomic_load(&caller.failures), 0);
	if (whole < 0)
		fprintf(stderr, "system_calls_wait_for_the_move: not tried, no privilege\n");
	close(whole);
}
END_TEST

/* userfaultfd fails as in a sandbox that does not know it. */
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

START_TEST(without_userfaultfd_nothing_is_moved)
{
	struct adoption adoption;
	struct pages pages;

	create(&pages, page_size());
	adoption = adoption_of(&pages, NULL);
	strcpy(pages.address, "mine");
	refuse_userfaultfd();
	ck_assert_int_eq(adopt_pages(&adoption), kIOReturnUnsupported);
	ck_assert_str_eq(pages.address, "mine");
	ck_assert(!maps_is_file(pages.address, pages.length, pages.fd));
}
END_TEST

START_TEST(without_userfaultfd_the_undo_still_separates)
{
	struct sharing sharing = {0};
	struct adoption adoption;
	struct pages pages;

	create(&pages, 2 * page_size());
	adoption = adoption_of(&pages, NULL);
	strcpy(pages.address, "content");
	ck_assert_int_eq(adopt_pages(&adoption), 0);
	refuse_userfaultfd();
	sharing.fd = pages.fd;
	sharing.address = pages.address;
	sharing.length = pages.length;
	adopt_undo(&sharing);
	strcpy(pages.window, "of the file");
	strcpy(pages.window + page_size(), "of the file");
	ck_assert_str_eq(pages.address, "content");
	ck_assert_str_eq(pages.address + page_size(), "");
}
END_TEST

START_TEST(a_file_that_cannot_be_mapped_leaves_the_pages)
{
	struct adoption adoption;
	struct pages pages;

	create(&pages, 2 * page_size());
	adoption = adoption_of(&pages, NULL);
	adoption.fd = -1;
	strcpy(pages.address + 5000, "mine");
	ck_assert_int_ne(adopt_pages(&adoption), 0);
	ck_assert_str_eq(pages.address + 5000, "mine");
	ck_assert_ptr_null(maps_why_not_plain(pages.address, pages.length));
}
END_TEST

UNIT_MAIN("adopt", pages_become_the_files, the_undo_makes_them_private_and_adoptable,
	  the_undo_leaves_alone_what_is_there_by_now,
	  only_what_the_app_wrote_since_goes_into_the_file, no_write_of_another_thread_is_lost,
	  system_calls_wait_for_the_move, without_userfaultfd_nothing_is_moved,
	  without_userfaultfd_the_undo_still_separates,
	  a_file_that_cannot_be_mapped_leaves_the_pages)
