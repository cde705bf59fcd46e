/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several ports and several threads on one connection, with the real ring and the real bell:
 * whoever drains gives each port its own, nothing is lost, doubled or, for one thread on a port,
 * out of order. The ping-pong rounds have one completion under way, so that no later one makes good
 * for a lost wake-up.
 */
#include "doorbell.h"
#include "fake_host.h"
#include "unit.h"

#include <fcntl.h>
#include <poll.h>

#include "rounds.h"

#include <dext_iokit.h>

#define PORTS  2u
#define STREAM 20000u
#define SOON   (clock_now() + 20 * NSEC_PER_SEC)

/* What a callback is registered with. */
struct listener {
	struct scene *scene;
	IONotificationPortRef notify;
	mach_port_t port;
	uint32_t index, generation; /* as the host knows it */
	_Atomic uint64_t heard;
	uint64_t last; /* [its thread] */
	bool ordered;
};

struct scene {
	struct fake_host host;
	io_connect_t connect;
	struct listener listeners[PORTS];
	int bell; /* of the test's own: the host's thread closes the other */
	struct call_request registered[PORTS]; /* by selector */
	_Atomic unsigned registrations;	       /* the page's order is none that TSan sees */
	_Atomic uint64_t heard;
	_Atomic bool over;
	_Atomic uint8_t *seen; /* [STREAM + 1] */
};

static bool
note_registration(struct fake_host *host, unsigned slot, const struct call_request *request,
		  struct call_reply *reply)
{
	struct scene *scene = host->context;

	scene->registered[request->selector] = *request;
	atomic_fetch_add(&scene->registrations, 1);
	return true;
}

static void
hear(void *refcon, IOReturn result, void *number)
{
	struct listener *listener = refcon;
	uint64_t value = (uintptr_t)number;

	if (value == 0) /* see end_receivers */
		return;
	if (value > STREAM || atomic_fetch_add(&listener->scene->seen[value], 1) != 0)
		abort();
	if (listener->ordered && value <= listener->last)
		abort();
	if (listener->ordered)
		listener->last = value;
	atomic_fetch_add(&listener->heard, 1);
	atomic_fetch_add(&listener->scene->heard, 1);
}

static void
enlist(struct scene *scene, unsigned number, bool ordered)
{
	struct listener *listener = &scene->listeners[number];
	uint64_t reference[8] = {[kIOAsyncCalloutFuncIndex] = (uintptr_t)hear,
				 [kIOAsyncCalloutRefconIndex] = (uintptr_t)listener};

	listener->scene = scene;
	listener->ordered = ordered;
	listener->notify = IONotificationPortCreate(kIOMainPortDefault);
	ck_assert_ptr_nonnull(listener->notify);
	listener->port = IONotificationPortGetMachPort(listener->notify);
	ck_assert_int_eq(IOConnectCallAsyncScalarMethod(scene->connect, number, listener->port,
							reference, 8, NULL, 0, NULL, NULL),
			 kIOReturnSuccess);
	ck_assert_uint_eq(atomic_load(&scene->registrations), number + 1);
	listener->index = scene->registered[number].async_index;
	listener->generation = scene->registered[number].async_generation;
}

static struct scene *
set_up(bool ordered)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	ck_assert_ptr_nonnull(scene);
	scene->seen = calloc(STREAM + 1, 1);
	fake_host_create(&scene->host);
	scene->host.method = note_registration;
	scene->host.context = scene;
	scene->bell = fcntl(scene->host.bell_write, F_DUPFD_CLOEXEC, 0);
	scene->connect = fake_host_open(&scene->host);
	for (unsigned i = 0; i < PORTS; i++)
		enlist(scene, i, ordered);
	return scene;
}

static void
tear_down(struct scene *scene)
{
	IOServiceClose(scene->connect);
	fake_host_stop(&scene->host);
	close(scene->bell);
	for (unsigned i = 0; i < PORTS; i++)
		if (scene->listeners[i].notify != NULL)
			IONotificationPortDestroy(scene->listeners[i].notify);
	free((void *)scene->seen);
	free(scene);
}

/* Numbers from 1 on. Waits while the ring is full. */
static void
complete(struct scene *scene, const struct listener *listener, uint64_t number)
{
	struct completion entry = {.kind = COMPLETION_CALL,
				   .index = listener->index,
				   .generation = listener->generation,
				   .count = 1,
				   .arguments = {number}};
	uint64_t late = SOON;
	bool wake;

	while (completion_ring_push(&scene->host.host, &entry, &wake) != kIOReturnSuccess) {
		ck_assert_uint_lt(clock_now(), late);
		sched_yield();
	}
	if (wake)
		bell_pipe_ring(scene->bell);
}

/* --- the ways to receive --- */

static void *
receive_by_mach_msg(void *context)
{
	struct listener *listener = context;
	struct {
		mach_msg_header_t header;
		uint8_t rest[256];
	} message;

	for (;;) {
		mach_msg_return_t res = mach_msg(&message.header, MACH_RCV_MSG, 0, sizeof(message),
						 listener->port, 0, MACH_PORT_NULL);

		if (res != MACH_MSG_SUCCESS)
			return NULL; /* the port was destroyed */
		IODispatchCalloutFromMessage(NULL, &message.header, listener->notify);
	}
}

