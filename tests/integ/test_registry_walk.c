/* SPDX-License-Identifier: Apache-2.0 */
/* The registry as an app walks it: two equal boards, their drivers, planes, paths, properties. */
#include "harness.h"
#include "unit.h"

#include <CoreFoundation/CoreFoundation.h>
#include <IOKit/usb/USB.h>
#include <mach/mach.h>

#include <stdio.h>

static struct harness harness;

static void
start(void)
{
	harness_start(&harness,
		      (const char *[]){harness_bundle("BULKSTREAM_BUNDLE"), "--virtual",
				       "sink:serial=LEFT", "--virtual", "sink:serial=RIGHT", NULL});
}

/* The service whose board has that serial number. */
static io_service_t
find(const char *serial)
{
	io_iterator_t iterator = 0;
	io_service_t service, found = 0;

	ck_assert_int_eq(IOServiceGetMatchingServices(kIOMainPortDefault,
						      IOServiceNameMatching("BulkStream"),
						      &iterator),
			 0);
	while ((service = IOIteratorNext(iterator)) != 0) {
		CFTypeRef value = IORegistryEntrySearchCFProperty(
			service, kIOServicePlane, CFSTR(kUSBSerialNumberString),
			kCFAllocatorDefault, kIORegistryIterateParents);

		ck_assert_ptr_nonnull(value);
		ck_assert_uint_eq(CFGetTypeID(value), CFStringGetTypeID());
		if (strcmp(CFStringGetCStringPtr((CFStringRef)value, kCFStringEncodingUTF8),
			   serial) == 0)
			found = service;
		else
			IOObjectRelease(service);
		CFRelease(value);
	}
	IOObjectRelease(iterator);
	return found;
}

START_TEST(equal_boards_are_told_apart)
{
	io_service_t left, right;
	io_string_t path, other;

	start();
	left = find("LEFT");
	right = find("RIGHT");
	ck_assert_uint_ne(left, 0);
	ck_assert_uint_ne(right, 0);
	ck_assert(!IOObjectIsEqualTo(left, right));
	ck_assert_int_eq(IORegistryEntryGetPath(left, kIOServicePlane, path), 0);
	ck_assert_str_eq(path, "IOService:/OpenDext sink@80100000/IOUSBHostInterface@0/BulkStream");
	ck_assert_int_eq(IORegistryEntryGetPath(right, kIOServicePlane, other), 0);
	ck_assert_str_ne(path, other);
	ck_assert_uint_eq(IORegistryEntryFromPath(kIOMainPortDefault, path), left);
	ck_assert_uint_eq(IORegistryEntryFromPath(kIOMainPortDefault, other), right);
	ck_assert_uint_eq(IORegistryEntryFromPath(kIOMainPortDefault, "IOService:/Nothing"), 0);
	harness_stop(&harness);
}
END_TEST

static uint64_t
number(io_registry_entry_t entry, CFStringRef key)
{
	CFTypeRef value = IORegistryEntryCreateCFProperty(entry, key, NULL, 0);
	uint64_t result = UINT64_MAX;

	if (value != NULL && CFGetTypeID(value) == CFNumberGetTypeID())
		CFNumberGetValue((CFNumberRef)value, kCFNumberSInt64Type, &result);
	CFRelease(value);
	return result;
}

