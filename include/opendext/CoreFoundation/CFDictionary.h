/* SPDX-License-Identifier: Apache-2.0 */
/* Dictionaries from CoreFoundation objects, mostly strings, to CoreFoundation objects. */
#ifndef OPENDEXT_COREFOUNDATION_CFDICTIONARY_H
#define OPENDEXT_COREFOUNDATION_CFDICTIONARY_H

#include <CoreFoundation/CFBase.h>

DEXT_BEGIN_DECLS

typedef const struct __CFDictionary *CFDictionaryRef;
typedef struct __CFDictionary *CFMutableDictionaryRef;

typedef const void *(*CFDictionaryRetainCallBack)(CFAllocatorRef allocator, const void *value);
typedef void (*CFDictionaryReleaseCallBack)(CFAllocatorRef allocator, const void *value);
typedef CFStringRef (*CFDictionaryCopyDescriptionCallBack)(const void *value);
typedef Boolean (*CFDictionaryEqualCallBack)(const void *one, const void *other);
typedef CFHashCode (*CFDictionaryHashCallBack)(const void *value);
typedef struct {
	CFIndex version;
	CFDictionaryRetainCallBack retain;
	CFDictionaryReleaseCallBack release;
	CFDictionaryCopyDescriptionCallBack copyDescription;
	CFDictionaryEqualCallBack equal;
	CFDictionaryHashCallBack hash;
} CFDictionaryKeyCallBacks;
typedef struct {
	CFIndex version;
	CFDictionaryRetainCallBack retain;
	CFDictionaryReleaseCallBack release;
	CFDictionaryCopyDescriptionCallBack copyDescription;
	CFDictionaryEqualCallBack equal;
} CFDictionaryValueCallBacks;
typedef void (*CFDictionaryApplierFunction)(const void *key, const void *value, void *context);
/*
 * Keys and values are CoreFoundation objects; a key that is a mutable string is copied. The only
 * ones accepted, by address or as a copy: a dictionary of anything else (NULL or an app's own
 * callbacks) is refused with a log line.
 */
extern const CFDictionaryKeyCallBacks kCFTypeDictionaryKeyCallBacks;
extern const CFDictionaryKeyCallBacks kCFCopyStringDictionaryKeyCallBacks;
extern const CFDictionaryValueCallBacks kCFTypeDictionaryValueCallBacks;

CFTypeID CFDictionaryGetTypeID(void);

/* NULL without memory and for other callbacks. */
CFDictionaryRef CFDictionaryCreate(CFAllocatorRef allocator, const void **keys, const void **values,
				   CFIndex count, const CFDictionaryKeyCallBacks *key_callbacks,
				   const CFDictionaryValueCallBacks *value_callbacks);
/* The capacity is only a hint. */
CFMutableDictionaryRef CFDictionaryCreateMutable(CFAllocatorRef allocator, CFIndex capacity,
						 const CFDictionaryKeyCallBacks *key_callbacks,
						 const CFDictionaryValueCallBacks *value_callbacks);

CFIndex CFDictionaryGetCount(CFDictionaryRef dictionary);
Boolean CFDictionaryContainsKey(CFDictionaryRef dictionary, const void *key);
/* Borrowed; NULL if there is none. */
const void *CFDictionaryGetValue(CFDictionaryRef dictionary, const void *key);
/* value may be NULL. */
Boolean CFDictionaryGetValueIfPresent(CFDictionaryRef dictionary, const void *key,
				      const void **value);

/* The same pairs; of a dictionary, not of what it holds. */
CFDictionaryRef CFDictionaryCreateCopy(CFAllocatorRef allocator, CFDictionaryRef dictionary);
CFMutableDictionaryRef CFDictionaryCreateMutableCopy(CFAllocatorRef allocator, CFIndex capacity,
						     CFDictionaryRef dictionary);
Boolean CFDictionaryContainsValue(CFDictionaryRef dictionary, const void *value);
CFIndex CFDictionaryGetCountOfValue(CFDictionaryRef dictionary, const void *value);
/* Borrowed; room for CFDictionaryGetCount each, and either may be NULL. */
void CFDictionaryGetKeysAndValues(CFDictionaryRef dictionary, const void **keys,
				  const void **values);
/* For each pair in the order of insertion. The function does not change the dictionary. */
void CFDictionaryApplyFunction(CFDictionaryRef dictionary, CFDictionaryApplierFunction function,
			       void *context);

/* Add keeps what is there, Replace needs it to be there, Set does either. */
void CFDictionaryAddValue(CFMutableDictionaryRef dictionary, const void *key, const void *value);
void CFDictionarySetValue(CFMutableDictionaryRef dictionary, const void *key, const void *value);
void CFDictionaryReplaceValue(CFMutableDictionaryRef dictionary, const void *key,
			      const void *value);
void CFDictionaryRemoveValue(CFMutableDictionaryRef dictionary, const void *key);
void CFDictionaryRemoveAllValues(CFMutableDictionaryRef dictionary);

DEXT_END_DECLS

#endif
