/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CFMutableString: an OSString whose bytes its owner replaces. Every change is one replacement of a
 * range, in new memory, so that a failure leaves the string as it was.
 */
#include "cf_string.h"

#include <DriverKit/OSCollections.h>

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "object.h"
#include "os_string.h"

static struct OSString_IVars *
begin(CFMutableStringRef string, const char *function)
{
	if (string_text(string, function) == NULL)
		return NULL;
	if (!OSObjectIVars(OSString, string)->mutable) {
		log_error("%s: the string was not made to be changed", function);
		return NULL;
	}
	return OSObjectIVars(OSString, string);
}

static void
replace(struct OSString_IVars *ivars, size_t start, size_t length, const char *text,
	const char *function)
{
	size_t added = strlen(text), after = ivars->length - start - length;
	char *bytes = malloc(start + added + after + 1);

	if (bytes == NULL) {
		log_error("%s: no memory", function);
		return;
	}
	memcpy(bytes, ivars->bytes, start);
	memcpy(bytes + start, text, added);
	memcpy(bytes + start + added, ivars->bytes + start + length, after + 1);
	free(ivars->bytes);
	ivars->bytes = bytes;
	ivars->length = start + added + after;
}

static CFMutableStringRef
make(CFIndex max_length, const char *text, const char *function)
{
	OSString *string;

	if (max_length != 0) {
		log_error("%s: max_length is %ld, only 0 is known", function, max_length);
		return NULL;
	}
	string = OSStringCreateWithCString(text);
	if (string != NULL)
		OSObjectIVars(OSString, string)->mutable = true;
	return (CFMutableStringRef)string;
}

CFMutableStringRef
CFStringCreateMutable(CFAllocatorRef allocator, CFIndex max_length)
{
	return make(max_length, "", "CFStringCreateMutable");
}

CFMutableStringRef
CFStringCreateMutableCopy(CFAllocatorRef allocator, CFIndex max_length, CFStringRef string)
{
	const char *text = string_text(string, "CFStringCreateMutableCopy");

	return text == NULL ? NULL : make(max_length, text, "CFStringCreateMutableCopy");
}

void
CFStringAppend(CFMutableStringRef string, CFStringRef appended)
{
	struct OSString_IVars *ivars = begin(string, "CFStringAppend");
	const char *text = string_text(appended, "CFStringAppend");

	if (ivars != NULL && text != NULL)
		replace(ivars, ivars->length, 0, text, "CFStringAppend");
}

static void
append_take(CFMutableStringRef string, char *text, const char *function)
{
	struct OSString_IVars *ivars = begin(string, function);

	if (text == NULL)
		log_error("%s: nothing was appended", function);
	else if (ivars != NULL)
		replace(ivars, ivars->length, 0, text, function);
	free(text);
}

void
CFStringAppendCString(CFMutableStringRef string, const char *cstring, CFStringEncoding encoding)
{
	CFStringRef appended = CFStringCreateWithCString(NULL, cstring, encoding);

	if (appended == NULL)
		log_error("CFStringAppendCString: cstring is not of that encoding");
	else
		CFStringAppend(string, appended);
	CFRelease(appended);
}

void
CFStringAppendCharacters(CFMutableStringRef string, const UniChar *characters, CFIndex count)
{
	append_take(string, string_of_units(characters, count), "CFStringAppendCharacters");
}

void
CFStringAppendFormatAndArguments(CFMutableStringRef string, CFDictionaryRef options,
				 CFStringRef format, va_list arguments)
{
	if (options != NULL)
		log_error("CFStringAppendFormat: options must be NULL");
	else
		append_take(string, string_format(format, arguments), "CFStringAppendFormat");
}

void
CFStringAppendFormat(CFMutableStringRef string, CFDictionaryRef options, CFStringRef format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	CFStringAppendFormatAndArguments(string, options, format, arguments);
	va_end(arguments);
}

void
CFStringReplace(CFMutableStringRef string, CFRange range, CFStringRef replacement)
{
	struct OSString_IVars *ivars = begin(string, "CFStringReplace");
	const char *text = string_text(replacement, "CFStringReplace");
	size_t start, length;

	if (ivars != NULL && text != NULL &&
	    string_range(ivars->bytes, range, "CFStringReplace", &start, &length))
		replace(ivars, start, length, text, "CFStringReplace");
}

void
CFStringInsert(CFMutableStringRef string, CFIndex index, CFStringRef inserted)
{
	CFStringReplace(string, CFRangeMake(index, 0), inserted);
}

void
CFStringDelete(CFMutableStringRef string, CFRange range)
{
	CFStringReplace(string, range, CFSTR(""));
}

void
CFStringReplaceAll(CFMutableStringRef string, CFStringRef replacement)
{
	struct OSString_IVars *ivars = begin(string, "CFStringReplaceAll");
	const char *text = string_text(replacement, "CFStringReplaceAll");

	if (ivars != NULL && text != NULL)
		replace(ivars, 0, ivars->length, text, "CFStringReplaceAll");
}
