/* SPDX-License-Identifier: Apache-2.0 */
/* Notifications of services, with a real registry and drivers that come, go, and are killed. */
#include "echo.h"
#include "harness.h"
#include "plugging.h"
#include "unit.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/prctl.h>

#include <sys/wait.h>
#include <unistd.h>

#include <CoreFoundation/CoreFoundation.h>
#include <dext_iokit.h>
#include <dispatch/dispatch.h>
#include <mach/mach.h>

static struct harness harness;

static void
start(void)
{
	harness_start(&harness, (const char *[]){harness_bundle("ECHO_BUNDLE"), NULL});
}

/* What a notification has brought. */
struct seen {
	unsigned calls;
	unsigned services;
	uint64_t last; /* id of the last service */
	io_iterator_t iterator;
	uint32_t message;   /* of interest: the last one */
	uintptr_t argument; /* its */
	io_service_t service;
	unsigned completions;		 /* when it came */
	const unsigned *completions_now; /* may be NULL */
};

static unsigned
drain(struct seen *seen)
{
	unsigned count = 0;
	io_service_t service;

	while ((service = IOIteratorNext(seen->iterator)) != 0) {
		ck_assert_int_eq(IORegistryEntryGetRegistryEntryID(service, &seen->last), 0);
		IOObjectRelease(service);
		count++;
	}
	seen->services += count;
	return count;
}

static void
on_services(void *refcon, io_iterator_t iterator)
{
	struct seen *seen = refcon;

	ck_assert_uint_eq(iterator, seen->iterator);
	seen->calls++;
	if (seen->completions_now != NULL)
		seen->completions = *seen->completions_now;
	drain(seen);
}

static void
on_message(void *refcon, io_service_t service, uint32_t type, void *argument)
{
	struct seen *seen = refcon;

	seen->calls++;
	seen->service = service;
	seen->message = type;
	seen->argument = (uintptr_t)argument;
	if (seen->completions_now != NULL)
		seen->completions = *seen->completions_now;
}

static void
add(IONotificationPortRef port, const char *type, const char *name, struct seen *seen)
{
	ck_assert_int_eq(IOServiceAddMatchingNotification(port, type, IOServiceNameMatching(name),
							  on_services, seen, &seen->iterator),
			 0);
}

static void
add_class(IONotificationPortRef port, const char *type, const char *name, struct seen *seen)
{
	ck_assert_int_eq(IOServiceAddMatchingNotification(port, type, IOServiceMatching(name),
							  on_services, seen, &seen->iterator),
			 0);
	drain(seen);
	seen->services = 0;
}

/* Polls and dispatches until *count is at least `wanted`. */
static void
dispatch_until(IONotificationPortRef port, const unsigned *count, unsigned wanted)
{
	struct pollfd item = {.fd = IONotificationPortGetFileDescriptor(port), .events = POLLIN};

	while (*count < wanted) {
		ck_assert_msg(poll(&item, 1, HARNESS_DEADLINE_SEC * 1000) == 1,
			      "%u of %u; the log:\n%s", *count, wanted, harness_log_end(&harness));
		dext_notification_port_dispatch(port);
	}
}

static void
call(io_connect_t connect, uint32_t selector, uint64_t number)
{
	ck_assert_int_eq(IOConnectCallScalarMethod(connect, selector, &number, 1, NULL, NULL), 0);
}

START_TEST(a_killed_driver_goes_and_comes_again)
{
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	struct seen matched = {0}, gone = {0};
	uint64_t first;

	start();
	add(port, kIOFirstMatchNotification, "Echo", &matched);
	add(port, kIOTerminatedNotification, "Echo", &gone);
	/* First what is there, without a callback; nothing has gone. */
	ck_assert_uint_eq(dext_notification_port_dispatch(port), 0);
	ck_assert(IOIteratorIsValid(matched.iterator));
	ck_assert_uint_eq(drain(&matched), 1);
	first = matched.last;
	ck_assert_uint_eq(drain(&gone), 0);
	for (unsigned round = 1; round <= 3; round++) {
		pid_t pid = harness_host_pid("Echo");

		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		dispatch_until(port, &gone.services, round);
		ck_assert_uint_eq(gone.last, first);
		dispatch_until(port, &matched.services, round + 1);
		ck_assert_uint_ne(matched.last, first);
		first = matched.last;
		ck_assert_uint_eq(gone.services, round);
		ck_assert_uint_eq(matched.services, round + 1);
	}
	ck_assert_uint_eq(gone.calls, 3);
	ck_assert_uint_eq(matched.calls, 3);
	IOObjectRelease(matched.iterator);
	ck_assert(!IOIteratorIsValid(matched.iterator));
	IOObjectRelease(gone.iterator);
	IONotificationPortDestroy(port);
	harness_stop(&harness);
}
END_TEST

