/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of PROTOCOL.md for single packets, as a table: for each direction and type how long the
 * body may be, how many descriptors come along, whether a status may be set, and a function for
 * what is inside the body.
 *
 * packet_receive has checked that the header's length and descriptor count are true, or that
 * descriptors were lost for want of room in this process, which is no fault of the peer: so what is
 * checked here is the count that the peer announced. What needs to know more than the packet (is
 * this sequence the one that is waited for, is this slot in use) is its receiver's business.
 */
#include "packets.h"

#include <string.h>
#include <unistd.h>

#include "bounds.h"
#include "call_page.h"
#include "log.h"
#include "registry_names.h"
#include "trace.h"

#define BODY_MAX     (PACKET_MAX - sizeof(struct packet_header))
#define SEGMENTS_MAX 32u
#define SENTENCE_MAX 1024u

enum status_rule {
	STATUS_ZERO,  /* a request: 0 */
	STATUS_REPLY, /* with a status there is neither body nor descriptor */
	STATUS_FREE,  /* the body's check looks at it */
};

struct rule {
	uint8_t direction;
	uint8_t status;
	uint16_t type;
	uint32_t body_min;
	uint32_t body_max;
	uint16_t fds_min;
	uint16_t fds_max;
	/* The rule that the body breaks, or NULL. The length is in bounds. May be NULL. */
	const char *(*check)(const struct packet *packet);
};

static const char *
check_ready(const struct packet *packet)
{
	const struct packet_header *header = packet->header;
	struct ready_body body;

	memcpy(&body, packet->body, sizeof(body));
	if (body.flags != 0)
		return "flags are 0";
	if (header->fd_count != (header->status == kIOReturnSuccess ? 3 : 0))
		return "three descriptors with success, else none";
	if (header->status != kIOReturnSuccess && body.page_length != 0)
		return "the fields of a failure are 0";
	/* What another version's page looks like is not ours to say. */
	if (header->status == kIOReturnSuccess && body.version == PROTOCOL_VERSION &&
	    body.page_length != sizeof(struct call_page))
		return "page_length is that of the call page";
	return NULL;
}

static const char *
check_segment(const struct memory_segment_body *segment, bool last)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	if (segment->length == 0)
		return "a segment is not empty";
	if (segment->offset > INT64_MAX || segment->length > INT64_MAX - segment->offset)
		return "a segment ends below 2^63";
	if (segment->offset % page != 0)
		return "a segment starts at a page";
	if (!last && segment->length % page != 0)
		return "all segments but the last are whole pages";
	return NULL;
}

static const char *
check_memory(const struct packet *packet)
{
	struct memory_body body;

	memcpy(&body, packet->body, sizeof(body));
	if (body.slot >= CALL_PAGE_SLOTS)
		return "slot is one of the call page";
	if (body.generation == 0 || (body.generation & CALL_WAITER))
		return "generation has 31 bits and is not 0";
	if (body.zero != 0)
		return "zero is 0";
	if (body.segment_count == 0 || body.segment_count > SEGMENTS_MAX)
		return "1 to 32 segments";
	if (packet->header->fd_count != body.segment_count)
		return "a descriptor for each segment";
	if (packet->body_length !=
	    sizeof(body) + body.segment_count * sizeof(struct memory_segment_body))
		return "the body ends after its segments";
	for (uint32_t i = 0; i < body.segment_count; i++) {
		struct memory_segment_body segment;
		const char *broken;

		memcpy(&segment, packet->body + sizeof(body) + i * sizeof(segment),
		       sizeof(segment));
		broken = check_segment(&segment, i + 1 == body.segment_count);
		if (broken != NULL)
			return broken;
	}
	return NULL;
}

static const char *
check_structures(const struct packet *packet)
{
	struct structures_body body;
	uint32_t input, output;

	memcpy(&body, packet->body, sizeof(body));
	input = body.flags & STRUCTURES_INPUT ? 1 : 0;
	output = body.flags & STRUCTURES_OUTPUT ? 1 : 0;
	if (body.slot >= CALL_PAGE_SLOTS)
		return "slot is one of the call page";
	if (body.flags == 0 || body.flags & ~(uint32_t)(STRUCTURES_INPUT | STRUCTURES_OUTPUT))
		return "flags name the input, the output or both";
	if (body.zero != 0)
		return "zero is 0";
	if (packet->header->fd_count != input + output)
		return "a descriptor for each structure";
	if ((!input && body.input_offset != 0) || (!output && body.output_offset != 0))
		return "an unused offset is 0";
	if (body.input_offset > INT64_MAX || body.output_offset > INT64_MAX)
		return "an offset is below 2^63";
	return NULL;
}

