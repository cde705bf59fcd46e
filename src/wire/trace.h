/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a host records while somebody looks: events in a ring that is overwritten, and exact
 * counters. PROTOCOL.md, "Recordings".
 *
 * There are two files of one layout. The *trace* has a slot for each event, and the places. The
 * *capture* has transfers alone, each followed by slots with the first of its bytes, and no places:
 * an event's place is one of the trace. Each is a memfd of the host's that readers map read-only;
 * no word in it is written by a reader or read by the host, so none can hold it up.
 *
 * Writers. A thread reserves slots by `head`, and takes each by its `turn`. One that finds a slot
 * taken, by a thread that was overtaken by a whole ring, leaves it: that event is lost. So a slot
 * has one writer at a time.
 *
 * Readers. A slot is copied between two looks at `turn`: if that is another afterwards, the copy is
 * dropped. Events are numbered without gaps, so a reader knows how many it has missed.
 *
 * Places are the objects that events are about, with what has happened to them since they got
 * theirs, also of what was lost in the ring. A counter only rises while its place has one owner;
 * differences of two looks are exact, 32-bit ones modulo 2^32. Nothing is counted while nobody
 * looks.
 */
#ifndef WIRE_TRACE_H
#define WIRE_TRACE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <DriverKit/IOReturn.h>

#define TRACE_MAGIC	  UINT32_C(0x63617274) /* "trac" as bytes */
#define TRACE_VERSION	  2u
#define TRACE_SLOTS	  262144u /* of the trace; powers of two */
#define TRACE_SLOTS_BYTES 131072u /* of the capture */
#define TRACE_PLACES	  512u	  /* of the trace */
#define TRACE_SLOT_BYTES  56u	  /* of a transfer's bytes, in each slot behind its event */
#define TRACE_SNAP_MAX	  65536u  /* of a transfer's bytes */
#define TRACE_NO_PLACE	  UINT32_MAX

enum trace_kind {
	/* Of a client's place. */
	TRACE_OPENED = 1, /* value: type of IOServiceOpen; number of the process is in its place */
	TRACE_CLOSED = 2,
	/* value: selector, memory type or type of a queue; id: the same in both, unique in its
	   place */
	TRACE_CALL_BEGAN = 3, /* detail: operation of the call page; count: scalars; length, actual:
				 bytes of the input structure, and room for the output */
	TRACE_CALL_ENDED = 4, /* the same of the answer: actual bytes of the output; status; spent:
				 ns since it began; waited: ns of these until it ran */
	TRACE_COMPLETION = 5, /* id: index of the registration; count: arguments; status; waited: of
				 those before it, how many wait for the app to make room */
	/* Of a pipe's place. value: of a control request the setup packet as it is on the wire, of
	   an isochronous transfer how many packets it has */
	TRACE_TRANSFER_BEGAN = 6, /* length: bytes; detail: endpoint */
	TRACE_TRANSFER_ENDED = 7, /* actual, status; spent: ns since it began */
	/* Of a client's place: a dext_ring's entries. */
	TRACE_RING_TAKEN = 8, /* length: entries that the driver has got */
	TRACE_RING_GIVEN = 9, /* length: entries for the app */
	/* The same: an entry of a data queue. */
	TRACE_DATA_TAKEN = 10, /* length: its bytes */
	TRACE_DATA_GIVEN = 11,
};

enum trace_flags {
	/* ENDED: it began before the recording did; spent is 0. OPENED, by readers only: the same
	 */
	TRACE_RUNS_BEFORE = 1 << 0,
	TRACE_HAS_PACKETS = 1 << 1, /* in the capture: `value` of struct trace_packet come before
				       the transfer's bytes */
};

struct trace_event {
	uint64_t time;	 /* CLOCK_MONOTONIC, ns */
	uint64_t id;	 /* of the call or transfer, in its place */
	uint64_t value;	 /* see trace_kind */
	uint32_t number; /* one more for each event of the file */
	uint32_t place;	 /* index, or TRACE_NO_PLACE: all are taken */
	uint32_t length;
	uint32_t actual;
	int32_t status;
	uint32_t spent; /* ns, saturated */
	union {
		uint32_t waited; /* saturated */
		uint32_t bytes;	 /* in the capture: that follow, at most TRACE_BYTES_MAX */
	};
	uint8_t kind;  /* of enum trace_kind */
	uint8_t flags; /* of enum trace_flags */
	uint8_t count; /* saturated */
	uint8_t detail;
};

/* Of an isochronous transfer. */
struct trace_packet {
	int32_t status;	 /* if it has ended */
	uint32_t offset; /* in the transfer's bytes */
	uint32_t length; /* of it, or, if it has ended, that moved */
	uint32_t zero;
};

#define TRACE_PACKETS_MAX 1024u
#define TRACE_BYTES_MAX	  (TRACE_SNAP_MAX + TRACE_PACKETS_MAX * sizeof(struct trace_packet))

/* In a slot's turn, below the slot's position in the ring's whole life times 4. */
enum trace_turn {
	TRACE_TURN_FREE = 0, /* as it was born */
	TRACE_TURN_TAKEN = 1,
	TRACE_TURN_EVENT = 2,
	TRACE_TURN_BYTES = 3, /* of the event before */
};

struct trace_slot {
	_Atomic uint64_t turn;
	_Atomic uint64_t words[7]; /* struct trace_event, or bytes */
};

enum trace_place_kind {
	TRACE_CLIENT = 1,
	TRACE_PIPE = 2,
};

/* Whose place it is. Written before `generation` becomes odd. Clients that were there when the
 * recording began have theirs at once, pipes with their first transfer. */
