/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "hotplug.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

static char folder[64];

static void
write_attribute(const char *device, const char *name, const char *text)
{
	char path[160];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s/%s", folder, device, name);
	file = fopen(path, "we");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

/* As sysfs shows a device; NULL: it has no such attribute. */
static void
add(const char *device, const char *bus, const char *number, const char *class,
    const char *configuration)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, device);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	if (bus != NULL)
		write_attribute(device, "busnum", bus);
	if (number != NULL)
		write_attribute(device, "devnum", number);
	if (class != NULL)
		write_attribute(device, "bDeviceClass", class);
	if (configuration != NULL)
		write_attribute(device, "bConfigurationValue", configuration);
}

static struct hotplug_list list;

static unsigned
count(const char *where, unsigned most)
{
	hotplug_list(where, most, &list);
	return list.count;
}

static void
make_folder(void)
{
	snprintf(folder, sizeof(folder), "/tmp/opendext-sysfs-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void
remove_folder(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(lists_what_can_be_driven)
{
	make_folder();
	ck_assert_uint_eq(count(folder, 4), 0);
	ck_assert(list.whole && !list.unsettled);
	add("usb1", "1\n", "1\n", "09\n", "1\n");
	add("1-2", "1\n", "17\n", "00\n", "1\n");
	add("1-2:1.0", NULL, NULL, NULL, NULL);
	ck_assert_uint_eq(count(folder, 4), 1);
	ck_assert_uint_eq(list.places[0].bus, 1);
	ck_assert_uint_eq(list.places[0].number, 17);
	ck_assert(list.whole && !list.unsettled);
	/* The kernel says so by an empty line until it has chosen. */
	add("1-3", "1\n", "18\n", "ff\n", "\n");
	ck_assert_uint_eq(count(folder, 4), 1);
	ck_assert(list.whole && list.unsettled);
	write_attribute("1-3", "bConfigurationValue", "1\n");
	ck_assert_uint_eq(count(folder, 4), 2);
	ck_assert(list.whole && !list.unsettled);
	ck_assert_uint_eq(count(folder, 1), 1);
	ck_assert_uint_eq(count("/nonexistent", 4), 0);
	ck_assert(list.whole);
	remove_folder();
}
END_TEST

/* --- what readdir does meanwhile --- */

static struct {
	const char *skipped; /* once */
	unsigned after;	     /* readings that show it */
	unsigned fails;	     /* readings that end with an error */
} plan;

struct dirent *__real_readdir64(DIR *directory);
struct dirent *__wrap_readdir64(DIR *directory);

struct dirent *
__wrap_readdir64(DIR *directory)
{
	struct dirent *entry;

	if (plan.fails > 0) {
		plan.fails--;
		errno = EIO;
		return NULL;
	}
	entry = __real_readdir64(directory);
	if (entry == NULL || plan.skipped == NULL || strcmp(entry->d_name, plan.skipped) != 0 ||
	    plan.after-- > 0)
		return entry;
	plan.skipped = NULL;
	return __real_readdir64(directory);
}

/* As sysfs skips an entry when the one before it vanishes: its driver would be stopped. */
START_TEST(what_a_reading_skips_is_there_all_the_same)
{
	make_folder();
	add("1-2", "1\n", "17\n", "00\n", "1\n");
	add("1-3", "1\n", "18\n", "00\n", "1\n");
	for (unsigned i = 0; i < 4; i++) {
		plan.skipped = i % 2 == 0 ? "1-2" : "1-3";
		plan.after = i / 2;
		ck_assert_uint_eq(count(folder, 4), 2);
		ck_assert_ptr_null(plan.skipped);
		ck_assert(list.whole);
	}
	remove_folder();
}
END_TEST

START_TEST(what_cannot_be_read_has_lost_nothing)
{
	make_folder();
	add("1-2", "1\n", "17\n", "00\n", "1\n");
	plan.fails = 1;
	ck_assert_uint_eq(count(folder, 4), 1);
	ck_assert(list.whole);
	plan.fails = UINT32_MAX;
	hotplug_list(folder, 4, &list);
	ck_assert(!list.whole);
	plan.fails = 0;
	/* On its way out: its folder is there, and no attribute any more. */
	add("1-3", NULL, NULL, NULL, NULL);
	ck_assert_uint_eq(count(folder, 4), 1);
	ck_assert(!list.whole);
	remove_folder();
}
END_TEST

UNIT_MAIN("hotplug", lists_what_can_be_driven, what_a_reading_skips_is_there_all_the_same,
	  what_cannot_be_read_has_lost_nothing)
