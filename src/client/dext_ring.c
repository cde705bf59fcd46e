/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dext_ring: the app's side of the rings of wire/shared_ring.h.
 *
 * The ring works on a mapping of its own over the same pages, so that IOServiceClose, which unmaps
 * the connection's, leaves a thread that waits here on solid ground.
 *
 * Several producers take turns by a mutex. A reservation by compare-and-exchange would let them
 * write at the same time, but each would then wait for all before it, spinning, also for one that
 * lost its CPU between reserving and publishing; the mutex costs the same two locked instructions,
 * and who waits for it sleeps.
 *
 * Waiting: read the bell, ask to be told, look, sleep on the bell in steps, after each of which the
 * socket is looked at, since a futex does not tell that the other side has died.
 *
 * Who waits for a batch asks in its first step to be told of the last entry of it. That is all:
 * whenever such a thread is awake a single entry is enough, and what the driver was not told to
 * tell of is found at the step's end. So no `count` is one for which it sleeps for ever. It names
 * one position for all, so it must be the only thread that waits.
 */
#include <dext_ring.h>

#include <dext_iokit.h>
#include <mach/mach.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "clock.h"
#include "connection_private.h"
#include "doorbell.h"
#include "errno_kept.h"
#include "log.h"
#include "object_table.h"
#include "queues.h"
#include "shared_ring.h"

/*
 * For how long a thread that sleeps for a batch is not told of less, and for how long one sleeps
 * whose driver may need its CPU. Longer than the kernel's tick: an earlier timer costs as much as
 * what is saved.
 */
#define BATCH_STEP (NSEC_PER_SEC / 100)

struct dext_ring {
	struct connection *connection; /* +1 */
	io_connect_t connect;
	uint32_t type;
	mach_vm_address_t address; /* of the connection's mapping */
	struct shared_ring *ring;  /* our own */
	struct shared_ring_shape shape;
	bool locks;
	pthread_mutex_t port_lock;
	IONotificationPortRef port; /* [port_lock] NULL: nobody polls */
	_Atomic uint64_t doorbells, sleeps;
	struct spin_backoff spin, taking;

	_Alignas(SHARED_RING_LINE) pthread_mutex_t push_lock;
	struct shared_ring_producer submissions; /* [push_lock] */
	_Atomic uint64_t pushed;

	_Alignas(SHARED_RING_LINE) pthread_mutex_t pop_lock;
	struct shared_ring_consumer completions; /* [pop_lock] */
	_Atomic uint64_t popped;
};

static void
lock(const struct dext_ring *ring, pthread_mutex_t *mutex)
{
	if (ring->locks)
		pthread_mutex_lock(mutex);
}

static void
unlock(const struct dext_ring *ring, pthread_mutex_t *mutex)
{
	if (ring->locks)
		pthread_mutex_unlock(mutex);
}

/* Written by one thread at a time, read by any. */
static void
count(_Atomic uint64_t *counter, uint64_t more)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
			      memory_order_relaxed);
}

/* The driver waits for what was written. */
static void
tell(struct dext_ring *ring)
{
	struct connection *connection = ring->connection;

	if (connection_status(connection) != kIOReturnSuccess ||
	    !call_page_tell(&connection->client))
		return;
	atomic_fetch_add_explicit(&ring->doorbells, 1, memory_order_relaxed);
	doorbell_ring(connection->doorbell);
}

/* --- life --- */

/* A second mapping of the same pages, which no child inherits. */
static struct shared_ring *
duplicate(mach_vm_address_t address, uint64_t length)
{
	void *copy = mremap((void *)(uintptr_t)address, 0, length, MREMAP_MAYMOVE);

	if (copy == MAP_FAILED)
		return NULL;
	madvise(copy, length, MADV_DONTFORK);
	return copy;
}

