/* SPDX-License-Identifier: Apache-2.0 */
/* Queues, actions and the loop under threads that all want the same at once. */
#include "unit.h"

#include <pthread.h>

#include "action.h"
#include "meter.h"
#include "object.h"
#include "queue.h"
#include "rounds.h"

#define PRODUCERS 4
#define ITEMS	  20000u

static struct loop *loop;

static void
start(void)
{
	ck_assert_int_eq(loop_create(&loop), kIOReturnSuccess);
	ck_assert_int_eq(loop_start(loop, 2), kIOReturnSuccess);
	queue_set_loop(loop);
}

static void
run_threads(void *(*body)(void *context), void *contexts, size_t size)
{
	pthread_t threads[PRODUCERS];

	for (unsigned i = 0; i < PRODUCERS; i++)
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, body, (char *)contexts + i * size), 0);
	for (unsigned i = 0; i < PRODUCERS; i++)
		pthread_join(threads[i], NULL);
}

/* --- many producers --- */

struct crowd {
	IODispatchQueue *queue;
	_Atomic unsigned inside;
	unsigned long plain; /* by the queue's order alone: a second thread at work loses some */
	struct meter done;
};

struct producer {
	struct crowd *crowd;
	unsigned number;
	unsigned next; /* [queue] */
};

struct piece {
	struct work work;
	struct producer *producer;
	unsigned place;
};

static void
enter_crowd(struct crowd *crowd)
{
	if (atomic_fetch_add(&crowd->inside, 1) != 0)
		abort();
	crowd->plain++;
	atomic_fetch_sub(&crowd->inside, 1);
}

static void
run_piece(struct work *work)
{
	struct piece *piece = (struct piece *)work;
	struct crowd *crowd = piece->producer->crowd;

	enter_crowd(crowd);
	/* What one thread brought stays in its order. */
	if (piece->producer->next++ != piece->place)
		abort();
	free(piece);
	meter_raise(&crowd->done);
}

static void
call_crowd(void *context)
{
	struct producer *producer = context;

	enter_crowd(producer->crowd);
	meter_raise(&producer->crowd->done);
}

static void *
produce(void *context)
{
	struct producer *producer = context;
	uint32_t state = producer->number;
	unsigned place = 0;

	for (unsigned i = 0; i < ITEMS / PRODUCERS; i++) {
		unsigned way = scatter(&state) % 4;
		struct piece *piece;

		if (way == 3) {
			if (!queue_call(producer->crowd->queue, producer, call_crowd))
				abort();
			continue;
		}
		piece = calloc(1, sizeof(*piece));
		*piece = (struct piece){
			.work.run = run_piece, .producer = producer, .place = place++};
		if (way == 0)
			queue_post(producer->crowd->queue, &piece->work);
		else if (way == 1)
			queue_run(producer->crowd->queue, &piece->work);
		else
			queue_dispatch(producer->crowd->queue, &piece->work);
	}
	return NULL;
}

START_TEST(many_producers_lose_and_double_nothing)
{
	struct crowd crowd = {.done = METER_INITIALIZER};
	struct producer producers[PRODUCERS];

	start();
	ck_assert_int_eq(queue_create("crowd", &crowd.queue), kIOReturnSuccess);
	for (unsigned i = 0; i < PRODUCERS; i++)
		producers[i] = (struct producer){.crowd = &crowd, .number = i};
	run_threads(produce, producers, sizeof(producers[0]));
	meter_wait(&crowd.done, ITEMS);
	OSRelease(crowd.queue);
	loop_destroy(loop);
	ck_assert_uint_eq(crowd.plain, ITEMS);
}
END_TEST

/* --- cancel against post --- */

struct contest {
	IODispatchQueue *queue;
	_Atomic unsigned run, dropped, handled;
	_Atomic bool ended; /* the first handler was called */
	struct meeting begin;
};

struct contestant {
	struct contest *contest;
	bool cancels;
};

struct bid {
	struct work work;
	struct contest *contest;
};

static void
run_bid(struct work *work)
{
	struct bid *bid = (struct bid *)work;

	if (atomic_load(&bid->contest->ended))
		abort();
	atomic_fetch_add(&bid->contest->run, 1);
	free(bid);
}

static void
drop_bid(struct work *work)
{
	struct bid *bid = (struct bid *)work;

	atomic_fetch_add(&bid->contest->dropped, 1);
	free(bid);
}

static void
count_handler(void *context)
{
	struct contest *contest = context;

	atomic_store(&contest->ended, true);
	atomic_fetch_add(&contest->handled, 1);
}

