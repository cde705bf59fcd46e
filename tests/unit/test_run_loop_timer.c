/* SPDX-License-Identifier: Apache-2.0 */
#include <CoreFoundation/CoreFoundation.h>

#include "unit.h"

struct state {
	int fired, retained, released;
	int stop_after;
	CFRunLoopRunResult inner;
	void (*act)(CFRunLoopTimerRef timer, struct state *state);
};

static const void *
retain(const void *info)
{
	((struct state *)(uintptr_t)info)->retained++;
	return info;
}

static void
release(const void *info)
{
	((struct state *)(uintptr_t)info)->released++;
}

static void
fire(CFRunLoopTimerRef timer, void *info)
{
	struct state *state = info;

	state->fired++;
	if (state->act != NULL)
		state->act(timer, state);
	if (state->fired == state->stop_after)
		CFRunLoopStop(CFRunLoopGetCurrent());
}

static CFRunLoopTimerRef
make(struct state *state, CFTimeInterval delay, CFTimeInterval interval)
{
	CFRunLoopTimerContext context = {.info = state, .retain = retain, .release = release};

	return CFRunLoopTimerCreate(NULL, CFAbsoluteTimeGetCurrent() + delay, interval, 0, 0, fire,
				    &context);
}

static void
add(CFRunLoopTimerRef timer)
{
	CFRunLoopAddTimer(CFRunLoopGetCurrent(), timer, kCFRunLoopDefaultMode);
}

START_TEST(fires_once_and_is_invalid)
{
	struct state state = {0};
	CFAbsoluteTime start = CFAbsoluteTimeGetCurrent();
	CFRunLoopTimerRef timer = make(&state, 0.02, 0);

	add(timer);
	ck_assert_uint_eq(CFGetTypeID(timer), CFRunLoopTimerGetTypeID());
	ck_assert(CFRunLoopTimerIsValid(timer) && !CFRunLoopTimerDoesRepeat(timer));
	ck_assert(CFRunLoopContainsTimer(CFRunLoopGetCurrent(), timer, kCFRunLoopDefaultMode));
	ck_assert_double_eq_tol(CFRunLoopTimerGetNextFireDate(timer), start + 0.02, 5);
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 10, true),
			 kCFRunLoopRunFinished); /* a timer is no source, and none is left */
	ck_assert_double_ge(CFAbsoluteTimeGetCurrent() - start, 0.019);
	ck_assert_int_eq(state.fired, 1);
	ck_assert(!CFRunLoopTimerIsValid(timer));
	ck_assert_int_eq(state.retained, state.released);
	ck_assert_double_eq(CFRunLoopTimerGetNextFireDate(timer), 0);
	CFRelease(timer);
	ck_assert_int_eq(state.retained, state.released);
}
END_TEST

START_TEST(repeats_until_invalidated)
{
	struct state state = {.stop_after = 3};
	CFRunLoopTimerRef timer = make(&state, 0, 0.005);

	add(timer);
	CFRunLoopRun();
	ck_assert_int_eq(state.fired, 3);
	ck_assert(CFRunLoopTimerDoesRepeat(timer));
	ck_assert_double_eq(CFRunLoopTimerGetInterval(timer), 0.005);
	CFRunLoopTimerInvalidate(timer);
	CFRunLoopTimerInvalidate(timer);
	ck_assert_int_eq(state.released, state.retained);
	CFRunLoopRun(); /* nothing left */
	ck_assert_int_eq(state.fired, 3);
	CFRelease(timer);
	ck_assert_int_eq(state.released, state.retained);
}
END_TEST

static void
set_soon(CFRunLoopTimerRef timer, struct state *state)
{
	CFRunLoopTimerSetNextFireDate(timer, CFAbsoluteTimeGetCurrent());
}

