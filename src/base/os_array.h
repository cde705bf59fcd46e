/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of OSArray, for the CoreFoundation face of it. */
#ifndef BASE_OS_ARRAY_H
#define BASE_OS_ARRAY_H

#include <DriverKit/OSCollections.h>

struct OSArray_IVars {
	OSObject **values; /* [owner] each retained */
	uint32_t count;	   /* [owner] */
	uint32_t capacity;
};

#endif
