/* SPDX-License-Identifier: Apache-2.0 */
/* CFDate: one number that never changes. There is no OS name for it: drivers have no dates. */
#include "cf_date.h"

#include <time.h>

#include "clock.h"
#include "log.h"
#include "object.h"
#include "os_hash.h"

struct CFDate_IVars {
	CFAbsoluteTime at; /* [const] */
};

const OSMetaClass gCFDateMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "CFDate",
	.superclass = OSTypeID(OSObject),
	.ivars_size = sizeof(struct CFDate_IVars),
};

const CFTimeInterval kCFAbsoluteTimeIntervalSince1970 = 978307200.0;
const CFTimeInterval kCFAbsoluteTimeIntervalSince1904 = 3061152000.0;

CFAbsoluteTime
CFAbsoluteTimeGetCurrent(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec - kCFAbsoluteTimeIntervalSince1970 +
	       (double)now.tv_nsec / (double)NSEC_PER_SEC;
}

CFTypeID
CFDateGetTypeID(void)
{
	return (CFTypeID)OSTypeID(CFDate);
}

CFDateRef
CFDateCreate(CFAllocatorRef allocator, CFAbsoluteTime at)
{
	CFDate *date = object_create(CFDate);

	if (date != NULL)
		OSObjectIVars(CFDate, date)->at = at;
	return date;
}

CFAbsoluteTime
CFDateGetAbsoluteTime(CFDateRef date)
{
	if (OSDynamicCast(CFDate, date) == NULL) {
		log_error("CFDateGetAbsoluteTime: the object is no CFDate");
		return 0;
	}
	return OSObjectIVars(CFDate, date)->at;
}

CFTimeInterval
CFDateGetTimeIntervalSinceDate(CFDateRef date, CFDateRef other)
{
	return CFDateGetAbsoluteTime(date) - CFDateGetAbsoluteTime(other);
}

CFComparisonResult
CFDateCompare(CFDateRef date, CFDateRef other, void *context)
{
	CFAbsoluteTime one = CFDateGetAbsoluteTime(date), two = CFDateGetAbsoluteTime(other);

	return (one > two) - (one < two);
}

uint64_t
date_hash(CFDateRef date)
{
	CFAbsoluteTime at = CFDateGetAbsoluteTime(date) + 0.0; /* -0 is 0 */

	return hash_bytes(&at, sizeof(at));
}
