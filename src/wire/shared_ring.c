/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine of dext_ring, the same for both sides and both directions.
 *
 * The pairs of the kind "write mine, then read yours", seq_cst on both sides, but for the first one
 * while the consumer has the fences:
 *
 *	tail (producer) against armed (consumer)	push, await_entries and the look after it
 *	head (consumer) against room  (producer)	pop, await_room and the look after it
 *	bell (driver)   against armed, room (app)	a sleeper reads the bell before it arms
 *
 * Entries are plain memory, ordered by the tail that publishes them and the head that gives their
 * places up. A side looks at the other's position only when what it saw last is used up: so a
 * stream costs one miss for what fits into the ring and not one for each entry.
 */
#include "shared_ring.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "call_page.h"
#include "clock.h"
#include "fence.h"
#include "futex.h"
#include "lines.h"
#include "spin.h"

#define SHAPE_SHIFT 8u
/* Bytes; more are faster by memcpy. */
#define COPIED_IN_WORDS 1024u
#define FETCH_AHEAD	16u
/* Entries whose lines a CPU has on their way together. */
#define AT_ONCE 8u
/* Of the threads that sleep on the bell; who sleeps beside them looks after its step. */
#define SLEEPERS_TOLD 16
/* Entries without an arming after which one may cost fence_everywhere. A push is 50 ns cheaper. */
#define AWAKE_ENTRIES 1024
_Static_assert(CALL_QUEUE_RING_SHAPE == 0xffffu << SHAPE_SHIFT, "wire");

static bool
is_capacity(uint32_t capacity)
{
	return capacity > 0 && capacity <= DEXT_RING_ENTRIES_MAX &&
	       (capacity & (capacity - 1)) == 0;
}

bool
shared_ring_is_possible(const struct shared_ring_shape *shape)
{
	return shape->entry_size >= DEXT_RING_ENTRY_MIN &&
	       shape->entry_size <= DEXT_RING_ENTRY_MAX && shape->entry_size % 8 == 0 &&
	       is_capacity(shape->capacity[0]) && is_capacity(shape->capacity[1]);
}

/* Entries start on lines of their own. */
static uint64_t
lane_bytes(const struct shared_ring_shape *shape, enum shared_ring_direction direction)
{
	uint64_t bytes = (uint64_t)shape->entry_size * shape->capacity[direction];

	return (bytes + SHARED_RING_LINE - 1) & ~(uint64_t)(SHARED_RING_LINE - 1);
}

uint64_t
shared_ring_length(const struct shared_ring_shape *shape)
{
	return sizeof(struct shared_ring) + lane_bytes(shape, SHARED_RING_SUBMISSION) +
	       lane_bytes(shape, SHARED_RING_COMPLETION);
}

/* 5 bits for each capacity's logarithm, 6 for the size in units of 8. */
uint32_t
shared_ring_to_flags(const struct shared_ring_shape *shape)
{
	uint32_t bits = (uint32_t)__builtin_ctz(shape->capacity[0]) |
			(uint32_t)__builtin_ctz(shape->capacity[1]) << 5 |
			shape->entry_size / 8 << 10;

	return bits << SHAPE_SHIFT;
}

bool
shared_ring_from_flags(uint32_t flags, struct shared_ring_shape *ret_shape)
{
	uint32_t bits = flags >> SHAPE_SHIFT;
	struct shared_ring_shape shape = {
		.entry_size = (bits >> 10 & 63) * 8,
		.capacity = {UINT32_C(1) << (bits & 31), UINT32_C(1) << (bits >> 5 & 31)},
	};

	if (!shared_ring_is_possible(&shape))
		return false;
	*ret_shape = shape;
	return true;
}

void
shared_ring_init(struct shared_ring *ring, const struct shared_ring_shape *shape)
{
	ring->header.magic = SHARED_RING_MAGIC;
	ring->header.entry_size = shape->entry_size;
	memcpy(ring->header.capacity, shape->capacity, sizeof(shape->capacity));
}

