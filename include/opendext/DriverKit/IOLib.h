/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a driver needs beside objects: memory, waiting, locks, what is done once, a line in the log
 * and panic. Any thread.
 *
 * Methods and callbacks of an object run one after the other on its queue, so most drivers need no
 * lock: only those with queues or threads of their own.
 */
#ifndef OPENDEXT_DRIVERKIT_IOLIB_H
#define OPENDEXT_DRIVERKIT_IOLIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dext_cdefs.h>
#include <os/log.h>

DEXT_BEGIN_DECLS

/* --- memory --- */

/* The C library's, and so is what is given back: the length is not looked at. NULL: no memory. */
void *IOMalloc(size_t length);
void *IOMallocZero(size_t length);
void IOFree(void *address, size_t length);

/* For IONew: `count` zeroed elements. NULL without memory, also if so many cannot be. */
void *dext_new(size_t count, size_t size);

/* Of `count` elements of a type; both are zeroed here. */
#define IONew(type, count)	       ((type *)dext_new((count), sizeof(type)))
#define IONewZero(type, count)	       ((type *)dext_new((count), sizeof(type)))
#define IODelete(pointer, type, count) IOFree((pointer), sizeof(type) * (size_t)(count))
#define IOSafeDeleteNULL(pointer, type, count)              \
	do {                                                \
		if ((pointer) != NULL) {                    \
			IODelete((pointer), type, (count)); \
			(pointer) = NULL;                   \
		}                                           \
	} while (0)
/* One of a type, zeroed. NULL without memory; what is given back may be NULL. */
#define IOMallocType(type)	  ((type *)dext_new(1, sizeof(type)))
#define IOFreeType(element, type) IOFree((element), sizeof(type))

/* Bytes of a page, which is 4096 on some machines only. To be read. */
extern uint64_t IOVMPageSize;

/* --- waiting --- */

/*
 * Blocks for at least so long, whatever signals come. Nothing else of the queue runs meanwhile: a
 * timer (IOTimerDispatchSource) does not block it.
 */
void IOSleep(uint64_t milliseconds);
void IODelay(uint64_t microseconds);

/* --- the log --- */

/* os_log(OS_LOG_DEFAULT, format, ...). */
#define IOLog(...) os_log(OS_LOG_DEFAULT, __VA_ARGS__)

/* --- locks --- */

typedef struct IOLock IOLock;
typedef struct IORecursiveLock IORecursiveLock;
typedef struct IORWLock IORWLock;

/*
 * A mutex: who holds it and locks it again waits for ever. Alloc: NULL without memory. Free: while
 * nobody holds it. TryLock: true, it is held now.
 */
IOLock *IOLockAlloc(void);
void IOLockFree(IOLock *lock);
void IOLockLock(IOLock *lock);
bool IOLockTryLock(IOLock *lock);
void IOLockUnlock(IOLock *lock);

/* The same, but its holder may lock it again, and unlocks it as often. */
IORecursiveLock *IORecursiveLockAlloc(void);
void IORecursiveLockFree(IORecursiveLock *lock);
void IORecursiveLockLock(IORecursiveLock *lock);
bool IORecursiveLockTryLock(IORecursiveLock *lock);
void IORecursiveLockUnlock(IORecursiveLock *lock);

/* Held by any number who read, or by one who writes. */
IORWLock *IORWLockAlloc(void);
void IORWLockFree(IORWLock *lock);
void IORWLockRead(IORWLock *lock);
void IORWLockWrite(IORWLock *lock);
void IORWLockUnlock(IORWLock *lock);

/* --- once --- */

/* Static or global, and zero at first: `static IOCallOnceFlag flag;`. */
typedef struct IOCallOnceFlag {
	intptr_t opaque;
} IOCallOnceFlag;

/*
 * Runs the function if nobody has; returns when it has run, on whatever thread. A function that
 * comes to its own flag again waits for ever.
 */
void IOCallOnce_f(IOCallOnceFlag *flag, void *context, void (*function)(void *context));
/* With clang -fblocks; the driver links -lBlocksRuntime as well. */
#ifdef __BLOCKS__
typedef void (^IOCallOnceBlock)(void);
void IOCallOnce(IOCallOnceFlag *flag, IOCallOnceBlock block);
#endif

/* --- boot arguments --- */

/*
 * What nvram's boot-args say on a Mac. There are none here: always false, and nothing is written,
 * as there where nobody has set the argument. Linux's command line is not looked at: it is the
 * kernel's, and a driver may not read it. What a driver is to be told goes into the personality of
 * its Info.plist (IOService_CopyProperties).
 */
bool IOParseBootArgNumber(const char *name, void *value, int bytes);
bool IOParseBootArgString(const char *name, char *value, int bytes);

/* --- the end --- */

/*
 * Writes "panic: " and the text into the log, and aborts: the driver, not the machine. Its crash is
 * reported and it is started again, as after any other.
 */
void panic(const char *format, ...) DEXT_PRINTF(1, 2) __attribute__((noreturn));

DEXT_END_DECLS

#endif
