/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The call page: what a client and its host share for calls and completions. PROTOCOL.md, "Call
 * page".
 *
 * The host creates it as a memfd and maps it; so does the client. Each word here has one writer.
 * Whatever a side reads of the other's words it copies once and checks the copy.
 *
 * A call. The client takes a free slot (its own bookkeeping), writes the request, flips the slot's
 * bit in `submitted` and, if the host is armed, rings the doorbell. The host finds the bit
 * differing from what it saw last, copies the request, runs it, writes the reply and exchanges
 * `answered` for the request's generation; if the old value had the waiter bit it wakes the futex.
 *
 * `armed` is 0 while a thread of the host scans the page or spins over it, and stays 0 while that
 * thread runs what it found there. So a client that is going to sleep looks whether its call was
 * taken (`taken`), and rings if it was not: a method that blocks keeps nobody waiting.
 *
 * Data queues. A client that has put something into one, or made room that was asked for, counts in
 * `queued`; the host writes that to `looked` before it looks at the queues. A client that sees the
 * host awake rings if `looked` does not follow: nobody spins for a thread that blocks.
 *
 * A completion. The host writes the entry and then `tail`; if the client has armed the ring the
 * host writes a byte into the client's pipe. When the ring is full the host keeps the entries, sets
 * `overflow`, and the client rings the doorbell after it has made room for half a ring.
 *
 * Armed words are sequence numbers: 0 means do not ring, any other value asks for one ring, and
 * each arming uses a new value (in 64 bits, so none comes twice). So a sleeper is rung once,
 * however much is sent before it wakes.
 *
 * Rules for the host, which scans with several threads:
 * - One thread at a time scans a connection, guarded by a state of the host's own (idle, scanning,
 * scan again); a thread that finds it scanning leaves a "scan again" for the scanner, so that no
 * edge of the doorbell is lost. It is never held while a driver's code runs.
 * - Before the scanner runs a call inline it has posted every other call that it took to its queue,
 * has armed every connection that it disarmed and has looked at each once more.
 * - A bit that flips for a slot whose last request is not yet answered ends the connection.
 *
 * Closing is no call: the client shuts its socket down for writing, the host stops taking calls,
 * runs the user client's Stop and closes the socket, and the client waits for that hang-up, at most
 * a second.
 */
#ifndef WIRE_CALL_PAGE_H
#define WIRE_CALL_PAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bounds.h"
#include "lines.h"
#include "spin.h"

#include <DriverKit/IOReturn.h>

#define CALL_PAGE_MAGIC	    UINT64_C(0x5458454e45504f) /* "OPENEXT" as bytes */
#define CALL_PAGE_VERSION   1u
#define CALL_PAGE_SLOTS	    DEXT_LIMIT_CALLS
#define COMPLETION_RING_MAX 1024u /* entries, a power of two */

/* Two lines, because processors fetch lines in pairs. */
#define CALL_PAGE_LINE 128

enum call_operation {
	CALL_METHOD = 1, /* IOConnectCall...: selector, scalars, structures */
	CALL_MAP = 2,	 /* IOConnectMapMemory64: selector is the type, scalar 0 the options */
	CALL_UNMAP = 3,	 /* IOConnectUnmapMemory64: selector is the type */
	CALL_SET_PROPERTIES = 4, /* IOConnectSetCFProperties: the structure is a binary plist */
	CALL_LISTEN = 5, /* IOConnectSetNotificationPort: selector is the type of a data queue */
};

enum call_flags {
	CALL_ASYNC = 1 << 0, /* async_index and async_generation are valid */
	CALL_LARGE_INPUT =
		1 << 1, /* the input structure is memory: structure_in_size bytes of it */
	CALL_LARGE_OUTPUT = 1 << 2, /* the same for the output structure */
	/* With CALL_LARGE_OUTPUT: the output is as long as the driver makes it, up to that. */
	CALL_VARIABLE_OUTPUT = 1 << 3,
};