START_TEST(parents_and_children)
{
	io_registry_entry_t service, interface = 0, device = 0, root = 0, nothing = 0;
	io_name_t text;

	start();
	service = find("LEFT");
	ck_assert_int_eq(IORegistryEntryGetParentEntry(service, kIOServicePlane, &interface), 0);
	ck_assert_int_eq(IORegistryEntryGetParentEntry(interface, kIOServicePlane, &device), 0);
	ck_assert_int_eq(IORegistryEntryGetParentEntry(device, kIOServicePlane, &root), 0);
	ck_assert_uint_eq(root, IORegistryGetRootEntry(kIOMainPortDefault));
	ck_assert_int_eq(IORegistryEntryGetParentEntry(root, kIOServicePlane, &nothing),
			 kIOReturnNoDevice);
	ck_assert_int_eq(IORegistryEntryGetChildEntry(service, kIOServicePlane, &nothing),
			 kIOReturnNoDevice);
	ck_assert_int_eq(IORegistryEntryGetParentEntry(service, "IOPower", &nothing),
			 kIOReturnBadArgument);
	ck_assert_uint_eq(nothing, 0);

	ck_assert_int_eq(IOObjectGetClass(device, text), 0);
	ck_assert_str_eq(text, "IOUSBHostDevice");
	ck_assert(IOObjectConformsTo(device, kIOUSBDeviceClassName));
	ck_assert(IOObjectConformsTo(device, kIOServiceClass));
	ck_assert(!IOObjectConformsTo(interface, kIOUSBDeviceClassName));
	ck_assert_int_eq(IOObjectGetClass(service, text), 0);
	ck_assert_str_eq(text, "IOUserService");
	ck_assert_int_eq(IORegistryEntryGetName(device, text), 0);
	ck_assert_str_eq(text, "OpenDext sink");
	ck_assert_int_eq(IORegistryEntryGetNameInPlane(service, kIOServicePlane, text), 0);
	ck_assert_str_eq(text, "BulkStream");
	ck_assert_int_eq(IORegistryEntryGetLocationInPlane(device, kIOUSBPlane, text), 0);
	ck_assert_str_eq(text, "80100000");
	ck_assert_int_eq(IORegistryEntryGetLocationInPlane(service, kIOServicePlane, text),
			 kIOReturnNotFound);
	ck_assert(IORegistryEntryInPlane(device, kIOUSBPlane));
	ck_assert(!IORegistryEntryInPlane(interface, kIOUSBPlane));
	ck_assert(!IORegistryEntryInPlane(device, "IOPower"));
	ck_assert_uint_eq(number(device, CFSTR(kUSBVendorID)), 0x1209);
	ck_assert_uint_eq(number(device, CFSTR(kUSBDevicePropertyLocationID)), 0x80100000);
	ck_assert_uint_eq(number(device, CFSTR(kUSBDevicePropertySpeed)), kUSBDeviceSpeedHigh);
	harness_stop(&harness);
}
END_TEST

static unsigned
count(io_iterator_t iterator)
{
	io_object_t object;
	unsigned number_of = 0;

	while ((object = IOIteratorNext(iterator)) != 0) {
		number_of++;
		IOObjectRelease(object);
	}
	return number_of;
}

START_TEST(iterators)
{
	io_iterator_t iterator = 0;
	io_name_t name;
	io_object_t object;

	start();
	ck_assert_int_eq(IORegistryCreateIterator(kIOMainPortDefault, kIOUSBPlane, 0, &iterator),
			 0);
	ck_assert(IOIteratorIsValid(iterator));
	ck_assert_int_eq(IOObjectGetClass(iterator, name), 0);
	ck_assert_str_eq(name, "IOUserIterator");
	ck_assert_uint_eq(count(iterator), 2);
	ck_assert_uint_eq(count(iterator), 0);
	IOIteratorReset(iterator);
	ck_assert_uint_eq(count(iterator), 2);
	ck_assert_int_eq(IOObjectRelease(iterator), 0);
	ck_assert(!IOIteratorIsValid(iterator));
	ck_assert_uint_eq(IOIteratorNext(iterator), 0);
	ck_assert_uint_eq(IOIteratorNext(0), 0);

	ck_assert_int_eq(IORegistryCreateIterator(kIOMainPortDefault, kIOServicePlane,
						  kIORegistryIterateRecursively, &iterator),
			 0);
	/* Two devices, interfaces and drivers each, and the provider of no device. */
	ck_assert_uint_eq(count(iterator), 7);
	IOObjectRelease(iterator);
	ck_assert_int_eq(
		IORegistryCreateIterator(kIOMainPortDefault, kIOServicePlane, 4, &iterator),
		kIOReturnBadArgument);

	ck_assert_int_eq(
		IORegistryCreateIterator(kIOMainPortDefault, kIOServicePlane, 0, &iterator), 0);
	ck_assert_int_eq(IORegistryIteratorEnterEntry(iterator), kIOReturnBadArgument);
	do {
		object = IOIteratorNext(iterator);
		ck_assert_uint_ne(object, 0);
	} while (!IOObjectConformsTo(object, "IOUSBDevice"));
	ck_assert_int_eq(IORegistryIteratorEnterEntry(iterator), 0);
	object = IOIteratorNext(iterator);
	ck_assert(IOObjectConformsTo(object, "IOUSBInterface"));
	ck_assert_uint_eq(IOIteratorNext(iterator), 0);
	ck_assert_int_eq(IORegistryIteratorExitEntry(iterator), 0);
	ck_assert_int_eq(IORegistryIteratorExitEntry(iterator), kIOReturnNoDevice);
	ck_assert_uint_gt(count(iterator), 0);
	IOObjectRelease(iterator);

	ck_assert_int_eq(IOServiceGetMatchingServices(0, IOServiceMatching("NoSuch"), &iterator),
			 0);
	ck_assert_uint_eq(count(iterator), 0);
	ck_assert_int_eq(IORegistryIteratorEnterEntry(iterator), kIOReturnBadArgument);
	IOObjectRelease(iterator);
	ck_assert_int_eq(IOServiceGetMatchingServices(0, NULL, &iterator), kIOReturnBadArgument);
	harness_stop(&harness);
}
END_TEST

