/* SPDX-License-Identifier: Apache-2.0 */
/* Sources of run loops: a descriptor to poll and what to do when it is readable. */
#ifndef CLIENT_RUN_LOOP_H
#define CLIENT_RUN_LOOP_H

#include <CoreFoundation/CFRunLoop.h>

/*
 * `perform` runs on the thread of the loop, without locks, handles one thing and says whether there
 * was one; it is called again until there is none. `release` gives up `info` with the source, or at
 * once if there is no memory for it, which gives NULL. The descriptor is info's.
 */
CFRunLoopSourceRef run_loop_source_create(int descriptor, bool (*perform)(void *info),
					  void (*release)(void *info), void *info);
/*
 * From now on it is not performed. Loops that hold it let go of it the next time they look: the
 * caller makes the descriptor readable.
 */
void run_loop_source_invalidate(CFRunLoopSourceRef source);

#endif
