/* SPDX-License-Identifier: Apache-2.0 */
#include "utf8.h"

#include "unit.h"

START_TEST(what_is_put_is_read)
{
	const uint32_t codes[] = {1,	  0x7f,	  0x80,	  0x7ff,   0x800,
				  0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		char bytes[5] = {0};
		const char *at = bytes;
		size_t length = utf8_put(codes[i], bytes);

		ck_assert_uint_eq(utf8_sequence(bytes), length);
		ck_assert_uint_eq(utf8_next(&at), codes[i]);
		ck_assert_ptr_eq(at, bytes + length);
		ck_assert(utf8_is_valid(bytes));
	}
}
END_TEST

START_TEST(others_are_replaced)
{
	const char *at = "\xe2\x82!";
	char bytes[4];

	ck_assert_uint_eq(utf8_next(&at), UTF8_REPLACEMENT);
	ck_assert_uint_eq(utf8_next(&at), UTF8_REPLACEMENT);
	ck_assert_uint_eq(utf8_next(&at), '!');
	ck_assert_uint_eq(utf8_put(0xd800, bytes), 0);
	ck_assert_uint_eq(utf8_put(0x110000, bytes), 0);
	ck_assert(!utf8_is_valid("a\xc0\x80"));
}
END_TEST

UNIT_MAIN("utf8", what_is_put_is_read, others_are_replaced)
