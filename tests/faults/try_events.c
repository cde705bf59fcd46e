/* SPDX-License-Identifier: Apache-2.0 */
/* The registry as an app sees it: looking, notifications, properties that are set; a driver's end.
 */
#include "attempt.h"
#include "echo.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <IOKit/IOMessage.h>
#include <dext_iokit.h>
#include <mach/mach.h>

/* --- the tree --- */

static bool
look_at(io_registry_entry_t entry)
{
	CFMutableDictionaryRef properties = NULL;
	io_string_t path;
	io_name_t name;
	uint64_t id = 0;

	TRY(IORegistryEntryGetName(entry, name));
	TRY(IORegistryEntryGetRegistryEntryID(entry, &id));
	CHECK(id != 0 && name[0] != '\0');
	TRY(IORegistryEntryGetPath(entry, kIOServicePlane, path));
	TRY(IORegistryEntryCreateCFProperties(entry, &properties, kCFAllocatorDefault, 0));
	CFRelease(properties);
	return true;
}

static bool
look_at_all(io_iterator_t iterator)
{
	io_registry_entry_t entry;
	unsigned count = 0;
	bool well = true;

	while (well && (entry = IOIteratorNext(iterator)) != 0) {
		well = look_at(entry);
		IOObjectRelease(entry);
		count++;
	}
	return well && attempt_had("entries", count > 0);
}

static bool
walk_from(io_registry_entry_t root)
{
	io_iterator_t iterator = 0;
	bool well;

	NAMES(root);
	TRY(IORegistryEntryCreateIterator(root, kIOServicePlane, kIORegistryIterateRecursively,
					  &iterator));
	well = look_at_all(iterator);
	IOObjectRelease(iterator);
	return well;
}

static bool
ask(io_service_t service)
{
	CFTypeRef value = IORegistryEntryCreateCFProperty(service, CFSTR("IOUserClass"),
							  kCFAllocatorDefault, 0);
	io_registry_entry_t parent = 0, again;
	io_string_t path;
	uint32_t busy = 0;

	HAVE(value);
	CFRelease(value);
	value = IORegistryEntrySearchCFProperty(
		service, kIOServicePlane, CFSTR("IOUserClass"), kCFAllocatorDefault,
		kIORegistryIterateRecursively | kIORegistryIterateParents);
	HAVE(value);
	CFRelease(value);
	TRY(IORegistryEntryGetParentEntry(service, kIOServicePlane, &parent));
	IOObjectRelease(parent);
	TRY(IORegistryEntryGetPath(service, kIOServicePlane, path));
	again = IORegistryEntryFromPath(kIOMainPortDefault, path);
	NAMES(again);
	CHECK(IOObjectIsEqualTo(again, service));
	IOObjectRelease(again);
	TRY(IOServiceGetBusyState(service, &busy));
	TRY(IOServiceWaitQuiet(service, &(mach_timespec_t){1, 0}));
	return true;
}

static bool
walk(void)
{
	io_registry_entry_t root = IORegistryGetRootEntry(kIOMainPortDefault);
	struct link link = {0};
	bool well = link_open(&link, "Echo") && walk_from(root) && ask(link.service);

	link_close(&link);
	if (root != 0)
		IOObjectRelease(root);
	return well;
}

/* --- setting --- */

static bool
set_number(io_service_t service, io_connect_t connect)
{
	int32_t number = 77, found = 0;
	CFNumberRef value = CFNumberCreate(kCFAllocatorDefault, kCFNumberSInt32Type, &number);
	CFTypeRef back;
	kern_return_t status[2];

	HAVE(value);
	status[0] = IORegistryEntrySetCFProperty(service, CFSTR("FaultsNumber"), value);
	status[1] = IOConnectSetCFProperty(connect, CFSTR(ECHO_SET_FILL), value);
	CFRelease(value);
	TRY(status[0]);
	TRY(status[1]);
	back = IORegistryEntryCreateCFProperty(service, CFSTR("FaultsNumber"), kCFAllocatorDefault,
					       0);
	HAVE(back);
	CHECK(CFNumberGetValue(back, kCFNumberSInt32Type, &found) && found == number);
	CFRelease(back);
	return true;
}