#define BIDS 30

static void *
compete(void *context)
{
	struct contestant *contestant = context;
	struct contest *contest = contestant->contest;

	atomic_fetch_add(&contest->begin.arrived, 1);
	while (atomic_load(&contest->begin.arrived) < PRODUCERS)
		sched_yield();
	for (unsigned i = 0; i < BIDS; i++) {
		struct bid *bid = calloc(1, sizeof(*bid));

		*bid = (struct bid){.work = {.run = run_bid, .dropped = drop_bid},
				    .contest = contest};
		if (contestant->cancels && i == BIDS / 2)
			IODispatchQueue_Cancel_f(contest->queue, contest, count_handler);
		if (i % 2 == 0)
			queue_run(contest->queue, &bid->work);
		else
			queue_post(contest->queue, &bid->work);
	}
	return NULL;
}

START_TEST(each_item_is_run_or_dropped_and_none_after_the_handler)
{
	uint64_t end = clock_now() + ROUNDS_NSEC;

	start();
	for (unsigned round = 0; round < 500 && clock_now() < end; round++) {
		struct contest contest = {.run = 0};
		struct contestant contestants[PRODUCERS];

		ck_assert_int_eq(queue_create("contest", &contest.queue), kIOReturnSuccess);
		for (unsigned i = 0; i < PRODUCERS; i++)
			contestants[i] =
				(struct contestant){.contest = &contest, .cancels = i % 2 == 0};
		run_threads(compete, contestants, sizeof(contestants[0]));
		/* A handler may still be with a loop thread. */
		while (atomic_load(&contest.handled) < 2 && clock_now() < end + ROUNDS_NSEC * 10)
			sched_yield();
		ck_assert_uint_eq(atomic_load(&contest.handled), 2);
		ck_assert_uint_eq(atomic_load(&contest.run) + atomic_load(&contest.dropped),
				  PRODUCERS * BIDS);
		OSRelease(contest.queue);
	}
	loop_destroy(loop);
}
END_TEST

/* --- actions: cancel against post --- */

struct Target_IVars {
	IODispatchQueue *queue;
};
typedef struct Target Target;
extern const OSMetaClass gTargetMetaClass;

static kern_return_t
copy_queue(OSObject *self, IODispatchQueueName name, IODispatchQueue **queue)
{
	*queue = OSObjectIVars(Target, self)->queue;
	OSRetain(*queue);
	return kIOReturnSuccess;
}

static void
free_target(OSObject *self)
{
	OSRelease(OSObjectIVars(Target, self)->queue);
	OSObject_free_Impl(self);
}

static const OSObjectMethods target_methods = {
	.size = sizeof(OSObjectMethods),
	.free = free_target,
	.CopyDispatchQueue = copy_queue,
};

const OSMetaClass gTargetMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "Target",
	.superclass = OSTypeID(OSObject),
	.ivars_size = sizeof(struct Target_IVars),
	.object = &target_methods,
};

/* An action on a target with a queue of its own; only the action holds them. */
static OSAction *
create_action(IODispatchQueue **ret_queue)
{
	Target *target = object_create(Target);
	OSAction *action;

	ck_assert_int_eq(queue_create("target", ret_queue), kIOReturnSuccess);
	OSObjectIVars(Target, target)->queue = *ret_queue;
	ck_assert_int_eq(
		action_create((OSObject *)target, "Race", (action_function)abort, 0, &action),
		kIOReturnSuccess);
	OSRelease(target);
	return action;
}

struct shots {
	OSAction *action;
	_Atomic unsigned delivered, done, handled;
	_Atomic bool ended;
	struct meeting begin;
};

struct shot {
	struct action_call call;
	struct shots *shots;
};

static void
hit(struct action_call *call, OSObject *target, action_function function)
{
	struct shot *shot = (struct shot *)call;

	if (atomic_load(&shot->shots->ended) || OSDynamicCast(Target, target) == NULL)
		abort();
	atomic_fetch_add(&shot->shots->delivered, 1);
}

static void
end_shot(struct action_call *call)
{
	struct shot *shot = (struct shot *)call;
	struct shots *shots = shot->shots;

	free(shot);
	atomic_fetch_add(&shots->done, 1);
}

static void
count_shots_handler(void *context)
{
	struct shots *shots = context;

	atomic_store(&shots->ended, true);
	atomic_fetch_add(&shots->handled, 1);
}

struct gun {
	struct shots *shots;
	unsigned number;
};

