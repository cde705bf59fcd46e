/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An app's library against a hostile registry. The first byte says how many of the next ones are
 * what the app does; the rest is what the registry answers whenever the app waits (still.h): right
 * answers with the input's contents, wrong ones, events, the end of the socket. What the input has
 * no answer for is refused. Then the app gives everything back, and no descriptor is left.
 */
#include "objects.h"
#include "still.h"

#include "packets.h"
#include "plist.h"

#include <fcntl.h>
#include <sys/un.h>
#include <unistd.h>

#include <IOKit/IOKitLib.h>
#include <dext_iokit.h>

#define CONNECTIONS_MAX 8
#define OBJECTS_MAX	4
#define TURNS_MAX	100

static char directory[] = "/tmp/opendext-fuzz-XXXXXX";
static int listener;

/* --- the registry --- */

static struct {
	struct fuzz answers;
	uint64_t last_watch; /* asked for; never used again */
	int wrongs;	     /* after each the app tries again, a few times in all */
	int fds[CONNECTIONS_MAX];
	unsigned count;
} hostile;

static size_t
put_ids(struct fuzz *fuzz, uint8_t *body)
{
	unsigned count = fuzz_u8(fuzz);

	count = count == 0xff && fuzz_u8(fuzz) == 0xff ? 8000 : count % 8;
	for (unsigned i = 0; i < count; i++) {
		uint64_t id = count < 8 ? 1u + fuzz_u8(fuzz) : i + 1;

		memcpy(body + i * sizeof(id), &id, sizeof(id));
	}
	return count * sizeof(uint64_t);
}

static size_t
put_list(struct fuzz *fuzz, uint8_t *body)
{
	static const char *const keys[] = {"Name", "Class", "Path", "Location"};
	unsigned budget = 30;
	OSObject *object = fuzz_object(fuzz, 0, &budget);
	OSDictionary *dictionary = OSDynamicCast(OSDictionary, object);
	size_t length = 0;
	void *bytes = NULL;

	for (unsigned i = 0; dictionary != NULL && i < 4; i++) {
		OSString *value = fuzz_string(fuzz);

		if (fuzz_u8(fuzz) & 1)
			OSDictionarySetValue(dictionary, keys[i], value);
		OSRelease(value);
	}
	if (plist_encode(object, &bytes, &length) != kIOReturnSuccess || length > 20000)
		length = 0;
	memcpy(body, bytes != NULL ? bytes : "", length);
	free(bytes);
	OSRelease(object);
	return length;
}

static void
send_event(int fd, struct fuzz *fuzz)
{
	struct packet_header header = {.type = PACKET_EVENT};
	struct {
		struct event_body event;
		uint64_t ids[3];
	} body = {0};
	uint8_t how = fuzz_u8(fuzz);
	size_t length = sizeof(body.event) + (1 + how % 3) * sizeof(body.ids[0]);

	body.event.service = fuzz_u8(fuzz);
	body.event.kind = 1 + how / 3 % 5;
	body.event.busy = how >> 7;
	for (unsigned i = 0; i < 3; i++)
		body.ids[i] = hostile.last_watch - fuzz_u8(fuzz) % 4;
	if (how == 0xfe)
		header.sequence = 1;
	if (how == 0xfd)
		body.ids[0]++; /* of one that was not made yet */
	if (how == 0xff)
		fuzz_fill(fuzz, &body, sizeof(body));
	packet_send(fd, &header, &body, length, NULL, 0, false);
}

static void
answer_right(int fd, struct fuzz *fuzz, const struct packet *request)
{
	struct packet_header header = *request->header;
	static uint8_t body[65536];
	int ends[2] = {-1, -1};
	size_t length = 0;

	switch (header.type) {
	case PACKET_LOOKUP:
	case PACKET_ENTRIES:
		length = put_ids(fuzz, body);
		break;
	case PACKET_WATCH: /* of an entry mostly that; the app waits before it tries again */
		memcpy(body, request->body + sizeof(uint64_t), sizeof(uint64_t));
		length = sizeof(uint64_t);
		if (fuzz_u8(fuzz) & 1 || memcmp(body, &(uint64_t){0}, sizeof(uint64_t)) == 0)
			length = put_ids(fuzz, body);
		break;
	case PACKET_PROPERTIES:
	case PACKET_DESCRIBE:
		length = put_list(fuzz, body);
		break;
	case PACKET_OPEN: /* of a host that has gone */
		FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
		fd_close(&ends[0]);
		break;
	default:
		break;
	}
	packet_send(fd, &header, body, length, &ends[1], ends[1] >= 0 ? 1 : 0, false);
	fd_close(&ends[1]);
}