static bool
set(void)
{
	struct link link = {0};
	bool well = link_open(&link, "Echo") && set_number(link.service, link.connect);

	link_close(&link);
	return well;
}

/* --- notifications --- */

struct seen {
	unsigned services, messages;
};

static void
drain(void *refcon, io_iterator_t iterator)
{
	struct seen *seen = refcon;
	io_service_t service;

	while ((service = IOIteratorNext(iterator)) != 0) {
		IOObjectRelease(service);
		seen->services++;
	}
}

static void
on_message(void *refcon, io_service_t service, uint32_t type, void *argument)
{
	struct seen *seen = refcon;

	seen->messages++;
}

static bool
dispatch_until(IONotificationPortRef port, const unsigned *count, unsigned wanted)
{
	struct pollfd item = {.fd = IONotificationPortGetFileDescriptor(port), .events = POLLIN};
	uint64_t began = attempt_msec();

	while (*count < wanted && attempt_waits(began)) {
		poll(&item, 1, 100);
		dext_notification_port_dispatch(port);
	}
	return attempt_had("what was waited for", *count >= wanted);
}

/* A service comes and goes once; a change may be told of again when the connection was lost. */
static bool
services_until(IONotificationPortRef port, const unsigned *count, unsigned wanted)
{
	bool well = dispatch_until(port, count, wanted);

	CHECK(*count <= wanted);
	return well;
}

static bool
children(io_connect_t connect, uint64_t count)
{
	TRY(IOConnectCallScalarMethod(connect, ECHO_CHILDREN, &count, 1, NULL, NULL));
	return true;
}

struct watching {
	struct link link;
	IONotificationPortRef port;
	io_object_t came, went, interest;
};

static bool
watch(struct watching *watching, struct seen seen[3])
{
	HAVE(watching->port);
	if (!link_open(&watching->link, "Echo") || !children(watching->link.connect, 0))
		return false;
	TRY(IOServiceAddMatchingNotification(watching->port, kIOMatchedNotification,
					     IOServiceMatching("EchoChild"), drain, &seen[0],
					     &watching->came));
	TRY(IOServiceAddMatchingNotification(watching->port, kIOTerminatedNotification,
					     IOServiceMatching("EchoChild"), drain, &seen[1],
					     &watching->went));
	TRY(IOServiceAddInterestNotification(watching->port, watching->link.service,
					     kIOGeneralInterest, on_message, &seen[2],
					     &watching->interest));
	drain(&seen[0], watching->came);
	drain(&seen[1], watching->went);
	memset(seen, 0, 3 * sizeof(*seen));
	if (!children(watching->link.connect, 3) ||
	    !services_until(watching->port, &seen[0].services, 3))
		return false;
	TRY(IOConnectCallScalarMethod(watching->link.connect, ECHO_SET, (uint64_t[]){1}, 1, NULL,
				      NULL));
	return dispatch_until(watching->port, &seen[2].messages, 1) &&
	       children(watching->link.connect, 0) &&
	       services_until(watching->port, &seen[1].services, 3);
}

static bool
notifications(void)
{
	struct watching watching = {.port = IONotificationPortCreate(kIOMainPortDefault)};
	struct seen seen[3] = {{0}};
	bool well = watch(&watching, seen);

	if (watching.link.connect != MACH_PORT_NULL)
		children(watching.link.connect, 0);
	link_close(&watching.link);
	if (watching.came != 0)
		IOObjectRelease(watching.came);
	if (watching.went != 0)
		IOObjectRelease(watching.went);
	if (watching.interest != 0)
		IOObjectRelease(watching.interest);
	if (watching.port != NULL)
		IONotificationPortDestroy(watching.port);
	return well;
}

