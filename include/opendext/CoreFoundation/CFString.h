/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings. Lengths, indices and ranges are in UTF-16 units, as everywhere in CoreFoundation; inside
 * they are UTF-8, and hold no NUL: what would put one in is refused.
 */
#ifndef OPENDEXT_COREFOUNDATION_CFSTRING_H
#define OPENDEXT_COREFOUNDATION_CFSTRING_H

#include <stdarg.h>

#include <CoreFoundation/CFArray.h>
#include <CoreFoundation/CFBase.h>
#include <CoreFoundation/CFData.h>
#include <CoreFoundation/CFDictionary.h>

DEXT_BEGIN_DECLS

typedef UInt32 CFStringEncoding;

/* UTF-16 and UTF-32 without a suffix are in the host's order, or in that of their mark. */
#define kCFStringEncodingInvalidId ((CFStringEncoding)0xffffffffu)
enum {
	kCFStringEncodingMacRoman = 0,
	kCFStringEncodingUnicode = 0x0100,
	kCFStringEncodingUTF16 = 0x0100,
	kCFStringEncodingISOLatin1 = 0x0201,
	kCFStringEncodingASCII = 0x0600,
	kCFStringEncodingUTF8 = 0x08000100,
	kCFStringEncodingUTF32 = 0x0c000100,
	kCFStringEncodingUTF16BE = 0x10000100,
	kCFStringEncodingUTF16LE = 0x14000100,
	kCFStringEncodingUTF32BE = 0x18000100,
	kCFStringEncodingUTF32LE = 0x1c000100,
};

/* Whether strings can be made of it and turned into it. Any thread. */
Boolean CFStringIsEncodingAvailable(CFStringEncoding encoding);
/* All three: UTF-8. */
CFStringEncoding CFStringGetSystemEncoding(void);
CFStringEncoding CFStringGetFastestEncoding(CFStringRef string);
CFStringEncoding CFStringGetSmallestEncoding(CFStringRef string);

/* What CFGetTypeID gives for a string. Any thread. */
CFTypeID CFStringGetTypeID(void);

/*
 * The string of a literal in UTF-8: a constant, which may initialise a static variable. It lives
 * for ever; retaining and releasing it do nothing. Compare with CFEqual, as everywhere: two CFSTR
 * of the same text need not have the same address.
 */
#define CFSTR(literal) ((CFStringRef)(const void *)(__CFSTR_MARK literal ""))
#define __CFSTR_MARK   "\377CFSTR\001\377" /* what no object begins with */
/* The constant string of a text; for equal texts the same one. */
CFStringRef __CFStringMakeConstantString(const char *literal);

/* NULL without memory, for bytes that are not of that encoding and for an unknown encoding. */
CFStringRef CFStringCreateWithCString(CFAllocatorRef allocator, const char *cstring,
				      CFStringEncoding encoding);

/*
 * Bytes without a NUL, UTF-16 units. NULL as above, for a NUL inside, for half a surrogate pair.
 * is_external: whether the bytes may begin with a byte order mark, which is no part of the string.
 */
CFStringRef CFStringCreateWithBytes(CFAllocatorRef allocator, const UInt8 *bytes, CFIndex length,
				    CFStringEncoding encoding, Boolean is_external);
CFStringRef CFStringCreateWithCharacters(CFAllocatorRef allocator, const UniChar *characters,
					 CFIndex count);
/*
 * What is handed over is given back by CFAllocatorDeallocate once the string is made, not when it
 * goes: the string has a copy. NULL: nothing is given back.
 */
CFStringRef CFStringCreateWithCStringNoCopy(CFAllocatorRef allocator, const char *cstring,
					    CFStringEncoding encoding, CFAllocatorRef deallocator);
CFStringRef CFStringCreateWithBytesNoCopy(CFAllocatorRef allocator, const UInt8 *bytes,
					  CFIndex length, CFStringEncoding encoding,
					  Boolean is_external, CFAllocatorRef deallocator);
CFStringRef CFStringCreateWithCharactersNoCopy(CFAllocatorRef allocator, const UniChar *characters,
					       CFIndex count, CFAllocatorRef deallocator);
/* As CFStringCreateWithBytes with is_external. */
CFStringRef CFStringCreateFromExternalRepresentation(CFAllocatorRef allocator, CFDataRef data,
						     CFStringEncoding encoding);
