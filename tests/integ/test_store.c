/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dextd is killed and started again, with a stand-in for systemd's descriptor store between: its
 * hosts go on, and so do their apps.
 */
#include "daemon.h"
#include "keeper.h"
#include "places.h"
#include "plugging.h"
#include "stream_app.h"
#define UNIT_TIMEOUT_SEC 120
#include "unit.h"

#include <IOKit/IOMessage.h>
#include <mach/mach.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <xxhash.h>

#include "packets.h"

#define NULL_LIST ((const char *[]){NULL})
#define KEEP	  ((const char *[]){"--allow-virtual", "--keep-hosts", "500", NULL})

static struct daemon dextd;
static struct keeper keeper;

static uint64_t
now_msec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Kills dextd, and starts it with what it had put into the store. */
static void
kill_and_start(void)
{
	daemon_kill(&dextd);
	daemon_start(&dextd, KEEP);
	plug_elsewhere();
}

/* False: the test is skipped. */
static bool
begin(void)
{
	if (!daemon_prepare(&dextd, 0))
		return false;
	keeper_start(&keeper, &dextd, KEEPER_MAX);
	daemon_drop(&dextd, harness_bundle("ECHO_BUNDLE"), "echo.dext", "one");
	daemon_drop(&dextd, harness_bundle("BULKSTREAM_BUNDLE"), "bulkstream.dext", NULL);
	daemon_start(&dextd, KEEP);
	return true;
}

static bool
is_empty(void *context)
{
	return keeper_count(context) == 0;
}

/* An orderly end leaves nothing in the store. */
static void
end(void)
{
	ck_assert_int_eq(daemon_stop(&dextd), 0);
	ck_assert(harness_until(is_empty, &keeper));
}

/* Of the service's provider. */
static uint64_t
provider_of(const char *name)
{
	io_service_t service = harness_wait_service(name), provider = MACH_PORT_NULL;
	uint64_t id = 0;

	ck_assert_int_eq(IORegistryEntryGetParentEntry(service, kIOServicePlane, &provider), 0);
	ck_assert_int_eq(IORegistryEntryGetRegistryEntryID(provider, &id), 0);
	IOObjectRelease(provider);
	IOObjectRelease(service);
	return id;
}

static uint64_t
id_of(const char *name)
{
	io_service_t service = harness_wait_service(name);
	uint64_t id = 0;

	ck_assert_int_eq(IORegistryEntryGetRegistryEntryID(service, &id), 0);
	IOObjectRelease(service);
	return id;
}

#define IDS_MAX 32

/* The whole tree: the root, devices, interfaces, services. */
static unsigned
all_ids(uint64_t ids[IDS_MAX])
{
	io_registry_entry_t entry = IORegistryGetRootEntry(kIOMainPortDefault);
	io_iterator_t iterator = MACH_PORT_NULL;
	unsigned count = 0;

	ck_assert_int_eq(IORegistryEntryGetRegistryEntryID(entry, &ids[count++]), 0);
	IOObjectRelease(entry);
	ck_assert_int_eq(IORegistryCreateIterator(kIOMainPortDefault, kIOServicePlane,
						  kIORegistryIterateRecursively, &iterator),
			 0);
	while ((entry = IOIteratorNext(iterator)) != MACH_PORT_NULL && count < IDS_MAX) {
		ck_assert_int_eq(IORegistryEntryGetRegistryEntryID(entry, &ids[count++]), 0);
		IOObjectRelease(entry);
	}
	IOObjectRelease(iterator);
	return count;
}

static bool
has_ended(void *context)
{
	pid_t pid = *(pid_t *)context;
	char path[64], line[256] = "";
	FILE *file;
	bool zombie = false;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return true;
	while (!zombie && fgets(line, sizeof(line), file) != NULL)
		zombie = strncmp(line, "State:\tZ", 8) == 0;
	fclose(file);
	return zombie; /* whoever its parent is now will see it */
}

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
	ck_assert_uint_eq(keeper_count(&keeper), kept + 1 + 3);
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
		      harness_log(&dextd.harness));
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

/* --- hosts that do not do as they should --- */

START_TEST(one_that_does_not_answer)
{
	uint64_t id = 0, stream, began;
	pid_t pid;

	if (!begin())
		return;
	plug("sink");
	stream = id_of("BulkStream");
	IOObjectRelease(harness_wait_new_service("Echo", &id));
	pid = harness_host_pid("Echo");
	daemon_kill(&dextd);
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	began = now_msec();
	daemon_start(&dextd, KEEP);
	/* A second, and not before. */
	ck_assert_uint_ge(now_msec() - began, 900);
	harness_wait_log(&dextd.harness, "does not say what it serves and is killed");
	ck_assert(harness_until(has_ended, &pid));
	IOObjectRelease(harness_wait_new_service("Echo", &id));
	ck_assert_uint_eq(id_of("BulkStream"), stream);
	end();
}
END_TEST