/* Far more happens than the registry can send to somebody who does not read. */
static bool
pile_up(struct watching *watching, struct seen *seen)
{
	HAVE(watching->port);
	if (!link_open(&watching->link, "Echo") || !children(watching->link.connect, 0))
		return false;
	TRY(IOServiceAddMatchingNotification(watching->port, kIOMatchedNotification,
					     IOServiceMatching("EchoChild"), drain, seen,
					     &watching->came));
	drain(seen, watching->came);
	*seen = (struct seen){0};
	for (unsigned i = 0; i < 60; i++)
		if (!children(watching->link.connect, 16) || !children(watching->link.connect, 0))
			return false;
	return true;
}

static bool
flood(void)
{
	struct watching watching = {.port = IONotificationPortCreate(kIOMainPortDefault)};
	struct seen seen = {0};
	bool well = pile_up(&watching, &seen);

	if (watching.link.connect != MACH_PORT_NULL)
		children(watching.link.connect, 0);
	link_close(&watching.link);
	if (watching.came != 0)
		IOObjectRelease(watching.came);
	if (watching.port != NULL)
		IONotificationPortDestroy(watching.port);
	return well;
}

/* --- a service's end --- */

#define LAST_WORDS 3000

static void
heard(void *refcon, IOReturn result, void **args, uint32_t count)
{
	++*(unsigned *)refcon;
}

/* The service is no longer there for anybody, but its driver has something to say yet. */
static void
warned(void *refcon, io_iterator_t iterator)
{
	*(volatile uint8_t *)refcon = ECHO_GO;
	drain(&(struct seen){0}, iterator);
}

static bool
hear_out(struct watching *watching, struct seen *gone, volatile uint8_t *shared)
{
	uint64_t reference[kIOAsyncCalloutCount] = {0}, count = LAST_WORDS;
	unsigned words = 0;

	TRY(IOServiceAddMatchingNotification(watching->port, kIOTerminatedNotification,
					     IOServiceNameMatching("Echo"), drain, gone,
					     &watching->went));
	TRY(IOServiceAddMatchingNotification(watching->port, kIOWillTerminateNotification,
					     IOServiceNameMatching("Echo"), warned,
					     (void *)(uintptr_t)shared, &watching->came));
	drain(gone, watching->went);
	drain(gone, watching->came);
	*gone = (struct seen){0};
	reference[kIOAsyncCalloutFuncIndex] = (uintptr_t)heard;
	reference[kIOAsyncCalloutRefconIndex] = (uintptr_t)&words;
	TRY(IOConnectCallAsyncScalarMethod(watching->link.connect, ECHO_END,
					   IONotificationPortGetMachPort(watching->port), reference,
					   kIOAsyncCalloutCount, &count, 1, NULL, NULL));
	return services_until(watching->port, &gone->services, 1) &&
	       attempt_had("the last words", words == LAST_WORDS);
}

static bool
end_of_service(struct watching *watching, volatile uint8_t **ret_shared)
{
	struct seen gone = {0};
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;

	HAVE(watching->port);
	if (!link_open(&watching->link, "Echo"))
		return false;
	TRY(IOConnectMapMemory64(watching->link.connect, 0, mach_task_self(), &address, &size,
				 kIOMapAnywhere));
	*ret_shared = (volatile uint8_t *)(uintptr_t)address;
	return hear_out(watching, &gone, *ret_shared);
}

static bool
ended(void)
{
	struct watching watching = {.port = IONotificationPortCreate(kIOMainPortDefault)};
	volatile uint8_t *shared = NULL;
	bool well = end_of_service(&watching, &shared);

	if (shared != NULL)
		*shared = ECHO_GO; /* else it waits for ever */
	link_close(&watching.link);
	if (watching.came != 0)
		IOObjectRelease(watching.came);
	if (watching.went != 0)
		IOObjectRelease(watching.went);
	if (watching.port != NULL)
		IONotificationPortDestroy(watching.port);
	return well;
}

const struct scenario scenarios_events[] = {
	{"ended", ended, "once"},	  {"flood", flood}, {"walk", walk}, {"set", set},
	{"notifications", notifications}, {NULL, NULL},
};
