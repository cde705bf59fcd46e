/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CFDictionary over OSDictionary. With callbacks of an app's own, for keys or for values, those are
 * whatever the app says, NULL too.
 */
#include <CoreFoundation/CFDictionary.h>
#include <CoreFoundation/CFString.h>
#include <DriverKit/OSCollections.h>

#include <string.h>

#include "log.h"
#include "os_dictionary.h"

static const void *
copy_string(CFAllocatorRef allocator, const void *value)
{
	return CFStringCreateCopy(allocator, (CFStringRef)value);
}

const CFDictionaryKeyCallBacks kCFTypeDictionaryKeyCallBacks = {
	.retain = element_retain_object,
	.release = element_release_object,
	.copyDescription = CFCopyDescription,
	.equal = CFEqual,
	.hash = CFHash,
};
const CFDictionaryKeyCallBacks kCFCopyStringDictionaryKeyCallBacks = {
	.retain = copy_string,
	.release = element_release_object,
	.copyDescription = CFCopyDescription,
	.equal = CFEqual,
	.hash = CFHash,
};
const CFDictionaryValueCallBacks kCFTypeDictionaryValueCallBacks = {
	.retain = element_retain_object,
	.release = element_release_object,
	.copyDescription = CFCopyDescription,
	.equal = CFEqual,
};

CFTypeID
CFDictionaryGetTypeID(void)
{
	return (CFTypeID)OSTypeID(OSDictionary);
}

/* NULL for callbacks: of objects. */
static CFMutableDictionaryRef
make(const struct element_callbacks *keys, const struct element_callbacks *values)
{
	OSDictionary *dictionary = OSDictionaryCreate(0);
	struct OSDictionary_IVars *ivars;

	if (dictionary == NULL)
		return NULL;
	ivars = OSObjectIVars(OSDictionary, dictionary);
	if (keys != NULL)
		ivars->key_callbacks = element_callbacks_copy(keys);
	if (values != NULL)
		ivars->value_callbacks = element_callbacks_copy(values);
	if ((ivars->key_callbacks == NULL) != (keys == NULL) ||
	    (ivars->value_callbacks == NULL) != (values == NULL))
		OSSafeReleaseNULL(dictionary);
	return (CFMutableDictionaryRef)dictionary;
}

/* Keys of both kinds are objects here, and a string that may change is always copied. */
static bool
are_objects(const CFDictionaryKeyCallBacks *callbacks)
{
	return callbacks != NULL &&
	       (memcmp(callbacks, &kCFTypeDictionaryKeyCallBacks, sizeof(*callbacks)) == 0 ||
		memcmp(callbacks, &kCFCopyStringDictionaryKeyCallBacks, sizeof(*callbacks)) == 0);
}

CFMutableDictionaryRef
CFDictionaryCreateMutable(CFAllocatorRef allocator, CFIndex capacity,
			  const CFDictionaryKeyCallBacks *key_callbacks,
			  const CFDictionaryValueCallBacks *value_callbacks)
{
	const struct element_callbacks keys = element_callbacks_of(allocator, key_callbacks, true);
	const struct element_callbacks values =
		element_callbacks_of(allocator, value_callbacks, false);
	bool values_are_objects =
		value_callbacks != NULL && memcmp(value_callbacks, &kCFTypeDictionaryValueCallBacks,
						  sizeof(*value_callbacks)) == 0;

	if (capacity < 0 || (key_callbacks != NULL && key_callbacks->version != 0) ||
	    (value_callbacks != NULL && value_callbacks->version != 0)) {
		log_error("CFDictionaryCreate: capacity %ld is negative, or callbacks have another "
			  "version than 0",
			  capacity);
		return NULL;
	}
	return make(are_objects(key_callbacks) ? NULL : &keys, values_are_objects ? NULL : &values);
}

/* The dictionary if it may be changed, NULL with a log line if not. */
static OSDictionary *
changing(CFMutableDictionaryRef dictionary, const char *function)
{
	OSDictionary *self = OSDynamicCast(OSDictionary, dictionary);

	if (self != NULL && !OSObjectIVars(OSDictionary, self)->fixed)
		return self;
	log_error("%s: the object is %s", function,
		  self == NULL ? "no CFDictionary" : "a dictionary that cannot be changed");
	return NULL;
}

/* False with a log line for what cannot be set. The dictionary may be changed. */
static bool
set(OSDictionary *dictionary, const void *key, const void *value, const char *function)
{
	const struct OSDictionary_IVars *ivars = OSObjectIVars(OSDictionary, dictionary);

	if (key == NULL && ivars->key_callbacks == NULL)
		log_error("%s: key is NULL", function);
	else if (value == NULL && ivars->value_callbacks == NULL)
		log_error("%s: value is NULL", function);
	else if (dictionary_set(dictionary, key, value))
		return true;
	else
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
		if (set((OSDictionary *)dictionary, keys[i], values[i], "CFDictionaryCreate"))
			continue;
		OSRelease(dictionary);
		dictionary = NULL;
	}
	if (dictionary != NULL)
		OSObjectIVars(OSDictionary, dictionary)->fixed = true;
	return dictionary;
}