/* As a host does; nothing of the library's inside is linked here. */
static void
say(int socket, uint16_t type, const void *body, size_t length, const char *text)
{
	uint8_t message[1024];
	struct packet_header header = {
		.length = (uint32_t)(sizeof(header) + length + strlen(text)),
		.type = type,
	};

	ck_assert_uint_le(header.length, sizeof(message));
	memcpy(message, &header, sizeof(header));
	if (length > 0)
		memcpy(message + sizeof(header), body, length);
	memcpy(message + sizeof(header) + length, text, strlen(text));
	ck_assert_int_eq(send(socket, message, header.length, MSG_NOSIGNAL), header.length);
}

static void
publish(int socket, uint64_t id, uint64_t provider)
{
	struct publish_body body = {.id = id, .provider = provider};

	say(socket, PACKET_HOST_PUBLISH, &body, sizeof(body),
	    "<plist version=\"1.0\"><dict><key>IOUserClass</key><string>Wolf</string></dict>"
	    "</plist>");
}

/* The store's place of the control socket of that process. */
static int
place_of_socket(pid_t pid)
{
	char name[32];

	snprintf(name, sizeof(name), "host-%d-", (int)pid);
	return keeper_find(&keeper, name, "socket:");
}

/* When dextd has killed the wolf, or after half a second, which is less than it waits for. */
static void
continue_soon(pid_t pid)
{
	pid_t test = getpid();

	fflush(NULL);
	if (fork() != 0)
		return;
	for (unsigned i = 0; i < 100 && strstr(harness_log(&dextd.harness), "broke the") == NULL;
	     i++)
		poll(NULL, 0, 5);
	kill(pid, SIGCONT);
	_exit(getppid() != test);
}

/*
 * The store has a socket of this test in the place of the control socket of that process. Returned:
 * the end that speaks for the host.
 */
static int
speak_for(pid_t pid)
{
	int ends[2], place = place_of_socket(pid);

	ck_assert_int_ge(place, 0);
	/* The true one does not see that it is not spoken to any more. */
	ck_assert_int_ge(fcntl(keeper.kept[place].fd, F_DUPFD_CLOEXEC, 0), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	ck_assert_int_ge(dup3(ends[0], keeper.kept[place].fd, O_CLOEXEC), 0);
	close(ends[0]);
	return ends[1];
}

/* The test speaks for the host of Echo, which says that it serves `id`. */
static void
a_wolf_answers(bool own_id)
{
	const struct listing_body listing = {.flags = LISTING_STARTED};
	uint64_t echo = 0, stream, provider;
	pid_t pid, other;
	int socket;

	if (!begin())
		return;
	plug("sink");
	stream = id_of("BulkStream");
	IOObjectRelease(harness_wait_new_service("Echo", &echo));
	provider = provider_of("Echo");
	pid = harness_host_pid("Echo");
	other = harness_host_pid("BulkStream");
	daemon_kill(&dextd);
	/* The one whose service it claims answers later. (Stopped before dextd's end the kernel
	 * would let it go on, as one of a group without a parent.) */
	ck_assert_int_eq(kill(other, SIGSTOP), 0);
	socket = speak_for(pid);
	say(socket, PACKET_HOST_LISTING, &listing, sizeof(listing), "");
	publish(socket, own_id ? stream + 1 : stream, own_id ? stream : provider);
	continue_soon(other);
	daemon_start(&dextd, KEEP);
	harness_wait_log(&dextd.harness, "its host broke the protocol");
	ck_assert(harness_until(has_ended, &pid));
	ck_assert_uint_eq(id_of("BulkStream"), stream);
	ck_assert_int_eq(harness_host_pid("BulkStream"), other);
	IOObjectRelease(harness_wait_new_service("Echo", &echo));
	close(socket);
	end();
}

START_TEST(one_that_claims_anothers_service)
{
	a_wolf_answers(false);
}
END_TEST

/* Its own service, below one that is not its own. */
START_TEST(one_that_claims_anothers_provider)
{
	a_wolf_answers(true);
}
END_TEST

/* A device that went while nobody listened: the host says so, and is let end by itself. */
START_TEST(one_whose_device_has_gone)
{
	const struct listing_body listing = {.flags = LISTING_STARTED | LISTING_GONE};
	uint64_t ids[IDS_MAX], stream, provider;
	struct packet_header header = {0};
	uint16_t expected[] = {PACKET_HOST_LIST, PACKET_HOST_UNPLUG};
	pid_t pid;
	int socket;

	if (!begin())
		return;
	plug("sink");
	stream = id_of("BulkStream");
	provider = provider_of("BulkStream");
	pid = harness_host_pid("BulkStream");
	daemon_kill(&dextd);
	socket = speak_for(pid);
	daemon_start_begin(&dextd, KEEP);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_ge(recv(socket, &header, sizeof(header), 0), sizeof(header));
		ck_assert_uint_eq(header.type, expected[i]);
		if (i == 0) {
			say(socket, PACKET_HOST_LISTING, &listing, sizeof(listing), "");
			publish(socket, stream, provider);
			say(socket, PACKET_HOST_LISTED, NULL, 0, "");
		}
	}
	daemon_start_end(&dextd);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	close(socket);
	harness_wait_log(&dextd.harness, "virtual:sink at 0x80100000 has gone");
	ck_assert_ptr_null(strstr(harness_log(&dextd.harness), "broke the protocol"));
	ck_assert_uint_eq(all_ids(ids), 3); /* the root, no device, and Echo on it */
	end();
}
END_TEST