START_TEST(properties)
{
	CFMutableDictionaryRef all = NULL, matching;
	io_struct_inband_t bytes;
	uint32_t size = sizeof(bytes), busy = 9;
	mach_timespec_t wait = {10, 0};
	io_service_t service;
	boolean_t matches = FALSE;
	CFStringRef text;

	start();
	service = find("RIGHT");
	ck_assert_int_eq(IORegistryEntryCreateCFProperties(service, &all, NULL, 0), 0);
	ck_assert(CFEqual(CFDictionaryGetValue(all, CFSTR("IOUserClass")), CFSTR("BulkStream")));
	ck_assert_ptr_nonnull(CFDictionaryGetValue(all, CFSTR("CFBundleIdentifier")));
	ck_assert_ptr_nonnull(CFDictionaryGetValue(all, CFSTR("IOUserServerName")));
	CFRelease(all);
	ck_assert_ptr_null(IORegistryEntryCreateCFProperty(service, CFSTR("Nothing"), NULL, 0));
	/* Without parents a service has no serial number. */
	ck_assert_ptr_null(IORegistryEntrySearchCFProperty(service, kIOServicePlane,
							   CFSTR(kUSBSerialNumberString), NULL, 0));
	ck_assert_int_eq(IORegistryEntryGetProperty(service, "IOUserClass", bytes, &size), 0);
	ck_assert_uint_eq(size, sizeof("BulkStream"));
	ck_assert_str_eq(bytes, "BulkStream");
	size = 3;
	ck_assert_int_eq(IORegistryEntryGetProperty(service, "IOUserClass", bytes, &size),
			 kIOReturnIPCError);

	matching = IOServiceNameMatching("BulkStream");
	ck_assert_int_eq(IOServiceMatchPropertyTable(service, matching, &matches), 0);
	ck_assert(matches);
	CFRelease(matching);
	matching = IOServiceMatching("IOUSBDevice");
	ck_assert_int_eq(IOServiceMatchPropertyTable(service, matching, &matches), 0);
	ck_assert(!matches);
	CFRelease(matching);
	ck_assert_uint_eq(
		IOServiceGetMatchingService(0, IOBSDNameMatching(kIOMainPortDefault, 0, "disk0")),
		0);
	ck_assert_uint_eq(IOServiceGetMatchingService(
				  0, IOOpenFirmwarePathMatching(kIOMainPortDefault, 0, "/pci")),
			  0);

	ck_assert_int_eq(IOServiceWaitQuiet(service, &wait), 0);
	ck_assert_int_eq(IOKitWaitQuiet(kIOMainPortDefault, NULL), 0);
	ck_assert_int_eq(IOServiceGetBusyState(service, &busy), 0);
	ck_assert_uint_eq(busy, 0);
	ck_assert_int_eq(IOKitGetBusyState(kIOMainPortDefault, &busy), 0);
	text = IOObjectCopyClass(service);
	ck_assert(CFEqual(text, CFSTR("IOUserService")));
	CFRelease(text);
	ck_assert_uint_eq(IOObjectGetUserRetainCount(service), 1);
	harness_stop(&harness);
}
END_TEST

