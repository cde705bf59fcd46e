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
#include <CoreFoundation/CFDictionary.h>

DEXT_BEGIN_DECLS

typedef UInt32 CFStringEncoding;

/* MacRoman and ISO Latin 1 are understood as far as they agree with ASCII. */
enum {
	kCFStringEncodingMacRoman = 0,
	kCFStringEncodingISOLatin1 = 0x0201,
	kCFStringEncodingASCII = 0x0600,
	kCFStringEncodingUTF8 = 0x08000100,
};

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
 * is_external: whether the bytes may begin with a byte order mark, which no known encoding has.
 */
CFStringRef CFStringCreateWithBytes(CFAllocatorRef allocator, const UInt8 *bytes, CFIndex length,
				    CFStringEncoding encoding, Boolean is_external);
CFStringRef CFStringCreateWithCharacters(CFAllocatorRef allocator, const UniChar *characters,
					 CFIndex count);
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
/* Borrowed, until the string changes or goes; NULL if it cannot be said in that encoding. */
const char *CFStringGetCStringPtr(CFStringRef string, CFStringEncoding encoding);
/* The number that the string begins with, after blanks; 0 if it begins with none. */
SInt32 CFStringGetIntValue(CFStringRef string);
double CFStringGetDoubleValue(CFStringRef string);

/* --- searching and comparing --- */

typedef CFOptionFlags CFStringCompareFlags;
enum {
	kCFCompareCaseInsensitive = 1, /* of ASCII letters */
	kCFCompareBackwards = 4,       /* finds the last one */
	kCFCompareAnchored = 8,	       /* at the beginning, or backwards at the end */
};

/* By code points. Flags other than kCFCompareCaseInsensitive are refused: equal, and a log line. */
CFComparisonResult CFStringCompare(CFStringRef one, CFStringRef other, CFStringCompareFlags flags);
/* {kCFNotFound, 0} if it is not there. An empty string is nowhere. */
CFRange CFStringFind(CFStringRef string, CFStringRef wanted, CFStringCompareFlags flags);
Boolean CFStringHasPrefix(CFStringRef string, CFStringRef prefix);
Boolean CFStringHasSuffix(CFStringRef string, CFStringRef suffix);
CFArrayRef CFStringCreateArrayBySeparatingStrings(CFAllocatorRef allocator, CFStringRef string,
						  CFStringRef separator);
CFStringRef CFStringCreateByCombiningStrings(CFAllocatorRef allocator, CFArrayRef strings,
					     CFStringRef separator);

/* --- strings that change --- */

/* max_length, 0: without limit. Only 0 is accepted. */
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

DEXT_END_DECLS

#endif
