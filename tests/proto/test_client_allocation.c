/* SPDX-License-Identifier: Apache-2.0 */
/* An app's library allocates nothing for a call, a completion or an entry of a ring, once it has
 * had some of each. */
#include "fake_host.h"
#include "unit.h"

#include "counted_malloc.h"
#include "memfd.h"
#include "shared_ring.h"

#include <dext_iokit.h>
#include <dext_ring.h>

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

static const struct shared_ring_shape shape = {16, {8, 8}};

static bool
map_ring(struct fake_host *host, unsigned slot, const struct call_request *request,
	 struct call_reply *reply)
{
	const int *fd = host->context;

	if (request->operation != CALL_MAP)
		return true;
	reply->map_length = shared_ring_length(&shape);
	reply->flags = CALL_QUEUE_RING | shared_ring_to_flags(&shape);
	fake_host_send_memory(host, slot, request->generation, *fd, 0, reply->map_length);
	return true;
}

/* The driver gives back what comes, which is there when the app waits for it. */
static void
go_around(dext_ring_t *ring, struct shared_ring_consumer *from, struct shared_ring_producer *to)
{
	uint8_t entry[16] = {0};
	uint32_t count;
	bool tell;

	if (dext_ring_push(ring, entry, 1, &count) != kIOReturnSuccess)
		abort();
	uncounted = true;
	ck_assert_int_eq(shared_ring_pop(from, entry, 1, &count, &tell), kIOReturnSuccess);
	ck_assert_int_eq(shared_ring_push(to, entry, 1, &count, &tell), kIOReturnSuccess);
	uncounted = false;
	if (dext_ring_wait(ring, DEXT_RING_ENTRIES, UINT64_MAX) != kIOReturnSuccess ||
	    dext_ring_pop(ring, entry, 1, &count) != kIOReturnSuccess)
		abort();
}

START_TEST(nothing_is_allocated_for_an_entry)
{
	uint64_t length = shared_ring_length(&shape);
	struct shared_ring_consumer from;
	struct shared_ring_producer to;
	unsigned long before, after;
	struct fake_host host;
	io_connect_t connect;
	dext_ring_t *ring;
	void *memory;
	int fd;

	ck_assert_int_eq(memfd_create_sealed("ring", length, &fd), 0);
	ck_assert_int_eq(memfd_map(fd, 0, page_round_up(length), true, false, NULL, &memory), 0);
	shared_ring_init(memory, &shape);
	shared_ring_consume(&from, memory, &shape, SHARED_RING_SUBMISSION);
	shared_ring_produce(&to, memory, &shape, SHARED_RING_COMPLETION);
	fake_host_create(&host);
	host.method = map_ring;
	host.context = &fd;
	connect = fake_host_open(&host);
	ck_assert_int_eq(dext_ring_create(connect, 0, 0, &ring), kIOReturnSuccess);
	for (unsigned i = 0; i < 10; i++)
		go_around(ring, &from, &to);
	before = atomic_load(&allocations);
	for (unsigned i = 0; i < ROUNDS; i++)
		go_around(ring, &from, &to);
	after = atomic_load(&allocations);
	ck_assert_uint_gt(before, 0);
	/* The host's thread asserts something when it is told of the ring now and then. */
	ck_assert_uint_lt(after - before, ROUNDS / 10);
	dext_ring_release(ring);
	IOServiceClose(connect);
	fake_host_stop(&host);
}
END_TEST

UNIT_MAIN("client_allocation", nothing_is_allocated_for_a_call, nothing_is_allocated_for_an_entry)