static uint8_t *
entries_of(struct shared_ring *ring, const struct shared_ring_shape *shape,
	   enum shared_ring_direction direction)
{
	uint64_t before =
		direction == SHARED_RING_SUBMISSION ? 0 : lane_bytes(shape, SHARED_RING_SUBMISSION);

	return ring->entries + before;
}

/* The last number of one's own. */
static uint32_t
number_of(const _Atomic uint64_t *word)
{
	return (uint32_t)(atomic_load_explicit(word, memory_order_relaxed) >> 32);
}

void
shared_ring_produce(struct shared_ring_producer *producer, struct shared_ring *ring,
		    const struct shared_ring_shape *shape, enum shared_ring_direction direction)
{
	struct shared_ring_lane *lane = &ring->lane[direction];

	/* What this side wrote last: in no order with anything. */
	*producer = (struct shared_ring_producer){
		.lane = lane,
		.entries = entries_of(ring, shape, direction),
		.entry_size = shape->entry_size,
		.capacity = shape->capacity[direction],
		.tail = atomic_load_explicit(&lane->tail.index, memory_order_relaxed),
		.head = atomic_load_explicit(&lane->head.index, memory_order_acquire),
		.asked = number_of(&lane->room.number),
		.reached = fence_join(),
	};
	/* Alone: who does not see it yet fences for itself. */
	atomic_store_explicit(&lane->room.reached, producer->reached, memory_order_relaxed);
}

void
shared_ring_consume(struct shared_ring_consumer *consumer, struct shared_ring *ring,
		    const struct shared_ring_shape *shape, enum shared_ring_direction direction)
{
	struct shared_ring_lane *lane = &ring->lane[direction];
	uint32_t head = atomic_load_explicit(&lane->head.index, memory_order_relaxed);
	/* Of one who had this side before and did not give them back. */
	bool fences = atomic_load_explicit(&lane->armed.fences, memory_order_relaxed) != 0;

	*consumer = (struct shared_ring_consumer){
		.lane = lane,
		.entries = entries_of(ring, shape, direction),
		.entry_size = shape->entry_size,
		.capacity = shape->capacity[direction],
		.head = head,
		.tail = head, /* so the first pop looks */
		.asked = number_of(&lane->armed.number),
		.wish = head,
		.fences = fences,
		.had = fences,
	};
}

/* Whether the position that was asked for is still to be passed. */
static bool
is_ahead(uint64_t asked, uint32_t mine, uint32_t capacity)
{
	return (uint32_t)asked - mine < capacity;
}

/*
 * Whether the other side waits for a position that `mine` is past, and was not told; it is now.
 * What may be asked for is less than a ring's length ahead; all else is past.
 */
static bool
is_to_tell(uint64_t asked, uint32_t mine, uint32_t capacity, uint64_t *told)
{
	if (asked == 0 || asked == *told || is_ahead(asked, mine, capacity))
		return false;
	*told = asked;
	return true;
}

static void
await(_Atomic uint64_t *word, uint32_t *number, uint32_t position)
{
	if (++*number == 0)
		*number = 1;
	/* Pairs with the loads after the stores of tail and head. */
	atomic_store_explicit(word, (uint64_t)*number << 32 | position, memory_order_seq_cst);
}

/* --- the producer --- */

/* False: more than all of it is used. */
static bool
room_of(const struct shared_ring_producer *producer, uint32_t head, uint32_t *ret_room)
{
	uint32_t used = producer->tail - head;

	*ret_room = producer->capacity - used;
	return used <= producer->capacity;
}

static uint32_t
load_head(const struct shared_ring_producer *producer)
{
	/* Pairs with the store in pop: the places before it may be written. */
	return atomic_load_explicit(&producer->lane->head.index, memory_order_seq_cst);
}

/*
 * The lines of the entries that come AHEAD later are asked for, to be written. They have been read
 * by the other side, on another CPU; a push that had to wait for them would wait at its store of
 * the tail, which nothing may overtake. A batch has several of its own on their way while it is
 * stored, since they were handed back; to ask for others only takes the places of these.
 */
