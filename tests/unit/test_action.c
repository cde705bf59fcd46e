/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>

#include "action.h"
#include "meter.h"
#include "object.h"

static struct loop *loop;

/* A target: its queue, or the status that it gives instead. */
struct Target_IVars {
	IODispatchQueue *queue;
	unsigned asked; /* for it, times */
	kern_return_t status;
	struct meter *freed;
};
typedef struct Target Target;

extern const OSMetaClass gTargetMetaClass;

static kern_return_t
copy_queue(OSObject *self, IODispatchQueueName name, IODispatchQueue **queue)
{
	struct Target_IVars *ivars = OSObjectIVars(Target, self);

	ck_assert_str_eq(name, kIOServiceDefaultQueueName);
	ivars->asked++;
	if (ivars->status != kIOReturnSuccess)
		return ivars->status;
	OSRetain(ivars->queue);
	*queue = ivars->queue;
	return kIOReturnSuccess;
}

static void
free_target(OSObject *self)
{
	struct Target_IVars *ivars = OSObjectIVars(Target, self);

	OSRelease(ivars->queue);
	meter_raise(ivars->freed);
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

static const char type[] = "Pipe::Complete";

/* What every test starts with: a target on a queue and an action for it. */
struct scene {
	Target *target;
	IODispatchQueue *queue;
	OSAction *action;
	struct meter freed;
};

static void
callback(void)
{
	abort();
}

static void
set(struct scene *scene)
{
	static const struct meter none = METER_INITIALIZER;

	ck_assert_int_eq(loop_create(&loop), kIOReturnSuccess);
	ck_assert_int_eq(loop_start(loop, 2), kIOReturnSuccess);
	queue_set_loop(loop);
	scene->freed = none;
	ck_assert_int_eq(queue_create("q", &scene->queue), kIOReturnSuccess);
	scene->target = object_create(Target);
	ck_assert_ptr_nonnull(scene->target);
	OSRetain(scene->queue);
	OSObjectIVars(Target, scene->target)->queue = scene->queue;
	OSObjectIVars(Target, scene->target)->freed = &scene->freed;
	ck_assert_int_eq(
		action_create((OSObject *)scene->target, type, callback, 24, &scene->action),
		kIOReturnSuccess);
}

static void
clear(struct scene *scene)
{
	OSSafeReleaseNULL(scene->action);
	OSSafeReleaseNULL(scene->target);
	OSSafeReleaseNULL(scene->queue);
	loop_destroy(loop);
	ck_assert_uint_eq(meter_read(&scene->freed), 1);
}

struct test_call {
	struct action_call call;
	struct scene *scene;
	struct meter *delivered, *done;
	unsigned delivered_at_done;
	pthread_t thread;
	bool mine;
	void (*then)(struct test_call *call);
	struct meter *entered, *gate, *handled;
};

static void
deliver(struct action_call *call, OSObject *target, action_function function)
{
	struct test_call *test = (struct test_call *)call;

	ck_assert_ptr_eq(target, (OSObject *)test->scene->target);
	ck_assert(function == callback);
	test->thread = pthread_self();
	test->mine = test->scene->queue != NULL && queue_is_mine(test->scene->queue);
	if (test->then != NULL)
		test->then(test);
	meter_raise(test->delivered);
}

static void
done(struct action_call *call)
{
	struct test_call *test = (struct test_call *)call;

	test->delivered_at_done = meter_read(test->delivered);
	meter_raise(test->done);
}

#define CALL(stage, a, b, ...)                                                                  \
	{                                                                                       \
		.call = {.deliver = deliver, .done = done}, .scene = (stage), .delivered = (a), \
		.done = (b), __VA_ARGS__                                                        \
	}

static void
hold(struct test_call *call)
{
	meter_raise(call->entered);
	meter_reaches(call->gate, 1);
}

static void
raise_meter(void *context)
{
	meter_raise(context);
}

START_TEST(create_and_check)
{
	struct scene scene;
	OSAction *other = NULL;
	uint8_t *reference;

	set(&scene);
	reference = OSAction_GetReference(scene.action);
	for (unsigned i = 0; i < 24; i++)
		ck_assert_uint_eq(reference[i], 0);
	memset(reference, 1, 24);
	ck_assert_int_eq(action_check(scene.action, "Pipe::Complete"), kIOReturnSuccess);
	ck_assert_int_eq(action_check(scene.action, "Timer::Occurred"), kIOReturnBadArgument);
	ck_assert_int_eq(action_check(NULL, type), kIOReturnBadArgument);
	ck_assert_int_eq(action_check((OSAction *)scene.target, type), kIOReturnBadArgument);
	ck_assert_int_eq(action_create(NULL, type, callback, 0, &other), kIOReturnBadArgument);
	ck_assert_int_eq(action_create((OSObject *)scene.target, type, NULL, 0, &other),
			 kIOReturnBadArgument);
	ck_assert_int_eq(action_create((OSObject *)scene.target, type, callback, 0, NULL),
			 kIOReturnBadArgument);
	ck_assert_ptr_null(other);
	ck_assert_int_eq(action_create((OSObject *)scene.target, type, callback, 0, &other),
			 kIOReturnSuccess);
	ck_assert_ptr_null(OSAction_GetReference(other));
	ck_assert(!action_is_cancelled(other));
	OSRelease(other);
	clear(&scene);
}
END_TEST

START_TEST(the_target_lives_as_long_as_the_action)
{
	struct scene scene;

	set(&scene);
	OSSafeReleaseNULL(scene.target);
	ck_assert_uint_eq(meter_read(&scene.freed), 0);
	OSSafeReleaseNULL(scene.action);
	ck_assert_uint_eq(meter_read(&scene.freed), 1);
	clear(&scene);
}
END_TEST

START_TEST(post_runs_on_the_targets_queue)
{
	struct meter delivered = METER_INITIALIZER, finished = METER_INITIALIZER;
	struct scene scene;
	struct test_call posted = CALL(&scene, &delivered, &finished);
	struct test_call inlined = posted;
	IODispatchQueue *queue;

	set(&scene);
	action_post(scene.action, &posted.call, NULL, false);
	meter_wait(&finished, 1);
	ck_assert(posted.mine && !pthread_equal(posted.thread, pthread_self()));
	ck_assert_uint_eq(posted.delivered_at_done, 1);
	IODispatchQueue_DispatchSync_f(scene.queue, &delivered, raise_meter);
	action_post(scene.action, &inlined.call, NULL, true);
	ck_assert_uint_eq(meter_read(&finished), 2);
	ck_assert(inlined.mine && pthread_equal(inlined.thread, pthread_self()));
	queue = action_copy_queue(scene.action);
	ck_assert_ptr_eq(queue, scene.queue);
	OSRelease(queue);
	clear(&scene);
}
END_TEST

/* Takes a reference to the action, as the posting does. */
static void
link_call(struct test_call *call, OSAction *action, struct test_call *next)
{
	OSRetain(action);
	call->call.action = action;
	call->call.next = next != NULL ? &next->call : NULL;
}

/* Of two actions of one queue; between them one without a queue, behind them a cancelled one. */
START_TEST(several_are_posted_in_order_and_end_as_each_would)
{
	struct meter delivered = METER_INITIALIZER, finished = METER_INITIALIZER;
	struct meter skipped = METER_INITIALIZER, alone = METER_INITIALIZER;
	struct scene scene, without = {.target = object_create(Target)};
	struct test_call first = CALL(&scene, &delivered, &finished), second = first;
	struct test_call inlined = CALL(&without, &alone, &alone);
	struct test_call cancelled = CALL(&scene, &skipped, &alone);
	OSObject *targets[3];
	OSAction *actions[3];

	set(&scene);
	*OSObjectIVars(Target, without.target) =
		(struct Target_IVars){.status = kIOReturnNotFound, .freed = &skipped};
	targets[0] = targets[2] = (OSObject *)scene.target;
	targets[1] = (OSObject *)without.target;
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(action_create(targets[i], type, callback, 0, &actions[i]),
				 kIOReturnSuccess);
	ck_assert_int_eq(OSAction_Cancel_f(actions[2], NULL, NULL), kIOReturnSuccess);
	link_call(&first, scene.action, &inlined);
	link_call(&inlined, actions[1], &second);
	link_call(&second, actions[0], &cancelled);
	link_call(&cancelled, actions[2], NULL);
	action_post_all_take(&first.call, NULL);
	ck_assert_uint_eq(meter_read(&alone), 3);
	ck_assert(pthread_equal(inlined.thread, pthread_self()));
	meter_wait(&finished, 2);
	ck_assert_uint_eq(first.delivered_at_done, 1);
	ck_assert_uint_eq(second.delivered_at_done, 2);
	ck_assert(first.mine && second.mine);
	IODispatchQueue_DispatchSync_f(scene.queue, &delivered, raise_meter);
	for (unsigned i = 0; i < 3; i++)
		OSRelease(actions[i]);
	ck_assert_uint_eq(meter_read(&skipped), 0);
	OSRelease(without.target);
	ck_assert_uint_eq(meter_read(&skipped), 1);
	clear(&scene);
}
END_TEST

static void
expect_queue(struct scene *scene, IODispatchQueue *wanted, unsigned asked)
{
	IODispatchQueue *queue = action_copy_queue(scene->action);

	ck_assert_ptr_eq(queue, wanted);
	OSRelease(queue);
	ck_assert_uint_eq(OSObjectIVars(Target, scene->target)->asked, asked);
}

/* A target that says when its queue becomes another is asked once until then. */
START_TEST(a_kept_queue_is_good_until_it_changes)
{
	IODispatchQueue *other = NULL;
	struct Target_IVars *target;
	struct scene scene;

	set(&scene);
	target = OSObjectIVars(Target, scene.target);
	expect_queue(&scene, scene.queue, 1);
	expect_queue(&scene, scene.queue, 2);
	((OSObject *)scene.target)->marks |= OBJECT_KEEPS_QUEUES;
	expect_queue(&scene, scene.queue, 3);
	expect_queue(&scene, scene.queue, 3);
	ck_assert_int_eq(queue_create("other", &other), kIOReturnSuccess);
	OSRelease(target->queue);
	target->queue = other;
	queues_changed();
	expect_queue(&scene, other, 4);
	expect_queue(&scene, other, 4);
	ck_assert_int_eq(OSAction_Cancel_f(scene.action, NULL, NULL), kIOReturnSuccess);
	expect_queue(&scene, NULL, 4);
	clear(&scene);
}
END_TEST

START_TEST(a_posted_call_holds_the_action)
{
	struct meter delivered = METER_INITIALIZER, finished = METER_INITIALIZER,
		     entered = METER_INITIALIZER, gate = METER_INITIALIZER;
	struct scene scene;
	struct test_call first = CALL(&scene, &delivered, &finished, .then = hold,
				      .entered = &entered, .gate = &gate);
	struct test_call second = CALL(&scene, &delivered, &finished);

	set(&scene);
	action_post(scene.action, &first.call, NULL, false);
	action_post(scene.action, &second.call, NULL, false);
	meter_wait(&entered, 1);
	OSSafeReleaseNULL(scene.action);
	ck_assert_uint_eq(meter_read(&delivered), 0);
	meter_raise(&gate);
	meter_wait(&finished, 2);
	ck_assert_uint_eq(meter_read(&delivered), 2);
	clear(&scene);
}
END_TEST

START_TEST(cancel_drops_what_waits_and_joins_what_runs)
{
	struct meter delivered = METER_INITIALIZER, finished = METER_INITIALIZER,
		     entered = METER_INITIALIZER, gate = METER_INITIALIZER,
		     handled = METER_INITIALIZER;
	struct scene scene;
	struct test_call running = CALL(&scene, &delivered, &finished, .then = hold,
					.entered = &entered, .gate = &gate);
	struct test_call waiting = CALL(&scene, &delivered, &finished);
	struct test_call late = waiting;

	set(&scene);
	action_post(scene.action, &running.call, NULL, false);
	meter_wait(&entered, 1);
	action_post(scene.action, &waiting.call, NULL, false);
	ck_assert_int_eq(OSAction_Cancel_f(scene.action, &handled, raise_meter), kIOReturnSuccess);
	ck_assert_int_eq(OSAction_Cancel_f(scene.action, &handled, raise_meter), kIOReturnSuccess);
	ck_assert_uint_eq(meter_read(&handled), 0);
	ck_assert(action_is_cancelled(scene.action));
	ck_assert_ptr_null(action_copy_queue(scene.action));
	action_post(scene.action, &late.call, NULL, true);
	ck_assert_uint_eq(meter_read(&finished), 1);
	meter_raise(&gate);
	meter_wait(&finished, 3);
	meter_wait(&handled, 2);
	ck_assert_uint_eq(meter_read(&delivered), 1);
	/* The action has let go of its target, though it is still there. */
	OSSafeReleaseNULL(scene.target);
	meter_wait(&scene.freed, 1);
	ck_assert_int_eq(OSAction_Cancel_f(scene.action, &handled, raise_meter), kIOReturnSuccess);
	ck_assert_int_eq(OSAction_Cancel_f(scene.action, NULL, NULL), kIOReturnSuccess);
	ck_assert_uint_eq(meter_read(&handled), 3);
	clear(&scene);
}
END_TEST

static void
note_handler(void *context)
{
	struct test_call *call = context;

	/* The callback from which it was cancelled is over, its record too; the target is alive. */
	ck_assert_uint_eq(meter_read(call->done), 1);
	ck_assert_uint_eq(meter_read(&call->scene->freed), 0);
	OSSafeReleaseNULL(call->scene->action);
	meter_raise(call->handled);
}

static void
cancel_own(struct test_call *call)
{
	ck_assert_int_eq(OSAction_Cancel_f(call->scene->action, call, note_handler),
			 kIOReturnSuccess);
	OSSafeReleaseNULL(call->scene->target);
	ck_assert_uint_eq(meter_read(call->handled), 0);
}

START_TEST(cancel_from_the_callback_waits_for_its_end)
{
	struct meter delivered = METER_INITIALIZER, finished = METER_INITIALIZER,
		     handled = METER_INITIALIZER;
	struct scene scene;
	struct test_call call =
		CALL(&scene, &delivered, &finished, .then = cancel_own, .handled = &handled);

	set(&scene);
	action_post(scene.action, &call.call, NULL, true);
	ck_assert_uint_eq(meter_read(&handled), 1);
	ck_assert_uint_eq(meter_read(&finished), 1);
	clear(&scene);
}
END_TEST

START_TEST(a_cancelled_queue_still_ends_each_call)
{
	struct meter delivered = METER_INITIALIZER, finished = METER_INITIALIZER;
	struct scene scene;
	struct test_call call = CALL(&scene, &delivered, &finished), last = call;

	set(&scene);
	ck_assert_int_eq(IODispatchQueue_Cancel_f(scene.queue, NULL, NULL), kIOReturnSuccess);
	action_post(scene.action, &call.call, NULL, true);
	action_post(scene.action, &call.call, NULL, false);
	link_call(&call, scene.action, &last);
	link_call(&last, scene.action, NULL);
	action_post_all_take(&call.call, NULL);
	ck_assert_uint_eq(meter_read(&finished), 4);
	ck_assert_uint_eq(meter_read(&delivered), 0);
	clear(&scene);
}
END_TEST

START_TEST(targets_without_a_queue)
{
	struct meter delivered = METER_INITIALIZER, finished = METER_INITIALIZER;
	struct scene scene;
	struct test_call call = CALL(&scene, &delivered, &finished);

	set(&scene);
	/* None at all: inline. */
	OSObjectIVars(Target, scene.target)->status = kIOReturnNotFound;
	action_post(scene.action, &call.call, NULL, false);
	ck_assert_uint_eq(meter_read(&delivered), 1);
	ck_assert(pthread_equal(call.thread, pthread_self()) && !call.mine);
	ck_assert_ptr_null(action_copy_queue(scene.action));
	/* A stopped service: dropped. */
	OSObjectIVars(Target, scene.target)->status = kIOReturnError;
	action_post(scene.action, &call.call, NULL, true);
	ck_assert_uint_eq(meter_read(&delivered), 1);
	ck_assert_uint_eq(meter_read(&finished), 2);
	clear(&scene);
}
END_TEST

static int tag;

static bool
two_finished(void *context)
{
	return meter_read(context) == 2;
}

struct abort_test {
	struct scene scene;
	struct test_call calls[2];
	struct meter delivered, finished;
};

/* A synchronous abort, called on the callbacks' own queue. */
static void
post_and_wait(void *context)
{
	struct abort_test *test = context;

	for (unsigned i = 0; i < 2; i++)
		action_post(test->scene.action, &test->calls[i].call, &tag, true);
	ck_assert_uint_eq(meter_read(&test->finished), 0);
	queue_wait(&tag, two_finished, &test->finished);
	ck_assert_uint_eq(meter_read(&test->delivered), 2);
}

START_TEST(a_wait_on_the_queue_delivers_its_callbacks_nested)
{
	struct abort_test test = {.delivered = METER_INITIALIZER, .finished = METER_INITIALIZER};

	for (unsigned i = 0; i < 2; i++)
		test.calls[i] =
			(struct test_call)CALL(&test.scene, &test.delivered, &test.finished);
	set(&test.scene);
	ck_assert(queue_call(test.scene.queue, &test, post_and_wait));
	ck_assert(test.calls[0].mine && pthread_equal(test.calls[0].thread, pthread_self()));
	ck_assert_uint_eq(test.calls[0].delivered_at_done, 1);
	clear(&test.scene);
}
END_TEST

/* --- the aborted handler --- */

struct aborted {
	struct meter called;
	struct scene *scene;
	bool mine;
};

static void
note_aborted(void *context)
{
	struct aborted *aborted = context;

	aborted->mine = queue_is_mine(aborted->scene->queue);
	meter_raise(&aborted->called);
}

static void
nothing(void *context)
{
}

START_TEST(aborted_when_the_last_hold_ends_once)
{
	struct scene scene;
	struct aborted aborted = {.called = METER_INITIALIZER, .scene = &scene};

	set(&scene);
	ck_assert_int_eq(OSAction_SetAbortedHandler_f(scene.action, &aborted, note_aborted),
			 kIOReturnSuccess);
	action_hold(scene.action);
	action_hold(scene.action);
	action_unhold(scene.action);
	IODispatchQueue_DispatchSync_f(scene.queue, NULL, nothing);
	ck_assert_uint_eq(meter_read(&aborted.called), 0);
	action_unhold(scene.action);
	meter_wait(&aborted.called, 1);
	ck_assert(aborted.mine);
	action_hold(scene.action);
	action_unhold(scene.action);
	IODispatchQueue_DispatchSync_f(scene.queue, NULL, nothing);
	ck_assert_uint_eq(meter_read(&aborted.called), 1);
	clear(&scene);
}
END_TEST

START_TEST(an_aborted_handler_that_comes_late_is_called)
{
	struct scene scene;
	struct aborted aborted = {.called = METER_INITIALIZER, .scene = &scene};

	set(&scene);
	action_hold(scene.action);
	action_unhold(scene.action);
	ck_assert_int_eq(OSAction_SetAbortedHandler_f(scene.action, &aborted, note_aborted),
			 kIOReturnSuccess);
	meter_wait(&aborted.called, 1);
	clear(&scene);
}
END_TEST

START_TEST(no_aborted_handler_after_cancel_or_without_a_hold)
{
	struct scene scene;
	struct aborted aborted = {.called = METER_INITIALIZER, .scene = &scene};

	set(&scene);
	ck_assert_int_eq(OSAction_SetAbortedHandler_f(scene.action, &aborted, note_aborted),
			 kIOReturnSuccess);
	IODispatchQueue_DispatchSync_f(scene.queue, NULL, nothing);
	ck_assert_uint_eq(meter_read(&aborted.called), 0);
	action_hold(scene.action);
	ck_assert_int_eq(OSAction_Cancel_f(scene.action, NULL, NULL), kIOReturnSuccess);
	action_unhold(scene.action);
	IODispatchQueue_DispatchSync_f(scene.queue, NULL, nothing);
	ck_assert_uint_eq(meter_read(&aborted.called), 0);
	clear(&scene);
}
END_TEST

static void
unhold_unheld(void *context)
{
	action_unhold(context);
}

START_TEST(unhold_without_hold_is_an_assertion)
{
	struct scene scene;

	set(&scene);
	ck_assert(unit_killed_by(unit_child(unhold_unheld, scene.action, NULL, 0), SIGABRT));
	clear(&scene);
}
END_TEST

UNIT_MAIN("action", create_and_check, the_target_lives_as_long_as_the_action,
	  post_runs_on_the_targets_queue, several_are_posted_in_order_and_end_as_each_would,
	  a_kept_queue_is_good_until_it_changes, a_posted_call_holds_the_action,
	  cancel_drops_what_waits_and_joins_what_runs, cancel_from_the_callback_waits_for_its_end,
	  a_cancelled_queue_still_ends_each_call, targets_without_a_queue,
	  a_wait_on_the_queue_delivers_its_callbacks_nested, aborted_when_the_last_hold_ends_once,
	  an_aborted_handler_that_comes_late_is_called,
	  no_aborted_handler_after_cancel_or_without_a_hold, unhold_without_hold_is_an_assertion)
