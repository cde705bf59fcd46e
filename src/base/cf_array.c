/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CFArray over OSArray. With other callbacks than those of objects an array holds whatever an app
 * puts there, NULL too.
 */
#include <CoreFoundation/CFArray.h>
#include <DriverKit/OSCollections.h>

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "os_array.h"

const CFArrayCallBacks kCFTypeArrayCallBacks = {
	.retain = element_retain_object,
	.release = element_release_object,
	.copyDescription = CFCopyDescription,
	.equal = CFEqual,
};

CFTypeID
CFArrayGetTypeID(void)
{
	return (CFTypeID)OSTypeID(OSArray);
}

/* callbacks NULL: of objects. */
static CFMutableArrayRef
make(const struct element_callbacks *callbacks)
{
	OSArray *array = OSArrayCreate(0);

	if (array == NULL || callbacks == NULL)
		return (CFMutableArrayRef)array;
	OSObjectIVars(OSArray, array)->callbacks = element_callbacks_copy(callbacks);
	if (OSObjectIVars(OSArray, array)->callbacks == NULL)
		OSSafeReleaseNULL(array);
	return (CFMutableArrayRef)array;
}

CFMutableArrayRef
CFArrayCreateMutable(CFAllocatorRef allocator, CFIndex capacity, const CFArrayCallBacks *callbacks)
{
	const struct element_callbacks own = element_callbacks_of(allocator, callbacks, false);

	if (capacity < 0 || (callbacks != NULL && callbacks->version != 0)) {
		log_error("CFArrayCreate: capacity %ld is negative, or callbacks have another "
			  "version than 0",
			  capacity);
		return NULL;
	}
	if (callbacks != NULL && memcmp(callbacks, &kCFTypeArrayCallBacks, sizeof(*callbacks)) == 0)
		return make(NULL);
	return make(&own);
}

/* The array if it may be changed, NULL with a log line if not. */
static OSArray *
changing(CFMutableArrayRef array, const char *function)
{
	OSArray *self = OSDynamicCast(OSArray, array);

	if (self != NULL && !OSObjectIVars(OSArray, self)->fixed)
		return self;
	log_error("%s: the object is %s", function,
		  self == NULL ? "no CFArray" : "an array that cannot be changed");
	return NULL;
}

/* False with a log line for what cannot be put there. The array may be changed. */
static bool
insert(OSArray *array, CFIndex index, const void *value, const char *function)
{
	const struct OSArray_IVars *ivars = OSObjectIVars(OSArray, array);

	if (value == NULL && ivars->callbacks == NULL)
		log_error("%s: value is NULL", function);
	else if (index < 0 || index > (CFIndex)ivars->count)
		log_error("%s: index is %ld, there are %u", function, index, ivars->count);
	else if (array_insert(array, (uint32_t)index, value))
		return true;
	else
		log_error("%s: no memory", function);
	return false;
}

CFArrayRef
CFArrayCreate(CFAllocatorRef allocator, const void **values, CFIndex count,
	      const CFArrayCallBacks *callbacks)
{
	CFMutableArrayRef array = CFArrayCreateMutable(allocator, count, callbacks);

	for (CFIndex i = 0; array != NULL && i < count; i++) {
		if (insert((OSArray *)array, i, values[i], "CFArrayCreate"))
			continue;
		OSRelease(array);
		array = NULL;
	}
	if (array != NULL)
		OSObjectIVars(OSArray, array)->fixed = true;
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
	OSArray *self = changing(array, "CFArrayAppendValue");

	if (self != NULL)
		insert(self, CFArrayGetCount(array), value, "CFArrayAppendValue");
}

CFMutableArrayRef
CFArrayCreateMutableCopy(CFAllocatorRef allocator, CFIndex capacity, CFArrayRef array)
{
	const struct OSArray_IVars *from = OSObjectIVars(OSArray, array);
	CFMutableArrayRef copy = make(from->callbacks);

	for (uint32_t i = 0; copy != NULL && i < from->count; i++) {
		if (insert((OSArray *)copy, i, from->values[i], "CFArrayCreateMutableCopy"))
			continue;
		CFRelease(copy);
		copy = NULL;
	}
	return copy;
}