static void
answer_wrong(int fd, struct fuzz *fuzz, const struct packet *request, uint8_t how)
{
	struct packet_header header = *request->header;
	uint8_t body[256];
	int some = STDERR_FILENO;
	size_t length = fuzz_u8(fuzz);

	fuzz_fill(fuzz, body, length);
	header.type ^= how & 1 ? 0 : fuzz_u8(fuzz) % 8;
	header.sequence -= how & 2 ? 0 : fuzz_u8(fuzz) % 4;
	header.status = how & 4 ? 0 : (int32_t)fuzz_u32(fuzz);
	packet_send(fd, &header, body, length, &some, how & 8 ? 0 : 1, false);
}

/* False: it hangs up. */
static bool
answer(int fd, struct fuzz *fuzz, const struct packet *request)
{
	struct packet_header refusal = *request->header;
	uint8_t how = fuzz_left(fuzz) > 0 ? fuzz_u8(fuzz) : 0xff;

	if (request->header->type == PACKET_WATCH)
		memcpy(&hostile.last_watch, request->body, sizeof(hostile.last_watch));
	refusal.status = kIOReturnNotFound;
	if (request->header->type == PACKET_UNWATCH) {
		if (how < 64)
			send_event(fd, fuzz);
		return true;
	}
	if (how < 192) {
		answer_right(fd, fuzz, request);
		for (; how >= 160 && how < 164; how++)
			send_event(fd, fuzz);
	} else if (how < 224 && hostile.wrongs-- > 0) {
		answer_wrong(fd, fuzz, request, how);
	} else if (how < 232 && hostile.wrongs-- > 0) {
		send_event(fd, fuzz);
		packet_send(fd, &refusal, NULL, 0, NULL, 0, false);
	} else if (how < 236 && hostile.wrongs-- > 0) {
		refusal.sequence = 0;
		refusal.status = kIOReturnNoResources;
		packet_send(fd, &refusal, NULL, 0, NULL, 0, false);
	} else if (how < 240 && hostile.wrongs-- > 0) {
		return false;
	} else {
		packet_send(fd, &refusal, NULL, 0, NULL, 0, false);
	}
	return true;
}

static bool
serve_one(int fd)
{
	static struct packet packet;
	IOReturn status = packet_receive(fd, &packet, false);

	if (status == kIOReturnNotReady)
		return true;
	if (status != kIOReturnSuccess)
		return false;
	FUZZ_CHECK(packets_check(&packet, PACKET_TO_REGISTRY) == kIOReturnSuccess);
	return answer(fd, &hostile.answers, &packet);
}

