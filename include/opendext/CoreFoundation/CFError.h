/* SPDX-License-Identifier: Apache-2.0 */
/* Errors as objects: a domain, a code in it, and words for people. */
#ifndef OPENDEXT_COREFOUNDATION_CFERROR_H
#define OPENDEXT_COREFOUNDATION_CFERROR_H

#include <CoreFoundation/CFBase.h>
#include <CoreFoundation/CFDictionary.h>

DEXT_BEGIN_DECLS

typedef struct __CFError *CFErrorRef;
typedef CFStringRef CFErrorDomain;

extern const CFErrorDomain kCFErrorDomainPOSIX; /* codes are errno's */
extern const CFErrorDomain kCFErrorDomainOSStatus;
extern const CFErrorDomain kCFErrorDomainMach;	/* codes are kern_return_t's */
extern const CFErrorDomain kCFErrorDomainCocoa; /* property lists: 3840 reading, 3851 writing */

/* Keys of the user info, whose values are strings. */
extern const CFStringRef kCFErrorLocalizedDescriptionKey;
extern const CFStringRef kCFErrorLocalizedFailureReasonKey;
extern const CFStringRef kCFErrorLocalizedRecoverySuggestionKey;
extern const CFStringRef kCFErrorDescriptionKey;
extern const CFStringRef kCFErrorUnderlyingErrorKey; /* a CFError */

/* What CFGetTypeID gives for an error. Any thread. */
CFTypeID CFErrorGetTypeID(void);
/* Copies user_info, which may be NULL. NULL without memory or without a domain. */
CFErrorRef CFErrorCreate(CFAllocatorRef allocator, CFErrorDomain domain, CFIndex code,
			 CFDictionaryRef user_info);
CFErrorDomain CFErrorGetDomain(CFErrorRef error); /* borrowed */
CFIndex CFErrorGetCode(CFErrorRef error);
/* Never NULL but without memory: empty if there is none. */
CFDictionaryRef CFErrorCopyUserInfo(CFErrorRef error);
/* What its user info says, else the words of its code. */
CFStringRef CFErrorCopyDescription(CFErrorRef error);
/* NULL if its user info has none. */
CFStringRef CFErrorCopyFailureReason(CFErrorRef error);
CFStringRef CFErrorCopyRecoverySuggestion(CFErrorRef error);

DEXT_END_DECLS

#endif
