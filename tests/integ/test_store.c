/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dextd is killed and started again, with a stand-in for systemd's descriptor store between: its
 * hosts go on, and so do their apps.
 */
#define UNIT_TIMEOUT_SEC 120
#include "places.h"
#include "store_scene.h"
#include "stream_app.h"
#include "unit.h"

#include <IOKit/IOMessage.h>
#include <mach/mach.h>

#include <poll.h>
#include <xxhash.h>

/* --- hosts go on --- */

START_TEST(everything_is_as_it_was)
{
	uint64_t before[IDS_MAX], after[IDS_MAX];
	pid_t echo, stream;
	unsigned count, descriptors, kept;

	if (!begin())
		return;
	plug("loopback");
	plug("sink");
	IOObjectRelease(harness_wait_service("Echo"));
	ck_assert(harness_wait_service("BulkStream") != MACH_PORT_NULL);
	/* Root, resources, two devices with an interface each, three services. */
	while ((count = all_ids(before)) < 9)
		poll(NULL, 0, 2);
	echo = harness_host_pid("Echo");
	stream = harness_host_pid("BulkStream");
	descriptors = count_descriptors(dextd.harness.pid);
	keeper_settle(&keeper);
	kept = keeper_count(&keeper);
	for (unsigned round = 0; round < 3; round++) {
		kill_and_start();
		ck_assert_uint_eq(all_ids(after), count);
		for (unsigned i = 0; i < count; i++)
			ck_assert_uint_eq(after[i], before[i]);
		ck_assert_int_eq(harness_host_pid("Echo"), echo);
		ck_assert_int_eq(harness_host_pid("BulkStream"), stream);
		ck_assert_uint_eq(keeper_count(&keeper), kept);
	}
	harness_wait_log(&dextd.harness, "goes on; it serves 1");
	ck_assert_ptr_null(strstr(harness_log(&dextd.harness), "starting it again"));
	/* Not one more than the first process had, but for connections of this one. */
	ck_assert_uint_le(count_descriptors(dextd.harness.pid), descriptors + 2);
	/* New hosts are started beside them, with users of their own. */
	plug("source");
	keeper_settle(&keeper);
	ck_assert_uint_eq(keeper_count(&keeper), kept + 1 + 4);
	end();
	ck_assert(harness_until(has_ended, &echo));
	ck_assert(harness_until(has_ended, &stream));
}
END_TEST

#define BUFFERS 32u
#define SIZE	20000u

static void
send_some(struct app *app, uint32_t from, uint32_t to, XXH3_state_t *hash)
{
	for (uint32_t i = from; i < to; i++) {
		app_fill(app, i, SIZE, i + 1);
		XXH3_64bits_update(hash, app_buffer(app, i), SIZE);
		ck_assert_int_eq(app_send(app, i, 0, SIZE, 0), kIOReturnSuccess);
	}
}

/* An open connection neither sees the kill nor the new process; a new one is as the first. */
START_TEST(a_stream_goes_on)
{
	XXH3_state_t *hash = XXH3_createState();
	struct dext_virtual_state state;
	static struct app app, other;

	if (!begin())
		return;
	plug("sink:latency=2000");
	app_open(&app, DEXT_BULKSTREAM_SHARED, BUFFERS + 1, SIZE);
	XXH3_64bits_reset(hash);
	send_some(&app, 0, 8, hash);
	daemon_kill(&dextd);
	send_some(&app, 8, 16, hash);
	app_wait(&app, 12);
	daemon_start(&dextd, KEEP);
	send_some(&app, 16, 24, hash);
	app_open(&other, DEXT_BULKSTREAM_SHARED, 1, 64);
	app_close(&other);
	daemon_kill(&dextd);
	send_some(&app, 24, BUFFERS, hash);
	app_wait(&app, BUFFERS);
	daemon_start(&dextd, KEEP);
	app_expect(&app, 0, BUFFERS, DEXT_BULKSTREAM_OUT, kIOReturnSuccess);
	state = app_device_state(&app, BUFFERS);
	ck_assert_uint_eq(state.out_bytes, (uint64_t)BUFFERS * SIZE);
	ck_assert_uint_eq(state.hash, XXH3_64bits_digest(hash));
	XXH3_freeState(hash);
	app_close(&app);
	end();
}
END_TEST

