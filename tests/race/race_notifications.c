/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports that carry both completions of a connection and notifications of services, several threads
 * on each, while other notifications are made and released: each completion and each service once.
 */
#include "fake_host.h"
#include "fake_registry.h"

#include <fcntl.h>
#include <stdatomic.h>

#include "clock.h"
#include "doorbell.h"

#include <dext_iokit.h>
#include <mach/mach.h>

#define PORTS	 2u
#define THREADS	 2u /* on each port */
#define SERVICES 10000u

#define SOON (clock_now() + 60 * NSEC_PER_SEC)

struct listener {
	IONotificationPortRef notify;
	mach_port_t port;
	io_iterator_t iterator;
	uint64_t watch;
	uint32_t index, generation; /* of its completions, as the host knows them */
	_Atomic uint8_t seen[SERVICES + 1];
	_Atomic unsigned services, completions;
};

static struct listener listeners[PORTS];
static struct fake_host host;
static int bell; /* of the test's own: the host's thread closes the other */
static struct call_request registered[PORTS];
static _Atomic unsigned registrations;
static _Atomic bool over;

static bool
note_registration(struct fake_host *of, unsigned slot, const struct call_request *request,
		  struct call_reply *reply)
{
	registered[request->selector] = *request;
	atomic_fetch_add(&registrations, 1);
	return true;
}

static void
on_services(void *refcon, io_iterator_t iterator)
{
	struct listener *listener = refcon;
	io_service_t service;
	uint64_t id;

	while ((service = IOIteratorNext(iterator)) != 0) {
		if (IORegistryEntryGetRegistryEntryID(service, &id) != 0 || id == 0 ||
		    id > SERVICES || atomic_fetch_add(&listener->seen[id], 1) != 0)
			abort();
		IOObjectRelease(service);
		atomic_fetch_add(&listener->services, 1);
	}
}

static void
on_completion(void *refcon, IOReturn result, void *number)
{
	struct listener *listener = refcon;

	atomic_fetch_add(&listener->completions, 1);
}

static void
ignore(void *refcon, io_iterator_t iterator)
{
}

/* Adds its notifications: the completions of the connection are registered after. */
static void
enlist(struct listener *listener)
{
	listener->notify = IONotificationPortCreate(kIOMainPortDefault);
	listener->port = IONotificationPortGetMachPort(listener->notify);
	ck_assert_int_eq(IOServiceAddMatchingNotification(listener->notify, kIOMatchedNotification,
							  IOServiceNameMatching("Tester"),
							  on_services, listener,
							  &listener->iterator),
			 0);
	listener->watch = last_watch();
	ck_assert_uint_eq(IOIteratorNext(listener->iterator), 0);
}

static void
enlist_completions(io_connect_t connect, unsigned number)
{
	struct listener *listener = &listeners[number];
	uint64_t reference[8] = {[kIOAsyncCalloutFuncIndex] = (uintptr_t)on_completion,
				 [kIOAsyncCalloutRefconIndex] = (uintptr_t)listener};

	ck_assert_int_eq(IOConnectCallAsyncScalarMethod(connect, number, listener->port, reference,
							8, NULL, 0, NULL, NULL),
			 kIOReturnSuccess);
	ck_assert_uint_eq(atomic_load(&registrations), number + 1);
	listener->index = registered[number].async_index;
	listener->generation = registered[number].async_generation;
}

static void *
receive(void *context)
{
	struct listener *listener = context;
	struct {
		mach_msg_header_t header;
		uint8_t rest[256];
	} message;

	while (mach_msg(&message.header, MACH_RCV_MSG, 0, sizeof(message), listener->port, 0,
			MACH_PORT_NULL) == MACH_MSG_SUCCESS)
		IODispatchCalloutFromMessage(NULL, &message.header, listener->notify);
	return NULL;
}

/* Notifications that come and go, on the same ports. */
static void *
churn(void *context)
{
	unsigned round = 0;

	while (!atomic_load(&over)) {
		io_iterator_t iterator;

		if (IOServiceAddMatchingNotification(
			    listeners[round++ % PORTS].notify, kIOMatchedNotification,
			    IOServiceNameMatching("Tester"), ignore, NULL, &iterator) != 0)
			abort();
		while (IOIteratorNext(iterator) != 0)
			abort();
		IOObjectRelease(iterator);
	}
	return NULL;
}

static void
complete(const struct listener *listener)
{
	struct completion entry = {.kind = COMPLETION_CALL,
				   .index = listener->index,
				   .generation = listener->generation,
				   .count = 1,
				   .arguments = {1}};
	uint64_t late = SOON;
	bool wake;

	while (completion_ring_push(&host.host, &entry, &wake) != kIOReturnSuccess) {
		ck_assert_uint_lt(clock_now(), late);
		sched_yield();
	}
	if (wake)
		bell_pipe_ring(bell);
}

static void
await(_Atomic unsigned *count, unsigned wanted)
{
	uint64_t late = SOON;

	while (atomic_load(count) < wanted) {
		ck_assert_uint_lt(clock_now(), late);
		sched_yield();
	}
}

START_TEST(completions_and_services_on_the_same_ports)
{
	pthread_t threads[PORTS * THREADS], churning;
	io_connect_t connect;

	start();
	fake_host_create(&host);
	host.method = note_registration;
	bell = fcntl(host.bell_write, F_DUPFD_CLOEXEC, 0);
	connect = fake_host_open(&host);
	for (unsigned i = 0; i < PORTS; i++) {
		enlist(&listeners[i]);
		enlist_completions(connect, i);
	}
	for (unsigned i = 0; i < PORTS * THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, receive, &listeners[i % PORTS]),
				 0);
	ck_assert_int_eq(pthread_create(&churning, NULL, churn, NULL), 0);
	for (uint64_t i = 1; i <= SERVICES; i++) {
		for (unsigned j = 0; j < PORTS; j++) {
			send_event(EVENT_APPEARED, i, listeners[j].watch);
			complete(&listeners[(i + j) % PORTS]);
		}
	}
	for (unsigned i = 0; i < PORTS; i++) {
		await(&listeners[i].services, SERVICES);
		await(&listeners[i].completions, SERVICES);
	}
	atomic_store(&over, true);
	pthread_join(churning, NULL);
	IOServiceClose(connect);
	fake_host_stop(&host);
	close(bell);
	for (unsigned i = 0; i < PORTS; i++)
		mach_port_destroy(mach_task_self(), listeners[i].port);
	for (unsigned i = 0; i < PORTS * THREADS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < PORTS; i++) {
		IOObjectRelease(listeners[i].iterator);
		IONotificationPortDestroy(listeners[i].notify);
	}
	stop();
}
END_TEST

UNIT_MAIN("notifications", completions_and_services_on_the_same_ports)
