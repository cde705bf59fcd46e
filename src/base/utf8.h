/* SPDX-License-Identifier: Apache-2.0 */
/* Code points of NUL-terminated UTF-8 that may be malformed. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_REPLACEMENT UINT32_C(0xfffd)

/* The bytes of a well-formed sequence at the start of `text`; 0: it is none. */
size_t utf8_sequence(const char *text);
bool utf8_is_valid(const char *text);
/* The code point at *at, not at its NUL; moves past it. A byte of no sequence is U+FFFD. */
uint32_t utf8_next(const char **at);
/* Bytes of the code point, at most 4; 0 for what is none. */
size_t utf8_put(uint32_t code, char *ret_bytes);
/* How many UTF-16 units a code point takes. */
static inline unsigned
utf8_units(uint32_t code)
{
	return code >= 0x10000 ? 2 : 1;
}

#endif