static const char *
check_client_memory(const struct packet *packet)
{
	struct client_memory_body body;

	memcpy(&body, packet->body, sizeof(body));
	if (body.slot >= CALL_PAGE_SLOTS)
		return "slot is one of the call page";
	if (body.generation == 0 || (body.generation & CALL_WAITER))
		return "generation has 31 bits and is not 0";
	if ((body.status == kIOReturnSuccess) != (body.file_count != 0))
		return "files with success, none else";
	if (packet->header->fd_count != body.file_count)
		return "a descriptor for each file";
	if (packet->body_length !=
	    sizeof(body) + body.file_count * sizeof(struct memory_segment_body))
		return "the body ends after its segments";
	for (uint32_t i = 0; i < body.file_count; i++) {
		struct memory_segment_body segment;

		memcpy(&segment, packet->body + sizeof(body) + i * sizeof(segment),
		       sizeof(segment));
		if (segment.length == 0)
			return "a segment is not empty";
		if (segment.offset > INT64_MAX || segment.length > INT64_MAX - segment.offset)
			return "a segment ends below 2^63";
	}
	return NULL;
}

static const char *
check_open(const struct packet *packet)
{
	struct open_body body;

	memcpy(&body, packet->body, sizeof(body));
	if (body.flags != 0)
		return "flags are 0";
	if (body.zero != 0)
		return "zero is 0";
	return NULL;
}

static const char *
check_entries(const struct packet *packet)
{
	struct entries_body body;

	memcpy(&body, packet->body, sizeof(body));
	if (body.plane == PLANE_NONE || body.plane > PLANE_LAST)
		return "plane is one of the planes";
	if (body.relation < ENTRY_CHILDREN || body.relation > ENTRY_ABOVE)
		return "relation is one of the relations";
	return NULL;
}

static const char *
check_describe(const struct packet *packet)
{
	struct describe_body body;

	memcpy(&body, packet->body, sizeof(body));
	if (body.plane > PLANE_LAST)
		return "plane is one of the planes, or 0";
	if (body.zero != 0)
		return "zero is 0";
	return NULL;
}

static const char *
check_ids(const struct packet *packet)
{
	for (size_t at = 0; at < packet->body_length; at += sizeof(uint64_t)) {
		uint64_t id;

		if (packet->body_length - at < sizeof(id))
			return "the body is whole ids";
		memcpy(&id, packet->body + at, sizeof(id));
		if (id == 0)
			return "an id is not 0";
	}
	return NULL;
}

static const char *
check_watch(const struct packet *packet)
{
	struct watch_body body;

	memcpy(&body, packet->body, sizeof(body));
	if (body.watch == 0)
		return "a watch is not 0";
	if ((body.entry != 0) != (packet->body_length == sizeof(body)))
		return "an entry, or else a dictionary";
	return NULL;
}

static const char *
check_event(const struct packet *packet)
{
	struct event_body body;

	memcpy(&body, packet->body, sizeof(body));
	if (body.service == 0)
		return "an id is not 0";
	if (body.kind < EVENT_APPEARED || body.kind > EVENT_BUSY)
		return "kind is one of the kinds";
	if (body.busy > (body.kind == EVENT_BUSY ? 1 : 0))
		return "busy is 0 or 1, and 0 but in its kind";
	for (size_t at = sizeof(body); at < packet->body_length; at += sizeof(uint64_t)) {
		uint64_t watch;

		if (packet->body_length - at < sizeof(watch))
			return "the body is whole ids";
		memcpy(&watch, packet->body + at, sizeof(watch));
		if (watch == 0)
			return "a watch is not 0";
	}
	return NULL;
}

static const char *
check_open_reply(const struct packet *packet)
{
	if (packet->header->status == kIOReturnSuccess && packet->header->fd_count != 1)
		return "one descriptor with success";
	return NULL;
}

static const char *
check_properties_reply(const struct packet *packet)
{
	if (packet->header->status == kIOReturnSuccess && packet->body_length == 0)
		return "a property list with success";
	return NULL;
}

static const char *
check_log(const struct packet *packet)
{
	struct log_body body;

	memcpy(&body, packet->body, sizeof(body));
	if ((body.flags & ~(uint32_t)LOG_WAIT) != 0)
		return "flags are known";
	if (body.zero != 0)
		return "zero is 0";
	return NULL;
}

