/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DextRingDispatchSource: the rings of wire/shared_ring.h with a handler, and an app at their other
 * end.
 *
 * The app is asked to ring only after the handler has returned and a moment has passed in which
 * nothing came: what comes meanwhile is seen then, and costs the app nothing. Two atomic flags say
 * what the driver waits for; who takes one back fires the handler, so that each wait is answered
 * once.
 *
 *	hungry	entries beyond `seen`, the tail as it was when the handler was called last
 *	cramped	room beyond `freed`, the head as it was when a push found too little
 *
 * A handler that has left its thread something to do (transfers to a device that lends threads) is
 * not waited for with the app armed: a look is left to the same thread, after each round of that
 * work, and only the last one asks the app to ring. So an app that goes on pushing meanwhile makes
 * no system call, and no other thread is woken. An app that is going to sleep although its entries
 * lie there tells nevertheless; then whoever is told takes the look over, since that thread may be
 * held up in the driver's code. After its handler it returns the look, once: if the app has to tell
 * again before that thread has looked, it is held up, and the app is asked to ring. Without that
 * one who was told only because a piece of the work took long would be woken for each push. An app
 * may also tell during the handler, while nobody waits and no look is left, and does not tell
 * again: who then leaves a look, to which its thread may come late, has the handler called first.
 *
 * Looks come from the handler's end and, after the app has told, from the thread that scans its
 * connection.
 *
 * What completes while its thread does what it was left is told to an app that sleeps on this CPU
 * after that (loop_owe): it would run in the middle of it, with half of what it could have had.
 *
 * A handler gets the entries that were there when it was called. Then the ring looks empty to it,
 * and its next call is behind what else is on the queue: so an app that submits for ever keeps no
 * other waiting, and a driver that is faster than its app does not follow it entry by entry. Each
 * look at the tail takes its line from the app's CPU, where the next push waits for it.
 */
#include <DriverKit/DextRingDispatchSource.h>

#include <stdatomic.h>
#include <stddef.h>

#include "call_page.h"
#include "descriptor.h"
#include "log.h"
#include "mapped_source.h"
#include "object.h"
#include "queue_private.h"
#include "shared_ring.h"
#include "source.h"
#include "spin.h"

/* For as long as an app needs that submits without a pause: the ring's lines change hands. */
#define LINGER_TURNS 64u
/* Turns between two looks while entries gather, and how many looks at most. */
#define GATHER_TURNS 64u
#define GATHER_LOOKS 2u
/* What is enough of them, and how many must have come meanwhile for it to be done again. */
#define GATHER_ENOUGH 256u
#define GATHER_GAIN   16u

/*
 * Of a look that is left: this_thread() of who has the task, and what has become of it since. 0:
 * nobody has the task.
 */
enum {
	LOOK_LEFT,
	LOOK_TAKEN,    /* over; the thread's own look does nothing */
	LOOK_RETURNED, /* left again to the thread, by the one that had taken it over */
	LOOK_HELD, /* taken over once more: the thread has not looked since, and may be held up */
	LOOK_STATES,
};

static const char ready[] = "DextRingDispatchSource::Ready";

struct DextRingDispatchSource_IVars {
	struct shared_ring *ring; /* [const] in the memory */
	struct shared_ring_consumer submissions;
	struct shared_ring_producer completions;
	struct mapped_source mapped;
	struct source_handler handler;
	_Atomic bool hungry, cramped, spoiled;
	_Atomic bool told; /* the app has, of entries for which nobody waited */
	_Atomic uint32_t seen, freed;
	struct loop_task look, owing;
	_Atomic bool owes;	     /* `owing` is some thread's */
	_Atomic uintptr_t look_left; /* a thread and a LOOK_x; only compared */
	pthread_mutex_t asking;	     /* one thread asks for entries, or goes on, at a time */
	uint32_t left; /* [whoever pops] entries until the end of the handler's turn */
	struct spin_backoff backoff, gathering;
};

static void finish(OSObject *object);

static const OSObjectMethods ring_methods = {
	.size = sizeof(OSObjectMethods),
	.free = finish,
};

const OSMetaClass gDextRingDispatchSourceMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "DextRingDispatchSource",
	.superclass = OSTypeID(IODispatchSource),
	.ivars_size = sizeof(struct DextRingDispatchSource_IVars),
	.object = &ring_methods,
};

static struct DextRingDispatchSource_IVars *
ivars(DextRingDispatchSource *source)
{
	return OSObjectIVars(DextRingDispatchSource, source);
}

