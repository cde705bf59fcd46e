/* SPDX-License-Identifier: Apache-2.0 */
#include "escape.h"

#include "unit.h"

static void
check(const char *bytes, size_t length, const char *expected)
{
	char out[ESCAPE_ROOM(64)];

	ck_assert_uint_eq(escape_line(out, bytes, length), strlen(expected));
	ck_assert_str_eq(out, expected);
}

START_TEST(text_stays)
{
	check("plain\ttext \\ \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80", 24,
	      "plain\ttext \\ \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80");
	check("", 0, "");
}
END_TEST

START_TEST(controls_are_shown)
{
	check("\x1b[2J", 4, "\\x1b[2J");
	check("a\0b", 3, "a\\x00b");
	check("\r\n\x7f", 3, "\\x0d\\x0a\\x7f");
	check("\xc2\x9b", 2, "\\xc2\\x9b");	     /* CSI as one character */
	check("\xe2\x80\xae", 3, "\\xe2\\x80\\xae"); /* right to left */
	check("\xe2\x80\xa8", 3, "\\xe2\\x80\\xa8"); /* a line's end */
}
END_TEST

START_TEST(broken_sequences_are_shown)
{
	check("\xff\xc0\x80", 3, "\\xff\\xc0\\x80");
	/* Cut off at the end of what is to be shown. */
	check("\xe2\x82\xac", 2, "\\xe2\\x82");
}
END_TEST

UNIT_MAIN("escape", text_stays, controls_are_shown, broken_sequences_are_shown)
