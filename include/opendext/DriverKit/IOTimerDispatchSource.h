/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOTimerDispatchSource: one call of a handler at a time of the driver's choice.
 *
 * Create the timer, give it an action made by IOTimerDispatchSource_CreateActionTimerOccurred, and
 * ask for a call with WakeAtTime, from the handler again if it is to repeat. A timer is enabled
 * from the start. One that expires while it is disabled calls its handler when it is enabled again.
 *
 * Cancel, SetEnable and the rest are in <DriverKit/IODispatchSource.h>, for instance
 * IODispatchSource_Cancel_f((IODispatchSource *)timer, ...).
 */
#ifndef OPENDEXT_DRIVERKIT_IOTIMERDISPATCHSOURCE_H
#define OPENDEXT_DRIVERKIT_IOTIMERDISPATCHSOURCE_H

#include <DriverKit/IODispatchSource.h>

DEXT_BEGIN_DECLS

typedef struct IOTimerDispatchSource IOTimerDispatchSource;
extern const OSMetaClass gIOTimerDispatchSourceMetaClass;

/*
 * Clocks, as options of WakeAtTime. All count nanoseconds here. The uptime clocks stand still while
 * the machine sleeps; the monotonic ones go on; the other two are the time of day, and a step of
 * that after WakeAtTime does not move the call. The numbers are this header's own, and may differ
 * from Apple's: use the names. A Mach clock of macOS counts in units of mach_timebase_info, here
 * ns.
 */
enum {
	kIOTimerClockUptimeRaw = 0x1,	 /* CLOCK_MONOTONIC, the clock of mach_absolute_time */
	kIOTimerClockMonotonicRaw = 0x2, /* CLOCK_BOOTTIME */
	kIOTimerClockRealTime = 0x3,	 /* CLOCK_REALTIME */
	kIOTimerClockWallTime = kIOTimerClockRealTime,
	kIOTimerClockMachAbsoluteTime = kIOTimerClockUptimeRaw,
	kIOTimerClockMachContinuousTime = kIOTimerClockMonotonicRaw,
};

/* time: CLOCK_MONOTONIC in ns, when the timer was found to have expired. */
typedef void (*IOTimerDispatchSource_TimerOccurred_f)(OSObject *target, OSAction *action,
						      uint64_t time);

/* The action for SetHandler; as IOUSBHostPipe_CreateActionCompleteAsyncIO. */
kern_return_t
IOTimerDispatchSource_CreateActionTimerOccurred(OSObject *target,
						IOTimerDispatchSource_TimerOccurred_f function,
						size_t referenceSize, OSAction **action);

/*
 * A timer, +1. The handler runs on the queue of its action's target, whatever `queue` is; it is
 * retained. kIOReturnBadArgument: queue or source is NULL.
 */
kern_return_t IOTimerDispatchSource_Create(IODispatchQueue *queue, IOTimerDispatchSource **source);
/*
 * What the timer calls from now on; retained until another is set or the timer is cancelled. NULL:
 * nothing. kIOReturnBadArgument: an action of another type. kIOReturnUnsupported after Cancel.
 */
kern_return_t IOTimerDispatchSource_SetHandler(IOTimerDispatchSource *source, OSAction *action);
/*
 * One call of the handler at `deadline` on the clock that `options` names, instead of the one that
 * was asked for before. A deadline in the past: at once. leeway: how much later, in ns, it may be;
 * none is taken. Any thread. kIOReturnBadArgument: no such clock. kIOReturnUnsupported after
 * Cancel.
 */
kern_return_t IOTimerDispatchSource_WakeAtTime(IOTimerDispatchSource *source, uint64_t options,
					       uint64_t deadline, uint64_t leeway);

DEXT_END_DECLS

#endif