static struct DextRingDispatchSource_IVars *
ivars_of(IODispatchSource *source)
{
	return ivars((DextRingDispatchSource *)source);
}

/* --- waits --- */

static uint32_t
tail_of(const struct DextRingDispatchSource_IVars *source)
{
	/* After `hungry` was set: pairs with the store of the tail, after which the app looks
	 * whether to tell. */
	return atomic_load_explicit(&source->ring->lane[SHARED_RING_SUBMISSION].tail.index,
				    memory_order_seq_cst);
}

static uint32_t
head_of(const struct DextRingDispatchSource_IVars *source)
{
	return atomic_load_explicit(&source->ring->lane[SHARED_RING_COMPLETION].head.index,
				    memory_order_seq_cst);
}

/* Takes the flag back. True: it was set. */
static bool
take_back(_Atomic bool *flag)
{
	/* Pairs with the stores in wait_for_entries, wait_for_room and look_since_told: one look
	 * answers a wait. */
	return atomic_load_explicit(flag, memory_order_seq_cst) &&
	       atomic_exchange_explicit(flag, false, memory_order_seq_cst);
}

static uintptr_t
this_thread(void)
{
	static _Thread_local _Alignas(LOOK_STATES) char place;

	return (uintptr_t)&place;
}

static unsigned
state_of(uintptr_t left)
{
	return left % LOOK_STATES;
}

static uintptr_t
thread_of(uintptr_t left)
{
	return left - state_of(left);
}

static bool
change_look(struct DextRingDispatchSource_IVars *source, uintptr_t from, uintptr_t to)
{
	/* Pairs with itself and the exchange in look_again: one look answers a wait, and who is
	 * left one sees `seen` as it is now. */
	return atomic_compare_exchange_strong_explicit(&source->look_left, &from, to,
						       memory_order_seq_cst, memory_order_seq_cst);
}

/* Also its own: what this thread was left comes before its look, and may hold it up. */
static bool
take_look_over(struct DextRingDispatchSource_IVars *source)
{
	uintptr_t left = atomic_load_explicit(&source->look_left, memory_order_seq_cst);
	unsigned state = state_of(left);

	if (left == 0 || (state != LOOK_LEFT && state != LOOK_RETURNED))
		return false;
	return change_look(source, left, left + 1);
}

/* Answers the driver's waits from what the rings show now. */
static bool
look(IODispatchSource *object, bool inline_ok)
{
	struct DextRingDispatchSource_IVars *source = ivars_of(object);
	bool any = false;

	if (!source_handler_is_set(&source->handler))
		return false;
	if (tail_of(source) != atomic_load_explicit(&source->seen, memory_order_seq_cst))
		any |= take_back(&source->hungry) || take_look_over(source);
	if (head_of(source) != atomic_load_explicit(&source->freed, memory_order_seq_cst))
		any |= take_back(&source->cramped);
	if (any)
		source_handler_fire(&source->handler, inline_ok);
	return any;
}

/* The app has told. */
static bool
look_since_told(IODispatchSource *object, bool inline_ok)
{
	struct DextRingDispatchSource_IVars *source = ivars_of(object);

	if (look(object, inline_ok))
		return true;
	if (tail_of(source) == atomic_load_explicit(&source->seen, memory_order_seq_cst))
		return false;
	/* Pairs with was_told: a look that is left meanwhile is found here, or this is there. */
	atomic_store_explicit(&source->told, true, memory_order_seq_cst);
	return look(object, inline_ok);
}

/* After a look was left: whether the app had told of something that lies there. */
static bool
was_told(struct DextRingDispatchSource_IVars *source)
{
	return take_back(&source->told) &&
	       tail_of(source) != atomic_load_explicit(&source->seen, memory_order_seq_cst);
}

/*
 * Some have come while the handler ran. If it is as fast as a fast app there are few each time, and
 * each time the app waits for its tail's line: so they are left to become more, for a few
 * microseconds at most. Not for an app that has less to say than GATHER_GAIN in that time, or that
 * stops, since then it waits for the driver.
 */
