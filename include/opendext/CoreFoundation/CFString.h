/* SPDX-License-Identifier: Apache-2.0 */
/* Strings: immutable, UTF-8 inside. */
#ifndef OPENDEXT_COREFOUNDATION_CFSTRING_H
#define OPENDEXT_COREFOUNDATION_CFSTRING_H

#include <CoreFoundation/CFBase.h>

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

/* In UTF-16 units, as everywhere in CoreFoundation. */
CFIndex CFStringGetLength(CFStringRef string);
/* Bytes that a string of that length may need in that encoding, without the NUL. */
CFIndex CFStringGetMaximumSizeForEncoding(CFIndex length, CFStringEncoding encoding);
/* False if it does not fit with its NUL, or cannot be said in that encoding. */
Boolean CFStringGetCString(CFStringRef string, char *buffer, CFIndex size,
			   CFStringEncoding encoding);
/* Borrowed, lives as long as the string; NULL if it cannot be said in that encoding. */
const char *CFStringGetCStringPtr(CFStringRef string, CFStringEncoding encoding);

DEXT_END_DECLS

#endif
