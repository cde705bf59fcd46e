/* SPDX-License-Identifier: Apache-2.0 */
/* Callers that sleep without a timeout, because a thread sees their host go. A test that fails does
 * so by its own timeout: somebody sleeps for ever. */
#include "unit.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "connection_private.h"
#include "fake_host.h"
#include "hangups.h"
#include "object_table.h"

#define CALLERS	  8u
#define ROUNDS	  200u
#define SOON	  (5 * NSEC_PER_SEC)
#define CALLS_MAX 100000u
#define ANSWERED  UINT32_MAX /* selector of a call that is */

struct caller {
	pthread_t thread;
	_Atomic pid_t id;
	io_connect_t connect;
	IOReturn status;
	uint64_t ended;
};

static bool
answer_some(struct fake_host *host, unsigned slot, const struct call_request *request,
	    struct call_reply *reply)
{
	return request->selector == ANSWERED;
}

static io_connect_t
open_host(struct fake_host *host)
{
	fake_host_create(host);
	host->method = answer_some;
	return fake_host_open(host);
}

static void *
call(void *argument)
{
	struct caller *caller = argument;

	atomic_store(&caller->id, gettid());
	caller->status = IOConnectCallScalarMethod(caller->connect, 0, NULL, 0, NULL, NULL);
	caller->ended = clock_now();
	return NULL;
}

static void
start_callers(struct caller *callers, io_connect_t connect)
{
	for (unsigned i = 0; i < CALLERS; i++) {
		callers[i] = (struct caller){.connect = connect};
		ck_assert_int_eq(pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
	}
}

/* What all of them have returned, soon after `since`. */
static IOReturn
join_callers(struct caller *callers, uint64_t since)
{
	for (unsigned i = 0; i < CALLERS; i++) {
		pthread_join(callers[i].thread, NULL);
		ck_assert_uint_lt(callers[i].ended, since + SOON);
		ck_assert_int_eq(callers[i].status, callers[0].status);
	}
	return callers[0].status;
}

static bool
is_watched(io_connect_t connect)
{
	struct connection *connection = object_copy_connection(connect);
	bool watched = atomic_load(&connection->watched);

	connection_release(connection);
	return watched;
}

static void
make_watched(io_connect_t connect)
{
	struct connection *connection = object_copy_connection(connect);

	hangups_watch(connection);
	ck_assert(atomic_load(&connection->watched));
	connection_release(connection);
}

/* Until the host has all calls, and all callers say that they sleep, or are just about to. */
static void
await_sleepers(const struct fake_host *host)
{
	for (unsigned sleepers = 0;
	     sleepers < CALLERS ||
	     atomic_load(&host->page->taken.bits) != atomic_load(&host->page->submitted.bits);
	     poll(NULL, 0, 1)) {
		sleepers = 0;
		for (unsigned i = 0; i < CALL_PAGE_SLOTS; i++)
			sleepers += (atomic_load(&host->page->slot[i].reply.answered) &
				     CALL_WAITER) != 0;
	}
}

/* A connection that is watched, with callers that sleep. */
static io_connect_t
open_with_sleepers(struct fake_host *host, struct caller *callers)
{
	io_connect_t connect = open_host(host);

	make_watched(connect);
	start_callers(callers, connect);
	await_sleepers(host);
	return connect;
}

/* The host's end is what all of them return with. */
static void
stop_host(struct fake_host *host, struct caller *callers, io_connect_t connect)
{
	uint64_t died = clock_now();

	fake_host_stop(host);
	ck_assert_int_eq(join_callers(callers, died), kIOReturnOffline);
	ck_assert_int_eq(IOConnectCallScalarMethod(connect, ANSWERED, NULL, 0, NULL, NULL),
			 MACH_SEND_INVALID_DEST);
	IOServiceClose(connect);
}

/* After await_sleepers: until the kernel has all of them asleep. */
static void
await_sleep(struct caller *callers)
{
	for (unsigned i = 0; i < CALLERS; i++) {
		char state = 0, path[64];
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/task/%d/stat",
			 atomic_load(&callers[i].id));
		for (; state != 'S'; poll(NULL, 0, 1)) {
			ck_assert_ptr_nonnull(file = fopen(path, "r"));
			ck_assert_int_eq(fscanf(file, "%*d (%*[^)]) %c", &state), 1);
			fclose(file);
		}
	}
}

