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

static bool
is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

/* Digits in a row are one number: "disk9" is before "disk10". */
static int
compare_numerically(const char *one, const char *other, bool caseless)
{
	while (*one != '\0' && *other != '\0') {
		unsigned long long a, b;
		char *one_end, *other_end;
		int order;

		if (!is_digit(*one) || !is_digit(*other)) {
			order = compare(one++, other++, 1, caseless);
			if (order != 0)
				return order;
			continue;
		}
		a = strtoull(one, &one_end, 10);
		b = strtoull(other, &other_end, 10);
		if (a != b)
			return a < b ? -1 : 1;
		one = one_end;
		other = other_end;
	}
	return (*one != '\0') - (*other != '\0');
}

CFComparisonResult
CFStringCompareWithOptions(CFStringRef one, CFStringRef other, CFRange range,
			   CFStringCompareFlags flags)
{
	const CFStringCompareFlags known = kCFCompareCaseInsensitive | kCFCompareNumerically;
	const char *text = string_text(one, "CFStringCompareWithOptions");
	const char *b = string_text(other, "CFStringCompareWithOptions");
	size_t start, length;
	CFComparisonResult order;
	char *a;

	if (flags & ~known) {
		log_error("CFStringCompare: flags %#lx are not known", flags);
		return kCFCompareEqualTo;
	}
	if (text == NULL || b == NULL ||
	    !string_range(text, range, "CFStringCompareWithOptions", &start, &length))
		return kCFCompareEqualTo;
	a = strndup(text + start, length);
	if (a == NULL) {
		log_error("CFStringCompare: no memory");
		return kCFCompareEqualTo;
	}
	order = flags & kCFCompareNumerically
			? compare_numerically(a, b, flags & kCFCompareCaseInsensitive)
			: compare(a, b, SIZE_MAX, flags & kCFCompareCaseInsensitive);
	free(a);
	return order;
}

CFComparisonResult
CFStringCompare(CFStringRef one, CFStringRef other, CFStringCompareFlags flags)
{
	return CFStringCompareWithOptions(one, other, CFRangeMake(0, CFStringGetLength(one)),
					  flags);
}

/* The byte at which it is found, of `length` of them, or -1. */
static ptrdiff_t
find(const char *text, size_t length, const char *wanted, CFStringCompareFlags flags)
{
	bool caseless = flags & kCFCompareCaseInsensitive, backwards = flags & kCFCompareBackwards;
	size_t wanted_length = strlen(wanted);
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

Boolean
CFStringFindWithOptions(CFStringRef string, CFStringRef wanted, CFRange range,
			CFStringCompareFlags flags, CFRange *result)
{
	const CFStringCompareFlags known =
		kCFCompareCaseInsensitive | kCFCompareBackwards | kCFCompareAnchored;
	const char *text = string_text(string, "CFStringFind");
	const char *other = string_text(wanted, "CFStringFind");
	size_t start, length;
	ptrdiff_t at = -1;

	if (flags & ~known)
		log_error("CFStringFind: flags %#lx are not known", flags);
	else if (text != NULL && other != NULL &&
		 string_range(text, range, "CFStringFind", &start, &length))
		at = find(text + start, length, other, flags);
	if (at >= 0 && result != NULL)
		*result = CFRangeMake(range.location + string_units(text + start, (size_t)at),
				      string_units(other, SIZE_MAX));
	return at >= 0;
}

CFRange
CFStringFind(CFStringRef string, CFStringRef wanted, CFStringCompareFlags flags)
{
	CFRange found = CFRangeMake(kCFNotFound, 0);

	CFStringFindWithOptions(string, wanted, CFRangeMake(0, CFStringGetLength(string)), flags,
				&found);
	return found;
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
