/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run loops: one for each thread, made when first asked for. A thread adds sources to its loop and
 * runs it; each source's callbacks then run on that thread. Adding, removing, stopping and waking
 * work from any thread. The main thread's loop runs what is on the main dispatch queue, too, in the
 * common modes.
 */
#ifndef OPENDEXT_COREFOUNDATION_CFRUNLOOP_H
#define OPENDEXT_COREFOUNDATION_CFRUNLOOP_H

#include <CoreFoundation/CFBase.h>
#include <CoreFoundation/CFDate.h>
#include <CoreFoundation/CFString.h>

DEXT_BEGIN_DECLS

typedef struct __CFRunLoop *CFRunLoopRef;
typedef struct __CFRunLoopSource *CFRunLoopSourceRef;
typedef struct __CFRunLoopTimer *CFRunLoopTimerRef;
typedef struct __CFRunLoopObserver *CFRunLoopObserverRef;
typedef CFStringRef CFRunLoopMode;

typedef SInt32 CFRunLoopRunResult;
enum {
	kCFRunLoopRunFinished = 1,	/* nothing to wait for in this mode */
	kCFRunLoopRunStopped = 2,	/* CFRunLoopStop */
	kCFRunLoopRunTimedOut = 3,	/* the time is over */
	kCFRunLoopRunHandledSource = 4, /* a callback ran, and that was asked for */
};

extern const CFRunLoopMode kCFRunLoopDefaultMode;
/* What is added to these is in the default mode as well, and in those of CFRunLoopAddCommonMode.
 * Not a mode to run in. */
extern const CFRunLoopMode kCFRunLoopCommonModes;

/* What CFGetTypeID gives for a run loop, and for a source. Any thread. */
CFTypeID CFRunLoopGetTypeID(void);
CFTypeID CFRunLoopSourceGetTypeID(void);

/* The calling thread's, borrowed: it ends with its thread unless retained. NULL without memory. */
CFRunLoopRef CFRunLoopGetCurrent(void);
/* The main thread's. */
CFRunLoopRef CFRunLoopGetMain(void);

/*
 * Runs the calling thread's loop in the default mode until it is stopped or has no source left. The
 * main thread's loop waits for the main queue even without a source, once the process uses dispatch
 * queues.
 */
void CFRunLoopRun(void);
/*
 * Runs it in `mode` for so many seconds; 0: handles what is there and returns. With
 * return_after_source_handled, returns after the first callback. May be called from a callback.
 */
CFRunLoopRunResult CFRunLoopRunInMode(CFRunLoopMode mode, CFTimeInterval seconds,
				      Boolean return_after_source_handled);
/* Ends the innermost run of the loop; a loop that is not running does not remember it. */
void CFRunLoopStop(CFRunLoopRef loop);
/* Makes a sleeping loop look again at its sources. */
void CFRunLoopWakeUp(CFRunLoopRef loop);
/* Whether it sleeps just now. */
Boolean CFRunLoopIsWaiting(CFRunLoopRef loop);

/* For this loop, and for ever. */
void CFRunLoopAddCommonMode(CFRunLoopRef loop, CFRunLoopMode mode);
/* The mode of the innermost run, which the caller releases; NULL: it does not run. */
CFRunLoopMode CFRunLoopCopyCurrentMode(CFRunLoopRef loop);

/* Runs the block once, when the loop next runs in the mode, or in one of an array of modes. Does
 * not wake the loop. */
#ifdef __BLOCKS__
void CFRunLoopPerformBlock(CFRunLoopRef loop, CFTypeRef mode, void (^block)(void));
#endif

/* The loop retains the source. Adding one twice is adding it once. */
void CFRunLoopAddSource(CFRunLoopRef loop, CFRunLoopSourceRef source, CFRunLoopMode mode);
void CFRunLoopRemoveSource(CFRunLoopRef loop, CFRunLoopSourceRef source, CFRunLoopMode mode);
Boolean CFRunLoopContainsSource(CFRunLoopRef loop, CFRunLoopSourceRef source, CFRunLoopMode mode);

/* --- sources of the app's own --- */

/* Functions that are NULL are not called. copyDescription, equal and hash are never called. */
typedef struct {
	CFIndex version; /* 0; a source of version 1, over a Mach port, is refused */
	void *info;
	const void *(*retain)(const void *info);
	void (*release)(const void *info);
	CFStringRef (*copyDescription)(const void *info);
	Boolean (*equal)(const void *one, const void *other);
	CFHashCode (*hash)(const void *info);
	void (*schedule)(void *info, CFRunLoopRef loop, CFRunLoopMode mode); /* was added */
	void (*cancel)(void *info, CFRunLoopRef loop, CFRunLoopMode mode);   /* was removed */
	void (*perform)(void *info); /* on the loop's thread, once after signals */
} CFRunLoopSourceContext;

/* Sources of lower order are performed first. NULL: no memory or descriptors, or another version.
 */
CFRunLoopSourceRef CFRunLoopSourceCreate(CFAllocatorRef allocator, CFIndex order,
					 CFRunLoopSourceContext *context);
/* From any thread: has it performed by a loop that holds it, which is woken. */
void CFRunLoopSourceSignal(CFRunLoopSourceRef source);
/* For ever: its loops let go of it when they next look. */
void CFRunLoopSourceInvalidate(CFRunLoopSourceRef source);
CFIndex CFRunLoopSourceGetOrder(CFRunLoopSourceRef source);
/* context->version must be 0. Of a source that is not the app's own, nothing is written. */
void CFRunLoopSourceGetContext(CFRunLoopSourceRef source, CFRunLoopSourceContext *context);

