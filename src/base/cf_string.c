/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CFString over OSString: making and reading. What an app creates is checked to be UTF-8; a string
 * that came from elsewhere may hold any bytes, of which those of no sequence count as U+FFFD.
 */
#include "cf_string.h"

#include <DriverKit/OSCollections.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "os_string.h"
#include "utf8.h"

CFTypeID
CFStringGetTypeID(void)
{
	return (CFTypeID)OSTypeID(OSString);
}

const char *
string_text(CFStringRef string, const char *function)
{
	const OSString *self = OSDynamicCast(OSString, string);

	if (self == NULL)
		log_error("%s: the object is no CFString", function);
	return OSStringGetCStringPtr(self);
}

ptrdiff_t
string_offset(const char *text, CFIndex index)
{
	const char *at = text;

	while (index > 0 && *at != '\0')
		index -= utf8_units(utf8_next(&at));
	return index == 0 ? at - text : -1;
}

CFIndex
string_units(const char *text, size_t length)
{
	const char *at = text;
	CFIndex units = 0;

	while ((size_t)(at - text) < length && *at != '\0')
		units += utf8_units(utf8_next(&at));
	return units;
}

bool
string_range(const char *text, CFRange range, const char *function, size_t *ret_start,
	     size_t *ret_length)
{
	ptrdiff_t start = range.location < 0 ? -1 : string_offset(text, range.location);
	ptrdiff_t length =
		start < 0 || range.length < 0 ? -1 : string_offset(text + start, range.length);

	if (length < 0) {
		log_error("%s: %ld units at %ld are not in the string, or cut a pair", function,
			  range.length, range.location);
		return false;
	}
	*ret_start = (size_t)start;
	*ret_length = (size_t)length;
	return true;
}

char *
string_of_units(const UniChar *characters, CFIndex count)
{
	char *bytes, *at;
	size_t length;

	if (count < 0 || count > INT32_MAX || (characters == NULL && count > 0))
		return NULL;
	bytes = at = malloc((size_t)count * 3 + 1);
	for (CFIndex i = 0; bytes != NULL && i < count; i++, at += length) {
		uint32_t code = characters[i];

		if (code >= 0xd800 && code < 0xdc00 && i + 1 < count &&
		    (characters[i + 1] & 0xfc00) == 0xdc00)
			code = 0x10000 + ((code & 0x3ff) << 10 | (characters[++i] & 0x3ff));
		length = code == 0 ? 0 : utf8_put(code, at);
		if (length == 0) {
			free(bytes);
			return NULL;
		}
	}
	if (bytes != NULL)
		*at = '\0';
	return bytes;
}

/* --- making --- */

CFStringRef
string_make_take(char *bytes)
{
	OSString *string = OSStringCreateWithCString(bytes);

	free(bytes);
	return (CFStringRef)string;
}

CFStringRef
CFStringCreateWithCharacters(CFAllocatorRef allocator, const UniChar *characters, CFIndex count)
{
	char *bytes = string_of_units(characters, count);

	if (bytes == NULL)
		log_error("CFStringCreateWithCharacters: characters: no UTF-16 without NUL");
	return string_make_take(bytes);
}

CFStringRef
CFStringCreateCopy(CFAllocatorRef allocator, CFStringRef string)
{
	const char *text = string_text(string, "CFStringCreateCopy");

	if (text == NULL)
		return NULL;
	if (OSObjectIVars(OSString, string)->mutable)
		return (CFStringRef)OSStringCreateWithCString(text);
	return (CFStringRef)CFRetain(string);
}

CFStringRef
CFStringCreateWithSubstring(CFAllocatorRef allocator, CFStringRef string, CFRange range)
{
	const char *text = string_text(string, "CFStringCreateWithSubstring");
	size_t start, length;

	if (text == NULL ||
	    !string_range(text, range, "CFStringCreateWithSubstring", &start, &length))
		return NULL;
	return (CFStringRef)OSStringCreate(text + start, length);
}

CFStringRef
CFStringCreateWithFormatAndArguments(CFAllocatorRef allocator, CFDictionaryRef options,
				     CFStringRef format, va_list arguments)
{
	if (options != NULL) {
		log_error("CFStringCreateWithFormat: options must be NULL");
		return NULL;
	}
	return string_make_take(string_format(format, arguments));
}

CFStringRef
CFStringCreateWithFormat(CFAllocatorRef allocator, CFDictionaryRef options, CFStringRef format, ...)
{
	CFStringRef string;
	va_list arguments;

	va_start(arguments, format);
	string = CFStringCreateWithFormatAndArguments(allocator, options, format, arguments);
	va_end(arguments);
	return string;
}

/* --- reading --- */

CFIndex
CFStringGetLength(CFStringRef string)
{
	const char *text = string_text(string, "CFStringGetLength");

	return text == NULL ? 0 : string_units(text, SIZE_MAX);
}

void
CFStringGetCharacters(CFStringRef string, CFRange range, UniChar *buffer)
{
	const char *at = string_text(string, "CFStringGetCharacters");
	CFIndex unit = 0, end = range.location + range.length;

	if (at == NULL || buffer == NULL || range.location < 0 || range.length < 0 ||
	    range.length > LONG_MAX - range.location || end > string_units(at, SIZE_MAX)) {
		log_error("CFStringGetCharacters: buffer is NULL, or range is past the end");
		return;
	}
	while (unit < end) { /* which may begin and end inside a pair */
		uint32_t code = utf8_next(&at);

		if (utf8_units(code) == 2) {
			code -= 0x10000;
			if (unit >= range.location)
				*buffer++ = (UniChar)(0xd800 | code >> 10);
			code = 0xdc00 | (code & 0x3ff);
			unit++;
		}
		if (unit >= range.location && unit < end)
			*buffer++ = (UniChar)code;
		unit++;
	}
}

UniChar
CFStringGetCharacterAtIndex(CFStringRef string, CFIndex index)
{
	UniChar unit = 0;

	CFStringGetCharacters(string, CFRangeMake(index, 1), &unit);
	return unit;
}

SInt32
CFStringGetIntValue(CFStringRef string)
{
	const char *text = string_text(string, "CFStringGetIntValue");
	long long value = text == NULL ? 0 : strtoll(text, NULL, 10);

	return value > INT32_MAX ? INT32_MAX : value < INT32_MIN ? INT32_MIN : (SInt32)value;
}

double
CFStringGetDoubleValue(CFStringRef string)
{
	const char *text = string_text(string, "CFStringGetDoubleValue");

	return text == NULL ? 0 : strtod(text, NULL);
}