CFArrayRef
CFArrayCreateCopy(CFAllocatorRef allocator, CFArrayRef array)
{
	CFMutableArrayRef copy = CFArrayCreateMutableCopy(allocator, 0, array);

	if (copy != NULL)
		OSObjectIVars(OSArray, copy)->fixed = true;
	return copy;
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

static bool
is_equal(CFArrayRef array, const void *one, const void *other)
{
	return element_equal(OSObjectIVars(OSArray, array)->callbacks, one, other);
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
		if (is_equal(array, from[i], value))
			return range.location + i;
	return kCFNotFound;
}

CFIndex
CFArrayGetLastIndexOfValue(CFArrayRef array, CFRange range, const void *value)
{
	OSObject **from = values_in(array, range, "CFArrayGetLastIndexOfValue");

	for (CFIndex i = range.length; from != NULL && i > 0; i--)
		if (is_equal(array, from[i - 1], value))
			return range.location + i - 1;
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
		count += is_equal(array, from[i], value) ? 1 : 0;
	return count;
}

CFIndex
CFArrayBSearchValues(CFArrayRef array, CFRange range, const void *value,
		     CFComparatorFunction comparator, void *context)
{
	OSObject **from = values_in(array, range, "CFArrayBSearchValues");
	CFIndex low = 0, high = from == NULL ? 0 : range.length;

	while (low < high) { /* to the first that is not before it */
		CFIndex middle = low + (high - low) / 2;

		if (comparator(from[middle], value, context) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return range.location + low;
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

/* --- changing --- */

void
CFArrayAppendArray(CFMutableArrayRef array, CFArrayRef appended, CFRange range)
{
	OSArray *self = changing(array, "CFArrayAppendArray");

	if (self == NULL || values_in(appended, range, "CFArrayAppendArray") == NULL)
		return;
	for (CFIndex i = 0; i < range.length; i++)
		insert(self, CFArrayGetCount(array),
		       CFArrayGetValueAtIndex(appended, range.location + i), "CFArrayAppendArray");
}

void
CFArrayInsertValueAtIndex(CFMutableArrayRef array, CFIndex index, const void *value)
{
	OSArray *self = changing(array, "CFArrayInsertValueAtIndex");

	if (self != NULL)
		insert(self, index, value, "CFArrayInsertValueAtIndex");
}

void
CFArrayRemoveValueAtIndex(CFMutableArrayRef array, CFIndex index)
{
	OSArray *self = changing(array, "CFArrayRemoveValueAtIndex");

	if (self == NULL)
		return;
	if (index < 0 || index >= CFArrayGetCount(array))
		log_error("CFArrayRemoveValueAtIndex: %ld of %ld", index, CFArrayGetCount(array));
	else
		array_remove(self, (uint32_t)index);
}

void
CFArraySetValueAtIndex(CFMutableArrayRef array, CFIndex index, const void *value)
{
	OSArray *self = changing(array, "CFArraySetValueAtIndex");
	CFIndex before = CFArrayGetCount(array);

	if (self != NULL && insert(self, index, value, "CFArraySetValueAtIndex") && index < before)
		array_remove(self, (uint32_t)index + 1);
}

void
CFArrayExchangeValuesAtIndices(CFMutableArrayRef array, CFIndex one, CFIndex other)
{
	OSArray *self = changing(array, "CFArrayExchangeValuesAtIndices");
	CFIndex count = CFArrayGetCount(array);
	OSObject **values, *kept;

	if (self == NULL)
		return;
	if (one < 0 || other < 0 || one >= count || other >= count) {
		log_error("CFArrayExchangeValuesAtIndices: %ld and %ld of %ld", one, other, count);
		return;
	}
	values = OSObjectIVars(OSArray, self)->values;
	kept = values[one];
	values[one] = values[other];
	values[other] = kept;
}

void
CFArrayReplaceValues(CFMutableArrayRef array, CFRange range, const void **values, CFIndex count)
{
	OSArray *self = changing(array, "CFArrayReplaceValues");

	if (self == NULL || values_in(array, range, "CFArrayReplaceValues") == NULL)
		return;
	/* The new ones first: they may live by the old ones' references. */
	for (CFIndex i = 0; i < count; i++)
		if (!insert(self, range.location + range.length + i, values[i],
			    "CFArrayReplaceValues"))
			return;
	for (CFIndex i = 0; i < range.length; i++)
		array_remove(self, (uint32_t)range.location);
}

void
CFArrayRemoveAllValues(CFMutableArrayRef array)
{
	OSArray *self = changing(array, "CFArrayRemoveAllValues");

	while (self != NULL && OSArrayGetCount(self) > 0)
		array_remove(self, OSArrayGetCount(self) - 1);
}

struct order {
	CFComparatorFunction comparator;
	void *context;
};

/* A merge: qsort keeps no order of equal values. Comparators are often strcmp with a cast, so any
 * number below 0 is less. */
static void
sort(OSObject **values, OSObject **space, size_t count, const struct order *order)
{
	size_t half = count / 2, left = 0, right = half;

	if (count < 2)
		return;
	sort(values, space, half, order);
	sort(values + half, space, count - half, order);
	for (size_t i = 0; i < count; i++) {
		bool take_right = right < count &&
				  (left == half || order->comparator(values[right], values[left],
								     order->context) < 0);

		space[i] = take_right ? values[right++] : values[left++];
	}
	memcpy(values, space, count * sizeof(values[0]));
}

void
CFArraySortValues(CFMutableArrayRef array, CFRange range, CFComparatorFunction comparator,
		  void *context)
{
	OSArray *self = changing(array, "CFArraySortValues");
	OSObject **values = self == NULL ? NULL : values_in(array, range, "CFArraySortValues");
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