static const char *
check_log_reply(const struct packet *packet)
{
	struct log_record record;

	for (size_t at = 0; at < packet->body_length; at += sizeof(record) + record.length) {
		if (packet->body_length - at < sizeof(record))
			return "the body is whole lines";
		memcpy(&record, packet->body + at, sizeof(record));
		if (record.length > packet->body_length - at - sizeof(record))
			return "the body is whole lines";
	}
	return NULL;
}

static bool
is_printable(const struct packet *packet)
{
	for (size_t i = 0; i < packet->body_length; i++) {
		if (packet->body[i] < ' ' || packet->body[i] > '~')
			return false;
	}
	return true;
}

static const char *
check_plug(const struct packet *packet)
{
	return is_printable(packet) ? NULL : "a spec is printable ASCII";
}

static const char *
check_plug_reply(const struct packet *packet)
{
	bool refused = packet->header->status != kIOReturnSuccess;
	bool plugged = packet->header->type == PACKET_PLUG && !refused;

	if (plugged && packet->body_length != sizeof(uint64_t))
		return "an id with success";
	if (plugged)
		return check_ids(packet);
	if (!refused && packet->body_length != 0)
		return "no body with success";
	return is_printable(packet) ? NULL : "a sentence is printable ASCII";
}

static const char *
check_host_open(const struct packet *packet)
{
	struct host_open_body body;

	memcpy(&body, packet->body, sizeof(body));
	if (body.flags != 0)
		return "flags are 0";
	return NULL;
}

static const char *
check_publish(const struct packet *packet)
{
	struct publish_body body;

	memcpy(&body, packet->body, sizeof(body));
	if (body.id == 0)
		return "an id is not 0";
	return NULL;
}

static const char *
check_listing(const struct packet *packet)
{
	struct listing_body body;

	memcpy(&body, packet->body, sizeof(body));
	if ((body.flags & ~(uint32_t)(LISTING_STARTED | LISTING_GONE)) != 0)
		return "flags are known";
	if (body.zero != 0)
		return "zero is 0";
	return NULL;
}

static const char *
check_what_is_traced(uint32_t flags, uint32_t snap)
{
	if ((flags & ~(uint32_t)TRACE_WITH_CAPTURE) != 0)
		return "flags are known";
	if (snap > TRACE_SNAP_MAX)
		return "snap is at most 65536";
	if (snap != 0 && !(flags & TRACE_WITH_CAPTURE))
		return "snap is the capture's";
	return NULL;
}

static const char *
check_trace(const struct packet *packet)
{
	struct trace_body body;

	memcpy(&body, packet->body, sizeof(body));
	return check_what_is_traced(body.flags, body.snap);
}

static const char *
check_host_trace(const struct packet *packet)
{
	struct host_trace_body body;

	memcpy(&body, packet->body, sizeof(body));
	if (body.zero != 0)
		return "padding is 0";
	return check_what_is_traced(body.flags, body.snap);
}

static const char *
check_tracing(const struct packet *packet)
{
	const struct packet_header *header = packet->header;
	struct tracing_body body;

	memcpy(&body, packet->body, sizeof(body));
	if (body.zero != 0)
		return "zero is 0";
	if ((header->fd_count != 0) != (header->status == kIOReturnSuccess))
		return "descriptors with success, else none";
	if (header->fd_count < 2 && (body.position[1] != 0 || body.number[1] != 0))
		return "the fields of what is not there are 0";
	return NULL;
}

