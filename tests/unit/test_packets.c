/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "bounds.h"
#include "call_page.h"
#include "packets.h"
#include "registry_names.h"

static const char *const direction_names[] = {
	"from host", "from app",      "to registry",   "registry reply",
	"to host",   "control reply", "from recorder",
};
#define DIRECTIONS (PACKET_FROM_RECORDER + 1)
#define PAGE	   65536 /* a multiple of the page, whatever that is */

static struct packet packet;

/* A packet as packet_receive would leave it. */
static void
make(uint16_t type, IOReturn status, unsigned fd_count, const void *body, size_t length)
{
	memset(&packet, 0, sizeof(packet));
	packet.header = (struct packet_header *)packet.buffer;
	packet.body = packet.buffer + sizeof(struct packet_header);
	packet.body_length = length;
	packet.fd_count = fd_count;
	packet.header->length = (uint32_t)(sizeof(struct packet_header) + length);
	packet.header->type = type;
	packet.header->fd_count = (uint16_t)fd_count;
	packet.header->status = status;
	if (length > 0)
		memcpy(packet.buffer + sizeof(struct packet_header), body, length);
}

union body {
	uint8_t bytes[1024];
	struct ready_body ready;
	struct {
		struct memory_body head;
		struct memory_segment_body segments[33];
	} memory;
	struct structures_body structures;
	struct {
		struct client_memory_body head;
		struct memory_segment_body segments[33];
	} client_memory;
	struct id_body id;
	struct open_body open;
	struct entries_body entries;
	struct describe_body describe;
	struct host_open_body host_open;
	struct publish_body publish;
	struct listing_body listing;
	struct watch_body watch;
	struct driver_body driver;
	struct log_body log;
	struct trace_body trace;
	struct host_trace_body host_trace;
	struct tracing_body tracing;
	struct {
		struct log_record head;
		char text[8];
	} line;
	struct {
		struct event_body head;
		uint64_t watches[2];
	} event;
	uint64_t ids[4];
};

/* A packet that is right, as the point from which a case goes wrong. */
struct sample {
	const char *name;
	enum packet_direction direction;
	uint16_t type;
	IOReturn status;
	unsigned fd_count;
	size_t length;
	union body body;
	bool shorter_ok; /* a body without its last byte is right, too */
	bool longer_ok;
	bool empty_ok;
	bool status_ok; /* any status */
	bool fewer_fds_ok, more_fds_ok;
};

#define MEMORY_OF(count, ...)                                                                     \
	.fd_count = (count),                                                                      \
	.length = sizeof(struct memory_body) + (count) * sizeof(struct memory_segment_body),      \
	.body.memory = {.head = {.slot = 63, .generation = 0x7fffffff, .segment_count = (count)}, \
			.segments = {__VA_ARGS__}}

