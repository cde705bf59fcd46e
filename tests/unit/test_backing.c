/* SPDX-License-Identifier: Apache-2.0 */
/* Backings: they live while they have uses, and their extents stay whole across splits. */
#include "unit.h"

#include "backing.h"

#define PAGE page_size()

static struct memory_use first;

static struct memory_backing *
make(uint64_t length)
{
	ck_assert_int_eq(backing_create(length, &first, NULL), 0);
	ck_assert_uint_eq(first.length, length);
	return first.backing;
}

static void
split(struct memory_backing *backing, uint64_t offset, uint64_t length)
{
	pthread_mutex_lock(&backing->lock);
	ck_assert_int_eq(backing_split_locked(backing, offset, length), 0);
	pthread_mutex_unlock(&backing->lock);
}

static void
check_extents(struct memory_backing *backing)
{
	uint64_t at = 0;

	for (uint32_t i = 0; i < backing->extent_count; i++) {
		ck_assert_uint_eq(backing->extents[i].offset, at);
		ck_assert_uint_gt(backing->extents[i].length, 0);
		at += backing->extents[i].length;
	}
	ck_assert_uint_eq(at, page_round_up(backing->length));
	for (uint64_t offset = 0; offset < at; offset += PAGE) {
		struct memory_extent *extent = backing_extent_locked(backing, offset);

		ck_assert_uint_le(extent->offset, offset);
		ck_assert_uint_lt(offset, extent->offset + extent->length);
	}
}

START_TEST(the_last_use_takes_it_along)
{
	unsigned before = unit_count_fds();
	struct memory_backing *backing = make(5 * PAGE);
	struct memory_use second, third;

	use_add(&second, backing, PAGE, 10, NULL);
	use_add(&third, backing, 0, 5 * PAGE, NULL);
	split(backing, PAGE, PAGE);
	use_remove(&first);
	use_remove(&third);
	use_remove(&third); /* none any more */
	((char *)backing->address)[PAGE] = 1;
	ck_assert_uint_eq(unit_count_fds(), before + 2);
	use_remove(&second);
	ck_assert_uint_eq(unit_count_fds(), before);
}
END_TEST

START_TEST(splits_anywhere_keep_every_byte)
{
	static const struct {
		uint64_t page, pages;
		uint32_t extents;
	} cuts[] = {{3, 2, 3}, {0, 1, 4}, {7, 1, 5}, {1, 2, 5}, {5, 1, 6}, {6, 1, 6}};
	struct memory_backing *backing = make(8 * PAGE - 3);
	unsigned char *bytes = backing->address;

	for (uint32_t i = 0; i < 8 * PAGE; i++)
		bytes[i] = (unsigned char)(i / 7);
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		split(backing, cuts[i].page * PAGE, cuts[i].pages * PAGE);
		ck_assert_uint_eq(backing->extent_count, cuts[i].extents);
		check_extents(backing);
		for (uint32_t j = 0; j < 8 * PAGE; j++)
			ck_assert_uint_eq(bytes[j], (unsigned char)(j / 7));
	}
	/* Each page is the file's page that its extent says. */
	for (uint32_t page = 0; page < 8; page++) {
		struct memory_extent *extent = backing_extent_locked(backing, page * PAGE);
		unsigned char byte = 0;

		bytes[page * PAGE] = (unsigned char)(100 + page);
		ck_assert_int_eq(pread(extent->file->fd, &byte, 1,
				       (off_t)(page * PAGE - extent->file->start)),
				 1);
		ck_assert_uint_eq(byte, 100 + page);
	}
	use_remove(&first);
}
END_TEST

START_TEST(a_split_without_descriptors_changes_nothing)
{
	struct memory_backing *backing = make(2 * PAGE);
	struct rlimit limit, before;
	IOReturn status;

	((char *)backing->address)[PAGE] = 6;
	getrlimit(RLIMIT_NOFILE, &before);
	limit = before;
	limit.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &limit);
	pthread_mutex_lock(&backing->lock);
	status = backing_split_locked(backing, PAGE, PAGE);
	pthread_mutex_unlock(&backing->lock);
	setrlimit(RLIMIT_NOFILE, &before);
	ck_assert_int_eq(status, kIOReturnNoResources);
	ck_assert_uint_eq(backing->extent_count, 1);
	ck_assert_int_eq(((char *)backing->address)[PAGE], 6);
	use_remove(&first);
}
END_TEST

UNIT_MAIN("backing", the_last_use_takes_it_along, splits_anywhere_keep_every_byte,
	  a_split_without_descriptors_changes_nothing)
