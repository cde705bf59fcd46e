/* SPDX-License-Identifier: Apache-2.0 */
#include "right.h"

#include "registry_names.h"

/* {IOUserClass: Echo} and {HostileKey: 1}, as binary property lists. */
static const char echo[] = "bplist00\xd1\x01\x02[IOUserClassTEcho\x08\x0b\x17\0\0\0\0\0\0\x01\x01"
			   "\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x1c";
static const char one[] = "bplist00\xd1\x01\x02ZHostileKey\x10\x01\x08\x0b\x16\0\0\0\0\0\0\x01\x01"
			  "\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x18";

static bool
add(struct message *message, const void *body, size_t length)
{
	NEED(message->length + length <= sizeof(message->body));
	memcpy(message->body + message->length, body, length);
	message->length += (uint8_t)length;
	return true;
}

/* One bit in each word, so that most of them are known values. */
static bool
add_ones(struct message *message, size_t length, unsigned fds)
{
	uint64_t body[8] = {1, 1, 1, 1, 1, 1, 1, 1};

	message->fds = (uint8_t)fds;
	return add(message, body, length);
}

#define ADD(...) add(message, &(__VA_ARGS__), sizeof(__VA_ARGS__))

/* To a host. */
static bool
structures(struct message *message)
{
	message->fds = 2;
	return ADD((struct structures_body){.generation = 1,
					    .flags = STRUCTURES_INPUT | STRUCTURES_OUTPUT});
}

bool
right_message(enum packet_type type, struct message *message)
{
	*message = (struct message){.type = (uint16_t)type};
	/* No default: the compiler names a type that is new. */
	switch (type) {
	case PACKET_STRUCTURES:
		return structures(message);
	case PACKET_ACK:
		return true;
	case PACKET_CLIENT_MEMORY:
		return ADD((struct client_memory_body){.generation = 1, .status = kIOReturnError});

	case PACKET_LOOKUP:
		return add(message, echo, sizeof(echo) - 1);
	case PACKET_PROPERTIES:
		return ADD((struct id_body){enemy_service});
	case PACKET_OPEN:
		return ADD((struct open_body){.id = enemy_service, .version = PROTOCOL_VERSION});
	case PACKET_ENTRIES:
		return ADD((struct entries_body){enemy_service, PLANE_SERVICE, ENTRY_ABOVE});
	case PACKET_DESCRIBE:
		return ADD((struct describe_body){.id = enemy_service, .plane = PLANE_SERVICE});
	case PACKET_DRIVER:
		return ADD((struct driver_body){0});
	case PACKET_LOG:
		return ADD((struct log_body){.flags = LOG_WAIT});
	case PACKET_PLUG: /* no device is made: it would stay */
		return add(message, "none", 4);
	case PACKET_UNPLUG:
		return ADD((struct id_body){enemy_service});
	case PACKET_SET_PROPERTIES:
		ADD((struct id_body){enemy_service});
		return add(message, one, sizeof(one) - 1);
	case PACKET_TRACE:
		return ADD((struct trace_body){.driver = 1});
	case PACKET_WATCH:
		return ADD((struct watch_body){.watch = 1, .entry = enemy_service});
	case PACKET_UNWATCH:
		return ADD((struct id_body){1});

	case PACKET_READY:
		return add_ones(message, sizeof(struct ready_body), 3);
	case PACKET_MEMORY:
		return add_ones(message,
				sizeof(struct memory_body) + sizeof(struct memory_segment_body), 1);
	case PACKET_EVENT:
		return add_ones(message, sizeof(struct event_body), 0);
	case PACKET_HOST_START:
		return add_ones(message, 64, 1);
	case PACKET_HOST_OPEN:
		return add_ones(message, sizeof(struct host_open_body), 2);
	case PACKET_HOST_SET_PROPERTIES:
		return add_ones(message, 64, 0);
	case PACKET_HOST_TRACE:
		return add_ones(message, sizeof(struct host_trace_body), 1);
	case PACKET_HOST_PUBLISH:
		return add_ones(message, 64, 0);
	case PACKET_HOST_UNPUBLISH:
		return add_ones(message, sizeof(struct id_body), 0);
	case PACKET_HOST_PROPERTIES_SET:
		return add_ones(message, sizeof(struct properties_set_body), 0);
	case PACKET_HOST_LISTING:
		return add_ones(message, sizeof(struct listing_body), 0);
	case PACKET_TRACING:
		return add_ones(message, sizeof(struct tracing_body), 2);
	case PACKET_HOST_STOP:
	case PACKET_HOST_UNPLUG:
	case PACKET_HOST_LIST:
	case PACKET_HOST_STARTED:
	case PACKET_HOST_GONE:
	case PACKET_HOST_LISTED:
		return true;
	}
	return false;
}
