/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages that travel as packets (packet.h): between an app and its host, between an app and
 * the registry, between the registry and a host. PROTOCOL.md has the rules; sizes and padding are
 * checked by packets_check before anything else looks at a message.
 *
 * Descriptors towards the app: each MEMORY is acknowledged by an ACK with its sequence; while one
 * is not, the host sends no other and keeps further ones in order. MEMORY is sent before the
 * CALL_MAP slot is answered. An app that abandoned the call still acknowledges, closes the
 * descriptors and unmaps the type. Descriptors towards the host: at most one STRUCTURES for each
 * slot, received and filed under one lock of the connection; a call that names structures which are
 * not there after the socket was emptied under that lock, a second packet for a slot, or one of
 * another generation ends the connection.
 */
#ifndef WIRE_PACKETS_H
#define WIRE_PACKETS_H

#include "packet.h"

#include <stdbool.h>
#include <stdint.h>

#define PROTOCOL_VERSION 1u

/* The socket that the registry listens on, in its runtime directory. */
#define REGISTRY_SOCKET_NAME "registry"

/* Descriptors of HOST_START: a PCI device's configuration space, and the memory of 6 BARs twice. */
#define START_FDS_MAX 13u

enum packet_type {
	/* host -> app */
	PACKET_READY = 0x0101, /* status; body ready_body; descriptors: call page, doorbell, pipe */
	PACKET_MEMORY = 0x0102, /* body memory_body, segments; a descriptor for each segment */
	/* app -> host */
	PACKET_STRUCTURES = 0x0181, /* body structures_body; one or two descriptors */
	PACKET_ACK = 0x0182,	    /* descriptors of the packet with this sequence were received */
	PACKET_CLIENT_MEMORY = 0x0183, /* body client_memory_body, segments; their descriptors */

	/* app -> registry; the reply has the same type and sequence */
	PACKET_LOOKUP = 0x0201,	    /* body: binary plist, a matching dictionary; reply: u64 ids */
	PACKET_PROPERTIES = 0x0202, /* body id_body; reply: binary plist */
	PACKET_OPEN = 0x0203,	    /* body open_body; reply: descriptor of the direct connection */
	PACKET_ENTRIES = 0x0204,    /* body entries_body; reply: u64 ids */
	PACKET_DESCRIBE = 0x0205,   /* body describe_body; reply: binary plist */
	PACKET_DRIVER = 0x0208,	    /* body driver_body; reply: binary plist */
	PACKET_LOG = 0x0209,	    /* body log_body; reply: log_record, each with its text */
	PACKET_PLUG = 0x0210,	    /* body: a spec; reply: u64 id, or a sentence with a status */
	PACKET_UNPLUG = 0x0211,	    /* body id_body; reply: none, or a sentence with a status */
	PACKET_SET_PROPERTIES = 0x0212, /* body id_body, then a binary plist */
	PACKET_TRACE = 0x0213, /* body trace_body; reply: socket on which the host sends TRACING */
	PACKET_WATCH = 0x0206, /* body watch_body, perhaps a binary plist; reply: u64 ids */
	PACKET_UNWATCH = 0x0207, /* body id_body, of the watch; no reply */
	/* registry -> app, unasked, after a WATCH */
	PACKET_EVENT = 0x0281, /* body event_body, then u64 ids of watches */

	/* registry -> host */
	PACKET_HOST_START = 0x0301, /* body: binary plist; descriptors of a real device */
	PACKET_HOST_OPEN =
		0x0302, /* body host_open_body; descriptors: the connection, the app's pidfd */
	PACKET_HOST_STOP = 0x0303,	     /* no body: stop the driver, then end */
	PACKET_HOST_UNPLUG = 0x0304,	     /* no body: the device has gone */
	PACKET_HOST_SET_PROPERTIES = 0x0305, /* body set_properties_body, then a binary plist */
	PACKET_HOST_LIST = 0x0306,	     /* no body: to a host of an earlier registry */
	PACKET_HOST_TRACE = 0x0307, /* body host_trace_body; descriptor: the reader's socket */
	/* host -> registry */
	PACKET_HOST_STARTED = 0x0381,	     /* status of Start */
	PACKET_HOST_PUBLISH = 0x0382,	     /* body publish_body, then a binary plist */
	PACKET_HOST_UNPUBLISH = 0x0383,	     /* body id_body */
	PACKET_HOST_GONE = 0x0384,	     /* no body: the device has gone */
	PACKET_HOST_PROPERTIES_SET = 0x0385, /* status; body properties_set_body */
	PACKET_HOST_LISTING = 0x0386,	     /* body listing_body; PUBLISH of all services follow */
	PACKET_HOST_LISTED = 0x0387,	     /* no body: those were all */

