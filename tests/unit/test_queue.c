/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "clock.h"
#include "meter.h"
#include "object.h"
#include "queue.h"

static struct loop *loop;

static void
start(void)
{
	ck_assert_int_eq(loop_create(&loop), kIOReturnSuccess);
	ck_assert_int_eq(loop_start(loop, 2), kIOReturnSuccess);
	queue_set_loop(loop);
}

static IODispatchQueue *
create(const char *name)
{
	IODispatchQueue *queue = NULL;

	ck_assert_int_eq(IODispatchQueue_Create(name, 0, 0, &queue), kIOReturnSuccess);
	return queue;
}

/* Work that notes its turn; what else it does is in `then`. */
struct item {
	struct work work;
	struct meter *turns;
	unsigned turn; /* 0: has not run */
	pthread_t thread;
	void (*then)(struct item *item);
	struct meter *entered; /* of hold */
	struct meter *gate;
	IODispatchQueue *queue;
	IODispatchQueue *other;
	struct item *inner;
	struct item *tail;
	struct meter *dropped;
	_Atomic unsigned runs;
};

static void
run_item(struct work *work)
{
	struct item *item = (struct item *)work;

	item->thread = pthread_self();
	atomic_fetch_add(&item->runs, 1);
	if (item->then != NULL)
		item->then(item);
	meter_raise_to(item->turns, &item->turn);
}

static void
drop_item(struct work *work)
{
	meter_raise(((struct item *)work)->dropped);
}

#define ITEM(meter, ...)                                                                       \
	{                                                                                      \
		.work = {.run = run_item, .dropped = drop_item}, .turns = (meter), __VA_ARGS__ \
	}

/* Keeps the queue busy until the gate opens. */
static void
hold(struct item *item)
{
	meter_raise(item->entered);
	meter_reaches(item->gate, 1);
}

struct holder {
	struct meter entered, gate, turns;
	struct item item;
};

/* Makes a loop thread the queue's owner. */
static void
occupy(struct holder *holder, IODispatchQueue *queue)
{
	static const struct meter none = METER_INITIALIZER;

	holder->entered = holder->gate = holder->turns = none;
	holder->item = (struct item)ITEM(&holder->turns, .then = hold, .entered = &holder->entered,
					 .gate = &holder->gate);
	queue_post(queue, &holder->item.work);
	meter_wait(&holder->entered, 1);
}

static void
check_serves(IODispatchQueue *queue)
{
	struct meter turns = METER_INITIALIZER;
	struct item item = ITEM(&turns);

	queue_post(queue, &item.work);
	meter_wait(&turns, 1);
}

START_TEST(post_runs_in_order_on_a_loop_thread)
{
	enum { COUNT = 300 };
	static struct item items[COUNT];
	struct meter turns = METER_INITIALIZER;
	IODispatchQueue *queue;

	start();
	queue = create("q");
	for (unsigned i = 0; i < COUNT; i++) {
		items[i] = (struct item)ITEM(&turns);
		queue_post(queue, &items[i].work);
	}
	meter_wait(&turns, COUNT);
	for (unsigned i = 0; i < COUNT; i++) {
		ck_assert_uint_eq(items[i].turn, i + 1);
		ck_assert(!pthread_equal(items[i].thread, pthread_self()));
	}
	OSRelease(queue);
	loop_destroy(loop);
}
END_TEST

START_TEST(run_is_inline_on_an_idle_queue)
{
	struct meter turns = METER_INITIALIZER;
	struct item item = ITEM(&turns);
	IODispatchQueue *queue;

	start();
	queue = create("q");
	for (unsigned i = 1; i <= 3; i++) {
		queue_run(queue, &item.work);
		ck_assert_uint_eq(item.turn, i);
		ck_assert(pthread_equal(item.thread, pthread_self()));
	}
	OSRelease(queue);
	loop_destroy(loop);
}
END_TEST

START_TEST(run_and_dispatch_append_to_a_busy_queue)
{
	struct meter turns = METER_INITIALIZER;
	struct item items[3] = {ITEM(&turns), ITEM(&turns), ITEM(&turns)};
	struct holder holder;
	IODispatchQueue *queue;

	start();
	queue = create("q");
	occupy(&holder, queue);
	queue_run(queue, &items[0].work);
	queue_dispatch(queue, &items[1].work);
	queue_post(queue, &items[2].work);
	ck_assert_uint_eq(meter_read(&turns), 0);
	meter_raise(&holder.gate);
	meter_wait(&turns, 3);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_uint_eq(items[i].turn, i + 1);
		ck_assert(pthread_equal(items[i].thread, holder.item.thread));
	}
	OSRelease(queue);
	loop_destroy(loop);
}
END_TEST