static bool
is_text(io_registry_entry_t entry, CFStringRef key, CFStringRef text)
{
	CFTypeRef value = IORegistryEntryCreateCFProperty(entry, key, NULL, 0);
	bool same = value != NULL && CFEqual(value, text);

	if (value != NULL)
		CFRelease(value);
	return same;
}

START_TEST(what_each_node_shows)
{
	io_registry_entry_t left, right, service, interface = 0, device = 0, other = 0;
	uint64_t session;

	start();
	left = find("LEFT");
	right = find("RIGHT");
	ck_assert_int_eq(IORegistryEntryGetParentEntry(left, kIOServicePlane, &interface), 0);
	ck_assert_int_eq(IORegistryEntryGetParentEntry(interface, kIOServicePlane, &device), 0);
	ck_assert_uint_eq(number(device, CFSTR("idVendor")), 0x1209);
	ck_assert_uint_eq(number(device, CFSTR("idProduct")), 0x0d01);
	ck_assert_uint_eq(number(device, CFSTR("bcdDevice")), 0x0100);
	ck_assert_uint_eq(number(device, CFSTR("locationID")), 0x80100000);
	ck_assert_uint_eq(number(device, CFSTR("Device Speed")), kUSBDeviceSpeedHigh);
	ck_assert(is_text(device, CFSTR("USB Serial Number"), CFSTR("LEFT")));
	ck_assert(is_text(device, CFSTR("USB Product Name"), CFSTR("OpenDext sink")));
	ck_assert(is_text(device, CFSTR("USB Vendor Name"), CFSTR("OpenDext")));
	session = number(device, CFSTR("sessionID"));
	ck_assert_uint_ne(session, UINT64_MAX);
	ck_assert_uint_eq(number(interface, CFSTR("idVendor")), 0x1209);
	ck_assert_uint_eq(number(interface, CFSTR("bInterfaceNumber")), 0);
	ck_assert_uint_eq(number(interface, CFSTR("bInterfaceClass")), 0xff);
	ck_assert(is_text(left, CFSTR("IOClass"), CFSTR("IOUserService")));
	ck_assert(is_text(left, CFSTR("IOUserClass"), CFSTR("BulkStream")));
	ck_assert(is_text(left, CFSTR("IOUserServerName"), CFSTR("org.opendext.bulkstream")));
	ck_assert(is_text(left, CFSTR("CFBundleIdentifier"), CFSTR("org.opendext.bulkstream")));
	/* The equal board differs by what tells it apart. */
	ck_assert_int_eq(IORegistryEntryGetParentEntry(right, kIOServicePlane, &service), 0);
	ck_assert_int_eq(IORegistryEntryGetParentEntry(service, kIOServicePlane, &other), 0);
	ck_assert(is_text(other, CFSTR("USB Serial Number"), CFSTR("RIGHT")));
	ck_assert_uint_eq(number(other, CFSTR("locationID")), 0x80200000);
	ck_assert_uint_ne(number(other, CFSTR("sessionID")), session);
	harness_stop(&harness);
}
END_TEST

/* Runs an example; its output. */
static const char *
run(const char *variable, const char *argument)
{
	static char text[16384];
	char command[512];
	FILE *output;
	size_t length;

	snprintf(command, sizeof(command), "'%s' %s", harness_bundle(variable), argument);
	output = popen(command, "re");
	ck_assert_ptr_nonnull(output);
	length = fread(text, 1, sizeof(text) - 1, output);
	text[length] = '\0';
	ck_assert_int_eq(pclose(output), 0);
	return text;
}

