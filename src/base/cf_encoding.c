/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encodings: UTF-8, -16 and -32, ASCII, Latin 1 and MacRoman. Strings are UTF-8 inside; this is the
 * way in and out.
 */
#include "cf_encoding.h"

#include <endian.h>
#include <string.h>

#include "utf8.h"

/* What MacRoman has above ASCII. */
static const uint16_t mac_roman[128] = {
	0x00c4, 0x00c5, 0x00c7, 0x00c9, 0x00d1, 0x00d6, 0x00dc, 0x00e1, 0x00e0, 0x00e2, 0x00e4,
	0x00e3, 0x00e5, 0x00e7, 0x00e9, 0x00e8, 0x00ea, 0x00eb, 0x00ed, 0x00ec, 0x00ee, 0x00ef,
	0x00f1, 0x00f3, 0x00f2, 0x00f4, 0x00f6, 0x00f5, 0x00fa, 0x00f9, 0x00fb, 0x00fc, 0x2020,
	0x00b0, 0x00a2, 0x00a3, 0x00a7, 0x2022, 0x00b6, 0x00df, 0x00ae, 0x00a9, 0x2122, 0x00b4,
	0x00a8, 0x2260, 0x00c6, 0x00d8, 0x221e, 0x00b1, 0x2264, 0x2265, 0x00a5, 0x00b5, 0x2202,
	0x2211, 0x220f, 0x03c0, 0x222b, 0x00aa, 0x00ba, 0x03a9, 0x00e6, 0x00f8, 0x00bf, 0x00a1,
	0x00ac, 0x221a, 0x0192, 0x2248, 0x2206, 0x00ab, 0x00bb, 0x2026, 0x00a0, 0x00c0, 0x00c3,
	0x00d5, 0x0152, 0x0153, 0x2013, 0x2014, 0x201c, 0x201d, 0x2018, 0x2019, 0x00f7, 0x25ca,
	0x00ff, 0x0178, 0x2044, 0x20ac, 0x2039, 0x203a, 0xfb01, 0xfb02, 0x2021, 0x00b7, 0x201a,
	0x201e, 0x2030, 0x00c2, 0x00ca, 0x00c1, 0x00cb, 0x00c8, 0x00cd, 0x00ce, 0x00cf, 0x00cc,
	0x00d3, 0x00d4, 0xf8ff, 0x00d2, 0x00da, 0x00db, 0x00d9, 0x0131, 0x02c6, 0x02dc, 0x00af,
	0x02d8, 0x02d9, 0x02da, 0x00b8, 0x02dd, 0x02db, 0x02c7,
};

static bool
is_little(CFStringEncoding encoding)
{
	switch (encoding) {
	case kCFStringEncodingUTF16LE:
	case kCFStringEncodingUTF32LE:
		return true;
	case kCFStringEncodingUTF16BE:
	case kCFStringEncodingUTF32BE:
		return false;
	default:
		return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
	}
}

unsigned
encoding_width(CFStringEncoding encoding)
{
	switch (encoding) {
	case kCFStringEncodingUTF16:
	case kCFStringEncodingUTF16BE:
	case kCFStringEncodingUTF16LE:
		return 2;
	case kCFStringEncodingUTF32:
	case kCFStringEncodingUTF32BE:
	case kCFStringEncodingUTF32LE:
		return 4;
	default:
		return 1;
	}
}

bool
encoding_is_known(CFStringEncoding encoding)
{
	switch (encoding) {
	case kCFStringEncodingUTF8:
	case kCFStringEncodingASCII:
	case kCFStringEncodingISOLatin1:
	case kCFStringEncodingMacRoman:
		return true;
	default:
		return encoding_width(encoding) > 1;
	}
}

unsigned
encoding_most(CFStringEncoding encoding)
{
	return encoding == kCFStringEncodingUTF8 ? 3 : encoding_width(encoding);
}

bool
encoding_is_marked(CFStringEncoding encoding)
{
	return encoding == kCFStringEncodingUTF16 || encoding == kCFStringEncodingUTF32;
}

