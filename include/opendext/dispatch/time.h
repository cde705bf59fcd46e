/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times: nanoseconds of mach_absolute_time, or of the calendar's clock. When the calendar's clock
 * is set, what waits for a time of it already is not moved.
 */
#ifndef OPENDEXT_DISPATCH_TIME_H
#define OPENDEXT_DISPATCH_TIME_H

/* A libdispatch that the system has goes first; base.h says how. */
#if defined(__has_include_next) && !defined(DEXT_OWN_DISPATCH)
#if __has_include_next(<dispatch/time.h>)
#define OPENDEXT_DISPATCH_TIME_H_NEXT
#endif
#endif

#ifdef OPENDEXT_DISPATCH_TIME_H_NEXT
#include_next <dispatch/time.h>
#else

#include <dispatch/base.h>
#include <time.h>

DEXT_BEGIN_DECLS

#ifndef NSEC_PER_SEC
#define NSEC_PER_SEC 1000000000ull
#endif
#ifndef NSEC_PER_MSEC
#define NSEC_PER_MSEC 1000000ull
#endif
#ifndef NSEC_PER_USEC
#define NSEC_PER_USEC 1000ull
#endif
#ifndef USEC_PER_SEC
#define USEC_PER_SEC 1000000ull
#endif

typedef uint64_t dispatch_time_t;

/* Fails on 32 bits without -D_TIME_BITS=64 -D_FILE_OFFSET_BITS=64, which pkg-config gives. */
typedef char dext_time_has_64_bits[sizeof(time_t) == 8 ? 1 : -1];

#define DISPATCH_TIME_NOW     (0ull)
#define DISPATCH_TIME_FOREVER (~0ull)
#define DISPATCH_WALLTIME_NOW (~1ull)

/* So many nanoseconds after `when`; as far as times go, if it is further. */
dispatch_time_t dispatch_time(dispatch_time_t when, int64_t delta);
/* The same after a time of the calendar's clock; NULL: now. */
dispatch_time_t dispatch_walltime(const struct timespec *when, int64_t delta);

DEXT_END_DECLS

#endif
#endif
