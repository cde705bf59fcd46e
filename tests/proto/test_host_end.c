/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a connection begins in vain, and how it ends: closed, with its app, with the driver.
 */
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "driver_fixture.h"
#include "raw_calls.h"
#include "raw_client.h"

START_TEST(closing_stops_and_gives_back)
{
	unsigned before;
	struct raw raw;

	fixture_start();
	before = unit_count_fds();
	raw_open(&raw);
	raw_keep(&raw, 3, 1);
	raw_map(&raw, 0, 0);
	close(raw_expect_memory(&raw, 0, true));
	raw_close(&raw);
	ck_assert_uint_eq(meter_read(&fixture.client_stopped), 1);
	/* Although the driver still holds the completion when its Stop returns. */
	meter_wait(&fixture.client_freed, 1);
	ck_assert_uint_eq(connection_count(), 0);
	/* What the loop gives up it gives up when its threads are through. */
	for (uint64_t end = clock_now() + RAW_DEADLINE; unit_count_fds() != before;)
		ck_assert_uint_lt(clock_now(), end);
	fixture_end();
}
END_TEST

START_TEST(closing_while_a_method_runs_on_its_own_queue)
{
	IODispatchQueue *queue = NULL;
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	ck_assert_int_eq(queue_create("own", &queue), 0);
	ck_assert_int_eq(OSObject_SetDispatchQueue((OSObject *)fixture.client,
						   kIOUserClientQueueNameExternalMethod, queue),
			 kIOReturnSuccess);
	OSRelease(queue);
	raw_request(&raw, 0, CALL_METHOD, TEST_BLOCK);
	raw_submit(&raw, 0);
	meter_wait(&fixture.entered, 1);
	raw_close(&raw);
	ck_assert_uint_eq(meter_read(&fixture.client_stopped), 1);
	/* Its method is still running. */
	ck_assert_uint_eq(meter_read(&fixture.client_freed), 0);
	meter_raise(&fixture.go);
	meter_wait(&fixture.client_freed, 1);
	fixture_end();
}
END_TEST

static void
wait_for_go(struct work *work)
{
	meter_raise(&fixture.entered);
	meter_wait(&fixture.go, 1);
}

/* NewUserClient of a driver that is terminating is not called: 99 would be kIOReturnError. */
START_TEST(an_open_whose_turn_comes_after_the_termination)
{
	static struct packet packet;
	struct host_open_body who = {.type = 99, .version = PROTOCOL_VERSION, .pid = getpid()};
	struct work busy = {.run = wait_for_go};
	int ends[2];

	fixture_start();
	queue_post(fixture.queue, &busy);
	meter_wait(&fixture.entered, 1);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	connection_open_take(fixture.loop, fixture.root, ends[1], -1, &who);
	service_terminate(fixture.root);
	meter_raise(&fixture.go);
	raw_wait_readable(ends[0]);
	ck_assert_int_eq(packet_receive(ends[0], &packet, false), kIOReturnSuccess);
	ck_assert_int_eq(packet.header->status, kIOReturnOffline);
	close(ends[0]);
	fixture_end();
}
END_TEST

START_TEST(death_of_the_app_ends_although_the_socket_lives)
{
	struct raw raw;
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	fixture_start();
	/* The end of a pipe stands for the pidfd: readable when the other end goes. */
	raw_open_with(&raw, fixture.root, 0, ends[0]);
	raw_echo(&raw, 1);
	ck_assert_int_eq(write(ends[1], "", 1), 1);
	meter_wait(&fixture.client_freed, 1);
	raw_expect_end(&raw);
	raw_free(&raw);
	close(ends[1]);
	fixture_end();
}
END_TEST

/* This process is the child that still holds the connection of the app. */
START_TEST(death_of_the_app_is_seen_although_a_child_holds_the_socket)
{
	struct raw raw;
	pid_t app = fork();

	ck_assert_int_ge(app, 0);
	if (app == 0)
		for (;;)
			pause();
	fixture_start();
	raw_open_with(&raw, fixture.root, 0, (int)syscall(SYS_pidfd_open, app, 0));
	raw_echo(&raw, 1);
	ck_assert_int_eq(kill(app, SIGKILL), 0);
	meter_wait(&fixture.client_freed, 1);
	raw_expect_end(&raw);
	raw_free(&raw);
	ck_assert_int_eq(waitpid(app, NULL, 0), app);
	fixture_end();
}
END_TEST

START_TEST(a_kept_completion_is_aborted_when_the_app_has_gone)
{
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	raw_keep(&raw, 3, 1);
	raw_echo(&raw, 1);
	ck_assert_uint_eq(meter_read(&fixture.aborted), 0);
	raw_free(&raw);
	meter_wait(&fixture.aborted, 1);
	ck_assert_uint_eq(fixture.stopped_at_abort, 0);
	meter_wait(&fixture.client_freed, 1);
	fixture_end();
	ck_assert_uint_eq(meter_read(&fixture.aborted), 1);
}
END_TEST

START_TEST(terminating_the_driver_hangs_up)
{
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	service_terminate(fixture.root);
	raw_expect_end(&raw);
	ck_assert_uint_eq(meter_read(&fixture.client_stopped), 1);
	raw_free(&raw);
	fixture_end();
	ck_assert_uint_eq(meter_read(&fixture.driver_stopped), 1);
}
END_TEST

/* --- completions that wait when the driver ends --- */

#define MORE_THAN_A_RING (3 * COMPLETION_RING_MAX)