START_TEST(a_notification_is_armed_by_draining)
{
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	struct seen lazy = {0}, eager = {0};
	io_connect_t connect;

	start();
	connect = harness_open("Echo", 0);
	add(port, kIOMatchedNotification, "EchoChild", &lazy);
	add(port, kIOPublishNotification, "EchoChild", &eager);
	ck_assert_uint_eq(drain(&eager), 0);
	call(connect, ECHO_CHILDREN, 5);
	dispatch_until(port, &eager.services, 5);
	/* Never drained, never called; and what came meanwhile is there. */
	ck_assert_uint_eq(lazy.calls, 0);
	ck_assert_uint_eq(drain(&lazy), 5);
	/* Drained and released: never called again. */
	IOObjectRelease(lazy.iterator);
	call(connect, ECHO_CHILDREN, 6);
	dispatch_until(port, &eager.services, 6);
	ck_assert_uint_eq(lazy.calls, 0);
	IOObjectRelease(eager.iterator);
	IOServiceClose(connect);
	IONotificationPortDestroy(port);
	harness_stop(&harness);
}
END_TEST

START_TEST(children_come_and_go)
{
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	struct seen came = {0}, went = {0}, warned = {0};
	io_connect_t connect;

	start();
	connect = harness_open("Echo", 0);
	add(port, kIOFirstPublishNotification, "EchoChild", &came);
	add(port, kIOTerminatedNotification, "EchoChild", &went);
	add(port, kIOWillTerminateNotification, "EchoChild", &warned);
	ck_assert_uint_eq(drain(&came) + drain(&went) + drain(&warned), 0);
	for (unsigned round = 1; round <= 50; round++) {
		call(connect, ECHO_CHILDREN, ECHO_CHILDREN_MAX);
		call(connect, ECHO_CHILDREN, 0);
	}
	dispatch_until(port, &went.services, 50 * ECHO_CHILDREN_MAX);
	dispatch_until(port, &came.services, 50 * ECHO_CHILDREN_MAX);
	dispatch_until(port, &warned.services, 50 * ECHO_CHILDREN_MAX);
	ck_assert_uint_eq(came.services, 50 * ECHO_CHILDREN_MAX);
	ck_assert_uint_eq(went.services, 50 * ECHO_CHILDREN_MAX);
	IOObjectRelease(came.iterator);
	IOObjectRelease(went.iterator);
	IOObjectRelease(warned.iterator);
	IOServiceClose(connect);
	IONotificationPortDestroy(port);
	harness_stop(&harness);
}
END_TEST

static void
on_completion(void *refcon, IOReturn result, void *argument)
{
	unsigned *completions = refcon;

	ck_assert_int_eq(result, 0);
	ck_assert_uint_eq((uintptr_t)argument, *completions);
	(*completions)++;
}

static volatile unsigned char *shared; /* the driver's memory */

/* The service is no longer there for anybody, but its driver has something to say yet. */
static void
on_warning(void *refcon, io_iterator_t iterator)
{
	on_services(refcon, iterator);
	*shared = ECHO_GO;
}

