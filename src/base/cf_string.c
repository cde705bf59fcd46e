/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CFString over OSString. What an app creates is checked to be UTF-8; a string that came from
 * elsewhere may hold any bytes, so nothing here counts on it.
 */
#include <CoreFoundation/CFString.h>
#include <DriverKit/OSCollections.h>

#include <string.h>

#include "log.h"

CFTypeID
CFStringGetTypeID(void)
{
	return (CFTypeID)OSTypeID(OSString);
}

/* --- encodings --- */

static bool
is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text >= 0x80)
			return false;
	return true;
}

/* The bytes of a well-formed UTF-8 sequence at the start of `text`; 0: it is none. */
static size_t
sequence_length(const unsigned char *text)
{
	uint32_t code;
	size_t length;

	if (text[0] < 0x80)
		return 1;
	if (text[0] < 0xc2 || text[0] > 0xf4)
		return 0;
	length = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
	code = text[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) { /* the NUL ends this as well */
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3fu);
	}
	if (length == 3 && (code < 0x800 || (code >= 0xd800 && code < 0xe000)))
		return 0;
	if (length == 4 && (code < 0x10000 || code > 0x10ffff))
		return 0;
	return length;
}

static bool
is_utf8(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t length;

	for (; *at != '\0'; at += length) {
		length = sequence_length(at);
		if (length == 0)
			return false;
	}
	return true;
}

/* Whether the bytes mean the same in that encoding as in UTF-8. */
static bool
is_sayable(const char *text, CFStringEncoding encoding)
{
	switch (encoding) {
	case kCFStringEncodingUTF8:
		return is_utf8(text);
	case kCFStringEncodingASCII:
	case kCFStringEncodingMacRoman:
	case kCFStringEncodingISOLatin1:
		return is_ascii(text);
	default:
		log_error("CFString: encoding %#x is not known", encoding);
		return false;
	}
}

/* --- strings --- */

CFStringRef
CFStringCreateWithCString(CFAllocatorRef allocator, const char *cstring, CFStringEncoding encoding)
{
	if (cstring == NULL) {
		log_error("CFStringCreateWithCString: cstring is NULL");
		return NULL;
	}
	if (!is_sayable(cstring, encoding))
		return NULL;
	return (CFStringRef)OSStringCreateWithCString(cstring);
}

CFIndex
CFStringGetLength(CFStringRef string)
{
	const unsigned char *at =
		(const unsigned char *)OSStringGetCStringPtr((const OSString *)string);
	CFIndex units = 0;

	/* A sequence is one unit, but two if it takes four bytes. */
	for (; at != NULL && *at != '\0'; at++)
		units += (*at & 0xc0) == 0x80 ? 0 : *at >= 0xf0 ? 2 : 1;
	return units;
}

CFIndex
CFStringGetMaximumSizeForEncoding(CFIndex length, CFStringEncoding encoding)
{
	if (length < 0 || length > INTPTR_MAX / 3)
		return -1;
	return encoding == kCFStringEncodingUTF8 ? length * 3 : length;
}

Boolean
CFStringGetCString(CFStringRef string, char *buffer, CFIndex size, CFStringEncoding encoding)
{
	const char *text = CFStringGetCStringPtr(string, encoding);
	size_t length = OSStringGetLength((const OSString *)string);

	if (text == NULL || buffer == NULL || size <= 0 || length >= (size_t)size)
		return false;
	memcpy(buffer, text, length + 1);
	return true;
}

const char *
CFStringGetCStringPtr(CFStringRef string, CFStringEncoding encoding)
{
	const char *text = OSStringGetCStringPtr((const OSString *)string);

	return text != NULL && is_sayable(text, encoding) ? text : NULL;
}
