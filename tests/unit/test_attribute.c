/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "attribute.h"

#include <stdio.h>

static char folder[] = "/tmp/attribute-XXXXXX";

static void
begin(const char *text)
{
	char path[64];
	FILE *file;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/it", folder);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static void
end(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/it", folder);
	unlink(path);
	rmdir(folder);
}

START_TEST(one_line_that_is_safe_to_show)
{
	char text[16];

	begin("A\tb\x1b[2J\x7f \xc3\xa4\nnext");
	ck_assert(attribute_read(folder, "it", text, sizeof(text)));
	ck_assert_str_eq(text, "A?b?[2J? \xc3\xa4");
	ck_assert(attribute_read(folder, "it", text, 4));
	ck_assert_str_eq(text, "A?b");
	ck_assert(!attribute_read(folder, "none", text, sizeof(text)));
	ck_assert_str_eq(text, "");
	/* Of a folder nothing can be read. */
	ck_assert(!attribute_read("/", "tmp", text, sizeof(text)));
	ck_assert_str_eq(text, "");
	end();
}
END_TEST

START_TEST(numbers)
{
	static const struct {
		const char *text;
		int base;
		bool is_number;
		uint32_t number;
	} rows[] = {
		{"12\n", 10, true, 12},
		{"12\n", 16, true, 0x12},
		{"0x8086\n", 16, true, 0x8086},
		{"ffffffff\n", 16, true, UINT32_MAX},
		{"ff", 16, true, 255},
		{"480 Mbit", 10, true, 480},
		{"100000000\n", 16, false, 0},
		{"99999999999999999999999\n", 10, false, 0},
		{"-1\n", 10, false, 0},
		{" 1\n", 10, false, 0},
		{"ff\n", 10, false, 0},
		{"\n", 10, false, 0},
		{"", 10, false, 0},
		{"\n7", 10, false, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t number = 7;

		strcpy(folder, "/tmp/attribute-XXXXXX");
		begin(rows[i].text);
		ck_assert_msg(attribute_read_number(folder, "it", rows[i].base, &number) ==
					      rows[i].is_number &&
				      number == rows[i].number,
			      "'%s' in base %d is %u", rows[i].text, rows[i].base, number);
		end();
	}
}
END_TEST

UNIT_MAIN("attribute", one_line_that_is_safe_to_show, numbers)