/* The last completions are the app's before it hears of the end, on whichever port they are. */
START_TEST(completions_come_before_the_end)
{
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	unsigned completions = 0;
	struct seen gone = {.completions_now = &completions}, warned = {0};
	struct seen general = {.completions_now = &completions};
	uint64_t reference[kIOAsyncCalloutCount] = {0}, wanted = 3000;
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;
	io_service_t service;
	io_connect_t connect;

	start();
	service = harness_wait_service("Echo");
	connect = harness_open("Echo", 0);
	ck_assert_int_eq(
		IOConnectMapMemory64(connect, 0, mach_task_self(), &address, &size, kIOMapAnywhere),
		0);
	shared = (volatile unsigned char *)(uintptr_t)address;
	add(port, kIOTerminatedNotification, "Echo", &gone);
	ck_assert_int_eq(IOServiceAddMatchingNotification(port, kIOWillTerminateNotification,
							  IOServiceNameMatching("Echo"), on_warning,
							  &warned, &warned.iterator),
			 0);
	ck_assert_uint_eq(drain(&gone) + drain(&warned), 0);
	ck_assert_int_eq(IOServiceAddInterestNotification(port, service, kIOGeneralInterest,
							  on_message, &general, &general.iterator),
			 0);
	reference[kIOAsyncCalloutFuncIndex] = (uintptr_t)on_completion;
	reference[kIOAsyncCalloutRefconIndex] = (uintptr_t)&completions;
	ck_assert_int_eq(IOConnectCallAsyncScalarMethod(
				 connect, ECHO_END, IONotificationPortGetMachPort(port), reference,
				 kIOAsyncCalloutCount, &wanted, 1, NULL, NULL),
			 0);
	dispatch_until(port, &gone.services, 1);
	dispatch_until(port, &general.calls, 1);
	ck_assert_uint_eq(warned.services, 1);
	ck_assert_uint_eq(completions, wanted);
	ck_assert_uint_eq(gone.completions, wanted);
	ck_assert_uint_eq(general.completions, wanted);
	ck_assert_uint_eq(general.message, kIOMessageServiceIsTerminated);
	ck_assert_uint_eq(general.service, service);
	IOServiceClose(connect);
	IOObjectRelease(general.iterator);
	IOObjectRelease(gone.iterator);
	IOObjectRelease(warned.iterator);
	IOObjectRelease(service);
	IONotificationPortDestroy(port);
	harness_stop(&harness);
}
END_TEST

START_TEST(interest_in_a_service)
{
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	struct seen general = {0}, ended = {0};
	io_object_t never = 0;
	io_service_t service;
	io_connect_t connect;

	start();
	service = harness_wait_service("Echo");
	connect = harness_open("Echo", 0);
	ck_assert_int_eq(IOServiceAddInterestNotification(port, service, kIOGeneralInterest,
							  on_message, &general, &general.iterator),
			 0);
	ck_assert_int_eq(IOServiceAddInterestNotification(port, service, kIOGeneralInterest,
							  on_message, &ended, &ended.iterator),
			 0);
	ck_assert_int_eq(IOServiceAddInterestNotification(port, service,
							  kIOPriorityPowerStateInterest, on_message,
							  NULL, &never),
			 kIOReturnUnsupported);
	ck_assert_int_eq(IOServiceAddInterestNotification(port, 0, kIOGeneralInterest, on_message,
							  NULL, &never),
			 MACH_SEND_INVALID_DEST);
	ck_assert_uint_eq(never, 0);
	call(connect, ECHO_SET, 1);
	dispatch_until(port, &general.calls, 1);
	ck_assert_uint_eq(general.message, kIOMessageServicePropertyChange);
	ck_assert_uint_eq(general.service, service);
	dispatch_until(port, &ended.calls, 1);
	IOObjectRelease(ended.iterator);
	call(connect, ECHO_SET, 2);
	dispatch_until(port, &general.calls, 2);
	ck_assert_int_eq(kill(harness_host_pid("Echo"), SIGKILL), 0);
	dispatch_until(port, &general.calls, 3);
	ck_assert_uint_eq(general.message, kIOMessageServiceIsTerminated);
	ck_assert_uint_eq(ended.calls, 1);
	ck_assert_int_eq(IOServiceAddInterestNotification(port, service, kIOGeneralInterest,
							  on_message, NULL, &never),
			 kIOReturnNotFound);
	IOServiceClose(connect);
	IOObjectRelease(general.iterator);
	IOObjectRelease(service);
	IONotificationPortDestroy(port);
	harness_stop(&harness);
}
END_TEST