/* direction, status, type, body from and to, descriptors from and to, check of the body */
static const struct rule rules[] = {
	{PACKET_FROM_HOST, STATUS_FREE, PACKET_READY, sizeof(struct ready_body),
	 sizeof(struct ready_body), 0, 3, check_ready},
	{PACKET_FROM_HOST, STATUS_ZERO, PACKET_MEMORY, sizeof(struct memory_body), BODY_MAX, 1,
	 SEGMENTS_MAX, check_memory},

	{PACKET_FROM_APP, STATUS_ZERO, PACKET_STRUCTURES, sizeof(struct structures_body),
	 sizeof(struct structures_body), 1, 2, check_structures},
	{PACKET_FROM_APP, STATUS_ZERO, PACKET_ACK, 0, 0, 0, 0, NULL},
	{PACKET_FROM_APP, STATUS_ZERO, PACKET_CLIENT_MEMORY, sizeof(struct client_memory_body),
	 sizeof(struct client_memory_body) + SEGMENTS_MAX * sizeof(struct memory_segment_body), 0,
	 SEGMENTS_MAX, check_client_memory},

	{PACKET_TO_REGISTRY, STATUS_ZERO, PACKET_LOOKUP, 1, BODY_MAX, 0, 0, NULL},
	{PACKET_TO_REGISTRY, STATUS_ZERO, PACKET_PROPERTIES, sizeof(struct id_body),
	 sizeof(struct id_body), 0, 0, NULL},
	{PACKET_TO_REGISTRY, STATUS_ZERO, PACKET_OPEN, sizeof(struct open_body),
	 sizeof(struct open_body), 0, 0, check_open},
	{PACKET_TO_REGISTRY, STATUS_ZERO, PACKET_ENTRIES, sizeof(struct entries_body),
	 sizeof(struct entries_body), 0, 0, check_entries},
	{PACKET_TO_REGISTRY, STATUS_ZERO, PACKET_DESCRIBE, sizeof(struct describe_body),
	 sizeof(struct describe_body), 0, 0, check_describe},
	{PACKET_TO_REGISTRY, STATUS_ZERO, PACKET_DRIVER, sizeof(struct driver_body),
	 sizeof(struct driver_body), 0, 0, NULL},
	{PACKET_TO_REGISTRY, STATUS_ZERO, PACKET_LOG, sizeof(struct log_body),
	 sizeof(struct log_body), 0, 0, check_log},
	{PACKET_TO_REGISTRY, STATUS_ZERO, PACKET_PLUG, 1, DEXT_SPEC_MAX, 0, 0, check_plug},
	{PACKET_TO_REGISTRY, STATUS_ZERO, PACKET_SET_PROPERTIES, sizeof(struct id_body) + 1,
	 sizeof(struct id_body) + SET_PROPERTIES_MAX, 0, 0, NULL},
	{PACKET_TO_REGISTRY, STATUS_ZERO, PACKET_TRACE, sizeof(struct trace_body),
	 sizeof(struct trace_body), 0, 0, check_trace},
	{PACKET_TO_REGISTRY, STATUS_ZERO, PACKET_UNPLUG, sizeof(struct id_body),
	 sizeof(struct id_body), 0, 0, check_ids},

	{PACKET_TO_REGISTRY, STATUS_ZERO, PACKET_WATCH, sizeof(struct watch_body), BODY_MAX, 0, 0,
	 check_watch},
	{PACKET_TO_REGISTRY, STATUS_ZERO, PACKET_UNWATCH, sizeof(struct id_body),
	 sizeof(struct id_body), 0, 0, check_ids},

	{PACKET_REGISTRY_REPLY, STATUS_REPLY, PACKET_LOOKUP, 0, BODY_MAX, 0, 0, check_ids},
	{PACKET_REGISTRY_REPLY, STATUS_REPLY, PACKET_PROPERTIES, 0, BODY_MAX, 0, 0,
	 check_properties_reply},
	{PACKET_REGISTRY_REPLY, STATUS_REPLY, PACKET_OPEN, 0, 0, 0, 1, check_open_reply},
	{PACKET_REGISTRY_REPLY, STATUS_REPLY, PACKET_ENTRIES, 0, BODY_MAX, 0, 0, check_ids},
	{PACKET_REGISTRY_REPLY, STATUS_REPLY, PACKET_DESCRIBE, 0, BODY_MAX, 0, 0,
	 check_properties_reply},
	{PACKET_REGISTRY_REPLY, STATUS_REPLY, PACKET_DRIVER, 0, BODY_MAX, 0, 0,
	 check_properties_reply},
	{PACKET_REGISTRY_REPLY, STATUS_REPLY, PACKET_LOG, 0, BODY_MAX, 0, 0, check_log_reply},
	{PACKET_REGISTRY_REPLY, STATUS_FREE, PACKET_PLUG, 0, SENTENCE_MAX, 0, 0, check_plug_reply},
	{PACKET_REGISTRY_REPLY, STATUS_REPLY, PACKET_SET_PROPERTIES, 0, 0, 0, 0, NULL},
	{PACKET_REGISTRY_REPLY, STATUS_REPLY, PACKET_TRACE, 0, 0, 0, 1, check_open_reply},
	{PACKET_REGISTRY_REPLY, STATUS_FREE, PACKET_UNPLUG, 0, SENTENCE_MAX, 0, 0,
	 check_plug_reply},
	{PACKET_REGISTRY_REPLY, STATUS_REPLY, PACKET_WATCH, 0, BODY_MAX, 0, 0, check_ids},
	{PACKET_REGISTRY_REPLY, STATUS_ZERO, PACKET_EVENT,
	 sizeof(struct event_body) + sizeof(uint64_t), BODY_MAX, 0, 0, check_event},

	{PACKET_TO_HOST, STATUS_ZERO, PACKET_HOST_START, 1, BODY_MAX, 0, START_FDS_MAX, NULL},
	{PACKET_TO_HOST, STATUS_ZERO, PACKET_HOST_OPEN, sizeof(struct host_open_body),
	 sizeof(struct host_open_body), 2, 2, check_host_open},
	{PACKET_TO_HOST, STATUS_ZERO, PACKET_HOST_STOP, 0, 0, 0, 0, NULL},
	{PACKET_TO_HOST, STATUS_ZERO, PACKET_HOST_UNPLUG, 0, 0, 0, 0, NULL},
	{PACKET_TO_HOST, STATUS_ZERO, PACKET_HOST_LIST, 0, 0, 0, 0, NULL},
	{PACKET_TO_HOST, STATUS_ZERO, PACKET_HOST_TRACE, sizeof(struct host_trace_body),
	 sizeof(struct host_trace_body), 1, 1, check_host_trace},
	{PACKET_TO_HOST, STATUS_ZERO, PACKET_HOST_SET_PROPERTIES,
	 sizeof(struct set_properties_body) + 1, BODY_MAX, 0, 0, NULL},

	{PACKET_CONTROL_REPLY, STATUS_FREE, PACKET_HOST_STARTED, 0, 0, 0, 0, NULL},
	{PACKET_CONTROL_REPLY, STATUS_ZERO, PACKET_HOST_PUBLISH, sizeof(struct publish_body) + 1,
	 sizeof(struct publish_body) + PUBLISHED_MAX, 0, 0, check_publish},
	{PACKET_CONTROL_REPLY, STATUS_ZERO, PACKET_HOST_UNPUBLISH, sizeof(struct id_body),
	 sizeof(struct id_body), 0, 0, check_ids},
	{PACKET_CONTROL_REPLY, STATUS_ZERO, PACKET_HOST_GONE, 0, 0, 0, 0, NULL},
	{PACKET_CONTROL_REPLY, STATUS_FREE, PACKET_HOST_PROPERTIES_SET,
	 sizeof(struct properties_set_body), sizeof(struct properties_set_body), 0, 0, NULL},
	{PACKET_CONTROL_REPLY, STATUS_ZERO, PACKET_HOST_LISTING, sizeof(struct listing_body),
	 sizeof(struct listing_body), 0, 0, check_listing},
	{PACKET_CONTROL_REPLY, STATUS_ZERO, PACKET_HOST_LISTED, 0, 0, 0, 0, NULL},

	{PACKET_FROM_RECORDER, STATUS_FREE, PACKET_TRACING, sizeof(struct tracing_body),
	 sizeof(struct tracing_body), 0, 2, check_tracing},
};