/* The user client has stopped, and more completions wait than the ring holds. */
static void
terminate_with_completions(struct raw *raw)
{
	unsigned freed = meter_read(&fixture.client_freed);

	fixture_start();
	raw_open(raw);
	raw_keep(raw, 1023, 6);
	ck_assert_int_eq(raw_complete(raw, MORE_THAN_A_RING, 0), kIOReturnSuccess);
	service_terminate(fixture.root);
	meter_wait(&fixture.client_freed, freed + 1);
}

START_TEST(completions_that_wait_outlive_the_driver)
{
	struct call_request *request;
	struct raw raw;

	terminate_with_completions(&raw);
	OSSafeReleaseNULL(fixture.root);
	meter_wait(&fixture.driver_freed, 1);
	/* It is still there, and says to every call that the driver has gone. */
	for (unsigned i = 0; i < 500; i++) {
		raw_request(&raw, 0, CALL_METHOD, TEST_ECHO)->scalar_out_count = 1;
		ck_assert_int_eq(raw_call(&raw, 0)->status, kIOReturnOffline);
	}
	ck_assert_int_eq(raw_map(&raw, 1, 0)->status, kIOReturnOffline);
	request = raw_request(&raw, 2, CALL_METHOD, TEST_KEEP);
	request->flags = CALL_ASYNC;
	ck_assert_int_eq(raw_call(&raw, 2)->status, kIOReturnOffline);
	raw_expect_completions(&raw, MORE_THAN_A_RING, 0);
	raw_expect_released(&raw, 1023, 6);
	raw_expect_released(&raw, 0, 0);
	raw_expect_end(&raw);
	ck_assert_uint_eq(connection_count(), 0);
	raw_free(&raw);
	fixture_end();
}
END_TEST

START_TEST(an_app_closes_before_it_has_taken_them)
{
	struct raw raw;

	terminate_with_completions(&raw);
	raw_expect_completions(&raw, 10, 0);
	raw_close(&raw);
	ck_assert_uint_eq(connection_count(), 0);
	fixture_end();
}
END_TEST

START_TEST(an_app_breaks_a_rule_before_it_has_taken_them)
{
	struct raw raw;

	terminate_with_completions(&raw);
	raw_request(&raw, 0, CALL_METHOD, TEST_ECHO)->zero[0] = 1;
	raw_submit(&raw, 0);
	raw_expect_end(&raw);
	raw_free(&raw);
	fixture_end();
}
END_TEST

START_TEST(an_app_goes_before_the_driver_has_stopped)
{
	struct work busy = {.run = wait_for_go};
	struct raw raw;

	fixture_start();
	raw_open(&raw);
	raw_keep(&raw, 1023, 6);
	ck_assert_int_eq(raw_complete(&raw, MORE_THAN_A_RING, 0), kIOReturnSuccess);
	queue_post(fixture.queue, &busy);
	meter_wait(&fixture.entered, 1);
	service_terminate(fixture.root);
	/* The driver takes its time: calls are answered all the same. */
	raw_request(&raw, 0, CALL_METHOD, TEST_ECHO);
	ck_assert_int_eq(raw_call(&raw, 0)->status, kIOReturnOffline);
	shutdown(raw.socket, SHUT_WR);
	meter_raise(&fixture.go);
	raw_expect_end(&raw);
	raw_free(&raw);
	fixture_end();
}
END_TEST

static struct meter all_taken;

static void
note_all_taken(void)
{
	meter_raise(&all_taken);
}

START_TEST(waiting_for_apps_ends)
{
	struct raw raw, other;

	fixture_start();
	ck_assert(!connections_await(note_all_taken));
	fixture_end();
	terminate_with_completions(&raw);
	ck_assert(connections_await(note_all_taken));
	raw_expect_completions(&raw, MORE_THAN_A_RING, 0);
	meter_wait(&all_taken, 1);
	raw_expect_end(&raw);
	raw_free(&raw);
	fixture_end();
	/* Or is given up. */
	terminate_with_completions(&other);
	ck_assert(connections_await(note_all_taken));
	connections_abandon();
	meter_wait(&all_taken, 2);
	raw_expect_end(&other);
	raw_free(&other);
	fixture_end();
}
END_TEST

START_TEST(opens_that_are_refused)
{
	unsigned before;
	struct raw raw;

	fixture_start();
	before = unit_count_fds();
	raw_open_with(&raw, fixture.root, 99, -1);
	ck_assert_int_eq(raw.status, kIOReturnError);
	raw_expect_end(&raw);
	raw_free(&raw);
	fixture.no_user_client = true;
	raw_open_with(&raw, fixture.root, 0, -1);
	ck_assert_int_eq(raw.status, kIOReturnUnsupported);
	raw_free(&raw);
	/* The object that was refused is stopped all the same. */
	meter_wait(&fixture.child_stopped, 1);
	ck_assert_uint_eq(connection_count(), 0);
	for (uint64_t end = clock_now() + RAW_DEADLINE; unit_count_fds() != before;)
		ck_assert_uint_lt(clock_now(), end);
	fixture_end();
}
END_TEST

UNIT_MAIN("host end", closing_stops_and_gives_back, closing_while_a_method_runs_on_its_own_queue,
	  an_open_whose_turn_comes_after_the_termination,
	  death_of_the_app_ends_although_the_socket_lives,
	  death_of_the_app_is_seen_although_a_child_holds_the_socket,
	  a_kept_completion_is_aborted_when_the_app_has_gone, terminating_the_driver_hangs_up,
	  completions_that_wait_outlive_the_driver, an_app_closes_before_it_has_taken_them,
	  an_app_breaks_a_rule_before_it_has_taken_them, an_app_goes_before_the_driver_has_stopped,
	  waiting_for_apps_ends, opens_that_are_refused)
