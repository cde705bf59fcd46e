/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks through IOKitLib, as any app would: the services of drivers, the name of each one's device,
 * and the number of the interface above it in the tree.
 */
#include "owners.h"

#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOKitLib.h>

#include <stdlib.h>

static void
copy_string(io_service_t service, CFStringRef key, char *text, size_t size)
{
	CFTypeRef value = IORegistryEntryCreateCFProperty(service, key, kCFAllocatorDefault, 0);

	text[0] = '\0';
	if (value == NULL)
		return;
	if (CFGetTypeID(value) != CFStringGetTypeID() ||
	    !CFStringGetCString(value, text, (CFIndex)size, kCFStringEncodingUTF8))
		text[0] = '\0';
	CFRelease(value);
}

/* Of the node above the driver's. */
static unsigned
get_interface(io_service_t service)
{
	io_registry_entry_t provider = IO_OBJECT_NULL;
	CFTypeRef value;
	int number = OWNER_WHOLE;

	if (IORegistryEntryGetParentEntry(service, kIOServicePlane, &provider) != KERN_SUCCESS)
		return OWNER_WHOLE;
	value = IORegistryEntryCreateCFProperty(provider, CFSTR("bInterfaceNumber"),
						kCFAllocatorDefault, 0);
	if (value != NULL && (CFGetTypeID(value) != CFNumberGetTypeID() ||
			      !CFNumberGetValue(value, kCFNumberIntType, &number)))
		number = OWNER_WHOLE;
	if (value != NULL)
		CFRelease(value);
	IOObjectRelease(provider);
	return (unsigned)number;
}

bool
owners_read(struct owner **ret_owners, size_t *ret_count)
{
	io_iterator_t iterator = IO_OBJECT_NULL;
	io_service_t service;
	struct owner *owners = NULL;
	size_t count = 0;

	*ret_owners = NULL;
	*ret_count = 0;
	if (IOServiceGetMatchingServices(kIOMainPortDefault, IOServiceMatching("IOUserService"),
					 &iterator) != KERN_SUCCESS)
		return false;
	while ((service = IOIteratorNext(iterator)) != IO_OBJECT_NULL) {
		struct owner *grown = realloc(owners, (count + 1) * sizeof(*owners));

		if (grown != NULL) {
			owners = grown;
			copy_string(service, CFSTR("dext_device"), owners[count].device,
				    sizeof(owners[count].device));
			copy_string(service, CFSTR("IORegistryEntryName"), owners[count].service,
				    sizeof(owners[count].service));
			copy_string(service, CFSTR("CFBundleIdentifier"), owners[count].bundle,
				    sizeof(owners[count].bundle));
			owners[count].interface = get_interface(service);
			count++;
		}
		IOObjectRelease(service);
	}
	IOObjectRelease(iterator);
	*ret_owners = owners;
	*ret_count = count;
	return true;
}
