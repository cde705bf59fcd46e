/* SPDX-License-Identifier: Apache-2.0 */
/* Properties that an app sets: they reach the driver, and only one that opted in. */
#include "bounds.h"
#include "echo.h"
#include "harness.h"
#include "unit.h"

#include <CoreFoundation/CoreFoundation.h>
#include <mach/mach.h>

#include <pthread.h>

static struct harness harness;

static CFMutableDictionaryRef
make(CFStringRef key, CFTypeRef value)
{
	CFMutableDictionaryRef dictionary = CFDictionaryCreateMutable(
		NULL, 0, &kCFTypeDictionaryKeyCallBacks, &kCFTypeDictionaryValueCallBacks);

	CFDictionarySetValue(dictionary, key, value);
	return dictionary;
}

static CFNumberRef
make_number(int32_t value)
{
	return CFNumberCreate(NULL, kCFNumberSInt32Type, &value);
}

static void
start(void)
{
	harness_start(&harness, (const char *[]){harness_bundle("ECHO_BUNDLE"), NULL});
}

START_TEST(reach_the_service)
{
	io_service_t service;
	CFNumberRef number = make_number(42);
	CFDictionaryRef all;
	CFTypeRef value;

	start();
	service = harness_wait_service("Echo");
	ck_assert_int_eq(IORegistryEntrySetCFProperty(service, CFSTR("Level"), number), 0);
	/* The driver merged it, which published it before it answered. */
	value = IORegistryEntryCreateCFProperty(service, CFSTR("Level"), NULL, 0);
	ck_assert(value != NULL && CFEqual(value, number));
	CFRelease(value);
	all = make(CFSTR("Name"), CFSTR("left"));
	ck_assert_int_eq(IORegistryEntrySetCFProperties(service, all), 0);
	CFRelease(all);
	value = IORegistryEntryCreateCFProperty(service, CFSTR("Name"), NULL, 0);
	ck_assert(value != NULL && CFEqual(value, CFSTR("left")));
	CFRelease(value);
	/* The driver's own answer. */
	ck_assert_int_eq(IORegistryEntrySetCFProperty(service, CFSTR(ECHO_SET_REFUSE), number),
			 kIOReturnNotPermitted);
	CFRelease(number);
	IOObjectRelease(service);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(reach_the_user_client)
{
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;
	CFNumberRef number = make_number(0x5a);
	io_connect_t connect;

	start();
	connect = harness_open("Echo", 0);
	ck_assert_int_eq(
		IOConnectMapMemory64(connect, 0, mach_task_self(), &address, &size, kIOMapAnywhere),
		0);
	ck_assert_int_eq(IOConnectSetCFProperty(connect, CFSTR(ECHO_SET_FILL), number), 0);
	ck_assert_uint_eq(*(const uint8_t *)(uintptr_t)address, 0x5a);
	ck_assert_int_eq(IOConnectSetCFProperty(connect, CFSTR("Other"), number),
			 kIOReturnBadArgument);
	CFRelease(number);
	ck_assert_int_eq(IOServiceClose(connect), 0);
	ck_assert_int_eq(IOConnectSetCFProperty(connect, CFSTR("Other"), CFSTR("x")),
			 MACH_SEND_INVALID_DEST);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(a_driver_must_opt_in)
{
	io_service_t service, node;
	io_connect_t connect = 0;

	harness_start(&harness, (const char *[]){harness_bundle("BULKSTREAM_BUNDLE"), "--virtual",
						 "sink", NULL});
	service = harness_wait_service("BulkStream");
	ck_assert_int_eq(IORegistryEntrySetCFProperty(service, CFSTR("A"), CFSTR("b")),
			 kIOReturnUnsupported);
	ck_assert_ptr_null(IORegistryEntryCreateCFProperty(service, CFSTR("A"), NULL, 0));
	ck_assert_int_eq(IOServiceOpen(service, mach_task_self(), 0, &connect), 0);
	ck_assert_int_eq(IOConnectSetCFProperty(connect, CFSTR("A"), CFSTR("b")),
			 kIOReturnUnsupported);
	IOServiceClose(connect);
	node = IOServiceGetMatchingService(0, IOServiceMatching("IOUSBHostDevice"));
	ck_assert_int_eq(IORegistryEntrySetCFProperty(node, CFSTR("A"), CFSTR("b")),
			 kIOReturnUnsupported);
	harness_wait_log(&harness, "a device's node, which has none to set");
	IOObjectRelease(node);
	IOObjectRelease(service);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

static CFStringRef
make_long(size_t length)
{
	char *text = malloc(length + 1);
	CFStringRef string;

	memset(text, 'x', length);
	text[length] = '\0';
	string = CFStringCreateWithCString(NULL, text, kCFStringEncodingUTF8);
	free(text);
	return string;
}

START_TEST(arguments_and_sizes)
{
	CFStringRef fits = make_long(30000), larger = make_long(70000);
	io_service_t service;
	io_connect_t connect;

	start();
	service = harness_wait_service("Echo");
	connect = harness_open("Echo", 0);
	ck_assert_int_eq(IORegistryEntrySetCFProperties(service, CFSTR("no dictionary")),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IORegistryEntrySetCFProperties(service, NULL), kIOReturnBadArgument);
	ck_assert_int_eq(IORegistryEntrySetCFProperty(service, NULL, fits), kIOReturnBadArgument);
	ck_assert_int_eq(IORegistryEntrySetCFProperty(service, CFSTR("A"), NULL),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IORegistryEntrySetCFProperty(0, CFSTR("A"), fits), MACH_SEND_INVALID_DEST);
	ck_assert_int_eq(IOConnectSetCFProperties(connect, CFSTR("x")), kIOReturnBadArgument);
	ck_assert_int_eq(IORegistryEntrySetCFProperty(service, CFSTR("A"), fits), 0);
	ck_assert_int_eq(IORegistryEntrySetCFProperty(service, CFSTR("A"), larger),
			 kIOReturnMessageTooLarge);
	ck_assert_int_eq(IOConnectSetCFProperty(connect, CFSTR("A"), fits),
			 kIOReturnMessageTooLarge);
	IOServiceClose(connect);
	IOObjectRelease(service);
	CFRelease(fits);
	CFRelease(larger);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

/* What the registry adds has room beside what the driver says; else nobody could list its service.
 */
START_TEST(what_is_published_can_be_told)
{
	io_service_t service;

	start();
	service = harness_wait_service("Echo");
	for (size_t length = 55000; length <= 65000; length += 100) {
		CFStringRef text = make_long(length);
		CFMutableDictionaryRef properties = NULL;

		ck_assert_int_eq(IORegistryEntrySetCFProperty(service, CFSTR("A"), text), 0);
		ck_assert_msg(IORegistryEntryCreateCFProperties(service, &properties, NULL, 0) == 0,
			      "after %zu bytes", length);
		CFRelease(properties);
		CFRelease(text);
	}
	harness_wait_log(&harness, "is not published: its properties are over 56 KiB");
	IOObjectRelease(service);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

static void *
set_and_hang(void *context)
{
	io_service_t service = *(io_service_t *)context;

	return (void *)(intptr_t)IORegistryEntrySetCFProperty(service, CFSTR(ECHO_SET_HANG),
							      CFSTR("x"));
}

/* The first hangs, the others wait behind it, and one more than the limit is refused at once. */
START_TEST(a_driver_that_hangs_holds_nobody_else_up)
{
	pthread_t threads[DEXT_LIMIT_SETTINGS_HOST + 1];
	unsigned refused = 0;
	io_service_t service;
	io_name_t name;
	pid_t host;

	start();
	service = harness_wait_service("Echo");
	host = harness_host_pid("Echo");
	for (unsigned i = 0; i <= DEXT_LIMIT_SETTINGS_HOST; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, set_and_hang, &service), 0);
	harness_wait_log(&harness, "Echo hangs");
	harness_wait_log(&harness, "DEXT_LIMIT_SETTINGS_HOST");
	/* Look-ups of this process go on, and so does the registry. */
	ck_assert_int_eq(IORegistryEntryGetName(service, name), 0);
	ck_assert_int_eq(harness_host_pid("Echo"), host);
	ck_assert_int_eq(kill(host, SIGKILL), 0);
	for (unsigned i = 0; i <= DEXT_LIMIT_SETTINGS_HOST; i++) {
		void *status = NULL;

		ck_assert_int_eq(pthread_join(threads[i], &status), 0);
		refused += (IOReturn)(intptr_t)status == kIOReturnNoResources;
		ck_assert((IOReturn)(intptr_t)status == kIOReturnOffline ||
			  (IOReturn)(intptr_t)status == kIOReturnNoResources);
	}
	ck_assert_uint_eq(refused, 1);
	IOObjectRelease(service);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

UNIT_MAIN("set_properties", reach_the_service, reach_the_user_client, a_driver_must_opt_in,
	  arguments_and_sizes, what_is_published_can_be_told,
	  a_driver_that_hangs_holds_nobody_else_up)
