/* SPDX-License-Identifier: Apache-2.0 */
/* An app, the registry and a driver as three real processes: what a connection does and survives.
 */
#include "echo.h"
#include "harness.h"
#include "unit.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include <dext_iokit.h>
#include <mach/mach.h>

static struct harness harness;

static void
start(void)
{
	harness_start(&harness, (const char *[]){harness_bundle("ECHO_BUNDLE"), NULL});
}

static uint64_t
now_msec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static kern_return_t
get_clients(io_connect_t connect, uint64_t *ret_count)
{
	uint32_t room = 1;

	return IOConnectCallScalarMethod(connect, ECHO_CLIENTS, NULL, 0, ret_count, &room);
}

struct expected {
	io_connect_t connect;
	uint64_t clients;
};

static bool
has_clients(void *context)
{
	struct expected *expected = context;
	uint64_t clients = 0;

	ck_assert_int_eq(get_clients(expected->connect, &clients), kIOReturnSuccess);
	return clients == expected->clients;
}

START_TEST(calls)
{
	uint64_t in[16], out[16] = {0};
	uint32_t room = 16;
	char text[4096], back[4096];
	size_t length = sizeof(back);
	io_connect_t connect;

	start();
	connect = harness_open("Echo", 0);
	for (unsigned i = 0; i < 16; i++)
		in[i] = UINT64_C(0x0102030405060708) * (i + 1);
	for (unsigned i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 7);
	ck_assert_int_eq(IOConnectCallMethod(connect, ECHO_ECHO, in, 16, text, sizeof(text), out,
					     &room, back, &length),
			 kIOReturnSuccess);
	ck_assert_uint_eq(room, 16);
	ck_assert_mem_eq(in, out, sizeof(in));
	ck_assert_uint_eq(length, sizeof(text));
	ck_assert_mem_eq(text, back, sizeof(text));
	ck_assert_int_eq(IOConnectCallScalarMethod(connect, 77, NULL, 0, NULL, NULL),
			 kIOReturnUnsupported);
	ck_assert_int_eq(IOConnectCallScalarMethod(connect, ECHO_FILL, in, 2, NULL, NULL),
			 kIOReturnBadArgument);
	ck_assert_int_eq(IOServiceClose(connect), kIOReturnSuccess);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(maps_memory)
{
	mach_vm_address_t address = 0, again = 0;
	mach_vm_size_t size = 0;
	uint64_t fill = 0x5a;
	io_connect_t connect;
	const uint8_t *bytes;

	start();
	connect = harness_open("Echo", 0);
	ck_assert_int_eq(
		IOConnectMapMemory64(connect, 0, mach_task_self(), &address, &size, kIOMapAnywhere),
		kIOReturnSuccess);
	ck_assert_uint_eq(size, ECHO_MEMORY_SIZE);
	ck_assert_int_eq(
		IOConnectMapMemory64(connect, 0, mach_task_self(), &again, &size, kIOMapAnywhere),
		kIOReturnSuccess);
	ck_assert_uint_eq(again, address);
	bytes = (const uint8_t *)(uintptr_t)address;
	ck_assert_uint_eq(bytes[0], 0);
	ck_assert_int_eq(IOConnectCallScalarMethod(connect, ECHO_FILL, &fill, 1, NULL, NULL),
			 kIOReturnSuccess);
	for (unsigned i = 0; i < ECHO_MEMORY_SIZE; i++)
		ck_assert_uint_eq(bytes[i], 0x5a);
	ck_assert_int_eq(
		IOConnectMapMemory64(connect, 9, mach_task_self(), &again, &size, kIOMapAnywhere),
		kIOReturnBadArgument);
	ck_assert_int_eq(IOConnectUnmapMemory64(connect, 0, mach_task_self(), address),
			 kIOReturnSuccess);
	ck_assert_int_eq(IOServiceClose(connect), kIOReturnSuccess);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

static void
completed(void *refcon, IOReturn result, void **args, uint32_t count)
{
	uint64_t *sum = refcon;

	ck_assert_int_eq(result, kIOReturnSuccess);
	for (uint32_t i = 0; i < count; i++)
		*sum += (uint64_t)(uintptr_t)args[i];
}

START_TEST(completes)
{
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	uint64_t reference[kIOAsyncCalloutCount] = {0}, in[3] = {100, 20, 3}, sum = 0;
	io_connect_t connect;

	start();
	connect = harness_open("Echo", 0);
	reference[kIOAsyncCalloutFuncIndex] = (uint64_t)(uintptr_t)completed;
	reference[kIOAsyncCalloutRefconIndex] = (uint64_t)(uintptr_t)&sum;
	ck_assert_int_eq(IOConnectCallAsyncScalarMethod(
				 connect, ECHO_COMPLETE, IONotificationPortGetMachPort(port),
				 reference, kIOAsyncCalloutCount, in, 3, NULL, NULL),
			 kIOReturnSuccess);
	CFRunLoopAddSource(CFRunLoopGetCurrent(), IONotificationPortGetRunLoopSource(port),
			   kCFRunLoopDefaultMode);
	for (uint64_t end = now_msec() + 10000; sum == 0 && now_msec() < end;)
		CFRunLoopRunInMode(kCFRunLoopDefaultMode, 1, true);
	ck_assert_uint_eq(sum, 123);
	ck_assert_int_eq(IOServiceClose(connect), kIOReturnSuccess);
	IONotificationPortDestroy(port);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(close_stops_the_user_client)
{
	struct expected expected = {.clients = 1};
	io_connect_t other;

	start();
	expected.connect = harness_open("Echo", 0);
	other = harness_open("Echo", 0);
	ck_assert_int_eq(IOServiceClose(other), kIOReturnSuccess);
	/* Close returns after Stop. */
	ck_assert(has_clients(&expected));
	ck_assert_int_eq(IOConnectCallScalarMethod(other, ECHO_CLIENTS, NULL, 0, NULL, NULL),
			 MACH_SEND_INVALID_DEST);
	ck_assert_int_eq(IOServiceClose(expected.connect), kIOReturnSuccess);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

/* An app that opens, maps, says so, and waits to be killed. */
static pid_t
start_app(int *ret_said)
{
	int ends[2];
	pid_t pid;

	ck_assert_int_eq(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		mach_vm_address_t address = 0;
		mach_vm_size_t size = 0;
		io_connect_t connect = harness_open("Echo", 0);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		ck_assert_int_eq(IOConnectMapMemory64(connect, 0, mach_task_self(), &address, &size,
						      kIOMapAnywhere),
				 kIOReturnSuccess);
		ck_assert_int_eq(write(ends[1], "y", 1), 1);
		for (;;)
			poll(NULL, 0, -1);
	}
	close(ends[1]);
	*ret_said = ends[0];
	return pid;
}

START_TEST(app_killed)
{
	struct expected expected = {.clients = 2};
	int said;
	pid_t app;
	char byte;

	start();
	app = start_app(&said); /* forked before this process uses the library */
	ck_assert_int_eq(read(said, &byte, 1), 1);
	expected.connect = harness_open("Echo", 0);
	ck_assert(has_clients(&expected));
	ck_assert_int_eq(kill(app, SIGKILL), 0);
	ck_assert_int_eq(waitpid(app, NULL, 0), app);
	expected.clients = 1;
	ck_assert(harness_until(has_clients, &expected));
	ck_assert_int_eq(IOServiceClose(expected.connect), kIOReturnSuccess);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

struct hanging {
	io_connect_t connect;
	IONotificationPortRef port;
	bool began;
	kern_return_t status;
	_Atomic bool ended;
};

static void
hang_began(void *refcon, IOReturn result)
{
	((struct hanging *)refcon)->began = true;
}

static void *
call_hang(void *context)
{
	struct hanging *hanging = context;
	uint64_t reference[kIOAsyncCalloutCount] = {0};

	reference[kIOAsyncCalloutFuncIndex] = (uint64_t)(uintptr_t)hang_began;
	reference[kIOAsyncCalloutRefconIndex] = (uint64_t)(uintptr_t)hanging;
	hanging->status = IOConnectCallAsyncScalarMethod(
		hanging->connect, ECHO_HANG, IONotificationPortGetMachPort(hanging->port),
		reference, kIOAsyncCalloutCount, NULL, 0, NULL, NULL);
	hanging->ended = true;
	return NULL;
}

/* A copy of the bundle with a number more in its personality; static storage. */
static const char *
copy_bundle(const char *key, const char *value)
{
	static char folder[64];
	char command[1024];

	snprintf(folder, sizeof(folder), "/tmp/opendext-echo-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(command, sizeof(command),
		 "cp -rL '%s' %s/echo.dext && sed -i 's|<key>IOUserClass</key>|"
		 "<key>%s</key><integer>%s</integer>&|' "
		 "%s/echo.dext/Info.plist",
		 harness_bundle("ECHO_BUNDLE"), folder, key, value, folder);
	ck_assert_int_eq(system(command), 0);
	return folder;
}

static void
remove_bundle(const char *folder)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static void
hang_with(const char *msec, pthread_t *thread, struct hanging *hanging)
{
	const char *folder = copy_bundle("DextMethodMilliseconds", msec);
	char bundle[128];

	snprintf(bundle, sizeof(bundle), "%s/echo.dext", folder);
	harness_start(&harness, (const char *[]){bundle, NULL});
	hanging->connect = harness_open("Echo", 0);
	hanging->port = IONotificationPortCreate(kIOMainPortDefault);
	CFRunLoopAddSource(CFRunLoopGetCurrent(), IONotificationPortGetRunLoopSource(hanging->port),
			   kCFRunLoopDefaultMode);
	ck_assert_int_eq(pthread_create(thread, NULL, call_hang, hanging), 0);
	for (uint64_t end = now_msec() + 10000; !hanging->began && now_msec() < end;)
		CFRunLoopRunInMode(kCFRunLoopDefaultMode, 1, true);
	ck_assert(hanging->began);
	remove_bundle(folder);
}

static void
end_hang(pthread_t thread, struct hanging *hanging)
{
	ck_assert_int_eq(kill(harness_host_pid("Echo"), SIGKILL), 0);
	pthread_join(thread, NULL);
	IOServiceClose(hanging->connect);
	IONotificationPortDestroy(hanging->port);
	harness_wait_log(&harness, "was killed by signal 9");
	ck_assert_int_eq(harness_stop(&harness), 0);
}

/* With class, method and stack, once; also in the sandbox, which this build has. */
START_TEST(a_method_that_hangs_is_named)
{
	struct hanging hanging = {.status = kIOReturnSuccess};
	const char *line, *again;
	uint64_t clients = 77;
	pthread_t thread;
	uint64_t began = now_msec();

	hang_with("300", &thread, &hanging);
	harness_wait_log(&harness, "EchoUserClient_ExternalMethod (2) has not returned for ");
	ck_assert_uint_ge(now_msec() - began, 300);
	/* The method's own frame, and that of the library which called it. */
	harness_wait_log(&harness, "/echo.so+0x");
	harness_wait_log(&harness, "/libdriverkit.so.0+0x");
	/* Its queue is another call's, too, which has a deadline. */
	ck_assert_int_eq(dext_connect_set_timeout(hanging.connect, 50000000), kIOReturnSuccess);
	ck_assert_int_eq(get_clients(hanging.connect, &clients), kIOReturnTimeout);
	ck_assert_uint_eq(clients, 77);
	/* It is not told of again. */
	for (began = now_msec(); now_msec() - began < 700;)
		poll(NULL, 0, 50);
	line = strstr(harness_log(&harness), "has not returned");
	again = line != NULL ? strstr(line + 1, "has not returned") : NULL;
	ck_assert_msg(line != NULL && again == NULL, "%s", harness_log_end(&harness));
	end_hang(thread, &hanging);
}
END_TEST

START_TEST(without_a_bound_nothing_is_named)
{
	struct hanging hanging = {.status = kIOReturnSuccess};
	uint64_t began = now_msec();
	pthread_t thread;

	hang_with("0", &thread, &hanging);
	for (; now_msec() - began < 700;)
		poll(NULL, 0, 50);
	ck_assert_ptr_null(strstr(harness_log(&harness), "has not returned"));
	end_hang(thread, &hanging);
}
END_TEST

START_TEST(a_bundle_sets_its_limits)
{
	const char *folder = copy_bundle("DextLimitConnections", "2");
	io_connect_t connects[2], refused = MACH_PORT_NULL;
	uint64_t id = 0;
	char bundle[128];
	io_service_t service;

	snprintf(bundle, sizeof(bundle), "%s/echo.dext", folder);
	harness_start(&harness, (const char *[]){bundle, NULL});
	for (unsigned i = 0; i < 2; i++)
		connects[i] = harness_open("Echo", 0);
	service = harness_wait_new_service("Echo", &id);
	ck_assert_int_eq(IOServiceOpen(service, mach_task_self(), 0, &refused),
			 kIOReturnNoResources);
	IOObjectRelease(service);
	harness_wait_log(&harness, "DEXT_LIMIT_CONNECTIONS");
	/* With those that it has not set. */
	ck_assert_int_eq(system("$DEXT tree -l | grep -q '\"DextLimitConnections\" = 2$'"), 0);
	ck_assert_int_eq(system("$DEXT tree -l | grep -q '\"DextLimitBuffersClient\" = 4160$'"), 0);
	ck_assert_int_eq(system("$DEXT top --json --once | grep -q '\"limit\": *2\\b'"), 0);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(IOServiceClose(connects[i]), kIOReturnSuccess);
	ck_assert_int_eq(harness_stop(&harness), 0);
	remove_bundle(folder);
}
END_TEST

/* A mark that begins a command to the terminal, and one that turns the direction of text. */
START_TEST(what_a_driver_says_of_itself_is_no_command_to_a_terminal)
{
	const char *folder =
		copy_bundle("Say\\&#x9b;31m", "3</integer><key>Other</key><string>a\\&#x9b;2Jb"
					      "\\&#x202e;c</string><key>Last</key><integer>4");
	char bundle[128];

	snprintf(bundle, sizeof(bundle), "%s/echo.dext", folder);
	harness_start(&harness, (const char *[]){bundle, NULL});
	IOServiceClose(harness_open("Echo", 0));
	ck_assert_int_eq(system("$DEXT tree -l | grep -q '\"Say.xc2.x9b31m\" = 3$'"), 0);
	ck_assert_int_eq(
		system("$DEXT tree -l | grep -q '\"Other\" = \"a.xc2.x9b2Jb.xe2.x80.xaec\"$'"), 0);
	ck_assert_int_eq(harness_stop(&harness), 0);
	remove_bundle(folder);
}
END_TEST

/*
 * 100 ms, as the yardstick of what else a thread of this process can do in that time: steps of 5
 * ms, each of which waits for a processor as the call does.
 */
static void
ends_within_100_msec(const struct hanging *hanging, pid_t host)
{
	int process = (int)syscall(SYS_pidfd_open, host, 0);
	struct pollfd item = {.fd = process, .events = POLLIN};
	unsigned steps = 0;

	ck_assert_int_ge(process, 0);
	ck_assert_int_eq(kill(host, SIGKILL), 0);
	ck_assert_int_eq(poll(&item, 1, HARNESS_DEADLINE_SEC * 1000), 1);
	close(process);
	while (!hanging->ended && steps++ < 20)
		poll(NULL, 0, 5);
	ck_assert(hanging->ended);
}

START_TEST(host_killed)
{
	struct hanging hanging = {.status = kIOReturnSuccess};
	uint64_t id = 0, clients = 0;
	mach_vm_address_t address = 0;
	mach_vm_size_t size = 0;
	io_service_t service;
	io_connect_t connect;
	pthread_t thread;
	pid_t host;

	start();
	service = harness_wait_new_service("Echo", &id);
	ck_assert_int_eq(IOServiceOpen(service, mach_task_self(), 0, &hanging.connect),
			 kIOReturnSuccess);
	ck_assert_int_eq(IOConnectMapMemory64(hanging.connect, 0, mach_task_self(), &address, &size,
					      kIOMapAnywhere),
			 kIOReturnSuccess);
	host = harness_host_pid("Echo");
	hanging.port = IONotificationPortCreate(kIOMainPortDefault);
	CFRunLoopAddSource(CFRunLoopGetCurrent(), IONotificationPortGetRunLoopSource(hanging.port),
			   kCFRunLoopDefaultMode);
	ck_assert_int_eq(pthread_create(&thread, NULL, call_hang, &hanging), 0);
	for (uint64_t end = now_msec() + 10000; !hanging.began && now_msec() < end;)
		CFRunLoopRunInMode(kCFRunLoopDefaultMode, 1, true);
	ck_assert(hanging.began);
	ends_within_100_msec(&hanging, host);
	pthread_join(thread, NULL);
	ck_assert_int_eq(hanging.status, kIOReturnOffline);
	ck_assert_int_eq(get_clients(hanging.connect, &clients), MACH_SEND_INVALID_DEST);
	/* The memory stays readable until the app closes. */
	ck_assert_uint_eq(*(volatile uint8_t *)(uintptr_t)address, 0);
	IOServiceClose(hanging.connect);
	IOObjectRelease(service);
	/* It is started again, as a new service. */
	service = harness_wait_new_service("Echo", &id);
	ck_assert_int_eq(IOServiceOpen(service, mach_task_self(), 0, &connect), kIOReturnSuccess);
	ck_assert_int_eq(get_clients(connect, &clients), kIOReturnSuccess);
	ck_assert_uint_eq(clients, 1);
	IOServiceClose(connect);
	IOObjectRelease(service);
	harness_wait_log(&harness, "starting it again");
	IONotificationPortDestroy(hanging.port);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

/* Status 0 with services published is no end of its own accord. */
START_TEST(a_driver_that_exits_is_started_again)
{
	const uint64_t exits[] = {0, ECHO_TALK_EXIT};
	io_connect_t connect = MACH_PORT_NULL;
	io_service_t service;
	uint64_t id = 0;

	start();
	service = harness_wait_new_service("Echo", &id);
	ck_assert_int_eq(IOServiceOpen(service, mach_task_self(), 0, &connect), kIOReturnSuccess);
	ck_assert_int_eq(IOConnectCallScalarMethod(connect, ECHO_TALK, exits, 2, NULL, NULL),
			 kIOReturnOffline);
	IOServiceClose(connect);
	IOObjectRelease(service);
	IOObjectRelease(harness_wait_new_service("Echo", &id));
	harness_wait_log(&harness, "its host ended with status 0; starting it again");
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(gives_up_visibly)
{
	start();
	for (uint64_t id = 0, tries = 0; tries < 6; tries++) {
		io_service_t service = harness_wait_new_service("Echo", &id);
		io_connect_t connect = MACH_PORT_NULL;

		ck_assert_int_eq(IOServiceOpen(service, mach_task_self(), 0, &connect),
				 kIOReturnSuccess);
		ck_assert_int_eq(
			IOConnectCallScalarMethod(connect, ECHO_CRASH, NULL, 0, NULL, NULL),
			kIOReturnOffline);
		IOServiceClose(connect);
		IOObjectRelease(service);
	}
	harness_wait_log(&harness, "giving up");
	ck_assert_ptr_null(strstr(harness_log(&harness), "(6 of"));
	/* Without a driver left there is nothing to serve. */
	harness_wait_log(&harness, "no driver is left");
	ck_assert_int_eq(harness_stop(&harness), 5);
}
END_TEST

START_TEST(wrong_entry)
{
	io_connect_t connect = MACH_PORT_NULL;
	io_service_t node;

	start();
	node = IOServiceGetMatchingService(kIOMainPortDefault,
					   IOServiceMatching("IOUserResources"));
	ck_assert_uint_ne(node, MACH_PORT_NULL);
	ck_assert_int_eq(IOServiceOpen(node, mach_task_self(), 0, &connect), kIOReturnUnsupported);
	ck_assert_uint_eq(connect, MACH_PORT_NULL);
	harness_wait_log(&harness, "probably the service Echo");
	harness_wait_log(&harness, "IOServiceNameMatching(\"Echo\")");
	IOObjectRelease(node);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

/* An app of another user that can reach the socket; its exit status is 0 if it was refused. */
static void
open_as_other(void *context)
{
	io_connect_t connect = MACH_PORT_NULL;
	io_service_t service;

	if (setgid(65534) < 0 || setuid(65534) < 0)
		_exit(2);
	service = IOServiceGetMatchingService(kIOMainPortDefault, IOServiceNameMatching("Echo"));
	if (service == MACH_PORT_NULL)
		_exit(3);
	_exit(IOServiceOpen(service, mach_task_self(), 0, &connect) == kIOReturnNotPermitted ? 0
											     : 4);
}

START_TEST(other_user)
{
	char path[300];
	int status;

	if (geteuid() != 0)
		return; /* nobody else to be */
	start();
	snprintf(path, sizeof(path), "%s/registry", harness.runtime_dir);
	ck_assert_int_eq(chmod(path, 0777), 0);
	ck_assert_int_eq(chmod(harness.runtime_dir, 0755), 0);
	status = unit_child(open_as_other, NULL, NULL, 0);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status 0x%x", status);
	harness_wait_log(&harness, "check \"same user\"");
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

START_TEST(found_by_class_too)
{
	static const char *const names[] = {"Echo", "IOUserService"};

	start();
	for (unsigned i = 0; i < 2; i++) {
		io_service_t service = IOServiceGetMatchingService(kIOMainPortDefault,
								   IOServiceMatching(names[i]));
		io_name_t name = "";

		ck_assert_uint_ne(service, MACH_PORT_NULL);
		ck_assert_int_eq(IORegistryEntryGetName(service, name), kIOReturnSuccess);
		ck_assert_str_eq(name, "Echo");
		IOObjectRelease(service);
	}
	ck_assert_uint_eq(
		IOServiceGetMatchingService(kIOMainPortDefault, IOServiceNameMatching("Nobody")),
		MACH_PORT_NULL);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

#define MANY 64

START_TEST(many_connections)
{
	struct expected expected = {.clients = MANY};
	io_connect_t connects[MANY];

	start();
	for (unsigned i = 0; i < MANY; i++)
		connects[i] = harness_open("Echo", i);
	expected.connect = connects[MANY - 1];
	ck_assert(has_clients(&expected));
	for (unsigned i = 0; i < MANY; i++) {
		uint64_t in = i, out = 0;
		uint32_t room = 1;

		ck_assert_int_eq(
			IOConnectCallScalarMethod(connects[i], ECHO_ECHO, &in, 1, &out, &room),
			kIOReturnSuccess);
		ck_assert_uint_eq(out, i);
	}
	for (unsigned i = 0; i < MANY; i++)
		ck_assert_int_eq(IOServiceClose(connects[i]), kIOReturnSuccess);
	ck_assert_int_eq(harness_stop(&harness), 0);
}
END_TEST

UNIT_MAIN("echo", calls, maps_memory, completes, close_stops_the_user_client, app_killed,
	  a_method_that_hangs_is_named, without_a_bound_nothing_is_named, a_bundle_sets_its_limits,
	  what_a_driver_says_of_itself_is_no_command_to_a_terminal, host_killed,
	  a_driver_that_exits_is_started_again, gives_up_visibly, wrong_entry, other_user,
	  found_by_class_too, many_connections)
