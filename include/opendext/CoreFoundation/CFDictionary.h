/* SPDX-License-Identifier: Apache-2.0 */
/* Dictionaries from strings to CoreFoundation objects. */
#ifndef OPENDEXT_COREFOUNDATION_CFDICTIONARY_H
#define OPENDEXT_COREFOUNDATION_CFDICTIONARY_H

#include <CoreFoundation/CFBase.h>

DEXT_BEGIN_DECLS

typedef const struct __CFDictionary *CFDictionaryRef;
typedef struct __CFDictionary *CFMutableDictionaryRef;

/* How keys and values are held. Opaque: only the constants below are accepted. */
typedef struct {
	CFIndex version;
} CFDictionaryKeyCallBacks;
typedef struct {
	CFIndex version;
} CFDictionaryValueCallBacks;
extern const CFDictionaryKeyCallBacks kCFTypeDictionaryKeyCallBacks;
extern const CFDictionaryKeyCallBacks kCFCopyStringDictionaryKeyCallBacks;
extern const CFDictionaryValueCallBacks kCFTypeDictionaryValueCallBacks;

CFTypeID CFDictionaryGetTypeID(void);

/* NULL without memory and for other callbacks. Each key is a CFString. */
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

/* Add keeps what is there, Replace needs it to be there, Set does either. */
void CFDictionaryAddValue(CFMutableDictionaryRef dictionary, const void *key, const void *value);
void CFDictionarySetValue(CFMutableDictionaryRef dictionary, const void *key, const void *value);
void CFDictionaryReplaceValue(CFMutableDictionaryRef dictionary, const void *key,
			      const void *value);
void CFDictionaryRemoveValue(CFMutableDictionaryRef dictionary, const void *key);

DEXT_END_DECLS

#endif