/* [client] */
struct call_request {
	uint32_t generation; /* counts the uses of this slot from 1 on; 31 bits, 0 is skipped */
	uint16_t operation;
	uint16_t flags;
	uint64_t selector;
	uint32_t scalar_in_count;  /* at most DEXT_SCALARS_MAX */
	uint32_t scalar_out_count; /* room */
	uint64_t structure_in_size;
	uint64_t structure_out_size; /* room */
	uint32_t async_index;
	uint32_t async_generation;
	uint64_t zero[2];
	uint64_t scalars[DEXT_SCALARS_MAX];
};

enum call_reply_flags {
	CALL_KEPT_INPUT = 1 << 0, /* the driver holds on to the memory of the large structure */
	CALL_KEPT_OUTPUT = 1 << 1,
	CALL_QUEUE_CLASSIC = 1 << 2, /* CALL_MAP: the memory is a data queue of that layout */
	CALL_QUEUE_DISPATCH = 1 << 3,
	/* CALL_MAP: the memory is a dext_ring, of the shape in the bits below (shared_ring.h). */
	CALL_QUEUE_RING = 1 << 5,
	CALL_ASKS = 1 << 4, /* not the last answer: data[slot].output is a question */
};

#define CALL_QUEUE_RING_SHAPE 0x00ffff00u
/* What a map call's answer says of the memory. */
#define CALL_QUEUE_ALL \
	(CALL_QUEUE_CLASSIC | CALL_QUEUE_DISPATCH | CALL_QUEUE_RING | CALL_QUEUE_RING_SHAPE)

#define QUESTION_SEGMENTS_MAX 32u

enum question_flags {
	QUESTION_SHARED = 1 << 0, /* the memory itself, not a copy */
};

/* Which of the app's memory the driver wants. */
struct call_question {
	uint32_t segment_count; /* 1 to 32 */
	uint32_t flags;
	uint64_t zero;
	struct {
		uint64_t address;
		uint64_t length; /* not 0 */
	} segments[QUESTION_SEGMENTS_MAX];
};

#define CALL_WAITER 0x80000000u

/* [host], but for the waiter bit of `answered`, which the client adds */
struct call_reply {
	_Atomic uint32_t
		answered; /* generation of the last answered request, 31 bits; top bit: waiter */
	int32_t status;
	uint32_t scalar_out_count;
	uint32_t flags;
	uint64_t structure_out_size;
	uint64_t map_length; /* CALL_MAP: bytes of the descriptor; its memory comes by the socket */
	uint32_t map_read_only; /* CALL_MAP: 1 if the app may only read */
	uint32_t zero0;
	uint64_t zero[3];
	uint64_t scalars[DEXT_SCALARS_MAX];
};

/* Bytes of a request, or of an answer, up to the last scalar that it has. */
#define CALL_SIZE(type, count) (offsetof(type, scalars) + (size_t)(count) * sizeof(uint64_t))

struct call_slot {
	_Alignas(CALL_PAGE_LINE) struct call_request request;
	_Alignas(CALL_PAGE_LINE) struct call_reply reply;
};

/* Inline structures of a slot; touched only by calls that have one. */
struct call_data {
	uint8_t input[DEXT_STRUCTURE_INLINE_MAX];  /* [client] */
	uint8_t output[DEXT_STRUCTURE_INLINE_MAX]; /* [host] */
};

enum completion_kind {
	COMPLETION_CALL = 1,	 /* the driver called AsyncCompletion */
	COMPLETION_RELEASED = 2, /* the driver holds this registration no more: its index is free */
};

struct completion {
	uint32_t kind;
	uint32_t index; /* of the registration */
	uint32_t generation;
	int32_t status;
	uint32_t count; /* arguments, at most DEXT_SCALARS_MAX */
	uint32_t zero0;
	uint64_t arguments[DEXT_SCALARS_MAX];
	uint64_t zero[5];
};