/* While the driver is started again, the root is busy. */
START_TEST(busy_and_quiet)
{
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	mach_timespec_t wait = {HARNESS_DEADLINE_SEC, 0};
	io_registry_entry_t root;
	struct seen busy = {0};

	start();
	root = IORegistryGetRootEntry(kIOMainPortDefault);
	ck_assert_int_eq(IOServiceAddInterestNotification(port, root, kIOBusyInterest, on_message,
							  &busy, &busy.iterator),
			 0);
	ck_assert_int_eq(kill(harness_host_pid("Echo"), SIGKILL), 0);
	dispatch_until(port, &busy.calls, 1);
	ck_assert_uint_eq(busy.message, kIOMessageServiceBusyStateChange);
	ck_assert_uint_eq(busy.argument, 1);
	ck_assert_int_eq(IOServiceWaitQuiet(root, &wait), 0);
	dispatch_until(port, &busy.calls, 2);
	ck_assert_uint_eq(busy.argument, 0);
	IOObjectRelease(busy.iterator);
	IOObjectRelease(root);
	IONotificationPortDestroy(port);
	harness_stop(&harness);
}
END_TEST

/* --- hot-plug --- */

START_TEST(as_many_come_and_go_as_are_plugged)
{
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	struct seen came = {0}, went = {0}, parts = {0};

	start();
	add_class(port, kIOFirstMatchNotification, "IOUSBHostDevice", &came);
	add_class(port, kIOTerminatedNotification, "IOUSBHostDevice", &went);
	add_class(port, kIOMatchedNotification, "IOUSBHostInterface", &parts);
	for (unsigned cycle = 1; cycle <= 1000; cycle++) {
		uint64_t device = plug("sink");

		/* In half of them it has gone before anybody looks. */
		if (cycle % 2) {
			dispatch_until(port, &came.services, cycle);
			ck_assert_uint_eq(came.last, device);
		}
		unplug(device);
		if (cycle % 3 == 0) {
			dispatch_until(port, &went.services, cycle);
			ck_assert_uint_eq(went.last, device);
		}
	}
	dispatch_until(port, &went.services, 1000);
	/* Exactly: the next one is the next. */
	plug("sink");
	dispatch_until(port, &parts.services, 1001);
	dispatch_until(port, &came.services, 1001);
	ck_assert_uint_eq(came.services, 1001);
	ck_assert_uint_eq(parts.services, 1001);
	ck_assert_uint_eq(went.services, 1000);
	IOObjectRelease(came.iterator);
	IOObjectRelease(went.iterator);
	IOObjectRelease(parts.iterator);
	IONotificationPortDestroy(port);
	harness_stop(&harness);
}
END_TEST

/* With a driver for each: its service comes and goes with the device. */
START_TEST(drivers_come_and_go_with_their_devices)
{
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	struct seen came = {0}, went = {0}, devices = {0};

	harness_start(&harness, (const char *[]){harness_bundle("BULKSTREAM_BUNDLE"), NULL});
	add(port, kIOMatchedNotification, "BulkStream", &came);
	add(port, kIOTerminatedNotification, "BulkStream", &went);
	add_class(port, kIOTerminatedNotification, "IOUSBHostDevice", &devices);
	ck_assert_uint_eq(drain(&came) + drain(&went), 0);
	for (unsigned cycle = 1; cycle <= 20; cycle++) {
		uint64_t device = plug("sink");

		dispatch_until(port, &came.services, cycle);
		unplug(device);
	}
	dispatch_until(port, &went.services, 20);
	dispatch_until(port, &devices.services, 20);
	ck_assert_uint_eq(came.services, 20);
	ck_assert_uint_eq(went.last, came.last);
	IOObjectRelease(came.iterator);
	IOObjectRelease(went.iterator);
	IOObjectRelease(devices.iterator);
	IONotificationPortDestroy(port);
	harness_stop(&harness);
}
END_TEST

/* --- the registry dies --- */