static kern_return_t
fill(struct dext_ring *ring)
{
	uint64_t length;
	kern_return_t res = queues_find_ring((void *)(uintptr_t)ring->address, &ring->shape);

	if (res != kIOReturnSuccess) {
		log_error("dext_ring_create: memory type %u is no ring, or is mapped read-only",
			  ring->type);
		return res;
	}
	length = shared_ring_length(&ring->shape);
	ring->ring = duplicate(ring->address, length);
	if (ring->ring == NULL)
		return kIOReturnNoMemory;
	shared_ring_produce(&ring->submissions, ring->ring, &ring->shape, SHARED_RING_SUBMISSION);
	shared_ring_consume(&ring->completions, ring->ring, &ring->shape, SHARED_RING_COMPLETION);
	return kIOReturnSuccess;
}

static kern_return_t
create(io_connect_t connect, uint32_t type, uint32_t options, dext_ring_t **ret_ring)
{
	struct dext_ring *ring = aligned_alloc(SHARED_RING_LINE, sizeof(*ring));
	mach_vm_size_t size = 0;
	kern_return_t res;

	if (ring == NULL)
		return kIOReturnNoMemory;
	*ring = (struct dext_ring){
		.connect = connect,
		.type = type,
		.locks = (options & DEXT_RING_ONE_THREAD) == 0,
		.port_lock = PTHREAD_MUTEX_INITIALIZER,
		.push_lock = PTHREAD_MUTEX_INITIALIZER,
		.pop_lock = PTHREAD_MUTEX_INITIALIZER,
	};
	ring->connection = object_copy_connection(connect);
	res = ring->connection == NULL
		      ? object_refusal(connect)
		      : IOConnectMapMemory64(connect, type, mach_task_self(), &ring->address, &size,
					     kIOMapAnywhere);
	if (res == kIOReturnSuccess)
		res = fill(ring);
	if (res != kIOReturnSuccess) {
		dext_ring_release(ring);
		return res;
	}
	*ret_ring = ring;
	return kIOReturnSuccess;
}

kern_return_t
dext_ring_create(io_connect_t connection, uint32_t memoryType, uint32_t options, dext_ring_t **ring)
{
	ERRNO_KEPT;

	if (ring == NULL || (options & ~(uint32_t)DEXT_RING_ONE_THREAD) != 0) {
		log_error("dext_ring_create: %s",
			  ring == NULL ? "ring is NULL" : "options: DEXT_RING_ONE_THREAD or 0");
		return kIOReturnBadArgument;
	}
	return create(connection, memoryType, options, ring);
}

void
dext_ring_release(dext_ring_t *ring)
{
	ERRNO_KEPT;

	if (ring == NULL)
		return;
	if (ring->ring != NULL && !connection_is_inherited(ring->connection))
		munmap(ring->ring, shared_ring_length(&ring->shape));
	/* Not of another connection that has the name by now. */
	if (ring->address != 0 && connection_status(ring->connection) == kIOReturnSuccess)
		IOConnectUnmapMemory64(ring->connect, ring->type, mach_task_self(), ring->address);
	if (ring->port != NULL)
		IONotificationPortDestroy(ring->port);
	if (ring->connection != NULL)
		connection_release(ring->connection);
	pthread_mutex_destroy(&ring->port_lock);
	pthread_mutex_destroy(&ring->push_lock);
	pthread_mutex_destroy(&ring->pop_lock);
	free(ring);
}

void
dext_ring_get_info(const dext_ring_t *ring, struct dext_ring_info *info)
{
	*info = (struct dext_ring_info){
		.entry_size = ring->shape.entry_size,
		.submissions = ring->shape.capacity[SHARED_RING_SUBMISSION],
		.completions = ring->shape.capacity[SHARED_RING_COMPLETION],
	};
}

void
dext_ring_get_statistics(const dext_ring_t *ring, struct dext_ring_statistics *statistics)
{
	*statistics = (struct dext_ring_statistics){
		.pushed = atomic_load_explicit(&ring->pushed, memory_order_relaxed),
		.popped = atomic_load_explicit(&ring->popped, memory_order_relaxed),
		.doorbells = atomic_load_explicit(&ring->doorbells, memory_order_relaxed),
		.sleeps = atomic_load_explicit(&ring->sleeps, memory_order_relaxed),
	};
}