struct call_page {
	struct {
		_Alignas(CALL_PAGE_LINE) uint64_t magic; /* [const] */
		uint32_t version;			 /* [const] */
		uint32_t slots;				 /* [const] */
		uint32_t ring_entries;			 /* [const] */
		uint32_t zero;
	} header;
	struct {
		_Alignas(
			CALL_PAGE_LINE) _Atomic uint64_t bits; /* [client] flipped per submission */
	} submitted;
	struct {
		_Alignas(
			CALL_PAGE_LINE) _Atomic uint64_t flag; /* [host] not 0: ring the doorbell */
	} armed;
	struct {
		_Alignas(CALL_PAGE_LINE) _Atomic uint32_t
			number; /* [client] where it last submitted: the CPU, plus 1 */
	} client_cpu;
	struct {
		_Alignas(CALL_PAGE_LINE) _Atomic uint32_t number; /* [host] where it last scanned */
	} host_cpu;
	struct {
		_Alignas(CALL_PAGE_LINE) _Atomic uint64_t
			bits; /* [host] `submitted` as it was last looked at */
	} taken;
	struct {
		_Alignas(CALL_PAGE_LINE) _Atomic uint32_t
			count; /* [client] changes of data queues, free running */
	} queued;
	struct {
		_Alignas(CALL_PAGE_LINE) _Atomic uint32_t
			count; /* [host] `queued` as it was before the last look at them */
	} looked;
	struct {
		_Alignas(CALL_PAGE_LINE) _Atomic uint32_t
			index; /* [host] entries written, free running */
	} tail;
	struct {
		_Alignas(CALL_PAGE_LINE) _Atomic uint32_t
			index; /* [client] entries read, free running */
	} head;
	struct {
		_Alignas(CALL_PAGE_LINE) _Atomic uint64_t
			flag; /* [client] not 0: write to the pipe */
	} ring_armed;
	struct {
		_Alignas(CALL_PAGE_LINE) _Atomic uint64_t
			flag; /* [host] not 0: ring when there is room */
	} overflow;
	struct {
		_Alignas(CALL_PAGE_LINE) _Atomic uint32_t
			sequence; /* [client] of the last MEMORY that it has read */
		uint32_t is_ack; /* [const] 1: the host looks there, 0: it is older and wants ACK */
	} received;

	_Alignas(4096) struct call_slot slot[CALL_PAGE_SLOTS];
	_Alignas(4096) struct completion ring[COMPLETION_RING_MAX];
	_Alignas(4096) struct call_data data[CALL_PAGE_SLOTS];
};

_Static_assert(sizeof(struct call_request) == 192, "wire");
_Static_assert(sizeof(struct call_reply) == 192, "wire");
_Static_assert(sizeof(struct call_question) == 528, "wire");
_Static_assert(sizeof(struct call_slot) == 512, "wire");
_Static_assert(sizeof(struct call_data) == 8192, "wire");
_Static_assert(sizeof(struct completion) == 192, "wire");
/* The same for 32 bits, where 64-bit members want 4 bytes' alignment only. */
_Static_assert(offsetof(struct call_request, structure_in_size) == 24, "wire");
_Static_assert(offsetof(struct call_request, scalars) == 64, "wire");
_Static_assert(offsetof(struct call_reply, structure_out_size) == 16, "wire");
_Static_assert(offsetof(struct call_reply, scalars) == 64, "wire");
_Static_assert(offsetof(struct call_question, segments) == 16, "wire");
_Static_assert(offsetof(struct completion, arguments) == 24, "wire");
_Static_assert(sizeof(struct call_page) == 4096 + 64 * 512 + 1024 * 192 + 64 * 8192, "wire");

/* --- the client's side --- */

struct call_page_client {
	struct call_page *page;
	_Atomic uint64_t rung; /* value of `armed` for which some thread rang */
	_Atomic uint32_t cpu;  /* as it was last published */
	_Atomic bool over;     /* no answer will come: nobody sleeps any more */
	struct spin_backoff spin, taking;
	/* The rest: [whoever drains the ring] */
	uint32_t head;	    /* entries taken */
	uint64_t sequence;  /* of the last arming */
	uint64_t room_rung; /* value of `overflow` for which we rang */
};

/* Whether the header is one that this library speaks. */
bool call_page_is_valid(const struct call_page *page);

/*
 * A call is going to be submitted. Asks for the line of `submitted`, at which a host that spins may
 * have looked: early enough for it to come back while the request is written.
 */
static inline void
call_page_will_submit(struct call_page_client *client)
{
	lines_will_write(&client->page->submitted, LINES_STEP);
}

/* Submits slot `index`, whose request is complete. True: the host sleeps, ring the doorbell. */
bool call_page_submit(struct call_page_client *client, unsigned index);