static void
fetch_ahead(const struct shared_ring_producer *producer, uint32_t count)
{
#if defined(__x86_64__)
	uint32_t first = producer->tail + FETCH_AHEAD, mask = producer->capacity - 1;

	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *entry =
			producer->entries + (size_t)((first + i) & mask) * producer->entry_size;

		__asm__ volatile("prefetchw %0" : : "m"(*entry));
	}
#else
	(void)producer;
	(void)count;
#endif
}

/*
 * A few entries are loaded in words. What the caller has just stored in words is on its way to the
 * cache, behind the last push's store of the tail, whose line may be with the other side; a load of
 * one such word has it from the store, one of two waits until both are there. Stored they are in
 * pairs: what a CPU can have on its way is counted in stores.
 */
static void
copy_entries(uint8_t *to, const uint8_t *from, size_t size)
{
	typedef uint64_t pair __attribute__((vector_size(16)));

	if (size > COPIED_IN_WORDS) {
		memcpy(to, from, size);
		return;
	}
	for (; size >= sizeof(pair); size -= sizeof(pair)) {
		uint64_t first, second;

		memcpy(&first, from, sizeof(first));
		/* Or the compiler makes one load of the two. */
		atomic_signal_fence(memory_order_seq_cst);
		memcpy(&second, from + sizeof(first), sizeof(second));
		memcpy(to, &(pair){first, second}, sizeof(pair));
		from += sizeof(pair);
		to += sizeof(pair);
	}
	if (size > 0)
		memcpy(to, from, sizeof(uint64_t));
}

static void
write_entries(const struct shared_ring_producer *producer, const uint8_t *entries, uint32_t count)
{
	uint32_t at = producer->tail & (producer->capacity - 1);
	uint32_t first = count < producer->capacity - at ? count : producer->capacity - at;
	size_t bytes = (size_t)first * producer->entry_size;

	copy_entries(producer->entries + (size_t)at * producer->entry_size, entries, bytes);
	if (first < count)
		copy_entries(producer->entries, entries + bytes,
			     (size_t)(count - first) * producer->entry_size);
}

/* Lets the consumer see the entries up to the tail. What it has asked for, as it is after that. */
static uint64_t
publish(const struct shared_ring_producer *producer)
{
	struct shared_ring_lane *lane = producer->lane;

	/*
	 * The store pairs with load_tail, which sees the entries; the load after it with
	 * await_entries. Between the two is a fence, either here or from fence_everywhere there: if
	 * that one falls before the store, the load sees what was armed, and else the consumer sees
	 * the tail.
	 */
	if (producer->reached &&
	    atomic_load_explicit(&lane->armed.fences, memory_order_acquire) != 0) {
		atomic_store_explicit(&lane->tail.index, producer->tail, memory_order_release);
		atomic_signal_fence(memory_order_seq_cst);
		return atomic_load_explicit(&lane->armed.number, memory_order_relaxed);
	}
	atomic_store_explicit(&lane->tail.index, producer->tail, memory_order_seq_cst);
	return atomic_load_explicit(&lane->armed.number, memory_order_seq_cst);
}

IOReturn
shared_ring_push(struct shared_ring_producer *producer, const void *entries, uint32_t count,
		 uint32_t *ret_pushed, bool *ret_tell)
{
	uint32_t room;

	*ret_pushed = 0;
	*ret_tell = false;
	if (!room_of(producer, producer->head, &room) || room < count) {
		producer->head = load_head(producer);
		if (!room_of(producer, producer->head, &room))
			return kIOReturnError;
	}
	if (count > room)
		count = room;
	if (count == 0)
		return kIOReturnOverrun;
	if (count < AT_ONCE)
		fetch_ahead(producer, count);
	write_entries(producer, entries, count);
	producer->tail += count;
	*ret_tell =
		is_to_tell(publish(producer), producer->tail, producer->capacity, &producer->told);
	*ret_pushed = count;
	return kIOReturnSuccess;
}

