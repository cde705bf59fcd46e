/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of CFString share. */
#ifndef BASE_CF_STRING_H
#define BASE_CF_STRING_H

#include <CoreFoundation/CFString.h>
#include <stdio.h>

/* The bytes, borrowed; NULL with a log line if the object is no string. */
const char *string_text(CFStringRef string, const char *function);
/* The byte at which the unit `index` begins; -1: past the end, or inside a pair. */
ptrdiff_t string_offset(const char *text, CFIndex index);
/* A range of units as a range of bytes. False with a log line if it is none of the string's. */
bool string_range(const char *text, CFRange range, const char *function, size_t *ret_start,
		  size_t *ret_length);
CFIndex string_units(const char *text, size_t length);
/* The bytes, malloced, of a format with its arguments; NULL: bad format or no memory, logged. */
char *string_format(CFStringRef format, va_list arguments);
/* UTF-16 as UTF-8, malloced. NULL: half a pair, a NUL, a negative count or no memory. */
char *string_of_units(const UniChar *characters, CFIndex count);
/* Of malloced bytes, which it frees; NULL is NULL. */
CFStringRef string_make_take(char *bytes);
/* The object as %@ says it. */
void description_write(FILE *stream, CFTypeRef object);

#endif