static void
put_16(CFStringEncoding encoding, uint32_t unit, uint8_t bytes[2])
{
	bool little = is_little(encoding);

	bytes[little ? 0 : 1] = (uint8_t)unit;
	bytes[little ? 1 : 0] = (uint8_t)(unit >> 8);
}

static void
put_32(CFStringEncoding encoding, uint32_t unit, uint8_t bytes[4])
{
	unit = is_little(encoding) ? htole32(unit) : htobe32(unit);
	memcpy(bytes, &unit, sizeof(unit));
}

static uint32_t
get_unit(CFStringEncoding encoding, const uint8_t *bytes)
{
	unsigned width = encoding_width(encoding);
	uint32_t unit = 0;

	for (unsigned i = 0; i < width; i++)
		unit |= (uint32_t)bytes[is_little(encoding) ? i : width - 1 - i] << (8 * i);
	return unit;
}

static size_t
put_mac_roman(uint32_t code, uint8_t *bytes)
{
	for (unsigned i = 0; i < 128; i++)
		if (mac_roman[i] == code) {
			bytes[0] = (uint8_t)(0x80 + i);
			return 1;
		}
	return 0;
}

size_t
encoding_put(CFStringEncoding encoding, uint32_t code, uint8_t ret_bytes[ENCODING_BYTES_MAX])
{
	unsigned width = encoding_width(encoding);

	if (encoding == kCFStringEncodingUTF8)
		return utf8_put(code, (char *)ret_bytes);
	if (width == 2 && code >= 0x10000) {
		put_16(encoding, 0xd800 | (code - 0x10000) >> 10, ret_bytes);
		put_16(encoding, 0xdc00 | (code & 0x3ff), ret_bytes + 2);
		return 4;
	}
	if (width == 2)
		put_16(encoding, code, ret_bytes);
	if (width == 4)
		put_32(encoding, code, ret_bytes);
	if (width > 1)
		return width;
	if (code < 0x80 || (encoding == kCFStringEncodingISOLatin1 && code < 0x100)) {
		ret_bytes[0] = (uint8_t)code;
		return 1;
	}
	return encoding == kCFStringEncodingMacRoman ? put_mac_roman(code, ret_bytes) : 0;
}

static bool
get_wide(CFStringEncoding encoding, const uint8_t **at, const uint8_t *end, uint32_t *ret_code)
{
	size_t width = encoding_width(encoding);
	uint32_t code, low;
	char unused[4];

	if ((size_t)(end - *at) < width)
		return false;
	code = get_unit(encoding, *at);
	*at += width;
	if (width == 2 && code >= 0xd800 && code < 0xdc00) {
		if (end - *at < 2)
			return false;
		low = get_unit(encoding, *at);
		if ((low & 0xfc00) != 0xdc00)
			return false;
		*at += width;
		code = 0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff));
	}
	*ret_code = code;
	return utf8_put(code, unused) > 0;
}

static bool
get_utf8(const uint8_t **at, const uint8_t *end, uint32_t *ret_code)
{
	char text[5] = {0}; /* its end is none for utf8_sequence */
	const char *from = text;
	size_t left = (size_t)(end - *at);

	memcpy(text, *at, left < 4 ? left : 4);
	if (text[0] != '\0' && utf8_sequence(text) == 0)
		return false;
	if (text[0] == '\0')
		from++;
	*ret_code = text[0] == '\0' ? 0 : utf8_next(&from);
	*at += from - text;
	return true;
}

bool
encoding_get(CFStringEncoding encoding, const uint8_t **at, const uint8_t *end, uint32_t *ret_code)
{
	uint8_t byte;

	if (*at == end)
		return false;
	if (encoding_width(encoding) > 1)
		return get_wide(encoding, at, end, ret_code);
	if (encoding == kCFStringEncodingUTF8)
		return get_utf8(at, end, ret_code);
	byte = *(*at)++;
	if (byte < 0x80 || encoding == kCFStringEncodingISOLatin1)
		*ret_code = byte;
	else if (encoding == kCFStringEncodingMacRoman)
		*ret_code = mac_roman[byte - 0x80];
	else
		return false;
	return true;
}