static void
still_peer(void)
{
	unsigned kept = 0;
	int fd;

	while (hostile.count < CONNECTIONS_MAX &&
	       (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		hostile.fds[hostile.count++] = fd;
	for (unsigned i = 0; i < hostile.count; i++) {
		if (serve_one(hostile.fds[i]))
			hostile.fds[kept++] = hostile.fds[i];
		else
			close(hostile.fds[i]);
	}
	hostile.count = kept;
}

static void
remove_directory(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", directory, REGISTRY_SOCKET_NAME);
	unlink(path);
	rmdir(directory);
}

static void
start(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	FUZZ_CHECK(mkdtemp(directory) != NULL && setenv("OPENDEXT_RUNTIME_DIR", directory, 1) == 0);
	atexit(remove_directory);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", directory,
		 REGISTRY_SOCKET_NAME);
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	FUZZ_CHECK(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
		   listen(listener, 16) == 0);
	still_begin();
}

/* --- the app --- */

static struct {
	IONotificationPortRef port;
	io_object_t objects[OBJECTS_MAX]; /* entries, iterators and notifications */
	unsigned next;
} app;

static io_object_t
pick(uint8_t what)
{
	return app.objects[what >> 6];
}

static void
keep(io_object_t object)
{
	if (object == IO_OBJECT_NULL)
		return;
	IOObjectRelease(app.objects[app.next % OBJECTS_MAX]);
	app.objects[app.next++ % OBJECTS_MAX] = object;
}

static void
came(void *reference, io_iterator_t iterator)
{
	keep(IOIteratorNext(iterator));
}

static void
happened(void *reference, io_service_t service, uint32_t type, void *argument)
{
	FUZZ_CHECK(reference == &app);
}

static void
ask_entry(uint8_t what)
{
	CFMutableDictionaryRef properties = NULL;
	io_struct_inband_t bytes;
	io_string_t text;
	io_name_t name;
	uint32_t size = sizeof(bytes), busy;

	switch (what >> 3 & 7) {
	case 0:
		if (IORegistryEntryGetName(pick(what), name) == kIOReturnSuccess)
			FUZZ_CHECK(memchr(name, '\0', sizeof(name)) != NULL);
		break;
	case 1:
		if (IORegistryEntryGetPath(pick(what), "IOService", text) == kIOReturnSuccess)
			FUZZ_CHECK(memchr(text, '\0', sizeof(text)) != NULL);
		break;
	case 2:
		IORegistryEntryGetLocationInPlane(pick(what), "IOUSB", name);
		break;
	case 3:
		IORegistryEntryCreateCFProperties(pick(what), &properties, NULL, 0);
		CFRelease(properties);
		break;
	case 4:
		IORegistryEntryGetProperty(pick(what), "DEXT", bytes, &size);
		break;
	case 5:
		IOObjectGetClass(pick(what), name);
		break;
	case 6:
		CFRelease(IORegistryEntrySearchCFProperty(
			pick(what), "IOService", CFSTR("Driver"), NULL,
			kIORegistryIterateRecursively |
				(what & 0x40 ? kIORegistryIterateParents : 0)));
		break;
	default:
		IOServiceGetBusyState(pick(what), &busy);
		break;
	}
}

static void
watch(uint8_t what)
{
	static const char *const types[] = {kIOPublishNotification, kIOTerminatedNotification,
					    kIOWillTerminateNotification,
					    kIOFirstMatchNotification};
	io_object_t notification = IO_OBJECT_NULL;

	if (what & 0x20) {
		IOServiceAddInterestNotification(app.port, pick(what),
						 what & 8 ? kIOBusyInterest : kIOGeneralInterest,
						 happened, &app, &notification);
	} else if (IOServiceAddMatchingNotification(app.port, types[what >> 3 & 3],
						    IOServiceMatching("IOService"), came, NULL,
						    &notification) == kIOReturnSuccess) {
		io_object_t service;

		while ((service = IOIteratorNext(notification)) != IO_OBJECT_NULL)
			IOObjectRelease(service);
	}
	keep(notification);
}

static void
step(uint8_t what)
{
	io_object_t made = IO_OBJECT_NULL;
	io_connect_t connect;

	switch (what & 7) {
	case 0:
		keep(IOServiceGetMatchingService(kIOMainPortDefault,
						 IOServiceMatching("IOService")));
		break;
	case 1:
		IOServiceGetMatchingServices(kIOMainPortDefault, IOServiceMatching("IOService"),
					     &made);
		keep(made);
		break;
	case 2:
		keep(IOIteratorNext(pick(what)));
		break;
	case 3:
		IORegistryEntryCreateIterator(pick(what), "IOService",
					      what & 8 ? kIORegistryIterateRecursively
						       : kIORegistryIterateParents,
					      &made);
		keep(made);
		break;
	case 4:
		if (IOServiceOpen(pick(what), mach_task_self(), 0, &connect) == kIOReturnSuccess)
			IOServiceClose(connect);
		break;
	case 5:
		watch(what);
		break;
	case 6:
		dext_notification_port_dispatch(app.port);
		break;
	default:
		ask_entry(what);
		break;
	}
}

/* The connection for requests is there again, whatever became of it; the one for events is not. */
static void
settle(unsigned fds)
{
	unsigned turns = 0;

	for (unsigned i = 0; i < OBJECTS_MAX; i++) {
		IOObjectRelease(app.objects[i]);
		app.objects[i] = IO_OBJECT_NULL;
	}
	app.next = 0;
	IONotificationPortDestroy(app.port);
	hostile.answers.at = hostile.answers.end;
	for (unsigned i = 0; i < 2; i++) /* of one that has hung up the first says so */
		IOServiceGetMatchingService(kIOMainPortDefault, IOServiceMatching("IOService"));
	while (still_peer(), hostile.count != 1 || (fds != 0 && fuzz_count_fds() != fds))
		FUZZ_CHECK(turns++ < TURNS_MAX);
}

static void
run(struct fuzz fuzz, unsigned fds)
{
	unsigned steps = fuzz_u8(&fuzz) % 32;

	if (steps > fuzz_left(&fuzz))
		steps = (unsigned)fuzz_left(&fuzz);
	hostile.answers = (struct fuzz){fuzz.at + steps, fuzz.end};
	hostile.wrongs = 3;
	app.port = IONotificationPortCreate(kIOMainPortDefault);
	FUZZ_CHECK(app.port != NULL);
	for (unsigned i = 0; i < steps; i++) {
		step(fuzz.at[i]);
		still_peer(); /* also of what nobody waits for */
	}
	settle(fds);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t first[] = {1, 5}; /* what is made once */

	if (listener == 0) {
		start();
		run((struct fuzz){first, first + sizeof(first)}, 0);
	}
	run((struct fuzz){data, data + size}, fuzz_count_fds());
	return 0;
}