static void
gather(struct DextRingDispatchSource_IVars *source, uint32_t seen)
{
	uint32_t capacity = source->submissions.capacity;
	uint32_t enough = capacity / 4 < GATHER_ENOUGH ? capacity / 4 : GATHER_ENOUGH;
	uint32_t first = tail_of(source) - seen, before = 0, came = first;

	if (came >= enough || !spin_allowed(&source->gathering))
		return;
	for (unsigned looks = 0; looks < GATHER_LOOKS && came != before && came < enough; looks++) {
		for (unsigned turn = 0; turn < GATHER_TURNS; turn++)
			spin_relax();
		before = came;
		came = tail_of(source) - seen;
	}
	spin_ended(&source->gathering,
		   came - first >= GATHER_GAIN && came != before && came < capacity);
}

/* Whether entries have come since the handler was called last, or come in a moment. */
static bool
more_comes(struct DextRingDispatchSource_IVars *source)
{
	uint32_t seen = atomic_load_explicit(&source->seen, memory_order_relaxed);
	bool comes = tail_of(source) != seen;

	if (comes)
		gather(source, seen);
	if (comes || !spin_allowed(&source->backoff))
		return comes;
	for (unsigned turn = 0; turn < LINGER_TURNS && !comes; turn++) {
		spin_relax();
		comes = tail_of(source) != seen;
	}
	spin_ended(&source->backoff, comes);
	return comes;
}

static bool
is_due(IODispatchSource *object)
{
	const struct shared_ring_lane *lane = &ivars_of(object)->ring->lane[SHARED_RING_COMPLETION];

	return atomic_load_explicit(&lane->tail.index, memory_order_seq_cst) !=
	       atomic_load_explicit(&lane->head.index, memory_order_seq_cst);
}

/* The thread goes on without asking. */
static void
go_on(struct DextRingDispatchSource_IVars *source)
{
	pthread_mutex_lock(&source->asking);
	shared_ring_take_fences(&source->submissions,
				atomic_load_explicit(&source->seen, memory_order_relaxed));
	pthread_mutex_unlock(&source->asking);
	source_handler_fire(&source->handler, false);
}

static void
wait_for_entries(struct DextRingDispatchSource_IVars *source)
{
	/* The handler's end and a look that was left may come to this at once. */
	pthread_mutex_lock(&source->asking);
	shared_ring_await_entries(&source->submissions,
				  atomic_load_explicit(&source->seen, memory_order_relaxed));
	pthread_mutex_unlock(&source->asking);
	/* Both before the look. */
	atomic_store_explicit(&source->hungry, true, memory_order_seq_cst);
	look(source->mapped.source, false);
}

static void
wait_for_room(struct DextRingDispatchSource_IVars *source)
{
	/* What the push saw: whatever the app has taken since counts. */
	atomic_store_explicit(&source->freed, source->completions.head, memory_order_seq_cst);
	shared_ring_await_room(&source->completions, source->completions.head);
	atomic_store_explicit(&source->cramped, true, memory_order_seq_cst);
	look(source->mapped.source, false);
}

/* Leaves a look to this thread, or to the one that it was taken from. False: to none. */
static bool
leave_look(struct DextRingDispatchSource_IVars *source)
{
	uintptr_t left = atomic_load_explicit(&source->look_left, memory_order_seq_cst);

	if (left == 0) {
		if (!loop_has_deferred() || !change_look(source, 0, this_thread()))
			return false;
		OSRetain(source->mapped.source);
		loop_defer_look(queue_loop, &source->look);
		return true;
	}
	if (thread_of(left) == this_thread())
		return state_of(left) == LOOK_LEFT || change_look(source, left, this_thread());
	return state_of(left) != LOOK_HELD &&
	       (state_of(left) != LOOK_TAKEN ||
		change_look(source, left, thread_of(left) + LOOK_RETURNED));
}

/*
 * It was taken over. With more to do this thread keeps the task, so that the look can be returned
 * to it: else each of the app's next pushes would wake another one.
 */
static bool
keep_look(struct DextRingDispatchSource_IVars *source)
{
	uintptr_t left = atomic_load_explicit(&source->look_left, memory_order_seq_cst);

	if ((state_of(left) != LOOK_TAKEN && state_of(left) != LOOK_HELD) || !loop_has_deferred() ||
	    !change_look(source, left, this_thread() + LOOK_TAKEN))
		return false;
	loop_defer_look(queue_loop, &source->look);
	return true;
}

