/* SPDX-License-Identifier: Apache-2.0 */
/* CFArray over OSArray. Arrays of anything but objects, which other callbacks would allow, are
 * refused. */
#include <CoreFoundation/CFArray.h>
#include <DriverKit/OSCollections.h>

#include "log.h"

const CFArrayCallBacks kCFTypeArrayCallBacks = {0};

CFTypeID
CFArrayGetTypeID(void)
{
	return (CFTypeID)OSTypeID(OSArray);
}

CFMutableArrayRef
CFArrayCreateMutable(CFAllocatorRef allocator, CFIndex capacity, const CFArrayCallBacks *callbacks)
{
	if (callbacks != &kCFTypeArrayCallBacks) {
		log_error("CFArrayCreate: callbacks must be &kCFTypeArrayCallBacks");
		return NULL;
	}
	if (capacity < 0) {
		log_error("CFArrayCreate: capacity is %ld", capacity);
		return NULL;
	}
	return (CFMutableArrayRef)OSArrayCreate(0);
}

CFArrayRef
CFArrayCreate(CFAllocatorRef allocator, const void **values, CFIndex count,
	      const CFArrayCallBacks *callbacks)
{
	CFMutableArrayRef array = CFArrayCreateMutable(allocator, count, callbacks);

	for (CFIndex i = 0; array != NULL && i < count; i++) {
		if (OSArrayAppendValue((OSArray *)array, values[i]))
			continue;
		OSRelease(array);
		array = NULL;
	}
	return array;
}

CFIndex
CFArrayGetCount(CFArrayRef array)
{
	return (CFIndex)OSArrayGetCount((const OSArray *)array);
}

const void *
CFArrayGetValueAtIndex(CFArrayRef array, CFIndex index)
{
	if (index < 0 || index >= CFArrayGetCount(array)) {
		log_error("CFArrayGetValueAtIndex: %ld of %ld", index, CFArrayGetCount(array));
		return NULL;
	}
	return OSArrayGetValue((const OSArray *)array, (uint32_t)index);
}

void
CFArrayAppendValue(CFMutableArrayRef array, const void *value)
{
	if (!OSArrayAppendValue((OSArray *)array, value))
		log_error("CFArrayAppendValue: the value was not appended");
}