static void *
shoot(void *context)
{
	struct gun *gun = context;
	struct shots *shots = gun->shots;

	atomic_fetch_add(&shots->begin.arrived, 1);
	while (atomic_load(&shots->begin.arrived) < PRODUCERS)
		sched_yield();
	for (unsigned i = 0; i < BIDS; i++) {
		struct shot *shot = calloc(1, sizeof(*shot));

		*shot = (struct shot){.call = {.deliver = hit, .done = end_shot}, .shots = shots};
		if (gun->number < 2 && i == BIDS / 2)
			OSAction_Cancel_f(shots->action, shots, count_shots_handler);
		action_post(shots->action, &shot->call, NULL, i % 2 == 0);
	}
	return NULL;
}

START_TEST(each_call_is_done_once_and_none_delivered_after_the_handler)
{
	uint64_t end = clock_now() + ROUNDS_NSEC;

	start();
	for (unsigned round = 0; round < 500 && clock_now() < end; round++) {
		struct shots shots = {.done = 0};
		struct gun guns[PRODUCERS];
		IODispatchQueue *queue;

		shots.action = create_action(&queue);
		for (unsigned i = 0; i < PRODUCERS; i++)
			guns[i] = (struct gun){.shots = &shots, .number = i};
		run_threads(shoot, guns, sizeof(guns[0]));
		OSRelease(shots.action);
		while ((atomic_load(&shots.done) < PRODUCERS * BIDS ||
			atomic_load(&shots.handled) < 2) &&
		       clock_now() < end + ROUNDS_NSEC * 10)
			sched_yield();
		ck_assert_uint_eq(atomic_load(&shots.done), PRODUCERS * BIDS);
		ck_assert_uint_eq(atomic_load(&shots.handled), 2);
		ck_assert_uint_le(atomic_load(&shots.delivered), PRODUCERS * BIDS);
	}
	loop_destroy(loop);
}
END_TEST

/* --- a synchronous abort on the callbacks' own queue --- */

/* Something with transfers that complete on other threads, like a pipe. */
struct pipe {
	OSAction *action;
	IODispatchQueue *queue;
	pthread_mutex_t lock;
	unsigned outstanding; /* [lock] */
	unsigned called;      /* [queue] */
	bool aborted;	      /* [queue] */
	struct meter posted;
	unsigned count;
};

struct transfer {
	struct action_call call;
	struct pipe *pipe;
};

static void
complete(struct action_call *call, OSObject *target, action_function function)
{
	struct pipe *pipe = ((struct transfer *)call)->pipe;

	if (!queue_is_mine(pipe->queue) || pipe->aborted)
		abort();
	pipe->called++;
}

static void
end_transfer(struct action_call *call)
{
	struct transfer *transfer = (struct transfer *)call;
	struct pipe *pipe = transfer->pipe;

	free(transfer);
	pthread_mutex_lock(&pipe->lock);
	pipe->outstanding--;
	queue_wake(pipe);
	pthread_mutex_unlock(&pipe->lock);
}

static void *
complete_transfers(void *context)
{
	struct pipe *pipe = *(struct pipe **)context;

	for (unsigned i = 0; i < pipe->count; i++) {
		struct transfer *transfer = calloc(1, sizeof(*transfer));

		*transfer = (struct transfer){.call = {.deliver = complete, .done = end_transfer},
					      .pipe = pipe};
		action_post(pipe->action, &transfer->call, pipe, true);
	}
	return NULL;
}

static bool
is_quiet(void *context)
{
	struct pipe *pipe = context;
	bool quiet;

	pthread_mutex_lock(&pipe->lock);
	quiet = pipe->outstanding == 0;
	pthread_mutex_unlock(&pipe->lock);
	return quiet;
}

static void
abort_pipe(void *context)
{
	struct pipe *pipe = context;

	queue_wait(pipe, is_quiet, pipe);
	if (pipe->called != PRODUCERS * pipe->count)
		abort();
	pipe->aborted = true;
}

static void *
abort_on_queue(void *context)
{
	struct pipe *pipe = context;

	if (!queue_call(pipe->queue, pipe, abort_pipe))
		abort();
	return NULL;
}

