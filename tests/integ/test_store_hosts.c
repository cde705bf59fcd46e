/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dextd is killed and started again, and what comes back from the descriptor store is not as it
 * should be: hosts that do not answer or lie, things that are missing, no room.
 */
#define UNIT_TIMEOUT_SEC 120
#include "store_scene.h"
#include "unit.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "echo.h"
#include "packets.h"

#define NULL_LIST ((const char *[]){NULL})

/* Kills dextd once it has another Echo than `id`, and sets that. Returned: Echo's host. */
static pid_t
kill_with_new_echo(uint64_t *id)
{
	pid_t pid;

	IOObjectRelease(harness_wait_new_service("Echo", id));
	pid = harness_host_pid("Echo");
	daemon_kill(&dextd);
	return pid;
}

START_TEST(one_that_does_not_answer)
{
	uint64_t id = 0, stream, began;
	pid_t pid;

	if (!begin())
		return;
	plug("sink");
	stream = id_of("BulkStream");
	pid = kill_with_new_echo(&id);
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

/* Plugs a sink in, kills dextd, and speaks for the host of the sink, which is `*ret_pid`. */
static int
speak_for_sink(uint64_t *ret_stream, uint64_t *ret_provider, pid_t *ret_pid)
{
	plug("sink");
	*ret_stream = id_of("BulkStream");
	*ret_provider = provider_of("BulkStream");
	*ret_pid = harness_host_pid("BulkStream");
	daemon_kill(&dextd);
	return speak_for(*ret_pid);
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

/* A dextd that was killed soon had asked before, and has read only some of the answer. */
START_TEST(one_that_was_asked_before)
{
	const struct listing_body listing = {.flags = LISTING_STARTED};
	uint64_t stream, provider;
	pid_t pid;
	int socket;

	if (!begin())
		return;
	socket = speak_for_sink(&stream, &provider, &pid);
	publish(socket, stream, provider);
	say(socket, PACKET_HOST_LISTED, NULL, 0, "");
	for (unsigned i = 0; i < 3; i++) {
		say(socket, PACKET_HOST_LISTING, &listing, sizeof(listing), "");
		publish(socket, stream, provider);
		say(socket, PACKET_HOST_LISTED, NULL, 0, "");
	}
	daemon_start(&dextd, KEEP);
	/* Everything has been read: what a host has said is taken before an app is answered. */
	ck_assert_uint_eq(id_of("Wolf"), stream);
	ck_assert_uint_eq(id_of("Wolf"), stream);
	ck_assert_int_eq(kill(pid, 0), 0);
	ck_assert_ptr_null(strstr(harness_log(&dextd.harness), "broke the protocol"));
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	close(socket);
	end();
}
END_TEST

/* As if kernel drivers had been detached from all interfaces that there can be. */
START_TEST(a_device_all_of_whose_interfaces_were_taken)
{
	const uint32_t all = UINT32_MAX;
	uint64_t stream;
	int place;

	if (!begin())
		return;
	plug("sink");
	stream = id_of("BulkStream");
	daemon_kill(&dextd);
	/* Behind the version. */
	while ((place = keeper_find(&keeper, "device-", "memfd:")) >= 0) {
		ck_assert_int_eq(pwrite(keeper.kept[place].fd, &all, sizeof(all), 4), 4);
		keeper.kept[place].name[0] = 'D';
	}
	for (unsigned i = 0; i < keeper.count; i++)
		keeper.kept[i].name[0] =
			keeper.kept[i].name[0] == 'D' ? 'd' : keeper.kept[i].name[0];
	daemon_start(&dextd, KEEP);
	ck_assert_uint_eq(id_of("BulkStream"), stream);
	end();
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
	socket = speak_for_sink(&stream, &provider, &pid);
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

/* A virtual device on its way when dextd is killed: nobody else knows that it is to go. */
START_TEST(one_whose_device_was_going)
{
	uint64_t ids[IDS_MAX], device;
	pid_t pid;

	if (!begin())
		return;
	device = plug("sink");
	id_of("BulkStream");
	pid = harness_host_pid("BulkStream");
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	unplug_begin(device);
	/* Asked later, and answered after that was begun. */
	all_ids(ids);
	daemon_kill(&dextd);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	plug_elsewhere();
	daemon_start(&dextd, KEEP);
	ck_assert_uint_eq(all_ids(ids), 3); /* as above */
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

		pid = kill_with_new_echo(&id);
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

/* What is written while there is no dextd waits in the pipe, which the next one has. */
START_TEST(its_log_goes_on)
{
	const uint64_t lines[] = {2, ECHO_TALK_ENDS};
	io_connect_t connect;

	if (!begin())
		return;
	connect = harness_open("Echo", 0);
	daemon_kill(&dextd);
	ck_assert_int_eq(IOConnectCallScalarMethod(connect, ECHO_TALK, lines, 2, NULL, NULL),
			 kIOReturnSuccess);
	daemon_start(&dextd, KEEP);
	harness_wait_log(&dextd.harness, "org.opendext.test.echo: talk 1 ");
	ck_assert_int_eq(daemon_as(0, 0, "$DEXT logs | grep -q 'echo.[0-9]*.: talk 1 '"), 0);
	IOServiceClose(connect);
	end();
}
END_TEST

/* --- no room --- */

/* Root and device 1 descriptor each, Echo's host 4: one that does not fit ends with dextd. */
START_TEST(a_full_store)
{
	uint64_t id = 0;
	pid_t pid;

	if (!daemon_prepare(&dextd, 0))
		return;
	keeper_start(&keeper, &dextd, KEEPER_MAX);
	daemon_drop(&dextd, harness_bundle("ECHO_BUNDLE"), "echo.dext", NULL);
	for (unsigned most = 5; most <= 6; most++) {
		const char *const arguments[] = {"--keep-hosts", most == 5 ? "5" : "6", NULL};

		daemon_start(&dextd, arguments);
		pid = kill_with_new_echo(&id);
		if (most == 5)
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
		pid = kill_with_new_echo(&id);
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
	pid = kill_with_new_echo(&id);
	ck_assert(harness_until(has_ended, &pid));
	daemon_start(&dextd, NULL_LIST);
	IOObjectRelease(harness_wait_new_service("Echo", &id));
	ck_assert_int_eq(daemon_stop(&dextd), 0);
}
END_TEST

UNIT_MAIN("store, hosts", one_that_does_not_answer, one_that_claims_anothers_service,
	  one_that_claims_anothers_provider, one_that_was_asked_before,
	  a_device_all_of_whose_interfaces_were_taken, one_whose_device_has_gone,
	  one_whose_device_was_going, a_store_that_is_not_complete, its_log_goes_on, a_full_store,
	  a_store_that_lets_fall, no_store)
