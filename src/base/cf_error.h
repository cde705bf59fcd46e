/* SPDX-License-Identifier: Apache-2.0 */
/* CFError, for what says which class an object is of. */
#ifndef BASE_CF_ERROR_H
#define BASE_CF_ERROR_H

#include <CoreFoundation/CFError.h>

#include "object.h"

typedef struct __CFError CFError;
extern const OSMetaClass gCFErrorMetaClass;

/* An error with a description, for an out-parameter that may be NULL. */
void error_set(CFErrorRef *ret_error, CFErrorDomain domain, CFIndex code, CFStringRef description);

#endif
