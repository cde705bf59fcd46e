/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Apps that open, call, map, register and close as fast as they can, or just go, while user clients
 * terminate themselves and the driver is terminated under them: every call is answered or its
 * connection hangs up, and afterwards nothing is left, descriptors included.
 */
#include "unit.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "call_page.h"
#include "connection.h"
#include "doorbell.h"
#include "driver_fixture.h"
#include "rounds.h"

#define APPS	   4u
#define ROUNDS_MAX 200u
#define STEP	   (5 * NSEC_PER_MSEC)
#define SOON	   (clock_now() + 20 * NSEC_PER_SEC)

struct app {
	pthread_t thread;
	uint32_t random;
	struct packet packet;
	int socket, doorbell, bell;
	struct call_page_client page;
	uint32_t generations[CALL_PAGE_SLOTS];
	uint32_t registrations; /* each index is used once */
	bool kept;
};

static _Atomic unsigned opened, completions;

static void
await_readable(int fd)
{
	struct pollfd item = {.fd = fd, .events = POLLIN};

	if (poll(&item, 1, 20000) != 1)
		abort();
}

/* --- one connection --- */

static void
give_up(struct app *app)
{
	fd_close(&app->socket);
	fd_close(&app->doorbell);
	fd_close(&app->bell);
	if (app->page.page != NULL)
		munmap(app->page.page, sizeof(struct call_page));
	app->page.page = NULL;
}

