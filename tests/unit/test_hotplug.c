/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "hotplug.h"

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

START_TEST(lists_what_can_be_driven)
{
	struct hotplug_place places[4];
	bool unsettled = true;
	char command[128];

	snprintf(folder, sizeof(folder), "/tmp/opendext-sysfs-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_uint_eq(hotplug_list(folder, places, 4, &unsettled), 0);
	ck_assert(!unsettled);
	add("usb1", "1\n", "1\n", "09\n", "1\n");
	add("1-2", "1\n", "17\n", "00\n", "1\n");
	add("1-2:1.0", NULL, NULL, NULL, NULL);
	ck_assert_uint_eq(hotplug_list(folder, places, 4, &unsettled), 1);
	ck_assert_uint_eq(places[0].bus, 1);
	ck_assert_uint_eq(places[0].number, 17);
	ck_assert(!unsettled);
	/* The kernel says so by an empty line until it has chosen. */
	add("1-3", "1\n", "18\n", "ff\n", "\n");
	ck_assert_uint_eq(hotplug_list(folder, places, 4, &unsettled), 1);
	ck_assert(unsettled);
	write_attribute("1-3", "bConfigurationValue", "1\n");
	ck_assert_uint_eq(hotplug_list(folder, places, 4, &unsettled), 2);
	ck_assert(!unsettled);
	ck_assert_uint_eq(hotplug_list(folder, places, 1, &unsettled), 1);
	ck_assert_uint_eq(hotplug_list("/nonexistent", places, 4, &unsettled), 0);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

UNIT_MAIN("hotplug", lists_what_can_be_driven)