/* False once it, or what it listens to, was ended. */
Boolean CFRunLoopSourceIsValid(CFRunLoopSourceRef source);

/* --- timers --- */

typedef struct {
	CFIndex version; /* 0 */
	void *info;
	const void *(*retain)(const void *info);
	void (*release)(const void *info);
	CFStringRef (*copyDescription)(const void *info); /* never called */
} CFRunLoopTimerContext;
typedef void (*CFRunLoopTimerCallBack)(CFRunLoopTimerRef timer, void *info);

/* What CFGetTypeID gives for a timer. Any thread. */
CFTypeID CFRunLoopTimerGetTypeID(void);
/*
 * Fires at fire_date and, if interval is above 0, then each interval; times that were missed are
 * left out. Without an interval it is invalid after it fired. Setting the system's clock does not
 * move it. flags must be 0; context may be NULL. A timer is added to one loop only.
 */
CFRunLoopTimerRef CFRunLoopTimerCreate(CFAllocatorRef allocator, CFAbsoluteTime fire_date,
				       CFTimeInterval interval, CFOptionFlags flags, CFIndex order,
				       CFRunLoopTimerCallBack callout,
				       CFRunLoopTimerContext *context);
/* As for sources. A run does not return for a timer: kCFRunLoopRunHandledSource is for sources. */
void CFRunLoopAddTimer(CFRunLoopRef loop, CFRunLoopTimerRef timer, CFRunLoopMode mode);
void CFRunLoopRemoveTimer(CFRunLoopRef loop, CFRunLoopTimerRef timer, CFRunLoopMode mode);
Boolean CFRunLoopContainsTimer(CFRunLoopRef loop, CFRunLoopTimerRef timer, CFRunLoopMode mode);

/* From any thread. */
void CFRunLoopTimerSetNextFireDate(CFRunLoopTimerRef timer, CFAbsoluteTime fire_date);
CFAbsoluteTime CFRunLoopTimerGetNextFireDate(CFRunLoopTimerRef timer); /* 0: invalid */
CFTimeInterval CFRunLoopTimerGetInterval(CFRunLoopTimerRef timer);
Boolean CFRunLoopTimerDoesRepeat(CFRunLoopTimerRef timer);
CFIndex CFRunLoopTimerGetOrder(CFRunLoopTimerRef timer);
void CFRunLoopTimerGetContext(CFRunLoopTimerRef timer, CFRunLoopTimerContext *context);
void CFRunLoopTimerInvalidate(CFRunLoopTimerRef timer);
Boolean CFRunLoopTimerIsValid(CFRunLoopTimerRef timer);

/* --- observers --- */

typedef CFOptionFlags CFRunLoopActivity;
enum {
	kCFRunLoopEntry = 1u << 0,	   /* a run begins */
	kCFRunLoopBeforeTimers = 1u << 1,  /* the loop is about to look at timers */
	kCFRunLoopBeforeSources = 1u << 2, /* and at sources */
	kCFRunLoopBeforeWaiting = 1u << 5, /* nothing is ready: it is about to sleep */
	kCFRunLoopAfterWaiting = 1u << 6,  /* it woke up */
	kCFRunLoopExit = 1u << 7,	   /* the run ends */
	kCFRunLoopAllActivities = 0x0fffffffu,
};

typedef struct {
	CFIndex version; /* 0 */
	void *info;
	const void *(*retain)(const void *info);
	void (*release)(const void *info);
	CFStringRef (*copyDescription)(const void *info); /* never called */
} CFRunLoopObserverContext;
typedef void (*CFRunLoopObserverCallBack)(CFRunLoopObserverRef observer, CFRunLoopActivity activity,
					  void *info);

/* What CFGetTypeID gives for an observer. Any thread. */
CFTypeID CFRunLoopObserverGetTypeID(void);
/*
 * Called on the loop's thread at these activities, those of lower order first; once only, unless it
 * repeats, and never inside its own callback. context may be NULL. An observer is added to one loop
 * only, and is nothing that a run would wait for.
 */
CFRunLoopObserverRef CFRunLoopObserverCreate(CFAllocatorRef allocator, CFOptionFlags activities,
					     Boolean repeats, CFIndex order,
					     CFRunLoopObserverCallBack callout,
					     CFRunLoopObserverContext *context);
void CFRunLoopAddObserver(CFRunLoopRef loop, CFRunLoopObserverRef observer, CFRunLoopMode mode);
void CFRunLoopRemoveObserver(CFRunLoopRef loop, CFRunLoopObserverRef observer, CFRunLoopMode mode);
Boolean CFRunLoopContainsObserver(CFRunLoopRef loop, CFRunLoopObserverRef observer,
				  CFRunLoopMode mode);
CFOptionFlags CFRunLoopObserverGetActivities(CFRunLoopObserverRef observer);
Boolean CFRunLoopObserverDoesRepeat(CFRunLoopObserverRef observer);
CFIndex CFRunLoopObserverGetOrder(CFRunLoopObserverRef observer);
void CFRunLoopObserverGetContext(CFRunLoopObserverRef observer, CFRunLoopObserverContext *context);
void CFRunLoopObserverInvalidate(CFRunLoopObserverRef observer);
Boolean CFRunLoopObserverIsValid(CFRunLoopObserverRef observer);

DEXT_END_DECLS

#endif
