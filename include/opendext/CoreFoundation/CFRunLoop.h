/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run loops: one for each thread, made when first asked for. A thread adds sources to its loop and
 * runs it; each source's callbacks then run on that thread. Adding, removing, stopping and waking
 * work from any thread.
 */
#ifndef OPENDEXT_COREFOUNDATION_CFRUNLOOP_H
#define OPENDEXT_COREFOUNDATION_CFRUNLOOP_H

#include <CoreFoundation/CFBase.h>
#include <CoreFoundation/CFDate.h>
#include <CoreFoundation/CFString.h>

DEXT_BEGIN_DECLS

typedef struct __CFRunLoop *CFRunLoopRef;
typedef struct __CFRunLoopSource *CFRunLoopSourceRef;
typedef CFStringRef CFRunLoopMode;

typedef SInt32 CFRunLoopRunResult;
enum {
	kCFRunLoopRunFinished = 1,	/* nothing to wait for in this mode */
	kCFRunLoopRunStopped = 2,	/* CFRunLoopStop */
	kCFRunLoopRunTimedOut = 3,	/* the time is over */
	kCFRunLoopRunHandledSource = 4, /* a callback ran, and that was asked for */
};

extern const CFRunLoopMode kCFRunLoopDefaultMode;
/* What is added to these is in the default mode as well. Not a mode to run in. */
extern const CFRunLoopMode kCFRunLoopCommonModes;

CFTypeID CFRunLoopGetTypeID(void);
CFTypeID CFRunLoopSourceGetTypeID(void);

/* The calling thread's, borrowed: it ends with its thread unless retained. NULL without memory. */
CFRunLoopRef CFRunLoopGetCurrent(void);
/* The main thread's. */
CFRunLoopRef CFRunLoopGetMain(void);

/* Runs the calling thread's loop in the default mode until it is stopped or has no source left. */
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

/* The loop retains the source. Adding one twice is adding it once. */
void CFRunLoopAddSource(CFRunLoopRef loop, CFRunLoopSourceRef source, CFRunLoopMode mode);
void CFRunLoopRemoveSource(CFRunLoopRef loop, CFRunLoopSourceRef source, CFRunLoopMode mode);
Boolean CFRunLoopContainsSource(CFRunLoopRef loop, CFRunLoopSourceRef source, CFRunLoopMode mode);

/* False once what it listens to was destroyed. */
Boolean CFRunLoopSourceIsValid(CFRunLoopSourceRef source);

DEXT_END_DECLS

#endif
