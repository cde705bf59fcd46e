/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers: a subclass of sources whose descriptor is a timerfd, so that a loop sleeps on a timer as
 * on anything else. The loop's thread fires it; everything else is for any thread, under the
 * timer's lock, which is not held during the callback.
 *
 * Times are monotonic inside: setting the system's clock moves no timer. While it fires a timer is
 * not armed, so that a run inside its callback does not fire it again.
 */
#include "run_loop_private.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"
#include "errno_kept.h"
#include "log.h"
#include "packet.h"
#include "run_loop_context.h"
#include "status.h"

#define SECONDS_LIMIT 1e9 /* and above: as far as that */

struct CFRunLoopTimer_IVars {
	pthread_mutex_t lock;
	int descriptor;			/* [const] */
	uint64_t interval;		/* [const] ns; 0: fires once */
	CFTimeInterval seconds;		/* [const] the same */
	CFRunLoopTimerCallBack callout; /* [const] */
	CFRunLoopTimerContext context;	/* [const] as the app gave it */
	struct run_loop_context info;
	bool set;      /* [lock] the next time was set since it began to fire */
	uint64_t next; /* [lock] clock_now() of it */
};

static struct CFRunLoopTimer_IVars *
inside_timer(CFRunLoopTimerRef timer)
{
	return OSObjectIVars(CFRunLoopTimer, timer);
}

static CFRunLoopSourceRef
source_of(CFRunLoopTimerRef timer)
{
	return (CFRunLoopSourceRef)timer;
}

static uint64_t
nsec_of(CFTimeInterval seconds)
{
	if (!(seconds > 0)) /* nor a number */
		return 0;
	if (seconds > SECONDS_LIMIT)
		seconds = SECONDS_LIMIT;
	return (uint64_t)(seconds * (double)NSEC_PER_SEC);
}

static void
arm_locked(struct CFRunLoopTimer_IVars *ivars, uint64_t next)
{
	struct itimerspec when = {
		.it_value = {.tv_sec = (time_t)(next / NSEC_PER_SEC),
			     .tv_nsec = (long)(next % NSEC_PER_SEC)},
	};
	ERRNO_KEPT;

	ivars->next = next;
	if (timerfd_settime(ivars->descriptor, TFD_TIMER_ABSTIME, &when, NULL) < 0)
		status_from_errno(errno, "run loop timer: timerfd_settime");
}

/* The next time of a repeating timer that is still ahead. */
static uint64_t
next_after(const struct CFRunLoopTimer_IVars *ivars)
{
	uint64_t now = clock_now();

	if (ivars->next > now)
		return ivars->next;
	return ivars->next + ((now - ivars->next) / ivars->interval + 1) * ivars->interval;
}

static bool
fire(void *info)
{
	CFRunLoopTimerRef timer = info;
	struct CFRunLoopTimer_IVars *ivars = inside_timer(timer);
	uint64_t count;

	if (read(ivars->descriptor, &count, sizeof(count)) < 0)
		return false;
	if (!run_loop_context_use(&ivars->info))
		return false;
	pthread_mutex_lock(&ivars->lock);
	ivars->set = false;
	pthread_mutex_unlock(&ivars->lock);
	ivars->callout(timer, ivars->info.info);
	run_loop_context_leave(&ivars->info);
	if (ivars->interval == 0)
		CFRunLoopTimerInvalidate(timer);
	pthread_mutex_lock(&ivars->lock);
	if (!ivars->set && run_loop_source_is_valid(source_of(timer)))
		arm_locked(ivars, next_after(ivars));
	pthread_mutex_unlock(&ivars->lock);
	return true;
}

static bool
init_timer(OSObject *self)
{
	struct CFRunLoopTimer_IVars *ivars = OSObjectIVars(CFRunLoopTimer, self);

	pthread_mutex_init(&ivars->lock, NULL);
	run_loop_context_init(&ivars->info, NULL, NULL, NULL);
	ivars->descriptor = -1; /* before anything fails: free_timer closes it */
	if (!OSObject_init_Impl(self))
		return false;
	ivars->descriptor = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (ivars->descriptor < 0) {
		status_from_errno(errno, "CFRunLoopTimerCreate: timerfd");
		return false;
	}
	return true;
}

static void
free_timer(OSObject *self)
{
	struct CFRunLoopTimer_IVars *ivars = OSObjectIVars(CFRunLoopTimer, self);

	run_loop_context_give_up(&ivars->info);
	run_loop_context_end(&ivars->info);
	fd_close(&ivars->descriptor);
	pthread_mutex_destroy(&ivars->lock);
	OSObject_free_Impl(self);
}

static const OSObjectMethods timer_methods = {
	.size = sizeof(OSObjectMethods),
	.init = init_timer,
	.free = free_timer,
};

const OSMetaClass gCFRunLoopTimerMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "CFRunLoopTimer",
	.superclass = OSTypeID(CFRunLoopSource),
	.ivars_size = sizeof(struct CFRunLoopTimer_IVars),
	.object = &timer_methods,
};

CFTypeID
CFRunLoopTimerGetTypeID(void)
{
	return (CFTypeID)OSTypeID(CFRunLoopTimer);
}