static void
run_inner(struct item *item)
{
	queue_run(item->other, &item->inner->work);
	/* On the other queue it may have run by now, but elsewhere: checked by the test. */
	if (queue_is_mine(item->other))
		ck_assert_uint_eq(atomic_load(&item->inner->runs), 0);
}

START_TEST(callbacks_never_run_inside_other_work)
{
	struct meter turns = METER_INITIALIZER;
	struct item inner = ITEM(&turns), outer = ITEM(&turns, .then = run_inner, .inner = &inner);
	IODispatchQueue *queue, *other;

	start();
	queue = create("q");
	other = create("other");
	outer.other = queue;
	queue_run(queue, &outer.work);
	meter_wait(&turns, 2);
	ck_assert_uint_eq(outer.turn, 1);
	outer.other = other;
	queue_run(queue, &outer.work);
	meter_wait(&turns, 4);
	ck_assert(!pthread_equal(inner.thread, pthread_self()));
	OSRelease(queue);
	OSRelease(other);
	loop_destroy(loop);
}
END_TEST

static void
dispatch_inner(struct item *item)
{
	queue_dispatch(item->other, &item->inner->work);
	ck_assert_uint_eq(atomic_load(&item->inner->runs), 1);
	ck_assert(queue_is_mine(item->queue));
}

START_TEST(methods_run_inside_the_work_that_calls_them)
{
	struct meter turns = METER_INITIALIZER;
	struct item inner = ITEM(&turns),
		    outer = ITEM(&turns, .then = dispatch_inner, .inner = &inner);
	IODispatchQueue *queue, *other;

	start();
	queue = create("q");
	other = create("other");
	outer.queue = outer.other = queue;
	queue_run(queue, &outer.work);
	ck_assert_uint_eq(outer.turn, 2);
	outer.other = other;
	atomic_store(&inner.runs, 0);
	queue_run(queue, &outer.work);
	ck_assert_uint_eq(outer.turn, 4);
	ck_assert(!queue_is_mine(queue));
	check_serves(queue);
	check_serves(other);
	OSRelease(queue);
	OSRelease(other);
	loop_destroy(loop);
}
END_TEST

/* Appends `tail` to the queue that it was dispatched to, behind itself. */
static void
append_tail(struct item *item)
{
	queue_post(item->queue, &item->tail->work);
}

static void
dispatch_and_wait(struct item *item)
{
	queue_dispatch(item->other, &item->inner->work);
	ck_assert_uint_eq(atomic_load(&item->inner->runs), 1);
	/* The tail is for another thread: this one is inside other work. */
	ck_assert(meter_reaches(item->entered, 1));
}

static void
note_entry(struct item *item)
{
	meter_raise(item->entered);
}

START_TEST(the_backlog_of_another_queue_is_left_to_the_loop)
{
	struct meter turns = METER_INITIALIZER, entered = METER_INITIALIZER;
	struct item tail = ITEM(&turns, .then = note_entry, .entered = &entered);
	struct item inner = ITEM(&turns, .then = append_tail, .tail = &tail);
	struct item outer =
		ITEM(&turns, .then = dispatch_and_wait, .inner = &inner, .entered = &entered);
	IODispatchQueue *queue, *other;

	start();
	queue = create("q");
	other = create("other");
	outer.other = inner.queue = other;
	queue_run(queue, &outer.work);
	meter_wait(&turns, 3);
	ck_assert(!pthread_equal(tail.thread, pthread_self()));
	OSRelease(queue);
	OSRelease(other);
	loop_destroy(loop);
}
END_TEST

struct flood {
	struct item first;
	struct item items[500];
	struct meter turns;
	IODispatchQueue *queue;
};

static void
append_flood(struct item *item)
{
	struct flood *flood = (struct flood *)item;

	for (unsigned i = 0; i < 500; i++) {
		flood->items[i] = (struct item)ITEM(&flood->turns);
		queue_post(flood->queue, &flood->items[i].work);
	}
}