static const struct sample samples[] = {
	{.name = "ready",
	 .direction = PACKET_FROM_HOST,
	 .type = PACKET_READY,
	 .fd_count = 3,
	 .length = 16,
	 .body.ready = {.version = PROTOCOL_VERSION, .page_length = sizeof(struct call_page)}},
	{.name = "ready, another version",
	 .direction = PACKET_FROM_HOST,
	 .type = PACKET_READY,
	 .fd_count = 3,
	 .length = 16,
	 .body.ready = {.version = 2, .page_length = 12345}},
	{.name = "ready, refused",
	 .direction = PACKET_FROM_HOST,
	 .type = PACKET_READY,
	 .status = kIOReturnNotPermitted,
	 .length = 16,
	 .body.ready = {.version = PROTOCOL_VERSION}},
	{.name = "memory",
	 .direction = PACKET_FROM_HOST,
	 .type = PACKET_MEMORY,
	 MEMORY_OF(1, {0, 1})},
	{.name = "memory, two segments",
	 .direction = PACKET_FROM_HOST,
	 .type = PACKET_MEMORY,
	 MEMORY_OF(2, {PAGE, 2 * PAGE}, {0, 5})},
	{.name = "memory, 32 segments",
	 .direction = PACKET_FROM_HOST,
	 .type = PACKET_MEMORY,
	 MEMORY_OF(32, {0, PAGE}, {0, PAGE}, {0, PAGE}, {0, PAGE}, {0, PAGE}, {0, PAGE}, {0, PAGE},
		   {0, PAGE}, {0, PAGE}, {0, PAGE}, {0, PAGE}, {0, PAGE}, {0, PAGE}, {0, PAGE},
		   {0, PAGE}, {0, PAGE}, {0, PAGE}, {0, PAGE}, {0, PAGE}, {0, PAGE}, {0, PAGE},
		   {0, PAGE}, {0, PAGE}, {0, PAGE}, {0, PAGE}, {0, PAGE}, {0, PAGE}, {0, PAGE},
		   {0, PAGE}, {0, PAGE}, {0, PAGE}, {0, PAGE})},
	{.name = "structures, input",
	 .direction = PACKET_FROM_APP,
	 .type = PACKET_STRUCTURES,
	 .fd_count = 1,
	 .length = 32,
	 .body.structures =
		 {.slot = 63, .generation = 1, .flags = STRUCTURES_INPUT, .input_offset = 17}},
	{.name = "structures, output",
	 .direction = PACKET_FROM_APP,
	 .type = PACKET_STRUCTURES,
	 .fd_count = 1,
	 .length = 32,
	 .body.structures = {.flags = STRUCTURES_OUTPUT, .output_offset = INT64_MAX}},
	{.name = "structures, both",
	 .direction = PACKET_FROM_APP,
	 .type = PACKET_STRUCTURES,
	 .fd_count = 2,
	 .length = 32,
	 .body.structures = {.flags = STRUCTURES_INPUT | STRUCTURES_OUTPUT,
			     .input_offset = 1,
			     .output_offset = 2}},
	{.name = "client memory, refused",
	 .direction = PACKET_FROM_APP,
	 .type = PACKET_CLIENT_MEMORY,
	 .length = 16,
	 .body.client_memory = {.head = {.slot = 63, .generation = 1, .status = -1}}},
	{.name = "client memory",
	 .direction = PACKET_FROM_APP,
	 .type = PACKET_CLIENT_MEMORY,
	 .fd_count = 2,
	 .length = 48,
	 .body.client_memory = {.head = {.generation = 0x7fffffff, .file_count = 2},
				.segments = {{17, 1}, {0, 5}}}},
	{.name = "ack", .direction = PACKET_FROM_APP, .type = PACKET_ACK},
	{.name = "lookup",
	 .direction = PACKET_TO_REGISTRY,
	 .type = PACKET_LOOKUP,
	 .length = 100,
	 .shorter_ok = true,
	 .longer_ok = true},
	{.name = "properties",
	 .direction = PACKET_TO_REGISTRY,
	 .type = PACKET_PROPERTIES,
	 .length = 8,
	 .body.id = {5}},
	{.name = "open",
	 .direction = PACKET_TO_REGISTRY,
	 .type = PACKET_OPEN,
	 .length = 24,
	 .body.open = {.id = 5, .type = 0xffffffff, .version = PROTOCOL_VERSION}},
	{.name = "entries",
	 .direction = PACKET_TO_REGISTRY,
	 .type = PACKET_ENTRIES,
	 .length = 16,
	 .body.entries = {.id = 5, .plane = PLANE_USB, .relation = ENTRY_ABOVE}},
	{.name = "describe",
	 .direction = PACKET_TO_REGISTRY,
	 .type = PACKET_DESCRIBE,
	 .length = 16,
	 .body.describe = {.id = 5, .plane = PLANE_NONE}},
	{.name = "driver",
	 .direction = PACKET_TO_REGISTRY,
	 .type = PACKET_DRIVER,
	 .length = 8,
	 .body.driver = {.after = 5}},
	{.name = "log",
	 .direction = PACKET_TO_REGISTRY,
	 .type = PACKET_LOG,
	 .length = 24,
	 .body.log = {.driver = 1, .after = 5, .flags = LOG_WAIT}},
	{.name = "plug",
	 .direction = PACKET_TO_REGISTRY,
	 .type = PACKET_PLUG,
	 .length = 4,
	 .shorter_ok = true,
	 .body.bytes = "sink"},
	{.name = "plug, the longest spec",
	 .direction = PACKET_TO_REGISTRY,
	 .type = PACKET_PLUG,
	 .length = DEXT_SPEC_MAX,
	 .shorter_ok = true,
	 .body.bytes = {[0 ... DEXT_SPEC_MAX] = 'a'}},
	{.name = "unplug",
	 .direction = PACKET_TO_REGISTRY,
	 .type = PACKET_UNPLUG,
	 .length = 8,
	 .body.id = {5}},
	{.name = "plug reply",
	 .direction = PACKET_REGISTRY_REPLY,
	 .type = PACKET_PLUG,
	 .length = 8,
	 .body.ids = {0x1142434445464748}},
	{.name = "plug reply, refused",
	 .direction = PACKET_REGISTRY_REPLY,
	 .type = PACKET_PLUG,
	 .status = kIOReturnBadArgument,
	 .length = 3,
	 .shorter_ok = true,
	 .empty_ok = true,
	 .body.bytes = "no."},
	{.name = "set properties",
	 .direction = PACKET_TO_REGISTRY,
	 .type = PACKET_SET_PROPERTIES,
	 .length = 100,
	 .shorter_ok = true,
	 .longer_ok = true,
	 .body.id = {5}},
	{.name = "set properties reply",
	 .direction = PACKET_REGISTRY_REPLY,
	 .type = PACKET_SET_PROPERTIES,
	 .status_ok = true},
	{.name = "unplug reply",
	 .direction = PACKET_REGISTRY_REPLY,
	 .type = PACKET_UNPLUG,
	 .status_ok = true},
	{.name = "unplug reply, refused",
	 .direction = PACKET_REGISTRY_REPLY,
	 .type = PACKET_UNPLUG,
	 .status = kIOReturnNotFound,
	 .length = 3,
	 .shorter_ok = true,
	 .empty_ok = true,
	 .body.bytes = "no."},
	{.name = "watch",
	 .direction = PACKET_TO_REGISTRY,
	 .type = PACKET_WATCH,
	 .length = 100,
	 .shorter_ok = true,
	 .longer_ok = true,
	 .body.watch = {.watch = 7}},
	{.name = "watch of an entry",
	 .direction = PACKET_TO_REGISTRY,
	 .type = PACKET_WATCH,
	 .length = 16,
	 .body.watch = {.watch = 7, .entry = 5}},
	{.name = "unwatch",
	 .direction = PACKET_TO_REGISTRY,
	 .type = PACKET_UNWATCH,
	 .length = 8,
	 .body.id = {7}},
	{.name = "watch reply",
	 .direction = PACKET_REGISTRY_REPLY,
	 .type = PACKET_WATCH,
	 .length = 16,
	 .empty_ok = true,
	 .body.ids = {1, 2}},
	{.name = "watch reply, none",
	 .direction = PACKET_REGISTRY_REPLY,
	 .type = PACKET_WATCH,
	 .status_ok = true},
	{.name = "event",
	 .direction = PACKET_REGISTRY_REPLY,
	 .type = PACKET_EVENT,
	 .length = 32,
	 .body.event = {.head = {.service = 5, .kind = EVENT_GONE}, .watches = {7, 8}}},
	{.name = "event, busy",
	 .direction = PACKET_REGISTRY_REPLY,
	 .type = PACKET_EVENT,
	 .length = 24,
	 .body.event = {.head = {.service = 5, .kind = EVENT_BUSY, .busy = 1}, .watches = {7}}},
	{.name = "entries reply",
	 .direction = PACKET_REGISTRY_REPLY,
	 .type = PACKET_ENTRIES,
	 .length = 16,
	 .empty_ok = true,
	 .body.ids = {1, 2}},
	{.name = "driver reply",
	 .direction = PACKET_REGISTRY_REPLY,
	 .type = PACKET_DRIVER,
	 .length = 100,
	 .shorter_ok = true,
	 .longer_ok = true},
	{.name = "log reply",
	 .direction = PACKET_REGISTRY_REPLY,
	 .type = PACKET_LOG,
	 .length = 36,
	 .empty_ok = true,
	 .body.line = {.head = {.sequence = 1, .length = 4}, .text = "line"}},
	{.name = "describe reply",
	 .direction = PACKET_REGISTRY_REPLY,
	 .type = PACKET_DESCRIBE,
	 .length = 100,
	 .shorter_ok = true,
	 .longer_ok = true},
	{.name = "lookup reply",
	 .direction = PACKET_REGISTRY_REPLY,
	 .type = PACKET_LOOKUP,
	 .length = 16,
	 .empty_ok = true,
	 .body.ids = {1, 2}},
	{.name = "lookup reply, none",
	 .direction = PACKET_REGISTRY_REPLY,
	 .type = PACKET_LOOKUP,
	 .status_ok = true},
	{.name = "properties reply",
	 .direction = PACKET_REGISTRY_REPLY,
	 .type = PACKET_PROPERTIES,
	 .length = 100,
	 .shorter_ok = true,
	 .longer_ok = true},
	{.name = "properties reply, failed",
	 .direction = PACKET_REGISTRY_REPLY,
	 .type = PACKET_PROPERTIES,
	 .status = kIOReturnNotFound},
	{.name = "open reply",
	 .direction = PACKET_REGISTRY_REPLY,
	 .type = PACKET_OPEN,
	 .fd_count = 1},
	{.name = "open reply, failed",
	 .direction = PACKET_REGISTRY_REPLY,
	 .type = PACKET_OPEN,
	 .status = kIOReturnNotFound},
	{.name = "host start",
	 .direction = PACKET_TO_HOST,
	 .type = PACKET_HOST_START,
	 .length = 100,
	 .shorter_ok = true,
	 .longer_ok = true,
	 .more_fds_ok = true},
	{.name = "host start, USB device",
	 .direction = PACKET_TO_HOST,
	 .type = PACKET_HOST_START,
	 .fd_count = 1,
	 .length = 100,
	 .shorter_ok = true,
	 .longer_ok = true,
	 .fewer_fds_ok = true,
	 .more_fds_ok = true},
	{.name = "host start, PCI device with 6 BARs",
	 .direction = PACKET_TO_HOST,
	 .type = PACKET_HOST_START,
	 .fd_count = 13,
	 .length = 100,
	 .shorter_ok = true,
	 .longer_ok = true,
	 .fewer_fds_ok = true},
	{.name = "host open",
	 .direction = PACKET_TO_HOST,
	 .type = PACKET_HOST_OPEN,
	 .fd_count = 2,
	 .length = 32,
	 .body.host_open = {.id = 5, .version = PROTOCOL_VERSION, .uid = 1000, .pid = 1}},
	{.name = "host stop", .direction = PACKET_TO_HOST, .type = PACKET_HOST_STOP},
	{.name = "host unplug", .direction = PACKET_TO_HOST, .type = PACKET_HOST_UNPLUG},
	{.name = "host set properties",
	 .direction = PACKET_TO_HOST,
	 .type = PACKET_HOST_SET_PROPERTIES,
	 .length = 17,
	 .longer_ok = true},
	{.name = "host properties set",
	 .direction = PACKET_CONTROL_REPLY,
	 .type = PACKET_HOST_PROPERTIES_SET,
	 .status_ok = true,
	 .length = 8},
	{.name = "host gone", .direction = PACKET_CONTROL_REPLY, .type = PACKET_HOST_GONE},
	{.name = "host list", .direction = PACKET_TO_HOST, .type = PACKET_HOST_LIST},
	{.name = "host listing",
	 .direction = PACKET_CONTROL_REPLY,
	 .type = PACKET_HOST_LISTING,
	 .length = 8,
	 .body.listing = {.flags = LISTING_STARTED | LISTING_GONE}},
	{.name = "host trace",
	 .direction = PACKET_TO_HOST,
	 .type = PACKET_HOST_TRACE,
	 .fd_count = 1,
	 .length = 16,
	 .body.host_trace = {.uid = 1000}},
	{.name = "host trace, capture",
	 .direction = PACKET_TO_HOST,
	 .type = PACKET_HOST_TRACE,
	 .fd_count = 1,
	 .length = 16,
	 .body.host_trace = {.uid = 1000, .flags = TRACE_WITH_CAPTURE, .snap = 65536}},
	{.name = "trace",
	 .direction = PACKET_TO_REGISTRY,
	 .type = PACKET_TRACE,
	 .length = 16,
	 .body.trace = {.driver = 7}},
	{.name = "trace, capture",
	 .direction = PACKET_TO_REGISTRY,
	 .type = PACKET_TRACE,
	 .length = 16,
	 .body.trace = {.driver = 7, .flags = TRACE_WITH_CAPTURE}},
	{.name = "trace, reply",
	 .direction = PACKET_REGISTRY_REPLY,
	 .type = PACKET_TRACE,
	 .fd_count = 1},
	{.name = "trace, refused",
	 .direction = PACKET_REGISTRY_REPLY,
	 .type = PACKET_TRACE,
	 .status = kIOReturnNotPermitted},
	{.name = "tracing",
	 .direction = PACKET_FROM_RECORDER,
	 .type = PACKET_TRACING,
	 .fd_count = 1,
	 .length = 32,
	 .more_fds_ok = true,
	 .body.tracing = {.version = 1, .position = {8}, .number = {8}}},
	{.name = "tracing, capture",
	 .direction = PACKET_FROM_RECORDER,
	 .type = PACKET_TRACING,
	 .fd_count = 2,
	 .length = 32,
	 .body.tracing = {.version = 1, .position = {8, 12}, .number = {8, 5}}},
	{.name = "tracing, refused",
	 .direction = PACKET_FROM_RECORDER,
	 .type = PACKET_TRACING,
	 .status = kIOReturnNoResources,
	 .length = 32,
	 .body.tracing = {.version = 1}},
	{.name = "host listed", .direction = PACKET_CONTROL_REPLY, .type = PACKET_HOST_LISTED},
	{.name = "host started",
	 .direction = PACKET_CONTROL_REPLY,
	 .type = PACKET_HOST_STARTED,
	 .status_ok = true},
	{.name = "host publish",
	 .direction = PACKET_CONTROL_REPLY,
	 .type = PACKET_HOST_PUBLISH,
	 .length = 17,
	 .longer_ok = true,
	 .body.publish = {.id = 5, .provider = 1}},
	{.name = "host unpublish",
	 .direction = PACKET_CONTROL_REPLY,
	 .type = PACKET_HOST_UNPUBLISH,
	 .length = 8,
	 .body.id = {5}},
};
#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