/* Paths are UTF-8. */
CFStringRef CFStringCreateWithFileSystemRepresentation(CFAllocatorRef allocator, const char *path);
/* Of a string that cannot change, the same with one more reference. */
CFStringRef CFStringCreateCopy(CFAllocatorRef allocator, CFStringRef string);
CFStringRef CFStringCreateWithSubstring(CFAllocatorRef allocator, CFStringRef string,
					CFRange range);
/*
 * printf's conversions, and %@ for an object. options must be NULL; positions (%1$@) and %n are
 * refused: NULL. The bytes of a %s that are not UTF-8 become U+FFFD.
 */
CFStringRef CFStringCreateWithFormat(CFAllocatorRef allocator, CFDictionaryRef options,
				     CFStringRef format, ...);
CFStringRef CFStringCreateWithFormatAndArguments(CFAllocatorRef allocator, CFDictionaryRef options,
						 CFStringRef format, va_list arguments);

/* UTF-16 units, as all lengths and ranges of strings are. */
CFIndex CFStringGetLength(CFStringRef string);
/* 0 past the end. */
UniChar CFStringGetCharacterAtIndex(CFStringRef string, CFIndex index);
/* A range past the end copies nothing. */
void CFStringGetCharacters(CFStringRef string, CFRange range, UniChar *buffer);
/* Bytes that a string of that length may need in that encoding, without the NUL. */
CFIndex CFStringGetMaximumSizeForEncoding(CFIndex length, CFStringEncoding encoding);
/* False if it does not fit with its NUL, or cannot be said in that encoding. */
Boolean CFStringGetCString(CFStringRef string, char *buffer, CFIndex size,
			   CFStringEncoding encoding);
/*
 * As many whole characters of the range as fit, without a NUL; returns how many units those were.
 * What the encoding cannot say is loss_byte, or ends it if that is 0. buffer NULL: only counts;
 * used may be NULL.
 */
CFIndex CFStringGetBytes(CFStringRef string, CFRange range, CFStringEncoding encoding,
			 UInt8 loss_byte, Boolean is_external, UInt8 *buffer, CFIndex size,
			 CFIndex *used);
/*
 * Borrowed, until the string changes or goes. NULL if its bytes in that encoding are not those that
 * are there: programs fall back on CFStringGetCString.
 */
const char *CFStringGetCStringPtr(CFStringRef string, CFStringEncoding encoding);
const UniChar *CFStringGetCharactersPtr(CFStringRef string); /* always NULL: not there */
/* With a byte order mark where the encoding leaves the order open. NULL if it cannot be said. */
CFDataRef CFStringCreateExternalRepresentation(CFAllocatorRef allocator, CFStringRef string,
					       CFStringEncoding encoding, UInt8 loss_byte);
/* As CFStringGetCString with UTF-8. The size is with the NUL. */
Boolean CFStringGetFileSystemRepresentation(CFStringRef string, char *buffer, CFIndex size);
CFIndex CFStringGetMaximumSizeOfFileSystemRepresentation(CFStringRef string);
/* The number that the string begins with, after blanks; 0 if it begins with none. */
SInt32 CFStringGetIntValue(CFStringRef string);
double CFStringGetDoubleValue(CFStringRef string);

/* --- searching and comparing --- */

typedef CFOptionFlags CFStringCompareFlags;
enum {
	kCFCompareCaseInsensitive = 1, /* of ASCII letters */
	kCFCompareBackwards = 4,       /* finds the last one */
	kCFCompareAnchored = 8,	       /* at the beginning, or backwards at the end */
	kCFCompareNumerically = 64,    /* digits in a row are a number */
};

/*
 * By code points. Flags other than kCFCompareCaseInsensitive and kCFCompareNumerically are refused:
 * equal, and a log line. The range is one's.
 */
CFComparisonResult CFStringCompare(CFStringRef one, CFStringRef other, CFStringCompareFlags flags);
CFComparisonResult CFStringCompareWithOptions(CFStringRef one, CFStringRef other, CFRange range,
					      CFStringCompareFlags flags);
