/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry against hostile hosts: the input is a row of packets on the control socket of a host
 * that it has started, of bytes of that host's log, of ends of the socket and of the process, and
 * of what an app asks meanwhile. A device is plugged in for each input, so that a host is started
 * for it, and unplugged. Then nothing of the host is left.
 *
 * A host is an eventfd here, which the registry takes for a host that came back, or for a child:
 * there is no process that it could kill or wait for.
 */
#include "bundle_files.h"
#include "objects.h"
#include "registry_scene.h"

#include "clock.h"
#include "plist.h"
#include "registry_private.h"

#include <signal.h>
#include <sys/eventfd.h>

#define STEPS_MAX   48
#define DEADLINE    (20 * NSEC_PER_SEC)
#define SERVICES_AT UINT64_C(0x1000) /* where ids of services begin */

static int app = -1;
static uint64_t device_id;

static const char info[] = BUNDLE_INFO(
	"<key>One</key><dict><key>IOProviderClass</key><string>IOUSBHostDevice</string>"
	"<key>IOUserClass</key><string>Driver</string><key>IOProbeScore</key><integer>2</integer>"
	"</dict>"
	"<key>Two</key><dict><key>IOProviderClass</key><string>IOUSBHostDevice</string>"
	"<key>IOUserClass</key><string>Other</string></dict>");

/* --- the host --- */

/* The one that was started last, by its ends; -1: none. */
static struct {
	struct host *host;
	int control, ended, log;
	bool fresh; /* the registry has not been told yet that it cannot kill it */
} hostile = {NULL, -1, -1, -1, false};

static void
forget_host(void)
{
	fd_close(&hostile.control);
	fd_close(&hostile.ended);
	fd_close(&hostile.log);
	hostile.host = NULL;
}

/* NULL: the registry has forgotten it, or there was none. */
static struct host *
host_there(void)
{
	struct host *host = registry->hosts;

	while (host != NULL && host != hostile.host)
		host = host->next;
	return host;
}

