/* SPDX-License-Identifier: Apache-2.0 */
/* Counting semaphores. A block of a queue may wait: another thread goes on with the queue's others.
 */
#ifndef OPENDEXT_DISPATCH_SEMAPHORE_H
#define OPENDEXT_DISPATCH_SEMAPHORE_H

/* A libdispatch that the system has goes first; base.h says how. */
#if defined(__has_include_next) && !defined(DEXT_OWN_DISPATCH)
#if __has_include_next(<dispatch/semaphore.h>)
#define OPENDEXT_DISPATCH_SEMAPHORE_H_NEXT
#endif
#endif

#ifdef OPENDEXT_DISPATCH_SEMAPHORE_H_NEXT
#include_next <dispatch/semaphore.h>
#else

#include <dispatch/object.h>
#include <dispatch/time.h>

DEXT_BEGIN_DECLS

/* NULL: no memory, or value is below 0. */
dispatch_semaphore_t dispatch_semaphore_create(intptr_t value);
/* 0, or not 0 after that time. */
intptr_t dispatch_semaphore_wait(dispatch_semaphore_t semaphore, dispatch_time_t timeout);
/* Not 0 if a thread is woken. */
intptr_t dispatch_semaphore_signal(dispatch_semaphore_t semaphore);

DEXT_END_DECLS

#endif
#endif