/* An app that asks while there is no dextd waits for it. */
START_TEST(an_open_waits)
{
	int ends[2], status = -1;
	char byte;
	pid_t pid;

	if (!begin())
		return;
	IOObjectRelease(harness_wait_service("Echo"));
	daemon_kill(&dextd);
	ck_assert_int_eq(pipe(ends), 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		/* A program that has never met it: the socket is there, and nobody listens. */
		io_connect_t connect = MACH_PORT_NULL;
		io_service_t service;

		if (write(ends[1], "x", 1) != 1)
			_exit(2);
		service = IOServiceGetMatchingService(kIOMainPortDefault,
						      IOServiceNameMatching("Echo"));
		_exit(IOServiceOpen(service, mach_task_self(), 0, &connect) != 0);
	}
	ck_assert_int_eq(read(ends[0], &byte, 1), 1);
	daemon_start(&dextd, KEEP);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "0x%x", status);
	end();
}
END_TEST

/* --- what apps are told --- */

struct news {
	IONotificationPortRef port;
	io_iterator_t arrivals, departures;
	io_object_t interest;
	unsigned arrived, departed, terminated;
};

static unsigned
drain(io_iterator_t iterator)
{
	io_object_t object;
	unsigned count = 0;

	while ((object = IOIteratorNext(iterator)) != MACH_PORT_NULL) {
		IOObjectRelease(object);
		count++;
	}
	return count;
}

static void
on_arrival(void *context, io_iterator_t iterator)
{
	((struct news *)context)->arrived += drain(iterator);
}

static void
on_departure(void *context, io_iterator_t iterator)
{
	((struct news *)context)->departed += drain(iterator);
}

static void
on_interest(void *context, io_service_t service, uint32_t message, void *argument)
{
	((struct news *)context)->terminated += message == kIOMessageServiceIsTerminated;
}

static void
watch(struct news *news, const char *name)
{
	io_service_t service = harness_wait_service(name);

	memset(news, 0, sizeof(*news));
	news->port = IONotificationPortCreate(kIOMainPortDefault);
	ck_assert_int_eq(IOServiceAddMatchingNotification(news->port, kIOFirstMatchNotification,
							  IOServiceNameMatching(name), on_arrival,
							  news, &news->arrivals),
			 0);
	ck_assert_int_eq(IOServiceAddMatchingNotification(news->port, kIOTerminatedNotification,
							  IOServiceNameMatching(name), on_departure,
							  news, &news->departures),
			 0);
	ck_assert_int_eq(IOServiceAddInterestNotification(news->port, service, kIOGeneralInterest,
							  on_interest, news, &news->interest),
			 0);
	on_arrival(news, news->arrivals);
	on_departure(news, news->departures);
	ck_assert_uint_eq(news->arrived, 1);
	IOObjectRelease(service);
}

static void
expect_news(struct news *news, unsigned arrived, unsigned departed, unsigned terminated)
{
	struct pollfd wait = {.fd = IONotificationPortGetFileDescriptor(news->port),
			      .events = POLLIN};
	uint64_t deadline = now_msec() + HARNESS_DEADLINE_SEC * 1000;

	while ((news->arrived < arrived || news->departed < departed ||
		news->terminated < terminated) &&
	       now_msec() < deadline) {
		poll(&wait, 1, 100);
		dext_notification_port_dispatch(news->port);
	}
	ck_assert_msg(news->arrived == arrived && news->departed == departed &&
			      news->terminated == terminated,
		      "%u came, %u went, %u ended, not %u, %u, %u:\n%s", news->arrived,
		      news->departed, news->terminated, arrived, departed, terminated,
		      harness_log_end(&dextd.harness));
}

static void
unwatch(struct news *news)
{
	IOObjectRelease(news->arrivals);
	IOObjectRelease(news->departures);
	IOObjectRelease(news->interest);
	IONotificationPortDestroy(news->port);
}

/* With a connection open, of which the hub hears, and without. */
static void
nothing_is_lost_or_doubled(bool open)
{
	io_connect_t connect = MACH_PORT_NULL;
	struct news news;
	uint64_t second;

	if (!begin())
		return;
	plug("sink");
	watch(&news, "BulkStream");
	if (open)
		connect = harness_open("BulkStream", DEXT_BULKSTREAM_SHARED);
	for (unsigned i = 0; i < 2; i++) {
		daemon_kill(&dextd);
		expect_news(&news, 1 + i, i, 0);
		daemon_start(&dextd, KEEP);
		plug_elsewhere();
		/* The second one is told of after all that the renewal could have brought. */
		second = plug("source");
		expect_news(&news, 2 + i, i, 0);
		unplug(second);
		expect_news(&news, 2 + i, 1 + i, 0);
	}
	if (open)
		IOServiceClose(connect);
	unwatch(&news);
	end();
}

START_TEST(news_of_what_is_there)
{
	nothing_is_lost_or_doubled(false);
}
END_TEST

START_TEST(news_of_what_is_open)
{
	nothing_is_lost_or_doubled(true);
}
END_TEST

