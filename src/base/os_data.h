/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of OSData, for the CoreFoundation face of it. */
#ifndef BASE_OS_DATA_H
#define BASE_OS_DATA_H

#include <CoreFoundation/CFBase.h>
#include <DriverKit/OSCollections.h>

struct OSData_IVars {
	uint8_t *bytes; /* [owner] NULL while empty */
	size_t length;	/* [owner] */
	size_t capacity;
	size_t most; /* [const] what a CFMutableData may grow to; 0: without limit */
	bool fixed;  /* [const] once an app has it: CoreFoundation refuses to change it */
	/* [const] The bytes are an app's own, which this gives back; they never grow. */
	bool foreign;
	CFAllocatorRef deallocator; /* [const] retained */
};

#endif
