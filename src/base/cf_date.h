/* SPDX-License-Identifier: Apache-2.0 */
/* CFDate for those who look at the class of a property value. */
#ifndef BASE_CF_DATE_H
#define BASE_CF_DATE_H

#include <CoreFoundation/CFDate.h>
#include <DriverKit/OSObject.h>

extern const OSMetaClass gCFDateMetaClass;
typedef struct __CFDate CFDate; /* for OSDynamicCast */

uint64_t date_hash(CFDateRef date);

#endif