/* As long as a host has not said what it serves, nobody is told that it serves nothing. */
START_TEST(news_of_what_answers_late)
{
	struct news news;
	uint64_t until;
	pid_t pid;

	if (!begin())
		return;
	plug("sink");
	watch(&news, "BulkStream");
	pid = harness_host_pid("BulkStream");
	daemon_kill(&dextd);
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	daemon_start_begin(&dextd, KEEP);
	/* Less than dextd waits, and much more than the app does before it tries again. */
	for (until = now_msec() + 400; now_msec() < until;) {
		struct pollfd wait = {.fd = IONotificationPortGetFileDescriptor(news.port),
				      .events = POLLIN};

		poll(&wait, 1, (int)(until - now_msec()));
		dext_notification_port_dispatch(news.port);
	}
	ck_assert_int_eq(kill(pid, SIGCONT), 0);
	daemon_start_end(&dextd);
	plug_elsewhere();
	plug("source");
	expect_news(&news, 2, 0, 0);
	unwatch(&news);
	end();
}
END_TEST

/* A host ends while there is no dextd. */
static void
a_host_is_killed(bool open)
{
	io_connect_t connect = MACH_PORT_NULL;
	struct news news;
	uint64_t id;
	pid_t pid;

	if (!begin())
		return;
	watch(&news, "Echo");
	id = id_of("Echo");
	pid = harness_host_pid("Echo");
	if (open)
		connect = harness_open("Echo", 0);
	daemon_kill(&dextd);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert(harness_until(has_ended, &pid));
	/* The connection says so at once; else the next dextd does. */
	expect_news(&news, 1, open, open);
	daemon_start(&dextd, KEEP);
	expect_news(&news, 2, 1, 1);
	ck_assert_uint_ne(id_of("Echo"), id);
	/* Once more, the other way: it goes on, and then it dies. */
	pid = harness_host_pid("Echo");
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	expect_news(&news, 3, 2, 1);
	if (open)
		IOServiceClose(connect);
	unwatch(&news);
	end();
}

START_TEST(a_host_is_killed_meanwhile)
{
	a_host_is_killed(false);
}
END_TEST

START_TEST(a_host_with_apps_is_killed_meanwhile)
{
	a_host_is_killed(true);
}
END_TEST

/* --- the end of one that came back --- */

START_TEST(one_that_came_back_crashes_and_stops)
{
	uint64_t id = 0;
	pid_t pid;

	if (!begin())
		return;
	plug("sink");
	IOObjectRelease(harness_wait_service("BulkStream"));
	IOObjectRelease(harness_wait_new_service("Echo", &id));
	pid = harness_host_pid("Echo");
	kill_and_start();
	/* It is no child; its death is seen all the same, and it is started again. */
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	harness_wait_log(&dextd.harness, "its host has ended; starting it again");
	IOObjectRelease(harness_wait_new_service("Echo", &id));
	/* A new version comes: the old one stops, and that is no crash. */
	kill_and_start();
	pid = harness_host_pid("Echo");
	daemon_drop(&dextd, harness_bundle("ECHO_BUNDLE"), "echo.dext", "two");
	IOObjectRelease(harness_wait_new_service("Echo", &id));
	ck_assert(harness_until(has_ended, &pid));
	ck_assert_ptr_null(strstr(harness_log(&dextd.harness), "is killed"));
	end();
}
END_TEST

/* The bundle is another one when dextd is back. */
START_TEST(a_bundle_is_replaced_meanwhile)
{
	struct news news;
	uint64_t id = 0;
	pid_t pid;

	if (!begin())
		return;
	IOObjectRelease(harness_wait_new_service("Echo", &id));
	watch(&news, "Echo");
	pid = harness_host_pid("Echo");
	daemon_kill(&dextd);
	daemon_drop(&dextd, harness_bundle("ECHO_BUNDLE"), "echo.dext", "two");
	daemon_start(&dextd, KEEP);
	IOObjectRelease(harness_wait_new_service("Echo", &id));
	ck_assert(harness_until(has_ended, &pid));
	expect_news(&news, 2, 1, 1);
	unwatch(&news);
	/* And gone. */
	pid = harness_host_pid("Echo");
	daemon_kill(&dextd);
	daemon_remove(&dextd, "echo.dext");
	daemon_start(&dextd, KEEP);
	ck_assert(harness_until(has_ended, &pid));
	end();
}
END_TEST

UNIT_MAIN("store", everything_is_as_it_was, a_stream_goes_on, an_open_waits, news_of_what_is_there,
	  news_of_what_is_open, news_of_what_answers_late, a_host_is_killed_meanwhile,
	  a_host_with_apps_is_killed_meanwhile, one_that_came_back_crashes_and_stops,
	  a_bundle_is_replaced_meanwhile)