static IOReturn
check_in(const struct sample *sample, enum packet_direction direction)
{
	make(sample->type, sample->status, sample->fd_count, &sample->body, sample->length);
	return packets_check(&packet, direction);
}

static void
expect(const struct sample *sample, bool right, const char *what)
{
	IOReturn res = check_in(sample, sample->direction);

	ck_assert_msg(res == (right ? kIOReturnSuccess : kIOReturnIPCError), "%s: %s: 0x%x",
		      sample->name, what, (unsigned)res);
}

START_TEST(right_packets_are_right_in_their_direction_only)
{
	for (size_t i = 0; i < SAMPLES; i++) {
		for (unsigned direction = 0; direction < DIRECTIONS; direction++) {
			const struct sample *sample = &samples[i];
			IOReturn res = check_in(sample, direction);
			/* The request has the type of its reply. */
			bool twin = direction != sample->direction &&
				    (direction == PACKET_TO_REGISTRY ||
				     direction == PACKET_REGISTRY_REPLY) &&
				    (sample->direction == PACKET_TO_REGISTRY ||
				     sample->direction == PACKET_REGISTRY_REPLY);

			if (!twin)
				ck_assert_msg((res == kIOReturnSuccess) ==
						      (direction == sample->direction),
					      "%s, %s: 0x%x", sample->name,
					      direction_names[direction], (unsigned)res);
		}
	}
}
END_TEST

