/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of OSNumber, for the CoreFoundation face of it. */
#ifndef BASE_OS_NUMBER_H
#define BASE_OS_NUMBER_H

#include <DriverKit/OSCollections.h>

struct OSNumber_IVars {
	uint64_t value; /* [const] bits above `bits` are 0 */
	uint32_t bits;	/* [const] 1 to 64 */
};

#endif