static void
kill_registry(struct harness *killed)
{
	char path[300];

	ck_assert_int_eq(kill(killed->pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(killed->pid, NULL, 0), killed->pid);
	close(killed->output);
	snprintf(path, sizeof(path), "%s/registry", killed->runtime_dir);
	unlink(path);
	rmdir(killed->runtime_dir);
	unlink(killed->log_path);
}

/* Its drivers die with it, and only their connections can say so; the next one brings its own. */
START_TEST(the_registry_is_killed_and_comes_again)
{
	char directory[] = "/tmp/opendext-test-XXXXXX", place[64];
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	struct seen came = {0}, went = {0}, general = {0};
	io_service_t service;
	io_connect_t connect;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(place, sizeof(place), "%s/place", directory);
	start();
	ck_assert_int_eq(symlink(harness.runtime_dir, place), 0);
	setenv("OPENDEXT_RUNTIME_DIR", place, 1);
	service = harness_wait_service("Echo");
	connect = harness_open("Echo", 0);
	add(port, kIOMatchedNotification, "Echo", &came);
	add(port, kIOTerminatedNotification, "Echo", &went);
	ck_assert_uint_eq(drain(&came) + drain(&went), 1);
	ck_assert_int_eq(IOServiceAddInterestNotification(port, service, kIOGeneralInterest,
							  on_message, &general, &general.iterator),
			 0);
	kill_registry(&harness);
	dispatch_until(port, &went.services, 1);
	dispatch_until(port, &general.calls, 1);
	ck_assert_uint_eq(general.message, kIOMessageServiceIsTerminated);
	ck_assert_uint_eq(went.last, came.last);
	unlink(place);
	start();
	ck_assert_int_eq(symlink(harness.runtime_dir, place), 0);
	setenv("OPENDEXT_RUNTIME_DIR", place, 1);
	dispatch_until(port, &came.services, 2);
	ck_assert_uint_ne(went.last, came.last);
	/* And goes on as ever; nothing was told twice. */
	ck_assert_int_eq(kill(harness_host_pid("Echo"), SIGKILL), 0);
	dispatch_until(port, &went.services, 2);
	dispatch_until(port, &came.services, 3);
	ck_assert_uint_eq(went.services, 2);
	ck_assert_uint_eq(general.calls, 1);
	IOServiceClose(connect);
	IOObjectRelease(came.iterator);
	IOObjectRelease(went.iterator);
	IOObjectRelease(general.iterator);
	IOObjectRelease(service);
	IONotificationPortDestroy(port);
	unlink(place);
	rmdir(directory);
	setenv("OPENDEXT_RUNTIME_DIR", harness.runtime_dir, 1);
	harness_stop(&harness);
}
END_TEST

/* --- the other ways to receive --- */

static dispatch_semaphore_t semaphore;

static void
on_services_signal(void *refcon, io_iterator_t iterator)
{
	on_services(refcon, iterator);
	dispatch_semaphore_signal(semaphore);
}

START_TEST(by_a_dispatch_queue)
{
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	dispatch_queue_t queue = dispatch_queue_create("test", NULL);
	struct seen came = {0};

	start();
	semaphore = dispatch_semaphore_create(0);
	ck_assert_int_eq(IOServiceAddMatchingNotification(
				 port, kIOMatchedNotification, IOServiceNameMatching("Echo"),
				 on_services_signal, &came, &came.iterator),
			 0);
	ck_assert_uint_eq(drain(&came), 1);
	IONotificationPortSetDispatchQueue(port, queue);
	ck_assert_int_eq(kill(harness_host_pid("Echo"), SIGKILL), 0);
	ck_assert_int_eq(
		dispatch_semaphore_wait(semaphore,
					dispatch_time(DISPATCH_TIME_NOW,
						      HARNESS_DEADLINE_SEC * (int64_t)1000000000)),
		0);
	ck_assert_uint_eq(came.services, 2);
	IOObjectRelease(came.iterator);
	IONotificationPortDestroy(port);
	dispatch_release(queue);
	dispatch_release(semaphore);
	harness_stop(&harness);
}
END_TEST

static void
on_services_stop(void *refcon, io_iterator_t iterator)
{
	struct seen *seen = refcon;

	on_services(refcon, iterator);
	if (seen->services > 1)
		CFRunLoopStop(CFRunLoopGetCurrent());
}

START_TEST(by_a_run_loop)
{
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	struct seen came = {0};

	start();
	ck_assert_int_eq(IOServiceAddMatchingNotification(port, kIOMatchedNotification,
							  IOServiceNameMatching("Echo"),
							  on_services_stop, &came, &came.iterator),
			 0);
	CFRunLoopAddSource(CFRunLoopGetCurrent(), IONotificationPortGetRunLoopSource(port),
			   kCFRunLoopDefaultMode);
	ck_assert_uint_eq(drain(&came), 1);
	ck_assert_int_eq(kill(harness_host_pid("Echo"), SIGKILL), 0);
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, HARNESS_DEADLINE_SEC, false),
			 kCFRunLoopRunStopped);
	ck_assert_uint_eq(came.calls, 1);
	ck_assert_uint_eq(came.services, 2);
	IOObjectRelease(came.iterator);
	IONotificationPortDestroy(port);
	harness_stop(&harness);
}
END_TEST

