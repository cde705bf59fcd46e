/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dext bind and unbind: a USB interface is served by bulkstream, without code. What is checked here
 * is for people; that a personality fits a device is the registry's business.
 */
#include "bound.h"
#include "dext.h"
#include "plugged.h"

#include "program.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char bind_help[] =
	"usage: dext bind [-o DIR] [--force] [--dry-run] [--driver FILE] [--sysfs DIR]\n"
	"                 VID:PID[:INTERFACE] bulkstream\n"
	"\n"
	"Has a USB interface served by bulkstream, without driver code: writes a bundle for it "
	"into\n"
	"dextd's folder. VID and PID are hexadecimal, as `dext devices` shows them. INTERFACE may\n"
	"be left out if the device has one; for a device that is not plugged it is 0 then.\n"
	"A device that is plugged is looked at: it must have that interface, and that must have a\n"
	"bulk endpoint.\n"
	"\n"
	"  -o DIR         another folder than " BOUND_FOLDER "\n"
	"  --force        replace a bundle that is there, and do not look at the device\n"
	"  --dry-run      show the Info.plist and write nothing (also: --print)\n"
	"  --driver FILE  bulkstream's shared object, if it is not where it was installed\n"
	"  --sysfs DIR    where to look for devices, instead of " PLUGGED_SYSFS "\n"
	"\n"
	"The bundle links to the shared object, so it follows upgrades. `dext unbind` removes it.\n"
	"\n"
	"Examples:\n"
	"  dext bind 1234:5678 bulkstream                what `dext send` then streams to\n"
	"  dext bind --dry-run 1234:5678:1 bulkstream    what would be written for interface 1\n"
	"\n"
	"Exit status: 0, 1 error, 2 wrong command line, 3 no such interface, or no bulkstream,\n"
	"4 there is such a bundle, or not permitted, 7 it cannot be written.\n";

static const char unbind_help[] =
	"usage: dext unbind [-o DIR] VID:PID[:INTERFACE]\n"
	"\n"
	"Removes the bundle that `dext bind` wrote; dextd stops the driver then. INTERFACE is 0 "
	"if\n"
	"it is left out.\n"
	"\n"
	"Example:\n"
	"  dext unbind 1234:5678    the kernel's driver gets the interface back\n"
	"\n"
	"Exit status: 0, 1 error, 2 wrong command line, 3 there is none, 4 not permitted.\n";

#define ANY_INTERFACE 256u

struct options {
	const char *folder;
	const char *driver; /* NULL: the installed one */
	const char *sysfs;
	bool force, dry_run;
};

/* Up to `most`, and all of the text up to `end`. */
static bool
number(const char **text, char end, int base, unsigned long most, unsigned *ret_value)
{
	char *rest;
	unsigned long value = strtoul(*text, &rest, base);

	if (strchr("0123456789abcdefABCDEF", **text) == NULL || **text == '\0' || *rest != end ||
	    value > most)
		return false;
	*ret_value = (unsigned)value;
	*text = rest + (end != '\0');
	return true;
}

static bool
parse(const char *text, struct bound *bound)
{
	bool has_interface = strchr(text, ':') != strrchr(text, ':');

	*bound = (struct bound){.interface = ANY_INTERFACE, .configuration = 1};
	return number(&text, ':', 16, 0xffff, &bound->vendor) &&
	       number(&text, has_interface ? ':' : '\0', 16, 0xffff, &bound->product) &&
	       (!has_interface || number(&text, '\0', 10, 255, &bound->interface));
}

static void
say_interfaces(const struct plugged *device)
{
	for (size_t i = 0; i < device->interface_count; i++) {
		const struct plugged_interface *interface = &device->interfaces[i];

		fprintf(stderr, "  interface %u: class %02x/%02x/%02x, %s%s%s\n", interface->number,
			interface->class, interface->subclass, interface->protocol,
			interface->has_bulk ? "bulk" : "no bulk endpoint",
			interface->driver[0] != '\0' ? ", kernel driver " : "", interface->driver);
	}
}