/* False: the driver has gone. */
static bool
open_app(struct app *app)
{
	struct host_open_body who = {.version = PROTOCOL_VERSION, .pid = getpid()};
	int ends[2], page;

	app->doorbell = app->bell = -1;
	app->registrations = 0;
	app->kept = false;
	memset(app->generations, 0, sizeof(app->generations));
	memset(&app->page, 0, sizeof(app->page));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		abort();
	app->socket = ends[0];
	connection_open_take(fixture.loop, fixture.root, ends[1], -1, &who);
	await_readable(app->socket);
	if (packet_receive(app->socket, &app->packet, false) != kIOReturnSuccess ||
	    app->packet.header->status != kIOReturnSuccess) {
		give_up(app);
		return false;
	}
	page = packet_take_fd(&app->packet, 0);
	app->doorbell = packet_take_fd(&app->packet, 1);
	app->bell = packet_take_fd(&app->packet, 2);
	app->page.page =
		mmap(NULL, sizeof(struct call_page), PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
	close(page);
	if (app->page.page == MAP_FAILED)
		abort();
	atomic_fetch_add(&opened, 1);
	return true;
}

static void
take_completions(struct app *app)
{
	struct completion entry;
	bool ring = false;
	IOReturn res;

	while ((res = completion_ring_pop(&app->page, &entry, &ring)) == kIOReturnSuccess) {
		atomic_fetch_add(&completions, 1);
		if (ring)
			doorbell_ring(app->doorbell);
	}
	if (res != kIOReturnUnderrun)
		abort();
}

static bool
has_hung_up(struct app *app)
{
	struct pollfd item = {.fd = app->socket, .events = POLLRDHUP};

	return poll(&item, 1, 0) == 1 && (item.revents & (POLLRDHUP | POLLHUP)) != 0;
}

/* Until the host hangs up; what waits for us before that is taken. */
static void
await_hang_up(struct app *app)
{
	uint64_t deadline = SOON;

	while (!has_hung_up(app)) {
		struct pollfd items[2] = {{.fd = app->socket, .events = POLLRDHUP},
					  {.fd = app->bell, .events = POLLIN}};

		take_completions(app);
		bell_pipe_drain(app->bell);
		if (completion_ring_arm(&app->page))
			poll(items, 2, 20000);
		if (clock_now() > deadline)
			abort();
	}
}

static struct call_request *
prepare(struct app *app, unsigned slot, uint16_t operation, uint64_t selector)
{
	struct call_request *request = &app->page.page->slot[slot].request;

	memset(request, 0, sizeof(*request));
	request->generation = ++app->generations[slot];
	request->operation = operation;
	request->selector = selector;
	return request;
}

static void
submit(struct app *app, unsigned slot)
{
	if (call_page_submit(&app->page, slot))
		doorbell_ring(app->doorbell);
}

/* False: the host has hung up. */
static bool
await_answer(struct app *app, unsigned slot)
{
	uint64_t deadline = SOON;

	while (!call_page_wait(&app->page, slot, app->generations[slot], clock_now() + STEP)) {
		if (has_hung_up(app))
			return false;
		if (clock_now() > deadline)
			abort();
	}
	return true;
}

/* False: the host has hung up, or calls are not served any more. */
static bool
call(struct app *app, unsigned slot)
{
	submit(app, slot);
	return await_answer(app, slot) &&
	       app->page.page->slot[slot].reply.status == kIOReturnSuccess;
}

/* --- what an app does --- */

static bool
echo(struct app *app)
{
	unsigned count = 1 + scatter(&app->random) % 8;
	bool alive = true;

	for (unsigned slot = 0; slot < count; slot++) {
		prepare(app, slot, CALL_METHOD, TEST_ECHO)->scalar_out_count = 1;
		submit(app, slot);
	}
	for (unsigned slot = 0; slot < count && alive; slot++)
		alive = await_answer(app, slot);
	return alive;
}

static bool
map(struct app *app)
{
	struct packet_header ack = {.type = PACKET_ACK};

	prepare(app, 0, CALL_MAP, scatter(&app->random) % 16)->scalar_in_count = 1;
	if (!call(app, 0))
		return false;
	await_readable(app->socket);
	if (packet_receive(app->socket, &app->packet, false) != kIOReturnSuccess)
		return false;
	packet_close_fds(&app->packet);
	ack.sequence = app->packet.header->sequence;
	return packet_send(app->socket, &ack, NULL, 0, NULL, 0, true) == kIOReturnSuccess;
}

static bool
keep(struct app *app)
{
	struct call_request *request;

	if (app->registrations == DEXT_LIMIT_ASYNC)
		return false;
	request = prepare(app, 0, CALL_METHOD, TEST_KEEP);
	request->flags = CALL_ASYNC;
	request->async_index = app->registrations++;
	request->async_generation = 1;
	app->kept = true;
	return call(app, 0);
}

static bool
complete(struct app *app)
{
	struct call_request *request;

	if (!app->kept)
		return true;
	request = prepare(app, 0, CALL_METHOD, TEST_COMPLETE);
	request->scalar_in_count = 2;
	request->scalars[0] = scatter(&app->random) % (2 * COMPLETION_RING_MAX);
	return call(app, 0);
}

static bool
of_the_driver(struct app *app, uint64_t selector)
{
	prepare(app, 0, CALL_METHOD, selector);
	return call(app, 0);
}

static bool
act(struct app *app)
{
	switch (scatter(&app->random) % 16) {
	case 0:
		return of_the_driver(app, TEST_TERMINATE);
	case 1:
		return of_the_driver(app, TEST_OWN_QUEUE);
	case 2:
	case 3:
		return map(app);
	case 4:
	case 5:
		return keep(app);
	case 6:
		return complete(app);
	case 7:
		take_completions(app);
		return true;
	default:
		return echo(app);
	}
}

/* Whether it is the driver that has ended, not just a method that failed. */
static bool
call_was_offline(struct app *app)
{
	prepare(app, 9, CALL_METHOD, TEST_ECHO);
	submit(app, 9);
	return !await_answer(app, 9) || app->page.page->slot[9].reply.status == kIOReturnOffline;
}

static void *
live(void *context)
{
	struct app *app = context;

	while (open_app(app)) {
		unsigned most = scatter(&app->random) % 32;
		bool alive = true;

		while (alive && most-- > 0)
			alive = act(app);
		switch (scatter(&app->random) % 4) {
		case 0: /* as if it had been killed */
			break;
		case 1: /* a terminated one ends when all is taken */
			if (!alive && call_was_offline(app))
				await_hang_up(app);
			break;
		default:
			shutdown(app->socket, SHUT_WR);
			await_hang_up(app);
		}
		give_up(app);
	}
	return NULL;
}

/* --- */

static void
run_round(unsigned round, uint32_t *random)
{
	static struct app apps[APPS];
	unsigned target = atomic_load(&opened) + scatter(random) % 64;
	uint64_t deadline = SOON;
	unsigned before = unit_count_fds();

	fixture_start();
	for (unsigned i = 0; i < APPS; i++) {
		apps[i].random = scatter(random);
		ck_assert_int_eq(pthread_create(&apps[i].thread, NULL, live, &apps[i]), 0);
	}
	while (atomic_load(&opened) < target && clock_now() < deadline)
		sched_yield();
	jitter(random);
	service_terminate(fixture.root);
	for (unsigned i = 0; i < APPS; i++)
		pthread_join(apps[i].thread, NULL);
	OSSafeReleaseNULL(fixture.root);
	meter_wait(&fixture.driver_freed, round + 1);
	while (connection_count() != 0)
		ck_assert_uint_lt(clock_now(), deadline);
	fixture_end();
	ck_assert_uint_eq(unit_count_fds(), before);
}

START_TEST(connections_come_and_go)
{
	uint64_t end = clock_now() + ROUNDS_NSEC;
	uint32_t random = 7;
	unsigned round = 0;

	while (round < ROUNDS_MAX && (round == 0 || clock_now() < end))
		run_round(round++, &random);
	ck_assert_uint_eq(meter_read(&fixture.client_started), meter_read(&fixture.client_stopped));
	/* Some were made too late to be started. */
	ck_assert_uint_le(meter_read(&fixture.client_started), meter_read(&fixture.client_freed));
	ck_assert_uint_gt(atomic_load(&completions), 0);
}
END_TEST

UNIT_MAIN("connections", connections_come_and_go)