START_TEST(by_a_receive_loop)
{
	struct {
		mach_msg_header_t header;
		OSNotificationHeader64 notification;
		uint8_t content[256];
	} message;
	mach_port_t port = MACH_PORT_NULL;
	struct seen came = {0};
	uintptr_t reference = 0;
	vm_size_t size = 99;
	void *content = NULL;
	uint32_t type = 0;

	start();
	ck_assert_int_eq(IOCreateReceivePort(kOSNotificationMessageID, &port), 0);
	ck_assert_int_eq(IOServiceAddNotification(kIOMainPortDefault, kIOTerminatedNotification,
						  IOServiceNameMatching("Echo"), port, 4711,
						  &came.iterator),
			 0);
	ck_assert_uint_eq(drain(&came), 0);
	ck_assert_int_eq(mach_msg(&message.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0,
				  sizeof(message), port, 0, MACH_PORT_NULL),
			 MACH_RCV_TIMED_OUT);
	ck_assert_int_eq(kill(harness_host_pid("Echo"), SIGKILL), 0);
	ck_assert_int_eq(mach_msg(&message.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0,
				  sizeof(message), port, HARNESS_DEADLINE_SEC * 1000,
				  MACH_PORT_NULL),
			 MACH_MSG_SUCCESS);
	ck_assert_int_eq(OSGetNotificationFromMessage(&message.header, 0, &type, &reference,
						      &content, &size),
			 0);
	ck_assert_uint_eq(type, kIOServiceTerminatedNotificationType);
	ck_assert_uint_eq(reference, 4711);
	ck_assert_uint_eq(size, 0);
	ck_assert_uint_eq(message.header.msgh_remote_port, came.iterator);
	ck_assert_uint_eq(drain(&came), 1);
	IOObjectRelease(came.iterator);
	mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1);
	harness_stop(&harness);
}
END_TEST

/* A message that was taken with mach_msg calls its callback through IODispatchCallout. */
START_TEST(dispatched_by_hand)
{
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	union {
		mach_msg_header_t header;
		uint8_t bytes[1024];
	} message;
	struct seen general = {0};
	io_service_t service;
	io_connect_t connect;

	start();
	service = harness_wait_service("Echo");
	connect = harness_open("Echo", 0);
	ck_assert_int_eq(IOServiceAddInterestNotification(port, service, kIOGeneralInterest,
							  on_message, &general, &general.iterator),
			 0);
	call(connect, ECHO_SET, 1);
	ck_assert_int_eq(mach_msg(&message.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0,
				  sizeof(message), IONotificationPortGetMachPort(port),
				  HARNESS_DEADLINE_SEC * 1000, MACH_PORT_NULL),
			 MACH_MSG_SUCCESS);
	IODispatchCalloutFromMessage(NULL, &message.header, port);
	ck_assert_uint_eq(general.calls, 1);
	ck_assert_uint_eq(general.message, kIOMessageServicePropertyChange);
	ck_assert_uint_eq(general.service, service);
	IOObjectRelease(general.iterator);
	IOServiceClose(connect);
	IOObjectRelease(service);
	IONotificationPortDestroy(port);
	harness_stop(&harness);
}
END_TEST

