/* SPDX-License-Identifier: Apache-2.0 */
/* Registrations for completions, and the completions of a host that follows the rules. */
#include "unit.h"

#include "connection_private.h"
#include "fake_host.h"
#include "object_table.h"
#include "said.h"

#define CALLS 100u

static unsigned heard;
static IOReturn heard_result;
static uint64_t heard_argument;

static void
hear(void *refcon, IOReturn result, void **args, uint32_t count)
{
	ck_assert_ptr_eq(refcon, &heard);
	ck_assert_uint_eq(count, 3);
	heard_result = result;
	heard_argument = (uintptr_t)args[2];
	heard++;
}

static bool
complete_thrice(struct fake_host *host, unsigned slot, const struct call_request *request,
		struct call_reply *reply)
{
	struct completion entry;

	memset(&entry, 0, sizeof(entry));
	ck_assert(request->flags & CALL_ASYNC);
	entry.kind = COMPLETION_CALL;
	entry.index = request->async_index;
	entry.generation = request->async_generation;
	entry.status = kIOReturnUnderrun;
	entry.count = 3;
	for (unsigned i = 0; i < 3; i++) {
		entry.arguments[2] = i;
		fake_host_complete(host, &entry);
	}
	memset(&entry, 0, sizeof(entry));
	entry.kind = COMPLETION_RELEASED;
	entry.index = request->async_index;
	entry.generation = request->async_generation;
	fake_host_complete(host, &entry);
	return true;
}

START_TEST(completions_reach_the_callback)
{
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	uint64_t reference[3] = {
		[kIOAsyncCalloutFuncIndex] = (uintptr_t)hear,
		[kIOAsyncCalloutRefconIndex] = (uintptr_t)&heard,
	};
	struct fake_host host;
	io_connect_t connect;

	fake_host_create(&host);
	host.method = complete_thrice;
	connect = fake_host_open(&host);
	CFRunLoopAddSource(CFRunLoopGetCurrent(), IONotificationPortGetRunLoopSource(port),
			   kCFRunLoopDefaultMode);
	for (unsigned i = 0; i < CALLS; i++)
		ck_assert_int_eq(IOConnectCallAsyncScalarMethod(connect, 0,
								IONotificationPortGetMachPort(port),
								reference, 3, NULL, 0, NULL, NULL),
				 0);
	while (heard < 3 * CALLS)
		ck_assert_int_ne(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 10, true),
				 kCFRunLoopRunTimedOut);
	ck_assert_int_eq(heard_result, kIOReturnUnderrun);
	ck_assert_uint_eq(heard_argument, 2);
	IOServiceClose(connect);
	IONotificationPortDestroy(port);
	fake_host_stop(&host);
}
END_TEST

static bool
release_at_once(struct fake_host *host, unsigned slot, const struct call_request *request,
		struct call_reply *reply)
{
	struct completion entry;

	memset(&entry, 0, sizeof(entry));
	entry.kind = COMPLETION_RELEASED;
	entry.index = request->async_index;
	entry.generation = request->async_generation;
	if (request->selector == 0)
		fake_host_complete(host, &entry);
	return true;
}

START_TEST(registrations_are_used_again_and_limited)
{
	uint64_t reference[1] = {0};
	struct fake_host host;
	io_connect_t connect;

	fake_host_create(&host);
	host.method = release_at_once;
	connect = fake_host_open(&host);
	/* Nobody drains the ring, but the registrations that wait in it as released are found. */
	for (unsigned i = 0; i < 3 * DEXT_LIMIT_ASYNC; i++)
		ck_assert_int_eq(IOConnectCallAsyncScalarMethod(connect, 0, MACH_PORT_NULL,
								reference, 1, NULL, 0, NULL, NULL),
				 0);
	for (unsigned i = 0; i < DEXT_LIMIT_ASYNC; i++)
		ck_assert_int_eq(IOConnectCallAsyncScalarMethod(connect, 1, MACH_PORT_NULL,
								reference, 1, NULL, 0, NULL, NULL),
				 0);
	said_listen();
	ck_assert_int_eq(IOConnectCallAsyncScalarMethod(connect, 1, MACH_PORT_NULL, reference, 1,
							NULL, 0, NULL, NULL),
			 kIOReturnNoResources);
	said_expect("DEXT_LIMIT_ASYNC");
	IOServiceClose(connect);
	fake_host_stop(&host);
}
END_TEST

/* A call of another thread that had found the connection open. */
START_TEST(a_registration_after_the_close_is_refused)
{
	uint32_t index = 0, generation = 0;
	uint64_t reference[1] = {0};
	struct connection *connection;
	struct fake_host host;
	io_connect_t connect;

	fake_host_create(&host);
	connect = fake_host_open(&host);
	connection = object_copy_connection(connect);
	ck_assert_int_eq(IOServiceClose(connect), 0);
	ck_assert_int_eq(ring_register(connection, NULL, reference, 1, &index, &generation),
			 MACH_SEND_INVALID_DEST);
	/* The last reference: nothing may be registered any more. */
	connection_release(connection);
	fake_host_stop(&host);
}
END_TEST

UNIT_MAIN("client completions", completions_reach_the_callback,
	  registrations_are_used_again_and_limited, a_registration_after_the_close_is_refused)
