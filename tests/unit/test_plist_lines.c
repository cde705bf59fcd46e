/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "plist_lines.h"

#include <stdio.h>

static const char list[] = "<?xml version=\"1.0\"?>\n"		  /* 1 */
			   "<plist version=\"1.0\">\n"		  /* 2 */
			   "<dict>\n"				  /* 3 */
			   "<!-- <key>Hidden</key>\n -->\n"	  /* 4, 5 */
			   "<key>A</key> <string>\n\n</string>\n" /* 6 to 8 */
			   "<key>B</key><dict>\n"		  /* 9 */
			   "<key>C</key><array><dict>\n"	  /* 10 */
			   "<key>D</key><true/></dict>\n"	  /* 11 */
			   "<dict><key>D</key><dict/></dict>\n"	  /* 12 */
			   "</array>\n"				  /* 13 */
			   "<key>E</key><integer>1</integer>\n"	  /* 14 */
			   "<key>E</key><integer>2</integer>\n"	  /* 15 */
			   "</dict><key>F</key>\n<dict></dict>\n" /* 16 */
			   "<key>A</key><string/></dict></plist>\n" /* 18 */;

START_TEST(knows_each_key)
{
	static const struct {
		const char *path;
		unsigned line;
	} wanted[] = {{"A", 6},	     {"B", 9},	    {"B:C", 10}, {"B:C:D", 11},
		      {"B:E", 14},   {"F", 16},	    {"B:G", 9},	 {"G", 1},
		      {"F:G:H", 16}, {"Hidden", 1}, {"B:CD", 9}, {"B:C:X", 10}};
	struct plist_lines lines;

	plist_lines_read(list, strlen(list), &lines);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		ck_assert_msg(plist_line_of(&lines, wanted[i].path) == wanted[i].line,
			      "%s: line %u, not %u", wanted[i].path,
			      plist_line_of(&lines, wanted[i].path), wanted[i].line);
	plist_lines_free(&lines);
}
END_TEST

/* Two dictionaries of an array may have the same key, one dictionary may not. */
START_TEST(knows_what_stands_twice)
{
	struct plist_lines lines;
	char found[64] = "";

	plist_lines_read(list, strlen(list), &lines);
	for (size_t i = 0; i < lines.count; i++)
		if (lines.keys[i].first != 0)
			snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s %u %u,",
				 lines.keys[i].path, lines.keys[i].line, lines.keys[i].first);
	ck_assert_str_eq(found, "B:E 15 14,A 18 6,");
	plist_lines_free(&lines);
}
END_TEST

/* Every beginning of the list, and one with more keys and depth than are kept. */
START_TEST(survives_what_is_broken)
{
	struct plist_lines lines;
	char *many = calloc(1, 200000);
	size_t used = 0;

	for (size_t length = 0; length < strlen(list); length++) {
		char *part = strndup(list, length);

		plist_lines_read(part, length, &lines);
		plist_line_of(&lines, "B:C:D");
		plist_lines_free(&lines);
		free(part);
	}
	for (int i = 0; i < 5000; i++)
		used += (size_t)sprintf(many + used,
					i < 100 ? "<dict><key>k%d</key>" : "<key>k%d</key>", i);
	plist_lines_read(many, used, &lines);
	ck_assert_uint_le(lines.count, PLIST_LINES_MAX);
	plist_lines_free(&lines);
	used = (size_t)sprintf(many, "<dict>");
	for (unsigned i = 0; i <= PLIST_LINES_MAX; i++)
		used += (size_t)sprintf(many + used, "<key>k%u</key>\n", i);
	plist_lines_read(many, used, &lines);
	ck_assert_uint_eq(lines.count, PLIST_LINES_MAX);
	ck_assert_uint_eq(plist_line_of(&lines, "k4095"), 4096);
	ck_assert_uint_eq(plist_line_of(&lines, "k4096"), 1);
	plist_lines_free(&lines);
	used = (size_t)sprintf(many, "<dict><key>%01000d</key><dict><key>a</key></dict></dict>", 1);
	plist_lines_read(many, used, &lines);
	plist_lines_free(&lines);
	plist_lines_read("bplist00<key>A</key>", 20, &lines);
	ck_assert_uint_eq(plist_line_of(&lines, "A"), 0);
	plist_lines_free(&lines);
	free(many);
}
END_TEST

UNIT_MAIN("plist_lines", knows_each_key, knows_what_stands_twice, survives_what_is_broken)
