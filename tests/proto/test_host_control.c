/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host process and its control socket, spoken to as the registry does. PLAIN_HOST and
 * PLAIN_BUNDLE are the paths of the program and of the shared object.
 */
#include "unit.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "call_page.h"
#include "clock.h"
#include "doorbell.h"
#include "packets.h"
#include "plist.h"
#include "trace.h"

#define DEADLINE_MSEC 20000

static struct packet packet;

struct child {
	pid_t pid;
	int socket;
	uint64_t id; /* of the service that it published */
};

static void
spawn(struct child *child)
{
	int ends[2];
	char number[16];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	snprintf(number, sizeof(number), "%d", ends[1]);
	child->pid = fork();
	ck_assert_int_ge(child->pid, 0);
	if (child->pid == 0) {
		fcntl(ends[1], F_SETFD, 0);
		/* An emulated program starts another one by its emulator, which Meson names. */
		execl("/bin/sh", "sh", "-c", "exec $MESON_EXE_WRAPPER \"$0\" \"$1\"",
		      getenv("PLAIN_HOST"), number, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	child->socket = ends[0];
}

static void
send_packet(struct child *child, uint16_t type, uint32_t sequence, const void *body, size_t length,
	    const int *fds, unsigned count)
{
	struct packet_header header = {.type = type, .sequence = sequence};

	ck_assert_int_eq(packet_send(child->socket, &header, body, length, fds, count, true), 0);
}

static OSDictionary *
start_dictionary(const char *flag)
{
	OSDictionary *start = OSDictionaryCreate(4), *personality = OSDictionaryCreate(4);
	OSDictionary *client = OSDictionaryCreate(2);

	OSDictionarySetStringValue(client, "IOClass", "IOUserUserClient");
	OSDictionarySetStringValue(client, "IOUserClass", "PlainClient");
	OSDictionarySetValue(personality, "UserClientProperties", client);
	OSDictionarySetStringValue(personality, "IOUserClass", "PlainDriver");
	if (flag != NULL)
		OSDictionarySetValue(personality, flag, kOSBooleanTrue);
	OSDictionarySetStringValue(start, "Executable", getenv("PLAIN_BUNDLE"));
	OSDictionarySetStringValue(start, "Bundle", "plain.bundle");
	OSDictionarySetStringValue(start, "BundlePath", "/nowhere/plain.dext");
	OSDictionarySetStringValue(start, "Sandbox", "best");
	OSDictionarySetValue(start, "Personality", personality);
	OSDictionarySetUInt64Value(start, "ProviderID", 5);
	OSRelease(client);
	OSRelease(personality);
	return start;
}

static void
send_start(struct child *child, OSDictionary *start)
{
	void *bytes = NULL;
	size_t length = 0;

	ck_assert_int_eq(plist_encode(start, &bytes, &length), 0);
	send_packet(child, PACKET_HOST_START, 41, bytes, length, NULL, 0);
	free(bytes);
	OSRelease(start);
}

static void
wait_readable(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	ck_assert_int_eq(poll(&poll_fd, 1, DEADLINE_MSEC), 1);
}

static void
expect(struct child *child, uint16_t type)
{
	wait_readable(child->socket);
	ck_assert_int_eq(packet_receive(child->socket, &packet, false), kIOReturnSuccess);
	ck_assert_int_eq(packets_check(&packet, PACKET_CONTROL_REPLY), kIOReturnSuccess);
	ck_assert_uint_eq(packet.header->type, type);
}

static void
expect_started(struct child *child, IOReturn status)
{
	expect(child, PACKET_HOST_STARTED);
	ck_assert_uint_eq(packet.header->sequence, 41);
	ck_assert_int_eq(packet.header->status, status);
}

static void
expect_published(struct child *child)
{
	struct publish_body body;
	OSObject *properties = NULL;

	expect(child, PACKET_HOST_PUBLISH);
	memcpy(&body, packet.body, sizeof(body));
	ck_assert_uint_eq(body.provider, 5);
	child->id = body.id;
	ck_assert_int_eq(plist_decode(packet.body + sizeof(body), packet.body_length - sizeof(body),
				      &properties),
			 0);
	ck_assert_str_eq(
		OSDictionaryGetStringValue((OSDictionary *)properties, "IORegistryEntryName"),
		"Plain");
	ck_assert_str_eq(OSDictionaryGetStringValue((OSDictionary *)properties, "IOUserClass"),
			 "PlainDriver");
	ck_assert_str_eq(
		OSDictionaryGetStringValue((OSDictionary *)properties, "CFBundleIdentifier"),
		"plain.bundle");
	OSRelease(properties);
}

static void
expect_unpublished(struct child *child)
{
	struct id_body body;

	expect(child, PACKET_HOST_UNPUBLISH);
	memcpy(&body, packet.body, sizeof(body));
	ck_assert_uint_eq(body.id, child->id);
}

/* The process's end, and with which status. */
static void
expect_exit(struct child *child, int expected)
{
	int status = 0;

	if (child->socket >= 0) {
		wait_readable(child->socket);
		ck_assert_int_eq(packet_receive(child->socket, &packet, false), kIOReturnOffline);
		close(child->socket);
	}
	ck_assert_int_eq(waitpid(child->pid, &status, 0), child->pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == expected, "status 0x%x", status);
}

static void
start(struct child *child)
{
	spawn(child);
	send_start(child, start_dictionary(NULL));
	expect_started(child, kIOReturnSuccess);
	expect_published(child);
}

START_TEST(start_publish_stop)
{
	struct child child;

	start(&child);
	send_packet(&child, PACKET_HOST_STOP, 0, NULL, 0, NULL, 0);
	expect_unpublished(&child);
	expect_exit(&child, 0);
}
END_TEST

/* Answered once each, whatever it is; the driver has no SetProperties. */
START_TEST(properties_are_set)
{
	static const struct {
		bool known;
		const char *bytes;
		IOReturn status;
	} cases[] = {{false, "x", kIOReturnNotFound}, {true, "junk", kIOReturnUnsupported}};
	uint8_t message[sizeof(struct set_properties_body) + 8];
	struct properties_set_body answer;
	struct child child;

	start(&child);
	for (unsigned i = 0; i < 2; i++) {
		struct set_properties_body body = {.id = child.id + !cases[i].known,
						   .number = 70 + i};

		memcpy(message, &body, sizeof(body));
		memcpy(message + sizeof(body), cases[i].bytes, strlen(cases[i].bytes));
		send_packet(&child, PACKET_HOST_SET_PROPERTIES, 0, message,
			    sizeof(body) + strlen(cases[i].bytes), NULL, 0);
		expect(&child, PACKET_HOST_PROPERTIES_SET);
		memcpy(&answer, packet.body, sizeof(answer));
		ck_assert_uint_eq(answer.number, 70 + i);
		ck_assert_int_eq(packet.header->status, cases[i].status);
	}
	send_packet(&child, PACKET_HOST_STOP, 0, NULL, 0, NULL, 0);
	expect_unpublished(&child);
	expect_exit(&child, 0);
}
END_TEST

START_TEST(unplugged)
{
	struct child child;

	start(&child);
	send_packet(&child, PACKET_HOST_UNPLUG, 0, NULL, 0, NULL, 0);
	expect(&child, PACKET_HOST_GONE);
	expect_unpublished(&child);
	expect_exit(&child, 0);
}
END_TEST

/* Before its Start has returned, or begun; so what else it says is left to chance. */
START_TEST(unplugged_before_it_has_started)
{
	struct child child;
	bool gone = false;
	IOReturn res;
	int status;

	spawn(&child);
	send_start(&child, start_dictionary(NULL));
	send_packet(&child, PACKET_HOST_UNPLUG, 0, NULL, 0, NULL, 0);
	do {
		wait_readable(child.socket);
		res = packet_receive(child.socket, &packet, false);
		gone |= res == kIOReturnSuccess && packet.header->type == PACKET_HOST_GONE;
	} while (res == kIOReturnSuccess);
	ck_assert(gone);
	ck_assert_int_eq(waitpid(child.pid, &status, 0), child.pid);
	ck_assert_msg(WIFEXITED(status), "status 0x%x", status);
	close(child.socket);
}
END_TEST

START_TEST(the_registrys_end_is_the_hosts)
{
	struct child child;

	start(&child);
	fd_close(&child.socket);
	expect_exit(&child, 0);
}
END_TEST

static void
expect_listing(struct child *child, uint32_t flags)
{
	struct listing_body body;

	expect(child, PACKET_HOST_LISTING);
	memcpy(&body, packet.body, sizeof(body));
	ck_assert_uint_eq(body.flags, flags);
}

/* As often as it is asked: all that it serves, with the ids that it had. */
START_TEST(list)
{
	struct child child;
	uint64_t id;

	start(&child);
	id = child.id;
	for (unsigned i = 0; i < 3; i++) {
		send_packet(&child, PACKET_HOST_LIST, 0, NULL, 0, NULL, 0);
		expect_listing(&child, LISTING_STARTED);
		expect_published(&child);
		ck_assert_uint_eq(child.id, id);
		expect(&child, PACKET_HOST_LISTED);
	}
	send_packet(&child, PACKET_HOST_STOP, 0, NULL, 0, NULL, 0);
	expect_unpublished(&child);
	/* What it does not serve any more is not in the list. */
	expect_exit(&child, 0);
}
END_TEST

/* Its Start hangs: it answers all the same, and serves nothing. */
START_TEST(list_before_it_has_started)
{
	struct child child;

	spawn(&child);
	send_start(&child, start_dictionary("HangInStart"));
	send_packet(&child, PACKET_HOST_LIST, 0, NULL, 0, NULL, 0);
	expect_listing(&child, 0);
	expect(&child, PACKET_HOST_LISTED);
	fd_close(&child.socket);
	ck_assert_int_eq(kill(child.pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child.pid, NULL, 0), child.pid);
}
END_TEST

/* It has gone while nobody listened: there the flag stands for GONE, which was read by nobody. */
START_TEST(list_of_one_whose_device_has_gone)
{
	struct child child;

	spawn(&child);
	send_start(&child, start_dictionary("HangInStop"));
	expect_started(&child, kIOReturnSuccess);
	expect_published(&child);
	send_packet(&child, PACKET_HOST_UNPLUG, 0, NULL, 0, NULL, 0);
	expect(&child, PACKET_HOST_GONE);
	expect_unpublished(&child);
	send_packet(&child, PACKET_HOST_LIST, 0, NULL, 0, NULL, 0);
	expect_listing(&child, LISTING_STARTED | LISTING_GONE);
	expect(&child, PACKET_HOST_LISTED);
	expect_exit(&child, 1);
}
END_TEST

/*
 * The first thing that a host is told is START. A registry that was killed before it has said so
 * leaves a host to the next one that asks for its services: nobody's mistake.
 */
START_TEST(list_is_not_the_first)
{
	char said[1024] = "";
	struct child child;
	int ends[2], error = dup(STDERR_FILENO);

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	spawn(&child);
	ck_assert_int_eq(dup2(error, STDERR_FILENO), STDERR_FILENO);
	send_packet(&child, PACKET_HOST_LIST, 0, NULL, 0, NULL, 0);
	expect_exit(&child, 1);
	ck_assert_int_gt(read(ends[0], said, sizeof(said) - 1), 0);
	ck_assert_msg(strstr(said, "has ended without a START") != NULL &&
			      strstr(said, "protocol") == NULL,
		      "%s", said);
	close(ends[0]);
	close(ends[1]);
	close(error);
}
END_TEST

START_TEST(a_start_that_fails)
{
	struct child child;

	spawn(&child);
	send_start(&child, start_dictionary("FailStart"));
	expect_started(&child, kIOReturnNoDevice);
	expect_exit(&child, 1);
}
END_TEST

START_TEST(a_driver_that_terminates_itself)
{
	struct child child;

	spawn(&child);
	send_start(&child, start_dictionary("TerminateInStart"));
	expect_started(&child, kIOReturnSuccess);
	expect_exit(&child, 0);
}
END_TEST

START_TEST(a_stop_that_hangs_does_not_keep_the_process)
{
	struct child child;

	spawn(&child);
	send_start(&child, start_dictionary("HangInStop"));
	expect_started(&child, kIOReturnSuccess);
	expect_published(&child);
	send_packet(&child, PACKET_HOST_STOP, 0, NULL, 0, NULL, 0);
	expect_unpublished(&child);
	expect_exit(&child, 1);
}
END_TEST

static void
start_fails(OSDictionary *dictionary, IOReturn status)
{
	struct child child;

	spawn(&child);
	send_start(&child, dictionary);
	expect_started(&child, status);
	expect_exit(&child, 1);
}

START_TEST(bundles_that_cannot_be_loaded)
{
	OSDictionary *dictionary = start_dictionary(NULL);

	OSDictionarySetStringValue(dictionary, "Executable", "/nowhere/x.so");
	start_fails(dictionary, kIOReturnNotFound);
	dictionary = start_dictionary(NULL);
	OSDictionaryRemoveValue(dictionary, "Executable");
	start_fails(dictionary, kIOReturnBadArgument);
	dictionary = start_dictionary(NULL);
	OSDictionaryRemoveValue(dictionary, "BundlePath");
	start_fails(dictionary, kIOReturnBadArgument);
	dictionary = start_dictionary(NULL);
	OSDictionarySetStringValue(dictionary, "Sandbox", "perhaps");
	start_fails(dictionary, kIOReturnBadArgument);
	dictionary = start_dictionary(NULL);
	OSDictionarySetStringValue((OSDictionary *)OSDictionaryGetValue(dictionary, "Personality"),
				   "IOUserClass", "NoSuchClass");
	start_fails(dictionary, kIOReturnNotFound);
	dictionary = start_dictionary(NULL);
	OSDictionarySetStringValue(dictionary, "Device", "refused by plain_host");
	start_fails(dictionary, kIOReturnNoDevice);
}
END_TEST

/* The app's end of a connection to the service. */
static int
open_service(struct child *child, uint64_t id, uint32_t version, IOReturn expected)
{
	struct host_open_body body = {.id = id, .version = version, .pid = getpid()};
	int ends[2], alive[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	ck_assert_int_eq(pipe2(alive, O_CLOEXEC), 0);
	send_packet(child, PACKET_HOST_OPEN, 0, &body, sizeof(body), (int[]){ends[1], alive[0]}, 2);
	close(ends[1]);
	close(alive[0]);
	wait_readable(ends[0]);
	ck_assert_int_eq(packet_receive(ends[0], &packet, false), kIOReturnSuccess);
	ck_assert_int_eq(packets_check(&packet, PACKET_FROM_HOST), kIOReturnSuccess);
	ck_assert_uint_eq(packet.header->type, PACKET_READY);
	ck_assert_int_eq(packet.header->status, expected);
	return ends[0];
}

START_TEST(an_app_calls)
{
	struct call_page_client client = {0};
	struct call_request *request;
	struct child child;
	int socket, doorbell;

	start(&child);
	socket = open_service(&child, child.id, PROTOCOL_VERSION, kIOReturnSuccess);
	client.page = mmap(NULL, sizeof(struct call_page), PROT_READ | PROT_WRITE, MAP_SHARED,
			   packet.fds[0], 0);
	ck_assert_ptr_ne(client.page, MAP_FAILED);
	doorbell = packet_take_fd(&packet, 1);
	packet_close_fds(&packet);
	request = &client.page->slot[0].request;
	request->generation = 1;
	request->operation = CALL_METHOD;
	request->selector = 9;
	request->scalar_out_count = 1;
	if (call_page_submit(&client, 0))
		doorbell_ring(doorbell);
	ck_assert(call_page_wait(&client, 0, 1, clock_now() + 20 * NSEC_PER_SEC));
	ck_assert_int_eq(client.page->slot[0].reply.status, kIOReturnSuccess);
	ck_assert_uint_eq(client.page->slot[0].reply.scalars[0], 10);
	/* STOP with the connection open: it hangs up, and the host ends. */
	send_packet(&child, PACKET_HOST_STOP, 0, NULL, 0, NULL, 0);
	expect_unpublished(&child);
	wait_readable(socket);
	ck_assert_int_eq(packet_receive(socket, &packet, false), kIOReturnOffline);
	expect_exit(&child, 0);
}
END_TEST

/* A reader's socket, and the trace as it gets it. */
static int
look_on(struct child *child, struct trace_reader *reader)
{
	const struct host_trace_body body = {.uid = 1000};
	struct tracing_body answer;
	struct trace_start start;
	void *memory;
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	send_packet(child, PACKET_HOST_TRACE, 0, &body, sizeof(body), &ends[1], 1);
	close(ends[1]);
	wait_readable(ends[0]);
	ck_assert_int_eq(packet_receive(ends[0], &packet, false), kIOReturnSuccess);
	ck_assert_int_eq(packets_check(&packet, PACKET_FROM_RECORDER), kIOReturnSuccess);
	ck_assert_int_eq(packet.header->status, kIOReturnSuccess);
	ck_assert_uint_eq(packet.fd_count, 1);
	memcpy(&answer, packet.body, sizeof(answer));
	ck_assert_uint_eq(answer.version, TRACE_VERSION);
	memory = mmap(NULL, trace_length(TRACE_EVENTS), PROT_READ, MAP_SHARED, packet.fds[0], 0);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	packet_close_fds(&packet);
	start = (struct trace_start){answer.position[0], answer.number[0]};
	trace_reader_init(reader, TRACE_EVENTS, memory, &start);
	return ends[0];
}

static void
expect_event(struct trace_reader *reader, enum trace_kind kind, struct trace_event *ret_event)
{
	uint64_t deadline = clock_now() + 20 * NSEC_PER_SEC;

	while (!trace_read(reader, false, ret_event, NULL, 0, NULL))
		ck_assert_uint_lt(clock_now(), deadline);
	ck_assert_uint_eq(ret_event->kind, kind);
}

START_TEST(a_call_is_recorded)
{
	struct call_page_client client = {0};
	const struct trace_place *place;
	struct trace_event began, ended;
	struct call_request *request;
	struct trace_reader reader;
	struct trace_owner owner;
	int socket, doorbell, looking;
	uint32_t generation;
	struct child child;

	start(&child);
	looking = look_on(&child, &reader);
	socket = open_service(&child, child.id, PROTOCOL_VERSION, kIOReturnSuccess);
	client.page = mmap(NULL, sizeof(struct call_page), PROT_READ | PROT_WRITE, MAP_SHARED,
			   packet.fds[0], 0);
	ck_assert_ptr_ne(client.page, MAP_FAILED);
	doorbell = packet_take_fd(&packet, 1);
	packet_close_fds(&packet);
	request = &client.page->slot[5].request;
	request->generation = 7;
	request->operation = CALL_METHOD;
	request->selector = 9;
	request->scalar_out_count = 1;
	if (call_page_submit(&client, 5))
		doorbell_ring(doorbell);
	ck_assert(call_page_wait(&client, 5, 7, clock_now() + 20 * NSEC_PER_SEC));
	expect_event(&reader, TRACE_OPENED, &began);
	expect_event(&reader, TRACE_CALL_BEGAN, &began);
	expect_event(&reader, TRACE_CALL_ENDED, &ended);
	ck_assert_uint_eq(began.value, 9);
	ck_assert_uint_eq(ended.value, 9);
	ck_assert_uint_eq(began.id, ended.id);
	ck_assert_uint_eq(ended.count, 1);
	ck_assert_int_eq(ended.status, kIOReturnSuccess);
	ck_assert_uint_eq(ended.time - began.time, ended.spent);
	ck_assert_uint_le(ended.waited, ended.spent);
	ck_assert(trace_read_owner(reader.file, began.place, &owner, &generation));
	ck_assert_uint_eq(owner.kind, TRACE_CLIENT);
	ck_assert_int_eq(owner.pid, getpid());
	ck_assert_str_eq(owner.name, "PlainClient");
	place = &reader.file->places[began.place];
	ck_assert_uint_eq(atomic_load(&place->began), 1);
	ck_assert_uint_eq(atomic_load(&place->ended), 1);
	ck_assert_uint_eq(atomic_load(&place->failed), 0);
	ck_assert_uint_eq(atomic_load(&place->in_flight), 0);
	ck_assert_uint_eq(atomic_load(&place->latency[trace_bucket(ended.spent)]), 1);
	/* A reader sees the host's end by its socket, and what was written before it. */
	send_packet(&child, PACKET_HOST_STOP, 0, NULL, 0, NULL, 0);
	expect_unpublished(&child);
	wait_readable(looking);
	ck_assert_int_eq(packet_receive(looking, &packet, false), kIOReturnOffline);
	expect_event(&reader, TRACE_CLOSED, &ended);
	close(socket);
	expect_exit(&child, 0);
}
END_TEST

struct app {
	struct call_page_client client;
	int socket, doorbell;
};

#define MORE_THAN_A_RING 3000u

/* An app for which more completions wait than the ring holds, when the host is told to stop. */
static void
stop_with_completions(struct child *child, struct app *app)
{
	struct call_request *request;

	start(child);
	memset(app, 0, sizeof(*app));
	app->socket = open_service(child, child->id, PROTOCOL_VERSION, kIOReturnSuccess);
	app->client.page = mmap(NULL, sizeof(struct call_page), PROT_READ | PROT_WRITE, MAP_SHARED,
				packet.fds[0], 0);
	ck_assert_ptr_ne(app->client.page, MAP_FAILED);
	app->doorbell = packet_take_fd(&packet, 1);
	packet_close_fds(&packet);
	request = &app->client.page->slot[0].request;
	request->generation = 1;
	request->operation = CALL_METHOD;
	request->selector = 100;
	request->flags = CALL_ASYNC;
	request->scalar_in_count = 1;
	request->scalars[0] = MORE_THAN_A_RING;
	if (call_page_submit(&app->client, 0))
		doorbell_ring(app->doorbell);
	ck_assert(call_page_wait(&app->client, 0, 1, clock_now() + 20 * NSEC_PER_SEC));
	send_packet(child, PACKET_HOST_STOP, 0, NULL, 0, NULL, 0);
	expect_unpublished(child);
}

/* Takes entries until `count` were taken or there is none; how many there were. */
static unsigned
take(struct app *app, unsigned count)
{
	struct completion entry;
	unsigned taken = 0;
	bool ring;

	while (taken < count &&
	       completion_ring_pop(&app->client, &entry, &ring) == kIOReturnSuccess) {
		taken++;
		if (ring)
			doorbell_ring(app->doorbell);
	}
	return taken;
}

START_TEST(the_process_stays_until_completions_were_taken)
{
	uint64_t deadline = clock_now() + 20 * NSEC_PER_SEC;
	struct child child;
	unsigned taken = 0;
	struct app app;

	stop_with_completions(&child, &app);
	/* With the release of the registration. */
	while (taken < MORE_THAN_A_RING + 1) {
		taken += take(&app, MORE_THAN_A_RING + 1 - taken);
		ck_assert_uint_lt(clock_now(), deadline);
	}
	wait_readable(app.socket);
	ck_assert_int_eq(packet_receive(app.socket, &packet, false), kIOReturnOffline);
	expect_exit(&child, 0);
}
END_TEST

START_TEST(the_process_stays_no_longer_than_that)
{
	struct child child;
	struct app app;

	stop_with_completions(&child, &app);
	ck_assert_uint_eq(take(&app, 1), 1);
	/* Nobody takes the others. */
	expect_exit(&child, 0);
	ck_assert_int_eq(packet_receive(app.socket, &packet, false), kIOReturnOffline);
}
END_TEST

START_TEST(opens_that_are_refused)
{
	struct child child;

	start(&child);
	close(open_service(&child, child.id + 1, PROTOCOL_VERSION, kIOReturnNotFound));
	close(open_service(&child, child.id, PROTOCOL_VERSION + 1, kIOReturnUnsupported));
	send_packet(&child, PACKET_HOST_STOP, 0, NULL, 0, NULL, 0);
	expect_unpublished(&child);
	expect_exit(&child, 0);
}
END_TEST

START_TEST(what_is_not_the_protocol_ends_the_host)
{
	struct child child;

	/* STOP before START. */
	spawn(&child);
	send_packet(&child, PACKET_HOST_STOP, 0, NULL, 0, NULL, 0);
	expect_exit(&child, 1);
	/* START with something else than a dictionary. */
	spawn(&child);
	send_packet(&child, PACKET_HOST_START, 0, "junk", 4, NULL, 0);
	expect_exit(&child, 1);
	/* START twice. */
	start(&child);
	send_start(&child, start_dictionary(NULL));
	expect_unpublished(&child);
	expect_exit(&child, 0);
}
END_TEST

UNIT_MAIN("host control", start_publish_stop, list, list_before_it_has_started,
	  list_of_one_whose_device_has_gone, list_is_not_the_first, properties_are_set, unplugged,
	  unplugged_before_it_has_started, the_registrys_end_is_the_hosts, a_start_that_fails,
	  a_driver_that_terminates_itself, a_stop_that_hangs_does_not_keep_the_process,
	  bundles_that_cannot_be_loaded, an_app_calls, a_call_is_recorded,
	  the_process_stays_until_completions_were_taken, the_process_stays_no_longer_than_that,
	  opens_that_are_refused, what_is_not_the_protocol_ends_the_host)