START_TEST(unknown_types_are_refused)
{
	for (unsigned type = 0; type < 0x10000; type++) {
		for (unsigned direction = 0; direction < DIRECTIONS; direction++) {
			bool known = false;

			for (size_t i = 0; i < SAMPLES; i++)
				known |= samples[i].type == type &&
					 samples[i].direction == direction;
			if (known)
				continue;
			make((uint16_t)type, 0, 0, NULL, 0);
			/* Each assertion of Check's writes to a file, and these are hundreds of
			 * thousands. */
			if (packets_check(&packet, direction) != kIOReturnIPCError)
				ck_abort_msg("type %#x, direction %u", type, direction);
		}
	}
}
END_TEST

START_TEST(lengths_statuses_and_descriptors)
{
	for (size_t i = 0; i < SAMPLES; i++) {
		struct sample sample = samples[i];

		if (sample.length > 0) {
			sample.length--;
			expect(&sample, samples[i].shorter_ok, "a byte less");
			sample.length = 0;
			expect(&sample, samples[i].empty_ok, "no body");
		}
		sample = samples[i];
		sample.length++;
		expect(&sample, samples[i].longer_ok, "a byte more");
		sample = samples[i];
		sample.fd_count++;
		expect(&sample, samples[i].more_fds_ok, "a descriptor more");
		sample.fd_count = 33;
		expect(&sample, false, "33 descriptors");
		if (samples[i].fd_count > 0) {
			sample.fd_count = samples[i].fd_count - 1;
			expect(&sample, samples[i].fewer_fds_ok, "a descriptor less");
		}
		sample = samples[i];
		sample.status = sample.status == 0 ? kIOReturnError : 0;
		expect(&sample, samples[i].status_ok, "the other kind of status");
	}
}
END_TEST

