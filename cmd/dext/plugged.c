/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads sysfs. A device that goes meanwhile is left out; an attribute that is not there, or is no
 * number, counts as 0 or "". What devices say of themselves is made printable here: it comes from
 * whatever was plugged in, and goes to terminals.
 */
#include "plugged.h"

#include "attribute.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
read_driver(const char *folder, struct plugged_interface *interface)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t length;

	interface->driver[0] = '\0';
	if (snprintf(path, sizeof(path), "%s/driver", folder) >= (int)sizeof(path))
		return;
	length = readlink(path, target, sizeof(target) - 1);
	if (length <= 0)
		return;
	target[length] = '\0';
	snprintf(interface->driver, sizeof(interface->driver), "%.*s",
		 (int)sizeof(interface->driver) - 1,
		 strrchr(target, '/') != NULL ? strrchr(target, '/') + 1 : target);
}

static bool
read_device(const char *folder, const char *name, struct plugged *device)
{
	memset(device, 0, sizeof(*device));
	snprintf(device->path, sizeof(device->path), "%.*s", (int)sizeof(device->path) - 1, name);
	if (!attribute_read_number(folder, "busnum", 10, &device->bus) ||
	    !attribute_read_number(folder, "devnum", 10, &device->number) ||
	    !attribute_read_number(folder, "idVendor", 16, &device->vendor) ||
	    !attribute_read_number(folder, "idProduct", 16, &device->product))
		return false;
	attribute_read_number(folder, "bcdDevice", 16, &device->release);
	attribute_read_number(folder, "bDeviceClass", 16, &device->class);
	attribute_read_number(folder, "bConfigurationValue", 10, &device->configuration);
	attribute_read(folder, "speed", device->speed, sizeof(device->speed));
	attribute_read(folder, "manufacturer", device->manufacturer, sizeof(device->manufacturer));
	attribute_read(folder, "product", device->name, sizeof(device->name));
	attribute_read(folder, "serial", device->serial, sizeof(device->serial));
	return true;
}

/* An endpoint is a folder ep_81 in that of its interface. */
static bool
has_bulk(const char *folder)
{
	DIR *entries = opendir(folder);
	struct dirent *entry;
	bool found = false;

	while (entries != NULL && !found && (entry = readdir(entries)) != NULL) {
		char path[PATH_MAX], type[32];

		if (strncmp(entry->d_name, "ep_", 3) != 0 ||
		    snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) >=
			    (int)sizeof(path))
			continue;
		found = attribute_read(path, "type", type, sizeof(type)) &&
			strcmp(type, "Bulk") == 0;
	}
	if (entries != NULL)
		closedir(entries);
	return found;
}

/* Of the folder 1-2:1.0. */
static void
read_interface(const char *folder, struct plugged *device)
{
	struct plugged_interface *interface = &device->interfaces[device->interface_count];

	if (device->interface_count == INTERFACES_MOST ||
	    !attribute_read_number(folder, "bInterfaceNumber", 16, &interface->number))
		return;
	attribute_read_number(folder, "bAlternateSetting", 10, &interface->alternate);
	attribute_read_number(folder, "bInterfaceClass", 16, &interface->class);
	attribute_read_number(folder, "bInterfaceSubClass", 16, &interface->subclass);
	attribute_read_number(folder, "bInterfaceProtocol", 16, &interface->protocol);
	interface->has_bulk = has_bulk(folder);
	read_driver(folder, interface);
	device->interface_count++;
}

static int
compare_devices(const void *one, const void *other)
{
	const struct plugged *a = one, *b = other;

	if (a->bus != b->bus)
		return a->bus < b->bus ? -1 : 1;
	return a->number < b->number ? -1 : a->number > b->number;
}

static int
compare_interfaces(const void *one, const void *other)
{
	const struct plugged_interface *a = one, *b = other;

	return a->number < b->number ? -1 : a->number > b->number;
}

/* Names with a colon are interfaces, the others devices. Calls back for each of the one kind. */
static bool
walk(const char *sysfs, bool interfaces, bool (*each)(void *, const char *, const char *),
     void *context)
{
	DIR *folder = opendir(sysfs);
	struct dirent *entry;
	bool going = true;

	if (folder == NULL)
		return false;
	while (going && (entry = readdir(folder)) != NULL) {
		char path[PATH_MAX];

		if (entry->d_name[0] == '.' || (strchr(entry->d_name, ':') != NULL) != interfaces ||
		    snprintf(path, sizeof(path), "%s/%s", sysfs, entry->d_name) >=
			    (int)sizeof(path))
			continue;
		going = each(context, path, entry->d_name);
	}
	closedir(folder);
	if (!going)
		errno = ENOMEM;
	return going;
}

struct list {
	struct plugged *devices;
	size_t count;
};

static bool
add_device(void *context, const char *path, const char *name)
{
	struct list *list = context;
	struct plugged *grown = realloc(list->devices, (list->count + 1) * sizeof(*grown));

	if (grown == NULL)
		return false;
	list->devices = grown;
	list->count += read_device(path, name, &grown[list->count]);
	return true;
}

static bool
add_interface(void *context, const char *path, const char *name)
{
	struct list *list = context;
	size_t length = strcspn(name, ":");

	for (size_t i = 0; i < list->count; i++)
		if (strlen(list->devices[i].path) == length &&
		    memcmp(list->devices[i].path, name, length) == 0)
			read_interface(path, &list->devices[i]);
	return true;
}

bool
plugged_read(const char *sysfs, struct plugged **ret_devices, size_t *ret_count)
{
	struct list list = {0};

	if (!walk(sysfs, false, add_device, &list) || !walk(sysfs, true, add_interface, &list)) {
		free(list.devices);
		return false;
	}
	if (list.count > 0)
		qsort(list.devices, list.count, sizeof(*list.devices), compare_devices);
	for (size_t i = 0; i < list.count; i++)
		qsort(list.devices[i].interfaces, list.devices[i].interface_count,
		      sizeof(list.devices[i].interfaces[0]), compare_interfaces);
	*ret_devices = list.devices;
	*ret_count = list.count;
	return true;
}
