/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues, groups, semaphores, "once" and times, as on macOS: the engine is that of a driver's
 * IODispatchQueue. There are no dispatch sources, no I/O channels and no data objects.
 */
#ifndef OPENDEXT_DISPATCH_DISPATCH_H
#define OPENDEXT_DISPATCH_DISPATCH_H

/* A libdispatch that the system has goes first; base.h says how. */
#if defined(__has_include_next) && !defined(DEXT_OWN_DISPATCH)
#if __has_include_next(<dispatch/dispatch.h>)
#define OPENDEXT_DISPATCH_DISPATCH_H_NEXT
#endif
#endif

#ifdef OPENDEXT_DISPATCH_DISPATCH_H_NEXT
#include_next <dispatch/dispatch.h>
#else

#include <dispatch/base.h>
#include <dispatch/group.h>
#include <dispatch/object.h>
#include <dispatch/once.h>
#include <dispatch/queue.h>
#include <dispatch/semaphore.h>
#include <dispatch/time.h>

DEXT_BEGIN_DECLS

DEXT_END_DECLS

#endif
#endif