static void
look_again(struct loop_task *task)
{
	struct DextRingDispatchSource_IVars *source =
		(struct DextRingDispatchSource_IVars *)((char *)task -
							offsetof(
								struct DextRingDispatchSource_IVars,
								look));
	IODispatchSource *object = source->mapped.source;
	unsigned state;

	if (keep_look(source))
		return;
	/* Pairs with change_look. */
	state = state_of(atomic_exchange_explicit(&source->look_left, 0, memory_order_seq_cst));
	if (state == LOOK_TAKEN || state == LOOK_HELD)
		;
	else if (tail_of(source) != atomic_load_explicit(&source->seen, memory_order_seq_cst))
		source_handler_fire(&source->handler, true);
	else if (!leave_look(source))
		wait_for_entries(source);
	else if (was_told(source))
		go_on(source);
	OSRelease(object);
}

static void
call_ready(struct source_handler *handler, OSObject *target, OSAction *action,
	   action_function function)
{
	struct DextRingDispatchSource_IVars *source = ivars_of(handler->source);
	uint32_t tail = tail_of(source);
	uint32_t left = tail - shared_ring_empty_at(&source->submissions);

	/* It may be called for room alone, while `hungry` is set: then it is called once more. */
	atomic_store_explicit(&source->seen, tail, memory_order_seq_cst);
	/* A tail that cannot be gives no longer a turn: Pop says so, or the app has mended it. */
	source->left = left < source->submissions.capacity ? left : source->submissions.capacity;
	((DextRingDispatchSource_Ready_f)function)(target, action);
	source->left = UINT32_MAX;
	if (!leave_look(source)) {
		if (more_comes(source))
			go_on(source);
		else
			wait_for_entries(source);
	} else if (was_told(source)) {
		go_on(source);
	}
}

/* --- telling the app --- */

static void
tell_app(struct DextRingDispatchSource_IVars *source)
{
	shared_ring_ring_bell(source->ring);
	mapped_source_tell(&source->mapped);
}

static void
tell_owed(struct loop_task *task)
{
	struct DextRingDispatchSource_IVars *source =
		(struct DextRingDispatchSource_IVars *)((char *)task -
							offsetof(
								struct DextRingDispatchSource_IVars,
								owing));

	/* Pairs with the exchange in tell_of_entries: the task may be used again. */
	atomic_store_explicit(&source->owes, false, memory_order_release);
	tell_app(source);
	OSRelease(source->mapped.source);
}

/*
 * An app that would take this thread's CPU in the middle of what it was left is told after that, if
 * it can wait. One that is owed a telling by another thread, which may be held up, is told at once.
 */
static void
tell_of_entries(struct DextRingDispatchSource_IVars *source)
{
	if (shared_ring_can_wait(&source->completions) &&
	    !atomic_exchange_explicit(&source->owes, true, memory_order_acquire)) {
		OSRetain(source->mapped.source);
		if (loop_owe(queue_loop, &source->owing))
			return;
		atomic_store_explicit(&source->owes, false, memory_order_relaxed);
		OSRelease(source->mapped.source);
	}
	tell_app(source);
}

/* --- life --- */

static void
finish(OSObject *object)
{
	struct DextRingDispatchSource_IVars *source = ivars((DextRingDispatchSource *)object);

	mapped_source_remove(&source->mapped);
	pthread_mutex_destroy(&source->asking);
	source_free(object);
}

static void
cancel(IODispatchSource *object)
{
	mapped_source_stop_listening(&ivars_of(object)->mapped);
}

static void
check(IODispatchSource *object, bool synchronous)
{
	struct DextRingDispatchSource_IVars *source = ivars_of(object);

	if (tail_of(source) != atomic_load_explicit(&source->seen, memory_order_seq_cst))
		source_handler_fire(&source->handler, synchronous);
}

static void
set_up(IODispatchSource *object, IOMemoryDescriptor *memory, const struct shared_ring_shape *shape)
{
	struct DextRingDispatchSource_IVars *source = ivars_of(object);

	source->ring = memory_address(memory);
	shared_ring_init(source->ring, shape);
	shared_ring_consume(&source->submissions, source->ring, shape, SHARED_RING_SUBMISSION);
	shared_ring_produce(&source->completions, source->ring, shape, SHARED_RING_COMPLETION);
	shared_ring_await_entries(&source->submissions, 0);
	atomic_init(&source->hungry, true);
	source->left = UINT32_MAX;
	source->look.run = look_again;
	source->owing.run = tell_owed;
	pthread_mutex_init(&source->asking, NULL);
	source_handler_init(object, &source->handler, ready, call_ready);
	OSObjectIVars(IODispatchSource, object)->cancel = cancel;
	OSObjectIVars(IODispatchSource, object)->check = check;
	source->mapped.memory = memory;
	source->mapped.flags = CALL_QUEUE_RING | shared_ring_to_flags(shape);
	source->mapped.look = look_since_told;
	source->mapped.is_due = is_due;
	mapped_source_add(object, &source->mapped);
}