START_TEST(the_next_time_is_set)
{
	struct state state = {.stop_after = 3, .act = set_soon};
	CFRunLoopTimerRef timer = make(&state, 1e12, 1e12);

	add(timer);
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0, false),
			 kCFRunLoopRunTimedOut);
	ck_assert_int_eq(state.fired, 0);
	set_soon(timer, &state);
	CFRunLoopRun();
	ck_assert_int_eq(state.fired, 3);
	CFRunLoopRemoveTimer(CFRunLoopGetCurrent(), timer, kCFRunLoopDefaultMode);
	CFRunLoopRun();
	ck_assert_int_eq(state.fired, 3);
	CFRelease(timer);
	ck_assert_int_eq(state.released, state.retained);
}
END_TEST

static void
run_inside(CFRunLoopTimerRef timer, struct state *state)
{
	state->inner = CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0.03, false);
}

START_TEST(does_not_fire_while_it_fires)
{
	struct state state = {.stop_after = 1, .act = run_inside};
	CFRunLoopTimerRef timer = make(&state, 0, 0.001);

	add(timer);
	CFRunLoopRun();
	ck_assert_int_eq(state.inner, kCFRunLoopRunTimedOut);
	ck_assert_int_eq(state.fired, 1);
	CFRunLoopTimerInvalidate(timer);
	CFRelease(timer);
}
END_TEST

static void
invalidate(CFRunLoopTimerRef timer, struct state *state)
{
	CFRunLoopTimerInvalidate(timer);
	CFRelease(timer);				    /* the test's reference */
	ck_assert_int_lt(state->released, state->retained); /* info is there until the end */
}

START_TEST(a_callback_may_end_its_timer)
{
	struct state state = {.act = invalidate};

	add(make(&state, 0, 0.001));
	CFRunLoopRun();
	ck_assert_int_eq(state.fired, 1);
	ck_assert_int_eq(state.released, state.retained);
}
END_TEST

static void
end_and_look(CFRunLoopTimerRef timer, struct state *state)
{
	CFRunLoopTimerInvalidate(timer);
	ck_assert_int_eq(state->released, 0); /* the callback is using it */
}

/* The app's functions are called where the timer begins and ends, and not at each time. */
START_TEST(the_info_is_kept_while_it_is_used)
{
	struct state state = {.act = end_and_look};
	CFRunLoopTimerRef timer = make(&state, 0, 0.001);

	add(timer);
	CFRunLoopRun();
	ck_assert_int_eq(state.fired, 1);
	ck_assert_int_eq(state.retained, 1);
	ck_assert_int_eq(state.released, 1);
	CFRelease(timer);
	ck_assert_int_eq(state.released, 1);
}
END_TEST

START_TEST(refuses_bad_arguments)
{
	CFRunLoopTimerContext context = {.version = 1};
	CFRunLoopRef loop = CFRunLoopGetCurrent();

	ck_assert_ptr_null(CFRunLoopTimerCreate(NULL, 0, 0, 0, 0, NULL, NULL));
	ck_assert_ptr_null(CFRunLoopTimerCreate(NULL, 0, 0, 1, 0, fire, NULL));
	ck_assert_ptr_null(CFRunLoopTimerCreate(NULL, 0, 0, 0, 0, fire, &context));
	CFRunLoopAddTimer(loop, NULL, kCFRunLoopDefaultMode);
	CFRunLoopAddTimer(loop, (CFRunLoopTimerRef)(uintptr_t)CFSTR("x"), kCFRunLoopDefaultMode);
	CFRunLoopTimerInvalidate(NULL);
	ck_assert(!CFRunLoopTimerIsValid(NULL));
	CFRunLoopRun();
}
END_TEST

UNIT_MAIN("run_loop_timer", fires_once_and_is_invalid, repeats_until_invalidated,
	  the_next_time_is_set, does_not_fire_while_it_fires, a_callback_may_end_its_timer,
	  the_info_is_kept_while_it_is_used, refuses_bad_arguments)
