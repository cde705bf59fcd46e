/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dext_ring's memory: two rings of entries of one size that an app and its driver share, one for
 * what the app submits and one for what the driver completes. ARCHITECTURE.md, "Rings".
 *
 *	producer: shared_ring_push
 *	consumer: shared_ring_pop
 *
 * Each position is a count that runs freely in 32 bits and has one writer. A side keeps its own in
 * memory of its own and never reads it back; what it reads of the other's it copies once and
 * checks: more entries than the ring has room for are kIOReturnError, and nothing outside of the
 * ring is touched. Entry size and capacities come from the answer to the map call, never from the
 * memory.
 *
 * A consumer writes into the lines that it has read, before its head gives them up: so a producer
 * finds each in one cache and not in two. What an entry's place holds after that means nothing.
 *
 * Wake-ups. Who is going to wait writes into a word of its own, `armed` for entries or `room` for
 * room, a new number and a position of the other side's, and looks once more; the other side looks
 * at that word after it has moved, and tells once for each number, but only if it is past that
 * position: a telling of what the waiter knew would be the only one, and in vain. A position that
 * the other side has yet to come to makes it tell later, of several entries at once. Both are
 * "write mine, then read yours", seq_cst on both sides. Nobody takes a number back: what was armed
 * and is not waited for costs one telling.
 *
 * A fence in every push is most of what a push costs where the consumer looks at `tail` all the
 * time. So a consumer that has been awake for long says in `fences` that it has a fence for both.
 * It then arms with a call that is a fence in the producer's threads, too (fence.h), and a push is
 * a plain store and a plain load. Only for producers whose process can be reached so, which is what
 * `reached` says. A push that began before that may see this arming and none after it; so one that
 * names a nearer position, as when a batch has not come in time, is a fence again. A side that lies
 * there misses wake-ups of its own.
 *
 * How the other side is told is not seen here, but for the bell: a word that the driver's side
 * counts up and wakes, and on which the app sleeps in futex. Who waits reads the bell, arms, looks,
 * and then sleeps unless the bell has changed.
 */
#ifndef WIRE_SHARED_RING_H
#define WIRE_SHARED_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bounds.h"

#include <DriverKit/IOReturn.h>

#define SHARED_RING_MAGIC UINT32_C(0x676e6972) /* "ring" as bytes */
#define SHARED_RING_LINE  128

enum shared_ring_direction {
	SHARED_RING_SUBMISSION = 0, /* the app produces */
	SHARED_RING_COMPLETION = 1, /* the driver does */
};

struct shared_ring_shape {
	uint32_t entry_size;  /* bytes: a multiple of 8 */
	uint32_t capacity[2]; /* entries: powers of two */
};

/* Each writer's words in lines that no other word is in. */
struct shared_ring_lane {
	struct {
		_Alignas(SHARED_RING_LINE) _Atomic uint32_t index;
	} tail; /* [producer] */
	struct {
		_Alignas(SHARED_RING_LINE) _Atomic uint32_t index;
	} head; /* [consumer] */
	struct {
		/* number << 32 | tail to be passed; 0: never armed */
		_Alignas(SHARED_RING_LINE) _Atomic uint64_t number;
		_Atomic uint32_t fences; /* 1: the consumer has the fences */
		_Atomic uint32_t cpu;	 /* of who can be told later (spin_cpu); 0: of nobody */
	} armed;			 /* [consumer] */
	struct {
		_Alignas(SHARED_RING_LINE) _Atomic uint64_t number; /* the same with head */
		_Atomic uint32_t reached; /* 1: fence_everywhere reaches the producer */
	} room;				  /* [producer] */
};

struct shared_ring {
	struct {
		_Alignas(SHARED_RING_LINE) uint32_t magic;
		uint32_t entry_size;
		uint32_t capacity[2];
	} header; /* [const] for who looks at the memory by hand; nobody acts upon it */
	struct {
		_Alignas(SHARED_RING_LINE) _Atomic uint32_t count;
	} bell; /* [driver] */
	struct shared_ring_lane lane[2];
	_Alignas(4096) uint8_t entries[]; /* of the submissions, then of the completions */
};

_Static_assert(sizeof(struct shared_ring) == 4096, "wire");

