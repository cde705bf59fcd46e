/* SPDX-License-Identifier: Apache-2.0 */
/* Any thread; nothing is allocated. */
#include "escape.h"

#include "utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The two ranges by which a line can be made to look like another one. */
static bool
turns_direction(uint32_t code)
{
	return (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

static bool
is_plain(uint32_t code)
{
	return code == '\t' || (code >= 0x20 && code < 0x7f) ||
	       (code >= 0xa0 && !turns_direction(code) && code != 0x2028 && code != 0x2029);
}

size_t
escape_line(char *out, const char *bytes, size_t length)
{
	static const char digits[] = "0123456789abcdef";
	size_t used = 0, at = 0;

	while (at < length) {
		size_t sequence = bytes[at] == '\0' ? 0 : utf8_sequence(bytes + at);
		const char *next = bytes + at;
		bool plain = sequence != 0 && at + sequence <= length && is_plain(utf8_next(&next));

		if (plain) {
			memcpy(out + used, bytes + at, sequence);
			used += sequence;
			at += sequence;
			continue;
		}
		for (size_t i = 0; i < (sequence != 0 ? sequence : 1) && at < length; i++, at++) {
			out[used++] = '\\';
			out[used++] = 'x';
			out[used++] = digits[(unsigned char)bytes[at] >> 4];
			out[used++] = digits[(unsigned char)bytes[at] & 15];
		}
	}
	out[used] = '\0';
	return used;
}