/* --- entries --- */

kern_return_t
dext_ring_push(dext_ring_t *ring, const void *entries, uint32_t entry_count, uint32_t *pushed)
{
	IOReturn res = connection_status(ring->connection);
	bool waits;

	*pushed = 0;
	if (res != kIOReturnSuccess)
		return res;
	lock(ring, &ring->push_lock);
	res = shared_ring_push(&ring->submissions, entries, entry_count, pushed, &waits);
	count(&ring->pushed, *pushed);
	unlock(ring, &ring->push_lock);
	if (waits)
		tell(ring);
	return res;
}

kern_return_t
dext_ring_pop(dext_ring_t *ring, void *entries, uint32_t room, uint32_t *popped)
{
	IOReturn res;
	bool waits;

	*popped = 0;
	if (connection_is_inherited(ring->connection))
		return MACH_SEND_INVALID_DEST;
	lock(ring, &ring->pop_lock);
	res = shared_ring_pop(&ring->completions, entries, room, popped, &waits);
	shared_ring_take_fences(&ring->completions, shared_ring_empty_at(&ring->completions));
	count(&ring->popped, *popped);
	unlock(ring, &ring->pop_lock);
	if (waits)
		tell(ring);
	return res;
}

/* --- waiting --- */

/* Whether there is one of them; before that asks to be told of the `asks`th, unless that is 0. */
static bool
look(struct dext_ring *ring, uint32_t what, uint32_t asks)
{
	bool found = false;

	if (what & DEXT_RING_ENTRIES) {
		lock(ring, &ring->pop_lock);
		if (asks != 0) {
			/* Who sleeps for several looks after BATCH_STEP by itself. */
			shared_ring_be_patient(&ring->completions, asks > 1);
			shared_ring_await_entries(&ring->completions,
						  shared_ring_empty_at(&ring->completions) + asks -
							  1);
		}
		found = shared_ring_has_entries(&ring->completions);
		unlock(ring, &ring->pop_lock);
	}
	if (!found && (what & DEXT_RING_ROOM)) {
		lock(ring, &ring->push_lock);
		if (asks != 0)
			shared_ring_await_room(&ring->submissions,
					       shared_ring_full_at(&ring->submissions) + asks - 1);
		found = shared_ring_has_room(&ring->submissions);
		unlock(ring, &ring->push_lock);
	}
	return found;
}

/*
 * For how long a look can help. A driver that has not asked to be told of the next submission is at
 * work and will look for it, also if its host sleeps by what the page says: that is of calls.
 */
static uint64_t
spin_budget(const struct dext_ring *ring)
{
	uint64_t budget = completion_ring_budget(&ring->connection->client);

	return budget == 0 || shared_ring_is_awaited(&ring->submissions) ? budget
									 : SPIN_BUDGET_AWAKE;
}

/* Looks for a while, if that can help. */
static bool
spin(struct dext_ring *ring, uint32_t what, uint64_t deadline)
{
	uint64_t begun = clock_now(), now;
	bool found = false;

	if (spin_budget(ring) == 0 || !spin_allowed(&ring->spin))
		return false;
	for (unsigned turn = 1; !(found = look(ring, what, 0)); turn++) {
		spin_relax();
		if (turn % SPIN_TURNS != 0)
			continue;
		now = clock_now();
		if (now - begun >= spin_budget(ring) || now >= deadline)
			break;
	}
	spin_ended(&ring->spin, found);
	return found;
}