/* Of a device that is plugged. Fills in what was left out. */
static int
check_device(const struct plugged *device, struct bound *bound)
{
	const struct plugged_interface *found = NULL;

	if (bound->interface == ANY_INTERFACE && device->interface_count > 1) {
		say_interfaces(device);
		return usage_error("bind", "%04x:%04x has several interfaces: name one",
				   bound->vendor, bound->product);
	}
	for (size_t i = 0; i < device->interface_count; i++)
		if (bound->interface == device->interfaces[i].number ||
		    bound->interface == ANY_INTERFACE)
			found = &device->interfaces[i];
	if (found == NULL) {
		complain("bind", "%04x:%04x (%s) has no such interface; --force binds it anyway",
			 bound->vendor, bound->product, device->path);
		say_interfaces(device);
		return DEXT_EXIT_NOT_FOUND;
	}
	if (device->class == PLUGGED_HUB || !found->has_bulk) {
		complain(
			"bind",
			"interface %u of %04x:%04x (%s) has no bulk endpoint that bulkstream could "
			"serve; --force binds it anyway",
			found->number, bound->vendor, bound->product, device->path);
		say_interfaces(device);
		return DEXT_EXIT_NOT_FOUND;
	}
	bound->interface = found->number;
	if (device->configuration != 0)
		bound->configuration = device->configuration;
	if (found->driver[0] != '\0' && strcmp(found->driver, "usbfs") != 0)
		fprintf(stderr,
			"Note: the kernel's driver %s has it now; dextd takes it from that.\n",
			found->driver);
	return DEXT_EXIT_OK;
}

static int
check_plugged(const struct options *options, struct bound *bound)
{
	struct plugged *devices = NULL;
	size_t count = 0;
	int status = DEXT_EXIT_OK;
	bool seen = false;

	/* Without sysfs nothing is plugged, as far as can be seen. */
	if (!options->force)
		(void)plugged_read(options->sysfs, &devices, &count);
	for (size_t i = 0; i < count && !seen; i++) {
		seen = devices[i].vendor == bound->vendor && devices[i].product == bound->product;
		if (seen)
			status = check_device(&devices[i], bound);
	}
	free(devices);
	if (status != DEXT_EXIT_OK)
		return status;
	if (bound->interface == ANY_INTERFACE)
		bound->interface = 0;
	if (!seen && !options->force)
		fprintf(stderr,
			"Note: no %04x:%04x is plugged, so its interface %u was not "
			"checked.\n",
			bound->vendor, bound->product, bound->interface);
	return DEXT_EXIT_OK;
}

/* The shared object: what was named, that beside this program's build, or the installed one. */
static bool
find_driver(const struct options *options, char path[PATH_MAX])
{
	char self[PATH_MAX], place[PATH_MAX + 64];
	char *slash;
	ssize_t length;

	if (options->driver != NULL)
		return realpath(options->driver, path) != NULL;
	if (realpath(OPENDEXT_BUNDLE_DIR "/bulkstream.dext/bulkstream.so", path) != NULL)
		return true;
	length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[length > 0 ? length : 0] = '\0';
	slash = strrchr(self, '/');
	if (slash == NULL)
		return false;
	*slash = '\0';
	snprintf(place, sizeof(place), "%s/../drivers/bulkstream/bulkstream.dext/bulkstream.so",
		 self);
	return realpath(place, path) != NULL;
}

static int
write_failed(const char *folder, const char *name)
{
	int error = errno;

	if (error == EEXIST)
		complain("bind", "%s/%s is there already; --force replaces it", folder, name);
	else
		complain("bind", "%s/%s: %s%s", folder, name, strerror(error),
			 error == EACCES ? "; run it as root, or name a folder of your own by -o"
					 : "");
	return error == EEXIST || error == EACCES || error == EPERM ? DEXT_EXIT_REFUSED
								    : DEXT_EXIT_FILE;
}