/* The same for what was written to a data queue. Any thread. True: ring the doorbell. */
bool call_page_tell(struct call_page_client *client);

static inline uint32_t
call_next_generation(uint32_t generation)
{
	uint32_t next = (generation + 1) & ~CALL_WAITER;

	return next == 0 ? 1 : next;
}

static inline bool
call_slot_is_answered(const struct call_slot *slot, uint32_t generation)
{
	/* Pairs with the exchange in call_slot_answer. */
	uint32_t answered = atomic_load_explicit(&slot->reply.answered, memory_order_acquire);

	return ((answered ^ generation) & ~CALL_WAITER) == 0;
}

/* After copying the reply: false if the host took it back meanwhile. */
bool call_slot_is_current(const struct call_slot *slot, uint32_t generation);
/* After call_page_submit: looks for the answer for a while, if that can help. False: not yet, go to
 * sleep. */
bool call_page_spin(struct call_page_client *client, unsigned index, uint32_t generation);
/* Whether the host has looked at the call, which is not answered yet. */
bool call_page_is_taken(const struct call_page_client *client, unsigned index);
/* Before the sleep. True: the host is awake and did not take the call, ring the doorbell. */
bool call_page_is_left(struct call_page_client *client, unsigned index);
/*
 * Sleeps until the slot's request of this generation is answered, or that time (of clock_now) has
 * come; 0: however long it takes. False: not yet, and maybe too early, after a signal for instance.
 * The reply may be copied after true. A futex has no hang-up: callers sleep for CALL_WAIT_STEP at
 * most and look at the socket in between, or somebody else does and calls call_page_wake.
 */
bool call_page_sleep(struct call_page_client *client, unsigned index, uint32_t generation,
		     uint64_t until);
#define CALL_WAIT_STEP (UINT64_C(50) * 1000000) /* ns */
/* No answer will come any more: whoever sleeps is woken, and nobody falls asleep after it. */
void call_page_wake(struct call_page_client *client);
/* The same until `deadline` (clock_now time), for who has no socket to look at. */
bool call_page_wait(struct call_page_client *client, unsigned index, uint32_t generation,
		    uint64_t deadline);

/*
 * Takes the next entry. kIOReturnSuccess, and *ret_ring: the host waits for room, ring the
 * doorbell; kIOReturnUnderrun: empty; kIOReturnIPCError: the host wrote nonsense.
 */
IOReturn completion_ring_pop(struct call_page_client *client, struct completion *ret_entry,
			     bool *ret_ring);
/* Whether there seems to be an entry. Any thread; a hint, by words that the host may write. */
bool completion_ring_is_due(const struct call_page_client *client);
/* Whether looking for it again and again can help. Any thread. */
bool completion_ring_can_spin(const struct call_page_client *client);
/*
 * For how long that may go on, in ns, as it is now; 0: it cannot help. Longer while the host is
 * awake. Any thread.
 */
uint64_t completion_ring_budget(const struct call_page_client *client);
/* Asks to be told by the pipe about the next entry. False: there is one already, pop again. */
bool completion_ring_arm(struct call_page_client *client);
void completion_ring_disarm(struct call_page_client *client);

/* --- the host's side --- */

struct call_page_host {
	struct call_page *page;
	_Atomic uint64_t seen;	 /* `submitted` as it was last; written by whoever scans */
	_Atomic uint32_t looked; /* `queued` as it was last; any thread */
	/* [whoever scans] */
	uint64_t sequence; /* of the last arming */
	uint64_t heard;	   /* of the last one for which the doorbell rang */
	bool is_armed;
	uint32_t cpu; /* as it was last published */
	/* [whoever holds the lock over the completions] */
	uint32_t tail;		/* entries written */
	uint32_t head;		/* entries read, as it was last looked at */
	uint64_t rung;		/* value of `ring_armed` for which we rang */
	uint64_t room_sequence; /* of the last wait for room */
};

void call_page_init(struct call_page_host *host, struct call_page *page);

/* Whether there is something to take. Any thread. What the first call is about is on its way then.
 */
bool call_page_is_due(const struct call_page_host *host);
/* `submitted` as it was last taken; what has changed since it was `seen`, and whether. */
static inline uint64_t
call_page_seen(const struct call_page_host *host)
{
	return atomic_load_explicit(&host->seen, memory_order_relaxed);
}

