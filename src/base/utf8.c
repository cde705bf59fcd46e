/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8, strictly: no overlong sequences, no surrogates, nothing past U+10FFFF. */
#include "utf8.h"

size_t
utf8_sequence(const char *string)
{
	const unsigned char *text = (const unsigned char *)string;
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

bool
utf8_is_valid(const char *text)
{
	size_t length;

	for (; *text != '\0'; text += length) {
		length = utf8_sequence(text);
		if (length == 0)
			return false;
	}
	return true;
}

uint32_t
utf8_next(const char **at)
{
	const char *text = *at;
	size_t length = utf8_sequence(text);
	uint32_t code;

	if (length == 0) {
		*at = text + 1;
		return UTF8_REPLACEMENT;
	}
	*at = text + length;
	if (length == 1)
		return (unsigned char)text[0];
	code = (unsigned char)text[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++)
		code = code << 6 | ((unsigned char)text[i] & 0x3fu);
	return code;
}

size_t
utf8_put(uint32_t code, char *ret_bytes)
{
	if (code < 0x80) {
		ret_bytes[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		ret_bytes[0] = (char)(0xc0 | code >> 6);
		ret_bytes[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	if (code < 0x10000) {
		ret_bytes[0] = (char)(0xe0 | code >> 12);
		ret_bytes[1] = (char)(0x80 | (code >> 6 & 0x3f));
		ret_bytes[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	ret_bytes[0] = (char)(0xf0 | code >> 18);
	ret_bytes[1] = (char)(0x80 | (code >> 12 & 0x3f));
	ret_bytes[2] = (char)(0x80 | (code >> 6 & 0x3f));
	ret_bytes[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}