static const char *const senders[] = {
	[PACKET_FROM_HOST] = "the host",     [PACKET_FROM_APP] = "the app",
	[PACKET_TO_REGISTRY] = "an app",     [PACKET_REGISTRY_REPLY] = "the registry",
	[PACKET_TO_HOST] = "the registry",   [PACKET_CONTROL_REPLY] = "the host",
	[PACKET_FROM_RECORDER] = "the host",
};

static const struct rule *
find(uint16_t type, enum packet_direction direction)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].type == type && rules[i].direction == direction)
			return &rules[i];
	return NULL;
}

/* The rule that the packet breaks, or NULL. */
static const char *
broken_rule(const struct packet *packet, enum packet_direction direction)
{
	const struct packet_header *header = packet->header;
	const struct rule *rule = find(header->type, direction);

	if (rule == NULL)
		return "its type is not sent in this direction";
	if (rule->status == STATUS_ZERO && header->status != 0)
		return "status is 0";
	if (rule->status == STATUS_REPLY && header->status != 0 &&
	    (packet->body_length != 0 || header->fd_count != 0))
		return "a failure has neither body nor descriptor";
	if (packet->body_length < rule->body_min)
		return "the body is complete";
	if (packet->body_length > rule->body_max)
		return "the body has no further bytes";
	if (header->fd_count < rule->fds_min || header->fd_count > rule->fds_max)
		return "as many descriptors as its type has";
	return rule->check != NULL ? rule->check(packet) : NULL;
}

IOReturn
packets_check(const struct packet *packet, enum packet_direction direction)
{
	const char *broken = broken_rule(packet, direction);

	if (broken == NULL)
		return kIOReturnSuccess;
	log_error("packet 0x%04x from %s breaks a rule: %s", packet->header->type,
		  senders[direction], broken);
	return kIOReturnIPCError;
}