START_TEST(abort_on_the_own_queue_sees_every_completion)
{
	uint64_t end = clock_now() + ROUNDS_NSEC;

	start();
	for (unsigned round = 0; round < 500 && clock_now() < end; round++) {
		struct pipe pipe = {.lock = PTHREAD_MUTEX_INITIALIZER, .count = 20};
		struct pipe *each[PRODUCERS];
		pthread_t aborter;

		pipe.outstanding = PRODUCERS * pipe.count;
		pipe.action = create_action(&pipe.queue);
		for (unsigned i = 0; i < PRODUCERS; i++)
			each[i] = &pipe;
		ck_assert_int_eq(pthread_create(&aborter, NULL, abort_on_queue, &pipe), 0);
		run_threads(complete_transfers, each, sizeof(each[0]));
		pthread_join(aborter, NULL);
		ck_assert(pipe.aborted);
		OSRelease(pipe.action);
	}
	loop_destroy(loop);
}
END_TEST

/* --- the loop: removal against events, cancelling against firing --- */

struct visitor {
	struct loop_source source;
	int ends[2];
	struct meter *removed;
	_Atomic unsigned inside;
};

static void
visit(struct loop_source *source, uint32_t events)
{
	struct visitor *visitor = (struct visitor *)source;

	atomic_fetch_add(&visitor->inside, 1);
	loop_will_block(loop);
	sched_yield();
	loop_did_block(loop);
	atomic_fetch_sub(&visitor->inside, 1);
}

static void
leave(struct loop_source *source)
{
	struct visitor *visitor = (struct visitor *)source;

	if (atomic_load(&visitor->inside) != 0)
		abort();
	close(visitor->ends[0]);
	close(visitor->ends[1]);
	meter_raise(visitor->removed);
	free(visitor);
}

START_TEST(removed_sources_are_left_alone)
{
	uint64_t end = clock_now() + ROUNDS_NSEC;
	struct meter removed = METER_INITIALIZER;
	unsigned round;

	start();
	for (round = 0; round < 5000 && clock_now() < end; round++) {
		struct visitor *visitor = calloc(1, sizeof(*visitor));

		ck_assert_int_eq(pipe(visitor->ends), 0);
		visitor->removed = &removed;
		visitor->source = (struct loop_source){.fd = visitor->ends[0],
						       .events = EPOLLIN | EPOLLET,
						       .handler = visit,
						       .removed = leave};
		ck_assert_int_eq(loop_source_add(loop, &visitor->source), kIOReturnSuccess);
		for (unsigned i = 0; i < round % 4; i++)
			ck_assert_int_eq(write(visitor->ends[1], "", 1), 1);
		loop_source_remove(loop, &visitor->source);
	}
	meter_wait(&removed, round);
	loop_destroy(loop);
	ck_assert_uint_eq(meter_read(&removed), round);
}
END_TEST

struct fuse {
	struct loop_timer timer;
	_Atomic unsigned fired;
};

static void
burn(struct loop_timer *timer)
{
	atomic_fetch_add(&((struct fuse *)timer)->fired, 1);
}

static void *
play_with_fuses(void *context)
{
	enum { COUNT = 16 };
	uint64_t end = clock_now() + ROUNDS_NSEC / 2;
	unsigned expected = 0;
	uint32_t state = (uint32_t)(uintptr_t)context;
	struct fuse fuses[COUNT] = {0};
	uint64_t deadline;

	for (unsigned i = 0; i < COUNT; i++)
		fuses[i].timer.fired = burn;
	for (unsigned round = 0; round < 20000 && clock_now() < end; round++) {
		struct fuse *fuse = &fuses[scatter(&state) % COUNT];

		/* A timer that was cancelled in time has not fired; any other fires, once. */
		if (loop_timer_cancel(loop, &fuse->timer))
			expected--;
		expected++;
		loop_timer_arm(loop, &fuse->timer, clock_now() + scatter(&state) % 50000);
	}
	deadline = clock_now() + METER_DEADLINE_SEC * NSEC_PER_SEC;
	for (;;) {
		unsigned fired = 0;

		for (unsigned i = 0; i < COUNT; i++)
			fired += atomic_load(&fuses[i].fired);
		if (fired == expected)
			return NULL;
		if (fired > expected || clock_now() > deadline)
			abort();
		sched_yield();
	}
}

START_TEST(timers_fire_once_or_were_cancelled)
{
	char contexts[PRODUCERS];

	start();
	run_threads(play_with_fuses, contexts, 1);
	loop_destroy(loop);
}
END_TEST

UNIT_MAIN("race_queue", many_producers_lose_and_double_nothing,
	  each_item_is_run_or_dropped_and_none_after_the_handler,
	  each_call_is_done_once_and_none_delivered_after_the_handler,
	  abort_on_the_own_queue_sees_every_completion, removed_sources_are_left_alone,
	  timers_fire_once_or_were_cancelled)
