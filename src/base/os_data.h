/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of OSData, for the CoreFoundation face of it. */
#ifndef BASE_OS_DATA_H
#define BASE_OS_DATA_H

#include <DriverKit/OSCollections.h>

struct OSData_IVars {
	uint8_t *bytes; /* [owner] NULL while empty */
	size_t length;	/* [owner] */
	size_t capacity;
};

#endif