bool
shared_ring_has_room(const struct shared_ring_producer *producer)
{
	uint32_t room;

	return !room_of(producer, load_head(producer), &room) || room > 0;
}

bool
shared_ring_is_left(const struct shared_ring_producer *producer)
{
	/* From the page: the thread that pushes may be another one. */
	return load_head(producer) !=
	       atomic_load_explicit(&producer->lane->tail.index, memory_order_relaxed);
}

bool
shared_ring_is_awaited(const struct shared_ring_producer *producer)
{
	const struct shared_ring_lane *lane = producer->lane;
	uint64_t number = atomic_load_explicit(&lane->armed.number, memory_order_relaxed);
	uint32_t tail = atomic_load_explicit(&lane->tail.index, memory_order_relaxed);

	return number != 0 && is_ahead(number, tail, producer->capacity);
}

bool
shared_ring_can_wait(const struct shared_ring_producer *producer)
{
	const struct shared_ring_lane *lane = producer->lane;

	/* For what was stored before the number: push did not acquire it while the fences are lent.
	 */
	(void)atomic_load_explicit(&lane->armed.number, memory_order_acquire);
	return spin_is_here(spin_cpu(),
			    atomic_load_explicit(&lane->armed.cpu, memory_order_relaxed));
}

void
shared_ring_await_room(struct shared_ring_producer *producer, uint32_t head)
{
	await(&producer->lane->room.number, &producer->asked, head);
}

uint32_t
shared_ring_full_at(const struct shared_ring_producer *producer)
{
	return producer->tail - producer->capacity;
}

/* --- the consumer --- */

static uint32_t
load_tail(const struct shared_ring_consumer *consumer)
{
	/* Pairs with the store in push: the entries before it are complete. */
	return atomic_load_explicit(&consumer->lane->tail.index, memory_order_seq_cst);
}

/*
 * Writes into each line that has been read to its end. A line that was only read lies in both
 * caches, and some CPUs take such lines back one after the other, each for as long as a line
 * travels, also if they ask early; those that this side has written come several at once.
 */
static void
hand_lines_back(uint8_t *entries, size_t start, size_t end)
{
	for (size_t line = start / LINES_STEP + 1; line * LINES_STEP <= end; line++)
		memset(entries + line * LINES_STEP - 8, 0, 8);
}

/*
 * A few entries at once: their lines are handed back while the next ones come. Handed back at the
 * end all of them would be underway when the head is stored, which waits for them. By memcpy, since
 * nothing here was stored by this side in words, as in copy_entries.
 */
static void
read_places(const struct shared_ring_consumer *consumer, uint8_t *to, size_t start, size_t size)
{
	size_t step = (size_t)AT_ONCE * consumer->entry_size, end = start + size;

	for (size_t bytes; start < end; start += bytes, to += bytes) {
		bytes = end - start < step ? end - start : step;
		memcpy(to, consumer->entries + start, bytes);
		hand_lines_back(consumer->entries, start, start + bytes);
	}
}

static void
read_entries(const struct shared_ring_consumer *consumer, uint8_t *entries, uint32_t count)
{
	uint32_t at = consumer->head & (consumer->capacity - 1);
	uint32_t first = count < consumer->capacity - at ? count : consumer->capacity - at;
	size_t bytes = (size_t)first * consumer->entry_size;

	read_places(consumer, entries, (size_t)at * consumer->entry_size, bytes);
	if (first < count)
		read_places(consumer, entries + bytes, 0,
			    (size_t)(count - first) * consumer->entry_size);
}