START_TEST(who_brought_the_first_item_gets_away_from_a_backlog)
{
	static struct flood flood;
	static const struct meter none = METER_INITIALIZER;
	unsigned mine = 0;

	start();
	flood.turns = none;
	flood.queue = create("q");
	flood.first = (struct item)ITEM(&flood.turns, .then = append_flood);
	queue_run(flood.queue, &flood.first.work);
	meter_wait(&flood.turns, 501);
	for (unsigned i = 0; i < 500; i++) {
		ck_assert_uint_eq(flood.items[i].turn, i + 2);
		mine += pthread_equal(flood.items[i].thread, pthread_self()) ? 1 : 0;
	}
	ck_assert_uint_lt(mine, 500);
	OSRelease(flood.queue);
	loop_destroy(loop);
}
END_TEST

/* --- queue_call --- */

struct call {
	pthread_t starter;
	IODispatchQueue *queue;
	struct meter *turns;
	struct meter calling;
	unsigned turn;
	pthread_t thread;
	bool mine;
	bool result;
};

static void
note_call(void *context)
{
	struct call *call = context;

	call->thread = pthread_self();
	call->mine = queue_is_mine(call->queue) && IODispatchQueue_OnQueue(call->queue);
	meter_raise_to(call->turns, &call->turn);
}

static void *
call_on_thread(void *context)
{
	struct call *call = context;

	meter_raise(&call->calling);
	call->result = queue_call(call->queue, call, note_call);
	return NULL;
}

static void
call_nested(void *context)
{
	struct call *call = context;

	ck_assert(queue_call(call->queue, call, note_call));
	ck_assert_uint_eq(call->turn, 1);
}

START_TEST(call_is_inline_when_idle_and_nested)
{
	struct meter turns = METER_INITIALIZER;
	struct call call = {.turns = &turns};

	start();
	call.queue = create("q");
	ck_assert(queue_call(call.queue, &call, call_nested));
	ck_assert_uint_eq(call.turn, 1);
	ck_assert(call.mine);
	ck_assert(pthread_equal(call.thread, pthread_self()));
	ck_assert(!queue_is_mine(call.queue));
	OSRelease(call.queue);
	loop_destroy(loop);
}
END_TEST

static void
start_call(struct call *call)
{
	static const struct meter none = METER_INITIALIZER;

	call->calling = none;
	ck_assert_int_eq(pthread_create(&call->starter, NULL, call_on_thread, call), 0);
	meter_wait(&call->calling, 1);
}

START_TEST(call_waits_for_its_turn_and_runs_in_its_own_thread)
{
	struct meter turns = METER_INITIALIZER;
	struct item before = ITEM(&turns), after = ITEM(&turns);
	struct call calls[4];
	struct holder holder;
	IODispatchQueue *queue;

	start();
	queue = create("q");
	occupy(&holder, queue);
	queue_post(queue, &before.work);
	for (unsigned i = 0; i < 4; i++) {
		calls[i] = (struct call){.queue = queue, .turns = &turns};
		start_call(&calls[i]);
	}
	ck_assert_uint_eq(meter_read(&turns), 0);
	meter_raise(&holder.gate);
	meter_wait(&turns, 5);
	queue_post(queue, &after.work);
	meter_wait(&turns, 6);
	ck_assert_uint_eq(before.turn, 1);
	ck_assert_uint_eq(after.turn, 6);
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(calls[i].starter, NULL);
		ck_assert(calls[i].result && calls[i].mine);
		ck_assert(pthread_equal(calls[i].thread, calls[i].starter));
	}
	OSRelease(queue);
	loop_destroy(loop);
}
END_TEST

/* --- queue_wait --- */

static int tag_a, tag_b;

struct wait {
	struct item item;
	struct item a[3], b[2];
	struct meter turns;
	IODispatchQueue *queue;
};

static bool
all_a_ran(void *context)
{
	struct wait *wait = context;
	bool ran;

	pthread_mutex_lock(&wait->turns.lock);
	ran = wait->a[0].turn != 0 && wait->a[1].turn != 0 && wait->a[2].turn != 0;
	pthread_mutex_unlock(&wait->turns.lock);
	return ran;
}

static void
post_and_wait(struct item *item)
{
	struct wait *wait = (struct wait *)item;

	queue_run(wait->queue, &wait->a[0].work);
	queue_post(wait->queue, &wait->b[0].work);
	queue_post(wait->queue, &wait->a[1].work);
	queue_post(wait->queue, &wait->b[1].work);
	queue_post(wait->queue, &wait->a[2].work);
	queue_wait(&tag_a, all_a_ran, wait);
	ck_assert_uint_eq(wait->b[0].turn, 0);
	ck_assert(queue_is_mine(wait->queue));
}