static void
say_next(const struct options *options, const struct bound *bound, const char *name)
{
	printf("%s/%s\n", options->folder, name);
	if (strcmp(options->folder, BOUND_FOLDER) == 0)
		fprintf(stderr,
			"A running dextd starts it when the device is there: `dext devices` and "
			"`dext list` show it.\n"
			"Group opendext may open it; a line in /etc/opendext/access for "
			"org.opendext.bulkstream.%04x-%04x-%u changes that.\n"
			"Then: dext send FILE, dext recv FILE, or an app over <bulkstream.h>. "
			"`dext unbind %04x:%04x:%u` takes it back.\n",
			bound->vendor, bound->product, bound->interface, bound->vendor,
			bound->product, bound->interface);
	else
		fprintf(stderr,
			"Serve it with: dextd --bundles %s\n"
			"or for a while: dext run %s/%s --usb BUS:DEV -- COMMAND\n",
			options->folder, options->folder, name);
}

static int
bind_device(const struct options *options, struct bound *bound)
{
	char name[BOUND_NAME], driver[PATH_MAX];
	int status = check_plugged(options, bound);
	char *plist;

	if (status != DEXT_EXIT_OK)
		return status;
	if (options->dry_run) {
		plist = bound_plist(bound);
		if (plist == NULL)
			return DEXT_EXIT_ERROR;
		fputs(plist, stdout);
		free(plist);
		return DEXT_EXIT_OK;
	}
	if (!find_driver(options, driver)) {
		complain("bind", "bulkstream's shared object is not found (%s); --driver names it",
			 strerror(errno));
		return DEXT_EXIT_NOT_FOUND;
	}
	bound_name(bound, name);
	if (!bound_write(bound, options->folder, driver, options->force))
		return write_failed(options->folder, name);
	say_next(options, bound, name);
	return DEXT_EXIT_OK;
}

int
bind_main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"force", no_argument, NULL, 'f'},
		{"dry-run", no_argument, NULL, 'n'},
		{"print", no_argument, NULL, 'n'},
		{"driver", required_argument, NULL, 'd'},
		{"sysfs", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct options options = {.folder = BOUND_FOLDER, .sysfs = PLUGGED_SYSFS};
	struct bound bound;
	int option;

	while ((option = getopt_long(argc, argv, "ho:", long_options, NULL)) != -1) {
		if (option == 'h') {
			fputs(bind_help, stdout);
			return DEXT_EXIT_OK;
		}
		if (option == 'o')
			options.folder = optarg;
		else if (option == 'd')
			options.driver = optarg;
		else if (option == 's')
			options.sysfs = optarg;
		else if (option == 'f')
			options.force = true;
		else if (option == 'n')
			options.dry_run = true;
		else
			return DEXT_EXIT_USAGE;
	}
	if (argc - optind != 2)
		return usage_error("bind", "a device and a driver were expected");
	if (!parse(argv[optind], &bound))
		return usage_error("bind", "'%s' is not VID:PID or VID:PID:INTERFACE",
				   argv[optind]);
	if (strcmp(argv[optind + 1], "bulkstream") != 0)
		return usage_error("bind", "there is no generic driver '%s', but bulkstream",
				   argv[optind + 1]);
	return bind_device(&options, &bound);
}

int
unbind_main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char *folder = BOUND_FOLDER;
	char name[BOUND_NAME];
	struct bound bound;
	int option;

	while ((option = getopt_long(argc, argv, "ho:", long_options, NULL)) != -1) {
		if (option == 'h') {
			fputs(unbind_help, stdout);
			return DEXT_EXIT_OK;
		}
		if (option != 'o')
			return DEXT_EXIT_USAGE;
		folder = optarg;
	}
	if (argc - optind != 1 || !parse(argv[optind], &bound))
		return usage_error("unbind", "one VID:PID or VID:PID:INTERFACE was expected");
	if (bound.interface == ANY_INTERFACE)
		bound.interface = 0;
	if (bound_remove(&bound, folder))
		return DEXT_EXIT_OK;
	bound_name(&bound, name);
	complain("unbind", "%s/%s: %s", folder, name,
		 errno == ENOTEMPTY ? "there is something else in it" : strerror(errno));
	return errno == ENOENT			   ? DEXT_EXIT_NOT_FOUND
	       : errno == EACCES || errno == EPERM ? DEXT_EXIT_REFUSED
						   : DEXT_EXIT_ERROR;
}