	/* host -> who looks on */
	PACKET_TRACING =
		0x0401, /* status; body tracing_body; descriptors: trace, perhaps capture */
};

struct ready_body {
	uint32_t version;
	uint32_t flags; /* 0 */
	uint64_t page_length;
};

struct memory_segment_body {
	uint64_t offset;
	uint64_t length;
};

struct memory_body {
	uint32_t slot;
	uint32_t generation;
	uint32_t segment_count; /* = descriptors; 1 to 32; struct memory_segment_body follow */
	uint32_t zero;
};

enum structures_flags {
	STRUCTURES_INPUT = 1 << 0,
	STRUCTURES_OUTPUT = 1 << 1,
};

/* The memory of a call's large structures, sent before the call is submitted. */
struct structures_body {
	uint32_t slot;
	uint32_t generation;
	uint32_t flags; /* which; the input's descriptor comes first */
	uint32_t zero;
	/* Where the structure starts in its memfd, any byte; its size is in the request. 0 where
	 * unused. */
	uint64_t input_offset;
	uint64_t output_offset;
};

/* What a question of the host's got. */
struct client_memory_body {
	uint32_t slot;
	uint32_t generation; /* of the answer that the app waits for now */
	int32_t status;
	uint32_t
		file_count; /* = descriptors; 0 with a failure; struct memory_segment_body follow */
};

struct id_body {
	uint64_t id;
};

struct open_body {
	uint64_t id;
	uint32_t type; /* of IOServiceOpen */
	uint32_t version;
	uint32_t flags; /* 0 */
	uint32_t zero;
};

enum entry_relation {
	ENTRY_CHILDREN = 1,
	ENTRY_PARENTS = 2,
	ENTRY_BELOW = 3, /* children, their children, ...; each before those below it */
	ENTRY_ABOVE = 4, /* the parent, its parent, ... up to the root */
};

struct entries_body {
	uint64_t id;
	uint32_t plane;	   /* of enum plane (registry_names.h) */
	uint32_t relation; /* of enum entry_relation */
};

struct describe_body {
	uint64_t id;
	uint32_t plane; /* of enum plane; 0: none */
	uint32_t zero;
};

/* What is to be told of, from the reply on. */
struct watch_body {
	uint64_t watch; /* chosen by the app, not 0, used once on a socket */
	uint64_t entry; /* 0: whatever matches the dictionary that follows */
};

/* How a driver stands. */
struct driver_body {
	uint64_t after; /* the first with a greater number than this */
};

enum log_flags {
	LOG_WAIT = 1 << 0, /* where there is no line yet: answered when there is one */
};

/* Lines of drivers' logs. */
struct log_body {
	uint64_t driver; /* its number; 0: all that the app may see */
	uint64_t after;	 /* the last line that is known */
	uint32_t flags;	 /* of enum log_flags */
	uint32_t zero;
};

/* A line in the reply; `length` bytes of text without control characters follow. */
struct log_record {
	uint64_t sequence; /* of the line, rising */
	uint64_t driver;
	uint64_t time;	  /* CLOCK_REALTIME, ns */
	uint32_t process; /* of the host; 0: a line of the registry about it */
	uint32_t length;
};

enum trace_request_flags {
	TRACE_WITH_CAPTURE = 1 << 0, /* the bytes of transfers, too */
};

/* What a host is to record (trace.h). */
struct trace_body {
	uint64_t driver; /* its number */
	uint32_t flags;	 /* of enum trace_request_flags */
	uint32_t snap;	 /* bytes of each transfer, at most TRACE_SNAP_MAX; 0 without capture */
};

/* What the registry makes of it for the host. */
struct host_trace_body {
	uint32_t uid; /* the reader's */
	uint32_t zero;
	uint32_t flags; /* as in trace_body */
	uint32_t snap;
};