/* Whether the driver takes all that lies in the ring, for a while in which it can. */
static bool
are_taken(struct dext_ring *ring, uint64_t deadline)
{
	const struct call_page_client *page = &ring->connection->client;
	uint64_t end;
	bool left;

	if (!completion_ring_can_spin(page) || !spin_allowed(&ring->taking))
		return false;
	end = clock_now() + SPIN_BUDGET;
	if (end > deadline)
		end = deadline;
	for (unsigned turn = 1; (left = shared_ring_is_left(&ring->submissions)); turn++) {
		spin_relax();
		if (turn % SPIN_TURNS == 0 &&
		    (clock_now() >= end || !completion_ring_can_spin(page)))
			break;
	}
	spin_ended(&ring->taking, !left);
	return !left;
}

/*
 * Before a sleep. A driver that does something else and will then look has not asked to be told;
 * but it may be held up there, and wait for what lies in the ring. Mostly it is not, and looks in
 * a moment: to tell it would wake another thread of it, where one has the work. Who waits for room
 * needs less than all of them taken, and does not wait for that.
 */
static void
tell_of_left(struct dext_ring *ring, uint32_t what, uint64_t deadline)
{
	if (shared_ring_is_left(&ring->submissions) &&
	    ((what & DEXT_RING_ROOM) || !are_taken(ring, deadline)))
		tell(ring);
}

struct waiting {
	uint32_t what;
	uint32_t batch; /* 1: woken for each */
	bool quiet;	/* nothing was heard for a step */
	bool let_take;	/* the driver had its moment */
	uint64_t deadline;
};

/*
 * Whether the driver has a moment to take what lies in the ring while this thread sleeps. Where it
 * may run on this CPU it often was interrupted, by being what woke this thread: it goes on as soon
 * as this one sleeps, and looks. As are_taken, not if the last time was in vain.
 */
static bool
is_let_take(struct dext_ring *ring, const struct waiting *waiting)
{
	return !waiting->let_take && (waiting->what & DEXT_RING_ROOM) == 0 &&
	       shared_ring_is_left(&ring->submissions) &&
	       !completion_ring_can_spin(&ring->connection->client) && spin_allowed(&ring->taking);
}

/* Then. What is left after it is told of in the next step. */
static void
sleep_and_let_take(struct dext_ring *ring, struct waiting *waiting, uint32_t bell, uint64_t nsec)
{
	bool woken = shared_ring_sleep(ring->ring, bell, nsec < BATCH_STEP ? nsec : BATCH_STEP);
	bool left = shared_ring_is_left(&ring->submissions);

	waiting->let_take = true;
	if (!woken || !left)
		spin_ended(&ring->taking, !left);
	/* As after a quiet step: it has waited for long. */
	if (!woken)
		waiting->batch = 1;
}

/*
 * One step of sleeping. Only after a quiet one, and before the end, the socket is looked at, which
 * is a system call.
 */
static kern_return_t
sleep_once(struct dext_ring *ring, struct waiting *waiting)
{
	uint64_t step = waiting->batch > 1 ? BATCH_STEP : CALL_WAIT_STEP;
	uint32_t bell = shared_ring_bell(ring->ring);
	IOReturn res;
	uint64_t now, left;

	if (look(ring, waiting->what, waiting->batch))
		return kIOReturnSuccess;
	now = clock_now();
	if ((waiting->quiet || now >= waiting->deadline) &&
	    connection_pending_status(ring->connection) == kIOReturnSuccess)
		connection_check(ring->connection);
	/* After it: what the driver put there before it went is there. */
	res = connection_pending_status(ring->connection);
	if (res != kIOReturnSuccess)
		return look(ring, waiting->what & DEXT_RING_ENTRIES, 0) ? kIOReturnSuccess : res;
	if (now >= waiting->deadline)
		return kIOReturnTimeout;
	left = waiting->deadline - now;
	if (is_let_take(ring, waiting)) {
		count(&ring->sleeps, 1);
		sleep_and_let_take(ring, waiting, bell, left);
		return kIOReturnNotReady;
	}
	tell_of_left(ring, waiting->what, waiting->deadline);
	count(&ring->sleeps, 1);
	waiting->quiet = !shared_ring_sleep(ring->ring, bell, left < step ? left : step);
	if (waiting->quiet)
		waiting->batch = 1;
	return kIOReturnNotReady;
}

