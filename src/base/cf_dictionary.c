/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CFDictionary over OSDictionary: keys are strings. Dictionaries of anything else, which other
 * callbacks would allow, are refused.
 */
#include <CoreFoundation/CFDictionary.h>
#include <DriverKit/OSCollections.h>

#include "log.h"

const CFDictionaryKeyCallBacks kCFTypeDictionaryKeyCallBacks = {0};
const CFDictionaryKeyCallBacks kCFCopyStringDictionaryKeyCallBacks = {0};
const CFDictionaryValueCallBacks kCFTypeDictionaryValueCallBacks = {0};

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
	if ((key_callbacks != &kCFTypeDictionaryKeyCallBacks &&
	     key_callbacks != &kCFCopyStringDictionaryKeyCallBacks) ||
	    value_callbacks != &kCFTypeDictionaryValueCallBacks) {
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

/* The text of a key; NULL with a log line if it is no string. */
static const char *
text_of(const void *key, const char *function)
{
	const OSString *string = OSDynamicCast(OSString, key);

	if (string == NULL)
		log_error("%s: the key is no CFString", function);
	return OSStringGetCStringPtr(string);
}

static bool
set(CFMutableDictionaryRef dictionary, const void *key, const void *value, const char *function)
{
	const char *text = text_of(key, function);

	if (text == NULL)
		return false;
	if (OSDictionarySetValue((OSDictionary *)dictionary, text, value))
		return true;
	log_error("%s: \"%s\" was not set", function, text);
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
	const char *text = text_of(key, "CFDictionaryGetValue");

	return text == NULL ? NULL : OSDictionaryGetValue((const OSDictionary *)dictionary, text);
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
	const char *text = text_of(key, "CFDictionaryRemoveValue");

	if (text != NULL)
		OSDictionaryRemoveValue((OSDictionary *)dictionary, text);
}
