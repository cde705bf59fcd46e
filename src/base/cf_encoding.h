/* SPDX-License-Identifier: Apache-2.0 */
/* Code points in the encodings that CFString knows. UTF-16 and UTF-32 without a suffix: the host's
 * order. */
#ifndef BASE_CF_ENCODING_H
#define BASE_CF_ENCODING_H

#include <CoreFoundation/CFString.h>

#define ENCODING_BYTES_MAX 4

bool encoding_is_known(CFStringEncoding encoding);
/* Bytes that a UTF-16 unit may need. */
unsigned encoding_most(CFStringEncoding encoding);
/* Bytes of a unit: 1, 2 or 4. */
unsigned encoding_width(CFStringEncoding encoding);
/* Whether text in external form begins with a byte order mark: the encoding does not say. */
bool encoding_is_marked(CFStringEncoding encoding);
/* How many bytes were put; 0: it cannot be said in that encoding. */
size_t encoding_put(CFStringEncoding encoding, uint32_t code,
		    uint8_t ret_bytes[ENCODING_BYTES_MAX]);
/* The code point at *at, before end; moves past it. False: there is none. */
bool encoding_get(CFStringEncoding encoding, const uint8_t **at, const uint8_t *end,
		  uint32_t *ret_code);

#endif
