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

CFTypeID CFDateGetTypeID(void);
CFDateRef CFDateCreate(CFAllocatorRef allocator, CFAbsoluteTime at);
CFAbsoluteTime CFDateGetAbsoluteTime(CFDateRef date);
CFTimeInterval CFDateGetTimeIntervalSinceDate(CFDateRef date, CFDateRef other);
/* context is not used. */
CFComparisonResult CFDateCompare(CFDateRef date, CFDateRef other, void *context);

DEXT_END_DECLS

#endif