/* {kCFNotFound, 0} if it is not there. An empty string is nowhere. */
CFRange CFStringFind(CFStringRef string, CFStringRef wanted, CFStringCompareFlags flags);
/* In a range; result may be NULL. */
Boolean CFStringFindWithOptions(CFStringRef string, CFStringRef wanted, CFRange range,
				CFStringCompareFlags flags, CFRange *result);
Boolean CFStringHasPrefix(CFStringRef string, CFStringRef prefix);
Boolean CFStringHasSuffix(CFStringRef string, CFStringRef suffix);
CFArrayRef CFStringCreateArrayBySeparatingStrings(CFAllocatorRef allocator, CFStringRef string,
						  CFStringRef separator);
CFStringRef CFStringCreateByCombiningStrings(CFAllocatorRef allocator, CFArrayRef strings,
					     CFStringRef separator);

/* --- strings that change --- */

/* max_length is only a hint. */
CFMutableStringRef CFStringCreateMutable(CFAllocatorRef allocator, CFIndex max_length);
CFMutableStringRef CFStringCreateMutableCopy(CFAllocatorRef allocator, CFIndex max_length,
					     CFStringRef string);
/* A string that cannot change, and bad arguments, are left alone with a log line. */
void CFStringAppend(CFMutableStringRef string, CFStringRef appended);
void CFStringAppendCString(CFMutableStringRef string, const char *cstring,
			   CFStringEncoding encoding);
void CFStringAppendCharacters(CFMutableStringRef string, const UniChar *characters, CFIndex count);
void CFStringAppendFormat(CFMutableStringRef string, CFDictionaryRef options, CFStringRef format,
			  ...);
void CFStringAppendFormatAndArguments(CFMutableStringRef string, CFDictionaryRef options,
				      CFStringRef format, va_list arguments);
void CFStringInsert(CFMutableStringRef string, CFIndex index, CFStringRef inserted);
void CFStringDelete(CFMutableStringRef string, CFRange range);
void CFStringReplace(CFMutableStringRef string, CFRange range, CFStringRef replacement);
void CFStringReplaceAll(CFMutableStringRef string, CFStringRef replacement);
/* Returns how many there were in the range. */
CFIndex CFStringFindAndReplace(CFMutableStringRef string, CFStringRef wanted,
			       CFStringRef replacement, CFRange range, CFStringCompareFlags flags);
/* At both ends, as often as it is there. */
void CFStringTrim(CFMutableStringRef string, CFStringRef unwanted);
void CFStringTrimWhitespace(CFMutableStringRef string);
/* To that length: cut off at the end, or with what pad has from `first` on, again and again. */
void CFStringPad(CFMutableStringRef string, CFStringRef pad, CFIndex length, CFIndex first);
/* Of ASCII letters; locale is not used. */
void CFStringUppercase(CFMutableStringRef string, CFLocaleRef locale);
void CFStringLowercase(CFMutableStringRef string, CFLocaleRef locale);

/* --- one unit after another --- */

#define DEXT_INLINE_BUFFER_UNITS 64
typedef struct {
	UniChar buffer[DEXT_INLINE_BUFFER_UNITS]; /* those of the string from `start` to `end` */
	CFStringRef string;
	CFRange range;
	CFIndex start, end; /* in the range */
} CFStringInlineBuffer;

static inline void
CFStringInitInlineBuffer(CFStringRef string, CFStringInlineBuffer *buffer, CFRange range)
{
	buffer->string = string;
	buffer->range = range;
	buffer->start = buffer->end = 0;
}

/* 0 outside the range. */
static inline UniChar
CFStringGetCharacterFromInlineBuffer(CFStringInlineBuffer *buffer, CFIndex index)
{
	if (index < 0 || index >= buffer->range.length)
		return 0;
	if (index < buffer->start || index >= buffer->end) {
		buffer->start = index;
		buffer->end = index + DEXT_INLINE_BUFFER_UNITS;
		if (buffer->end > buffer->range.length)
			buffer->end = buffer->range.length;
		CFStringGetCharacters(
			buffer->string,
			CFRangeMake(buffer->range.location + index, buffer->end - index),
			buffer->buffer);
	}
	return buffer->buffer[index - buffer->start];
}

/* The string and its length on standard error. */
void CFShowStr(CFStringRef string);

DEXT_END_DECLS

#endif
