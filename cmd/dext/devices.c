/* SPDX-License-Identifier: Apache-2.0 */
/* dext devices: the USB devices that are plugged, and who has each of their interfaces. */
#include "dext.h"
#include "owners.h"
#include "plugged.h"

#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help_text[] =
	"usage: dext devices [--all] [--json] [--sysfs DIR]\n"
	"\n"
	"Lists the USB devices that are plugged: place (bus and ports), bus and number, vendor "
	"and\n"
	"product, speed in Mbit/s, and names. Below each its interfaces: number, class, subclass\n"
	"and protocol, and who has it: an OpenDext driver (if a registry runs), a driver of the\n"
	"kernel, a program (by usbfs), or nobody.\n"
	"\n"
	"  --all          hubs, too\n"
	"  --json         the same as JSON\n"
	"  --sysfs DIR    where to look, instead of " PLUGGED_SYSFS "\n"
	"\n"
	"Examples:\n"
	"  dext devices           what is plugged\n"
	"  dext devices --json    the same, for a program\n"
	"\n"
	"Exit status: 0 (also when there is none), 2 wrong command line, 7 DIR cannot be read.\n";

struct owners {
	struct owner *list;
	size_t count;
};

/* Who has that interface, or NULL. */
static const struct owner *
find_owner(const struct owners *owners, const struct plugged *device, unsigned interface)
{
	char label[OWNER_DEVICE];

	snprintf(label, sizeof(label), "usb:%03u:%03u", device->bus, device->number);
	for (size_t i = 0; i < owners->count; i++) {
		const struct owner *owner = &owners->list[i];

		if (strcmp(owner->device, label) == 0 &&
		    (owner->interface == interface || owner->interface == OWNER_WHOLE))
			return owner;
	}
	return NULL;
}

static void
print_owner(const struct owner *owner)
{
	fputs("OpenDext: ", stdout);
	print_clean(stdout, owner->service);
	fputs(" (", stdout);
	print_clean(stdout, owner->bundle);
	fputs(")\n", stdout);
}

static void
print_device(const struct plugged *device, const struct owners *owners)
{
	printf("%-10s %03u:%03u  %04x:%04x  %6s  ", device->path, device->bus, device->number,
	       device->vendor, device->product, device->speed[0] != '\0' ? device->speed : "-");
	print_clean(stdout, device->manufacturer);
	fputs(device->manufacturer[0] != '\0' ? " " : "", stdout);
	print_clean(stdout, device->name);
	fputs(device->serial[0] != '\0' ? ", serial number " : "", stdout);
	print_clean(stdout, device->serial);
	putchar('\n');
	for (size_t i = 0; i < device->interface_count; i++) {
		const struct plugged_interface *interface = &device->interfaces[i];
		const struct owner *owner = find_owner(owners, device, interface->number);

		printf("  interface %-3u class %02x/%02x/%02x  ", interface->number,
		       interface->class, interface->subclass, interface->protocol);
		if (owner != NULL)
			print_owner(owner);
		else if (strcmp(interface->driver, "usbfs") == 0)
			printf("a program, by usbfs\n");
		else if (interface->driver[0] != '\0')
			printf("kernel: %s\n", interface->driver);
		else
			printf("nobody\n");
	}
}

static void
add_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, text[0] != '\0' ? json_object_new_string(text) : NULL);
}

static void
add_number(struct json_object *object, const char *key, unsigned value)
{
	json_object_object_add(object, key, json_object_new_int64(value));
}

static struct json_object *
make_interface(const struct plugged_interface *interface, const struct owner *owner)
{
	struct json_object *object = json_object_new_object();

	add_number(object, "number", interface->number);
	add_number(object, "alternate", interface->alternate);
	add_number(object, "class", interface->class);
	add_number(object, "subclass", interface->subclass);
	add_number(object, "protocol", interface->protocol);
	add_text(object, "kernelDriver", interface->driver);
	add_text(object, "owner",
		 owner != NULL				   ? "opendext"
		 : strcmp(interface->driver, "usbfs") == 0 ? "program"
		 : interface->driver[0] != '\0'		   ? "kernel"
							   : "nobody");
	add_text(object, "service", owner != NULL ? owner->service : "");
	add_text(object, "bundle", owner != NULL ? owner->bundle : "");
	return object;
}

static struct json_object *
make_device(const struct plugged *device, const struct owners *owners)
{
	struct json_object *object = json_object_new_object();
	struct json_object *interfaces = json_object_new_array();

	add_text(object, "path", device->path);
	add_number(object, "bus", device->bus);
	add_number(object, "device", device->number);
	add_number(object, "idVendor", device->vendor);
	add_number(object, "idProduct", device->product);
	add_number(object, "bcdDevice", device->release);
	add_number(object, "class", device->class);
	add_number(object, "configuration", device->configuration);
	add_text(object, "speed", device->speed);
	add_text(object, "manufacturer", device->manufacturer);
	add_text(object, "product", device->name);
	add_text(object, "serial", device->serial);
	for (size_t i = 0; i < device->interface_count; i++)
		json_object_array_add(
			interfaces,
			make_interface(&device->interfaces[i],
				       find_owner(owners, device, device->interfaces[i].number)));
	json_object_object_add(object, "interfaces", interfaces);
	return object;
}

static void
print_all(const struct plugged *devices, size_t count, const struct owners *owners, bool all,
	  bool json)
{
	struct json_object *array = json ? json_object_new_array() : NULL;

	for (size_t i = 0; i < count; i++) {
		if (!all && devices[i].class == PLUGGED_HUB)
			continue;
		if (json)
			json_object_array_add(array, make_device(&devices[i], owners));
		else
			print_device(&devices[i], owners);
	}
	if (!json)
		return;
	printf("%s\n", json_object_to_json_string_ext(array, JSON_C_TO_STRING_PRETTY));
	json_object_put(array);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{"all", no_argument, NULL, 'a'},
		{"json", no_argument, NULL, 'j'},
		{"sysfs", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char *sysfs = PLUGGED_SYSFS;
	struct plugged *devices;
	struct owners owners;
	bool all = false, json = false;
	size_t count;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(help_text, stdout);
			return DEXT_EXIT_OK;
		}
		if (option == 'a')
			all = true;
		else if (option == 'j')
			json = true;
		else if (option == 's')
			sysfs = optarg;
		else
			return DEXT_EXIT_USAGE;
	}
	if (optind != argc)
		return usage_error("devices", "%s: no argument was expected", argv[optind]);
	if (!plugged_read(sysfs, &devices, &count)) {
		complain("devices", "%s: %s%s", sysfs, strerror(errno),
			 errno == ENOENT ? "; has this kernel USB, and is sysfs mounted?" : "");
		return DEXT_EXIT_FILE;
	}
	(void)owners_read(&owners.list, &owners.count);
	print_all(devices, count, &owners, all, json);
	free(owners.list);
	free(devices);
	return DEXT_EXIT_OK;
}