static void
init_wait(struct wait *wait, IODispatchQueue *queue, void (*then)(struct item *item))
{
	static const struct meter none = METER_INITIALIZER;

	wait->turns = none;
	wait->queue = queue;
	wait->item = (struct item)ITEM(&wait->turns, .then = then);
	for (unsigned i = 0; i < 3; i++) {
		wait->a[i] = (struct item)ITEM(&wait->turns);
		wait->a[i].work.tag = &tag_a;
	}
	for (unsigned i = 0; i < 2; i++) {
		wait->b[i] = (struct item)ITEM(&wait->turns);
		wait->b[i].work.tag = &tag_b;
	}
}

START_TEST(wait_delivers_what_has_the_tag_nested_and_in_order)
{
	static struct wait wait;

	start();
	init_wait(&wait, create("q"), post_and_wait);
	queue_run(wait.queue, &wait.item.work);
	meter_wait(&wait.turns, 6);
	ck_assert_uint_eq(wait.a[0].turn, 1);
	ck_assert_uint_eq(wait.a[1].turn, 2);
	ck_assert_uint_eq(wait.a[2].turn, 3);
	ck_assert_uint_eq(wait.item.turn, 4);
	ck_assert_uint_eq(wait.b[0].turn, 5);
	ck_assert_uint_eq(wait.b[1].turn, 6);
	ck_assert(pthread_equal(wait.a[2].thread, pthread_self()));
	OSRelease(wait.queue);
	loop_destroy(loop);
}
END_TEST

/* Returns when the first thread of this process sleeps in the kernel. */
static void
await_sleep(void)
{
	uint64_t deadline = clock_now() + METER_DEADLINE_SEC * NSEC_PER_SEC;
	char path[64], text[256];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)getpid());
	do {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		got = read(fd, text, sizeof(text) - 1);
		close(fd);
		text[got > 0 ? got : 0] = '\0';
	} while (strstr(text, ") S ") == NULL && clock_now() < deadline);
}

/* Posts the three from outside, each when the waiter sleeps. */
static void *
post_later(void *context)
{
	struct wait *wait = context;

	for (unsigned i = 0; i < 3; i++) {
		await_sleep();
		queue_run(wait->queue, &wait->a[i].work);
		if (!meter_reaches(&wait->turns, i + 1))
			abort();
	}
	for (unsigned i = 0; i < 2; i++)
		queue_post(wait->queue, &wait->b[i].work);
	return NULL;
}

static void
wait_for_others(struct item *item)
{
	struct wait *wait = (struct wait *)item;
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, post_later, wait), 0);
	queue_wait(&tag_a, all_a_ran, wait);
	pthread_join(thread, NULL);
}

START_TEST(wait_is_woken_by_what_others_append)
{
	static struct wait wait;

	start();
	init_wait(&wait, create("q"), wait_for_others);
	queue_run(wait.queue, &wait.item.work);
	meter_wait(&wait.turns, 6);
	ck_assert_uint_eq(wait.a[2].turn, 3);
	ck_assert_uint_eq(wait.item.turn, 4);
	ck_assert(pthread_equal(wait.a[2].thread, pthread_self()));
	OSRelease(wait.queue);
	loop_destroy(loop);
}
END_TEST

START_TEST(wait_of_a_stranger_sees_the_items_that_others_run)
{
	static struct wait wait;
	struct holder holder;
	pthread_t thread;

	start();
	init_wait(&wait, create("q"), NULL);
	occupy(&holder, wait.queue);
	meter_raise(&holder.gate);
	ck_assert_int_eq(pthread_create(&thread, NULL, post_later, &wait), 0);
	queue_wait(&tag_a, all_a_ran, &wait);
	pthread_join(thread, NULL);
	meter_wait(&wait.turns, 5);
	OSRelease(wait.queue);
	loop_destroy(loop);
}
END_TEST

/* Waits on `queue` while it owns `other` as well, where the items are. */
static void
wait_from_inside(void *context)
{
	struct wait *wait = context;

	post_and_wait(&wait->item);
}

struct nest {
	struct wait *wait;
	IODispatchQueue *inner;
};