static kern_return_t
wait_for(struct dext_ring *ring, struct waiting *waiting, uint64_t timeout)
{
	kern_return_t res;

	if (connection_is_inherited(ring->connection))
		return MACH_SEND_INVALID_DEST;
	if ((waiting->what & (DEXT_RING_ENTRIES | DEXT_RING_ROOM)) == 0) {
		log_error("dext_ring_wait: what: DEXT_RING_ENTRIES, DEXT_RING_ROOM or both");
		return kIOReturnBadArgument;
	}
	if (look(ring, waiting->what, 0))
		return kIOReturnSuccess;
	waiting->deadline = clock_now();
	waiting->deadline =
		timeout > UINT64_MAX - waiting->deadline ? UINT64_MAX : waiting->deadline + timeout;
	if (spin(ring, waiting->what, waiting->deadline))
		return kIOReturnSuccess;
	while ((res = sleep_once(ring, waiting)) == kIOReturnNotReady)
		;
	return res;
}

kern_return_t
dext_ring_wait(dext_ring_t *ring, uint32_t what, uint64_t timeout)
{
	ERRNO_KEPT;

	return wait_for(ring, &(struct waiting){.what = what, .batch = 1}, timeout);
}

kern_return_t
dext_ring_wait_batch(dext_ring_t *ring, uint32_t what, uint32_t entry_count, uint64_t timeout)
{
	ERRNO_KEPT;
	const uint32_t *room = ring->shape.capacity;

	if (entry_count == 0 ||
	    ((what & DEXT_RING_ENTRIES) && entry_count > room[SHARED_RING_COMPLETION]) ||
	    ((what & DEXT_RING_ROOM) && entry_count > room[SHARED_RING_SUBMISSION])) {
		log_error("dext_ring_wait_batch: count %u: 1 to what the ring has room for",
			  entry_count);
		return kIOReturnBadArgument;
	}
	/* Where others may wait for a single one, each is told of. */
	if (ring->locks)
		entry_count = 1;
	return wait_for(ring, &(struct waiting){.what = what, .batch = entry_count}, timeout);
}

/* --- polling --- */

/* [port_lock] A port of its own that the driver tells; nothing but its descriptor is used. */
static void
make_port_locked(struct dext_ring *ring)
{
	IONotificationPortRef port = IONotificationPortCreate(kIOMainPortDefault);

	if (port == NULL)
		return;
	if (IOConnectSetNotificationPort(ring->connect, ring->type,
					 IONotificationPortGetMachPort(port),
					 0) == kIOReturnSuccess)
		ring->port = port;
	else
		IONotificationPortDestroy(port);
}

int
dext_ring_get_descriptor(dext_ring_t *ring)
{
	ERRNO_KEPT;
	int descriptor = -1;

	if (connection_status(ring->connection) != kIOReturnSuccess)
		return -1;
	pthread_mutex_lock(&ring->port_lock);
	if (ring->port == NULL)
		make_port_locked(ring);
	if (ring->port != NULL)
		descriptor = IONotificationPortGetFileDescriptor(ring->port);
	pthread_mutex_unlock(&ring->port_lock);
	return descriptor;
}

bool
dext_ring_arm(dext_ring_t *ring, uint32_t what)
{
	ERRNO_KEPT;

	if (connection_is_inherited(ring->connection))
		return false;
	pthread_mutex_lock(&ring->port_lock);
	/* What rang before now is answered by the look below. */
	if (ring->port != NULL)
		while (dext_notification_port_dispatch(ring->port) > 0)
			;
	pthread_mutex_unlock(&ring->port_lock);
	if (look(ring, what, 1))
		return false;
	tell_of_left(ring, what, UINT64_MAX);
	return connection_pending_status(ring->connection) == kIOReturnSuccess;
}
