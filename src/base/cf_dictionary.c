/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CFDictionary over OSDictionary: keys and values are objects. Dictionaries of anything else, which
 * other callbacks would allow, are refused.
 */
#include <CoreFoundation/CFDictionary.h>
#include <CoreFoundation/CFString.h>
#include <DriverKit/OSCollections.h>

#include <string.h>

#include "cf_callbacks.h"
#include "log.h"
#include "os_dictionary.h"

static const void *
copy_string(CFAllocatorRef allocator, const void *value)
{
	return CFStringCreateCopy(allocator, (CFStringRef)value);
}

const CFDictionaryKeyCallBacks kCFTypeDictionaryKeyCallBacks = {
	.retain = callback_retain,
	.release = callback_release,
	.copyDescription = CFCopyDescription,
	.equal = CFEqual,
	.hash = CFHash,
};
const CFDictionaryKeyCallBacks kCFCopyStringDictionaryKeyCallBacks = {
	.retain = copy_string,
	.release = callback_release,
	.copyDescription = CFCopyDescription,
	.equal = CFEqual,
	.hash = CFHash,
};
const CFDictionaryValueCallBacks kCFTypeDictionaryValueCallBacks = {
	.retain = callback_retain,
	.release = callback_release,
	.copyDescription = CFCopyDescription,
	.equal = CFEqual,
};

static bool
are_ours(const CFDictionaryKeyCallBacks *keys, const CFDictionaryValueCallBacks *values)
{
	return keys != NULL && values != NULL &&
	       (memcmp(keys, &kCFTypeDictionaryKeyCallBacks, sizeof(*keys)) == 0 ||
		memcmp(keys, &kCFCopyStringDictionaryKeyCallBacks, sizeof(*keys)) == 0) &&
	       memcmp(values, &kCFTypeDictionaryValueCallBacks, sizeof(*values)) == 0;
}

CFTypeID
CFDictionaryGetTypeID(void)
{
	return (CFTypeID)OSTypeID(OSDictionary);
}

CFMutableDictionaryRef
CFDictionaryCreateMutable(CFAllocatorRef allocator, CFIndex capacity,
			  const CFDictionaryKeyCallBacks *key_callbacks,
			  const CFDictionaryValueCallBacks *value_callbacks)
{
	if (!are_ours(key_callbacks, value_callbacks)) {
		log_error("CFDictionaryCreate: callbacks must be &kCFTypeDictionaryKeyCallBacks "
			  "and &kCFTypeDictionaryValueCallBacks");
		return NULL;
	}
	if (capacity < 0) {
		log_error("CFDictionaryCreate: capacity is %ld", capacity);
		return NULL;
	}
	return (CFMutableDictionaryRef)OSDictionaryCreate(0);
}

/* False with a log line for what cannot be set. */
static bool
set(CFMutableDictionaryRef dictionary, const void *key, const void *value, const char *function)
{
	OSDictionary *self = OSDynamicCast(OSDictionary, dictionary);

	if (self == NULL || key == NULL || value == NULL) {
		log_error("%s: %s", function,
			  self == NULL	? "the object is no CFDictionary"
			  : key == NULL ? "key is NULL"
					: "value is NULL");
		return false;
	}
	if (dictionary_set(self, key, value))
		return true;
	log_error("%s: no memory", function);
	return false;
}

CFDictionaryRef
CFDictionaryCreate(CFAllocatorRef allocator, const void **keys, const void **values, CFIndex count,
		   const CFDictionaryKeyCallBacks *key_callbacks,
		   const CFDictionaryValueCallBacks *value_callbacks)
{
	CFMutableDictionaryRef dictionary =
		CFDictionaryCreateMutable(allocator, count, key_callbacks, value_callbacks);

	for (CFIndex i = 0; dictionary != NULL && i < count; i++) {
		if (set(dictionary, keys[i], values[i], "CFDictionaryCreate"))
			continue;
		OSRelease(dictionary);
		dictionary = NULL;
	}
	return dictionary;
}

CFIndex
CFDictionaryGetCount(CFDictionaryRef dictionary)
{
	return (CFIndex)OSDictionaryGetCount((const OSDictionary *)dictionary);
}