static void
enter_inner(void *context)
{
	struct nest *nest = context;

	ck_assert(queue_call(nest->inner, nest->wait, wait_from_inside));
}

START_TEST(wait_looks_at_every_queue_of_the_thread)
{
	static struct wait wait;
	struct nest nest = {.wait = &wait};

	start();
	init_wait(&wait, create("outer"), NULL);
	nest.inner = create("inner");
	ck_assert(queue_call(wait.queue, &nest, enter_inner));
	meter_wait(&wait.turns, 5);
	ck_assert_uint_eq(wait.a[2].turn, 3);
	OSRelease(wait.queue);
	OSRelease(nest.inner);
	loop_destroy(loop);
}
END_TEST

static _Atomic bool flag;

static bool
is_set(void *context)
{
	return atomic_load(&flag);
}

static void *
set_and_wake(void *context)
{
	queue_wake(&tag_b);
	atomic_store(&flag, true);
	queue_wake(context);
	return NULL;
}

START_TEST(wake_makes_waiters_ask_again)
{
	pthread_t thread;

	start();
	queue_wait(&tag_a, is_set, (atomic_store(&flag, true), NULL));
	atomic_store(&flag, false);
	ck_assert_int_eq(pthread_create(&thread, NULL, set_and_wake, &tag_a), 0);
	queue_wait(&tag_a, is_set, NULL);
	pthread_join(thread, NULL);
	loop_destroy(loop);
}
END_TEST

/* --- cancel --- */

static void
raise_meter(void *context)
{
	meter_raise(context);
}

START_TEST(cancel_drops_what_waits_and_joins_what_runs)
{
	struct meter turns = METER_INITIALIZER, dropped = METER_INITIALIZER,
		     handled = METER_INITIALIZER;
	struct item items[3] = {ITEM(&turns, .dropped = &dropped),
				ITEM(&turns, .dropped = &dropped),
				ITEM(&turns, .dropped = &dropped)};
	struct call call = {.turns = &turns};
	struct holder holder;
	IODispatchQueue *queue;

	start();
	queue = create("q");
	occupy(&holder, queue);
	queue_run(queue, &items[0].work);
	queue_post(queue, &items[1].work);
	ck_assert_int_eq(IODispatchQueue_Cancel_f(queue, &handled, raise_meter), kIOReturnSuccess);
	ck_assert_uint_eq(meter_read(&dropped), 2);
	ck_assert_uint_eq(meter_read(&handled), 0);
	queue_post(queue, &items[2].work);
	ck_assert_uint_eq(meter_read(&dropped), 3);
	call.queue = queue;
	ck_assert(!queue_call(queue, &call, note_call));
	meter_raise(&holder.gate);
	meter_wait(&handled, 1);
	ck_assert_uint_eq(meter_read(&holder.turns), 1);
	ck_assert_uint_eq(meter_read(&turns), 0);
	/* Again: this handler too is called, now at once, and the first not again. */
	ck_assert_int_eq(IODispatchQueue_Cancel_f(queue, &handled, raise_meter), kIOReturnSuccess);
	ck_assert_uint_eq(meter_read(&handled), 2);
	ck_assert_int_eq(IODispatchQueue_Cancel_f(queue, NULL, NULL), kIOReturnSuccess);
	queue_run(queue, &items[0].work);
	queue_dispatch(queue, &items[1].work);
	ck_assert_uint_eq(meter_read(&dropped), 5);
	OSRelease(queue);
	loop_destroy(loop);
}
END_TEST

struct slow_drop {
	struct work work;
	struct meter entered, gate;
	IODispatchQueue *queue;
	struct meter handled;
};

static void
drop_slowly(struct work *work)
{
	struct slow_drop *slow = (struct slow_drop *)work;

	meter_raise(&slow->entered);
	meter_reaches(&slow->gate, 1);
}

static void *
cancel_slowly(void *context)
{
	struct slow_drop *slow = context;

	IODispatchQueue_Cancel_f(slow->queue, &slow->handled, raise_meter);
	return NULL;
}

