/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What memory costs: a memfd made, mapped, its pages brought in, and all given back. And what an
 * app saves that keeps a mapping instead of mapping again.
 */
#include "peers.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define PAGE	  4096u
#define HUGE_PAGE ((size_t)2 << 20)

enum way { TOUCH, POPULATE, HUGE, HUGETLB };

struct pages {
	size_t length;
	enum way way;
	int kept; /* of mapped_again */
	volatile uint8_t *memory;
};

static bool
bring_in(uint8_t *memory, size_t length, enum way way)
{
	if (way == HUGE && madvise(memory, length, MADV_HUGEPAGE) < 0)
		return false;
	if (way != TOUCH)
		return madvise(memory, length, MADV_POPULATE_WRITE) == 0;
	for (size_t at = 0; at < length; at += PAGE)
		((volatile uint8_t *)memory)[at] = 1;
	return true;
}

static bool
make(const struct pages *pages)
{
	int fd = memfd_create("bench", MFD_CLOEXEC | (pages->way == HUGETLB ? MFD_HUGETLB : 0));
	bool made = fd >= 0 && ftruncate(fd, (off_t)pages->length) == 0;
	uint8_t *memory = MAP_FAILED;

	if (made)
		memory = mmap(NULL, pages->length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	made = memory != MAP_FAILED && bring_in(memory, pages->length, pages->way);
	if (memory != MAP_FAILED)
		munmap(memory, pages->length);
	if (fd >= 0)
		close(fd);
	return made;
}

/* Whether the system makes shmem of huge pages for who asks: else madvise is silently ignored. */
static bool
has_shmem_huge(void)
{
	FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "r");
	char line[128] = "";
	bool has = file != NULL && fgets(line, sizeof(line), file) != NULL &&
		   strstr(line, "[never]") == NULL && strstr(line, "[deny]") == NULL;

	if (file != NULL)
		fclose(file);
	return has;
}

static bool
open_way(uint64_t length, enum way way, void **ret_state, pid_t *ret_server)
{
	static struct pages pages;

	pages = (struct pages){.length = (size_t)length, .way = way};
	*ret_state = &pages;
	*ret_server = 0;
	return (way != HUGE || has_shmem_huge()) && make(&pages);
}

static bool
open_touched(uint64_t length, void **ret_state, pid_t *ret_server)
{
	return open_way(length, TOUCH, ret_state, ret_server);
}

static bool
open_populated(uint64_t length, void **ret_state, pid_t *ret_server)
{
	return open_way(length, POPULATE, ret_state, ret_server);
}

static bool
open_huge(uint64_t length, void **ret_state, pid_t *ret_server)
{
	return open_way(length, HUGE, ret_state, ret_server);
}

static bool
open_hugetlb(uint64_t length, void **ret_state, pid_t *ret_server)
{
	return open_way(length, HUGETLB, ret_state, ret_server);
}

static uint64_t
make_once(void *state)
{
	if (!make(state))
		_exit(1);
	return 0;
}

/* Populated by one who keeps it, as a driver does. */
static bool
open_kept(uint64_t length, void **ret_state, pid_t *ret_server)
{
	static struct pages pages;

	pages.length = (size_t)length;
	pages.kept = memfd_create("bench", MFD_CLOEXEC);
	*ret_state = &pages;
	*ret_server = 0;
	if (pages.kept < 0 || ftruncate(pages.kept, (off_t)length) < 0)
		return false;
	pages.memory = mmap(NULL, pages.length, PROT_READ | PROT_WRITE, MAP_SHARED, pages.kept, 0);
	return pages.memory != MAP_FAILED &&
	       madvise((void *)pages.memory, pages.length, MADV_POPULATE_WRITE) == 0;
}

static void
read_all(volatile uint8_t *memory, size_t length)
{
	for (size_t at = 0; at < length; at += PAGE)
		(void)memory[at];
}

static uint64_t
map_again_once(void *state)
{
	struct pages *pages = state;
	uint8_t *memory =
		mmap(NULL, pages->length, PROT_READ | PROT_WRITE, MAP_SHARED, pages->kept, 0);

	if (memory == MAP_FAILED)
		_exit(1);
	read_all(memory, pages->length);
	munmap(memory, pages->length);
	return 0;
}

static uint64_t
read_once(void *state)
{
	struct pages *pages = state;

	read_all(pages->memory, pages->length);
	return 0;
}

const struct contestant touched_pages = {
	.name = "touching each page", .open = open_touched, .once = make_once, .batch = 1};
const struct contestant populated_pages = {
	.name = "MADV_POPULATE_WRITE", .open = open_populated, .once = make_once, .batch = 1};
const struct contestant huge_pages = {
	.name = "shmem huge pages", .open = open_huge, .once = make_once, .batch = 1};
const struct contestant hugetlb_pages = {
	.name = "hugetlbfs", .open = open_hugetlb, .once = make_once, .batch = 1};
const struct contestant mapped_again = {
	.name = "mapping again", .open = open_kept, .once = map_again_once, .batch = 1};
const struct contestant mapped_once = {
	.name = "a mapping that is kept", .open = open_kept, .once = read_once, .batch = 1};