kern_return_t
DextRingDispatchSource_Create(uint32_t entrySize, uint32_t submissions, uint32_t completions,
			      IODispatchQueue *queue, DextRingDispatchSource **source)
{
	struct shared_ring_shape shape = {entrySize, {submissions, completions}};
	IOBufferMemoryDescriptor *memory;
	IODispatchSource *made;
	IOReturn res;

	if (queue == NULL || source == NULL || !shared_ring_is_possible(&shape)) {
		log_error("DextRingDispatchSource_Create: %s",
			  queue == NULL ? "queue is NULL"
			  : source == NULL
				  ? "source is NULL"
				  : "entries have 16 to 256 bytes, a multiple of 8; there is "
				    "room for a power of two of them, at most 65536");
		return kIOReturnBadArgument;
	}
	res = IOBufferMemoryDescriptor_Create(kIOMemoryDirectionInOut, shared_ring_length(&shape),
					      4096, &memory);
	if (res != kIOReturnSuccess)
		return res;
	res = source_create(OSTypeID(DextRingDispatchSource), queue, &made);
	if (res != kIOReturnSuccess) {
		OSRelease(memory);
		return res;
	}
	set_up(made, (IOMemoryDescriptor *)memory, &shape);
	*source = (DextRingDispatchSource *)made;
	return kIOReturnSuccess;
}

kern_return_t
DextRingDispatchSource_CopyMemory(DextRingDispatchSource *source, IOMemoryDescriptor **memory)
{
	if (memory == NULL) {
		log_error("DextRingDispatchSource_CopyMemory: memory is NULL");
		return kIOReturnBadArgument;
	}
	*memory = ivars(source)->mapped.memory;
	OSRetain(*memory);
	return kIOReturnSuccess;
}

kern_return_t
DextRingDispatchSource_CreateActionReady(OSObject *target, DextRingDispatchSource_Ready_f function,
					 size_t referenceSize, OSAction **action)
{
	return action_create(target, ready, (action_function)function, referenceSize, action);
}

kern_return_t
DextRingDispatchSource_SetReadyHandler(DextRingDispatchSource *source, OSAction *action)
{
	IOReturn res = source_handler_set(&ivars(source)->handler, action);

	if (res == kIOReturnSuccess)
		look((IODispatchSource *)source, false);
	return res;
}

/* --- the driver's calls --- */

/* The app wrote nonsense: said once. */
static IOReturn
note(struct DextRingDispatchSource_IVars *source, IOReturn res)
{
	if (res == kIOReturnError &&
	    !atomic_exchange_explicit(&source->spoiled, true, memory_order_relaxed))
		log_error("a ring is spoiled: the app's position in it cannot be");
	return res;
}

kern_return_t
DextRingDispatchSource_Pop(DextRingDispatchSource *object, void *entries, uint32_t room,
			   uint32_t *count)
{
	struct DextRingDispatchSource_IVars *source = ivars(object);
	IOReturn res;
	bool held, tell;

	*count = 0;
	if (source->left == 0)
		return kIOReturnUnderrun;
	held = mapped_source_hold(&source->mapped);
	res = shared_ring_pop(&source->submissions, entries,
			      room < source->left ? room : source->left, count, &tell);
	if (source->left != UINT32_MAX)
		source->left -= *count;
	mapped_source_moved(
		&source->mapped,
		&(const struct mapped_move){.is_ring = true, .taken = true, .count = *count}, held);
	if (tell)
		tell_app(source);
	return note(source, res);
}

kern_return_t
DextRingDispatchSource_Push(DextRingDispatchSource *object, const void *entries, uint32_t count,
			    uint32_t *pushed)
{
	struct DextRingDispatchSource_IVars *source = ivars(object);
	bool held = mapped_source_hold(&source->mapped), tell;
	IOReturn res = shared_ring_push(&source->completions, entries, count, pushed, &tell);

	mapped_source_moved(&source->mapped,
			    &(const struct mapped_move){.is_ring = true, .count = *pushed}, held);
	if (tell)
		tell_of_entries(source);
	if (*pushed < count && res != kIOReturnError)
		wait_for_room(source);
	return note(source, res);
}