START_TEST(cancel_handlers_come_after_the_drops)
{
	struct slow_drop slow = {.work = {.run = run_item, .dropped = drop_slowly},
				 .entered = METER_INITIALIZER,
				 .gate = METER_INITIALIZER,
				 .handled = METER_INITIALIZER};
	struct holder holder;
	IODispatchQueue *other;
	pthread_t thread;

	start();
	slow.queue = create("q");
	other = create("other");
	occupy(&holder, slow.queue);
	queue_post(slow.queue, &slow.work);
	ck_assert_int_eq(pthread_create(&thread, NULL, cancel_slowly, &slow), 0);
	meter_wait(&slow.entered, 1);
	/* What ran has ended, but the drop has not. */
	meter_raise(&holder.gate);
	meter_wait(&holder.turns, 1);
	for (unsigned i = 0; i < 50; i++)
		check_serves(other);
	ck_assert_uint_eq(meter_read(&slow.handled), 0);
	ck_assert_int_eq(IODispatchQueue_Cancel_f(slow.queue, NULL, NULL), kIOReturnSuccess);
	ck_assert_uint_eq(meter_read(&slow.handled), 0);
	meter_raise(&slow.gate);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(meter_read(&slow.handled), 1);
	OSRelease(slow.queue);
	OSRelease(other);
	loop_destroy(loop);
}
END_TEST

START_TEST(cancel_lets_callers_go)
{
	struct meter turns = METER_INITIALIZER;
	struct call call = {.turns = &turns};
	struct holder holder;

	start();
	call.queue = create("q");
	occupy(&holder, call.queue);
	start_call(&call);
	ck_assert_int_eq(IODispatchQueue_Cancel_f(call.queue, NULL, NULL), kIOReturnSuccess);
	pthread_join(call.starter, NULL);
	ck_assert(!call.result);
	ck_assert_uint_eq(call.turn, 0);
	meter_raise(&holder.gate);
	OSRelease(call.queue);
	loop_destroy(loop);
}
END_TEST

struct self_cancel {
	struct item item;
	IODispatchQueue *queue;
	struct meter handled;
	unsigned turns_at_handler;
};

static void
note_handler(void *context)
{
	struct self_cancel *self = context;

	self->turns_at_handler = meter_read(self->item.turns);
	ck_assert(!queue_is_mine(self->queue));
	OSRelease(self->queue);
	meter_raise(&self->handled);
}

static void
cancel_own(struct item *item)
{
	struct self_cancel *self = (struct self_cancel *)item;

	ck_assert_int_eq(IODispatchQueue_Cancel_f(self->queue, self, note_handler),
			 kIOReturnSuccess);
	ck_assert_uint_eq(meter_read(&self->handled), 0);
}

/* The last reference goes inside the handler. */
START_TEST(cancel_from_the_queue_itself_waits_for_the_caller)
{
	struct meter turns = METER_INITIALIZER;
	struct self_cancel self = {.item = ITEM(&turns, .then = cancel_own),
				   .handled = METER_INITIALIZER};

	start();
	self.queue = create("q");
	queue_run(self.queue, &self.item.work);
	ck_assert_uint_eq(meter_read(&self.handled), 1);
	ck_assert_uint_eq(self.turns_at_handler, 1);
	loop_destroy(loop);
}
END_TEST

/* --- IODispatchQueue --- */

START_TEST(create_checks_its_arguments)
{
	IODispatchQueue *queue = NULL;

	start();
	ck_assert_int_eq(IODispatchQueue_Create(NULL, 0, 0, &queue), kIOReturnBadArgument);
	ck_assert_int_eq(IODispatchQueue_Create("q", 0, 0, NULL), kIOReturnBadArgument);
	ck_assert_int_eq(IODispatchQueue_Create("q", 0, 1, &queue), kIOReturnBadArgument);
	ck_assert_int_eq(IODispatchQueue_Create("q", kIODispatchQueueReentrant, 0, &queue),
			 kIOReturnUnsupported);
	ck_assert_ptr_null(queue);
	queue = create("some name");
	ck_assert_str_eq(IODispatchQueue_GetName(queue), "some name");
	ck_assert_ptr_nonnull(OSDynamicCast(IODispatchQueue, queue));
	OSRelease(queue);
	loop_destroy(loop);
}
END_TEST

START_TEST(async_runs_after_the_last_reference_went)
{
	struct meter ran = METER_INITIALIZER;
	struct holder holder;
	IODispatchQueue *queue;

	start();
	queue = create("q");
	occupy(&holder, queue);
	for (unsigned i = 0; i < 10; i++)
		IODispatchQueue_DispatchAsync_f(queue, &ran, raise_meter);
	OSRelease(queue);
	ck_assert_uint_eq(meter_read(&ran), 0);
	meter_raise(&holder.gate);
	meter_wait(&ran, 10);
	loop_destroy(loop);
}
END_TEST

