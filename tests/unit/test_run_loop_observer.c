/* SPDX-License-Identifier: Apache-2.0 */
/* Observers: what they are told, in which order, and for how long. */
#include <CoreFoundation/CoreFoundation.h>

#include "unit.h"

#define HEARD_MAX 64

struct state {
	CFRunLoopActivity heard[HEARD_MAX];
	int who[HEARD_MAX];
	unsigned count;
	int retained, released;
	CFRunLoopTimerRef timer; /* fires as soon as the loop waits, if not NULL */
};

static struct state state;

static void
fire_now(CFRunLoopTimerRef timer)
{
	CFRunLoopTimerSetNextFireDate(timer, CFAbsoluteTimeGetCurrent());
}

/* The info of an observer is its number. */
static void
hear(CFRunLoopObserverRef observer, CFRunLoopActivity activity, void *info)
{
	ck_assert_uint_lt(state.count, HEARD_MAX);
	state.who[state.count] = (int)(intptr_t)info;
	state.heard[state.count++] = activity;
	if (activity == kCFRunLoopBeforeWaiting && state.timer != NULL)
		fire_now(state.timer);
}

static const void *
retain(const void *info)
{
	state.retained++;
	return info;
}

static void
release(const void *info)
{
	state.released++;
}

static CFRunLoopObserverRef
add(int number, CFOptionFlags activities, bool repeats, CFIndex order, CFRunLoopMode mode)
{
	CFRunLoopObserverContext context = {
		.info = (void *)(intptr_t)number, .retain = retain, .release = release};
	CFRunLoopObserverRef observer =
		CFRunLoopObserverCreate(NULL, activities, repeats, order, hear, &context);

	ck_assert_ptr_nonnull(observer);
	CFRunLoopAddObserver(CFRunLoopGetCurrent(), observer, mode);
	return observer;
}

static void
stop(CFRunLoopTimerRef timer, void *info)
{
	CFRunLoopStop(CFRunLoopGetCurrent());
}

/* A loop with it has something to wait for: until it is told to stop by fire_now. */
static CFRunLoopTimerRef
stop_when_told(CFRunLoopMode mode)
{
	CFRunLoopTimerRef timer =
		CFRunLoopTimerCreate(NULL, CFAbsoluteTimeGetCurrent() + 3600, 0, 0, 0, stop, NULL);

	CFRunLoopAddTimer(CFRunLoopGetCurrent(), timer, mode);
	return timer;
}

START_TEST(activities_in_their_order)
{
	static const CFRunLoopActivity expected[] = {
		kCFRunLoopEntry,	 kCFRunLoopBeforeTimers, kCFRunLoopBeforeSources,
		kCFRunLoopBeforeWaiting, kCFRunLoopAfterWaiting, kCFRunLoopExit,
	};
	CFRunLoopTimerRef timer = stop_when_told(kCFRunLoopDefaultMode);
	CFRunLoopObserverRef observer;

	CFRunLoopWakeUp(CFRunLoopGetCurrent());
	CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0, false); /* reads the wake-ups of adding */
	observer = add(1, kCFRunLoopAllActivities, true, 0, kCFRunLoopCommonModes);
	CFRunLoopAddObserver(CFRunLoopGetCurrent(), observer, kCFRunLoopDefaultMode);
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0, false),
			 kCFRunLoopRunTimedOut);
	ck_assert_uint_eq(state.count, 4); /* it does not wait, and once for two modes */
	ck_assert_uint_eq(state.heard[3], kCFRunLoopExit);
	state.count = 0;
	state.timer = timer;
	CFRunLoopRun();
	ck_assert_uint_eq(state.count, sizeof(expected) / sizeof(expected[0]));
	for (unsigned i = 0; i < state.count; i++)
		ck_assert_uint_eq(state.heard[i], expected[i]);
	CFRunLoopObserverInvalidate(observer);
	ck_assert_int_eq(state.retained, 1);
	ck_assert_int_eq(state.released, 1);
	CFRelease(observer);
	ck_assert_int_eq(state.released, 1);
	CFRelease(timer);
}
END_TEST

START_TEST(an_observer_is_nothing_to_wait_for)
{
	CFRunLoopObserverRef observer =
		add(1, kCFRunLoopAllActivities, true, 0, kCFRunLoopDefaultMode);

	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 10, false),
			 kCFRunLoopRunFinished);
	ck_assert_uint_eq(state.count, 0);
	CFRunLoopRemoveObserver(CFRunLoopGetCurrent(), observer, kCFRunLoopDefaultMode);
	CFRelease(observer);
	ck_assert_int_eq(state.released, 1);
}
END_TEST

