/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparing, finding, splitting and joining strings: on their bytes, since in UTF-8 the order of
 * bytes is the order of code points and a character begins nowhere else.
 */
#include "cf_string.h"

#include <DriverKit/OSCollections.h>

#include <stdlib.h>
#include <string.h>

#include "log.h"

static char
fold(char byte, bool caseless)
{
	return caseless && byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

static int
compare(const char *one, const char *other, size_t length, bool caseless)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char a = (unsigned char)fold(one[i], caseless);
		unsigned char b = (unsigned char)fold(other[i], caseless);

		if (a != b)
			return a < b ? -1 : 1;
		if (a == '\0')
			break;
	}
	return 0;
}

CFComparisonResult
CFStringCompare(CFStringRef one, CFStringRef other, CFStringCompareFlags flags)
{
	const char *a = string_text(one, "CFStringCompare");
	const char *b = string_text(other, "CFStringCompare");

	if (flags & ~(CFStringCompareFlags)kCFCompareCaseInsensitive) {
		log_error("CFStringCompare: flags %#lx are not known", flags);
		return kCFCompareEqualTo;
	}
	if (a == NULL || b == NULL)
		return kCFCompareEqualTo;
	return compare(a, b, SIZE_MAX, flags & kCFCompareCaseInsensitive);
}

/* The byte at which it is found, or -1. */
static ptrdiff_t
find(const char *text, const char *wanted, CFStringCompareFlags flags)
{
	bool caseless = flags & kCFCompareCaseInsensitive, backwards = flags & kCFCompareBackwards;
	size_t length = strlen(text), wanted_length = strlen(wanted);
	ptrdiff_t at, last;

	if (wanted_length == 0 || wanted_length > length)
		return -1;
	last = (ptrdiff_t)(length - wanted_length);
	at = backwards ? last : 0;
	while (at >= 0 && at <= last) {
		if (compare(text + at, wanted, wanted_length, caseless) == 0)
			return at;
		if (flags & kCFCompareAnchored)
			break;
		at += backwards ? -1 : 1;
	}
	return -1;
}

CFRange
CFStringFind(CFStringRef string, CFStringRef wanted, CFStringCompareFlags flags)
{
	const CFStringCompareFlags known =
		kCFCompareCaseInsensitive | kCFCompareBackwards | kCFCompareAnchored;
	const char *text = string_text(string, "CFStringFind");
	const char *other = string_text(wanted, "CFStringFind");
	ptrdiff_t at = -1;

	if (flags & ~known)
		log_error("CFStringFind: flags %#lx are not known", flags);
	else if (text != NULL && other != NULL)
		at = find(text, other, flags);
	if (at < 0)
		return CFRangeMake(kCFNotFound, 0);
	return CFRangeMake(string_units(text, (size_t)at), string_units(other, SIZE_MAX));
}

Boolean
CFStringHasPrefix(CFStringRef string, CFStringRef prefix)
{
	const char *text = string_text(string, "CFStringHasPrefix");
	const char *other = string_text(prefix, "CFStringHasPrefix");

	return text != NULL && other != NULL && strncmp(text, other, strlen(other)) == 0;
}

Boolean
CFStringHasSuffix(CFStringRef string, CFStringRef suffix)
{
	const char *text = string_text(string, "CFStringHasSuffix");
	const char *other = string_text(suffix, "CFStringHasSuffix");

	if (text == NULL || other == NULL || strlen(other) > strlen(text))
		return false;
	return strcmp(text + strlen(text) - strlen(other), other) == 0;
}

static bool
append(CFMutableArrayRef array, const char *text, size_t length)
{
	OSString *part = OSStringCreate(text, length);
	bool done = OSArrayAppendValue((OSArray *)array, part);

	OSRelease(part);
	return done;
}

CFArrayRef
CFStringCreateArrayBySeparatingStrings(CFAllocatorRef allocator, CFStringRef string,
				       CFStringRef separator)
{
	const char *text = string_text(string, "CFStringCreateArrayBySeparatingStrings");
	const char *between = string_text(separator, "CFStringCreateArrayBySeparatingStrings");
	CFMutableArrayRef array;
	const char *found;
	bool done = true;

	if (text == NULL || between == NULL)
		return NULL;
	array = CFArrayCreateMutable(NULL, 0, &kCFTypeArrayCallBacks);
	while (array != NULL && done && *between != '\0' &&
	       (found = strstr(text, between)) != NULL) {
		done = append(array, text, (size_t)(found - text));
		text = found + strlen(between);
	}
	if (array != NULL && (!done || !append(array, text, strlen(text)))) {
		CFRelease(array);
		return NULL;
	}
	return array;
}

CFStringRef
CFStringCreateByCombiningStrings(CFAllocatorRef allocator, CFArrayRef strings,
				 CFStringRef separator)
{
	CFMutableStringRef joined = CFStringCreateMutable(allocator, 0);
	CFStringRef result;

	for (CFIndex i = 0; joined != NULL && i < CFArrayGetCount(strings); i++) {
		if (i > 0)
			CFStringAppend(joined, separator);
		CFStringAppend(joined, (CFStringRef)CFArrayGetValueAtIndex(strings, i));
	}
	result = joined == NULL ? NULL : CFStringCreateCopy(allocator, joined);
	CFRelease(joined);
	return result;
}