START_TEST(who_sleeps_often_is_watched)
{
	struct fake_host host;
	io_connect_t connect;

	/* Who spins need not sleep at all. */
	ck_assert_int_eq(setenv("OPENDEXT_SPIN", "0", 1), 0);
	connect = open_host(&host);
	ck_assert_int_eq(IOConnectCallScalarMethod(connect, ANSWERED, NULL, 0, NULL, NULL), 0);
	ck_assert(!is_watched(connect));
	/* Not every call has to sleep. */
	for (unsigned i = 0; i < CALLS_MAX && !is_watched(connect); i++)
		ck_assert_int_eq(IOConnectCallScalarMethod(connect, ANSWERED, NULL, 0, NULL, NULL),
				 0);
	ck_assert(is_watched(connect));
	ck_assert_int_eq(IOConnectCallScalarMethod(connect, ANSWERED, NULL, 0, NULL, NULL), 0);
	IOServiceClose(connect);
	fake_host_stop(&host);
}
END_TEST

START_TEST(the_hosts_end_wakes_all)
{
	struct caller callers[CALLERS];
	struct fake_host host, other;
	io_connect_t connect, another = open_host(&other);
	sigset_t all;

	/* No signal has anything to do with it. */
	sigfillset(&all);
	ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &all, NULL), 0);
	make_watched(another);
	connect = open_with_sleepers(&host, callers);
	stop_host(&host, callers, connect);
	ck_assert_int_eq(IOConnectCallScalarMethod(another, ANSWERED, NULL, 0, NULL, NULL), 0);
	IOServiceClose(another);
	fake_host_stop(&other);
}
END_TEST

/* Of a host that would have them sleep on: it says that nobody does, and goes. */
START_TEST(who_is_not_said_to_sleep_is_woken)
{
	struct caller callers[CALLERS];
	struct fake_host host;
	io_connect_t connect = open_with_sleepers(&host, callers);

	await_sleep(callers);
	for (unsigned i = 0; i < CALL_PAGE_SLOTS; i++)
		atomic_fetch_and(&host.page->slot[i].reply.answered, ~CALL_WAITER);
	stop_host(&host, callers, connect);
}
END_TEST

/* At any moment on their way into the sleep. */
START_TEST(nobody_falls_asleep_after_the_end)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct caller callers[CALLERS];
		struct fake_host host;
		io_connect_t connect = open_host(&host);

		make_watched(connect);
		start_callers(callers, connect);
		fake_host_stop(&host);
		for (unsigned i = 0; i < CALLERS; i++) {
			pthread_join(callers[i].thread, NULL);
			ck_assert(callers[i].status == kIOReturnOffline ||
				  callers[i].status == MACH_SEND_INVALID_DEST);
		}
		IOServiceClose(connect);
	}
}
END_TEST

START_TEST(closing_wakes_all)
{
	struct caller callers[CALLERS];
	struct fake_host host;
	io_connect_t connect = open_with_sleepers(&host, callers);
	uint64_t closed;

	closed = clock_now();
	ck_assert_int_eq(IOServiceClose(connect), 0);
	ck_assert_int_eq(join_callers(callers, closed), kIOReturnAborted);
	fake_host_stop(&host);
}
END_TEST

START_TEST(a_broken_rule_wakes_the_others)
{
	struct caller callers[CALLERS];
	struct connection *connection;
	struct fake_host host;
	io_connect_t connect = open_with_sleepers(&host, callers);
	uint64_t broken;

	connection = object_copy_connection(connect);
	broken = clock_now();
	connection_break(connection, "one of the test");
	connection_release(connection);
	ck_assert_int_eq(join_callers(callers, broken), kIOReturnOffline);
	IOServiceClose(connect);
	fake_host_stop(&host);
}
END_TEST

static void
live_in_child(void *context)
{
#ifndef __SANITIZE_THREAD__ /* it starts no threads after a fork */
	struct caller callers[CALLERS];
	struct fake_host host;
	io_connect_t connect = open_with_sleepers(&host, callers);

	stop_host(&host, callers, connect);
#endif
}

START_TEST(a_child_has_a_thread_of_its_own)
{
	struct caller callers[CALLERS];
	struct fake_host host;
	io_connect_t connect = open_with_sleepers(&host, callers);

	ck_assert_int_eq(unit_child(live_in_child, NULL, NULL, 0), 0);
	stop_host(&host, callers, connect);
}
END_TEST

UNIT_MAIN("client_hangups", who_sleeps_often_is_watched, the_hosts_end_wakes_all,
	  who_is_not_said_to_sleep_is_woken, nobody_falls_asleep_after_the_end, closing_wakes_all,
	  a_broken_rule_wakes_the_others, a_child_has_a_thread_of_its_own)
