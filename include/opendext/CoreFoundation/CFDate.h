/* SPDX-License-Identifier: Apache-2.0 */
/* Points in time: seconds since the beginning of 2001, UTC. */
#ifndef OPENDEXT_COREFOUNDATION_CFDATE_H
#define OPENDEXT_COREFOUNDATION_CFDATE_H

#include <CoreFoundation/CFBase.h>

DEXT_BEGIN_DECLS

typedef double CFTimeInterval; /* seconds */
typedef CFTimeInterval CFAbsoluteTime;
typedef const struct __CFDate *CFDateRef;

extern const CFTimeInterval kCFAbsoluteTimeIntervalSince1970;
extern const CFTimeInterval kCFAbsoluteTimeIntervalSince1904;

/* Now, by the system's clock; it may be set back. */
CFAbsoluteTime CFAbsoluteTimeGetCurrent(void);

/* What CFGetTypeID gives for a date. Any thread. */
CFTypeID CFDateGetTypeID(void);
/* A date of this time. The caller releases it; NULL without memory. Any thread. */
CFDateRef CFDateCreate(CFAllocatorRef allocator, CFAbsoluteTime at);
/* Seconds since the beginning of 2001. Any thread. */
CFAbsoluteTime CFDateGetAbsoluteTime(CFDateRef date);
/* Seconds from `other` to `date`, below 0 if it is earlier. */
CFTimeInterval CFDateGetTimeIntervalSinceDate(CFDateRef date, CFDateRef other);
/* context is not used. */
CFComparisonResult CFDateCompare(CFDateRef date, CFDateRef other, void *context);

DEXT_END_DECLS

#endif
