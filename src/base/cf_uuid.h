/* SPDX-License-Identifier: Apache-2.0 */
/* CFUUID for those who compare values. */
#ifndef BASE_CF_UUID_H
#define BASE_CF_UUID_H

#include <CoreFoundation/CFUUID.h>
#include <DriverKit/OSObject.h>

extern const OSMetaClass gCFUUIDMetaClass;
typedef struct __CFUUID CFUUID; /* for OSDynamicCast */

#endif