START_TEST(what_is_refused)
{
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	CFMutableDictionaryRef matching = IOServiceNameMatching("Echo");
	io_iterator_t iterator = 0;

	start();
	CFRetain(matching);
	ck_assert_int_eq(IOServiceAddMatchingNotification(port, "IOServiceBorn", matching,
							  on_services, NULL, &iterator),
			 kIOReturnBadArgument);
	ck_assert_uint_eq(CFGetRetainCount(matching), 1);
	CFRetain(matching);
	ck_assert_int_eq(IOServiceAddMatchingNotification(NULL, kIOMatchedNotification, matching,
							  on_services, NULL, &iterator),
			 kIOReturnBadArgument);
	ck_assert_uint_eq(CFGetRetainCount(matching), 1);
	ck_assert_int_eq(IOServiceAddMatchingNotification(port, kIOMatchedNotification, matching,
							  on_services, NULL, NULL),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IOServiceAddMatchingNotification(port, kIOMatchedNotification, NULL,
							  on_services, NULL, &iterator),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IOServiceAddNotification(0, kIOMatchedNotification,
						  IOServiceNameMatching("Echo"), 0, 0, &iterator),
			 kIOReturnBadArgument);
	ck_assert_uint_eq(iterator, 0);
	IONotificationPortDestroy(port);
	harness_stop(&harness);
}
END_TEST

/* What a child does with what it has of its parent's, and with what is its own. */
static int
child_of_fork(struct seen *parents)
{
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	struct seen own = {0};

	if (IOIteratorNext(parents->iterator) != 0)
		return 1;
	IOObjectRelease(parents->iterator);
	if (IOServiceAddMatchingNotification(port, kIOMatchedNotification,
					     IOServiceNameMatching("Echo"), on_services, &own,
					     &own.iterator) != 0)
		return 2;
	return drain(&own) == 1 ? 0 : 3;
}

START_TEST(after_a_fork)
{
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	struct seen came = {0};
	int status = -1;
	pid_t pid;

	start();
	add(port, kIOMatchedNotification, "Echo", &came);
	ck_assert_uint_eq(drain(&came), 1);
	pid = fork();
	if (pid == 0)
		_exit(child_of_fork(&came));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	/* The parent's goes on. */
	ck_assert_int_eq(kill(harness_host_pid("Echo"), SIGKILL), 0);
	dispatch_until(port, &came.services, 2);
	IOObjectRelease(came.iterator);
	IONotificationPortDestroy(port);
	harness_stop(&harness);
}
END_TEST

/* --- the example --- */

static pid_t
run_example(FILE **ret_output)
{
	int ends[2];
	pid_t pid;

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(ends[1], STDOUT_FILENO);
		execl(harness_bundle("WATCH_SERVICES_APP"), "watch_services", "Echo", NULL);
		_exit(127);
	}
	close(ends[1]);
	*ret_output = fdopen(ends[0], "r");
	ck_assert_ptr_nonnull(*ret_output);
	return pid;
}

static unsigned long long
expect_line(FILE *output, const char *word, const char *end)
{
	char line[256], found[16], name[16] = "";
	unsigned long long id = 0;

	ck_assert_ptr_nonnull(fgets(line, sizeof(line), output));
	ck_assert_msg(sscanf(line, "%15s 0x%llx %15s", found, &id, name) >= 2, "%s", line);
	ck_assert_str_eq(found, word);
	ck_assert_str_eq(name, end);
	return id;
}

START_TEST(the_example_runs)
{
	unsigned long long first;
	FILE *output;
	int status;
	pid_t pid;

	start();
	pid = run_example(&output);
	first = expect_line(output, "came", "Echo");
	ck_assert_int_eq(kill(harness_host_pid("Echo"), SIGKILL), 0);
	/* Two notifications of one end: told of in the order in which they were added. */
	ck_assert_uint_eq(expect_line(output, "went", "Echo"), first);
	ck_assert_uint_eq(expect_line(output, "ended", ""), first);
	ck_assert_uint_ne(expect_line(output, "came", "Echo"), first);
	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	fclose(output);
	harness_stop(&harness);
}
END_TEST

UNIT_MAIN("notifications", a_killed_driver_goes_and_comes_again,
	  a_notification_is_armed_by_draining, children_come_and_go,
	  completions_come_before_the_end, interest_in_a_service, busy_and_quiet,
	  as_many_come_and_go_as_are_plugged, drivers_come_and_go_with_their_devices,
	  the_registry_is_killed_and_comes_again, by_a_dispatch_queue, by_a_run_loop,
	  by_a_receive_loop, dispatched_by_hand, what_is_refused, after_a_fork, the_example_runs)
