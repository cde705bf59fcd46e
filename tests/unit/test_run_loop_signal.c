/* SPDX-License-Identifier: Apache-2.0 */
#include <CoreFoundation/CoreFoundation.h>

#include "unit.h"

#include <pthread.h>

struct state {
	int performed, scheduled, cancelled, released;
	int seen; /* how many of any had been performed before */
	CFRunLoopSourceRef source;
};

static int total;

static void
perform(void *info)
{
	struct state *state = info;

	state->performed++;
	state->seen = total++;
}

static void
schedule(void *info, CFRunLoopRef loop, CFRunLoopMode mode)
{
	ck_assert_ptr_eq(loop, CFRunLoopGetMain());
	ck_assert(CFEqual(mode, kCFRunLoopDefaultMode));
	((struct state *)info)->scheduled++;
}

static void
cancel(void *info, CFRunLoopRef loop, CFRunLoopMode mode)
{
	ck_assert_ptr_eq(loop, CFRunLoopGetMain());
	((struct state *)info)->cancelled++;
}

static void
release(const void *info)
{
	((struct state *)(uintptr_t)info)->released++;
}

static void
make(struct state *state, CFIndex order)
{
	CFRunLoopSourceContext context = {.info = state,
					  .schedule = schedule,
					  .cancel = cancel,
					  .release = release,
					  .perform = perform};

	state->source = CFRunLoopSourceCreate(NULL, order, &context);
	ck_assert_ptr_nonnull(state->source);
	CFRunLoopAddSource(CFRunLoopGetCurrent(), state->source, kCFRunLoopDefaultMode);
}

static CFRunLoopRunResult
turn(void)
{
	return CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0, true);
}

START_TEST(is_performed_once_after_signals)
{
	struct state state = {0};

	make(&state, 0);
	ck_assert_int_eq(turn(), kCFRunLoopRunTimedOut);
	CFRunLoopSourceSignal(state.source);
	CFRunLoopSourceSignal(state.source);
	ck_assert_int_eq(turn(), kCFRunLoopRunHandledSource);
	ck_assert_int_eq(turn(), kCFRunLoopRunTimedOut);
	ck_assert_int_eq(state.performed, 1);
	CFRelease(state.source);
}
END_TEST

static void *
signal_it(void *source)
{
	CFRunLoopSourceSignal(source);
	return NULL;
}

START_TEST(another_thread_signals)
{
	struct state state = {0};
	pthread_t thread;

	make(&state, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, signal_it, state.source), 0);
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 20, true),
			 kCFRunLoopRunHandledSource);
	pthread_join(thread, NULL);
	CFRelease(state.source);
}
END_TEST

START_TEST(lower_orders_come_first)
{
	struct state late = {0}, early = {0}, middle = {0};

	make(&late, 5);
	make(&early, -5);
	make(&middle, 0);
	CFRunLoopSourceSignal(late.source);
	CFRunLoopSourceSignal(early.source);
	CFRunLoopSourceSignal(middle.source);
	CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0, false);
	ck_assert_int_lt(early.seen, middle.seen);
	ck_assert_int_lt(middle.seen, late.seen);
	ck_assert_int_eq(CFRunLoopSourceGetOrder(late.source), 5);
}
END_TEST

START_TEST(hears_of_its_loops)
{
	struct state removed = {0}, ended = {0};
	CFRunLoopSourceContext context = {.version = 0};

	make(&removed, 0);
	make(&ended, 0);
	CFRunLoopAddSource(CFRunLoopGetCurrent(), removed.source, kCFRunLoopDefaultMode);
	ck_assert_int_eq(removed.scheduled, 1);
	CFRunLoopRemoveSource(CFRunLoopGetCurrent(), removed.source, kCFRunLoopDefaultMode);
	ck_assert_int_eq(removed.cancelled, 1);
	CFRunLoopSourceGetContext(removed.source, &context);
	ck_assert_ptr_eq(context.info, &removed);
	CFRelease(removed.source);
	ck_assert_int_eq(removed.released, 1);
	CFRunLoopSourceInvalidate(ended.source);
	ck_assert(!CFRunLoopSourceIsValid(ended.source));
	CFRelease(ended.source);
	ck_assert_int_eq(turn(), kCFRunLoopRunFinished);
	ck_assert_int_eq(ended.cancelled, 1);
	ck_assert_int_eq(ended.performed, 0);
	ck_assert_int_eq(ended.released, 1);
}
END_TEST

START_TEST(refuses_other_versions)
{
	CFRunLoopSourceContext context = {.version = 1};

	ck_assert_ptr_null(CFRunLoopSourceCreate(NULL, 0, &context));
	ck_assert_ptr_null(CFRunLoopSourceCreate(NULL, 0, NULL));
	CFRunLoopSourceSignal(NULL);
	CFRunLoopSourceInvalidate(NULL);
}
END_TEST

UNIT_MAIN("run_loop_signal", is_performed_once_after_signals, another_thread_signals,
	  lower_orders_come_first, hears_of_its_loops, refuses_other_versions)
