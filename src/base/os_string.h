/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of OSString, for the CoreFoundation face of it. */
#ifndef BASE_OS_STRING_H
#define BASE_OS_STRING_H

#include <DriverKit/OSCollections.h>

struct OSString_IVars {
	/* All [const] but in a CFMutableString, where they are [owner]. */
	char *bytes;   /* NUL terminated, none inside; UTF-8, not checked */
	size_t length; /* bytes without the NUL */
	bool mutable;
};

#endif
