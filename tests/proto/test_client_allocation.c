/* SPDX-License-Identifier: Apache-2.0 */
/* An app's library allocates nothing for a call or a completion, once it has had some of each. */
#include "fake_host.h"
#include "unit.h"

#include "counted_malloc.h"

#include <dext_iokit.h>

#define ROUNDS 1000u

static unsigned heard;

static void
hear(void *refcon, IOReturn result)
{
	heard++;
}

static bool
answer(struct fake_host *host, unsigned slot, const struct call_request *request,
       struct call_reply *reply)
{
	struct completion *entry = host->context;

	if (request->flags & CALL_ASYNC)
		*entry = (struct completion){.kind = COMPLETION_CALL,
					     .index = request->async_index,
					     .generation = request->async_generation};
	reply->scalar_out_count = request->scalar_out_count;
	return true;
}

/* Two calls and three completions. */
static void
go_round(struct fake_host *host, io_connect_t connect, IONotificationPortRef port)
{
	uint64_t values[16] = {1, 2, 3};
	uint8_t bytes[100] = {0};
	unsigned before = heard;
	uint32_t count = 16;

	if (IOConnectCallScalarMethod(connect, 1, values, 16, values, &count) != kIOReturnSuccess)
		abort();
	if (IOConnectCallStructMethod(connect, 1, bytes, sizeof(bytes), NULL, NULL) !=
	    kIOReturnSuccess)
		abort();
	uncounted = true;
	for (unsigned i = 0; i < 3; i++)
		fake_host_complete(host, host->context);
	uncounted = false;
	while (heard < before + 3)
		dext_notification_port_dispatch(port);
}

START_TEST(nothing_is_allocated_for_a_call)
{
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);
	uint64_t reference[3] = {[kIOAsyncCalloutFuncIndex] = (uintptr_t)hear};
	struct completion entry = {0};
	struct fake_host host;
	unsigned long before, after;
	io_connect_t connect;

	fake_host_create(&host);
	host.method = answer;
	host.context = &entry;
	connect = fake_host_open(&host);
	ck_assert_int_eq(IOConnectCallAsyncScalarMethod(connect, 0,
							IONotificationPortGetMachPort(port),
							reference, 3, NULL, 0, NULL, NULL),
			 kIOReturnSuccess);
	for (unsigned i = 0; i < 10; i++)
		go_round(&host, connect, port);
	before = atomic_load(&allocations);
	for (unsigned i = 0; i < ROUNDS; i++)
		go_round(&host, connect, port);
	after = atomic_load(&allocations);
	ck_assert_uint_gt(before, 0); /* counting works */
	ck_assert_uint_eq(after, before);
	IOServiceClose(connect);
	fake_host_stop(&host);
	IONotificationPortDestroy(port);
}
END_TEST

UNIT_MAIN("client_allocation", nothing_is_allocated_for_a_call)