/* Whether a ring can be of that shape (bounds.h). */
bool shared_ring_is_possible(const struct shared_ring_shape *shape);
/* Bytes of memory. */
uint64_t shared_ring_length(const struct shared_ring_shape *shape);
/* The shape in the bits CALL_QUEUE_RING_SHAPE of a map call's answer, and back. */
uint32_t shared_ring_to_flags(const struct shared_ring_shape *shape);
bool shared_ring_from_flags(uint32_t flags, struct shared_ring_shape *ret_shape);

/* One side of one direction. Each is used by one thread at a time. */
struct shared_ring_producer {
	struct shared_ring_lane *lane;
	uint8_t *entries;
	uint32_t entry_size, capacity;
	uint32_t tail;	/* as published */
	uint32_t head;	/* as it was last seen */
	uint32_t asked; /* number of the last asking for room */
	uint64_t told;	/* `armed` that was answered */
	bool reached;	/* `room.reached` */
};

struct shared_ring_consumer {
	struct shared_ring_lane *lane;
	uint8_t *entries;
	uint32_t entry_size, capacity;
	uint32_t head;
	uint32_t tail;
	uint64_t told; /* `room` that was answered */
	/* of await_entries and take_fences */
	uint32_t asked; /* number of the last arming */
	uint32_t wish;	/* the tail that it named */
	bool fences;	/* `armed.fences` */
	bool had;	/* them, at some time */
};

/* A new ring in zeroed memory. */
void shared_ring_init(struct shared_ring *ring, const struct shared_ring_shape *shape);
/* Goes on where the memory says that this side is. */
void shared_ring_produce(struct shared_ring_producer *producer, struct shared_ring *ring,
			 const struct shared_ring_shape *shape,
			 enum shared_ring_direction direction);
void shared_ring_consume(struct shared_ring_consumer *consumer, struct shared_ring *ring,
			 const struct shared_ring_shape *shape,
			 enum shared_ring_direction direction);

/*
 * Appends up to `count` entries, as many as there is room for; *ret_tell: the consumer waits.
 * kIOReturnOverrun: not one. kIOReturnError: the consumer's position cannot be.
 */
IOReturn shared_ring_push(struct shared_ring_producer *producer, const void *entries,
			  uint32_t count, uint32_t *ret_pushed, bool *ret_tell);
/*
 * Takes up to `room` entries; *ret_tell: the producer waits for room. kIOReturnUnderrun: there is
 * none. kIOReturnError: the producer's position cannot be.
 */
IOReturn shared_ring_pop(struct shared_ring_consumer *consumer, void *entries, uint32_t room,
			 uint32_t *ret_popped, bool *ret_tell);

/* Whether there is an entry, or room for one; or nonsense, which the next push or pop names. */
bool shared_ring_has_entries(const struct shared_ring_consumer *consumer);
bool shared_ring_has_room(const struct shared_ring_producer *producer);
/* Whether what was pushed has not been popped yet. */
bool shared_ring_is_left(const struct shared_ring_producer *producer);
/* Whether the consumer has asked to be told of what is pushed next. A hint, in no order. */
bool shared_ring_is_awaited(const struct shared_ring_producer *producer);

/*
 * Asks to be told when the other side is past that position: as the caller knows it, or up to a
 * ring's length further on. The caller looks once more.
 */
void shared_ring_await_entries(struct shared_ring_consumer *consumer, uint32_t tail);
void shared_ring_await_room(struct shared_ring_producer *producer, uint32_t head);
/*
 * After entries were found, of which `tail` is the end: takes the fences over if many came since
 * the last arming. Never at the same time as await_entries.
 */
void shared_ring_take_fences(struct shared_ring_consumer *consumer, uint32_t tail);
/*
 * Before await_entries: whether the caller, who then sleeps until a time, can be told later than at
 * once by a producer that has work on this CPU; and the producer's question, when it is to tell.
 */
void shared_ring_be_patient(const struct shared_ring_consumer *consumer, bool patient);
bool shared_ring_can_wait(const struct shared_ring_producer *producer);
/* The last position at which there is no entry, or no room. */
uint32_t shared_ring_empty_at(const struct shared_ring_consumer *consumer);
uint32_t shared_ring_full_at(const struct shared_ring_producer *producer);

/* The driver's side: wakes whoever sleeps on the bell. Any thread. */
void shared_ring_ring_bell(struct shared_ring *ring);
/* The app's: the bell, before arming; and sleeping while it is that. False: `nsec` went by. */
uint32_t shared_ring_bell(const struct shared_ring *ring);
bool shared_ring_sleep(struct shared_ring *ring, uint32_t bell, uint64_t nsec);

#endif
