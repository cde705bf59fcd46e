/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "memfd.h"
#include "touch.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#define PAGES 4

static char *
map_pages(int protection)
{
	char *pages =
		mmap(NULL, PAGES * page_size(), protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(pages, MAP_FAILED);
	return pages;
}

START_TEST(what_is_there_can_be_touched)
{
	uint64_t size = PAGES * page_size();
	char *pages = map_pages(PROT_READ | PROT_WRITE);
	unsigned char present[PAGES];

	pages[0] = 'a';
	ck_assert_int_eq(touch_to_read(pages, size), 0);
	ck_assert_int_eq(touch_to_write(pages, size), 0);
	ck_assert_int_eq(mincore(pages, size, present), 0);
	for (int i = 0; i < PAGES; i++)
		ck_assert_uint_eq(present[i] & 1, 1);
	ck_assert_int_eq(pages[0], 'a');
}
END_TEST

/* In any of the pages: not mapped, not to be read, only to be read, behind the end of a file. */
START_TEST(what_is_not_there_is_an_error)
{
	uint64_t size = PAGES * page_size();

	for (int i = 0; i < PAGES; i++) {
		char *pages = map_pages(PROT_READ | PROT_WRITE);
		char *page = pages + (uint64_t)i * page_size();

		ck_assert_int_eq(mprotect(page, page_size(), PROT_READ), 0);
		ck_assert_int_eq(touch_to_read(pages, size), 0);
		ck_assert_int_eq(touch_to_write(pages, size), EFAULT);
		ck_assert_int_eq(mprotect(page, page_size(), PROT_NONE), 0);
		ck_assert_int_eq(touch_to_read(pages, size), EFAULT);
		ck_assert_int_eq(munmap(page, page_size()), 0);
		ck_assert_int_eq(touch_to_read(pages, size), EFAULT);
		ck_assert_int_eq(touch_to_write(pages, size), EFAULT);
	}
}
END_TEST

static _Atomic bool stop;

static void *
count_up(void *word)
{
	uint32_t writes = 0;

	while (!atomic_load(&stop)) {
		__atomic_store_n((uint32_t *)word, ++writes, __ATOMIC_RELAXED);
		if (__atomic_load_n((uint32_t *)word, __ATOMIC_RELAXED) != writes)
			return word; /* somebody wrote an older value over it */
	}
	return NULL;
}

START_TEST(no_write_of_another_thread_is_lost)
{
	char *pages = map_pages(PROT_READ | PROT_WRITE);
	void *lost = NULL;
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, count_up, pages), 0);
	for (int i = 0; i < 20000; i++)
		ck_assert_int_eq(touch_to_write(pages, page_size()), 0);
	atomic_store(&stop, true);
	pthread_join(thread, &lost);
	ck_assert_ptr_null(lost);
}
END_TEST

UNIT_MAIN("touch", what_is_there_can_be_touched, what_is_not_there_is_an_error,
	  no_write_of_another_thread_is_lost)
