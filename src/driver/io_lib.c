/* SPDX-License-Identifier: Apache-2.0 */
/* IOLib: the C library under the names of DriverKit. Each lock is one of pthread's. */
#include "block.h"
#include "clock.h"
#include "log.h"
#include "memfd.h"
#include "once.h"

#include <DriverKit/IOLib.h>
#include <mach/mach_time.h>

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* As a compiler without blocks knows it. */
DEXT_BEGIN_DECLS

void IOCallOnce(IOCallOnceFlag *flag, struct block *block);

DEXT_END_DECLS

struct IOLock {
	pthread_mutex_t mutex;
};

struct IORecursiveLock {
	pthread_mutex_t mutex;
};

struct IORWLock {
	pthread_rwlock_t lock;
};

uint64_t IOVMPageSize = 4096;

/* Before a driver's own constructors, since its object stands on this one. */
__attribute__((constructor)) static void
learn_page_size(void)
{
	IOVMPageSize = page_size();
}

void *
IOMalloc(size_t length)
{
	return malloc(length);
}

void *
IOMallocZero(size_t length)
{
	return calloc(1, length);
}

void
IOFree(void *address, size_t length)
{
	(void)length;
	free(address);
}

void *
dext_new(size_t count, size_t size)
{
	return size == 0 || count <= SIZE_MAX / size ? calloc(count, size) : NULL;
}

/* What is longer than the clock can count is for ever. */
static void
wait_for(uint64_t amount, uint64_t unit)
{
	uint64_t now = clock_now(), most = ((uint64_t)INT64_MAX - now) / unit;
	uint64_t end = now + (amount < most ? amount : most) * unit;

	/* Until then, and not for so long: a signal would begin it anew. */
	while (mach_wait_until(end) == KERN_ABORTED)
		;
}

void
IOSleep(uint64_t milliseconds)
{
	wait_for(milliseconds, NSEC_PER_MSEC);
}

void
IODelay(uint64_t microseconds)
{
	wait_for(microseconds, NSEC_PER_USEC);
}

IOLock *
IOLockAlloc(void)
{
	IOLock *lock = malloc(sizeof(*lock));

	if (lock != NULL)
		pthread_mutex_init(&lock->mutex, NULL);
	return lock;
}

void
IOLockFree(IOLock *lock)
{
	if (lock == NULL)
		return;
	pthread_mutex_destroy(&lock->mutex);
	free(lock);
}

void
IOLockLock(IOLock *lock)
{
	pthread_mutex_lock(&lock->mutex);
}

bool
IOLockTryLock(IOLock *lock)
{
	return pthread_mutex_trylock(&lock->mutex) == 0;
}

void
IOLockUnlock(IOLock *lock)
{
	pthread_mutex_unlock(&lock->mutex);
}

IORecursiveLock *
IORecursiveLockAlloc(void)
{
	IORecursiveLock *lock = malloc(sizeof(*lock));
	pthread_mutexattr_t attributes;

	if (lock == NULL)
		return NULL;
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&lock->mutex, &attributes);
	pthread_mutexattr_destroy(&attributes);
	return lock;
}

void
IORecursiveLockFree(IORecursiveLock *lock)
{
	if (lock == NULL)
		return;
	pthread_mutex_destroy(&lock->mutex);
	free(lock);
}

void
IORecursiveLockLock(IORecursiveLock *lock)
{
	pthread_mutex_lock(&lock->mutex);
}

bool
IORecursiveLockTryLock(IORecursiveLock *lock)
{
	return pthread_mutex_trylock(&lock->mutex) == 0;
}

void
IORecursiveLockUnlock(IORecursiveLock *lock)
{
	pthread_mutex_unlock(&lock->mutex);
}

IORWLock *
IORWLockAlloc(void)
{
	IORWLock *lock = malloc(sizeof(*lock));

	if (lock != NULL)
		pthread_rwlock_init(&lock->lock, NULL);
	return lock;
}

void
IORWLockFree(IORWLock *lock)
{
	if (lock == NULL)
		return;
	pthread_rwlock_destroy(&lock->lock);
	free(lock);
}

void
IORWLockRead(IORWLock *lock)
{
	pthread_rwlock_rdlock(&lock->lock);
}

void
IORWLockWrite(IORWLock *lock)
{
	pthread_rwlock_wrlock(&lock->lock);
}

void
IORWLockUnlock(IORWLock *lock)
{
	pthread_rwlock_unlock(&lock->lock);
}

void
IOCallOnce_f(IOCallOnceFlag *flag, void *context, void (*function)(void *context))
{
	/* The loop knows of every thread in a driver's code that it may block. */
	if (!once_try(&flag->opaque, context, function))
		once_wait(&flag->opaque);
}

void
IOCallOnce(IOCallOnceFlag *flag, struct block *block)
{
	IOCallOnce_f(flag, block, block_run);
}

bool
IOParseBootArgNumber(const char *name, void *value, int bytes)
{
	(void)name, (void)value, (void)bytes;
	return false;
}

bool
IOParseBootArgString(const char *name, char *value, int bytes)
{
	(void)name, (void)value, (void)bytes;
	return false;
}

void
panic(const char *format, ...)
{
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	log_abort("panic: %s", text);
}