IOReturn
shared_ring_pop(struct shared_ring_consumer *consumer, void *entries, uint32_t room,
		uint32_t *ret_popped, bool *ret_tell)
{
	uint32_t count = consumer->tail - consumer->head;

	*ret_popped = 0;
	*ret_tell = false;
	if (count < room) {
		uint32_t tail = load_tail(consumer);

		count = tail - consumer->head;
		if (count > consumer->capacity)
			return kIOReturnError;
		consumer->tail = tail;
	}
	if (count > room)
		count = room;
	if (count == 0)
		return kIOReturnUnderrun;
	read_entries(consumer, entries, count);
	consumer->head += count;
	/* Pairs with load_head: the places may be written; the load after it with await_room. */
	atomic_store_explicit(&consumer->lane->head.index, consumer->head, memory_order_seq_cst);
	*ret_tell =
		is_to_tell(atomic_load_explicit(&consumer->lane->room.number, memory_order_seq_cst),
			   consumer->head, consumer->capacity, &consumer->told);
	*ret_popped = count;
	return kIOReturnSuccess;
}

bool
shared_ring_has_entries(const struct shared_ring_consumer *consumer)
{
	return load_tail(consumer) != consumer->head;
}

void
shared_ring_await_entries(struct shared_ring_consumer *consumer, uint32_t tail)
{
	struct shared_ring_lane *lane = consumer->lane;
	/* Nearer: a push that goes by the fences still may have seen the last position only. */
	bool fences = consumer->fences || (consumer->had && (int32_t)(tail - consumer->wish) < 0);

	consumer->wish = tail;
	consumer->fences = false;
	/* Before the fence, after which a push has its own: pairs with the load in publish. */
	if (fences)
		atomic_store_explicit(&lane->armed.fences, 0, memory_order_relaxed);
	await(&lane->armed.number, &consumer->asked, tail);
	if (fences)
		fence_everywhere();
}

void
shared_ring_be_patient(const struct shared_ring_consumer *consumer, bool patient)
{
	/* Pairs with can_wait: the number that is stored after it carries it. */
	atomic_store_explicit(&consumer->lane->armed.cpu, patient ? spin_cpu() : 0,
			      memory_order_relaxed);
}

void
shared_ring_take_fences(struct shared_ring_consumer *consumer, uint32_t tail)
{
	struct shared_ring_lane *lane = consumer->lane;

	/* Not past it yet if it asked for several and found fewer. */
	if (consumer->fences || (int32_t)(tail - consumer->wish) < AWAKE_ENTRIES ||
	    atomic_load_explicit(&lane->room.reached, memory_order_relaxed) == 0)
		return;
	consumer->fences = consumer->had = true;
	/* Pairs with the load in publish, which then sees what was armed before now. */
	atomic_store_explicit(&lane->armed.fences, 1, memory_order_release);
}

uint32_t
shared_ring_empty_at(const struct shared_ring_consumer *consumer)
{
	return consumer->head;
}

/* --- the bell --- */

void
shared_ring_ring_bell(struct shared_ring *ring)
{
	/* Pairs with shared_ring_bell. The kernel waits for nobody in a wake; but of an app that
	 * has thousands sleep here, it would wake them all. */
	atomic_fetch_add_explicit(&ring->bell.count, 1, memory_order_seq_cst);
	syscall(SYS_FUTEX, &ring->bell.count, FUTEX_WAKE, SLEEPERS_TOLD, NULL, NULL, 0);
}

uint32_t
shared_ring_bell(const struct shared_ring *ring)
{
	/* Before the number that is armed: pairs with shared_ring_ring_bell, which comes after the
	 * other side has read that. */
	return atomic_load_explicit(&ring->bell.count, memory_order_seq_cst);
}

bool
shared_ring_sleep(struct shared_ring *ring, uint32_t bell, uint64_t nsec)
{
	struct timespec timeout = {
		.tv_sec = (time_t)(nsec / NSEC_PER_SEC),
		.tv_nsec = (long)(nsec % NSEC_PER_SEC),
	};

	return syscall(SYS_FUTEX, &ring->bell.count, FUTEX_WAIT, bell, &timeout, NULL, 0) == 0 ||
	       errno != ETIMEDOUT;
}
