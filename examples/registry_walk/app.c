/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints the registry as a tree, and finds one of several equal boards by its serial number.
 *
 *	registry_walk			the tree
 *	registry_walk SERIAL		the path of the service whose board has that number
 */
#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOKitLib.h>
#include <IOKit/usb/USB.h>
#include <mach/mach.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* One line for each entry, children below their parents, a step to the right. */
static void
print_below(io_registry_entry_t entry, unsigned depth)
{
	io_registry_entry_t child;
	io_iterator_t children;
	io_name_t name, class_name, location;
	uint64_t id = 0;

	if (IORegistryEntryGetName(entry, name) != kIOReturnSuccess ||
	    IOObjectGetClass(entry, class_name) != kIOReturnSuccess)
		return; /* it has gone meanwhile */
	IORegistryEntryGetRegistryEntryID(entry, &id);
	printf("%*s%s", (int)depth * 2, "", name);
	if (IORegistryEntryGetLocationInPlane(entry, kIOServicePlane, location) == kIOReturnSuccess)
		printf("@%s", location);
	printf("  <class %s, id 0x%llx>\n", class_name, (unsigned long long)id);

	if (IORegistryEntryGetChildIterator(entry, kIOServicePlane, &children) != kIOReturnSuccess)
		return;
	while ((child = IOIteratorNext(children)) != IO_OBJECT_NULL) {
		print_below(child, depth + 1);
		IOObjectRelease(child);
	}
	IOObjectRelease(children);
}

/* Whether the entry, or one above it, has that serial number. A driver has none of its own. */
static bool
is_on_board(io_service_t service, const char *serial)
{
	CFTypeRef value = IORegistryEntrySearchCFProperty(
		service, kIOServicePlane, CFSTR(kUSBSerialNumberString), kCFAllocatorDefault,
		kIORegistryIterateRecursively | kIORegistryIterateParents);
	char text[256] = "";
	bool found = false;

	if (value == NULL)
		return false;
	if (CFGetTypeID(value) == CFStringGetTypeID() &&
	    CFStringGetCString((CFStringRef)value, text, sizeof(text), kCFStringEncodingUTF8))
		found = strcmp(text, serial) == 0;
	CFRelease(value);
	return found;
}

static int
find_board(const char *serial)
{
	io_iterator_t services;
	io_service_t service;
	io_string_t path;
	bool found = false;

	if (IOServiceGetMatchingServices(kIOMainPortDefault, IOServiceMatching("IOUserService"),
					 &services) != kIOReturnSuccess)
		return 1;
	while (!found && (service = IOIteratorNext(services)) != IO_OBJECT_NULL) {
		found = is_on_board(service, serial) &&
			IORegistryEntryGetPath(service, kIOServicePlane, path) == kIOReturnSuccess;
		IOObjectRelease(service);
	}
	IOObjectRelease(services);
	if (!found) {
		fprintf(stderr, "no driver has a board with the serial number %s\n", serial);
		return 1;
	}
	printf("%s\n", path);
	return 0;
}

int
main(int argc, char **argv)
{
	io_registry_entry_t root;

	if (argc > 1)
		return find_board(argv[1]);
	root = IORegistryGetRootEntry(kIOMainPortDefault);
	if (root == IO_OBJECT_NULL) {
		fprintf(stderr, "there is no registry\n");
		return 1;
	}
	print_below(root, 0);
	IOObjectRelease(root);
	return 0;
}
