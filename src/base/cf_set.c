/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CFSet over OSSet. A member is found by a key that cannot change; what is given out is the member
 * itself.
 */
#include <CoreFoundation/CFSet.h>

#include <string.h>

#include "cf_callbacks.h"
#include "log.h"
#include "os_dictionary.h"
#include "os_set.h"

const CFSetCallBacks kCFTypeSetCallBacks = {
	.retain = callback_retain,
	.release = callback_release,
	.copyDescription = CFCopyDescription,
	.equal = CFEqual,
	.hash = CFHash,
};

CFTypeID
CFSetGetTypeID(void)
{
	return (CFTypeID)OSTypeID(OSSet);
}

static OSDictionary *
members(CFSetRef set)
{
	return set_members((const OSSet *)set);
}

static const struct OSDictionary_IVars *
entries(CFSetRef set)
{
	return OSObjectIVars(OSDictionary, members(set));
}

CFMutableSetRef
CFSetCreateMutable(CFAllocatorRef allocator, CFIndex capacity, const CFSetCallBacks *callbacks)
{
	if (callbacks == NULL || memcmp(callbacks, &kCFTypeSetCallBacks, sizeof(*callbacks)) != 0) {
		log_error("CFSetCreate: callbacks must be &kCFTypeSetCallBacks");
		return NULL;
	}
	if (capacity < 0) {
		log_error("CFSetCreate: capacity is %ld", capacity);
		return NULL;
	}
	return (CFMutableSetRef)set_create();
}

static bool
set(CFMutableSetRef self, const void *value, const char *function)
{
	bool done = value != NULL && dictionary_set(members(self), value, value);

	if (!done)
		log_error("%s: value is NULL, or there is no memory", function);
	return done;
}

CFSetRef
CFSetCreate(CFAllocatorRef allocator, const void **values, CFIndex count,
	    const CFSetCallBacks *callbacks)
{
	CFMutableSetRef made = CFSetCreateMutable(allocator, count, callbacks);

	for (CFIndex i = 0; made != NULL && i < count; i++) {
		if (values[i] != NULL && CFSetContainsValue(made, values[i]))
			continue;
		if (set(made, values[i], "CFSetCreate"))
			continue;
		CFRelease(made);
		made = NULL;
	}
	return made;
}

CFMutableSetRef
CFSetCreateMutableCopy(CFAllocatorRef allocator, CFIndex capacity, CFSetRef from)
{
	CFMutableSetRef copy = CFSetCreateMutable(allocator, capacity, &kCFTypeSetCallBacks);

	for (uint32_t i = 0; copy != NULL && i < entries(from)->count; i++) {
		if (set(copy, entries(from)->entries[i].value, "CFSetCreateMutableCopy"))
			continue;
		CFRelease(copy);
		copy = NULL;
	}
	return copy;
}

CFSetRef
CFSetCreateCopy(CFAllocatorRef allocator, CFSetRef from)
{
	return CFSetCreateMutableCopy(allocator, 0, from);
}

CFIndex
CFSetGetCount(CFSetRef self)
{
	return (CFIndex)OSDictionaryGetCount(members(self));
}

const void *
CFSetGetValue(CFSetRef self, const void *value)
{
	return value == NULL ? NULL : dictionary_get(members(self), value);
}

Boolean
CFSetContainsValue(CFSetRef self, const void *value)
{
	return CFSetGetValue(self, value) != NULL;
}

Boolean
CFSetGetValueIfPresent(CFSetRef self, const void *value, const void **member)
{
	const void *found = CFSetGetValue(self, value);

	if (found != NULL && member != NULL)
		*member = found;
	return found != NULL;
}

void
CFSetGetValues(CFSetRef self, const void **values)
{
	for (uint32_t i = 0; i < entries(self)->count; i++)
		values[i] = entries(self)->entries[i].value;
}

void
CFSetApplyFunction(CFSetRef self, CFSetApplierFunction function, void *context)
{
	for (uint32_t i = 0; i < entries(self)->count; i++)
		function(entries(self)->entries[i].value, context);
}

void
CFSetSetValue(CFMutableSetRef self, const void *value)
{
	set(self, value, "CFSetSetValue");
}

void
CFSetAddValue(CFMutableSetRef self, const void *value)
{
	if (!CFSetContainsValue(self, value))
		set(self, value, "CFSetAddValue");
}

void
CFSetReplaceValue(CFMutableSetRef self, const void *value)
{
	if (CFSetContainsValue(self, value))
		set(self, value, "CFSetReplaceValue");
}

void
CFSetRemoveValue(CFMutableSetRef self, const void *value)
{
	if (value != NULL)
		dictionary_remove(members(self), value);
}

void
CFSetRemoveAllValues(CFMutableSetRef self)
{
	dictionary_remove_all(members(self));
}