/* Where a reader begins in the trace, and in the capture; without it 0. */
struct tracing_body {
	uint32_t version; /* TRACE_VERSION */
	uint32_t zero;
	uint64_t position[2];
	uint32_t number[2];
};

enum event_kind {
	EVENT_APPEARED = 1, /* a service that matches */
	EVENT_GONE = 2,	    /* one that the app was told of, or the watched entry */
	EVENT_CHANGED = 3,  /* the watched entry's properties */
	EVENT_BUSY = 4,	    /* the watched entry became busy or quiet */
};

struct event_body {
	uint64_t service;
	uint32_t kind; /* of enum event_kind */
	uint32_t busy; /* of EVENT_BUSY: 1 busy, 0 quiet; else 0 */
};

struct host_open_body {
	uint64_t id;
	uint32_t type;
	uint32_t version;
	uint32_t uid;
	uint32_t gid;
	int32_t pid;
	uint32_t flags;
};

struct publish_body {
	uint64_t id;
	uint64_t provider; /* id of the provider */
};

struct set_properties_body {
	uint64_t id;
	uint64_t number; /* of the request, for its answer */
};

struct properties_set_body {
	uint64_t number;
};

enum listing_flags {
	LISTING_STARTED = 1 << 0, /* STARTED was sent, with success */
	LISTING_GONE = 1 << 1,	  /* the device has gone */
};

struct listing_body {
	uint32_t flags;
	uint32_t zero;
};

/*
 * Bytes of a published service's properties as a property list: less than a packet holds, because
 * the reply to PROPERTIES has those that the registry adds, too.
 */
#define PUBLISHED_MAX (PACKET_MAX - 8192)

/* Bytes of a property list that an app sets. */
#define SET_PROPERTIES_MAX \
	(PACKET_MAX - sizeof(struct packet_header) - sizeof(struct set_properties_body))

_Static_assert(sizeof(struct set_properties_body) == 16, "wire");
_Static_assert(sizeof(struct properties_set_body) == 8, "wire");
_Static_assert(sizeof(struct listing_body) == 8, "wire");
_Static_assert(sizeof(struct ready_body) == 16, "wire");
_Static_assert(sizeof(struct memory_segment_body) == 16, "wire");
_Static_assert(sizeof(struct memory_body) == 16, "wire");
_Static_assert(sizeof(struct structures_body) == 32, "wire");
_Static_assert(sizeof(struct client_memory_body) == 16, "wire");
_Static_assert(sizeof(struct open_body) == 24, "wire");
_Static_assert(sizeof(struct entries_body) == 16, "wire");
_Static_assert(sizeof(struct describe_body) == 16, "wire");
_Static_assert(sizeof(struct watch_body) == 16, "wire");
_Static_assert(sizeof(struct driver_body) == 8, "wire");
_Static_assert(sizeof(struct log_body) == 24, "wire");
_Static_assert(sizeof(struct log_record) == 32, "wire");
_Static_assert(sizeof(struct event_body) == 16, "wire");
_Static_assert(sizeof(struct trace_body) == 16, "wire");
_Static_assert(sizeof(struct host_trace_body) == 16, "wire");
_Static_assert(sizeof(struct tracing_body) == 32, "wire");
_Static_assert(sizeof(struct host_open_body) == 32, "wire");
_Static_assert(sizeof(struct publish_body) == 16, "wire");

enum packet_direction {
	PACKET_FROM_HOST,      /* received by an app */
	PACKET_FROM_APP,       /* received by a host */
	PACKET_TO_REGISTRY,    /* received by the registry from an app */
	PACKET_REGISTRY_REPLY, /* received by an app from the registry */
	PACKET_TO_HOST,	       /* received by a host on its control socket */
	PACKET_CONTROL_REPLY,  /* received by the registry from a host */
	PACKET_FROM_RECORDER,  /* received from a host by who looks on */
};

/*
 * Whether a received packet is one that may come from that side: known type, body length in its
 * bounds, descriptor count, zero padding, known flags. kIOReturnIPCError and a log line naming the
 * rule otherwise.
 */
IOReturn packets_check(const struct packet *packet, enum packet_direction direction);

#endif
