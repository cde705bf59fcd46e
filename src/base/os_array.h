/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of OSArray, for the CoreFoundation face of it. */
#ifndef BASE_OS_ARRAY_H
#define BASE_OS_ARRAY_H

#include <DriverKit/OSCollections.h>

#include "element.h"

struct OSArray_IVars {
	OSObject **values; /* [owner] each retained; objects unless there are callbacks */
	uint32_t count;	   /* [owner] */
	uint32_t capacity;
	bool fixed; /* [const] once an app has it: CoreFoundation refuses to change it */
	struct element_callbacks *callbacks; /* [const] an app's own; NULL: values are objects */
};

/* At an index up to the count. False without memory; an object is not NULL. */
bool array_insert(OSArray *array, uint32_t index, const void *object);
/* At an index below the count. */
void array_remove(OSArray *array, uint32_t index);

#endif
