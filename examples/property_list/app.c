/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints the properties of the services of a name as one XML property list, each service under its
 * path.
 *
 *	dext run drivers/bulkstream/bulkstream.dext --virtual sink -- \
 *		examples/property_list/property_list BulkStream
 *
 * Nothing in here is OpenDext's own: it is the same program on macOS.
 */
#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/IOKitLib.h>

#include <stdio.h>

/* The service's properties, under its path. */
static void
add(CFMutableDictionaryRef all, io_service_t service)
{
	CFStringRef path = IORegistryEntryCopyPath(service, kIOServicePlane);
	CFMutableDictionaryRef properties = NULL;

	if (path != NULL && IORegistryEntryCreateCFProperties(
				    service, &properties, kCFAllocatorDefault, 0) == KERN_SUCCESS) {
		CFDictionarySetValue(all, path, properties); /* retains both */
		CFRelease(properties);
	}
	if (path != NULL)
		CFRelease(path);
}

static int
print(CFDictionaryRef all)
{
	CFErrorRef error = NULL;
	CFDataRef xml = CFPropertyListCreateData(kCFAllocatorDefault, all,
						 kCFPropertyListXMLFormat_v1_0, 0, &error);

	if (xml == NULL) {
		CFShow(error);
		CFRelease(error);
		return 1;
	}
	fwrite(CFDataGetBytePtr(xml), 1, (size_t)CFDataGetLength(xml), stdout);
	CFRelease(xml);
	return 0;
}

int
main(int argc, char **argv)
{
	CFMutableDictionaryRef all =
		CFDictionaryCreateMutable(kCFAllocatorDefault, 0, &kCFTypeDictionaryKeyCallBacks,
					  &kCFTypeDictionaryValueCallBacks);
	io_iterator_t services = IO_OBJECT_NULL;
	io_service_t service;
	int status;

	if (argc != 2) {
		fprintf(stderr, "usage: property_list SERVICE\n");
		return 2;
	}
	/* The dictionary of IOServiceNameMatching is given up here. */
	if (IOServiceGetMatchingServices(kIOMainPortDefault, IOServiceNameMatching(argv[1]),
					 &services) != KERN_SUCCESS) {
		fprintf(stderr, "The registry does not answer.\n");
		return 1;
	}
	while ((service = IOIteratorNext(services)) != IO_OBJECT_NULL) {
		add(all, service);
		IOObjectRelease(service);
	}
	IOObjectRelease(services);
	status = print(all);
	CFRelease(all);
	return status;
}