const void *
CFDictionaryGetValue(CFDictionaryRef dictionary, const void *key)
{
	const OSDictionary *self = OSDynamicCast(OSDictionary, dictionary);

	if (self == NULL || key == NULL) {
		log_error("CFDictionaryGetValue: %s",
			  self == NULL ? "the object is no CFDictionary" : "key is NULL");
		return NULL;
	}
	return dictionary_get(self, key);
}

Boolean
CFDictionaryContainsKey(CFDictionaryRef dictionary, const void *key)
{
	return CFDictionaryGetValue(dictionary, key) != NULL;
}

Boolean
CFDictionaryGetValueIfPresent(CFDictionaryRef dictionary, const void *key, const void **value)
{
	const void *found = CFDictionaryGetValue(dictionary, key);

	if (found != NULL && value != NULL)
		*value = found;
	return found != NULL;
}

void
CFDictionarySetValue(CFMutableDictionaryRef dictionary, const void *key, const void *value)
{
	set(dictionary, key, value, "CFDictionarySetValue");
}

void
CFDictionaryAddValue(CFMutableDictionaryRef dictionary, const void *key, const void *value)
{
	if (!CFDictionaryContainsKey(dictionary, key))
		set(dictionary, key, value, "CFDictionaryAddValue");
}

void
CFDictionaryReplaceValue(CFMutableDictionaryRef dictionary, const void *key, const void *value)
{
	if (CFDictionaryContainsKey(dictionary, key))
		set(dictionary, key, value, "CFDictionaryReplaceValue");
}

void
CFDictionaryRemoveValue(CFMutableDictionaryRef dictionary, const void *key)
{
	if (key == NULL)
		log_error("CFDictionaryRemoveValue: key is NULL");
	else
		dictionary_remove((OSDictionary *)dictionary, key);
}

void
CFDictionaryRemoveAllValues(CFMutableDictionaryRef dictionary)
{
	dictionary_remove_all((OSDictionary *)dictionary);
}

CFMutableDictionaryRef
CFDictionaryCreateMutableCopy(CFAllocatorRef allocator, CFIndex capacity,
			      CFDictionaryRef dictionary)
{
	const struct OSDictionary_IVars *ivars = OSObjectIVars(OSDictionary, dictionary);
	CFMutableDictionaryRef copy =
		CFDictionaryCreateMutable(allocator, capacity, &kCFTypeDictionaryKeyCallBacks,
					  &kCFTypeDictionaryValueCallBacks);

	for (uint32_t i = 0; copy != NULL && i < ivars->count; i++) {
		if (set(copy, ivars->entries[i].key, ivars->entries[i].value,
			"CFDictionaryCreateMutableCopy"))
			continue;
		CFRelease(copy);
		copy = NULL;
	}
	return copy;
}

CFDictionaryRef
CFDictionaryCreateCopy(CFAllocatorRef allocator, CFDictionaryRef dictionary)
{
	return CFDictionaryCreateMutableCopy(allocator, 0, dictionary);
}

CFIndex
CFDictionaryGetCountOfValue(CFDictionaryRef dictionary, const void *value)
{
	const struct OSDictionary_IVars *ivars = OSObjectIVars(OSDictionary, dictionary);
	CFIndex count = 0;

	for (uint32_t i = 0; i < ivars->count; i++)
		count += CFEqual(ivars->entries[i].value, value) ? 1 : 0;
	return count;
}

Boolean
CFDictionaryContainsValue(CFDictionaryRef dictionary, const void *value)
{
	return CFDictionaryGetCountOfValue(dictionary, value) > 0;
}

void
CFDictionaryGetKeysAndValues(CFDictionaryRef dictionary, const void **keys, const void **values)
{
	const struct OSDictionary_IVars *ivars = OSObjectIVars(OSDictionary, dictionary);

	for (uint32_t i = 0; i < ivars->count; i++) {
		if (keys != NULL)
			keys[i] = ivars->entries[i].key;
		if (values != NULL)
			values[i] = ivars->entries[i].value;
	}
}

void
CFDictionaryApplyFunction(CFDictionaryRef dictionary, CFDictionaryApplierFunction function,
			  void *context)
{
	const struct OSDictionary_IVars *ivars = OSObjectIVars(OSDictionary, dictionary);

	for (uint32_t i = 0; i < ivars->count; i++)
		function(ivars->entries[i].key, ivars->entries[i].value, context);
}