START_TEST(order_mask_and_repetition)
{
	CFRunLoopTimerRef timer = stop_when_told(kCFRunLoopDefaultMode);
	CFRunLoopObserverRef observers[] = {
		add(1, kCFRunLoopEntry, true, 5, kCFRunLoopDefaultMode),
		add(2, kCFRunLoopEntry, false, 1, kCFRunLoopDefaultMode),
		add(3, kCFRunLoopExit, true, 0, kCFRunLoopDefaultMode),
		add(4, kCFRunLoopAllActivities, true, 0, CFSTR("another mode")),
	};

	ck_assert_uint_eq(CFRunLoopObserverGetActivities(observers[0]), kCFRunLoopEntry);
	ck_assert_int_eq(CFRunLoopObserverGetOrder(observers[0]), 5);
	ck_assert(CFRunLoopObserverDoesRepeat(observers[0]));
	ck_assert(!CFRunLoopObserverDoesRepeat(observers[1]));
	for (unsigned i = 0; i < 2; i++)
		CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0, false);
	ck_assert_uint_eq(state.count, 5);
	ck_assert_int_eq(state.who[0], 2);
	ck_assert_int_eq(state.who[1], 1);
	ck_assert_int_eq(state.who[2], 3);
	ck_assert_int_eq(state.who[3], 1);
	ck_assert_int_eq(state.who[4], 3);
	ck_assert(!CFRunLoopObserverIsValid(observers[1]));
	ck_assert(!CFRunLoopContainsObserver(CFRunLoopGetCurrent(), observers[1],
					     kCFRunLoopDefaultMode));
	ck_assert(CFRunLoopContainsObserver(CFRunLoopGetCurrent(), observers[0],
					    kCFRunLoopDefaultMode));
	for (unsigned i = 0; i < 4; i++) {
		CFRunLoopObserverInvalidate(observers[i]);
		CFRelease(observers[i]);
	}
	CFRunLoopTimerInvalidate(timer);
	CFRelease(timer);
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 1, false),
			 kCFRunLoopRunFinished);
	ck_assert_int_eq(state.released, 4);
}
END_TEST

static void
run_inside(CFRunLoopObserverRef observer, CFRunLoopActivity activity, void *info)
{
	state.count++;
	ck_assert_int_eq(CFRunLoopRunInMode(kCFRunLoopDefaultMode, 0, false),
			 kCFRunLoopRunTimedOut);
	fire_now(state.timer);
	CFRunLoopObserverInvalidate(observer);
	ck_assert_int_eq(state.released, 0); /* not while it is used */
}

START_TEST(a_callback_runs_the_loop_and_ends_itself)
{
	CFRunLoopObserverContext context = {.info = &state, .retain = retain, .release = release};
	CFRunLoopTimerRef timer = stop_when_told(kCFRunLoopDefaultMode);
	CFRunLoopObserverRef observer = CFRunLoopObserverCreate(NULL, kCFRunLoopAllActivities, true,
								0, run_inside, &context);
	CFRunLoopObserverContext got = {0};

	CFRunLoopObserverGetContext(observer, &got);
	ck_assert_ptr_eq(got.info, &state);
	state.timer = timer;
	CFRunLoopAddObserver(CFRunLoopGetCurrent(), observer, kCFRunLoopDefaultMode);
	CFRunLoopRun();
	ck_assert_uint_eq(state.count, 1);
	ck_assert_int_eq(state.released, 1);
	CFRelease(observer);
	CFRelease(timer);
}
END_TEST

START_TEST(bad_arguments_are_refused)
{
	CFRunLoopObserverContext context = {.version = 1};

	ck_assert_ptr_null(CFRunLoopObserverCreate(NULL, 1, true, 0, NULL, NULL));
	ck_assert_ptr_null(CFRunLoopObserverCreate(NULL, 1, true, 0, hear, &context));
	CFRunLoopAddObserver(CFRunLoopGetCurrent(), NULL, kCFRunLoopDefaultMode);
	ck_assert(!CFRunLoopObserverIsValid(NULL));
}
END_TEST

UNIT_MAIN("run_loop_observer", activities_in_their_order, an_observer_is_nothing_to_wait_for,
	  order_mask_and_repetition, a_callback_runs_the_loop_and_ends_itself,
	  bad_arguments_are_refused)
