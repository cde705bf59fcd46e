/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of OSString, for the CoreFoundation face of it. */
#ifndef BASE_OS_STRING_H
#define BASE_OS_STRING_H

#include <DriverKit/OSCollections.h>

struct OSString_IVars {
	char *bytes;   /* [const] NUL terminated, none inside; UTF-8, not checked */
	size_t length; /* [const] bytes without the NUL */
};

#endif
