/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOTimerDispatchSource, on a timer of the loop.
 *
 * While the loop's timer is armed, or is firing, it holds a reference on the source: `armed` says
 * that there is one, and who takes the timer out of the loop gives it up. timer_lock orders arming
 * and cancelling; the loop's lock is taken under it.
 */
#include "source.h"

#include <time.h>

#include "clock.h"
#include "log.h"
#include "object.h"
#include "queue_private.h"

#include <DriverKit/IOTimerDispatchSource.h>

static const char timer_occurred[] = "IOTimerDispatchSource::TimerOccurred";

struct IOTimerDispatchSource_IVars {
	struct loop_timer timer;
	IOTimerDispatchSource *self; /* [const] */
	struct source_handler handler;
	pthread_mutex_t timer_lock;
	uint64_t occurred; /* [timer_lock] CLOCK_MONOTONIC, ns */
};

static void finish(OSObject *object);

static const OSObjectMethods timer_methods = {
	.size = sizeof(OSObjectMethods),
	.free = finish,
};

const OSMetaClass gIOTimerDispatchSourceMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "IOTimerDispatchSource",
	.superclass = OSTypeID(IODispatchSource),
	.ivars_size = sizeof(struct IOTimerDispatchSource_IVars),
	.object = &timer_methods,
};

static struct IOTimerDispatchSource_IVars *
ivars(IOTimerDispatchSource *source)
{
	return OSObjectIVars(IOTimerDispatchSource, source);
}

static void
finish(OSObject *object)
{
	pthread_mutex_destroy(&ivars((IOTimerDispatchSource *)object)->timer_lock);
	source_free(object);
}

static void
fired(struct loop_timer *timer)
{
	struct IOTimerDispatchSource_IVars *source =
		(struct IOTimerDispatchSource_IVars *)((char *)timer -
						       offsetof(struct IOTimerDispatchSource_IVars,
								timer));
	IOTimerDispatchSource *self = source->self;

	pthread_mutex_lock(&source->timer_lock);
	source->occurred = clock_now();
	pthread_mutex_unlock(&source->timer_lock);
	source_handler_fire(&source->handler, true);
	OSRelease(self);
}

static void
deliver(struct source_handler *handler, OSObject *target, OSAction *action,
	action_function function)
{
	struct IOTimerDispatchSource_IVars *source =
		ivars((IOTimerDispatchSource *)handler->source);
	uint64_t time;

	pthread_mutex_lock(&source->timer_lock);
	time = source->occurred;
	pthread_mutex_unlock(&source->timer_lock);
	((IOTimerDispatchSource_TimerOccurred_f)function)(target, action, time);
}

static void
cancel(IODispatchSource *object)
{
	struct IOTimerDispatchSource_IVars *source = ivars((IOTimerDispatchSource *)object);
	bool cancelled;

	pthread_mutex_lock(&source->timer_lock);
	cancelled = loop_timer_cancel(queue_loop, &source->timer);
	pthread_mutex_unlock(&source->timer_lock);
	if (cancelled)
		OSRelease(object);
}

kern_return_t
IOTimerDispatchSource_CreateActionTimerOccurred(OSObject *target,
						IOTimerDispatchSource_TimerOccurred_f function,
						size_t referenceSize, OSAction **action)
{
	return action_create(target, timer_occurred, (action_function)function, referenceSize,
			     action);
}

kern_return_t
IOTimerDispatchSource_Create(IODispatchQueue *queue, IOTimerDispatchSource **source)
{
	struct IOTimerDispatchSource_IVars *fields;
	IODispatchSource *made;
	IOReturn res;

	if (queue == NULL || source == NULL) {
		log_error("IOTimerDispatchSource_Create: %s is NULL",
			  queue == NULL ? "queue" : "source");
		return kIOReturnBadArgument;
	}
	res = source_create(OSTypeID(IOTimerDispatchSource), queue, &made);
	if (res != kIOReturnSuccess)
		return res;
	fields = ivars((IOTimerDispatchSource *)made);
	pthread_mutex_init(&fields->timer_lock, NULL);
	fields->self = (IOTimerDispatchSource *)made;
	fields->timer.fired = fired;
	source_handler_init(made, &fields->handler, timer_occurred, deliver);
	OSObjectIVars(IODispatchSource, made)->cancel = cancel;
	*source = fields->self;
	return kIOReturnSuccess;
}

kern_return_t
IOTimerDispatchSource_SetHandler(IOTimerDispatchSource *source, OSAction *action)
{
	return source_handler_set(&ivars(source)->handler, action);
}

/* The time of another clock on that of the loop; times past are 0. */
static uint64_t
on_loop_clock(clockid_t clock, uint64_t deadline)
{
	struct timespec now;
	uint64_t there, here = clock_now();

	clock_gettime(clock, &now);
	there = (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
	if (deadline <= there)
		return 0;
	return deadline - there > UINT64_MAX - here ? UINT64_MAX : here + (deadline - there);
}

kern_return_t
IOTimerDispatchSource_WakeAtTime(IOTimerDispatchSource *source, uint64_t options, uint64_t deadline,
				 uint64_t leeway)
{
	struct IOTimerDispatchSource_IVars *timer = ivars(source);
	IOReturn res = kIOReturnUnsupported;

	switch (options) {
	case kIOTimerClockUptimeRaw:
		break;
	case kIOTimerClockMonotonicRaw:
		deadline = on_loop_clock(CLOCK_BOOTTIME, deadline);
		break;
	case kIOTimerClockRealTime:
		deadline = on_loop_clock(CLOCK_REALTIME, deadline);
		break;
	default:
		log_error("IOTimerDispatchSource_WakeAtTime: options: no clock %#llx",
			  (unsigned long long)options);
		return kIOReturnBadArgument;
	}
	/* Cancel takes the timer out only after it has said that the source is cancelled. */
	pthread_mutex_lock(&timer->timer_lock);
	if (!source_is_cancelled((IODispatchSource *)source)) {
		if (!loop_timer_cancel(queue_loop, &timer->timer))
			OSRetain(source);
		loop_timer_arm(queue_loop, &timer->timer, deadline);
		res = kIOReturnSuccess;
	}
	pthread_mutex_unlock(&timer->timer_lock);
	return res;
}
