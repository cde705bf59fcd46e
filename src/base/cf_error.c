/* SPDX-License-Identifier: Apache-2.0 */
/* CFError: three values that never change. */
#include "cf_error.h"

#include <CoreFoundation/CFString.h>

#include <string.h>

#include "log.h"
#include "status.h"

struct CFError_IVars {
	CFErrorDomain domain;	   /* [const] retained */
	CFIndex code;		   /* [const] */
	CFDictionaryRef user_info; /* [const] retained */
};

static void
CFError_free(OSObject *self)
{
	CFRelease(OSObjectIVars(CFError, self)->domain);
	CFRelease(OSObjectIVars(CFError, self)->user_info);
	OSObject_free_Impl(self);
}

static const OSObjectMethods object_methods = {
	.size = sizeof(OSObjectMethods),
	.free = CFError_free,
};

const OSMetaClass gCFErrorMetaClass = {
	.size = sizeof(OSMetaClass),
	.name = "CFError",
	.superclass = OSTypeID(OSObject),
	.ivars_size = sizeof(struct CFError_IVars),
	.object = &object_methods,
};

const CFErrorDomain kCFErrorDomainPOSIX = CFSTR("NSPOSIXErrorDomain");
const CFErrorDomain kCFErrorDomainOSStatus = CFSTR("NSOSStatusErrorDomain");
const CFErrorDomain kCFErrorDomainMach = CFSTR("NSMachErrorDomain");
const CFErrorDomain kCFErrorDomainCocoa = CFSTR("NSCocoaErrorDomain");
const CFStringRef kCFErrorLocalizedDescriptionKey = CFSTR("NSLocalizedDescription");
const CFStringRef kCFErrorLocalizedFailureReasonKey = CFSTR("NSLocalizedFailureReason");
const CFStringRef kCFErrorLocalizedRecoverySuggestionKey = CFSTR("NSLocalizedRecoverySuggestion");
const CFStringRef kCFErrorDescriptionKey = CFSTR("NSDescription");
const CFStringRef kCFErrorUnderlyingErrorKey = CFSTR("NSUnderlyingError");

CFTypeID
CFErrorGetTypeID(void)
{
	return (CFTypeID)OSTypeID(CFError);
}

static CFDictionaryRef
copy_info(CFDictionaryRef user_info)
{
	if (user_info != NULL)
		return CFDictionaryCreateCopy(NULL, user_info);
	return CFDictionaryCreate(NULL, NULL, NULL, 0, &kCFTypeDictionaryKeyCallBacks,
				  &kCFTypeDictionaryValueCallBacks);
}

CFErrorRef
CFErrorCreate(CFAllocatorRef allocator, CFErrorDomain domain, CFIndex code,
	      CFDictionaryRef user_info)
{
	struct CFError_IVars *ivars;
	CFError *error;

	if (domain == NULL) {
		log_error("CFErrorCreate: domain is NULL");
		return NULL;
	}
	error = object_create(CFError);
	if (error == NULL)
		return NULL;
	ivars = OSObjectIVars(CFError, error);
	ivars->domain = CFStringCreateCopy(NULL, domain);
	ivars->code = code;
	ivars->user_info = copy_info(user_info);
	if (ivars->domain == NULL || ivars->user_info == NULL)
		OSSafeReleaseNULL(error);
	return error;
}

void
error_set(CFErrorRef *ret_error, CFErrorDomain domain, CFIndex code, CFStringRef description)
{
	const void *key = kCFErrorLocalizedDescriptionKey, *value = description;
	CFDictionaryRef user_info;

	if (ret_error == NULL)
		return;
	user_info = CFDictionaryCreate(NULL, &key, &value, 1, &kCFTypeDictionaryKeyCallBacks,
				       &kCFTypeDictionaryValueCallBacks);
	*ret_error = CFErrorCreate(NULL, domain, code, user_info);
	CFRelease(user_info);
}

/* NULL with a log line if it is none. */
static const struct CFError_IVars *
ivars_of(CFErrorRef error, const char *function)
{
	if (OSDynamicCast(CFError, error) != NULL)
		return OSObjectIVars(CFError, error);
	log_error("%s: the object is no CFError", function);
	return NULL;
}

CFErrorDomain
CFErrorGetDomain(CFErrorRef error)
{
	const struct CFError_IVars *ivars = ivars_of(error, "CFErrorGetDomain");

	return ivars == NULL ? NULL : ivars->domain;
}

CFIndex
CFErrorGetCode(CFErrorRef error)
{
	const struct CFError_IVars *ivars = ivars_of(error, "CFErrorGetCode");

	return ivars == NULL ? 0 : ivars->code;
}

CFDictionaryRef
CFErrorCopyUserInfo(CFErrorRef error)
{
	const struct CFError_IVars *ivars = ivars_of(error, "CFErrorCopyUserInfo");

	return ivars == NULL ? NULL : (CFDictionaryRef)CFRetain(ivars->user_info);
}

static CFStringRef
copy_words(CFErrorRef error, CFStringRef key, const char *function)
{
	const struct CFError_IVars *ivars = ivars_of(error, function);

	return ivars == NULL ? NULL
			     : (CFStringRef)CFRetain(CFDictionaryGetValue(ivars->user_info, key));
}

CFStringRef
CFErrorCopyFailureReason(CFErrorRef error)
{
	return copy_words(error, kCFErrorLocalizedFailureReasonKey, "CFErrorCopyFailureReason");
}

CFStringRef
CFErrorCopyRecoverySuggestion(CFErrorRef error)
{
	return copy_words(error, kCFErrorLocalizedRecoverySuggestionKey,
			  "CFErrorCopyRecoverySuggestion");
}

CFStringRef
CFErrorCopyDescription(CFErrorRef error)
{
	CFStringRef words =
		copy_words(error, kCFErrorLocalizedDescriptionKey, "CFErrorCopyDescription");
	const struct CFError_IVars *ivars;
	char text[256];

	if (words != NULL || OSDynamicCast(CFError, error) == NULL)
		return words;
	ivars = OSObjectIVars(CFError, error);
	if (CFEqual(ivars->domain, kCFErrorDomainPOSIX))
		return CFStringCreateWithCString(NULL,
						 errno_text((int)ivars->code, text, sizeof(text)),
						 kCFStringEncodingUTF8);
	if (CFEqual(ivars->domain, kCFErrorDomainMach))
		return CFStringCreateWithCString(NULL, status_string((IOReturn)ivars->code),
						 kCFStringEncodingUTF8);
	return CFStringCreateWithFormat(NULL, NULL, CFSTR("The error %ld of %@."), ivars->code,
					ivars->domain);
}