/* What the program printed is what this process sees: two services, each under its path. */
START_TEST(the_example_lists_properties)
{
	const char *text;
	CFPropertyListRef list;
	CFDataRef data;

	start();
	text = run("PROPERTY_LIST_APP", "BulkStream");
	data = CFDataCreate(NULL, (const UInt8 *)text, (CFIndex)strlen(text));
	list = CFPropertyListCreateWithData(NULL, data, kCFPropertyListImmutable, NULL, NULL);
	ck_assert_ptr_nonnull(list);
	ck_assert_int_eq(CFDictionaryGetCount(list), 2);
	for (int i = 1; i <= 2; i++) {
		CFStringRef path = CFStringCreateWithFormat(
			NULL, NULL,
			CFSTR("IOService:/OpenDext sink@80%d00000/IOUSBHostInterface@0/BulkStream"),
			i);
		io_service_t service = IORegistryEntryCopyFromPath(kIOMainPortDefault, path);
		CFMutableDictionaryRef own = NULL;

		ck_assert_int_eq(IORegistryEntryCreateCFProperties(service, &own, NULL, 0), 0);
		ck_assert(CFEqual(CFDictionaryGetValue(list, path), own));
		CFRelease(own);
		IOObjectRelease(service);
		CFRelease(path);
	}
	CFRelease(list);
	CFRelease(data);
	harness_stop(&harness);
}
END_TEST

START_TEST(the_example_walks)
{
	const char *tree;

	start();
	ck_assert_str_eq(run("REGISTRY_WALK_APP", "RIGHT"),
			 "IOService:/OpenDext sink@80200000/IOUSBHostInterface@0/BulkStream\n");
	tree = run("REGISTRY_WALK_APP", "");
	ck_assert_ptr_nonnull(strstr(tree, "Root  <class IORegistryEntry"));
	ck_assert_ptr_nonnull(strstr(tree, "\n  OpenDext sink@80100000  <class IOUSBHostDevice"));
	ck_assert_ptr_nonnull(strstr(tree, "\n    IOUSBHostInterface@0  <class"));
	ck_assert_ptr_nonnull(strstr(tree, "\n      BulkStream  <class IOUserService"));
	harness_stop(&harness);
}
END_TEST

START_TEST(an_entry_that_has_gone)
{
	io_service_t service;
	io_name_t name;

	start();
	service = find("LEFT");
	harness_stop(&harness);
	start();
	ck_assert_int_eq(IORegistryEntryGetName(service, name), kIOReturnNotFound);
	ck_assert_int_eq(IOObjectGetClass(service, name), kIOReturnNotFound);
	ck_assert_ptr_null(IORegistryEntryCreateCFProperty(service, CFSTR("idVendor"), NULL, 0));
	ck_assert(!IOObjectConformsTo(service, "IOService"));
	harness_stop(&harness);
}
END_TEST

START_TEST(what_is_not_supported_says_so)
{
	ck_assert_int_eq(IOConnectTrap0(0, 0), kIOReturnUnsupported);
	ck_assert_int_eq(IOConnectTrap6(0, 0, 1, 2, 3, 4, 5, 6), kIOReturnUnsupported);
	ck_assert_int_eq(IOCatalogueReset(0, 0), kIOReturnUnsupported);
	ck_assert_int_eq(IOConnectAddClient(0, 0), kIOReturnUnsupported);
	ck_assert_int_eq(IOServiceRequestProbe(0, 0), kIOReturnUnsupported);
	ck_assert_int_eq(IOServiceOpenAsFileDescriptor(0, 0), -1);
}
END_TEST

UNIT_MAIN("registry_walk", equal_boards_are_told_apart, parents_and_children, iterators, properties,
	  what_each_node_shows, the_example_walks, the_example_lists_properties,
	  an_entry_that_has_gone, what_is_not_supported_says_so)
