/* SPDX-License-Identifier: Apache-2.0 */
/* CFArray over OSArray. Arrays of anything but objects, which other callbacks would allow, are
 * refused. */
#include <CoreFoundation/CFArray.h>
#include <DriverKit/OSCollections.h>

#include <stdlib.h>
#include <string.h>

#include "cf_callbacks.h"
#include "log.h"
#include "os_array.h"

const CFArrayCallBacks kCFTypeArrayCallBacks = {
	.retain = callback_retain,
	.release = callback_release,
	.copyDescription = CFCopyDescription,
	.equal = CFEqual,
};

CFTypeID
CFArrayGetTypeID(void)
{
	return (CFTypeID)OSTypeID(OSArray);
}

CFMutableArrayRef
CFArrayCreateMutable(CFAllocatorRef allocator, CFIndex capacity, const CFArrayCallBacks *callbacks)
{
	if (callbacks == NULL ||
	    memcmp(callbacks, &kCFTypeArrayCallBacks, sizeof(*callbacks)) != 0) {
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

CFMutableArrayRef
CFArrayCreateMutableCopy(CFAllocatorRef allocator, CFIndex capacity, CFArrayRef array)
{
	CFMutableArrayRef copy = CFArrayCreateMutable(allocator, capacity, &kCFTypeArrayCallBacks);

	if (copy != NULL)
		CFArrayAppendArray(copy, array, CFRangeMake(0, CFArrayGetCount(array)));
	if (copy != NULL && CFArrayGetCount(copy) == CFArrayGetCount(array))
		return copy;
	CFRelease(copy);
	return NULL;
}

CFArrayRef
CFArrayCreateCopy(CFAllocatorRef allocator, CFArrayRef array)
{
	return CFArrayCreateMutableCopy(allocator, 0, array);
}

/* The values of a range; NULL with a log line if it is none of the array's. */
static OSObject **
values_in(CFArrayRef array, CFRange range, const char *function)
{
	CFIndex count = CFArrayGetCount(array);
	static OSObject *none;

	if (range.location < 0 || range.length < 0 || range.location > count ||
	    range.length > count - range.location) {
		log_error("%s: %ld values at %ld, but there are %ld", function, range.length,
			  range.location, count);
		return NULL;
	}
	return count == 0 ? &none : OSObjectIVars(OSArray, array)->values + range.location;
}

void
CFArrayGetValues(CFArrayRef array, CFRange range, const void **values)
{
	OSObject **from = values_in(array, range, "CFArrayGetValues");

	for (CFIndex i = 0; from != NULL && i < range.length; i++)
		values[i] = from[i];
}

CFIndex
CFArrayGetFirstIndexOfValue(CFArrayRef array, CFRange range, const void *value)
{
	OSObject **from = values_in(array, range, "CFArrayGetFirstIndexOfValue");

	for (CFIndex i = 0; from != NULL && i < range.length; i++)
		if (CFEqual(from[i], value))
			return range.location + i;
	return kCFNotFound;
}

Boolean
CFArrayContainsValue(CFArrayRef array, CFRange range, const void *value)
{
	return CFArrayGetFirstIndexOfValue(array, range, value) != kCFNotFound;
}

CFIndex
CFArrayGetCountOfValue(CFArrayRef array, CFRange range, const void *value)
{
	OSObject **from = values_in(array, range, "CFArrayGetCountOfValue");
	CFIndex count = 0;

	for (CFIndex i = 0; from != NULL && i < range.length; i++)
		count += CFEqual(from[i], value) ? 1 : 0;
	return count;
}

void
CFArrayApplyFunction(CFArrayRef array, CFRange range, CFArrayApplierFunction function,
		     void *context)
{
	if (values_in(array, range, "CFArrayApplyFunction") == NULL)
		return;
	for (CFIndex i = 0; i < range.length; i++)
		function(CFArrayGetValueAtIndex(array, range.location + i), context);
}

void
CFArrayAppendArray(CFMutableArrayRef array, CFArrayRef appended, CFRange range)
{
	if (values_in(appended, range, "CFArrayAppendArray") == NULL)
		return;
	for (CFIndex i = 0; i < range.length; i++)
		CFArrayAppendValue(array, CFArrayGetValueAtIndex(appended, range.location + i));
}

void
CFArrayInsertValueAtIndex(CFMutableArrayRef array, CFIndex index, const void *value)
{
	if (value == NULL || index < 0 || index > CFArrayGetCount(array))
		log_error("CFArrayInsertValueAtIndex: value is NULL, or index %ld is past the end",
			  index);
	else if (!array_insert((OSArray *)array, (uint32_t)index, value))
		log_error("CFArrayInsertValueAtIndex: no memory");
}

void
CFArrayRemoveValueAtIndex(CFMutableArrayRef array, CFIndex index)
{
	if (index < 0 || index >= CFArrayGetCount(array))
		log_error("CFArrayRemoveValueAtIndex: %ld of %ld", index, CFArrayGetCount(array));
	else
		array_remove((OSArray *)array, (uint32_t)index);
}

void
CFArraySetValueAtIndex(CFMutableArrayRef array, CFIndex index, const void *value)
{
	CFIndex before = CFArrayGetCount(array);

	CFArrayInsertValueAtIndex(array, index, value);
	if (index < before && CFArrayGetCount(array) > before)
		array_remove((OSArray *)array, (uint32_t)index + 1);
}

void
CFArrayRemoveAllValues(CFMutableArrayRef array)
{
	while (CFArrayGetCount(array) > 0)
		array_remove((OSArray *)array, (uint32_t)CFArrayGetCount(array) - 1);
}

struct order {
	CFComparatorFunction comparator;
	void *context;
};

/* A merge: qsort keeps no order of equal values. */
static void
sort(OSObject **values, OSObject **space, size_t count, const struct order *order)
{
	size_t half = count / 2, left = 0, right = half;

	if (count < 2)
		return;
	sort(values, space, half, order);
	sort(values + half, space, count - half, order);
	for (size_t i = 0; i < count; i++) {
		bool take_right =
			right < count &&
			(left == half || order->comparator(values[right], values[left],
							   order->context) == kCFCompareLessThan);

		space[i] = take_right ? values[right++] : values[left++];
	}
	memcpy(values, space, count * sizeof(values[0]));
}

void
CFArraySortValues(CFMutableArrayRef array, CFRange range, CFComparatorFunction comparator,
		  void *context)
{
	OSObject **values = values_in(array, range, "CFArraySortValues");
	const struct order order = {comparator, context};
	OSObject **space;

	if (values == NULL || range.length < 2)
		return;
	space = calloc((size_t)range.length, sizeof(values[0]));
	if (space == NULL)
		log_error("CFArraySortValues: no memory");
	else
		sort(values, space, (size_t)range.length, &order);
	free(space);
}
