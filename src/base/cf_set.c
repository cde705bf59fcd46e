/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CFSet over OSSet. An object is found by a key that cannot change; what is given out is the member
 * itself. With callbacks of an app's own a member is whatever the app says, NULL too.
 */
#include <CoreFoundation/CFSet.h>

#include <string.h>

#include "log.h"
#include "os_dictionary.h"
#include "os_set.h"

const CFSetCallBacks kCFTypeSetCallBacks = {
	.retain = element_retain_object,
	.release = element_release_object,
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
	return set_entries((const OSSet *)set);
}

static const void *
member(CFSetRef set, const struct dictionary_entry *entry)
{
	return set_member((const OSSet *)set, entry);
}

CFMutableSetRef
CFSetCreateMutable(CFAllocatorRef allocator, CFIndex capacity, const CFSetCallBacks *callbacks)
{
	const struct element_callbacks own = element_callbacks_of(allocator, callbacks, true);

	if (capacity < 0 || (callbacks != NULL && callbacks->version != 0)) {
		log_error("CFSetCreate: capacity %ld is negative, or callbacks have another "
			  "version than 0",
			  capacity);
		return NULL;
	}
	if (callbacks != NULL && memcmp(callbacks, &kCFTypeSetCallBacks, sizeof(*callbacks)) == 0)
		return (CFMutableSetRef)set_create(NULL);
	return (CFMutableSetRef)set_create(&own);
}

/* False with a log line if the set may not be changed. */
static bool
may_change(CFMutableSetRef set, const char *function)
{
	OSSet *self = OSDynamicCast(OSSet, set);

	if (self != NULL && !set_entries(self)->fixed)
		return true;
	log_error("%s: the object is %s", function,
		  self == NULL ? "no CFSet" : "a set that cannot be changed");
	return false;
}

static bool
may_hold(CFSetRef set, const void *value)
{
	return value != NULL || entries(set)->key_callbacks != NULL;
}

/* In the place of a member that is equal, if there is one. The set may be changed. */
static bool
set(CFMutableSetRef self, const void *value, const char *function)
{
	const struct dictionary_entry *there;
	bool done = false;

	if (entries(self)->key_callbacks == NULL) {
		done = value != NULL && dictionary_set(members(self), value, value);
	} else { /* the key is the member */
		there = dictionary_find(members(self), value);
		if (there != NULL && there->key == value)
			return true;
		if (there != NULL)
			dictionary_remove(members(self), value);
		done = dictionary_set(members(self), value, NULL);
	}
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
		if (CFSetContainsValue(made, values[i]) || set(made, values[i], "CFSetCreate"))
			continue;
		CFRelease(made);
		made = NULL;
	}
	if (made != NULL)
		OSObjectIVars(OSDictionary, members(made))->fixed = true;
	return made;
}

CFMutableSetRef
CFSetCreateMutableCopy(CFAllocatorRef allocator, CFIndex capacity, CFSetRef from)
{
	CFMutableSetRef copy = (CFMutableSetRef)set_create(entries(from)->key_callbacks);

	for (uint32_t i = 0; copy != NULL && i < entries(from)->count; i++) {
		if (set(copy, member(from, &entries(from)->entries[i]), "CFSetCreateMutableCopy"))
			continue;
		CFRelease(copy);
		copy = NULL;
	}
	return copy;
}

CFSetRef
CFSetCreateCopy(CFAllocatorRef allocator, CFSetRef from)
{
	CFMutableSetRef copy = CFSetCreateMutableCopy(allocator, 0, from);

	if (copy != NULL)
		OSObjectIVars(OSDictionary, members(copy))->fixed = true;
	return copy;
}

CFIndex
CFSetGetCount(CFSetRef self)
{
	return (CFIndex)OSDictionaryGetCount(members(self));
}

Boolean
CFSetGetValueIfPresent(CFSetRef self, const void *value, const void **found)
{
	const struct dictionary_entry *entry =
		may_hold(self, value) ? dictionary_find(members(self), value) : NULL;

	if (entry != NULL && found != NULL)
		*found = member(self, entry);
	return entry != NULL;
}

const void *
CFSetGetValue(CFSetRef self, const void *value)
{
	const void *found = NULL;

	CFSetGetValueIfPresent(self, value, &found);
	return found;
}

Boolean
CFSetContainsValue(CFSetRef self, const void *value)
{
	return CFSetGetValueIfPresent(self, value, NULL);
}

CFIndex
CFSetGetCountOfValue(CFSetRef self, const void *value)
{
	return CFSetContainsValue(self, value) ? 1 : 0;
}

void
CFSetGetValues(CFSetRef self, const void **values)
{
	for (uint32_t i = 0; i < entries(self)->count; i++)
		values[i] = member(self, &entries(self)->entries[i]);
}

void
CFSetApplyFunction(CFSetRef self, CFSetApplierFunction function, void *context)
{
	for (uint32_t i = 0; i < entries(self)->count; i++)
		function(member(self, &entries(self)->entries[i]), context);
}

void
CFSetSetValue(CFMutableSetRef self, const void *value)
{
	if (may_change(self, "CFSetSetValue"))
		set(self, value, "CFSetSetValue");
}

void
CFSetAddValue(CFMutableSetRef self, const void *value)
{
	if (may_change(self, "CFSetAddValue") && !CFSetContainsValue(self, value))
		set(self, value, "CFSetAddValue");
}

void
CFSetReplaceValue(CFMutableSetRef self, const void *value)
{
	if (may_change(self, "CFSetReplaceValue") && CFSetContainsValue(self, value))
		set(self, value, "CFSetReplaceValue");
}

void
CFSetRemoveValue(CFMutableSetRef self, const void *value)
{
	if (may_change(self, "CFSetRemoveValue") && may_hold(self, value))
		dictionary_remove(members(self), value);
}

void
CFSetRemoveAllValues(CFMutableSetRef self)
{
	if (may_change(self, "CFSetRemoveAllValues"))
		dictionary_remove_all(members(self));
}