CFRunLoopTimerRef
CFRunLoopTimerCreate(CFAllocatorRef allocator, CFAbsoluteTime fire_date, CFTimeInterval interval,
		     CFOptionFlags flags, CFIndex order, CFRunLoopTimerCallBack callout,
		     CFRunLoopTimerContext *context)
{
	struct CFRunLoopSource_IVars *source;
	struct CFRunLoopTimer_IVars *ivars;
	CFRunLoopTimerRef timer;
	ERRNO_KEPT;

	if (flags != 0 || callout == NULL || (context != NULL && context->version != 0)) {
		log_error("CFRunLoopTimerCreate: %s", flags != 0 ? "flags is not 0"
						      : callout == NULL
							      ? "callout is NULL"
							      : "context is not of version 0");
		return NULL;
	}
	timer = (CFRunLoopTimerRef)object_create_of(OSTypeID(CFRunLoopTimer));
	if (timer == NULL)
		return NULL;
	ivars = inside_timer(timer);
	source = inside_source(source_of(timer));
	source->descriptor = ivars->descriptor;
	source->perform = fire;
	source->info = timer;
	source->order = order;
	source->is_timer = true;
	ivars->seconds = interval > 0 ? interval : 0;
	ivars->interval = nsec_of(interval);
	if (interval > 0 && ivars->interval == 0)
		ivars->interval = 1;
	ivars->callout = callout;
	if (context != NULL)
		ivars->context = *context;
	run_loop_context_init(&ivars->info, ivars->context.info, ivars->context.retain,
			      ivars->context.release);
	ivars->context.info = ivars->info.info;
	CFRunLoopTimerSetNextFireDate(timer, fire_date);
	return timer;
}

static bool
is_timer(CFRunLoopTimerRef timer, const char *function)
{
	if (CFGetTypeID(timer) == CFRunLoopTimerGetTypeID())
		return true;
	log_error("%s: the object is no CFRunLoopTimer", function);
	return false;
}

/* --- timers of a loop --- */

void
CFRunLoopAddTimer(CFRunLoopRef loop, CFRunLoopTimerRef timer, CFRunLoopMode mode)
{
	if (is_timer(timer, "CFRunLoopAddTimer"))
		run_loop_add(loop, source_of(timer), mode, "CFRunLoopAddTimer");
}

void
CFRunLoopRemoveTimer(CFRunLoopRef loop, CFRunLoopTimerRef timer, CFRunLoopMode mode)
{
	if (is_timer(timer, "CFRunLoopRemoveTimer"))
		run_loop_remove(loop, source_of(timer), mode, "CFRunLoopRemoveTimer");
}

Boolean
CFRunLoopContainsTimer(CFRunLoopRef loop, CFRunLoopTimerRef timer, CFRunLoopMode mode)
{
	return is_timer(timer, "CFRunLoopContainsTimer") &&
	       run_loop_contains(loop, source_of(timer), mode, "CFRunLoopContainsTimer");
}

/* --- times --- */

void
CFRunLoopTimerSetNextFireDate(CFRunLoopTimerRef timer, CFAbsoluteTime fire_date)
{
	uint64_t delay = nsec_of(fire_date - CFAbsoluteTimeGetCurrent());
	struct CFRunLoopTimer_IVars *ivars;

	if (!is_timer(timer, "CFRunLoopTimerSetNextFireDate"))
		return;
	ivars = inside_timer(timer);
	pthread_mutex_lock(&ivars->lock);
	ivars->set = true;
	if (run_loop_source_is_valid(source_of(timer)))
		arm_locked(ivars, clock_now() + delay);
	pthread_mutex_unlock(&ivars->lock);
}

CFAbsoluteTime
CFRunLoopTimerGetNextFireDate(CFRunLoopTimerRef timer)
{
	struct CFRunLoopTimer_IVars *ivars;
	double ahead;

	if (!is_timer(timer, "CFRunLoopTimerGetNextFireDate") || !CFRunLoopTimerIsValid(timer))
		return 0;
	ivars = inside_timer(timer);
	pthread_mutex_lock(&ivars->lock);
	ahead = (double)(int64_t)(ivars->next - clock_now()) / (double)NSEC_PER_SEC;
	pthread_mutex_unlock(&ivars->lock);
	return CFAbsoluteTimeGetCurrent() + ahead;
}

CFTimeInterval
CFRunLoopTimerGetInterval(CFRunLoopTimerRef timer)
{
	return is_timer(timer, "CFRunLoopTimerGetInterval") ? inside_timer(timer)->seconds : 0;
}

Boolean
CFRunLoopTimerDoesRepeat(CFRunLoopTimerRef timer)
{
	return is_timer(timer, "CFRunLoopTimerDoesRepeat") && inside_timer(timer)->interval > 0;
}

CFIndex
CFRunLoopTimerGetOrder(CFRunLoopTimerRef timer)
{
	return is_timer(timer, "CFRunLoopTimerGetOrder") ? inside_source(source_of(timer))->order
							 : 0;
}

void
CFRunLoopTimerGetContext(CFRunLoopTimerRef timer, CFRunLoopTimerContext *context)
{
	if (context == NULL || context->version != 0)
		log_error("CFRunLoopTimerGetContext: context is NULL or not of version 0");
	else if (is_timer(timer, "CFRunLoopTimerGetContext"))
		*context = inside_timer(timer)->context;
}

void
CFRunLoopTimerInvalidate(CFRunLoopTimerRef timer)
{
	struct CFRunLoopTimer_IVars *ivars;

	if (!is_timer(timer, "CFRunLoopTimerInvalidate"))
		return;
	ivars = inside_timer(timer);
	pthread_mutex_lock(&ivars->lock);
	run_loop_source_invalidate(source_of(timer));
	arm_locked(ivars, 1); /* its loop wakes and lets go of it */
	pthread_mutex_unlock(&ivars->lock);
	run_loop_context_give_up(&ivars->info);
}

Boolean
CFRunLoopTimerIsValid(CFRunLoopTimerRef timer)
{
	return timer != NULL && run_loop_source_is_valid(source_of(timer));
}