static inline uint64_t
call_page_moved(const struct call_page *page, uint64_t seen)
{
	return atomic_load_explicit(&page->submitted.bits, memory_order_relaxed) ^ seen;
}

static inline bool
call_page_has_moved(const struct call_page *page, uint64_t seen)
{
	return call_page_moved(page, seen) != 0;
}

/* Whether spinning over the page can help. Any thread. */
bool call_page_can_spin(const struct call_page_host *host);

/* Before a look at the data queues. Any thread. */
static inline void
call_page_will_look(struct call_page_host *host)
{
	/* Pairs with the count in call_page_tell. */
	uint32_t queued = atomic_load_explicit(&host->page->queued.count, memory_order_seq_cst);

	if (queued == atomic_load_explicit(&host->looked, memory_order_relaxed))
		return;
	/* Two threads may do this at once, and the older count stay: then one ring is in vain. */
	atomic_store_explicit(&host->looked, queued, memory_order_relaxed);
	atomic_store_explicit(&host->page->looked.count, queued, memory_order_relaxed);
}

/* The slots submitted since the last time, as bits. */
static inline uint64_t
call_page_take(struct call_page_host *host)
{
	/* Pairs with the exchange in call_page_submit. */
	uint64_t bits = atomic_load_explicit(&host->page->submitted.bits, memory_order_seq_cst);
	uint64_t changed = bits ^ call_page_seen(host);
	uint32_t cpu = spin_cpu();

	if (cpu != host->cpu) {
		host->cpu = cpu;
		atomic_store_explicit(&host->page->host_cpu.number, cpu, memory_order_relaxed);
	}
	if (changed != 0) {
		atomic_store_explicit(&host->seen, bits, memory_order_relaxed);
		/* Pairs with call_page_is_left, which may sleep after it. */
		atomic_store_explicit(&host->page->taken.bits, bits, memory_order_release);
	}
	return changed;
}

/* Asks for the doorbell. False: something was submitted meanwhile, take again. */
bool call_page_arm(struct call_page_host *host);

static inline void
call_page_disarm(struct call_page_host *host)
{
	if (!host->is_armed)
		return;
	host->is_armed = false;
	/* A client that still reads the old value rings once too often, no more. */
	atomic_store_explicit(&host->page->armed.flag, 0, memory_order_relaxed);
}

/* The doorbell rang for the last arming. Before the page is disarmed. */
static inline void
call_page_heard(struct call_page_host *host)
{
	host->heard = host->sequence;
}

/*
 * Nobody is to ring, neither after a submission nor before a sleep: this thread arms and looks
 * again at once, without doing anything that may block.
 */
static inline void
call_page_hold(struct call_page_host *host)
{
	/* The client rang for that one, and does not ring twice. If it did not it rings in vain. */
	host->is_armed = true;
	atomic_store_explicit(&host->page->armed.flag, host->heard, memory_order_release);
}

/*
 * The slot is going to be answered. Asks for the reply's first line, at which the caller looks: a
 * moment before it is written and not earlier, since each look takes it away again.
 */
static inline void
call_slot_will_answer(struct call_slot *slot)
{
	lines_will_write(&slot->reply, LINES_STEP);
}

/* Publishes the reply, already written, and wakes the caller if it sleeps. */
void call_slot_answer(struct call_slot *slot, uint32_t generation);

/* Takes an answer that was a question back, so that the reply may be written again. */
void call_slot_withdraw(struct call_slot *slot);

/*
 * Appends an entry. kIOReturnSuccess, and *ret_wake: write to the pipe; kIOReturnOverrun: full;
 * kIOReturnIPCError: the client wrote nonsense to `head`.
 */
IOReturn completion_ring_push(struct call_page_host *host, const struct completion *entry,
			      bool *ret_wake);
/* Entries that the client has not taken yet; more than the ring has if its count cannot be true. */
uint32_t completion_ring_used(const struct call_page_host *host);
/* Asks for the doorbell when there is room. False: there is room already, push again. */
bool completion_ring_await_room(struct call_page_host *host);
void completion_ring_room_found(struct call_page_host *host);

#endif