START_TEST(an_empty_lookup_reply_is_right_but_an_empty_lookup_is_not)
{
	make(PACKET_LOOKUP, 0, 0, NULL, 0);
	ck_assert_int_eq(packets_check(&packet, PACKET_REGISTRY_REPLY), kIOReturnSuccess);
	ck_assert_int_eq(packets_check(&packet, PACKET_TO_REGISTRY), kIOReturnIPCError);
}
END_TEST

/* Descriptors that were lost on this side are not the peer's fault. */
START_TEST(client_memory_is_what_it_says)
{
	static const union body good = {
		.client_memory = {.head = {.slot = 1, .generation = 1, .file_count = 1},
				  .segments = {{0, 4096}}}};
	union body bad[7] = {good, good, good, good, good, good, good};

	bad[0].client_memory.head.slot = CALL_PAGE_SLOTS;
	bad[1].client_memory.head.generation = 0;
	bad[2].client_memory.head.generation = CALL_WAITER | 1;
	bad[3].client_memory.head.status = kIOReturnNotPermitted;
	bad[4].client_memory.segments[0].length = 0;
	bad[5].client_memory.segments[0].offset = (uint64_t)INT64_MAX + 1;
	bad[6].client_memory.segments[0].length = INT64_MAX;
	bad[6].client_memory.segments[0].offset = 1;
	make(PACKET_CLIENT_MEMORY, 0, 1, &good, 32);
	ck_assert_int_eq(packets_check(&packet, PACKET_FROM_APP), kIOReturnSuccess);
	for (unsigned i = 0; i < 7; i++) {
		make(PACKET_CLIENT_MEMORY, 0, 1, &bad[i], 32);
		ck_assert_int_eq(packets_check(&packet, PACKET_FROM_APP), kIOReturnIPCError);
	}
	/* Success without a file; a file and no segment. */
	bad[0] = good;
	bad[0].client_memory.head.file_count = 0;
	make(PACKET_CLIENT_MEMORY, 0, 0, &bad[0], 16);
	ck_assert_int_eq(packets_check(&packet, PACKET_FROM_APP), kIOReturnIPCError);
	make(PACKET_CLIENT_MEMORY, 0, 1, &good, 16);
	ck_assert_int_eq(packets_check(&packet, PACKET_FROM_APP), kIOReturnIPCError);
}
END_TEST