struct trace_owner {
	uint64_t since; /* CLOCK_MONOTONIC, ns, when it got its place */
	uint32_t kind;	/* of enum trace_place_kind */
	/* A client. */
	int32_t pid;
	uint32_t uid;
	uint32_t type; /* of IOServiceOpen */
	/* A pipe. */
	uint8_t endpoint;  /* address; 0: control requests */
	uint8_t transfers; /* type: kIOUSBEndpointType... */
	uint8_t interface;
	uint8_t address; /* the device's on its bus */
	uint8_t speed;	 /* kIOUSBHostConnectionSpeed... */
	uint8_t zero[3];
	char name[24]; /* class of the user client; ends with a 0 */
};

#define TRACE_BUCKETS 128u

struct trace_place {
	/* Odd: the place has an owner. Even: it has none, or none any more. Each change is one
	 * more. */
	_Alignas(64) _Atomic uint32_t generation;
	uint32_t zero;
	_Atomic uint64_t owner[7]; /* struct trace_owner */
	/* Calls of a client, transfers of a pipe. */
	_Atomic uint64_t began;
	_Atomic uint64_t ended;
	_Atomic uint64_t failed;      /* of those that ended: with another status than success */
	_Atomic uint64_t bytes;	      /* of transfers that ended; of calls: structures, both ways */
	_Atomic uint64_t spent;	      /* ns, sum over those that ended */
	_Atomic uint64_t waited;      /* ns, of calls in queues, the same */
	_Atomic uint64_t completions; /* sent to a client */
	_Atomic uint32_t in_flight; /* now; of a client: calls that began while this was recorded */
	_Atomic uint32_t waiting;   /* now: completions for which the app's ring has no room, or
				       transfers for which the backend has none */
	_Atomic uint64_t entries[2]; /* of dext_rings and data queues: taken, given */
	/* Now, of a client: what it has of its limits. */
	_Atomic uint64_t mapped_bytes;	/* of memory types */
	_Atomic uint64_t kept_bytes;	/* of its memory, in its calls and kept by the driver */
	_Atomic uint32_t buffers;	/* memory types that it has mapped */
	_Atomic uint32_t registrations; /* for completions */
	uint64_t zeros[3];
	_Atomic uint32_t latency[TRACE_BUCKETS]; /* of those that ended, by trace_bucket(spent) */
};

struct trace_file {
	uint32_t magic;
	uint32_t version;
	uint32_t slot_count;
	uint32_t place_count;
	struct {
		_Alignas(128) _Atomic uint64_t head; /* slots reserved so far */
	} ring;
	struct {
		_Alignas(128) _Atomic uint64_t events; /* of them, such with an event */
		_Atomic uint64_t recordings; /* begun so far; places and counters go on over them */
	} count;
	_Alignas(4096) struct trace_place places[]; /* then the slots */
};

_Static_assert(sizeof(struct trace_event) == TRACE_SLOT_BYTES, "wire");
_Static_assert(sizeof(struct trace_packet) == 16, "wire");
_Static_assert(sizeof(struct trace_slot) == 64, "wire");
_Static_assert(sizeof(struct trace_owner) == 56, "wire");
_Static_assert(sizeof(struct trace_place) == 704, "wire");
_Static_assert(sizeof(struct trace_file) == 4096, "wire");

enum trace_what { TRACE_EVENTS, TRACE_CAPTURE };

/* Bytes of a file. */
uint64_t trace_length(enum trace_what what);

/* The bucket of a duration, and the shortest one of a bucket: four to an octave, to 2^33 ns. */
uint32_t trace_bucket(uint64_t nsec);
uint64_t trace_bucket_begin(uint32_t bucket);

/* --- the host's side --- */

struct trace_writer {
	struct trace_file *file;  /* [const] */
	struct trace_slot *slots; /* [const] */
	uint32_t slot_count;	  /* [const] */
	bool with_bytes;	  /* [const] */
	pthread_mutex_t lock;	  /* with_bytes: number and slots are given together */
};

/* Where a reader begins: what is written from now on comes behind it. */
struct trace_start {
	uint64_t position;
	uint32_t number;
};

/* Memory of zeros. */
void trace_writer_init(struct trace_writer *writer, enum trace_what what, void *memory);
void trace_writer_start(struct trace_writer *writer, struct trace_start *ret_start);
/*
 * Records an event, which gets its number here, and with it bytes (at most TRACE_BYTES_MAX; of the
 * trace: none). Any thread; never waits for a reader.
 */
void trace_write(struct trace_writer *writer, struct trace_event *event, const void *bytes,
		 uint32_t length);

/* --- the reader's side --- */

struct trace_reader {
	const struct trace_file *file;
	const struct trace_slot *slots;
	uint32_t slot_count;
	bool with_bytes;
	uint64_t next;	   /* position of the slot to read */
	uint32_t expected; /* number of the next event */
	uint64_t lost;	   /* events so far */
	uint64_t stuck;	   /* since when the slot is not there, ns; 0: it is not waited for */
};

void trace_reader_init(struct trace_reader *reader, enum trace_what what, const void *memory,
		       const struct trace_start *start);
/*
 * The next event, with at most `room` of its bytes (*ret_length; the event's are in `length` or
 * `actual`). False: there is none yet; one that its writer has begun is waited for, for a moment,
 * unless nobody writes any more.
 */
bool trace_read(struct trace_reader *reader, bool is_over, struct trace_event *ret_event,
		void *bytes, uint32_t room, uint32_t *ret_length);
/* After the last one of a recording that is over: counts what was lost behind it, too. */
void trace_reader_end(struct trace_reader *reader);
/*
 * A copy of a place's owner. False: it has none, and never had (generation 0), or it changes right
 * now. *ret_generation is even for one that has gone.
 */
bool trace_read_owner(const struct trace_file *file, uint32_t place, struct trace_owner *ret_owner,
		      uint32_t *ret_generation);

#endif
