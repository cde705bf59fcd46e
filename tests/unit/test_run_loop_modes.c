/* SPDX-License-Identifier: Apache-2.0 */
/* Common modes, the mode that a loop runs in, and the main queue in them. */
#include <CoreFoundation/CoreFoundation.h>
#include <dispatch/dispatch.h>

#include "unit.h"

static CFStringRef seen;
static unsigned calls;

static void
look(CFRunLoopTimerRef timer, void *info)
{
	calls++;
	seen = CFRunLoopCopyCurrentMode(CFRunLoopGetCurrent());
	CFRunLoopStop(CFRunLoopGetCurrent());
}

static CFRunLoopTimerRef
add(CFRunLoopMode mode)
{
	CFRunLoopTimerRef timer =
		CFRunLoopTimerCreate(NULL, CFAbsoluteTimeGetCurrent(), 60, 0, 0, look, NULL);

	CFRunLoopAddTimer(CFRunLoopGetCurrent(), timer, mode);
	return timer;
}

START_TEST(the_mode_of_the_innermost_run)
{
	CFRunLoopTimerRef timer = add(CFSTR("mine"));

	ck_assert_ptr_null(CFRunLoopCopyCurrentMode(CFRunLoopGetCurrent()));
	ck_assert_ptr_null(CFRunLoopCopyCurrentMode(NULL));
	ck_assert_int_eq(CFRunLoopRunInMode(CFSTR("mine"), 10, false), kCFRunLoopRunStopped);
	ck_assert(CFEqual(seen, CFSTR("mine")));
	CFRelease(seen);
	ck_assert_ptr_null(CFRunLoopCopyCurrentMode(CFRunLoopGetCurrent()));
	CFRunLoopTimerInvalidate(timer);
	CFRelease(timer);
}
END_TEST

START_TEST(a_mode_made_common)
{
	CFRunLoopTimerRef timer = add(kCFRunLoopCommonModes);

	ck_assert_int_eq(CFRunLoopRunInMode(CFSTR("mine"), 10, false), kCFRunLoopRunFinished);
	CFRunLoopAddCommonMode(CFRunLoopGetCurrent(), CFSTR("mine"));
	CFRunLoopAddCommonMode(CFRunLoopGetCurrent(), CFSTR("mine"));
	CFRunLoopAddCommonMode(CFRunLoopGetCurrent(), kCFRunLoopCommonModes); /* refused */
	CFRunLoopAddCommonMode(CFRunLoopGetCurrent(), NULL);
	ck_assert_int_eq(CFRunLoopRunInMode(CFSTR("mine"), 10, false), kCFRunLoopRunStopped);
	ck_assert_uint_eq(calls, 1);
	CFRelease(seen);
	CFRunLoopTimerInvalidate(timer);
	CFRelease(timer);
}
END_TEST

static void
stop(void *context)
{
	calls++;
	CFRunLoopStop(CFRunLoopGetCurrent());
}

START_TEST(the_main_queue_is_in_the_common_modes)
{
	CFRunLoopTimerRef timer = add(CFSTR("other"));

	CFRunLoopAddCommonMode(CFRunLoopGetCurrent(), CFSTR("mine"));
	dispatch_async_f(dispatch_get_main_queue(), NULL, stop);
	CFRunLoopRunInMode(CFSTR("other"), 0, false); /* the timer alone */
	CFRelease(seen);
	ck_assert_uint_eq(calls, 1);
	ck_assert_int_eq(CFRunLoopRunInMode(CFSTR("mine"), 10, false), kCFRunLoopRunStopped);
	ck_assert_uint_eq(calls, 2);
	/* From another thread, while it sleeps. */
	dispatch_after_f(dispatch_time(DISPATCH_TIME_NOW, 20 * (int64_t)NSEC_PER_MSEC),
			 dispatch_get_main_queue(), NULL, stop);
	CFRunLoopRun();
	ck_assert_uint_eq(calls, 3);
	CFRunLoopTimerInvalidate(timer);
	CFRelease(timer);
}
END_TEST

UNIT_MAIN("run_loop_modes", the_mode_of_the_innermost_run, a_mode_made_common,
	  the_main_queue_is_in_the_common_modes)