static void *
receive_by_descriptor(void *context)
{
	struct listener *listener = context;
	struct pollfd item = {.fd = IONotificationPortGetFileDescriptor(listener->notify),
			      .events = POLLIN};

	while (!atomic_load(&listener->scene->over)) {
		if (poll(&item, 1, 20000) == 1)
			dext_notification_port_dispatch(listener->notify);
		else
			abort();
	}
	return NULL;
}

static void *
receive_by_run_loop(void *context)
{
	struct listener *listener = context;

	CFRunLoopAddSource(CFRunLoopGetCurrent(),
			   IONotificationPortGetRunLoopSource(listener->notify),
			   kCFRunLoopDefaultMode);
	CFRunLoopRun(); /* until the port is destroyed */
	return NULL;
}

static void *(*const ways[])(void *context) = {receive_by_mach_msg, receive_by_descriptor,
					       receive_by_run_loop};

/* Ends the receivers: by their ports, and those that poll by one more thing to see. */
static void
end_receivers(struct scene *scene, void *(*const bodies[PORTS])(void *))
{
	atomic_store(&scene->over, true);
	for (unsigned i = 0; i < PORTS; i++) {
		if (bodies[i] != receive_by_descriptor) {
			IONotificationPortDestroy(scene->listeners[i].notify);
			scene->listeners[i].notify = NULL;
			continue;
		}
		complete(scene, &scene->listeners[i], 0);
	}
}

static void
await(struct scene *scene, uint64_t count)
{
	uint64_t late = SOON;

	while (atomic_load(&scene->heard) < count)
		ck_assert_uint_lt(clock_now(), late);
}

START_TEST(a_stream_reaches_both_ports)
{
	for (unsigned way = 0; way < 3; way++) {
		void *(*const bodies[PORTS])(void *) = {ways[way], ways[(way + 1) % 3]};
		struct scene *scene = set_up(true);
		pthread_t threads[PORTS];
		uint32_t random = way;

		for (unsigned i = 0; i < PORTS; i++)
			ck_assert_int_eq(
				pthread_create(&threads[i], NULL, bodies[i], &scene->listeners[i]),
				0);
		for (uint64_t number = 1; number <= STREAM; number++)
			complete(scene, &scene->listeners[scatter(&random) % PORTS], number);
		await(scene, STREAM);
		end_receivers(scene, bodies);
		for (unsigned i = 0; i < PORTS; i++)
			pthread_join(threads[i], NULL);
		tear_down(scene);
	}
}
END_TEST

START_TEST(no_wake_up_is_lost)
{
	for (unsigned way = 0; way < 3; way++) {
		void *(*const bodies[PORTS])(void *) = {ways[way], ways[(way + 1) % 3]};
		struct scene *scene = set_up(true);
		uint64_t end = clock_now() + ROUNDS_NSEC;
		pthread_t threads[PORTS];
		uint32_t random = way;

		for (unsigned i = 0; i < PORTS; i++)
			ck_assert_int_eq(
				pthread_create(&threads[i], NULL, bodies[i], &scene->listeners[i]),
				0);
		for (uint64_t number = 1; number <= STREAM && clock_now() < end; number++) {
			complete(scene, &scene->listeners[scatter(&random) % PORTS], number);
			await(scene, number);
			jitter(&random);
		}
		end_receivers(scene, bodies);
		for (unsigned i = 0; i < PORTS; i++)
			pthread_join(threads[i], NULL);
		tear_down(scene);
	}
}
END_TEST

/* Four threads in mach_msg on each port: each completion once. */
START_TEST(many_threads_share_the_ports)
{
	struct scene *scene = set_up(false);
	pthread_t threads[PORTS * 4];
	uint32_t random = 7;

	for (unsigned i = 0; i < PORTS * 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, receive_by_mach_msg,
						&scene->listeners[i % PORTS]),
				 0);
	for (uint64_t number = 1; number <= STREAM; number++)
		complete(scene, &scene->listeners[scatter(&random) % PORTS], number);
	await(scene, STREAM);
	for (unsigned i = 0; i < PORTS; i++)
		mach_port_destroy(mach_task_self(), scene->listeners[i].port);
	for (unsigned i = 0; i < PORTS * 4; i++)
		pthread_join(threads[i], NULL);
	tear_down(scene);
}
END_TEST

/* The connection is closed while both ports receive: whatever was heard was heard once. */
START_TEST(closing_meets_receiving)
{
	for (unsigned round = 0; round < 30; round++) {
		struct scene *scene = set_up(true);
		pthread_t threads[PORTS];
		uint64_t number = 0;

		for (unsigned i = 0; i < PORTS; i++)
			ck_assert_int_eq(pthread_create(&threads[i], NULL, receive_by_mach_msg,
							&scene->listeners[i]),
					 0);
		while (number < 200)
			complete(scene, &scene->listeners[number % PORTS], number + 1), number++;
		IOServiceClose(scene->connect);
		for (unsigned i = 0; i < PORTS; i++)
			mach_port_destroy(mach_task_self(), scene->listeners[i].port);
		for (unsigned i = 0; i < PORTS; i++)
			pthread_join(threads[i], NULL);
		tear_down(scene);
	}
}
END_TEST

UNIT_MAIN("ports", a_stream_reaches_both_ports, no_wake_up_is_lost, many_threads_share_the_ports,
	  closing_meets_receiving)