START_TEST(lost_descriptors_break_no_rule)
{
	const struct sample *memory = &samples[4];

	make(memory->type, 0, memory->fd_count, &memory->body, memory->length);
	packet.fd_count = 1;
	ck_assert_int_eq(packets_check(&packet, PACKET_FROM_HOST), kIOReturnSuccess);
}
END_TEST

static struct sample
sample_named(const char *name)
{
	for (size_t i = 0; i < SAMPLES; i++)
		if (strcmp(samples[i].name, name) == 0)
			return samples[i];
	ck_abort_msg("no sample %s", name);
}

/* One field at a time set to a wrong value: sample, field, value. */
#define WRONG(sample_name, field, value)                         \
	do {                                                     \
		struct sample wrong = sample_named(sample_name); \
                                                                 \
		expect(&wrong, true, "before the change");       \
		wrong.body.field = (value);                      \
		expect(&wrong, false, #field " = " #value);      \
	} while (0)

START_TEST(fields_of_trace)
{
	WRONG("trace", trace.flags, 2);
	WRONG("trace", trace.snap, 1);
	WRONG("trace, capture", trace.snap, 65537);
	WRONG("host trace", trace.flags, 2);
	WRONG("host trace, capture", trace.snap, 65537);
	WRONG("tracing", tracing.zero, 1);
	WRONG("tracing", tracing.position[1], 1);
	WRONG("tracing", tracing.number[1], 1);
}
END_TEST

START_TEST(fields_of_listing)
{
	WRONG("host listing", listing.flags, 4);
	WRONG("host listing", listing.zero, 1);
}
END_TEST

START_TEST(fields_of_ready)
{
	WRONG("ready", ready.flags, 1);
	WRONG("ready", ready.page_length, 4096);
	WRONG("ready, another version", ready.flags, 0x80000000);
	WRONG("ready, refused", ready.page_length, 1);
	WRONG("ready, refused", ready.flags, 1);
}
END_TEST

START_TEST(fields_of_memory)
{
	WRONG("memory", memory.head.slot, CALL_PAGE_SLOTS);
	WRONG("memory", memory.head.slot, UINT32_MAX);
	WRONG("memory", memory.head.generation, 0);
	WRONG("memory", memory.head.generation, 0x80000001);
	WRONG("memory", memory.head.segment_count, 0);
	WRONG("memory", memory.head.segment_count, 2);
	WRONG("memory", memory.head.segment_count, UINT32_MAX);
	WRONG("memory, 32 segments", memory.head.segment_count, 33);
	WRONG("memory, 32 segments", memory.head.segment_count, 31);
	WRONG("memory", memory.head.zero, 1);
	WRONG("memory", memory.segments[0].length, 0);
	WRONG("memory", memory.segments[0].length, UINT64_MAX);
	WRONG("memory", memory.segments[0].offset, 1);
	WRONG("memory", memory.segments[0].offset, 512);
	WRONG("memory", memory.segments[0].offset, (uint64_t)INT64_MAX + 1);
	WRONG("memory, two segments", memory.segments[0].length, 8191);
	WRONG("memory, two segments", memory.segments[0].length, INT64_MAX - 4095);
	WRONG("memory, two segments", memory.segments[1].length, 0);
	WRONG("memory, two segments", memory.segments[1].offset, 100);
	WRONG("memory, 32 segments", memory.segments[30].length, 1);
}
END_TEST

START_TEST(fields_of_structures)
{
	WRONG("structures, input", structures.slot, CALL_PAGE_SLOTS);
	WRONG("structures, input", structures.flags, 0);
	WRONG("structures, input", structures.flags, 4);
	WRONG("structures, input", structures.flags, 1 | 0x80000000);
	WRONG("structures, input", structures.flags, STRUCTURES_OUTPUT);
	WRONG("structures, input", structures.flags, STRUCTURES_INPUT | STRUCTURES_OUTPUT);
	WRONG("structures, both", structures.flags, STRUCTURES_INPUT);
	WRONG("structures, input", structures.zero, 1);
	WRONG("structures, input", structures.output_offset, 1);
	WRONG("structures, output", structures.input_offset, 1);
	WRONG("structures, input", structures.input_offset, UINT64_MAX);
	WRONG("structures, output", structures.output_offset, (uint64_t)INT64_MAX + 1);
}
END_TEST

START_TEST(fields_of_the_registrys_packets)
{
	WRONG("open", open.flags, 1);
	WRONG("open", open.zero, 1);
	WRONG("entries", entries.plane, PLANE_NONE);
	WRONG("entries", entries.plane, PLANE_LAST + 1);
	WRONG("entries", entries.relation, 0);
	WRONG("entries", entries.relation, ENTRY_ABOVE + 1);
	WRONG("describe", describe.plane, PLANE_LAST + 1);
	WRONG("describe", describe.zero, 1);
	WRONG("watch", watch.watch, 0);
	WRONG("watch", watch.entry, 5);
	WRONG("watch of an entry", watch.entry, 0);
	WRONG("watch of an entry", watch.watch, 0);
	WRONG("unwatch", id.id, 0);
	WRONG("watch reply", ids[1], 0);
	WRONG("event", event.head.service, 0);
	WRONG("event", event.head.kind, 0);
	WRONG("event", event.head.kind, EVENT_BUSY + 1);
	WRONG("event", event.head.busy, 1);
	WRONG("event, busy", event.head.busy, 2);
	WRONG("event", event.watches[0], 0);
	WRONG("event", event.watches[1], 0);
	WRONG("entries reply", ids[1], 0);
	WRONG("lookup reply", ids[0], 0);
	WRONG("lookup reply", ids[1], 0);
	WRONG("host open", host_open.flags, 1);
	WRONG("host publish", publish.id, 0);
	WRONG("host unpublish", id.id, 0);
}
END_TEST

static void
refuse_one(void *context)
{
	setenv("OPENDEXT_LOG", "error", 1);
	make(PACKET_ACK, 0, 1, NULL, 0);
	packets_check(&packet, PACKET_FROM_APP);
}

START_TEST(the_log_names_the_rule)
{
	char text[512];

	ck_assert_int_eq(unit_child(refuse_one, NULL, text, sizeof(text)), 0);
	ck_assert_ptr_nonnull(strstr(text, "0x0182"));
	ck_assert_ptr_nonnull(strstr(text, "the app"));
	ck_assert_ptr_nonnull(strstr(text, "descriptors"));
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
}
END_TEST

UNIT_MAIN("packets", right_packets_are_right_in_their_direction_only, unknown_types_are_refused,
	  lengths_statuses_and_descriptors,
	  an_empty_lookup_reply_is_right_but_an_empty_lookup_is_not, lost_descriptors_break_no_rule,
	  client_memory_is_what_it_says, fields_of_trace, fields_of_listing, fields_of_ready,
	  fields_of_memory, fields_of_structures, fields_of_the_registrys_packets,
	  the_log_names_the_rule)