static int
start_host(void *unused, int control)
{
	struct host *host = registry->hosts;
	int ends[2], ended = eventfd(0, EFD_CLOEXEC);

	while (host != NULL && (host->state != HOST_STARTING || host->pid != 0))
		host = host->next;
	FUZZ_CHECK(host != NULL && ended >= 0 && pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
	forget_host();
	host->log.pipe = ends[0];
	hostile.host = host;
	hostile.log = ends[1];
	hostile.control = control;
	hostile.ended = fcntl(ended, F_DUPFD_CLOEXEC, 3);
	hostile.fresh = true;
	return ended;
}

static void
run_registry(void)
{
	struct host *host;

	for (unsigned i = 0; i < 4; i++)
		FUZZ_CHECK(loop_look(loop));
	if (hostile.fresh && (host = host_there()) != NULL) {
		host->inside = false;
		host->adopted = true;
	}
	hostile.fresh = false;
}

static void
end_host(uint64_t status)
{
	status += 1;
	if (hostile.ended >= 0)
		FUZZ_CHECK(write(hostile.ended, &status, sizeof(status)) == sizeof(status));
	fd_close(&hostile.ended);
}

/* What it is sent: connections above all. */
static void
read_control(void)
{
	while (hostile.control >= 0 &&
	       packet_receive(hostile.control, &packet, false) == kIOReturnSuccess) {
		FUZZ_CHECK(packets_check(&packet, PACKET_TO_HOST) == kIOReturnSuccess);
		packet_close_fds(&packet);
	}
}

/* --- what it says --- */

static uint64_t
pick_id(struct fuzz *fuzz)
{
	uint8_t which = fuzz_u8(fuzz);

	if (which >= 250)
		return which == 255 ? device_id : 255u - which;
	return SERVICES_AT + which % 8;
}

static void
send_to_registry(uint16_t type, IOReturn status, const void *body, size_t length, unsigned fds)
{
	struct packet_header header = {.type = type, .status = status};
	int some = STDIN_FILENO;

	if (hostile.control >= 0)
		packet_send(hostile.control, &header, body, length, &some, fds, false);
}

static void
publish(struct fuzz *fuzz)
{
	static uint8_t body[65536];
	struct publish_body head = {.id = pick_id(fuzz), .provider = device_id};
	uint8_t how = fuzz_u8(fuzz);
	unsigned budget = 30, count = how == 0xff ? 300 : 1;
	OSDictionary *properties = fuzz_dictionary(fuzz, 0, &budget);
	size_t length = 0;
	void *bytes = NULL;

	if (how & 1)
		head.provider = pick_id(fuzz);
	if (how & 2)
		OSDictionarySetStringValue(properties, "IOClass", "IOUserService");
	if (plist_encode(properties, &bytes, &length) != kIOReturnSuccess || length > 20000)
		length = 0;
	memcpy(body + sizeof(head), bytes != NULL ? bytes : "", length);
	if (how == 0xfe)
		length = 3;
	if (how == 0xfc) { /* a list as no encoder writes it */
		length = fuzz_u16(fuzz) % 4096;
		fuzz_fill(fuzz, body + sizeof(head), length);
	}
	for (unsigned i = 0; i < count; i++) {
		memcpy(body, &head, sizeof(head));
		send_to_registry(PACKET_HOST_PUBLISH, 0, body, sizeof(head) + length, 0);
		head.id += i == 0 && count > 1 ? 1000 : 1;
		run_registry();
	}
	free(bytes);
	OSRelease(properties);
}

static void
say(struct fuzz *fuzz, uint8_t what)
{
	struct host *host = host_there();
	uint64_t id = pick_id(fuzz);
	uint8_t how = fuzz_u8(fuzz), bytes[64];
	struct listing_body listed = {.flags = how & 3};

	switch (what % 8) {
	case 0:
		send_to_registry(PACKET_HOST_STARTED, how < 192 ? 0 : kIOReturnError, NULL, 0, 0);
		break;
	case 1:
		send_to_registry(PACKET_HOST_UNPUBLISH, 0, &id, sizeof(id), 0);
		break;
	case 2:
		send_to_registry(PACKET_HOST_GONE, 0, NULL, 0, 0);
		break;
	case 3:
		id = host != NULL ? host->last_setting - (how & 3) : 0;
		send_to_registry(PACKET_HOST_PROPERTIES_SET, how & 4 ? 0 : kIOReturnError, &id,
				 sizeof(id), 0);
		break;
	case 4:
		send_to_registry(PACKET_HOST_LISTING, 0, &listed, sizeof(listed), 0);
		break;
	case 5:
		send_to_registry(PACKET_HOST_LISTED, 0, NULL, 0, 0);
		break;
	case 6: /* as if it had come back from the store, or were a child of this process */
		if (host == NULL || host->control < 0 || host->state != HOST_STARTING)
			break;
		host->adopted = !(how & 1);
		if (!host->adopted)
			break;
		host->state = HOST_ADOPTED;
		host->asked = true;
		host->listing = false;
		break;
	default:
		fuzz_fill(fuzz, bytes, sizeof(bytes));
		send_to_registry((uint16_t)(PACKET_HOST_STARTED - 1 + how % 10),
				 how >= 192 ? -1 : 0, bytes, id % 64, how >> 4 & 1);
		break;
	}
}

/* --- what it logs --- */

static void
write_log(struct fuzz *fuzz)
{
	static char text[8192];
	uint8_t how = fuzz_u8(fuzz);
	size_t length = 0, copied = 0;
	uint8_t *bytes = fuzz_copy(fuzz, how, &length);

	if (length > 0)
		memcpy(text, bytes, copied = length);
	/* Longer than a line may be, or very many of them. */
	for (; how >= 240 && length > 0 && copied + length < sizeof(text); copied += length)
		memcpy(text + copied, bytes, length);
	if (hostile.log >= 0 && copied > 0 && write(hostile.log, text, copied) < 0)
		FUZZ_CHECK(true); /* it is full */
	free(bytes);
}

/* --- what an app asks meanwhile --- */

static void
send_request(uint16_t type, const void *body, size_t length)
{
	struct packet_header header = {.type = type, .sequence = 1};

	packet_send(app, &header, body, length, NULL, 0, false);
}

/* Of the host itself, which has the number that it has: its log, what it is, what it does. */
static void
look_on(uint8_t how)
{
	const struct host *host = host_there();
	uint64_t number = host != NULL ? host->number : 0;
	const struct log_body log = {
		.driver = how & 0x40 ? number : 0,
		.after = how & 0x20 ? registry->last_line : 0,
		.flags = how & 0x80 ? LOG_WAIT : 0,
	};
	const struct driver_body driver = {.after = number - (how >> 5 & 1)};
	const struct trace_body trace = {
		.driver = number,
		.flags = how & 0x40 ? TRACE_WITH_CAPTURE : 0,
		.snap = how & 0x40 ? 64 : 0,
	};

	if ((how >> 2 & 3) == 1)
		send_request(PACKET_LOG, &log, sizeof(log));
	else if ((how >> 2 & 3) == 2)
		send_request(PACKET_DRIVER, &driver, sizeof(driver));
	else
		send_request(PACKET_TRACE, &trace, sizeof(trace));
}

static void
ask_meanwhile(struct fuzz *fuzz)
{
	static const char list[] = "<plist><dict><key>a</key><true/></dict></plist>";
	uint8_t how = fuzz_u8(fuzz);
	uint64_t id = pick_id(fuzz);
	const struct open_body opened = {.id = id, .version = PROTOCOL_VERSION};
	const struct watch_body watched = {.watch = 1 + (how >> 4), .entry = id};
	uint8_t set[sizeof(id) + sizeof(list) - 1];

	if (how & 0x0c) {
		look_on(how);
	} else if ((how & 3) == 0) {
		send_request(PACKET_OPEN, &opened, sizeof(opened));
	} else if ((how & 3) == 1) {
		memcpy(set, &id, sizeof(id));
		memcpy(set + sizeof(id), list, sizeof(list) - 1);
		send_request(PACKET_SET_PROPERTIES, set, sizeof(set));
	} else if ((how & 3) == 2) {
		send_request(PACKET_PROPERTIES, &id, sizeof(id));
	} else if (id != 0) {
		send_request(PACKET_WATCH, &watched, sizeof(watched));
	}
}

static void
read_answers(void)
{
	while (packet_receive(app, &packet, false) == kIOReturnSuccess) {
		FUZZ_CHECK(packets_check(&packet, PACKET_REGISTRY_REPLY) == kIOReturnSuccess);
		packet_close_fds(&packet);
	}
}

static void
step(struct fuzz *fuzz)
{
	uint8_t what = fuzz_u8(fuzz);

	switch (what % 16) {
	case 0:
	case 1:
	case 2:
	case 3:
		publish(fuzz);
		break;
	case 4:
	case 5:
		if (what & 0x80) /* what the registry has not read when it ends */
			end_host(0);
		write_log(fuzz);
		break;
	case 6:
		ask_meanwhile(fuzz);
		break;
	case 7:
		if (what & 0x10)
			fd_close(&hostile.control);
		else if (what & 0x20)
			fd_close(&hostile.log);
		else
			end_host(what >> 6);
		break;
	default:
		say(fuzz, what);
		if (what & 0x40) /* and more, before it is read */
			return;
		break;
	}
	run_registry();
	read_control();
	read_answers();
}

/* --- one input --- */

static unsigned
count_hosts(void)
{
	unsigned count = 0;

	for (const struct host *host = registry->hosts; host != NULL; host = host->next)
		count++;
	return count;
}

static struct device *
find_device(void)
{
	struct device *device = registry->devices;

	while (device != NULL && (device->node == NULL || device->node->id != device_id))
		device = device->next;
	return device;
}

/* Nothing of it may be left. */
static void
unplug(void)
{
	uint64_t deadline = clock_now() + DEADLINE;
	struct device *device = find_device();

	if (device != NULL && !device->going)
		plug_device_gone(registry, device);
	while (find_device() != NULL || count_hosts() > 0) {
		run_registry();
		end_host(0);
		FUZZ_CHECK(clock_now() < deadline);
	}
	forget_host();
	for (const struct entry *entry = registry->tree.first; entry != NULL; entry = entry->next)
		FUZZ_CHECK(entry->host == NULL);
}

static void
attack(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = {data, data + size};
	uint64_t deadline;
	unsigned fds;

	run_registry();
	fds = fuzz_count_fds();
	app = connect_registry();
	FUZZ_CHECK(ask(app, PACKET_PLUG, "sink", 4) == kIOReturnSuccess);
	memcpy(&device_id, packet.body, sizeof(device_id));
	FUZZ_CHECK(hostile.host != NULL);
	run_registry();
	read_control();
	for (unsigned i = 0; i < STEPS_MAX && fuzz_left(&fuzz) > 0; i++)
		step(&fuzz);
	unplug();
	read_answers();
	fd_close(&app);
	for (deadline = clock_now() + DEADLINE; fuzz_count_fds() != fds; run_registry())
		FUZZ_CHECK(clock_now() < deadline);
}

static void
start(void)
{
	static const struct registry_inside inside = {.start = start_host};
	struct registry_options options = {
		.plugging = true,
		.host_program = "",
		.sandbox = SANDBOX_OFF,
		.restarts = 2,
		.inside = &inside,
	};
	char error[REGISTRY_ERROR_MAX] = "";

	/* A host that logs when nobody reads any more. */
	signal(SIGPIPE, SIG_IGN);
	make_registry(&options, attack);
	make_bundle(directory, info);
	FUZZ_CHECK(registry_add_bundle(registry, bundle.path, error) == kIOReturnSuccess);
	start_registry();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (registry == NULL)
		start();
	hand_over(data, size);
	return 0;
}