START_TEST(sync_returns_after_its_call)
{
	struct meter turns = METER_INITIALIZER;
	struct call call = {.turns = &turns};

	start();
	call.queue = create("q");
	IODispatchQueue_DispatchSync_f(call.queue, &call, note_call);
	ck_assert_uint_eq(call.turn, 1);
	ck_assert(call.mine);
	ck_assert_int_eq(IODispatchQueue_Cancel_f(call.queue, NULL, NULL), kIOReturnSuccess);
	IODispatchQueue_DispatchSync_f(call.queue, &call, note_call);
	ck_assert_uint_eq(call.turn, 1);
	OSRelease(call.queue);
	loop_destroy(loop);
}
END_TEST

static void
sync_to(void *context)
{
	IODispatchQueue_DispatchSync_f(context, context, raise_meter);
}

static IODispatchQueue *lower, *upper;

static void
enter_upper(void *context)
{
	queue_call(upper, lower, sync_to);
}

static void
deadlock(void *context)
{
	start();
	lower = create("com.example.lower");
	upper = create("com.example.upper");
	queue_call(lower, NULL, enter_upper);
}

#if __has_include(<execinfo.h>)
#define IN_A_STACK "test_queue"
#else /* musl: addresses alone */
#define IN_A_STACK "was entered here:\n0x"
#endif

START_TEST(sync_to_an_owned_queue_is_named_with_its_stacks)
{
	static char text[16384];

	ck_assert(unit_killed_by(unit_child(deadlock, NULL, text, sizeof(text)), SIGABRT));
	ck_assert_ptr_nonnull(strstr(text, "DispatchSync to queue \"com.example.lower\""));
	ck_assert_ptr_nonnull(strstr(text, "queue \"com.example.upper\" was entered here"));
	ck_assert_ptr_nonnull(
		strstr(text, "queue \"com.example.lower\" (this one) was entered here"));
	ck_assert_ptr_nonnull(strstr(text, IN_A_STACK));
}
END_TEST

static void
create_without_loop(void *context)
{
	IODispatchQueue *queue;

	queue_create("early", &queue);
}

START_TEST(a_queue_before_the_loop_is_reported)
{
	static char text[4096];

	ck_assert(
		unit_killed_by(unit_child(create_without_loop, NULL, text, sizeof(text)), SIGABRT));
	ck_assert_ptr_nonnull(strstr(text, "queue_set_loop"));
}
END_TEST

static void
post_twice(void *context)
{
	struct meter turns = METER_INITIALIZER;
	struct item item = ITEM(&turns);
	struct holder holder;
	IODispatchQueue *queue;

	start();
	queue = create("q");
	occupy(&holder, queue);
	queue_post(queue, &item.work);
	queue_post(queue, &item.work);
}

START_TEST(posting_work_that_waits_is_an_assertion)
{
	ck_assert(unit_killed_by(unit_child(post_twice, NULL, NULL, 0), SIGABRT));
}
END_TEST

UNIT_MAIN("queue", post_runs_in_order_on_a_loop_thread, run_is_inline_on_an_idle_queue,
	  run_and_dispatch_append_to_a_busy_queue, callbacks_never_run_inside_other_work,
	  methods_run_inside_the_work_that_calls_them,
	  the_backlog_of_another_queue_is_left_to_the_loop,
	  who_brought_the_first_item_gets_away_from_a_backlog, call_is_inline_when_idle_and_nested,
	  call_waits_for_its_turn_and_runs_in_its_own_thread,
	  wait_delivers_what_has_the_tag_nested_and_in_order, wait_is_woken_by_what_others_append,
	  wait_of_a_stranger_sees_the_items_that_others_run,
	  wait_looks_at_every_queue_of_the_thread, wake_makes_waiters_ask_again,
	  cancel_drops_what_waits_and_joins_what_runs, cancel_lets_callers_go,
	  cancel_handlers_come_after_the_drops, cancel_from_the_queue_itself_waits_for_the_caller,
	  create_checks_its_arguments, async_runs_after_the_last_reference_went,
	  sync_returns_after_its_call, sync_to_an_owned_queue_is_named_with_its_stacks,
	  a_queue_before_the_loop_is_reported, posting_work_that_waits_is_an_assertion)