/* What is in the store is not all there, or is of nobody. */
START_TEST(a_store_that_is_not_complete)
{
	static const char *const kinds[] = {"socket:", "memfd:", "pidfd"};
	uint64_t id = 0;
	pid_t pid;

	if (!begin())
		return;
	for (unsigned i = 0; i < 3; i++) {
		char name[32];
		int place;

		IOObjectRelease(harness_wait_new_service("Echo", &id));
		pid = harness_host_pid("Echo");
		daemon_kill(&dextd);
		snprintf(name, sizeof(name), "host-%d-", (int)pid);
		place = keeper_find(&keeper, name, kinds[i]);
		ck_assert_int_ge(place, 0);
		close(keeper.kept[place].fd);
		keeper.kept[place] = keeper.kept[--keeper.count];
		daemon_start(&dextd, KEEP);
		ck_assert(harness_until(has_ended, &pid));
	}
	IOObjectRelease(harness_wait_new_service("Echo", &id));
	daemon_kill(&dextd);
	snprintf(keeper.kept[keeper.count].name, KEEPER_NAME_MAX, "from-elsewhere");
	keeper.kept[keeper.count++].fd = dup(STDERR_FILENO);
	daemon_start(&dextd, KEEP);
	ck_assert_uint_eq(id_of("Echo"), id);
	end();
}
END_TEST

/* --- no room --- */

/* Root and device 1 descriptor each, Echo's host 3: one that does not fit ends with dextd. */
START_TEST(a_full_store)
{
	uint64_t id = 0;
	pid_t pid;

	if (!daemon_prepare(&dextd, 0))
		return;
	keeper_start(&keeper, &dextd, KEEPER_MAX);
	daemon_drop(&dextd, harness_bundle("ECHO_BUNDLE"), "echo.dext", NULL);
	for (unsigned most = 4; most <= 5; most++) {
		const char *const arguments[] = {"--keep-hosts", most == 4 ? "4" : "5", NULL};

		daemon_start(&dextd, arguments);
		IOObjectRelease(harness_wait_new_service("Echo", &id));
		pid = harness_host_pid("Echo");
		daemon_kill(&dextd);
		if (most == 4)
			ck_assert(harness_until(has_ended, &pid));
	}
	daemon_start(&dextd, KEEP);
	ck_assert_uint_eq(id_of("Echo"), id);
	ck_assert_uint_eq(keeper.refused, 0);
	end();
}
END_TEST

/* systemd has room for less than dextd was told. */
START_TEST(a_store_that_lets_fall)
{
	uint64_t id = 0;
	pid_t pid;

	if (!daemon_prepare(&dextd, 0))
		return;
	keeper_start(&keeper, &dextd, 4);
	daemon_drop(&dextd, harness_bundle("ECHO_BUNDLE"), "echo.dext", NULL);
	for (unsigned i = 0; i < 2; i++) {
		daemon_start(&dextd, KEEP);
		IOObjectRelease(harness_wait_new_service("Echo", &id));
		pid = harness_host_pid("Echo");
		daemon_kill(&dextd);
	}
	ck_assert_uint_gt(keeper.refused, 0);
	daemon_start(&dextd, KEEP);
	ck_assert(harness_until(has_ended, &pid));
	IOObjectRelease(harness_wait_new_service("Echo", &id));
	ck_assert_int_eq(daemon_stop(&dextd), 0);
}
END_TEST

START_TEST(no_store)
{
	uint64_t id = 0;
	pid_t pid;

	if (!daemon_prepare(&dextd, 0))
		return;
	daemon_drop(&dextd, harness_bundle("ECHO_BUNDLE"), "echo.dext", NULL);
	daemon_start(&dextd, NULL_LIST);
	IOObjectRelease(harness_wait_new_service("Echo", &id));
	pid = harness_host_pid("Echo");
	daemon_kill(&dextd);
	ck_assert(harness_until(has_ended, &pid));
	daemon_start(&dextd, NULL_LIST);
	IOObjectRelease(harness_wait_new_service("Echo", &id));
	ck_assert_int_eq(daemon_stop(&dextd), 0);
}
END_TEST

UNIT_MAIN("store", everything_is_as_it_was, a_stream_goes_on, an_open_waits, news_of_what_is_there,
	  news_of_what_is_open, news_of_what_answers_late, a_host_is_killed_meanwhile,
	  a_host_with_apps_is_killed_meanwhile, one_that_came_back_crashes_and_stops,
	  a_bundle_is_replaced_meanwhile, one_that_does_not_answer,
	  one_that_claims_anothers_service, one_that_claims_anothers_provider,
	  one_whose_device_has_gone, a_store_that_is_not_complete, a_full_store,
	  a_store_that_lets_fall, no_store)
