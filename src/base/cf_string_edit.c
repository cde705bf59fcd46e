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

	if (max_length < 0) {
		log_error("%s: max_length is %ld", function, max_length);
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

CFIndex
CFStringFindAndReplace(CFMutableStringRef string, CFStringRef wanted, CFStringRef replacement,
		       CFRange range, CFStringCompareFlags flags)
{
	bool backwards = flags & kCFCompareBackwards;
	CFIndex count = 0, added = CFStringGetLength(replacement);
	CFRange found;

	if (begin(string, "CFStringFindAndReplace") == NULL)
		return 0;
	while (CFStringFindWithOptions(string, wanted, range, flags, &found)) {
		CFIndex end = range.location + range.length;

		CFStringReplace(string, found, replacement);
		count++;
		if (flags & kCFCompareAnchored)
			break;
		range = backwards ? CFRangeMake(range.location, found.location - range.location)
				  : CFRangeMake(found.location + added,
						end - found.location - found.length);
	}
	return count;
}

static void
trim(CFMutableStringRef string, const char *unwanted, const char *function)
{
	struct OSString_IVars *ivars = begin(string, function);
	size_t length = strlen(unwanted);

	if (ivars == NULL || length == 0)
		return;
	while (strncmp(ivars->bytes, unwanted, length) == 0)
		replace(ivars, 0, length, "", function);
	while (ivars->length >= length &&
	       strcmp(ivars->bytes + ivars->length - length, unwanted) == 0)
		replace(ivars, ivars->length - length, length, "", function);
}

void
CFStringTrim(CFMutableStringRef string, CFStringRef unwanted)
{
	const char *text = string_text(unwanted, "CFStringTrim");

	if (text != NULL)
		trim(string, text, "CFStringTrim");
}

void
CFStringTrimWhitespace(CFMutableStringRef string)
{
	static const char blanks[] = " \t\n\v\f\r";
	struct OSString_IVars *ivars = begin(string, "CFStringTrimWhitespace");
	size_t end;

	if (ivars == NULL)
		return;
	for (end = ivars->length; end > 0 && strchr(blanks, ivars->bytes[end - 1]) != NULL; end--)
		;
	replace(ivars, end, ivars->length - end, "", "CFStringTrimWhitespace");
	replace(ivars, 0, strspn(ivars->bytes, blanks), "", "CFStringTrimWhitespace");
}

void
CFStringPad(CFMutableStringRef string, CFStringRef pad, CFIndex length, CFIndex first)
{
	CFIndex has = CFStringGetLength(string), count = CFStringGetLength(pad);

	if (begin(string, "CFStringPad") == NULL)
		return;
	if (length < has) {
		CFStringDelete(string, CFRangeMake(length < 0 ? 0 : length,
						   has - (length < 0 ? 0 : length)));
		return;
	}
	if (count == 0 || first < 0) {
		log_error("CFStringPad: pad is empty, or first is %ld", first);
		return;
	}
	for (CFIndex at = first % count; has < length; has++, at = (at + 1) % count) {
		UniChar unit = CFStringGetCharacterAtIndex(pad, at);

		CFStringAppendCharacters(string, &unit, 1);
	}
}

static void
change_case(CFMutableStringRef string, char from, char to, const char *function)
{
	struct OSString_IVars *ivars = begin(string, function);

	for (size_t i = 0; ivars != NULL && i < ivars->length; i++)
		if (ivars->bytes[i] >= from && ivars->bytes[i] <= from + 25)
			ivars->bytes[i] = (char)(ivars->bytes[i] - from + to);
}

void
CFStringUppercase(CFMutableStringRef string, CFLocaleRef locale)
{
	change_case(string, 'a', 'A', "CFStringUppercase");
}

void
CFStringLowercase(CFMutableStringRef string, CFLocaleRef locale)
{
	change_case(string, 'A', 'a', "CFStringLowercase");
}