CFIndex
CFDictionaryGetCount(CFDictionaryRef dictionary)
{
	return (CFIndex)OSDictionaryGetCount((const OSDictionary *)dictionary);
}

/* NULL if there is none; with a log line for what can be no key. */
static const struct dictionary_entry *
find(CFDictionaryRef dictionary, const void *key, const char *function)
{
	const OSDictionary *self = OSDynamicCast(OSDictionary, dictionary);

	if (self != NULL &&
	    (key != NULL || OSObjectIVars(OSDictionary, self)->key_callbacks != NULL))
		return dictionary_find(self, key);
	log_error("%s: %s", function,
		  self == NULL ? "the object is no CFDictionary" : "key is NULL");
	return NULL;
}

const void *
CFDictionaryGetValue(CFDictionaryRef dictionary, const void *key)
{
	const struct dictionary_entry *entry = find(dictionary, key, "CFDictionaryGetValue");

	return entry == NULL ? NULL : entry->value;
}

Boolean
CFDictionaryContainsKey(CFDictionaryRef dictionary, const void *key)
{
	return find(dictionary, key, "CFDictionaryContainsKey") != NULL;
}

CFIndex
CFDictionaryGetCountOfKey(CFDictionaryRef dictionary, const void *key)
{
	return find(dictionary, key, "CFDictionaryGetCountOfKey") != NULL ? 1 : 0;
}

Boolean
CFDictionaryGetValueIfPresent(CFDictionaryRef dictionary, const void *key, const void **value)
{
	const struct dictionary_entry *entry =
		find(dictionary, key, "CFDictionaryGetValueIfPresent");

	if (entry != NULL && value != NULL)
		*value = entry->value;
	return entry != NULL;
}

Boolean
CFDictionaryGetKeyIfPresent(CFDictionaryRef dictionary, const void *key, const void **found)
{
	const struct dictionary_entry *entry = find(dictionary, key, "CFDictionaryGetKeyIfPresent");

	if (entry != NULL && found != NULL)
		*found = entry->key;
	return entry != NULL;
}

void
CFDictionarySetValue(CFMutableDictionaryRef dictionary, const void *key, const void *value)
{
	OSDictionary *self = changing(dictionary, "CFDictionarySetValue");

	if (self != NULL)
		set(self, key, value, "CFDictionarySetValue");
}

void
CFDictionaryAddValue(CFMutableDictionaryRef dictionary, const void *key, const void *value)
{
	OSDictionary *self = changing(dictionary, "CFDictionaryAddValue");

	if (self != NULL && !CFDictionaryContainsKey(dictionary, key))
		set(self, key, value, "CFDictionaryAddValue");
}

void
CFDictionaryReplaceValue(CFMutableDictionaryRef dictionary, const void *key, const void *value)
{
	OSDictionary *self = changing(dictionary, "CFDictionaryReplaceValue");

	if (self != NULL && CFDictionaryContainsKey(dictionary, key))
		set(self, key, value, "CFDictionaryReplaceValue");
}

void
CFDictionaryRemoveValue(CFMutableDictionaryRef dictionary, const void *key)
{
	OSDictionary *self = changing(dictionary, "CFDictionaryRemoveValue");

	if (self != NULL && CFDictionaryContainsKey(dictionary, key))
		dictionary_remove(self, key);
}

void
CFDictionaryRemoveAllValues(CFMutableDictionaryRef dictionary)
{
	OSDictionary *self = changing(dictionary, "CFDictionaryRemoveAllValues");

	if (self != NULL)
		dictionary_remove_all(self);
}

CFMutableDictionaryRef
CFDictionaryCreateMutableCopy(CFAllocatorRef allocator, CFIndex capacity,
			      CFDictionaryRef dictionary)
{
	const struct OSDictionary_IVars *ivars = OSObjectIVars(OSDictionary, dictionary);
	CFMutableDictionaryRef copy = make(ivars->key_callbacks, ivars->value_callbacks);

	for (uint32_t i = 0; copy != NULL && i < ivars->count; i++) {
		if (set((OSDictionary *)copy, ivars->entries[i].key, ivars->entries[i].value,
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
	CFMutableDictionaryRef copy = CFDictionaryCreateMutableCopy(allocator, 0, dictionary);

	if (copy != NULL)
		OSObjectIVars(OSDictionary, copy)->fixed = true;
	return copy;
}

CFIndex
CFDictionaryGetCountOfValue(CFDictionaryRef dictionary, const void *value)
{
	const struct OSDictionary_IVars *ivars = OSObjectIVars(OSDictionary, dictionary);
	CFIndex count = 0;

	for (uint32_t i = 0; i < ivars->count; i++)
		count += element_equal(ivars->value_callbacks, ivars->entries[i].value, value);
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
