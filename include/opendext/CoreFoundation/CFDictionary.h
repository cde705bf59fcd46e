/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dictionaries from CoreFoundation objects, mostly strings, to CoreFoundation objects; or of
 * whatever an app says by its callbacks.
 */
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
 * For keys and values that are CoreFoundation objects, which are not NULL; a key that is a mutable
 * string is copied, with both. NULL for callbacks, of keys, of values or of both, or NULL functions
 * in them: they are any pointers, NULL too, which are neither retained nor released; equal if they
 * are the same, and hashed by address. Functions of the app's own are called with the dictionary's
 * allocator; what retain returns is what is kept. hash is called once for a key that is put in or
 * looked for; equal keys have equal hashes.
 */
extern const CFDictionaryKeyCallBacks kCFTypeDictionaryKeyCallBacks;
extern const CFDictionaryKeyCallBacks kCFCopyStringDictionaryKeyCallBacks;
extern const CFDictionaryValueCallBacks kCFTypeDictionaryValueCallBacks;

/* What CFGetTypeID gives for a dictionary. Any thread. */
CFTypeID CFDictionaryGetTypeID(void);

/*
 * NULL without memory, for callbacks of another version than 0, and for NULL among objects. A
 * dictionary that CFDictionaryCreate or CFDictionaryCreateCopy made cannot be changed: what tries
 * to does nothing but a log line.
 */
CFDictionaryRef CFDictionaryCreate(CFAllocatorRef allocator, const void **keys, const void **values,
				   CFIndex count, const CFDictionaryKeyCallBacks *key_callbacks,
				   const CFDictionaryValueCallBacks *value_callbacks);
/* The capacity is only a hint. */
CFMutableDictionaryRef CFDictionaryCreateMutable(CFAllocatorRef allocator, CFIndex capacity,
						 const CFDictionaryKeyCallBacks *key_callbacks,
						 const CFDictionaryValueCallBacks *value_callbacks);

/* Pairs in it. */
CFIndex CFDictionaryGetCount(CFDictionaryRef dictionary);
/* Whether there is a pair with this key; keys are equal as the callbacks say. */
Boolean CFDictionaryContainsKey(CFDictionaryRef dictionary, const void *key);
/* Borrowed; NULL if there is none. */
const void *CFDictionaryGetValue(CFDictionaryRef dictionary, const void *key);
/* value may be NULL. */
Boolean CFDictionaryGetValueIfPresent(CFDictionaryRef dictionary, const void *key,
				      const void **value);

/* 1 or 0: keys are there once. */
CFIndex CFDictionaryGetCountOfKey(CFDictionaryRef dictionary, const void *key);
/* The key as it is in the dictionary; found may be NULL. */
Boolean CFDictionaryGetKeyIfPresent(CFDictionaryRef dictionary, const void *key,
				    const void **found);

/* The same pairs with the same callbacks; of a dictionary, not of what it holds. */
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
